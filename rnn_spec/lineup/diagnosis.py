"""What a subject that fails behaves like: the named faults that reproduce what is seen of it.

A fault is named only if the spec with that fault

* answers as the subject does, within the bound, to every case looked at: those that the failed checks
  asked, and some of the standard ones that it passes;
* fails each of the failed checks looked at, for some lie between answers that are each within bounds;
* is like the subject where it fails its own clause: a check that fails on the one fails on the other.

Where several are left, the checks of the whole suite that fail on some of them and not on others are
called on the subject, too, and it is asked their cases. What is left then are the faults of which fewest of
these checks come out otherwise on the subject, ranked by how far their answers are from its own.

Where none is left, a subject has several things wrong, or one that has no name. Then each area in which
checks failed is looked at by itself, and those faults are named, in part, that reproduce what is wrong
there, or most of it, and every right answer.

What is then left unexplained may be the module around the recurrence, of which no suspect is made: the fault
of torch.nn.RNN is named whose failed checks, which are on record, are most like the subject's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.judge.session import Session
from rnn_spec.lineup.likeness import likeliest
from rnn_spec.lineup.suspects import Answered, Right, Suspect
from rnn_spec.questions.product import standard
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.collect import Watch, collect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Case
    from rnn_spec.suite.planned import Planned

AROUND = "what failed is the module around the recurrence, and none of its answers"
MANY, FEW = 24, 12
"""How much is looked at, so that a slow subject is asked a hundred questions and not a thousand: so many
failed checks and their cases; so few standard cases, and checks that tell suspects apart or convict one."""


@dataclass(frozen=True)
class Diagnosis:
    """A fault that reproduces a subject, and how many of its failed checks, or wrong answers, it explains."""

    fault: Fault
    explained: int
    failing: int
    of: str = "failed checks"
    area: str = ""

    @property
    def whole(self) -> bool:
        """Whether it explains everything."""
        return not self.area and self.explained == self.failing

    def __str__(self) -> str:
        """A sentence."""
        in_part = "" if self.whole else "in part "
        where = f" in {self.area}" * bool(self.area)
        explained = f"explains {self.explained} of {self.failing} {self.of} looked at{where}"
        sentence = self.fault.sentence.rstrip(".")
        return f"{in_part}behaves as if: {sentence} ({self.fault.name}); {explained}"


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

    def __init__(self, subject: Any, trials: Sequence[Planned], right: Right) -> None:
        """Look at nothing yet; `trials` are the suite's checks."""
        self.trials, self.right = trials, right
        self.watch = Watch(subject)
        self.session = Session(self.watch)
        self.failed: list[Planned] = []
        self.drawn: set[str] = set()
        self.failing: list[Answered] = []
        self.passing: list[Answered] = []
        self.looked: set[str] = set()

    def gather(self, failed: Iterable[str], *, narrow: bool = False) -> Evidence:
        """Call a part of the failed checks again, and ask some standard cases.

        Checks that look at a torch.nn.Module are left out, for the spec is none. `narrow`: of wrong answers
        only those are looked at that the failed checks ask for, as there may be others wrong in other ways.
        """
        wanted, by_clause = set(failed), defaultdict(list)
        for trial in self.trials:
            if trial.id in wanted:
                by_clause[trial.clause].append(trial)
        turns = (t for t in chain.from_iterable(zip_longest(*map(spread, by_clause.values()))) if t)
        asked: dict[str, Case] = {}
        right = self.right.session
        for trial in islice((t for t in turns if t.outcome(right).word == "passed"), MANY):
            if self.call(trial):
                asked |= self.watch.asked
                self.failed.append(trial)
        self.look(list(asked.values())[:MANY])
        self.narrow = narrow
        recipes = standard()
        self.look(r.case() for r in recipes[:: len(recipes) // FEW])
        return self

    narrow = False

    def call(self, trial: Planned) -> bool | None:
        """Whether a check fails on the subject; remembers if what it asks is random, and so its outcome."""
        self.watch.begin()
        failed = judged(trial, self.session)
        if any(case.dropping and case.config.dropout < 1 for case in self.watch.asked.values()):
            self.drawn.add(trial.id)
        return failed

    def look(self, cases: Iterable[Case]) -> None:
        """Look at the subject's answers to more cases."""
        new = [case for case in cases if case.id not in self.looked]
        self.looked |= {case.id for case in new}
        found = (self.right.answered(self.session, case) for case in new)
        for answered in sorted(filter(None, found), key=lambda a: a.case.input.size):
            if answered.conforms or not self.narrow:
                (self.passing if answered.conforms else self.failing).append(answered)

    @property
    def told(self) -> list[Answered]:
        """Every answer looked at, the quickest first."""
        return sorted([*self.failing, *self.passing], key=lambda answered: answered.case.input.size)

    def explained(self, suspect: Suspect) -> bool:
        """Whether a suspect reproduces all that is seen, and is convicted."""
        return (
            all(map(suspect.fits, self.told))
            and self.alike([(trial, bool(judged(trial, suspect.session))) for trial in self.failed])
            and self.convicted(suspect)
            and all(map(suspect.fits, self.told))
        )

    def convicted(self, suspect: Suspect) -> bool:
        """Whether the checks of the fault's own clause that fail on the suspect fail on the subject, too.

        Those that it does not claim are no evidence. The cases that they ask are from then on looked at, too.
        """
        own = spread([trial for trial in self.trials if trial.clause == suspect.faults[0].clause])
        outcomes: list[tuple[Planned, bool]] = []
        for trial in (trial for trial in own if judged(trial, suspect.session)):
            failed = self.call(trial)
            if failed is None:
                continue
            if not failed and trial.id not in self.drawn:
                return False
            outcomes.append((trial, failed))
            self.look(self.watch.asked.values())
            if len(outcomes) == FEW:
                break
        return bool(outcomes) and self.alike(outcomes)

    def alike(self, outcomes: list[tuple[Planned, bool]]) -> bool:
        """Whether every check agrees, but for those at random, of which half may be luck."""
        agreed = sum(agrees for _, agrees in outcomes)
        return 2 * agreed >= len(outcomes) and all(agrees for t, agrees in outcomes if t.id not in self.drawn)

    def residual(self, suspect: Suspect) -> float:
        """How far a suspect's own answers are from the subject's, over all that was looked at."""
        return sum(min(suspect.distance(answered), 2.0) for answered in self.told)

    def tell_apart(self, suspects: Sequence[Suspect]) -> dict[Suspect, int]:
        """How many of the checks that tell suspects from each other come out otherwise on the subject.

        The cases that these checks ask are from then on looked at, too.
        """
        otherwise, left = dict.fromkeys(suspects, 0), FEW
        one_of_each = {trial.test: trial for trial in reversed(self.trials)}.values()
        for trial in one_of_each if len(suspects) > 1 else ():
            verdicts = [bool(judged(trial, suspect.session)) for suspect in suspects] if left else []
            if len({*verdicts}) > 1:
                left -= 1
                failed = bool(self.call(trial))
                self.look(self.watch.asked.values())
                for suspect, verdict in zip(suspects, verdicts, strict=True):
                    otherwise[suspect] += verdict != failed
        return otherwise

    def whole(self, suspects: Iterable[Suspect]) -> list[Diagnosis]:
        """The faults that reproduce all that is seen, best first."""
        found = [suspect for suspect in suspects if self.explained(suspect)]
        otherwise = self.tell_apart(found)
        found = [s for s in found if all(map(s.fits, self.told))]
        fewest = min((otherwise[s] for s in found), default=0)
        found = sorted((s for s in found if otherwise[s] == fewest), key=self.residual)
        return [Diagnosis(s.faults[0], len(self.failed), len(self.failed)) for s in found]

    def part(self, suspects: Iterable[Suspect]) -> list[Diagnosis]:
        """The faults that reproduce every right answer, and most of the wrong ones that are no errors."""
        blameless = self.right.blameless  # what it fits, too, shows nothing
        wrong = [a for a in self.failing if not (a.observation.error or blameless.fits(a))]
        left = [s for s in suspects if any(map(s.fits, wrong)) and all(map(s.fits, self.passing))]
        counts = {s: sum(map(s.fits, wrong)) for s in left if self.convicted(s)}
        most = max(counts.values(), default=0)
        named = [s for s, count in counts.items() if count == most > 1]
        return [Diagnosis(s.faults[0], most, len(self.failing), "wrong answers") for s in named]


def spread(trials: list[Planned]) -> Iterable[Planned]:
    """A clause's checks, one of each test first."""
    by_test = defaultdict(list)
    for trial in trials:
        by_test[trial.test].append(trial)
    return (t for t in chain.from_iterable(zip_longest(*by_test.values())) if t is not None)


@np.errstate(all="ignore")  # infinities are answers here
def diagnose(subject: Any, failed: Sequence[str], trials: Sequence[Planned] = ()) -> list[Diagnosis]:
    """The faults that reproduce a subject whose checks of these ids failed, whole or in part; best first."""
    right, trials = Right(), trials or collect(subject.claims)
    seen = Evidence(subject, trials, right).gather(failed)
    if not seen.failed:
        return []
    suspects = [Suspect((fault,), right) for fault in FAULTS.values() if fault.of != MODULE]
    if found := seen.whole(suspects):
        return found
    area_of = {trial.id: clauses()[trial.clause].area for trial in trials}
    named: dict[str, Diagnosis] = {}
    for area in dict.fromkeys(area_of[id] for id in failed if id in area_of):
        own = [id for id in failed if area_of.get(id) == area]
        seen = Evidence(subject, trials, right).gather(own, narrow=True)
        for diagnosis in seen.whole(suspects) or seen.part(suspects):
            named.setdefault(diagnosis.fault.name, replace(diagnosis, area=area))
    return list(named.values())


def sentences(subject: Any, failed: Sequence[str], asked: Collection[str] | None = None) -> list[str]:
    """What is to be said of a subject whose checks of these ids failed; `asked`: those that were called."""
    wanted, trials = set(failed), collect(subject.claims)
    if wanted - {trial.id for trial in trials}:
        trials = collect(subject.claims, exhaustive=True)
    found = diagnose(subject, failed, trials)
    said = [str(diagnosis) for diagnosis in found]
    if any(diagnosis.whole for diagnosis in found):
        return said
    if not found:
        blame, right = [trial for trial in trials if trial.id in wanted], Right().session
        around = len(blame) == len(wanted) and not any(t.outcome(right).word == "passed" for t in blame)
        said = [AROUND if around else "behaves like no named fault of the recurrence"]
    asked = {trial.id for trial in trials} if asked is None else asked
    return said + [str(likeness) for likeness in likeliest(failed, asked)]
