"""The suite's checks, collected once by pytest, to be called without it on any number of subjects."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.judge.check import Check, Memory
from rnn_spec.plugin import check_id, run_suite
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from rnn_spec.cases.records import Case, Observation


@dataclass
class Trial:
    """One collected check."""

    id: str
    test: str
    clause: str
    function: Any
    arguments: dict[str, Any]
    needs: tuple[str, ...]

    def run(self, subject: Any, memory: Memory) -> None:
        """Call the check; raises as it does."""
        check = Check(clauses()[self.clause], subject, memory)
        given = {"check": check, "case": self.arguments["case"].case() if "case" in self.arguments else None}
        values = {**self.arguments, **given}
        self.function(**{name: values[name] for name in self.needs})


class Watch:
    """A subject that remembers which cases it is asked, and whether its class is."""

    def __init__(self, subject: Any) -> None:
        """Watch `subject`."""
        self.subject, self.levels = subject, subject.levels
        self.asked: dict[str, Case] = {}
        self.opened = False

    def unclaimed(self, case: Case) -> str | None:
        """Every case that is about to be asked passes here first."""
        reason: str | None = self.subject.unclaimed(case)
        if reason is None:
            self.asked[case.id] = case
        return reason

    def run(self, case: Case) -> Observation:
        """Answer."""
        answer: Observation = self.subject.run(case)
        return answer

    def __getattr__(self, name: str) -> Any:
        """Whatever else a check may look at; with it a check sees more than answers."""
        self.opened = True
        return getattr(self.subject, name)


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
                id = check_id(item.nodeid)
                test = id.partition("[")[0]
                self.trials.append(Trial(id, test, mark.args[0], item.obj, arguments, needs))
        return True


def collect() -> list[Trial]:
    """Every check of the suite that needs nothing but a subject."""
    collector = Collector()
    with contextlib.redirect_stdout(io.StringIO()):
        run_suite([], plugins=[collector])
    return collector.trials
