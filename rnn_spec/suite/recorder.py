"""What became of a run: every verdict, what is owed, the exit status, results.json."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rnn_spec.judge.known import expected_of, unmet
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.deadline import WATCHDOG
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.results import Results
from rnn_spec.suite.standing import conforms
from rnn_spec.suite.under_test import OWN, SESSION

if TYPE_CHECKING:
    from rnn_spec.judge.known import Known

OWED = Path(__file__).with_name("owed.json")


def shortfalls(results: Results) -> list[str]:
    """Where a whole run did not do all that is owed: a sentence each.

    What the claims owe is what was collected for them; to a claim of everything, no less than the checked-in
    list. A clause of a claimed level that is about what is claimed has to have been asked.
    """
    done, claims = Counter(v.clause for v in results.verdicts), results.claimed()
    owed = (
        results.owed if claims.restricts else checked_in()["exhaustive" if results.exhaustive else "standard"]
    )
    problems = [
        f"{id} owes {owed.get(id, 0)} checks, and {done[id]} ran (the list: rnn-spec regenerate owed)"
        for id in clauses()
        if done[id] != owed.get(id, 0)
    ]
    asked = {v.clause for v in results.verdicts if not v.message.startswith("not claimed")}
    problems += [
        f"{id} was not asked, although {results.subject} claims {clause.level}"
        for id, clause in clauses().items()
        if id not in asked and not claims.without(clause)
    ]
    return problems


def checked_in() -> dict[str, dict[str, int]]:
    """How many checks each clause owes to a claim of everything, in a standard and in an exhaustive run."""
    found: dict[str, dict[str, int]] = json.loads(OWED.read_text(encoding="utf-8"))
    return found


def unshown(results: Results, own: tuple[Known, ...]) -> list[str]:
    """Which failures that our list or the subject's `own` expects were not seen: a sentence each."""
    ours = expected_of(results.title, results.version)
    return unmet([*(k for k in own if k.applies(results.title, results.version)), *ours], results.verdicts)


class Recorder:
    """Collects every verdict, in the one process that sees all reports, into results.json."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin an empty run."""
        self.config = config
        self.results = Results(config.getoption("subject"), exhaustive=config.getoption("exhaustive"))
        self.path = Path(config.getoption("results")) / "results.json"
        self.written = time.monotonic()
        self.refused: str | None = None
        self.unkept: str | None = None
        WATCHDOG.abandon, WATCHDOG.interrupted = self.abandon, False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember the session, to end it where nothing can be judged."""
        self.session = session

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep what is owed, where this process collects."""
        if SESSION in session.config.stash:
            self.results.owed = self.results.owed or dict(session.config.stash[SESSION].owed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Keep what is owed, where another process has collected."""
        self.results.owed = getattr(node, "workeroutput", {}).get("owed", self.results.owed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a verdict from a report; keep results.json valid, and at most seconds old."""
        properties = dict(report.user_properties)
        if reason := properties.get("could not run"):
            self.refused, self.session.shouldstop = str(reason), "rnn-spec could not run"
        if report.failed and not properties and self.config.option.whole:
            self.refused = (
                f"subject {self.results.subject!r} ended the process that judged it: {report.longrepr}"
            )
            self.session.shouldstop = "rnn-spec could not run"
        introduction: Any = properties.get("introduction")  # with the first report of a process
        if introduction:
            self.results.version, self.results.title = str(properties["subject"]), str(properties["title"])
            self.results.introduce(**introduction)
        again = str(report.outcome) == "rerun"  # pytest-rerunfailures': what comes of it is still to come
        if isinstance(found := properties.get("verdict"), dict) and not again:
            self.results.verdicts.append(msgspec.convert(found, Verdict))
            if time.monotonic() - self.written > 5:
                self.keep()
                self.written = time.monotonic()

    def keep(self) -> None:
        """Write results.json; a disk that is full takes nothing from the verdict."""
        try:
            self.results.write(self.path)
        except OSError as e:
            self.unkept = f"{self.path} could not be kept: {e.strerror}"
        else:
            self.unkept = ""

    def pytest_keyboard_interrupt(self) -> None:
        """Say which case was interrupted."""
        if WATCHDOG.interrupted:
            self.refused = f"interrupted while the subject answered the case {WATCHDOG.case}"

    def abandon(self, sentence: str) -> None:
        """Called by the watchdog, before it ends the process: show and keep what there is."""
        if capture := self.config.pluginmanager.getplugin("capturemanager"):
            capture.suspend_global_capture(in_=True)
        print(f"\nrnn-spec: {sentence}", file=sys.stderr, flush=True)
        self.keep()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """A known failure is an x, what is unsupported a u, and what is not claimed an n."""
        verdict: Any = dict(getattr(report, "user_properties", ())).get("verdict")  # none of collection
        if report.skipped and verdict:
            outcome = verdict["outcome"]
            return outcome, {"known": "x", "unsupported": "u"}.get(outcome, "n"), outcome.upper()
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write results.json, and settle the exit status.

        It is 0 where what was asked is as it must be, 1 where it is not, and 2 where nothing was judged, a
        check broke, or the run did not come to its end.
        """
        results, options = self.results, self.config.option
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or self.enough
        ended = ended and not self.refused
        results.complete, results.selected, results.shard = ended, self.selected(), options.shard or ""
        if ended and results.verdicts and not results.part:
            results.problems = [*shortfalls(results), *unshown(results, self.config.stash[OWN])]
        if results.verdicts:
            results.lacking = [level for level in options.require if level not in results.levels]
        outcomes = {v.outcome for v in results.verdicts}
        idle = bool(outcomes) and outcomes <= {"not claimed", "unsupported"}
        if self.refused or "broken" in outcomes or idle:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        elif ended and results.verdicts and not conforms(results):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif ended and options.whole:
            session.exitstatus = pytest.ExitCode.OK  # a SHOULD alone
        if results.verdicts:
            self.keep()

    @property
    def enough(self) -> bool:
        """Whether the run ended at as many failures as it was told to."""
        most, outcomes = self.config.option.maxfail or 0, [v.outcome for v in self.results.verdicts]
        return 0 < most <= outcomes.count("failed") + outcomes.count("broken")

    def selected(self) -> list[str]:
        """What the run was told to keep to; nothing, if it is whole: then fewer checks than owed fail it."""
        options = self.config.option
        named = [f"-k {options.keyword}"] if options.keyword else []
        named += ["what failed last time"] if options.lf_of or getattr(options, "lf", False) else []
        named += [f"what came before failure {options.maxfail}"] if self.enough else []
        whole = options.whole or self.config.args_source is pytest.Config.ArgsSource.TESTPATHS
        return [*options.clause, *named, *([] if whole else self.config.args)]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say why nothing could be judged, if so."""
        if self.refused:
            terminalreporter.write_line("")
            terminalreporter.write_line(f"rnn-spec: {self.refused}", red=True)
