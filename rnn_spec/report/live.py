"""What a run shows while it goes on: a line that lives on a terminal, and elsewhere a line an area.

Both have each clause that fails, once, as soon as it does. What is not claimed is counted and not shown.
"""

from __future__ import annotations

import ast
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rnn_spec.spec.catalogue import areas, clauses
from rnn_spec.suite.launch import suite
from rnn_spec.suite.planned import check_id, without_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOW = ("least", "some", "most")
"""How much a run shows: its verdict alone; what says most of it; all."""
REFRESH = 0.2
"""Seconds between two pictures of the line that lives: nobody reads faster, and each costs."""


def clause_of() -> dict[str, str]:
    """The clause of every test of the suite, by ``module::function``, read from the sources."""
    found = {}
    for path in sorted(suite().glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "clause":
                    found[f"{path.name}::{node.name}"] = ast.literal_eval(mark.args[0])
    return found


class Live:
    """A plugin of the process that sees all reports: what it shows of them as they come."""

    def __init__(self, config: pytest.Config) -> None:
        """Look at where it is shown."""
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self.reporter, writer = reporter, reporter._tw
        self.lives = writer.hasmarkup and "CI" not in os.environ
        self.console = Console(file=writer._file, width=max(writer.fullwidth, 80), highlight=False)
        self.silent = config.getoption("show") == SHOW[0]
        self.progress: Progress | None = None
        self.owed: Counter[str] = Counter()
        self.done: dict[str, Counter[str]] = {area: Counter() for area in areas()}
        self.failed: set[str] = set()
        self.shown = 0.0

    def begin(self, ids: Iterable[str]) -> None:
        """The checks are known: count what each area owes, and draw the line."""
        if self.owed or self.silent:
            return
        of = clause_of()
        found = (of.get(without_parameters(check_id(id)), "") for id in ids)
        self.owed.update(clauses()[id].area for id in found if id)
        if self.lives and self.owed:
            columns = (
                MofNCompleteColumn(), TextColumn("checks"), TextColumn("{task.fields[failing]}"),
                TextColumn("[dim]{task.description}"), TimeRemainingColumn(), TextColumn("[dim]left"),
            )  # fmt: skip
            self.progress = Progress(
                *columns, console=self.console, auto_refresh=False, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self.task = self.progress.add_task("", total=self.owed.total(), failing="")
            self.progress.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The checks, where this process collects them."""
        self.begin(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """The checks, where other processes collect them, and all the same."""
        self.begin(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No letter of pytest's for a check."""
        verdict: Any = dict(getattr(report, "user_properties", ())).get("verdict")
        return (verdict["outcome"], "", "") if verdict else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A verdict: the failure of a clause at once, an area at its end, the line when it is time."""
        verdict: Any = dict(report.user_properties).get("verdict")
        if self.silent or not verdict:
            return
        clause = clauses()[verdict["clause"]]
        done = self.done[clause.area]
        done[verdict["outcome"]] += 1
        if verdict["outcome"] in ("failed", "broken") and clause.id not in self.failed:
            self.failed.add(clause.id)
            how = "fails" if verdict["outcome"] == "failed" else "could not be judged"
            line = Text.assemble((f"{clause.id} {how}", "bold red"), f": {clause.text}")
            self.console.print(line, soft_wrap=True)
        if self.progress:
            self._refresh(clause.area)
        elif done.total() == self.owed[clause.area]:
            self.console.print(f"{clause.area:3} {areas()[clause.area]}: {counted(done)}", markup=False)

    def _refresh(self, area: str) -> None:
        now = time.monotonic()
        if self.progress and now - self.shown >= REFRESH:
            done = sum(self.done.values(), Counter())
            failing = f"[bold red]{done['failed']} fail" if done["failed"] else ""
            self.progress.update(
                self.task, completed=done.total(), description=areas()[area], failing=failing
            )
            self.progress.refresh()
            self.shown = now

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Take the line away, and pytest's own last lines: the verdict stands at the end."""
        if self.progress:
            self.progress.stop()
        self.reporter.write_sep = lambda *_, **__: None


def counted(outcomes: Counter[str]) -> str:
    """How many checks, and what became of them; what is not claimed last."""
    words = {"passed": "passed", "failed": "failed", "known": "known", "broken": "broken",
             "unsupported": "without an answer", "not claimed": "not claimed"}  # fmt: skip
    told = ", ".join(f"{outcomes[name]} {word}" for name, word in words.items() if outcomes[name])
    return f"{outcomes.total()} checks: {told}"
