"""What a subject that fails behaves like: the named faults that reproduce its answers.

A fault is named only if the spec with that fault answers as the subject does, within the bound, to
*every* case looked at: those that the failed checks asked, and the standard ones that it passes. Where
no single fault does, pairs are tried. Where several do, no case tells them apart, and all are named.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.cases import reveal
from rnn_spec.cases.product import standard
from rnn_spec.cases.records import Case, Observation
from rnn_spec.faulty import faulty_spec
from rnn_spec.judge.check import Check, Memory, NotClaimed
from rnn_spec.judge.compare import Nonconformity, compare, same
from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODULE
from rnn_spec.spec.catalogue import clauses
from rnn_spec.trials import Watch, collect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.cases.records import Bound
    from rnn_spec.judge.check import Answers
    from rnn_spec.judge.faults import Fault
    from rnn_spec.subjects.spec import SpecSubject

MISSING = np.zeros((0, 0, 0, 0))
FACTS = ("dtypes", "parameters", "aliases", "drew", "after")
PAIRS_FROM = 12  # pairs are tried among the faults that explain most cases on their own,
NEUTRAL = clauses()["SHP-06"]  # every subject claims it
PER_TEST = 3  # how many failed checks of one test are looked at
SCORED_ON = 4  # as far as these many failing and as many passing cases show


@dataclass(frozen=True)
class Diagnosis:
    """Faults that together reproduce a subject: which, and how many of its failing cases they explain."""

    faults: tuple[Fault, ...]
    explained: int
    failing: int

    def __str__(self) -> str:
        """A sentence."""
        what = "; and ".join(f"{f.sentence.rstrip('.')} ({f.name})" for f in self.faults)
        return f"behaves as if: {what}; explains {self.explained} of {self.failing} failing cases"


@dataclass(frozen=True)
class Answered:
    """A case, what the subject answered, what was expected, and whether it conforms."""

    case: Case
    observation: Observation
    bounds: dict[str, Bound]
    masks: list[np.ndarray] | None
    conforms: bool


def answers(subject: Any, failed: Sequence[str]) -> list[Answered]:
    """What the failed checks asked, failing answers first, small before large; then the standard cases."""
    wanted, memory = set(failed), Memory()
    asked: dict[str, Case] = {}
    tests: Counter[str] = Counter()
    for trial in collect():
        if trial.id in wanted and tests[trial.test] < PER_TEST:
            tests[trial.test] += 1
            watch = Watch(subject)
            with contextlib.suppress(Nonconformity, NotClaimed):
                trial.run(Check(clauses()[trial.clause], watch, memory))
            asked |= watch.asked
    asked |= {case.id: case for case in (recipe.case() for recipe in standard()) if case.id not in asked}
    found = [a for case in asked.values() if (a := _answered(subject, case, memory))]
    return sorted(found, key=lambda a: (a.conforms, a.case.input.size))


def _answered(subject: Answers, case: Case, memory: Memory) -> Answered | None:
    check = Check(NEUTRAL, subject, memory)
    try:
        asked = check.claimed(case)
        observation = check.ask(asked)
    except (NotClaimed, Nonconformity):
        return None
    masks = reveal.masks(asked, observation)
    bounds = dict(check.expect(asked).arrays)
    conforms = _agrees(observation, bounds) and _harmless(asked, observation)
    return Answered(asked, observation, bounds, masks, conforms)


def _agrees(observation: Observation, bounds: dict[str, Bound]) -> bool:
    arrays = observation.arrays()
    try:
        return all(compare(name, arrays[name], bound).holds for name, bound in bounds.items())
    except (Nonconformity, KeyError):
        return False


def _harmless(case: Case, observation: Observation) -> bool:
    """Whether everything that the answer tells about itself is as it must be."""
    given = {**case.parameters, "input": case.input} | ({} if case.h_0 is None else {"h_0": case.h_0})
    return (
        all(np.array_equal(given[name], value) for name, value in (observation.after or {}).items())
        and not observation.aliases
        and (not observation.drew or case.dropping)
        and all(dtype == case.dtype for dtype in observation.dtypes.values())
        and observation.parameters in (None, case.config.parameter_shapes())
    )


def diagnose(subject: Any, failed: Sequence[str]) -> list[Diagnosis]:
    """The faults, or pairs of them, that reproduce a subject whose checks of these ids failed."""
    asked = answers(subject, failed)
    failing = [a for a in asked if not a.conforms]
    if not failing:  # what failed lies between answers, each of which is within its bound
        return []
    candidates = [fault for fault in FAULTS.values() if fault.of != MODULE]
    found: list[tuple[Fault, ...]] = [(f,) for f in candidates if explains((f,), asked) == len(asked)]
    if not found:
        sample = failing[:SCORED_ON] + asked[len(failing) :][:SCORED_ON]
        likely = sorted(candidates, key=lambda f: explains((f,), sample, stop=False), reverse=True)
        pairs = [(a, b) for a, b in combinations(likely[:PAIRS_FROM], 2) if (a.of, a.step) != (b.of, b.step)]
        found = [pair for pair in pairs if explains(pair, asked) == len(asked)]
    return [Diagnosis(faults, len(failing), len(failing)) for faults in found]


def explains(faults: tuple[Fault, ...], asked: list[Answered], *, stop: bool = True) -> int:
    """How many of the answers these faults reproduce; `stop` at the first that they do not."""
    wrong, count = faulty_spec(*faults), 0
    for answered in asked:
        if reproduces(wrong, answered):
            count += 1
        elif stop:
            break
    return count


def reproduces(wrong: SpecSubject, answered: Answered) -> bool:
    """Whether the faulty spec answers as the subject did, within the bound, and with the same facts.

    Both answers may be off by the bound, so twice the array's largest bound is allowed between them.
    """
    drawn = [None] if answered.masks is None else [answered.masks, None]  # as the subject drew, or its own
    return any(_reproduces(wrong, answered, masks) for masks in drawn)


def _reproduces(wrong: SpecSubject, answered: Answered, masks: list[np.ndarray] | None) -> bool:
    case = answered.case
    wrong.drawn = masks
    try:
        with np.errstate(all="ignore"):
            other = Check(NEUTRAL, wrong, Memory()).remember(case)
    except Exception:
        return False
    if other.error:
        return False
    for fact in FACTS:
        told = getattr(answered.observation, fact)
        if told is not None and told != {} and not same(told, getattr(other, fact)):
            return False
    arrays, others = answered.observation.arrays(), other.arrays()
    for name, bound in answered.bounds.items():
        one, two = arrays.get(name, MISSING), others.get(name, MISSING)
        if one.shape != two.shape:
            return False
        near = np.abs(two.astype(np.float64) - one) <= 2 * bound.error.max(initial=0.0)
        if not (near | (np.isnan(one) & np.isnan(two))).all():
            return False
    return True
