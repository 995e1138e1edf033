"""The pytest side: options, the call of a check with its `case` and `check`, and results.json.

A conformance test names its clause and the cases it wants, and says what holds:

    @clause("HID-06")
    @standard(num_layers=1, bidirectional=False, batched=True, batch_first=False)
    def test_last_output_is_final_state(case, check):
        \"\"\"With one layer and one direction the last output is h_n, bit for bit.\"\"\"
        answer = check.ask(case)

        check.equal("output[-1]", answer.output[-1], answer.h_n[0])
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from rnn_spec import wire
from rnn_spec.cases import product
from rnn_spec.cases.claims import Claims
from rnn_spec.cases.deadline import WATCHDOG
from rnn_spec.cases.records import LEVELS
from rnn_spec.faulty import find_subject
from rnn_spec.judge.check import Check, Memory, NotClaimed, Unsupported, WrongAdapter
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.known import Expected, KnownError, expected_of, read, unmet
from rnn_spec.judge.trial import Trial
from rnn_spec.judge.verdict import Verdict, explain
from rnn_spec.report import question, reproduction, table
from rnn_spec.report.results import Results
from rnn_spec.report.standing import conforms
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects import registry
from rnn_spec.subjects.base import version_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from rnn_spec.cases.product import Recipe
    from rnn_spec.judge.known import Known
    from rnn_spec.subjects.base import Subject

RESULTS = "rnn-spec-results"
UNUSED = ("cacheprovider", "faulthandler", "logging", "threadexception", "unraisableexception")
"""What of pytest the command does without: it costs time around every check."""
OWED = Path(__file__).with_name("owed.json")
_key = pytest.StashKey[Check]()
SESSION = pytest.StashKey["UnderTest"]()
_undisturbed = pytest.StashKey[bool]()
_own = pytest.StashKey["tuple[Known, ...]"]()


def clause(id: str) -> pytest.MarkDecorator:
    """The clause that a test checks, and its results are counted for."""
    if id not in clauses():
        raise ValueError(f"no clause is called {id!r}")
    return pytest.mark.clause(id)


def standard(**flags: Any) -> pytest.MarkDecorator:
    """Run the test on every standard case with these flag values (a tuple: any of them)."""
    return pytest.mark.cases(False, **flags)


def every(**flags: Any) -> pytest.MarkDecorator:
    """As `standard`, but with ``--exhaustive`` on every case of the full product with these values."""
    return pytest.mark.cases(True, **flags)


def named(*ids: str) -> pytest.MarkDecorator:
    """Run the test on the cases of these ids: for a law that needs particular flags and sizes.

    A subject that does not claim their dtype, nonlinearity or biases is asked in what it claims (`FREE`).
    """
    return pytest.mark.parametrize("case", [product.Recipe.parse(id) for id in ids], ids=ids, indirect=True)


def pinned(*flags: str) -> pytest.MarkDecorator:
    """The test needs these flags as they are: no subject is asked its cases with others."""
    return pytest.mark.pinned(*flags)


FREE = ("dtype", "nonlinearity", "bias")
"""The flags of a named case that are fitted to what is claimed, unless the test has `pinned` them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's options."""
    group = parser.getgroup("rnn-spec")
    group.addoption("--subject", default="torch", help="what to judge: a name, or package.module:attribute")
    group.addoption("--exhaustive", action="store_true", help="the full product of flags")
    group.addoption("--whole", action="store_true", help="fail if fewer checks run than each clause owes")
    group.addoption("--require", action="append", default=[], help="a level that the subject has to claim")
    group.addoption("--clause", action="append", default=[], help="only this clause or area; may be repeated")
    group.addoption("--known", help="file of the failures that are expected of the subject")
    group.addoption("--results", default=RESULTS, help="folder for results.json and reproductions")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and the recorder of results in the process that sees all reports."""
    config.addinivalue_line("markers", "clause(id): the clause that the test checks")
    config.addinivalue_line("markers", "cases(exhaustive, **flags): the cases that the test runs on")
    config.addinivalue_line("markers", "pinned(*flags): the flags that the test needs as they are")
    try:
        config.stash[_own] = read(Path(found)) if (found := config.getoption("known")) else ()
    except KnownError as e:
        raise pytest.UsageError(str(e)) from e
    gc.set_threshold(100_000, 50, 50)  # thousands of small arrays and few cycles: measured 8% of a run
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "rnn-spec-recorder")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test its cases, fitted to what the subject claims."""
    claims = session_of(metafunc.config).claims
    held = {flag for mark in metafunc.definition.iter_markers("pinned") for flag in mark.args}
    for mark in metafunc.definition.iter_markers("cases"):
        wanted = {k: v if isinstance(v, tuple) else (v,) for k, v in mark.kwargs.items()}
        whole = mark.args[0] and metafunc.config.getoption("exhaustive")
        recipes = [
            r
            for r in (product.full() if whole else product.standard())
            if all(getattr(r, name) in values for name, values in wanted.items())
        ]
        if not recipes:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: no case has {mark.kwargs}")
        found = fitted(recipes, claims, held | wanted.keys())
        metafunc.parametrize("case", found, ids=list(map(identifier, found)))
    if claims.restricts:
        marks = metafunc.definition.own_markers
        for i, mark in enumerate(marks):
            if mark.name == "parametrize" and mark.args[0] == "case":
                found = fitted(mark.args[1], claims, held | (product.FLAGS.keys() - set(FREE)))
                ids = list(map(identifier, found))
                marks[i] = pytest.mark.parametrize("case", found, ids=ids, indirect=True).mark


def fitted(recipes: Iterable[Recipe], claims: Claims, pinned: Iterable[str]) -> list[Recipe | None]:
    """The recipes as they can be asked, each once; None alone, where none can be."""
    found = (claims.fit(recipe, pinned) for recipe in recipes)
    return [*dict.fromkeys(recipe for recipe in found if recipe)] or [None]


def identifier(recipe: Recipe | None) -> str:
    """What stands in a check's id for its case."""
    return "no case of it is claimed" if recipe is None else str(recipe)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count what the claims owe, and keep what ``--clause`` selects."""
    clause_of = {item: mark.args[0] for item in items if (mark := item.get_closest_marker("clause"))}
    session_of(config).owed = owed = Counter(clause_of.values())
    if hasattr(config, "workeroutput"):
        config.workeroutput["owed"] = dict(owed)
    if wanted := set(config.getoption("clause")):
        kept = {item for item, id in clause_of.items() if wanted & {id, clauses()[id].area}}
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def trial(item: pytest.Item) -> Trial | None:
    """The check that an item is, or None for a test of another kind."""
    mark = item.get_closest_marker("clause")
    if mark is None or not isinstance(item, pytest.Function):
        return None
    arguments = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    return Trial(check_id(item.nodeid), mark.args[0], item.obj, arguments, item._fixtureinfo.argnames)


class UnderTest:
    """The subject of a session, loaded once it is looked at, and what it has answered."""

    def __init__(self, name: str, own: tuple[Known, ...] = (), claims: Claims | None = None) -> None:
        """Remember the name, and which failures are known to its own people; or, with `claims`, be nobody."""
        self.name, self.memory, self.owed = name, Memory(), Counter[str]()
        self.own, self.nobody = own, claims
        self.refusal: registry.SubjectError | None = None

    @cached_property
    def subject(self) -> Subject:
        """The subject; a SubjectError is raised again each time without loading again."""
        if self.refusal is None:
            try:
                return find_subject(self.name)
            except registry.SubjectError as e:
                self.refusal = e
        raise self.refusal

    @cached_property
    def claims(self) -> Claims:
        """What it claims, or everything where there is no subject, which the first check will say."""
        if self.nobody:
            return self.nobody
        try:
            return self.subject.claims
        except registry.SubjectError:
            return Claims()

    @cached_property
    def version(self) -> str:
        """What exactly is under test."""
        return version_of(self.subject, self.name)

    @cached_property
    def expected(self) -> Expected:
        """The failures that are expected of it."""
        return Expected.of(self.subject, self.version, self.own)

    @cached_property
    def introduction(self) -> dict[str, Any]:
        """What it claims and declares, and is known to get wrong, as Results has it."""
        expects = [k.id for k in self.expected.strict]
        return {**self.claims.told(), "declares": {**self.subject.declares}, "expects": expects}


def session_of(config: pytest.Config) -> UnderTest:
    """The subject under test in this process."""
    if SESSION not in config.stash:
        nobody = Claims() if config.option.collectonly else None  # nobody is asked
        config.stash[SESSION] = UnderTest(config.getoption("subject"), config.stash[_own], nobody)
    return config.stash[SESSION]


QUIET = ("_pytest.", "xdist.", "rnn_spec.", "_hypothesis_pytestplugin")
"""The modules whose hooks around a test change nothing of a check."""


def undisturbed(config: pytest.Config) -> bool:
    """Whether nobody else takes part in running tests: no other plugin, and no conftest."""
    if _undisturbed not in config.stash:
        steps = ("protocol", "setup", "call", "teardown", "makereport", "logreport")
        hooks = [getattr(config.hook, f"pytest_runtest_{step}") for step in steps]
        modules = [impl.function.__module__ for hook in hooks for impl in hook.get_hookimpls()]
        config.stash[_undisturbed] = all(module.startswith(QUIET) for module in modules)
    return config.stash[_undisturbed]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Any:
    """The recipe of a check's case, where pytest sets checks up."""
    return getattr(request, "param", None)


@pytest.fixture
def check() -> None:
    """What a check is given when it is called, and not before."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Call a check directly: it needs no fixture, and thousands of checks would feel what fixtures cost."""
    if trial(item) is None or not undisturbed(item.config):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = partial(pytest_pyfunc_call, item)
    done = pytest.CallInfo.from_call(call, "call", reraise=(pytest.exit.Exception, KeyboardInterrupt))
    report = item.ihook.pytest_runtest_makereport(item=item, call=done)
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Item) -> bool | None:
    """Ask the subject what a check asks."""
    item, found = pyfuncitem, trial(pyfuncitem)
    if found is None:
        return None
    under_test = session_of(item.config)

    if _key in item.stash:  # it is run again
        del item.stash[_key]
    told = {"subject": under_test.version, "title": under_test.subject.title}
    item.user_properties += (*told.items(), ("introduction", under_test.introduction))
    item.stash[_key] = check = Check(clauses()[found.clause], under_test.subject, under_test.memory)
    found.run(check)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Turn what a check raised into its verdict: failed with an explanation, or not claimed."""
    report: Any = yield
    found, error = item.stash.get(_key, None), call.excinfo and call.excinfo.value
    mark = item.get_closest_marker("clause")
    if mark is None or call.when != "call":
        return report
    if isinstance(error, registry.SubjectError):
        report.user_properties.append(("could not run", str(error)))
        report.longrepr = str(error)
        return report
    if isinstance(error, WrongAdapter) and found and found.case:
        traceback = found.error.traceback if found.error else ""
        sentence = f"the adapter is wrong: at the case {found.case.id} it {error}"
        report.longrepr = "\n".join(filter(None, (sentence, traceback)))
        report.user_properties.append(("could not run", report.longrepr))
        return report
    if isinstance(error, NotClaimed):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, str(error))
    message, script = "", None
    if report.failed:
        id = found.case.id if found and found.case else None
        if isinstance(error, Nonconformity) and found:
            script = _reproduce(item, found, str(error))
            message = explain(found.clause, id, str(error), again(script, item.config.getoption("subject")))
            report.longrepr = message
        else:  # not the subject's failure but the check's own: keep pytest's traceback
            message = f"{mark.args[0]}: the check itself broke: {report.longreprtext}"
    elif report.skipped:
        message = report.longrepr[2].removeprefix("Skipped: ")
    difference = str(error) if isinstance(error, Nonconformity) else None
    expectation = None
    if found and (report.passed or difference is not None):
        outcome, expectation = item.config.stash[SESSION].expected.settle(check_id(item.nodeid), difference)
        if expectation and outcome == "known":
            report.outcome, report.wasxfail, message = "skipped", expectation.id, expectation.happens
        elif expectation and report.passed:
            message = f"known failure {expectation.id!r} passes: take it out of {expectation.file}"
            report.outcome, report.longrepr = "failed", message
    verdict = Verdict(
        check=check_id(item.nodeid),
        clause=mark.args[0],
        outcome=_outcome(report, error),
        case=found.case.id if found and found.case else None,
        headroom=found.headroom if found else None,
        message=message,
        reproduction=script,
        known=expectation.id if expectation else None,
        difference=difference or "",
        level=level(mark.args[0], found, error),
        traceback=found.error.traceback if report.failed and found and found.error else "",
    )
    report.user_properties.append(("verdict", vars(verdict)))
    return report


def level(clause: str, check: Check | None, error: object) -> str:
    """The level that a check counts for: the last that it needed, its clause's, or one of its last case's.

    What comes short at a gradient counts for gradients, whatever clause found it. Else they do not count
    among a case's: they are asked for along with what a check looks at.
    """
    if getattr(error, "array", "").startswith("grad") or (
        isinstance(error, Unsupported) and check and check.broke_backward
    ):
        return "gradients"
    of_case = check.case.levels - {"gradients"} if check and check.case else frozenset()
    return max({clauses()[clause].profile} | of_case, key=LEVELS.index)


def again(script: str | None, subject: str) -> str | None:
    """What to do to see a failure again: run the script, or ask the question."""
    if script is None or script.endswith(".py"):
        return script
    return f"rnn-spec check {shlex.quote(subject)} --question {shlex.quote(script)}"


def _outcome(report: pytest.TestReport, error: object) -> str:
    if error and not isinstance(error, NotClaimed | Nonconformity):
        return "broken"
    if not report.skipped:
        return report.outcome
    return (
        "known"
        if hasattr(report, "wasxfail")
        else "unsupported"
        if isinstance(error, Unsupported)
        else "not claimed"
    )


def check_id(nodeid: str) -> str:
    """What a check is called in results: its module, test and parameters, without pytest's folder."""
    test, bracket, parameters = nodeid.partition("[")
    return test.rpartition("/")[2] + bracket + parameters


def _reproduce(item: pytest.Item, check: Check, difference: str) -> str | None:
    """Write what asks the same again: a script for torch itself, a question for all others; say where."""
    folder, subject = Path(item.config.getoption("results")), item.config.getoption("subject")
    worst = question.failed_array(check)
    if getattr(check.subject, "title", "") == "torch":
        if worst is None or check.case is None or check.bound is None:
            return None
        version = str(dict(item.user_properties).get("subject", "the subject"))
        shape = check.bound.value.shape
        text = reproduction.script(check.case, check.clause.id, worst, version, shape).encode()
        return _kept(question.path(folder, check, "py"), text)
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
        f"{id} owes {owed.get(id, 0)} checks, and {done[id]} ran (rnn-spec owed --write makes the list anew)"
        for id in clauses()
        if done[id] != owed.get(id, 0)
    ]
    asked = {v.clause for v in results.verdicts if not v.message.startswith("not claimed")}
    problems += [
        f"{id} was not asked, although {results.subject} claims {clause.profile}"
        for id, clause in clauses().items()
        if id not in asked and not claims.without(clause)
    ]
    seen = {v.known for v in results.verdicts}
    expected = expected_of(results.subject, results.version)
    return problems + [
        f"known failure {k.id!r} matches no check that ran" for k in expected if k.id not in seen
    ]


def checked_in() -> dict[str, dict[str, int]]:
    """How many checks each clause owes to a claim of everything, in a standard and in an exhaustive run."""
    found: dict[str, dict[str, int]] = json.loads(OWED.read_text(encoding="utf-8"))
    return found


class Recorder:
    """Collects every verdict, in the one process that sees all reports, into results.json."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin an empty run."""
        self.config = config
        self.results = Results(config.getoption("subject"), exhaustive=config.getoption("exhaustive"))
        self.path = Path(config.getoption("results")) / "results.json"
        self.written, self.begun = time.monotonic(), time.time()
        self.refused: str | None = None
        self.title = ""
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

    def pytest_runtest_logstart(self) -> None:
        """With the first check, clear away the reproductions of earlier runs."""
        if self.begun:
            question.sweep(self.path.parent, self.begun)
            self.begun = 0.0

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
        again = str(report.outcome) == "rerun"  # pytest-rerunfailures': what comes of it is still to come
        if isinstance(found := properties.get("verdict"), dict) and not again:
            self.results.version = str(properties.get("subject", self.results.version))
            self.title = str(properties["title"])
            introduction: Any = properties["introduction"]
            self.results.introduce(**introduction)
            self.results.verdicts.append(Verdict(**found))
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
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not self.refused
        results.complete, results.selected = ended, self.selected()
        if ended and results.verdicts and not results.selected:
            results.problems = [*shortfalls(results), *self.unmet()]
        if results.verdicts:
            results.lacking = [level for level in options.require if level not in results.levels]
        outcomes = {v.outcome for v in results.verdicts}
        idle = bool(outcomes) and outcomes <= {"not claimed", "unsupported"}
        if self.refused or "broken" in outcomes or idle:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        elif ended and results.verdicts and not conforms(results):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif ended and options.whole and exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.OK  # a SHOULD alone
        if results.verdicts:
            self.keep()

    def selected(self) -> list[str]:
        """What the run was told to keep to; nothing, if it is whole: then fewer checks than owed fail it."""
        options = self.config.option
        named = [f"-k {options.keyword}"] if options.keyword else []
        named += [f"--{flag}" for flag in ("lf", "maxfail") if getattr(options, flag, 0)]
        whole = options.whole or self.config.args_source is pytest.Config.ArgsSource.TESTPATHS
        return [*options.clause, *named, *([] if whole else self.config.args)]

    def unmet(self) -> list[str]:
        """What of the subject's own file of known failures was not seen."""
        own = [k for k in self.config.stash[_own] if k.applies(self.title, self.results.version)]
        return unmet(own, self.results.verdicts)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table by area, the failures, and where results.json lies."""
        if self.refused:
            terminalreporter.write_line("")
            terminalreporter.write_line(f"rnn-spec: {self.refused}", red=True)
        elif self.results.verdicts:
            console = Console(file=terminalreporter._tw._file, width=max(terminalreporter._tw.fullwidth, 80))
            console.print()
            table.show(self.results, console, failures=self.config.getoption("tbstyle") == "no")
            console.print(self.unkept or f"results: {self.path}", highlight=False, soft_wrap=True)


def suite() -> Path:
    """Where the conformance modules are: in the installed package, or in the checkout beside it."""
    package = Path(__file__).parent
    installed = package / "conformance"
    return installed if installed.is_dir() else package.parent / "tests" / "conformance"


SETTINGS = {
    "OMP_NUM_THREADS": "1",  # the layers are small: more threads only get in the way
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # an exporter's warnings, past Python's, would bury the table
}


@contextmanager
def settled() -> Iterator[pytest.MonkeyPatch]:
    """An environment with SETTINGS, but for those that the user has made; afterwards as it was."""
    with pytest.MonkeyPatch.context() as environment:
        for name in SETTINGS.keys() - os.environ.keys():
            environment.setenv(name, SETTINGS[name])
        yield environment


def run_suite(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """Run the suite as `rnn-spec check` does, whatever pytest configuration lies about."""
    folder, ini = suite(), Path(__file__).with_name("suite.ini")
    places = ["-c", str(ini), f"--rootdir={folder}", f"--confcutdir={folder}"]
    loaded = ["-pxdist.plugin", "-prnn_spec.plugin", *(f"-pno:{name}" for name in UNUSED)]
    quiet = ["-qq", "--tb=no", "-rN"]
    with settled() as environment:
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            environment.delenv(name, raising=False)
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        options = [*places, *loaded, *quiet, "--whole", str(folder), *arguments]
        return int(pytest.main(options, plugins=plugins))
