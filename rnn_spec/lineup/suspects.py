"""Suspects: the spec with some faults, and how far what it answers is from what a subject answered.

The one engine of the smoke stage and of the diagnosis: which suspects reproduce a subject's answers, within
the bound, to every case looked at?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.compare import Nonconformity, comparisons, same
from rnn_spec.judge.session import NotClaimed, Session, read
from rnn_spec.lineup.faulty import Steps, faulty_spec
from rnn_spec.questions import reveal
from rnn_spec.questions.records import Error, Observation
from rnn_spec.spec.arithmetic import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Bound, Case

FACTS = ("dtypes", "parameters", "aliases", "drew")
FAR = np.inf


@dataclass(frozen=True, eq=False)
class Answered:
    """A case, what the subject answered, the bounds of what was expected, and whether it conforms."""

    case: Case
    observation: Observation
    bounds: dict[str, Bound]
    masks: list[np.ndarray] | None
    conforms: bool


class Right:
    """The spec without faults: what it answers, and what it calls for it."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.steps = Steps()
        self.session = Session(self.steps)
        self.blameless = Suspect((), self)

    def answered(self, session: Session, case: Case) -> Answered | None:
        """A subject's answer to a case beside what is expected, or None if it does not claim the case."""
        try:
            asked = session.claimed(case)
        except NotClaimed:
            return None
        observation = session.answer(asked)
        if observation.unsupported:
            return None
        try:
            if not observation.error:
                read(observation)
        except Nonconformity as e:  # no arrays of numbers: as good as an error
            observation = Observation(error=Error("forward", "Nonconformity", str(e)))
        try:
            bounds = dict(session.expected(asked, observation).arrays)
            masks = reveal.masks(asked, observation)
        except Exception:  # an answer that says nothing of masks, or a case that ought to be refused
            refused = observation.error is not None and self.session.answer(asked).error is not None
            return Answered(asked, observation, {}, None, conforms=refused)
        return Answered(asked, observation, bounds, masks, conforming(asked, observation, bounds))


class Suspect:
    """The spec with some faults, and what it has answered."""

    def __init__(self, faults: tuple[Fault, ...], right: Right) -> None:
        """Begin; what does not depend on the faults is `right`'s."""
        self.faults, self.subject, self.right = faults, faulty_spec(*faults), right
        self.session = Session(self.subject, right.session.expectations)
        self.distances: dict[Answered, float] = {}

    def fits(self, answered: Answered) -> bool:
        """Whether its answer is the subject's, within the bound, under the masks that the subject drew."""
        right = self.right
        if self is not right.blameless and self.answer(answered.case) is right.session.answer(answered.case):
            return right.blameless.fits(answered)
        if answered not in self.distances:
            self.distances[answered] = self.distance(answered)
            if self.distances[answered] > 1 and answered.masks is not None:
                self.distances[answered] = self.under_the_same_masks(answered)
        return self.distances[answered] <= 1

    def distance(self, answered: Answered) -> float:
        """How far the answer is where it draws dropout's masks itself; up to 1 within the bound."""
        return farthest(differences(answered, self.answer(answered.case), FACTS))

    def under_the_same_masks(self, answered: Answered) -> float:
        """The same under the subject's masks: a right answer's, or else as they are read under the faults."""
        try:
            self.subject.drawn = (
                answered.masks
                if answered.conforms
                else reveal.masks(answered.case, answered.observation, self.subject.model)
            )
            other = Session(self.subject).answer(answered.case)
        except Exception:  # a faulty model may not be one that masks can be read by
            return FAR
        finally:
            self.subject.drawn = None
        return farthest(differences(answered, other, FACTS[:-1]))

    def answer(self, case: Case) -> Observation:
        """Its own answer to a case, asked once; the right one where its step is not called."""
        right, known, key = self.right.session.answer(case), self.session.observations, case.fingerprint
        if key not in known and not self.right.steps.calls(self.faults, case):
            known[key] = right
        return self.session.answer(case)


def farthest(distances: Iterable[float]) -> float:
    """The greatest of the distances; the first that is above 1."""
    worst = 0.0
    for distance in distances:
        worst = max(worst, distance)
        if worst > 1:
            break
    return worst


def differences(answered: Answered, other: Observation, facts: Iterable[str]) -> Iterable[float]:
    """How far another answer is from the subject's, part by part: errors, facts and arrays.

    A fact or a gradient that the subject does not tell is as it should be.
    """
    one, case = answered.observation, answered.case
    yield 0.0 if bool(one.error) == bool(other.error) else FAR
    if one.error or other.error:
        return
    for fact in facts:
        told = getattr(one, fact)
        yield 0.0 if not told or same(ordered(told), ordered(getattr(other, fact))) else FAR
    written, wrote = (written_to(case, answer) | answer.preceding() for answer in (one, other))
    if one.earlier is None:
        wrote = {name: x for name, x in wrote.items() if not name.startswith("earlier ")}
    arrays, others = one.arrays() | written, other.arrays() | wrote
    loosest = max(answered.bounds.values(), key=lambda b: b.error.max(initial=0.0), default=None)
    rounding = (case.config.input_size + case.config.hidden_size + 2) * FORMATS[case.dtype].unit_roundoff
    bounds = answered.bounds | dict.fromkeys({*written, *wrote}, loosest)
    for name in {*arrays, *others}:
        if name not in arrays and name.startswith("grad "):
            continue
        if name not in arrays or name not in others or arrays[name].shape != others[name].shape:
            yield FAR
        elif bound := bounds.get(name):
            yield apart(arrays[name], others[name], bound, rounding)


def apart(one: np.ndarray, two: np.ndarray, bound: Bound, rounding: float) -> float:
    """The greatest difference in units of what is allowed: both may be off by the array's largest bound.

    That is the right answer's; a wrong one that is greater may be off by the `rounding` of one step.
    """
    if identical(one, two):
        return 0.0
    largest = bound.error[np.isfinite(bound.error)].max(initial=0.0)
    one, two = one.astype(np.float64), two.astype(np.float64)
    largest = max(largest, rounding * np.abs(one[np.isfinite(one)]).max(initial=0.0))
    alike = (one == two) | (np.isnan(one) & np.isnan(two))
    if np.shape(bound.error) == one.shape:
        alike |= np.isinf(bound.error)  # where some order of summation overflows, anything goes
    difference = np.where(alike, 0.0, np.abs(two - one))
    ratio = np.where(difference == 0, 0.0, difference / (2 * largest))
    return float(np.nan_to_num(ratio, nan=FAR, posinf=FAR).max(initial=0.0))


def identical(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether two arrays are the same, bit for bit."""
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def ordered(fact: Any) -> Any:
    """A fact as it is compared: names in one order, for a subject may tell them in any."""
    return dict(sorted(fact.items())) if isinstance(fact, dict) else fact


def written_to(case: Case, observation: Observation) -> dict[str, np.ndarray]:
    """What was given and is not afterwards what it was."""
    after, given = (observation.after or {}).items(), case.given
    return {f"{n} after": x for n, x in after if not (identical(given[n], x) or same(given[n], x))}


def conforming(case: Case, observation: Observation, bounds: dict[str, Bound]) -> bool:
    """Whether an answer is within the bounds, and everything that it tells about itself as it must be."""
    try:
        within = not observation.error and all(c.holds for c in comparisons(observation.arrays(), bounds))
    except Nonconformity:
        return False
    return (
        within
        and not written_to(case, observation)
        and not observation.aliases
        and len(case.calls if observation.earlier is None else observation.earlier) == len(case.calls)
        and (not observation.drew or case.dropping)
        and all(dtype == case.dtype for dtype in observation.dtypes.values())
        and observation.parameters in (None, case.config.parameter_shapes())
    )
