"""A failed check as a file that asks the same again, of any subject: case and expectation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rnn_spec.far import wire
from rnn_spec.judge.compare import same
from rnn_spec.questions.records import Attempt, Bound, Case
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.judge.check import Check
    from rnn_spec.judge.compare import Comparison

FOLDER = "reproductions"
LARGEST = 2_000_000
"""Bytes above which a file is not written: the case is had by its id."""
NAME = re.compile(r"([A-Z]+-\d\d)-.+\.(py|json)")


@dataclass(frozen=True, eq=False)
class Question:
    """What was asked of `subject` by a check of a clause, and went wrong: a case, or else an attempt.

    `array` is the array of the answer that was out of its bound, `expected` and `error` the value and
    bound of each element; all None where the subject raised, or the check compared something else.
    """

    rnn_spec_question: Literal[1]
    subject: str
    clause: str
    check: str
    difference: str
    case: Case | None = None
    array: str | None = None
    expected: np.ndarray | None = None
    error: np.ndarray | None = None
    attempt: Attempt | None = None

    @property
    def asked(self) -> Case | Attempt:
        """The question itself."""
        found = self.case or self.attempt
        if found is None:
            raise wire.WireError("there is neither a case nor an attempt in it")
        return found

    @property
    def bound(self) -> Bound | None:
        """What the array has to be, if it is one array that went wrong."""
        return None if self.expected is None or self.error is None else Bound(self.expected, self.error)


def of(check: Check, id: str, subject: str, difference: str) -> Question | None:
    """The question of the check of this id that failed; None if it asked nothing."""
    if check.case is None:
        return None
    worst, bound = failed_array(check), check.bound
    if worst is None or bound is None:
        return Question(1, subject, check.clause.id, id, difference, check.case)
    return Question(
        1, subject, check.clause.id, id, difference, check.case, worst.name, bound.value, bound.error
    )


def failed_array(check: Check) -> Comparison | None:
    """Where the answer to the last case is out of its bound; None if what differs is made from answers."""
    worst = check.worst
    if worst is None or worst.holds or check.case is None:
        return None
    answer = check.session.observations.get(check.case.fingerprint)
    got = answer.arrays().get(worst.name) if answer else None
    fits = got is not None and np.ndim(got) == len(worst.index) and same(got[worst.index], worst.got)
    return worst if fits else None


def path(folder: Path, check: Check, suffix: str) -> Path:
    """Where the reproduction of a failed check lies."""
    id = check.case.id if check.case else ""
    return folder / FOLDER / f"{check.clause.id}-{re.sub(r'[^A-Za-z0-9_.~-]+', '_', id)}.{suffix}"


def read(path: Path) -> Question:
    """The question in a file; OSError, or WireError with what is wrong."""
    found = wire.decode(path.read_bytes(), Question)
    found.asked  # noqa: B018  # one of the two is there
    if found.clause not in clauses():
        raise wire.WireError(f"no clause is called {found.clause!r}")
    return found


def sweep(folder: Path, before: float) -> None:
    """Remove the reproductions of runs that began before this time, and no file that is not one of ours."""
    for file in (folder / FOLDER).glob("*-*"):
        named = NAME.fullmatch(file.name)
        if named and named[1] in clauses() and file.stat().st_mtime < before and _ours(file, named[1]):
            file.unlink()


def _ours(file: Path, clause: str) -> bool:
    begins = f'"""{clause}, case ' if file.suffix == ".py" else '{"rnn_spec_question":'
    with file.open("rb") as opened:
        return opened.read(len(begins)) == begins.encode()
