"""What a subject that fails behaves like: the named faults that reproduce what is seen of it.

A fault is named only if the spec with that fault

* answers as the subject does, within the bound, to every case looked at: those that the failed checks
  asked, and some of the standard ones that it passes;
* fails each of the failed checks looked at, for some lie between answers that are each within bounds;
* is like the subject where it fails its own clause: a check that fails on the one fails on the other.

The faults that are left are ranked by how far their answers are from the subject's, nearest first:
no case looked at tells them apart. Where no single fault is left, pairs are tried; where no pair is, a
subject has more than two things wrong, or one that has no name, and those faults are named that reproduce
a part of its wrong answers and every right one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, combinations, islice, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.cases import reveal
from rnn_spec.cases.product import standard
from rnn_spec.cases.records import Error, Observation
from rnn_spec.faulty import Steps, faulty_spec
from rnn_spec.judge.check import Check, Memory, NotClaimed, fingerprint
from rnn_spec.judge.compare import Nonconformity, compare, same
from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODULE
from rnn_spec.spec.catalogue import clauses
from rnn_spec.trials import Watch, collect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rnn_spec.cases.records import Bound, Case
    from rnn_spec.judge.check import Answers
    from rnn_spec.judge.faults import Fault
    from rnn_spec.judge.trial import Trial

FACTS = frozenset({"dtypes", "parameters", "aliases", "drew"})
NEUTRAL = clauses()["SHP-06"]  # every subject claims it
CHECKS = 24  # how many failed checks are looked at, clause by clause,
CASES = 24  # how many of the cases that they ask,
PASSING = 12  # and how many standard cases beside them
CONVICTING = 8  # how many checks of a fault's own clause the subject must fail as it does
PAIRS_FROM = 12  # pairs are tried among the faults that explain most on their own,
SCORED_ON = 4  # as far as these many failing cases show
NAMED = 3  # and how many faults are named that explain a part
FAR = np.inf


@dataclass(frozen=True)
class Diagnosis:
    """Faults that together reproduce a subject: which, and how many of its failed checks they explain."""

    faults: tuple[Fault, ...]
    explained: int
    failing: int
    of: str = "failed checks"

    def __str__(self) -> str:
        """A sentence."""
        what = "; and ".join(f"{f.sentence.rstrip('.')} ({f.name})" for f in self.faults)
        in_part = "in part " if self.explained < self.failing else ""
        return (
            f"{in_part}behaves as if: {what}; explains {self.explained} of {self.failing} {self.of} looked at"
        )


@dataclass(frozen=True)
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
        self.steps, self.memory = Steps(), Memory()

    def answer(self, case: Case) -> Observation:
        """Its answer to a case, asked once."""
        known = self.memory.observations.get(fingerprint(case))
        return known or Check(NEUTRAL, self.steps, self.memory).remember(case)

    def passes(self, trial: Trial) -> bool:
        """Whether it passes a check, which it does unless the check looks at a torch.nn.Module."""
        try:
            trial.run(Check(clauses()[trial.clause], self.steps, self.memory))
        except NotClaimed:
            return False
        return True


class Suspect:
    """The spec with some faults, and what it has answered."""

    def __init__(self, faults: tuple[Fault, ...], right: Right) -> None:
        """Begin; what does not depend on the faults is `right`'s."""
        self.faults, self.subject, self.memory, self.right = faults, faulty_spec(*faults), Memory(), right
        self.memory.expectations = right.memory.expectations

    def fails(self, trial: Trial) -> bool:
        """Whether a check fails on it."""
        return fails(trial, self.subject, self.memory)

    def distance(self, answered: Answered) -> float:
        """How far its answer is from the subject's: up to 1 within the bound, FAR if of another kind."""
        own = self.alone(answered)
        if answered.masks is None or own <= 1:
            return own
        self.subject.drawn = answered.masks  # drop what the subject dropped
        other = Check(NEUTRAL, self.subject, Memory()).remember(answered.case)
        self.subject.drawn = None
        return self.apart(answered, other, FACTS - {"drew"})

    def alone(self, answered: Answered) -> float:
        """The distance where it draws dropout's masks itself."""
        return self.apart(answered, self.answer(answered.case), FACTS)

    def answer(self, case: Case) -> Observation:
        """Its own answer to a case, asked once; the right one where its step is not called."""
        right, known, key = self.right.answer(case), self.memory.observations, fingerprint(case)
        if key not in known and not self.right.steps.calls(self.faults, case):
            known[key] = right
        return known.get(key) or Check(NEUTRAL, self.subject, self.memory).remember(case)

    def apart(self, answered: Answered, two: Observation, facts: Iterable[str]) -> float:
        """The distance of an answer from the subject's."""
        one = answered.observation
        if one.error or two.error:
            return 0.0 if one.error and two.error else FAR
        told = {fact: value for fact in facts if (value := getattr(one, fact))}
        if not all(same(ordered(value), ordered(getattr(two, fact))) for fact, value in told.items()):
            return FAR
        written, wrote = (written_to(answered.case, answer) for answer in (one, two))
        arrays, others = one.arrays() | written, two.arrays() | wrote
        if {n: a.shape for n, a in arrays.items()} != {n: a.shape for n, a in others.items()}:
            return FAR
        loosest = max(answered.bounds.values(), key=lambda b: b.error.max(initial=0.0), default=None)
        bounds = answered.bounds | dict.fromkeys(written, loosest)
        return max((apart(arrays[n], others[n], b) for n, b in bounds.items() if b and n in arrays), default=0)


def written_to(case: Case, observation: Observation) -> dict[str, np.ndarray]:
    """What was given and is not afterwards what it was."""
    given = {**case.parameters, "input": case.input} | ({} if case.h_0 is None else {"h_0": case.h_0})
    after = observation.after or {}
    return {f"{name} after": value for name, value in after.items() if not same(given.get(name), value)}


def ordered(fact: Any) -> Any:
    """A fact as it is compared: names in one order, for a subject may tell them in any."""
    return dict(sorted(fact.items())) if isinstance(fact, dict) else fact


def apart(one: np.ndarray, two: np.ndarray, bound: Bound) -> float:
    """The greatest difference in units of what is allowed: both may be off by the array's largest bound."""
    largest = bound.error[np.isfinite(bound.error)].max(initial=0.0)
    one, two = one.astype(np.float64), two.astype(np.float64)
    alike = (one == two) | (np.isnan(one) & np.isnan(two))
    if np.shape(bound.error) == one.shape:
        alike |= np.isinf(bound.error)  # where some order of summation overflows, anything goes
    difference = np.where(alike, 0.0, np.abs(two - one))
    ratio = np.where(difference == 0, 0.0, difference / (2 * largest))
    return float(np.nan_to_num(ratio, nan=FAR, posinf=FAR).max(initial=0.0))


def fails(trial: Trial, subject: Answers, memory: Memory) -> bool:
    """Whether a check fails on a subject; not if it breaks, or is not claimed."""
    try:
        trial.run(Check(clauses()[trial.clause], subject, memory))
    except Nonconformity:
        return True
    except Exception:
        return False
    return False


class Evidence:
    """What is seen of a subject some of whose checks failed; it is asked each case once."""

    def __init__(
        self, subject: Any, failed: Sequence[str], right: Right, trials: Sequence[Trial] = ()
    ) -> None:
        """Call a part of the failed checks again, and ask some standard cases.

        Checks that look at a torch.nn.Module are left out, for the spec is none.
        """
        self.subject, self.right, self.memory = subject, right, Memory()
        self.trials = trials or collect()
        wanted, by_clause = set(failed), defaultdict(list)
        for trial in self.trials:
            if trial.id in wanted:
                by_clause[trial.clause].append(trial)
        turns = chain.from_iterable(zip_longest(*map(spread, by_clause.values())))
        asked: dict[str, Case] = {}
        self.failed: list[Trial] = []
        self.failing: list[Answered] = []
        self.passing: list[Answered] = []
        self.looked: set[str] = set()
        for trial in islice((t for t in turns if t and right.passes(t)), CHECKS):
            watch = Watch(subject)
            if fails(trial, watch, self.memory):
                asked |= watch.asked
                self.failed.append(trial)
        self.look(list(asked.values())[:CASES])
        recipes = standard()
        self.look(r.case() for r in recipes[:: len(recipes) // PASSING])

    def answer(self, case: Case) -> Answered | None:
        """The subject's answer to a case, or None if it does not claim it."""
        check = Check(NEUTRAL, self.subject, self.memory)
        try:
            asked = check.claimed(case)
        except NotClaimed:
            return None
        observation = self.memory.observations.get(fingerprint(asked)) or check.remember(asked)
        if observation.unsupported:
            return None
        if not observation.error:
            try:
                check.ask(asked, shaped=False)
            except Nonconformity as e:  # no arrays of numbers: as good as an error
                observation = Observation(error=Error("forward", "Nonconformity", str(e)))
        try:
            bounds = dict(check.expect(asked).arrays)
            masks = reveal.masks(asked, observation)
        except Exception:  # an answer that says nothing of masks, or a case that ought to be refused
            refused = observation.error is not None and self.right.answer(asked).error is not None
            return Answered(asked, observation, {}, None, conforms=refused)
        conforms = _agrees(observation, bounds) and _harmless(asked, observation)
        return Answered(asked, observation, bounds, masks, conforms)

    @property
    def told(self) -> list[Answered]:
        """Every answer looked at, in the order in which it tells most."""
        return [*self.failing, *self.passing]

    def explained(self, suspect: Suspect) -> bool:
        """Whether a suspect reproduces all that is seen."""
        return (
            all(suspect.distance(answered) <= 1 for answered in self.failing)
            and all(suspect.fails(trial) for trial in self.failed)
            and all(suspect.distance(answered) <= 1 for answered in self.passing)
            and all(self.guilty(suspect, fault) for fault in suspect.faults)
        )

    def guilty(self, suspect: Suspect, fault: Fault) -> bool:
        """Whether the checks of the fault's own clause that fail on the suspect fail on the subject, too.

        The cases that they ask are from then on looked at, too.
        """
        own = spread([trial for trial in self.trials if trial.clause == fault.clause])
        for trial in islice((trial for trial in own if suspect.fails(trial)), CONVICTING):
            watch = Watch(self.subject)
            if not fails(trial, watch, self.memory):
                return False
            self.look(watch.asked.values())
        return all(suspect.distance(answered) <= 1 for answered in self.failing)

    def look(self, cases: Iterable[Case]) -> None:
        """Look at the subject's answers to more cases."""
        new = [case for case in cases if case.id not in self.looked]
        self.looked |= {case.id for case in new}
        for answered in sorted(filter(None, map(self.answer, new)), key=lambda a: a.case.input.size):
            (self.passing if answered.conforms else self.failing).append(answered)

    def residual(self, suspect: Suspect) -> float:
        """How far a suspect's own answers are from the subject's, over all that was looked at."""
        return sum(min(suspect.alone(answered), 2.0) for answered in self.told)


def spread(trials: list[Trial]) -> Iterable[Trial]:
    """A clause's checks, one of each test first."""
    by_test = defaultdict(list)
    for trial in trials:
        by_test[trial.test].append(trial)
    return (t for t in chain.from_iterable(zip_longest(*by_test.values())) if t is not None)


def _agrees(observation: Observation, bounds: dict[str, Bound]) -> bool:
    arrays = observation.arrays()
    try:
        return all(compare(name, arrays[name], bound).holds for name, bound in bounds.items())
    except (Nonconformity, KeyError):
        return False


def _harmless(case: Case, observation: Observation) -> bool:
    """Whether everything that the answer tells about itself is as it must be."""
    return (
        not written_to(case, observation)
        and not observation.aliases
        and (not observation.drew or case.dropping)
        and all(dtype == case.dtype for dtype in observation.dtypes.values())
        and observation.parameters in (None, case.config.parameter_shapes())
    )


@np.errstate(all="ignore")  # infinities are answers here
def diagnose(subject: Any, failed: Sequence[str], trials: Sequence[Trial] = ()) -> list[Diagnosis]:
    """The faults, or pairs of them, that reproduce a subject whose checks of these ids failed; best first."""
    right = Right()
    seen = Evidence(subject, failed, right, trials)
    if not seen.failed:
        return []
    suspects = [Suspect((f,), right) for f in FAULTS.values() if f.of != MODULE]
    found = [suspect for suspect in suspects if seen.explained(suspect)]
    if not found and seen.failing:
        sample = seen.failing[:SCORED_ON]
        scored = [(sum(s.distance(a) <= 1 for a in sample), s.faults[0]) for s in suspects]
        likely = [f for score, f in sorted(scored, key=lambda pair: -pair[0])[:PAIRS_FROM] if score]
        pairs = [(a, b) for a, b in combinations(likely, 2) if (a.of, a.step) != (b.of, b.step)]
        found = [s for pair in pairs if seen.explained(s := Suspect(pair, right))]
    found = [s for s in found if all(s.distance(answered) <= 1 for answered in seen.told)]
    found.sort(key=seen.residual)
    whole = [Diagnosis(s.faults, len(seen.failed), len(seen.failed)) for s in found]
    return whole or in_part(seen, suspects)


def in_part(seen: Evidence, suspects: Sequence[Suspect]) -> list[Diagnosis]:
    """The faults that reproduce every right answer, and most of the wrong ones that are no errors."""
    wrong = [answered for answered in seen.failing if not answered.observation.error]
    counts = {s: sum(s.distance(answered) <= 1 for answered in wrong) for s in suspects}
    most = max(counts.values(), default=0)
    likely = [s for s in suspects if counts[s] == most > 1]
    left = [s for s in likely if all(s.distance(answered) <= 1 for answered in seen.passing)]
    return [Diagnosis(s.faults, most, len(seen.failing), "wrong answers") for s in left[:NAMED]]


def sentences(subject: Any, failed: Sequence[str]) -> list[str]:
    """What is to be said of a subject whose checks of these ids failed."""
    found = [str(diagnosis) for diagnosis in diagnose(subject, failed)]
    if found:
        return found
    right, wanted = Right(), set(failed)
    if not any(right.passes(trial) for trial in collect() if trial.id in wanted):
        return ["what failed is the module around the recurrence, and none of its answers"]
    return ["behaves like no named fault, and like no two of them"]
