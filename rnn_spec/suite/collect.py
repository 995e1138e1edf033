"""The suite's checks, collected once by pytest, to be called without it on any number of subjects."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.questions.claims import Claims
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.launch import run_suite, suite
from rnn_spec.suite.plugin import planned
from rnn_spec.suite.under_test import SESSION, UnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.questions.records import Attempt, Case, Observation
    from rnn_spec.suite.planned import Planned


class Watch:
    """A subject that remembers which cases it is asked, how often, and whether its class is."""

    def __init__(self, subject: Any) -> None:
        """Watch `subject`."""
        self.subject, self.claims, self.remote = subject, subject.claims, subject.remote
        self.begin()

    def begin(self) -> None:
        """Forget what has been asked."""
        self.asked: dict[str, Case] = {}
        self.attempted: dict[str, Attempt] = {}
        self.ran: list[str] = []
        self.opened = False

    def unclaimed(self, case: Case) -> str | None:
        """Every case that is about to be asked passes here first."""
        reason: str | None = self.subject.unclaimed(case)
        if reason is None:
            self.asked[case.id] = case
        return reason

    def run(self, case: Case) -> Observation:
        """Answer."""
        self.ran.append(case.fingerprint)
        answer: Observation = self.subject.run(case)
        return answer

    def attempt(self, attempt: Attempt) -> Observation:
        """Answer, and keep the attempt; its answer is of a module, and no array's."""
        self.opened = True
        self.attempted[attempt.id] = attempt
        answer: Observation = self.subject.attempt(attempt)
        return answer

    def __getattr__(self, name: str) -> Any:
        """Whatever else a check may look at; with it a check sees more than answers."""
        self.opened = True
        return getattr(self.subject, name)


class Collector:
    """Takes the collected items out of pytest's hands."""

    def __init__(self, claims: Claims) -> None:
        """Begin empty, for a subject that claims these."""
        self.planned: list[Planned] = []
        self.claims = claims

    def pytest_configure(self, config: pytest.Config) -> None:
        """No subject is loaded: nobody is asked anything."""
        config.stash[SESSION] = UnderTest("", claims=self.claims)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keep the items as planned checks, and run none of them."""
        self.planned = [found for item in session.items if (found := planned(item))]
        return True


def collect(claims: Claims | None = None, *, exhaustive: bool = False) -> list[Planned]:
    """Every check of a standard or of an exhaustive run, as a subject with these claims is asked; of any."""
    collector = Collector(claims or Claims())
    with contextlib.redirect_stdout(io.StringIO()), apart():
        run_suite(["--exhaustive"] if exhaustive else [], plugins=[collector])
    return collector.planned


def counts() -> dict[str, dict[str, int]]:
    """How many checks of each clause are collected for a claim of everything, in both kinds of run."""

    def counted(*, exhaustive: bool) -> dict[str, int]:
        found = Counter(planned.clause for planned in collect(exhaustive=exhaustive))
        return {id: found[id] for id in clauses() if found[id]}

    return {"standard": counted(exhaustive=False), "exhaustive": counted(exhaustive=True)}


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """A place where the suite's modules are nobody else's: another's test module may have the name of one."""
    names = {path.stem for path in suite().glob("test_*.py")}
    others = {name: sys.modules.pop(name) for name in names & set(sys.modules)}
    try:
        yield
    finally:
        for name in names & set(sys.modules):
            del sys.modules[name]
        sys.modules.update(others)
