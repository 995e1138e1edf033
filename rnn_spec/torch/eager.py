"""torch.nn.RNN itself, eager, on any device; and any class that takes its constructor's arguments."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from rnn_spec.questions.plain import packed
from rnn_spec.questions.records import LEVELS, Error, Observation
from rnn_spec.subjects.base import Subject, SubjectError
from rnn_spec.torch.routes import DIES, DTYPES, EXPORTED, NEEDS, SUBJECTS, UNCLAIMED

if TYPE_CHECKING:
    from rnn_spec.questions.records import Attempt, Case

SUBCLASS = "torch:subclass"
"""The subject of what a subclass that inherits torch.nn.RNN's forward gets wrong, and the class does not."""


class TorchSubject(Subject):
    """torch.nn.RNN. A drop-in replacement is judged by a subclass with another `module`."""

    name = "torch"
    dtypes = ("float64", "float32", "float16", "bfloat16")
    module: ClassVar[type | None] = None
    """The class under test, called as torch.nn.RNN is; None: torch.nn.RNN."""

    def __init__(self, device: str = "cpu") -> None:
        """Import torch; `device` is torch's name of the device to compute on."""
        from rnn_spec.torch import worker as torch_worker

        self.worker: Any = torch_worker
        self.device = device
        self.worker.torch.empty(0, device=device)  # a device that is not there raises here
        self.cls = self.module or self.worker.torch.nn.RNN
        runs = self.worker.dtypes(device)  # before 2.2 torch has no float16 on the CPU
        self.dtypes = tuple(name for name in type(self).dtypes if name in runs)  # type: ignore[assignment,misc]
        self.limits = tuple(self.worker.limits(self.cls))  # type: ignore[misc]
        self.tells = tuple(self.worker.TELLS)  # type: ignore[misc]
        self.contract = tuple(self.worker.CONTRACT)  # type: ignore[misc]

    def module_class(self) -> tuple[Any, Any]:
        """The class under test, and the torch that it lives in, for checks of the Python class itself."""
        return self.cls, self.worker.torch

    @property
    def inherits(self) -> tuple[tuple[str, ...], str] | None:
        """torch, whose failures a subclass of torch.nn.RNN may have; with its forward, SUBCLASS's, too."""
        cls: Any = self.cls
        rnn = self.worker.torch.nn.RNN
        if not isinstance(cls, type) or not issubclass(cls, rnn) or cls is rnn:
            return None
        names = (TorchSubject.name, *((SUBCLASS,) if getattr(cls, "forward", None) is rnn.forward else ()))
        return names, str(self.worker.version())

    @property
    def title(self) -> str:
        """``torch``, the name that a subclass has been given, or that of the class that it puts to test."""
        named = "name" in vars(type(self)) or self.cls is self.worker.torch.nn.RNN
        return super().title if named else str(getattr(self.cls, "__name__", type(self).__name__))

    def version(self) -> str:
        """The torch release, and the device where it is not the CPU; of a replacement, its name first."""
        found = str(self.worker.version()) + ("" if self.device == "cpu" else f" on {self.device}")
        return found if self.title == TorchSubject.name else f"{self.title} in {found}"

    def facts(self) -> dict[str, str]:
        """torch's build, device, threads and precision settings."""
        return dict(self.worker.facts(self.device))

    def run(self, case: Case) -> Observation:
        """Answer one Case in a new module."""
        plain: dict[str, Any] = {name: getattr(case, name) for name in PLAIN}
        plain["config"] = asdict(case.config)
        plain["cotangents"] = None if case.cotangents is None else vars(case.cotangents)
        plain["earlier"] = [e if isinstance(e, str) else vars(e) for e in case.earlier]
        answer: dict[str, Any] = self.worker.answer(plain, self.cls, self.device)
        if "error" in answer:
            answer["error"] = Error(**answer["error"])
        return Observation(**answer)

    def attempt(self, attempt: Attempt) -> Observation:
        """Make one Attempt of the class under test; in a process forked for it where torch may die of it."""
        from rnn_spec.torch import attempted

        make: Any = attempted.attempt
        found: dict[str, Any]
        if attempt.apart and self.device == "cpu":  # what has used another device cannot be forked
            apart: Any = attempted.apart
            found = json.loads(apart(lambda: self.worker.written(make(packed(attempt), self.cls))))
        else:
            found = make(packed(attempt), self.cls, self.device)
        after = self.worker.read(found.pop("after", None))  # arrays are no plain data
        return replace(msgspec.convert(found, Observation), after=after)


PLAIN = ("parameters", "input", "h_0", "lengths", "training", "dtype", "seed", "route")


class RouteSubject(Subject):
    """torch.nn.RNN on one of `routes.SUBJECTS`."""

    def __init__(self, route: str) -> None:
        """Import torch, and what else the route needs."""
        for package in NEEDS.get(route, ()):
            try:
                __import__(package)
            except ImportError as e:
                raise SubjectError(f"torch:{route} needs {package}: pip install {package}") from e
        self.route, self.eager = route, TorchSubject()
        self.dtypes = DTYPES.get(route, self.eager.dtypes)  # type: ignore[misc]
        self.levels = frozenset(LEVELS) - UNCLAIMED.get(route, set())  # type: ignore[misc]
        self.limits = (*self.eager.limits, *((DIES,) if route in EXPORTED else ()))  # type: ignore[misc]

    @property
    def title(self) -> str:
        """The name that reports use."""
        return f"torch:{self.route}"

    def version(self) -> str:
        """The torch release, and the route."""
        return f"{self.eager.version()} by {self.route}"

    def facts(self) -> dict[str, str]:
        """torch's, and the route."""
        return {**self.eager.facts(), "route": self.route}

    def run(self, case: Case) -> Observation:
        """Answer one Case, by the route."""
        batch = case.input.shape[0 if case.config.batch_first else 1] if case.batched else 1
        if self.route in EXPORTED and batch == 0:
            return Observation(unsupported=DIES)
        return self.eager.run(replace(case, route=self.route))


def find(how: str = "cpu") -> Subject:
    """torch.nn.RNN by one of `routes.SUBJECTS`, or else on the device of that name."""
    if how in SUBJECTS:
        return RouteSubject(how)
    try:
        return TorchSubject(how)
    except RuntimeError as e:
        if "device string" not in str(e):
            raise
        said = textwrap.shorten(str(e), 130, placeholder=" ...")
        raise SubjectError(
            f"subject 'torch:{how}' cannot be made (RuntimeError: {said}); "
            f"torch's routes are {', '.join(SUBJECTS)}"
        ) from e
