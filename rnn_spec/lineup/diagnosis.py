"""What a subject that fails behaves like: the named faults that reproduce what is seen of it.

A fault is named only if the spec with that fault

* answers as the subject does, within the bound, to every case looked at: those that the failed checks
  asked, and some of the standard ones that it passes;
* fails each of the failed checks looked at, for some lie between answers that are each within bounds;
* is like the subject where it fails its own clause: a check that fails on the one fails on the other.

Where several are left, the checks of the whole suite that fail on some of them and not on others are
called on the subject, too, and it is asked their cases. What is left then are the faults of which fewest of
these checks come out otherwise on the subject, ranked by how far their answers are from its own.

Where no single fault is left, pairs are tried: those of which, part by part of a few answers (an array, or
a fact), neither spoils what is right, and what is wrong either both spoil or one of them spoils just so.
Where no pair is left either, a subject has more than two things wrong, or one that has no name, and those
faults are named that reproduce a part of its wrong answers and every right one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.judge.compare import Nonconformity, comparisons, same
from rnn_spec.judge.session import NotClaimed, Session, read
from rnn_spec.lineup.faulty import Steps, faulty_spec
from rnn_spec.questions import reveal
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import standard
from rnn_spec.questions.records import Error, Observation
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.collect import Watch, collect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Bound, Case
    from rnn_spec.suite.planned import Planned

FACTS = frozenset({"dtypes", "parameters", "aliases", "drew"})
CHECKS = 24  # how many failed checks are looked at, clause by clause,
CASES = 24  # how many of the cases that they ask,
PASSING = 12  # and how many standard cases beside them
CONVICTING = 8  # how many checks of a fault's own clause the subject must fail as it does
TELLING = 12  # how many checks that come out differently on the faults that are left
SAMPLE = 6  # how many wrong answers, and as many right ones, say which faults may be part of a pair,
PAIRS = 1500  # how many such pairs are tried,
SHORT = 600  # numbers in an input, which makes it short
NAMED = 3  # and how many faults are named that explain a part
FAR = np.inf


@dataclass(frozen=True)
class Diagnosis:
    """Faults that together reproduce a subject: which, and how many of its failed checks they explain."""

    faults: tuple[Fault, ...]
    explained: int
    failing: int
    of: str = "failed checks"
    area: str = ""

    def __str__(self) -> str:
        """A sentence."""
        what = "; and ".join(f"{f.sentence.rstrip('.')} ({f.name})" for f in self.faults)
        in_part = "in part " if self.area or self.explained < self.failing else ""
        where = f" in {self.area}" * bool(self.area)
        explained = f"explains {self.explained} of {self.failing} {self.of} looked at{where}"
        return f"{in_part}behaves as if: {what}; {explained}"


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

    def answer(self, case: Case) -> Observation:
        """Its answer to a case, asked once."""
        return self.session.answer(case)

    def passes(self, trial: Planned) -> bool:
        """Whether it passes a check, which it does unless the check looks at a torch.nn.Module."""
        return trial.outcome(self.session).word == "passed"


class Suspect:
    """The spec with some faults, and what it has answered."""

    def __init__(self, faults: tuple[Fault, ...], right: Right) -> None:
        """Begin; what does not depend on the faults is `right`'s."""
        self.faults, self.subject, self.right = faults, faulty_spec(*faults), right
        self.session = Session(self.subject, right.session.expectations)
        self.distances: dict[Answered, float] = {}

    def fails(self, trial: Planned) -> bool:
        """Whether a check fails on it."""
        return bool(judged(trial, self.session))

    def distance(self, answered: Answered) -> float:
        """How far its answer is from the subject's: up to 1 within the bound, FAR if of another kind."""
        right = self.right
        if self is not right.blameless and self.answer(answered.case) is right.answer(answered.case):
            return right.blameless.distance(answered)
        if answered not in self.distances:
            self.distances[answered] = farthest(self.apart(answered))
        return self.distances[answered]

    def fits(self, answered: Answered) -> bool:
        """Whether its answer is the subject's, within the bound."""
        return self.distance(answered) <= 1

    def apart(self, answered: Answered) -> Iterable[tuple[str, float]]:
        """The parts of its answer and their distances, under the masks that the subject drew.

        These are as they were read if the subject's answer is right, and else as read under the faults.
        """
        own = list(self.alone(answered))
        if answered.masks is None or farthest(own) <= 1:
            return own
        try:
            self.subject.drawn = (
                answered.masks
                if answered.conforms
                else reveal.masks(answered.case, answered.observation, self.subject.model)
            )
            other = Session(self.subject).answer(answered.case)
        except Exception:  # a faulty model may not be one that masks can be read by
            return own
        finally:
            self.subject.drawn = None
        return differences(answered, answered.observation, other, FACTS - {"drew"})

    def conforms(self, case: Case) -> bool:
        """Whether its own answer is right."""
        answer = self.answer(case)
        return (
            not answer.error
            and _agrees(answer, expect(case, reveal.masks(case, answer)).arrays)
            and _harmless(case, answer)
        )

    def alone(self, answered: Answered) -> Iterable[tuple[str, float]]:
        """The distances where it draws dropout's masks itself."""
        return differences(answered, answered.observation, self.answer(answered.case), FACTS)

    def spoils(self, answered: Answered) -> Iterable[tuple[str, float]]:
        """The parts of its own answer and their distances from the right ones."""
        right = self.right.answer(answered.case)
        return differences(answered, right, self.answer(answered.case), FACTS)

    def answer(self, case: Case) -> Observation:
        """Its own answer to a case, asked once; the right one where its step is not called."""
        right, known, key = self.right.answer(case), self.session.observations, case.fingerprint
        if key not in known and not self.right.steps.calls(self.faults, case):
            known[key] = right
        return self.session.answer(case)


def farthest(parts: Iterable[tuple[str, float]]) -> float:
    """The greatest of the parts' distances; the first that is above 1."""
    worst = 0.0
    for _, distance in parts:
        worst = max(worst, distance)
        if worst > 1:
            break
    return worst


def differences(
    answered: Answered, one: Observation, two: Observation, facts: Iterable[str]
) -> Iterable[tuple[str, float]]:
    """How far two answers to a case are from each other, part by part: errors, facts and arrays.

    A fact or a gradient that the first does not tell is as it should be.
    """
    yield "error", 0.0 if bool(one.error) == bool(two.error) else FAR
    if one.error or two.error:
        return
    for fact in facts:
        told = getattr(one, fact)
        yield fact, 0.0 if not told or same(ordered(told), ordered(getattr(two, fact))) else FAR
    written, wrote = (written_to(answered.case, answer) | answer.preceding() for answer in (one, two))
    if one.earlier is None:
        wrote = {name: x for name, x in wrote.items() if not name.startswith("earlier ")}
    arrays, others = one.arrays() | written, two.arrays() | wrote
    loosest = max(answered.bounds.values(), key=lambda b: b.error.max(initial=0.0), default=None)
    c, u = answered.case.config, FORMATS[answered.case.dtype].unit_roundoff
    rounding = (c.input_size + c.hidden_size + 2) * u
    bounds = answered.bounds | dict.fromkeys({*written, *wrote}, loosest)
    for name in {*arrays, *others}:
        if name not in arrays and name.startswith("grad "):
            yield name, 0.0
        elif name not in arrays or name not in others or arrays[name].shape != others[name].shape:
            yield name, FAR
        elif bound := bounds.get(name):
            yield name, apart(arrays[name], others[name], bound, rounding)


def written_to(case: Case, observation: Observation) -> dict[str, np.ndarray]:
    """What was given and is not afterwards what it was."""
    after = (observation.after or {}).items()
    return {f"{name} after": x for name, x in after if not identical(case.given[name], x)}


def identical(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether two arrays are equal, the quick way first."""
    return (one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()) or same(
        one, two
    )


def ordered(fact: Any) -> Any:
    """A fact as it is compared: names in one order, for a subject may tell them in any."""
    return dict(sorted(fact.items())) if isinstance(fact, dict) else fact


def apart(one: np.ndarray, two: np.ndarray, bound: Bound, rounding: float) -> float:
    """The greatest difference in units of what is allowed: both may be off by the array's largest bound.

    That is the right answer's; a wrong one that is greater may be off by the `rounding` of one step.
    """
    if one.dtype == two.dtype and one.tobytes() == two.tobytes():
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


def judged(trial: Planned, session: Session) -> bool | None:
    """Whether a check fails on a subject; None if it breaks, is not claimed, or a gradient is not there.

    Of a gradient that was not given no fault can be told: it would fit them all.
    """
    outcome = trial.outcome(session)
    if (outcome.difference or "").startswith("the answer has no grad "):
        return None
    return {"failed": True, "passed": False}.get(outcome.word)


class Evidence:
    """What is seen of a subject some of whose checks failed; it is asked each case once."""

    def __init__(
        self,
        subject: Any,
        failed: Sequence[str],
        right: Right,
        trials: Sequence[Planned] = (),
        *,
        narrow: bool = False,
    ) -> None:
        """Call a part of the failed checks again, and ask some standard cases.

        Checks that look at a torch.nn.Module are left out, for the spec is none. `narrow`: of wrong answers
        only those are looked at that the failed checks ask for, as there may be others wrong in other ways.
        """
        self.subject, self.right = subject, right
        self.watch = Watch(subject)
        self.session = Session(self.watch)
        self.trials = trials or collect(subject.claims)
        wanted, by_clause = set(failed), defaultdict(list)
        for trial in self.trials:
            if trial.id in wanted:
                by_clause[trial.clause].append(trial)
        turns = chain.from_iterable(zip_longest(*map(spread, by_clause.values())))
        asked: dict[str, Case] = {}
        self.failed: list[Planned] = []
        self.drawn: set[str] = set()
        self.failing: list[Answered] = []
        self.passing: list[Answered] = []
        self.looked: set[str] = set()
        for trial in islice((t for t in turns if t and right.passes(t)), CHECKS):
            self.watch.begin()
            if judged(trial, self.session):
                asked |= self.watch.asked
                self.failed.append(trial)
                self.note(trial)
        self.narrow = False
        self.look(list(asked.values())[:CASES])
        self.narrow = narrow
        recipes = standard()
        self.look(r.case() for r in recipes[:: len(recipes) // PASSING])

    def answer(self, case: Case) -> Answered | None:
        """The subject's answer to a case, or None if it does not claim it."""
        try:
            asked = self.session.claimed(case)
        except NotClaimed:
            return None
        observation = self.session.answer(asked)
        if observation.unsupported:
            return None
        if not observation.error:
            try:
                read(observation)
            except Nonconformity as e:  # no arrays of numbers: as an error
                observation = Observation(error=Error("forward", "Nonconformity", str(e)))
        try:
            bounds = dict(self.session.expected(asked, observation).arrays)
            masks = reveal.masks(asked, observation)
        except Exception:  # an answer that says nothing of masks, or a case that ought to be refused
            refused = observation.error is not None and self.right.answer(asked).error is not None
            return Answered(asked, observation, {}, None, conforms=refused)
        conforms = _agrees(observation, bounds) and _harmless(asked, observation)
        return Answered(asked, observation, bounds, masks, conforms)

    @property
    def told(self) -> list[Answered]:
        """Every answer looked at, the quickest first."""
        return sorted([*self.failing, *self.passing], key=lambda answered: answered.case.input.size)

    def explained(self, suspect: Suspect) -> bool:
        """Whether a suspect reproduces all that is seen."""
        return (
            self.fitted(suspect)
            and self.alike([(trial, suspect.fails(trial)) for trial in self.failed])
            and all(self.guilty(suspect, fault) for fault in suspect.faults)
        )

    def fitted(self, suspect: Suspect) -> bool:
        """Whether a suspect answers every case looked at as the subject does.

        Where a pair does so for wrong answers that have nothing random in them, it is enough of the others
        that both are wrong: the masks behind a doubly wrong answer can seldom be read.
        """
        plain = len(suspect.faults) > 1 and any(
            answered.masks is None and not answered.observation.error for answered in self.failing
        )
        return all(
            suspect.fits(a)
            or (plain and a.masks is not None and not (a.conforms or suspect.conforms(a.case)))
            for a in self.told
        )

    def guilty(self, suspect: Suspect, fault: Fault) -> bool:
        """Whether the subject is convicted of the fault, and answers what that asked as the suspect does."""
        return self.convicted(suspect, fault) and self.fitted(suspect)

    def convicted(self, suspect: Suspect, fault: Fault) -> bool:
        """Whether the checks of the fault's own clause that fail on the suspect fail on the subject, too.

        Those that it does not claim are no evidence. The cases that they ask are from then on looked at, too.
        """
        own = spread([trial for trial in self.trials if trial.clause == fault.clause])
        outcomes: list[tuple[Planned, bool]] = []
        for trial in (trial for trial in own if suspect.fails(trial)):
            self.watch.begin()
            failed = judged(trial, self.session)
            if failed is None:
                continue
            outcomes.append((trial, failed))
            self.note(trial)
            if not failed and trial.id not in self.drawn:
                return False
            self.look(self.watch.asked.values())
            if len(outcomes) == CONVICTING:
                break
        return bool(outcomes) and self.alike(outcomes)

    def note(self, trial: Planned) -> None:
        """Remember whether a check looks at what is drawn at random, so that its outcome is, too."""
        if any(case.dropping and case.config.dropout < 1 for case in self.watch.asked.values()):
            self.drawn.add(trial.id)

    def alike(self, outcomes: list[tuple[Planned, bool]]) -> bool:
        """Whether every check agrees, but for those at random, of which half may be luck."""
        agreed = sum(agrees for _, agrees in outcomes)
        return 2 * agreed >= len(outcomes) and all(agrees for t, agrees in outcomes if t.id not in self.drawn)

    def look(self, cases: Iterable[Case]) -> None:
        """Look at the subject's answers to more cases."""
        new = [case for case in cases if case.id not in self.looked]
        self.looked |= {case.id for case in new}
        for answered in sorted(filter(None, map(self.answer, new)), key=lambda a: a.case.input.size):
            if answered.conforms or not self.narrow:
                (self.passing if answered.conforms else self.failing).append(answered)

    def residual(self, suspect: Suspect) -> float:
        """How far a suspect's own answers are from the subject's, over all that was looked at."""
        return sum(min(farthest(suspect.alone(answered)), 2.0) for answered in self.told)

    def tell_apart(self, suspects: Sequence[Suspect]) -> dict[Suspect, int]:
        """How many of the checks that tell suspects from each other come out otherwise on the subject.

        The cases that these checks ask are from then on looked at, too.
        """
        otherwise, left = dict.fromkeys(suspects, 0), TELLING
        one_of_each = {trial.test: trial for trial in reversed(self.trials)}.values()
        for trial in one_of_each if len(suspects) > 1 else ():
            verdicts = [suspect.fails(trial) for suspect in suspects] if left else []
            if len({*verdicts}) > 1:
                self.watch.begin()
                left -= 1
                failed = bool(judged(trial, self.session))
                self.look(self.watch.asked.values())
                for suspect, verdict in zip(suspects, verdicts, strict=True):
                    otherwise[suspect] += verdict != failed
        return otherwise


def spread(trials: list[Planned]) -> Iterable[Planned]:
    """A clause's checks, one of each test first."""
    by_test = defaultdict(list)
    for trial in trials:
        by_test[trial.test].append(trial)
    return (t for t in chain.from_iterable(zip_longest(*by_test.values())) if t is not None)


def _agrees(observation: Observation, bounds: Mapping[str, Bound]) -> bool:
    try:
        return all(c.holds for c in comparisons(observation.arrays(), bounds))
    except Nonconformity:
        return False


def _harmless(case: Case, observation: Observation) -> bool:
    """Whether everything that the answer tells about itself is as it must be."""
    return (
        not written_to(case, observation)
        and not observation.aliases
        and len(case.calls if observation.earlier is None else observation.earlier) == len(case.calls)
        and (not observation.drew or case.dropping)
        and all(dtype == case.dtype for dtype in observation.dtypes.values())
        and observation.parameters in (None, case.config.parameter_shapes())
    )


@np.errstate(all="ignore")  # infinities are answers here
def diagnose(subject: Any, failed: Sequence[str], trials: Sequence[Planned] = ()) -> list[Diagnosis]:
    """The faults, or pairs of them, that reproduce a subject whose checks of these ids failed; best first."""
    right = Right()
    seen = Evidence(subject, failed, right, trials)
    if not seen.failed:
        return []
    suspects = [Suspect((f,), right) for f in FAULTS.values() if f.of != MODULE]
    return (
        of_all(seen, suspects)
        or (seen.failing and of_all(seen, [Suspect(pair, right) for pair in pairs(seen, suspects)]))
        or by_area(subject, failed, right, seen.trials, suspects)
    )


def of_all(seen: Evidence, suspects: Iterable[Suspect]) -> list[Diagnosis]:
    """The suspects that reproduce all that is seen, best first."""
    found = [suspect for suspect in suspects if seen.explained(suspect)]
    otherwise = seen.tell_apart(found)
    found = [s for s in found if seen.fitted(s)]
    fewest = min((otherwise[s] for s in found), default=0)
    found = sorted((s for s in found if otherwise[s] == fewest), key=seen.residual)
    return [Diagnosis(s.faults, len(seen.failed), len(seen.failed)) for s in found]


def pairs(seen: Evidence, suspects: Sequence[Suspect]) -> list[tuple[Fault, Fault]]:
    """The pairs of faults of different steps that may explain what is seen, the likeliest first.

    Told from what each does alone to every part of a few answers. A part of the subject's that is right
    neither may spoil; one that is wrong is spoiled by both, or by one of them and just so.
    """
    wrong, spoilt, fitting = [], [], []
    for answered in sample(seen):
        parts = dict(differences(answered, answered.observation, seen.right.answer(answered.case), FACTS))
        wrong += [distance > 1 for distance in parts.values()]
        spoilt.append([distances(s.spoils(answered), parts) for s in suspects])
        fitting.append([distances(s.apart(answered), parts) for s in suspects])
    spoils: np.ndarray = np.concatenate(spoilt, axis=1) > 1
    fits: np.ndarray = np.concatenate(fitting, axis=1) <= 1
    bad: np.ndarray = np.array(wrong)
    able = (fits | ~spoils)[:, ~bad].all(axis=1)
    spoils, fits = spoils[:, bad], fits[:, bad]
    found = []
    for (i, a), (j, b) in combinations([(i, s.faults[0]) for i, s in enumerate(suspects) if able[i]], 2):
        both = spoils[i] & spoils[j]
        either = (fits[i] & ~spoils[j]) | (fits[j] & ~spoils[i])
        if (both | either).all() and (a.of, a.step) != (b.of, b.step):
            found.append((both.sum(), a, b))
    return [(a, b) for _, a, b in sorted(found, key=lambda pair: pair[0])[:PAIRS]]


def distances(parts: Iterable[tuple[str, float]], wanted: Iterable[str]) -> list[float]:
    """The parts' distances in the order of `wanted`; FAR for those that are not there."""
    found = dict(parts)
    return [found.get(name, FAR) for name in wanted]


def sample(seen: Evidence) -> list[Answered]:
    """A few wrong answers, errors last, and as many right ones; short and without masks for choice."""
    wrong = sorted(seen.failing, key=lambda answered: answered.observation.error is not None)
    wrong = [answered for answered in wrong if answered.masks is None] or wrong
    few = [[a for a in answers if a.case.input.size <= SHORT] or answers for answers in (wrong, seen.passing)]
    return [answered for answers in few for answered in answers[:: -(-len(answers) // SAMPLE) or 1]]


def in_part(seen: Evidence, suspects: Sequence[Suspect]) -> list[Diagnosis]:
    """The faults that reproduce every right answer, and most of the wrong ones that are no errors."""
    blameless = seen.right.blameless  # what it fits, too, shows nothing
    wrong = [a for a in seen.failing if not (a.observation.error or blameless.fits(a))]
    few = [answered for answered in sample(seen) if answered in wrong]
    suspects = [s for s in suspects if any(map(s.fits, few)) and all(map(s.fits, seen.passing))]
    suspects = [s for s in suspects if all(seen.convicted(s, fault) for fault in s.faults)]
    counts = {s: sum(map(s.fits, wrong)) for s in suspects}
    most = max(counts.values(), default=0)
    left = [s for s in suspects if counts[s] == most > 1]
    return [Diagnosis(s.faults, most, len(seen.failing), "wrong answers") for s in left[:NAMED]]


def by_area(
    subject: Any, failed: Sequence[str], right: Right, trials: Sequence[Planned], suspects: Sequence[Suspect]
) -> list[Diagnosis]:
    """For each area in which checks failed, the faults that reproduce what failed there, or a part of it."""
    areas: dict[str, list[str]] = defaultdict(list)
    clause_of = {trial.id: trial.clause for trial in trials}
    for id in filter(clause_of.get, failed):
        areas[clauses()[clause_of[id]].area].append(id)
    found: dict[tuple[Fault, ...], Diagnosis] = {}
    for area, ids in areas.items():
        seen = Evidence(subject, ids, right, trials, narrow=True)
        for diagnosis in of_all(seen, suspects) or in_part(seen, suspects):
            found.setdefault(diagnosis.faults, replace(diagnosis, area=area))
    return list(found.values())


def sentences(subject: Any, failed: Sequence[str]) -> list[str]:
    """What is to be said of a subject whose checks of these ids failed."""
    right, wanted, trials = Right(), set(failed), collect(subject.claims)
    if wanted - {trial.id for trial in trials}:
        trials = collect(subject.claims, exhaustive=True)
    found = [str(diagnosis) for diagnosis in diagnose(subject, failed, trials)]
    if found:
        return found
    asked = [trial for trial in trials if trial.id in wanted]
    if len(asked) == len(wanted) and not any(right.passes(trial) for trial in asked):
        return ["what failed is the module around the recurrence, and none of its answers"]
    return ["behaves like no named fault, and like no two of them"]
