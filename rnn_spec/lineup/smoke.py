"""The smoke stage: small cases that come first, and tell a wrong adapter from a wrong RNN.

An adapter that passes a matrix transposed, or a batch in another order, would fail four hundred checks,
none of which names it. So there is a table of what adapters get wrong (`lineup.mistakes`). If the spec with
a mistake reproduces the answers to all of them, the adapter is wrong, and nothing else has been found to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.judge.compare import Nonconformity, comparisons
from rnn_spec.judge.session import Session
from rnn_spec.lineup.mistakes import MISTAKES
from rnn_spec.lineup.suspects import Answered, Right, Suspect
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Bound, Case, Error, Observation
from rnn_spec.spec.arithmetic import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rnn_spec.lineup.mistakes import Mistake
    from rnn_spec.subjects.base import Subject

    Arrays = Mapping[str, Bound]


RECIPES = (
    "cell-L1-relu-nobias",
    "cell-L1-tanh",
    "small-L1-tanh",
    "small-L1-relu-noh0",
    "square-L1-tanh",
    "odd-L1-relu",
    "small-L2-tanh",
    "small-L1-tanh-bi",
    "small-L2-relu-bi",
)
"""A batch of sequences of different lengths comes beside them."""


def cases(subject: Subject) -> list[Case]:
    """The cases in the dtype that tells most, of those that the subject claims."""
    claims, free = subject.claims, ("dtype", "nonlinearity", "bias")
    cases = [Recipe.parse(f"{id}-float64").case() for id in RECIPES]
    cases.append(cases[2].derive("lengths", lengths=np.array([4, 9, 7])))
    asked = (claims.fit_case(replace(case, cotangents=None), free) for case in cases)
    return [case for case in asked if subject.unclaimed(case) is None]


DIGITS: tuple[tuple[float, Callable[[float], float], str], ...] = (
    (
        FORMATS["float32"].unit_roundoff,
        lambda x: float(np.float32(x)),
        "computes or prints in float32 where float64 was asked for",
    ),
    (5e-6, lambda x: float(f"{x:.7g}"), "prints numbers with 7 digits or fewer; 17 read back as they were"),
)
"""What a right answer loses on its way: relative error, how the numbers are rounded, and a sentence."""


@dataclass(frozen=True)
class Smoke:
    """What came of the smoke stage: how many cases were asked, what failed, and what is wrong."""

    asked: int
    failures: tuple[tuple[str, str], ...]
    mistakes: tuple[str, ...] = ()
    raised: Raised | None = None

    @property
    def adapter(self) -> bool:
        """Whether the adapter is wrong, so that nothing can be said of the RNN."""
        return bool(self.mistakes) or self.raised is not None

    def __str__(self) -> str:
        """A sentence, or a few."""
        right = f"smoke: {self.asked - len(self.failures)} of {self.asked} cases are right"
        if not self.asked:
            return "smoke: none of the small cases is claimed"
        if not self.failures:
            return right
        if self.raised:
            return f"{right}\n{self.raised}"
        first = "{}: {}".format(*self.failures[0]).replace("\n", ";")
        if self.mistakes:
            what = ", or ".join(self.mistakes)
            why = "the adapter is wrong (or the RNN, in just this way); this explains every answer"
            return f"{right}\n{why}: {what}"
        return f"{right}\nthe RNN is wrong: no mistake of an adapter that is known here explains {first}"


@dataclass(frozen=True)
class Raised:
    """An exception that is the adapter's: how it is known to be, the case that showed it, and the error."""

    why: str
    case: str
    error: Error

    def __str__(self) -> str:
        """A sentence, and the traceback where there is one."""
        return "\n".join(filter(None, (f"{self.why}: {self.case}: {self.error}", self.error.traceback)))


def ask(session: Session, asked: Sequence[Case]) -> Iterator[tuple[Case, Observation]]:
    """Each case with its answer, until the adapter is surely wrong."""
    for case in asked:
        answer = session.answer(case)
        yield case, answer
        if answer.error and answer.error.phase == "adapter":
            return


def raised_by_adapter(answered: Sequence[tuple[Case, Observation]]) -> Raised | None:
    """The exception that comes from the adapter's own lines, or from every case alike."""
    errors = [(case.id, answer.error) for case, answer in answered if answer.error]
    if not errors:
        return None
    own = [(id, error) for id, error in errors if error.own_line or error.phase == "adapter"]
    if own:
        return Raised("the adapter is wrong, in a line of its own", *own[0])
    if len(errors) < len(answered):
        return None
    if all(error.phase == "worker" for _, error in errors):
        return Raised("the adapter is wrong: it answers no case at all", *errors[0])
    if len({alike(error) for _, error in errors}) == 1:
        return Raised("the adapter is wrong, or runs no layer at all: every case ends alike", *errors[0])
    return None


def alike(error: Error) -> tuple[str, str, str]:
    """What two errors have in common that come of one mistake: all but the numbers in the message."""
    return error.phase, error.type, re.sub(r"[\d., ]+", " ", error.message)


def smoke(subject: Subject) -> Smoke:
    """Ask the cases."""
    answered = [
        (case, answer) for case, answer in ask(Session(subject), cases(subject)) if not answer.unsupported
    ]
    failures = tuple(
        (case.id, sentence) for case, answer in answered if (sentence := wrong(answer, expect(case).arrays))
    )
    if not failures:
        return Smoke(len(answered), ())
    if raised := raised_by_adapter(answered):
        return Smoke(len(answered), failures, raised=raised)
    if any(a.dtype.kind not in "fiu" for _, answer in answered for a in answer.arrays().values()):
        return Smoke(len(answered), failures)  # no numbers: of those nothing is known
    return Smoke(len(answered), failures, tuple(lost_digits(answered) or mistakes(answered)))


def lost_digits(answered: Sequence[tuple[Case, Observation]]) -> list[str]:
    """What the answers have lost on their way, if they are right but for that."""
    numbers = [x for _, answer in answered for a in answer.arrays().values() for x in a.ravel()]
    return [
        f"it {sentence}"
        for loss, rounded, sentence in DIGITS
        if all(not wrong(answer, loose(expect(case).arrays, loss)) for case, answer in answered)
        and all(rounded(x) == x for x in numbers)
    ][:1]


def mistakes(answered: Sequence[tuple[Case, Observation]]) -> list[str]:
    """The mistakes each of which reproduces every answer; else the pairs, of different steps, that do."""
    right, told = Right(), []
    for case, answer in answered:
        results = Observation(answer.output, answer.h_n, error=answer.error)  # nothing is said of the facts
        told.append(Answered(case, results, dict(right.session.expected(case).arrays), None, conforms=False))

    def reproducing(some: Iterable[Mistake]) -> list[str]:
        suspects = ((m.sentence, Suspect(m.faults, right)) for m in some)
        return [sentence for sentence, suspect in suspects if all(map(suspect.fits, told))]

    pairs = (a.and_then(b) for a, b in combinations(MISTAKES, 2) if not a.steps & b.steps)
    return reproducing(MISTAKES) or reproducing(pairs)


def loose(arrays: Arrays, loss: float) -> Arrays:
    """The bounds, as wide as numbers are that lose this much of themselves."""
    return {name: Bound(b.value, b.error + loss * np.abs(b.value)) for name, b in arrays.items()}


def wrong(answer: Observation, expected: Arrays) -> str:
    """What is wrong with an answer, or nothing."""
    if answer.error:
        return str(answer.error)
    try:
        return next((str(c) for c in comparisons(answer.arrays(), expected) if not c.holds), "")
    except Nonconformity as e:
        return str(e)
