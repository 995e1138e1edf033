"""What a torch release does, on record: what it answered to the suite, what failed, and experiments beside.

Two recordings of one release on one machine are equal, byte for byte, apart from their headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

import rnn_spec
from rnn_spec import files
from rnn_spec.questions.records import Error

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class RecordingError(Exception):
    """A recording that cannot be read or made; the message is one sentence that says which, where and why."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a recording is made of: what is at its default is not written, what is unknown is refused."""


class Raised(Record, frozen=True):
    """An exception: its class's name, its message on one line, without addresses and paths, and the phase."""

    type: str
    message: str
    phase: str = ""


class Warned(Record, frozen=True):
    """A warning: its category's name, and its message on one line, without addresses and paths."""

    category: str
    message: str


class Fact(Record, frozen=True):
    """What came of one experiment or Attempt: an exception, a death, an absence, or else a value.

    `value` is JSON; `died` says how the process ended that ran it ("SIGSEGV", "exit 3", "no answer within
    60 s"); `absent` what this torch has not, that the question needs. `warnings` are in the order in which
    they were given.
    """

    value: Any = None
    raised: Raised | None = None
    died: str | None = None
    absent: str | None = None
    warnings: tuple[Warned, ...] = ()


class Bits(Record, frozen=True):
    """One array: the first 16 hexadecimal digits of sha256 over dtype, shape and little-endian bytes.

    `headroom` is the worst error divided by its bound, to three digits; None where nothing bounds it.
    """

    bits: str
    shape: tuple[int, ...]
    headroom: float | None = None


class Arrays(Record, frozen=True):
    """What came of one case: its arrays by name, or the error, or what this torch has not that it needs."""

    arrays: dict[str, Bits] = {}
    error: Error | None = None
    absent: str | None = None


class Standing(Record, frozen=True):
    """The checks of one clause: how many passed, which failed, and which were not judged, by why.

    `failed` has known failures, too: it is what the release does, not what is expected of it.
    """

    passed: int = 0
    failed: tuple[str, ...] = ()
    unjudged: dict[str, tuple[str, ...]] = {}

    @property
    def open(self) -> set[str]:
        """The checks that were not judged."""
        return {id for ids in self.unjudged.values() for id in ids}

    @property
    def owed(self) -> int:
        """How many checks there were."""
        return self.passed + len(self.failed) + len(self.open)

    @property
    def holds(self) -> bool:
        """Whether some check was judged, and none failed."""
        return bool(self.passed) and not self.failed


class Question(Record, frozen=True):
    """A question of the suite: the clauses whose checks ask it, and an Attempt in words."""

    clauses: tuple[str, ...]
    says: str = ""


class Header(Record, frozen=True):
    """All in which two recordings of one release on one processor may differ.

    Another `processor` may add up in another order, and torch before 2.0 draws other masks there.
    `asked` says how much the recording had when it was made, whole, as `Recording.counts` counts it; a part,
    and what is made by hand, says nothing of it.
    """

    subject: str
    version: str
    python: str = ""
    numpy: str = ""
    platform: str = ""
    processor: str = ""
    rnn_spec: str = rnn_spec.__version__
    command: str = ""
    packages: dict[str, str] = {}
    asked: dict[str, int] = {}


class Recording(Record, frozen=True):
    """A release: what came of the suite's questions and checks, and of the experiments beside it.

    `attempts` and `cases` are the suite's own questions by id: every Attempt, and of the Cases the standard
    selection, those with deeds or a route, and those of `generic`. The checks are those of
    ``rnn-spec check torch@PYTHON``. One without clauses is a part, to be added to a whole.
    """

    header: Header
    experiments: dict[str, Fact] = {}
    attempts: dict[str, Fact] = {}
    cases: dict[str, Arrays] = {}
    questions: dict[str, Question] = {}
    clauses: dict[str, Standing] = {}

    def counts(self) -> dict[str, int]:
        """How many experiments, Attempts, cases and checks it has."""
        return {
            "experiments": len(self.experiments),
            "attempts": len(self.attempts),
            "cases": len(self.cases),
            "checks": sum(standing.owed for standing in self.clauses.values()),
        }

    def whole(self) -> Recording:
        """The same, which says that this is all that was asked."""
        header = msgspec.structs.replace(self.header, asked=self.counts())
        return msgspec.structs.replace(self, header=header)

    def write(self, path: Path) -> None:
        """Write atomically: whoever reads finds the old file or the new one, never a part."""
        write(path, self)

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read what `write` wrote; RecordingError says what in the file is not as it must be, and where."""
        return read(path, cls)


def readable(record: Any) -> bytes:
    """The record as JSON that a person and git can read: its keys sorted, indented."""
    return msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=1) + b"\n"


def write(path: Path, record: Any) -> None:
    """Put the record in the file, whole or not at all."""
    files.write(path, readable(record))


def read(path: Path, of: type[T]) -> T:
    """The record of this type that is in the file, or RecordingError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=of)
    except OSError as e:
        raise RecordingError(f"{path} cannot be read: {e.strerror}") from e
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise RecordingError(f"{path} is not a recording: {' '.join(str(e).split())}") from e
