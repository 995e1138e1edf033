"""What a subject raises, as an Error: of the layer, or by a mistake in the lines of the adapter around it."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_spec.questions.records import Call, Case, Cotangents, Error, Observation
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from traceback import FrameSummary

RECORDS = (Case, Config, Cotangents, Call, Observation)
MISTAKES = (AttributeError, NameError, ImportError, LookupError, TypeError)
"""What a line raises, without a raise statement, because it is written wrongly."""
FRAMES = 12
"""How many frames of a traceback are kept, the innermost."""


def error_of(e: BaseException, subject: Any) -> Error:
    """What `subject`, or a method of one, raised from its `run`.

    The phase is ``adapter`` where only a mistake in the adapter's own lines raises so: a field that no
    record has, a name that is not defined. `own_line` is set where its own line is the innermost, and
    raised what mistakes raise: in a case that is valid and small, that is a mistake, too.
    """
    frames = [f for f in traceback.extract_tb(e.__traceback__) if not f.filename.startswith("<")]
    inner = frames[-1] if frames else None
    subject = getattr(subject, "__self__", subject)
    own = inner is not None and inner.filename in files_of(type(subject)) and not deliberate(inner)
    phase = "adapter" if own and surely(e, subject) else "forward"
    bases = tuple(c.__name__ for c in type(e).__mro__[1:-1])
    return Error(
        phase, type(e).__name__, " ".join(str(e).split()), told(e, frames), own and isinstance(e, MISTAKES),
        bases,
    )  # fmt: skip


def not_an_observation(returned: object) -> Error:
    """What is wrong with a `run` that returns something else."""
    kind = type(returned).__name__
    return Error("adapter", kind, f"run() returned a {kind}, not an Observation")


def surely(e: BaseException, subject: object) -> bool:
    """Whether no layer raises this, but only a line that uses our records, or a name, wrongly."""
    if isinstance(e, AttributeError):
        return isinstance(e.obj, RECORDS) or e.obj is subject or e.obj is type(subject)
    return isinstance(e, NameError) or (isinstance(e, TypeError) and str(e).startswith("Observation."))


def deliberate(frame: FrameSummary) -> bool:
    """Whether the line raises by saying so, as a layer that refuses a case does."""
    return (frame.line or "").startswith(("raise", "assert"))


def files_of(cls: type) -> set[str]:
    """The files in which a subject's class, and those it inherits from, are written."""
    return {file for c in cls.__mro__ if (file := _file(c)) is not None}


def told(e: BaseException, frames: list[FrameSummary]) -> str:
    """The end of the traceback, beginning inside the subject, as Python prints it."""
    inside = [f for f in frames if not f.filename.startswith(OURS)] or frames
    lines = traceback.format_list(inside[-FRAMES:]) + traceback.format_exception_only(e)
    return "Traceback (most recent call last):\n" + "".join(lines).rstrip()


def _file(cls: type) -> str | None:
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):  # built in, or made where no file is
        return None


OURS = tuple(str(Path(__file__).parents[1] / part) for part in ("judge", "questions", "far"))
"""The files of ours through which a subject is asked."""
