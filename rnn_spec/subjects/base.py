"""The interface of a subject, an implementation under test: one method, and what it claims.

    from rnn_spec import Case, Observation, Subject

    class MyRNN(Subject):
        name = "my-rnn"
        levels = frozenset({"cell", "sequence"})

        def run(self, case: Case) -> Observation:
            output, h_n = my_rnn(case.parameters, case.input, case.h_0)
            return Observation(output, h_n)

``rnn-spec check my_package.my_module:MyRNN`` then judges it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from rnn_spec.questions.claims import CHOICES, KINDS, MODULE, Claims
from rnn_spec.questions.records import LEVELS, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rnn_spec.questions.records import Attempt, Case

TRAITS: dict[str, dict[str, str]] = {
    "biases": {
        "two": "It has both of torch's bias vectors.",
        "one": "It has one bias vector, the sum of torch's two; its gradient is that of each of them.",
    },
    "layout": {
        "time": "Its input is (T, N, I).",
        "batch": "Its input is (N, T, I).",
        "both": "Its input is (T, N, I) or (N, T, I), as it is told.",
    },
    "nonlinearities": {
        "both": "It has tanh and relu.",
        "tanh": "It has tanh only.",
        "relu": "It has relu only.",
    },
    "stacking": {
        "framework": "One layer of the framework is a whole stack.",
        "adapter": "A stack is made of single layers, each reading the output of the one below.",
    },
    "directions": {
        "framework": "The framework runs both directions.",
        "adapter": "The adapter runs a layer in each direction, and puts their outputs side by side.",
    },
    "padding": {
        "zero": "Its output is 0 in the padding.",
        "repeated": "In the padding its output repeats the last one.",
        "running": "In the padding it goes on computing.",
        "unspecified": "What its output holds in the padding is not documented.",
    },
    "zero_length": {
        "zero": "The final state of a sequence of length 0 is 0.",
        "h_0": "The final state of a sequence of length 0 is its initial state.",
        "other": "The final state of a sequence of length 0 is neither 0 nor its initial state.",
        "refused": "A sequence of length 0 is refused.",
    },
}
"""What subjects differ in without being wrong: each trait, its values, and what a value means."""


class SubjectError(Exception):
    """A subject that cannot be had; its message is one sentence that says why and what to do."""


ENDINGS: list[Callable[[], None]] = []
"""What ends the processes that run, if a command is interrupted: entered by whoever starts some."""


def version_of(subject: Subject, name: str) -> str:
    """What exactly is under test; SubjectError where the subject of that name does not get as far."""
    try:
        return str(subject.version() or subject.title)
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        raise SubjectError(f"subject {name!r} does not say its version ({type(e).__name__}: {e})") from e


def facts_of(subject: Subject) -> dict[str, str]:
    """What it runs on and with, as text; a subject that cannot say so is judged all the same."""
    try:
        return {str(name): str(value) for name, value in subject.facts().items()}
    except Exception as e:
        return {"facts": f"not told ({type(e).__name__}: {e})"}


class Subject:
    """An implementation under test. A subclass says what it claims, and answers Cases."""

    name: ClassVar[str] = ""
    """What reports call it; the class's own name unless set."""

    levels: ClassVar[frozenset[str]] = frozenset(LEVELS)
    """What it claims, of `LEVELS`; a check that needs more is *not claimed*, neither passed nor failed."""

    dtypes: ClassVar[tuple[str, ...]] = ("float64", "float32")
    """The dtypes it computes in."""

    nonlinearities: ClassVar[tuple[str, ...]] = CHOICES["nonlinearities"]
    """What it has of tanh and relu."""

    bias: ClassVar[tuple[bool, ...]] = CHOICES["bias"]
    """Whether it can have biases (True), and can be without (False)."""

    h_0: ClassVar[tuple[str, ...]] = CHOICES["h_0"]
    """Whether the initial state may be ``given``, as it has to be, and ``absent``."""

    gradients: ClassVar[tuple[str, ...]] = CHOICES["gradients"]
    """Where it claims gradients: of ``input``, of ``h_0``, of its ``parameters``."""

    cotangents: ClassVar[tuple[str, ...]] = CHOICES["cotangents"]
    """Where it claims gradients: for cotangents of ``output``, of ``h_n``; the other one is then 0."""

    tells: ClassVar[tuple[str, ...] | None] = None
    """What it promises to tell beside numbers: ``parameters``, ``after``, ``aliases``, ``drew``, ``dtypes``,
    ``earlier``. None: it promises nothing, and is held to what it does tell."""

    contract: ClassVar[tuple[str, ...]] = ()
    """What it can be asked beside plain Cases, as a torch module can: ``deeds``, ``routes``, ``attempts``."""

    limits: ClassVar[tuple[str, ...]] = ()
    """The reasons that `Observation.unsupported` may give, word for word: what it declares that it has not.
    Any other reason breaks a promise: the level conforms in part, and the run does not pass."""

    remote: ClassVar[bool] = False
    """It answers from elsewhere, and so cannot write into what it is given: `after` is its word alone."""

    declares: ClassVar[Mapping[str, str]] = {}
    """Its traits, of `TRAITS`; what it leaves out it has not, or does not say."""

    def __init__(self) -> None:
        """Import the framework here, not in the module, so that it is imported only when under test."""

    def run(self, case: Case) -> Observation:
        """Answer one Case; see `Case` for the shapes, and `Observation` for what may be left out.

        An exception that this raises is the same as an Observation with that error, in phase forward.
        """
        raise NotImplementedError(f"{type(self).__name__}.run(case) is what a subject must define")

    def attempt(self, attempt: Attempt) -> Observation:
        """Answer one Attempt, as whoever claims ``attempts`` in its `contract` does."""
        return Observation(unsupported=MODULE)

    def close(self) -> None:  # most hold nothing
        """Let go of what it holds, such as a process; it may be asked again afterwards."""

    def version(self) -> str:
        """What exactly is under test, for the report: the framework and its version."""
        return ""

    def facts(self) -> Mapping[str, str]:
        """What it runs on and with: build, device, threads, precision settings, each under its name."""
        return {}

    def unclaimed(self, case: Case) -> str | None:
        """Why `case` is outside what this subject claims, or None."""
        return self.claims.outside(case)

    @cached_property
    def claims(self) -> Claims:
        """All that it claims, in one record."""
        return Claims(**{kind: getattr(self, kind) for kind in KINDS})

    @property
    def inherits(self) -> tuple[tuple[str, ...], str] | None:
        """The subjects, and their version, that it may fail as, for its class is a subclass of theirs."""
        return None

    @property
    def title(self) -> str:
        """The name that reports use."""
        return self.name or type(self).__name__
