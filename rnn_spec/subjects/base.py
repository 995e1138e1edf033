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

from typing import TYPE_CHECKING, ClassVar

from rnn_spec.cases.records import LEVELS

if TYPE_CHECKING:
    from rnn_spec.cases.records import Case, Observation


class SubjectError(Exception):
    """A subject that cannot be had; its message is one sentence that says why and what to do."""


class Subject:
    """An implementation under test. A subclass says what it claims, and answers Cases."""

    name: ClassVar[str] = ""
    """What reports call it; the class's own name unless set."""

    levels: ClassVar[frozenset[str]] = frozenset(LEVELS)
    """What it claims, of `LEVELS`; a check that needs more is *not claimed*, neither passed nor failed."""

    dtypes: ClassVar[tuple[str, ...]] = ("float64", "float32")
    """The dtypes it computes in."""

    def __init__(self) -> None:
        """Import the framework here, not in the module, so that it is imported only when under test."""

    def run(self, case: Case) -> Observation:
        """Answer one Case; see `Case` for the shapes, and `Observation` for what may be left out.

        An exception that this raises is the same as an Observation with that error, in phase forward.
        """
        raise NotImplementedError(f"{type(self).__name__}.run(case) is what a subject must define")

    def version(self) -> str:
        """What exactly is under test, for the report: the framework and its version."""
        return ""

    def unclaimed(self, case: Case) -> str | None:
        """Why `case` is outside what this subject claims, or None."""
        missing = [level for level in LEVELS if level in case.levels - self.levels]
        if missing:
            return f"not claimed: {', '.join(missing)}"
        return None if case.dtype in self.dtypes else f"not claimed: {case.dtype}"

    @property
    def title(self) -> str:
        """The name that reports use."""
        return self.name or type(self).__name__
