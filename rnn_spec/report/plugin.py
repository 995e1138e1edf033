"""What a run of the suite shows: the table at its end, and beside results.json what asks a failure again."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from rnn_spec.far import wire
from rnn_spec.report import live, question, reproduction, table
from rnn_spec.suite.planned import check_id

if TYPE_CHECKING:
    from rnn_spec.judge.check import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is shown."""
    group = parser.getgroup("rnn-spec")
    group.addoption("--show", choices=live.SHOW, default="some", help="how much a run of the command shows")


def pytest_configure(config: pytest.Config) -> None:
    """In the process that sees all reports, show the results."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(config), "rnn-spec-report")


class Report:
    """The end of a run on the terminal, and its folder's beginning."""

    def __init__(self, config: pytest.Config) -> None:
        """Remember when the run begins."""
        self.config, self.begun = config, time.time()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Show a run of the command while it goes on."""
        if self.config.option.whole:
            self.config.pluginmanager.register(live.Live(self.config), "rnn-spec-live")

    @property
    def recorder(self) -> Any:
        """Who has the results."""
        return self.config.pluginmanager.get_plugin("rnn-spec-recorder")

    def pytest_runtest_logstart(self) -> None:
        """With the first check, clear away the reproductions of earlier runs."""
        if self.begun:
            question.sweep(self.recorder.path.parent, self.begun)
            self.begun = 0.0

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The failures, the standings, the verdict, and where results.json lies."""
        recorder = self.recorder
        if recorder.results.verdicts and not recorder.refused:
            console = Console(file=terminalreporter._tw._file, width=max(terminalreporter._tw.fullwidth, 80))
            ours, show = self.config.option.whole, self.config.getoption("show")
            if show != live.SHOW[0]:
                console.print()
            table.show(recorder.results, console, show if ours else live.SHOW[-1], failures=ours)
            kept = recorder.unkept or f"results: {recorder.path}"
            console.print(kept, highlight=False, soft_wrap=True)


def pytest_rnn_spec_failed(item: pytest.Item, check: Check, difference: str) -> tuple[str | None, str | None]:
    """Write what asks the same again, and say how it does."""
    script = _reproduce(item, check, difference)
    return script, again(script, item.config.getoption("subject"))


def again(script: str | None, subject: str) -> str | None:
    """What to do to see a failure again: run the script, or ask the question."""
    if script is None or script.endswith(".py"):
        return script
    return f"rnn-spec check {shlex.quote(subject)} --question {shlex.quote(script)}"


def _reproduce(item: pytest.Item, check: Check, difference: str) -> str | None:
    """Write what asks the same again, and say where: a script for a plain case of torch, else a question."""
    folder, subject = Path(item.config.getoption("results")), item.config.getoption("subject")
    worst = question.failed_array(check)
    plain = check.case is None or not (check.case.deeds or check.case.route)
    if plain and getattr(check.subject, "title", "") == "torch":
        if worst is None or check.case is None or check.bound is None:
            return None
        version = str(dict(item.user_properties).get("subject", "the subject"))
        shape = check.bound.value.shape
        text = reproduction.script(check.case, check.clause.id, worst, version, shape)
        return text and _kept(question.path(folder, check, "py"), text.encode())
    asked = question.of(check, check_id(item.nodeid), subject, difference)
    if asked is None:
        return None
    return _kept(question.path(folder, check, "json"), wire.encode(asked) + b"\n")


def _kept(path: Path, text: bytes) -> str | None:
    """Where a reproduction has been written; None on a full disk: the verdict goes on without."""
    if len(text) > question.LARGEST:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    except OSError:
        return None
    return str(path)
