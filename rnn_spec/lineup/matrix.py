"""The matrix fault x clause: proof that the suite can fail, and by which clause.

The suite is collected once by pytest, and then every check is called on every faulty subject,
without pytest's machinery between them, sharing expectations (which are the spec's, whoever is
judged). A fault is *killed* by a clause when one of the clause's checks fails on it; the clause that
the fault names must be among them.

A fault is not asked what cannot see it:

* *A case whose right answer never calls the step.* A fault is a right subject with one step replaced,
  so until it first calls that step it does what the right one does. Where the right one never calls
  it, the answers are the same, and the right one's is taken (`Steps` keeps the record).
* *A check whose answers are all alike.* A check that looks at answers alone is a function of them, so
  where the faulty subject answers each of its cases as the right one does, it passes, as it does on
  the right one. The answers are compared, not what a fault is thought to affect. A check that asks a
  case a second time, or looks at the class, is always called.
* *A test that has failed.* What is kept of a kill is the test, so the first of a test's checks (one
  for each of its parameters) that fails is the last that is called.

Unless all of that is wanted (`WHOLE`), one check of each test is called, and every check of the clause
that the fault names (`BRIEF`). So "killed" is what was seen, as ever, and that a fault survives the clause
it names is said when all of the clause's checks passed. That a test kills nothing is said of the checks
that were called; what is called is the same in every run, so such a test gets a fault of its own, or goes.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import groupby, repeat
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.judge.session import Session
from rnn_spec.lineup.faulty import Steps, faulty
from rnn_spec.questions.claims import Claims
from rnn_spec.suite.collect import Watch, collect
from rnn_spec.suite.launch import settled
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rich.console import Console

    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Case, Observation
    from rnn_spec.suite.planned import Planned

NAMED, ANY, BRIEF, WHOLE = "named", "any", "brief", "whole"
"""To what extent a fault is asked: until the clause it names kills it; until any does; see above; all."""


@dataclass
class Row:
    """What became of one fault: the tests that failed on it by clause, the checks, and seconds."""

    fault: str
    clause: str
    killed_by: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, trial: Planned) -> None:
        """A check that failed."""
        self.failed.append(trial.id)
        tests = self.killed_by.setdefault(trial.clause, [])
        tests += [] if trial.test in tests else [trial.test]

    @property
    def killed(self) -> bool:
        """Whether the clause that the fault names caught it, and no check broke on it."""
        return self.clause in self.killed_by and not self.broken

    @property
    def tests(self) -> set[str]:
        """Every test that failed."""
        return {test for tests in self.killed_by.values() for test in tests}


class Baseline:
    """A right subject, what it answers, and what each check asks it."""

    def __init__(self, subject: Any) -> None:
        """Nothing has been asked yet."""
        self.subject, self.watch = subject, Watch(subject)
        self.session = Session(self.watch)
        self.asked: dict[str, list[Case] | None] = {}
        self.told: dict[str, tuple[Any, ...]] = {}

    def asks(self, trial: Planned) -> list[Case] | None:
        """The cases that a check asks; empty if it looks at more than answers, None if it cannot judge."""
        if trial.id not in self.asked:
            watch, answers = self.watch, self.session.observations
            before = set(answers)
            watch.begin()
            self.asked[trial.id] = None  # as a known failure cannot tell a fault from the right subject
            if (outcome := trial.outcome(self.session)).word == "broken" and outcome.error:
                raise outcome.error
            if outcome.word == "passed":
                again = len(set(watch.ran)) < len(watch.ran) or before & set(watch.ran)
                cases = [case for case in watch.asked.values() if case.fingerprint in answers]
                self.asked[trial.id] = [] if watch.opened or again else cases
        return self.asked[trial.id]

    def seen(self, trial: Planned, fault: Fault, wrong: Session) -> bool:
        """Whether the check may see a difference: some answer differs, or it looks at more than answers."""
        cases, answers = self.asks(trial), wrong.observations
        for case in cases or ():
            key = case.fingerprint
            right = self.session.observations[key]
            if isinstance(self.subject, Steps) and not self.subject.calls((fault,), case):
                answers[key] = right
            if wrong.answer(case) is right:
                continue
            if key not in self.told:
                self.told[key] = told(right)
            if told(answers[key]) != self.told[key]:
                return True
        return cases == []


class Matrix:
    """The suite, ready to be run on faults."""

    def __init__(self, claims: Claims | None = None) -> None:
        """Collect the suite, test by test, as a subject with these claims is asked; None: with all."""
        self.claims = claims or Claims()
        trials = sorted(collect(self.claims), key=lambda trial: trial.test)
        self.tests = {test: list(group) for test, group in groupby(trials, key=lambda trial: trial.test)}
        self.spec = Baseline(claiming(Steps(), self.claims))
        self.torch: Baseline | None = None

    def baseline(self, fault: Fault) -> Baseline:
        """torch for faults of MODULE, the spec for all others."""
        if fault.of != MODULE:
            return self.spec
        self.torch = self.torch or Baseline(TorchSubject())
        return self.torch

    def wrong(self, fault: Fault) -> Any:
        """The faulty subject, with the claims."""
        return claiming(faulty(fault), self.claims)

    def row(self, fault: Fault, extent: str = WHOLE, checks: Collection[str] | None = None) -> Row:
        """Run the checks on one fault, to an extent; those of these ids, if they are given."""
        started, row = time.perf_counter(), Row(fault.name, fault.clause)
        baseline = self.baseline(fault)
        wrong = Session(self.wrong(fault), baseline.session.expectations)
        with np.errstate(all="ignore"):
            for test in sorted(self.tests, key=lambda test: self.tests[test][0].clause != fault.clause):
                named = self.tests[test][0].clause == fault.clause
                if (extent == NAMED and (row.killed or not named)) or (extent == ANY and row.failed):
                    break
                for trial in self.tests[test]:
                    if checks is not None and trial.id not in checks:
                        continue
                    failed = baseline.seen(trial, fault, wrong) and fails(trial, wrong, row)
                    if failed and not (extent == WHOLE and fault.of == MODULE):
                        break
                    if extent == BRIEF and not named and baseline.asks(trial) is not None:
                        break
        row.seconds = time.perf_counter() - started
        return row


def claiming(subject: Any, claims: Claims) -> Any:
    """A subject of ours, as one that claims this, and no more; of a module's contract what it has."""
    subject.claims = replace(claims, contract=subject.contract)
    return subject


def fails(trial: Planned, wrong: Session, row: Row) -> bool:
    """Call one check on a faulty subject, and note in the row what comes of it."""
    outcome = trial.outcome(wrong)
    if outcome.word == "failed":
        row.add(trial)
    elif outcome.word == "broken":  # a check must fail on a wrong answer, and never break on it
        row.broken.append(f"{trial.id}: {type(outcome.error).__name__}: {outcome.error}")
    return outcome.word == "failed"


def told(answer: Observation) -> tuple[Any, ...]:
    """Everything in an answer that a check can see, bit for bit."""
    a, arrays = answer, answer.arrays() | {f"after {k}": v for k, v in (answer.after or {}).items()}
    arrays |= answer.preceding()
    facts = [(name, array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()]
    shapes = list((a.parameters or {}).items())
    return (facts, a.dtypes, shapes, a.aliases, a.drew, a.facts, a.error, a.unsupported)


TOGETHER = 4
"""How many faults one process takes at a time: neighbours name one clause, whose checks it has then met."""
_matrix: list[Matrix] = []


def _prepare() -> None:
    _matrix.append(Matrix())


def _work(name: str, extent: str, checks: frozenset[str] | None) -> Row:
    return _matrix[0].row(FAULTS[name], extent, checks)


def rows(
    names: list[str],
    processes: int,
    extent: str = BRIEF,
    checks: Iterable[frozenset[str] | None] = repeat(None),
) -> Iterator[Row]:
    """The faults' rows, as they are ready, in order; `checks` is for each fault those that are called."""
    with settled(), ProcessPoolExecutor(processes, get_context("spawn"), _prepare) as pool:
        yield from pool.map(_work, names, repeat(extent), checks, chunksize=TOGETHER)


def line(row: Row, wide: int) -> str:
    """A fault: the clause that it names, killed or not, by how many tests of which clauses, seconds."""
    word = "killed" if row.killed else "[bold red]SURVIVES[/]"
    by = ", ".join(f"{id} {len(ids)}" for id, ids in row.killed_by.items())
    return f"{row.fault:{wide}} {row.clause} {word} {row.seconds:4.1f} s  by {by or 'none'}"


def kept(row: Row) -> str:
    """What became of one fault, as a line of JSON."""
    return json.dumps({**asdict(row), "seconds": round(row.seconds, 1)}) + "\n"


def show(row: Row, console: Console) -> None:
    """Print what became of one fault."""
    say = partial(console.print, highlight=False, soft_wrap=True)
    say(line(row, max(map(len, FAULTS))))
    for broken in row.broken:
        say(f"[bold red]a check broke on {row.fault}:[/] {broken}")


def conclude(found: list[Row], console: Console, suite: Iterable[str]) -> None:
    """Print what the rows show of the suite's own weak places, given its tests, and the rate."""
    say = partial(console.print, highlight=False, soft_wrap=True)
    for row in found:
        if suite and len(row.tests) == 1:
            say(f"of the checks called one kills {row.fault}: {row.tests.pop()}")
    for test in sorted(set(suite).difference(*(row.tests for row in found))):
        say(f"of the checks called none of {test} kills a fault")
    say(f"{sum(row.killed for row in found)} of {len(found)} faults killed, each by the clause that names it")
