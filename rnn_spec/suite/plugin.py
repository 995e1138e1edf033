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
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rnn_spec.judge.known import KnownError, read
from rnn_spec.judge.numbers import numbers
from rnn_spec.judge.session import Unsupported, WrongAdapter
from rnn_spec.judge.verdict import Verdict, explain
from rnn_spec.questions import malformed, product
from rnn_spec.questions.claims import Claims
from rnn_spec.questions.records import LEVELS
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects import registry
from rnn_spec.suite.marks import selected
from rnn_spec.suite.planned import Outcome, Planned, check_id
from rnn_spec.suite.recorder import Recorder
from rnn_spec.suite.under_test import OWN, SESSION, session_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.product import Recipe

RESULTS = "rnn-spec-results"
pytest_plugins = ["rnn_spec.report.plugin"]
"""What an outer ring adds to a run, known by its name alone."""
_key = pytest.StashKey[Outcome]()
_undisturbed = pytest.StashKey[bool]()


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
    group.addoption(
        "--lf-of", help="file with the ids of the only checks to ask, those that failed last time"
    )
    group.addoption("--shard", help="K/N: only each N-th check, from the K-th on")
    group.addoption("--known", help="file of the failures that are expected of the subject")
    group.addoption("--results", default=RESULTS, help="folder for results.json and reproductions")


class Hooks:
    """What the outer rings may add to a run."""

    @pytest.hookspec(firstresult=True)
    def pytest_rnn_spec_failed(
        self, item: pytest.Item, check: Check, difference: str
    ) -> tuple[str | None, str | None] | None:
        """A failure has been seen: a file that has been kept to see it again, and how; None: nothing."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hooks known."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and the recorder of results in the process that sees all reports."""
    config.addinivalue_line("markers", "clause(id): the clause that the test checks")
    config.addinivalue_line("markers", "cases(exhaustive, **flags): the cases that the test runs on")
    config.addinivalue_line("markers", "malformed(**fields): the malformed calls that the test runs on")
    config.addinivalue_line("markers", "pinned(*flags): the flags that the test needs as they are")
    try:
        config.stash[OWN] = read(Path(found)) if (found := config.getoption("known")) else ()
    except KnownError as e:
        raise pytest.UsageError(str(e)) from e
    gc.set_threshold(100_000, 50, 50)  # thousands of small arrays and few cycles: measured 8% of a run
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "rnn-spec-recorder")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test its malformed calls, or its cases, fitted to what the subject claims."""
    for mark in metafunc.definition.iter_markers("malformed"):
        calls = malformed.calls(exhaustive=metafunc.config.getoption("exhaustive"))
        negatives = selected(calls, mark.kwargs)
        metafunc.parametrize("negative", list(negatives.values()), ids=list(negatives))
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
    keep(config, items)


def keep(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the items keep those that failed last time, and this shard's, where that is asked for."""
    chosen = items
    if ids := config.getoption("lf_of"):
        failed = set(Path(ids).read_text(encoding="utf-8").splitlines())
        chosen = [item for item in chosen if check_id(item.nodeid) in failed]
    if shard := config.getoption("shard"):
        number, of = map(int, shard.split("/"))
        chosen = chosen[number - 1 :: of]
    if len(chosen) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


def planned(item: pytest.Item) -> Planned | None:
    """The check that an item is, or None for a test of another kind."""
    mark = item.get_closest_marker("clause")
    if mark is None or not isinstance(item, pytest.Function):
        return None
    arguments = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    return Planned(check_id(item.nodeid), mark.args[0], item.obj, arguments, item._fixtureinfo.argnames)


QUIET = ("_pytest.", "xdist.", "__channelexec__", "rnn_spec.", "_hypothesis_pytestplugin")
"""The modules whose hooks around a test change nothing of a check; xdist's in a worker is __channelexec__."""


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
    if planned(item) is None or not undisturbed(item.config):
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
    item, found = pyfuncitem, planned(pyfuncitem)
    if found is None:
        return None
    under_test = session_of(item.config)

    if _key in item.stash:  # it is run again
        del item.stash[_key]
    item.user_properties += under_test.introductions().items()
    item.stash[_key] = outcome = found.outcome(under_test.session)
    if outcome.error is not None:
        raise outcome.error
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Turn what became of a check into its verdict: failed with an explanation, or not claimed."""
    report: Any = yield
    if item.get_closest_marker("clause") is None or call.when != "call":
        return report
    error = call.excinfo and call.excinfo.value
    outcome = item.stash.get(_key, Outcome("passed"))
    if error is not outcome.error:  # raised around the check
        outcome = Outcome("broken", outcome.check, error)
    if sentence := could_not_run(error, outcome.check):
        report.user_properties.append(("could not run", sentence))
        report.longrepr = sentence
        return report
    report.user_properties.append(("verdict", msgspec.to_builtins(verdict(item, report, outcome))))
    return report


def could_not_run(error: BaseException | None, check: Check | None) -> str | None:
    """Why nothing can be judged any more: there is no subject, or its adapter is wrong; or None."""
    if isinstance(error, registry.SubjectError):
        return str(error)
    if not isinstance(error, WrongAdapter) or check is None or check.case is None:
        return None
    traceback = check.error.traceback if check.error else ""
    sentence = f"the adapter is wrong: at the case {check.case.id} it {error}"
    return "\n".join(filter(None, (sentence, traceback)))


def verdict(item: pytest.Item, report: Any, outcome: Outcome) -> Verdict:
    """The verdict of a check, and pytest's report made to say the same."""
    mark: Any = item.get_closest_marker("clause")
    check, id = outcome.check, check_id(item.nodeid)
    word, known = outcome.settle(id, item.config.stash[SESSION].expected)
    case = check.case.id if check and check.case else None
    message, script = str(outcome.error or ""), None
    if word == "broken":  # not the subject's failure but the check's own: keep pytest's traceback
        message = f"{mark.args[0]}: the check itself broke: {report.longreprtext}"
    elif outcome.difference is not None and check:
        hook = item.config.hook.pytest_rnn_spec_failed
        script, see = hook(item=item, check=check, difference=outcome.difference) or (None, None)
        message = report.longrepr = explain(check.clause, case, outcome.difference, see)
    elif word in ("not claimed", "unsupported"):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, message)
    if known and word == "known":
        report.outcome, report.wasxfail, message = "skipped", known.id, known.happens
    elif known and report.passed:
        message = f"known failure {known.id!r} passes: take it out of {known.file}"
        report.outcome, report.longrepr = "failed", message
    return Verdict(
        check=id,
        clause=mark.args[0],
        outcome=word,
        case=case,
        headroom=check.headroom if check else None,
        message=message,
        reproduction=script,
        known=known.id if known else None,
        difference=outcome.difference or "",
        matters=known.matters if known and word == "known" else "",
        level=level(mark.args[0], check, outcome.error),
        traceback=check.error.traceback if report.failed and check and check.error else "",
        seconds=round(report.duration, 6),
        numbers=numbers(check) if word == "failed" and check else None,
    )


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
    return max({clauses()[clause].level} | of_case, key=LEVELS.index)
