"""torch.nn.RNN itself, eager, on any device; and any class that takes its constructor's arguments."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from rnn_spec.questions.plain import packed
from rnn_spec.questions.records import Error, Observation
from rnn_spec.subjects.base import Subject

if TYPE_CHECKING:
    from rnn_spec.questions.records import Attempt, Case


class TorchSubject(Subject):
    """torch.nn.RNN. A drop-in replacement is judged by a subclass with another `module`."""

    name = "torch"
    dtypes = ("float64", "float32", "float16", "bfloat16")
    contract = ("attempts",)
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
        self.limits = tuple(self.worker.limits())  # type: ignore[misc]
        self.tells = tuple(self.worker.TELLS)  # type: ignore[misc]

    def module_class(self) -> tuple[Any, Any]:
        """The class under test, and the torch that it lives in, for checks of the Python class itself."""
        return self.cls, self.worker.torch

    @property
    def inherits(self) -> tuple[str, str] | None:
        """torch, whose failures a subclass of torch.nn.RNN may have."""
        rnn = self.worker.torch.nn.RNN
        derived = isinstance(self.cls, type) and issubclass(self.cls, rnn) and self.cls is not rnn
        return ("torch", str(self.worker.version())) if derived else None

    @property
    def title(self) -> str:
        """``torch``, the name that a subclass has been given, or that of the class that it puts to test."""
        named = "name" in vars(type(self)) or self.cls is self.worker.torch.nn.RNN
        return super().title if named else str(getattr(self.cls, "__name__", type(self).__name__))

    def version(self) -> str:
        """The torch release, and the device where it is not the CPU; of a replacement, its name first."""
        found = str(self.worker.version()) + ("" if self.device == "cpu" else f" on {self.device}")
        return found if self.title == TorchSubject.name else f"{self.title} in {found}"

    def run(self, case: Case) -> Observation:
        """Answer one Case in a new module."""
        return self.answer(case, self.cls)

    def answer(self, case: Case, make: Any) -> Observation:
        """Answer one Case in what `make` makes of the constructor's arguments."""
        plain: dict[str, Any] = {name: getattr(case, name) for name in PLAIN}
        plain["config"] = asdict(case.config)
        plain["cotangents"] = None if case.cotangents is None else vars(case.cotangents)
        plain["earlier"] = [vars(call) for call in case.earlier]
        answer: dict[str, Any] = self.worker.answer(plain, make, self.device)
        if "error" in answer:
            answer["error"] = Error(**answer["error"])
        return Observation(**answer)

    def attempt(self, attempt: Attempt) -> Observation:
        """Make one Attempt of the class under test."""
        from rnn_spec.torch import attempted

        make: Any = attempted.attempt
        found: dict[str, Any] = make(packed(attempt), self.cls, self.device)
        after = found.pop("after", None)  # arrays are no plain data
        return replace(msgspec.convert(found, Observation), after=after)


PLAIN = ("parameters", "input", "h_0", "lengths", "training", "dtype", "seed")
