"""The matrix fault x clause: proof that the suite can fail, and by which clause.

The suite is collected once by pytest, and then every check is called on every faulty subject,
without pytest's machinery between them, sharing expectations (which are the spec's, whoever is
judged). A fault is *killed* by a clause when one of the clause's checks fails on it; the clause that
the fault names must be among them. Checks are functions of a subject's answers alone, so a check that
asks only cases to which the faulty subject answers as the right one does cannot kill it, and is not
called: `Baseline.seen` compares the answers, not what a fault is thought to affect.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from rnn_spec.faulty import faulty
from rnn_spec.judge.check import Check, Memory, NotClaimed
from rnn_spec.judge.compare import Nonconformity, same
from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODULE
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.subjects.torch_eager import TorchSubject
from rnn_spec.trials import Watch, collect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from rnn_spec.cases.records import Case, Observation
    from rnn_spec.judge.faults import Fault
    from rnn_spec.judge.trial import Trial


@dataclass
class Row:
    """What became of one fault: the checks that failed on it by clause, and seconds."""

    fault: str
    clause: str
    killed_by: dict[str, list[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether the clause that the fault names caught it, and no check broke on it."""
        return self.clause in self.killed_by and not self.broken


class Baseline:
    """A right subject, what it answers, and what each check asks it."""

    def __init__(self, subject: Any) -> None:
        """Nothing has been asked yet."""
        self.subject, self.memory = subject, Memory()
        self.asked: dict[str, list[Case] | None] = {}

    def asks(self, trial: Trial) -> list[Case] | None:
        """The cases that a check asks; empty if it looks at more than answers, None if it cannot judge."""
        if trial.id not in self.asked:
            watch = Watch(self.subject)
            try:
                trial.run(Check(clauses()[trial.clause], watch, self.memory))
            except (NotClaimed, Nonconformity):  # a known failure cannot tell a fault from the right subject
                self.asked[trial.id] = None
            else:
                cases = [case for id, case in watch.asked.items() if id in self.memory.observations]
                self.asked[trial.id] = [] if watch.opened else cases
        return self.asked[trial.id]

    def seen(self, trial: Trial, wrong: Any, memory: Memory) -> bool:
        """Whether the check may see a difference: some answer differs, or it looks at more than answers."""
        cases = self.asks(trial)
        if cases is None:
            return False
        for case in cases:
            answer = memory.observations.get(case.id) or Check(NEUTRAL, wrong, memory).remember(case)
            if not alike(answer, self.memory.observations[case.id]):
                return True
        return not cases


class Matrix:
    """The suite, ready to be run on faults."""

    def __init__(self) -> None:
        """Collect the suite."""
        self.trials = collect()
        self.spec = Baseline(SpecSubject())
        self.torch: Baseline | None = None

    def baseline(self, fault: Fault) -> Baseline:
        """torch for faults of MODULE, the spec for all others."""
        if fault.of != MODULE:
            return self.spec
        self.torch = self.torch or Baseline(TorchSubject())
        return self.torch

    def row(self, fault: Fault, *, named_only: bool = False) -> Row:
        """Run the checks on one fault; `named_only`: of the clause it names, until one fails."""
        baseline = self.baseline(fault)
        started, row = time.perf_counter(), Row(fault.name, fault.clause)
        subject, memory = faulty(fault), Memory()
        memory.expectations = baseline.memory.expectations
        with np.errstate(all="ignore"):
            for trial in self.trials:
                if named_only and (trial.clause != fault.clause or row.killed):
                    continue
                if not baseline.seen(trial, subject, memory):
                    continue
                try:
                    trial.run(Check(clauses()[trial.clause], subject, memory))
                except Nonconformity:
                    row.killed_by.setdefault(trial.clause, []).append(trial.test)
                except NotClaimed:
                    continue
                except Exception as e:  # a check must fail on a wrong answer, and never break on it
                    row.broken.append(f"{trial.id}: {type(e).__name__}: {e}")
        row.seconds = time.perf_counter() - started
        return row


def alike(a: Observation, b: Observation) -> bool:
    """Whether two answers are alike in everything that a check can see."""
    return all(same(value, getattr(b, name)) for name, value in vars(a).items() if name != "warnings")


NEUTRAL = clauses()["SHP-06"]  # every subject claims it
_matrix: list[Matrix] = []


def _prepare() -> None:
    _matrix.append(Matrix())


def _work(name: str, named_only: bool) -> Row:
    return _matrix[0].row(FAULTS[name], named_only=named_only)


def rows(names: list[str], processes: int, *, named_only: bool = False) -> Iterator[Row]:
    """The faults' rows, as they are ready, in order."""
    with ProcessPoolExecutor(processes, get_context("spawn"), _prepare) as pool:
        yield from pool.map(_work, names, [named_only] * len(names))


def table(found: list[Row]) -> Table:
    """A line a fault: killed by the clause that it names or not, by how many others, seconds."""
    view = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("fault", "names", "killed", "by clauses", "seconds"):
        view.add_column(name, justify="right" if name == "seconds" else "left")
    for row in found:
        word = "yes" if row.killed else "[bold red]NO"
        by = ", ".join(f"{id} {len(ids)}" for id, ids in row.killed_by.items())
        view.add_row(row.fault, row.clause, word, by, f"{row.seconds:.1f}")
    return view


def show(found: list[Row], console: Console, trials: set[str]) -> None:
    """Print the matrix, what it shows of the suite's own weak places, and the rate."""
    console.print(table(found))
    kills: Counter[str] = Counter()
    whole = bool(trials)
    for row in found:
        names = {id for ids in row.killed_by.values() for id in ids}
        kills.update(names)
        if whole and len(names) == 1:
            console.print(f"only one check kills {row.fault}: {names.pop()}", highlight=False)
        for broken in row.broken:
            console.print(f"[bold red]a check broke on {row.fault}:[/] {broken}", highlight=False)
    for id in sorted(trials - set(kills)):
        console.print(f"no fault is killed by {id}", highlight=False)
    killed = sum(row.killed for row in found)
    console.print(f"{killed} of {len(found)} faults killed, each by the clause that names it")
