"""The matrix fault x clause: proof that the suite can fail, and by which clause.

The suite is collected once by pytest, and then every check is called on every faulty subject,
without pytest's machinery between them, sharing expectations (which are the spec's, whoever is
judged). A fault is *killed* by a clause when one of the clause's checks fails on it; the clause that
the fault names must be among them. Checks are functions of a subject's answers alone, so a check that
asks only cases to which the faulty subject answers as the right one does cannot kill it, and is not
called: `Trial.sees` compares the answers, not what a fault is thought to affect.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich import box
from rich.table import Table

from rnn_spec.faulty import faulty
from rnn_spec.judge.check import Check, Memory, NotClaimed
from rnn_spec.judge.compare import Nonconformity, same
from rnn_spec.judge.faults import FAULTS
from rnn_spec.plugin import run_suite
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from rnn_spec.cases.records import Case, Observation
    from rnn_spec.judge.check import Answers
    from rnn_spec.judge.faults import Fault


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


@dataclass
class Trial:
    """One collected check, the cases that it asked the right subject, and whether it judged at all."""

    id: str
    clause: str
    function: Any
    arguments: dict[str, Any]
    needs: tuple[str, ...]
    asked: list[Case] = field(default_factory=list)
    judges: bool = False

    def run(self, subject: Answers, memory: Memory) -> None:
        """Call the check; raises as it does."""
        check = Check(clauses()[self.clause], subject, memory)
        given = {"check": check, "case": self.arguments["case"].case() if "case" in self.arguments else None}
        values = {**self.arguments, **given}
        self.function(**{name: values[name] for name in self.needs})

    def sees(self, wrong: Answers, memory: Memory, right: Memory) -> bool:
        """Whether any case that the check asks is answered otherwise than by the right subject."""
        for case in self.asked:
            answer = memory.observations.get(case.id)
            if answer is None:
                answer = Check(clauses()[self.clause], wrong, memory).remember(case)
            if not alike(answer, right.observations[case.id]):
                return True
        return not self.asked


class Watch:
    """A subject that remembers which cases it is asked."""

    def __init__(self, subject: Any) -> None:
        """Watch `subject`."""
        self.subject, self.levels, self.asked = subject, subject.levels, list[Any]()

    def unclaimed(self, case: Case) -> str | None:
        """Every case that is about to be asked passes here first."""
        reason: str | None = self.subject.unclaimed(case)
        if reason is None:
            self.asked.append(case)
        return reason

    def run(self, case: Case) -> Observation:
        """Answer."""
        answer: Observation = self.subject.run(case)
        return answer


class Collector:
    """Takes the collected items out of pytest's hands."""

    def __init__(self) -> None:
        """Begin empty."""
        self.trials: list[Trial] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keep the items as trials, and run none of them."""
        for item in session.items:
            mark = item.get_closest_marker("clause")
            if mark is None or not isinstance(item, pytest.Function):
                continue
            needs = tuple(item._fixtureinfo.argnames)
            arguments = dict(item.callspec.params) if hasattr(item, "callspec") else {}
            if set(needs) <= {"check", "case", *arguments}:
                name = item.nodeid.partition("[")[0].rpartition("/")[2]
                self.trials.append(Trial(name, mark.args[0], item.obj, arguments, needs))
        return True


class Matrix:
    """The suite, ready to be run on faults."""

    def __init__(self) -> None:
        """Collect the suite, and run it on the spec itself, which must pass all of it."""
        self.trials = collect()
        self.right = Memory()
        subject = Watch(SpecSubject())
        for trial in self.trials:
            subject.asked = []
            try:
                trial.run(subject, self.right)
                trial.judges = True
            except NotClaimed:
                trial.judges = False
            asked = {case.id: case for case in subject.asked}
            trial.asked = [case for id, case in asked.items() if id in self.right.observations]

    def row(self, fault: Fault, *, named_only: bool = False) -> Row:
        """Run the checks on one fault; `named_only`: of the clause it names, until one fails."""
        started, row = time.perf_counter(), Row(fault.name, fault.clause)
        subject, memory = faulty(fault), Memory()
        memory.expectations = self.right.expectations
        with np.errstate(all="ignore"):
            for trial in self.trials:
                if named_only and (trial.clause != fault.clause or row.killed):
                    continue
                if not trial.judges or not trial.sees(subject, memory, self.right):
                    continue
                try:
                    trial.run(subject, memory)
                except Nonconformity:
                    row.killed_by.setdefault(trial.clause, []).append(trial.id)
                except NotClaimed:
                    continue
                except Exception as e:  # a check must fail on a wrong answer, and never break on it
                    row.broken.append(f"{trial.id}: {type(e).__name__}: {e}")
        row.seconds = time.perf_counter() - started
        return row


def collect() -> list[Trial]:
    """Every check of the suite that needs nothing but a subject."""
    collector = Collector()
    with contextlib.redirect_stdout(io.StringIO()):
        run_suite([], plugins=[collector])
    return collector.trials


def alike(a: Observation, b: Observation) -> bool:
    """Whether two answers are alike in everything that a check can see."""
    return all(same(value, getattr(b, name)) for name, value in vars(a).items() if name != "warnings")


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
    for row in found:
        names = {id for ids in row.killed_by.values() for id in ids}
        kills.update(names)
        if len(names) == 1:
            console.print(f"only one check kills {row.fault}: {names.pop()}", highlight=False)
        for broken in row.broken:
            console.print(f"[bold red]a check broke on {row.fault}:[/] {broken}", highlight=False)
    for id in sorted(trials - set(kills)):
        console.print(f"no fault is killed by {id}", highlight=False)
    killed = sum(row.killed for row in found)
    console.print(f"{killed} of {len(found)} faults killed, each by the clause that names it")
