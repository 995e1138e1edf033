"""The plugin beside other people's: the same verdicts, whoever else takes part in running tests."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_spec.suite.results import Results
from tests.tools.examples import SUITE

CHECKOUT = Path(__file__).parents[2]
PARAMETRIZED = '''

@clause("GRD-01")
@named("small-L1-tanh-float32", "small-L1-tanh-float64")
@pytest.mark.parametrize("name", ["grad input"])
def test_one_gradient(case, name, check):
    """One gradient conforms."""
    check.conforms(case, name)
'''
PLUGINS = {
    "pytest_rerunfailures": ["--reruns", "1"],
    "pytest_jsonreport.plugin": [
        "-ppytest_metadata.plugin", "--json-report", "--json-report-file=report.json"
    ],
    "pytest_randomly": ["-p", "no:xdist"],
    "pytest_timeout": ["--timeout=100"],
    "pytest_cov.plugin": ["--cov=rnn_spec", "--cov-report="],
    "pytest_html.plugin": ["-ppytest_metadata.plugin", "--html=report.html"],
}  # fmt: skip
"""Each with the options that make it take part."""


def run(folder: Path, *arguments: str) -> dict[str, str]:
    """The outcome of every check of the small suite, run by pytest with these plugins and no other."""
    (folder / "test_suite.py").write_text(SUITE + PARAMETRIZED)
    (folder / "none.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-c", "none.ini", "--rootdir=.", "-p", "rnn_spec.suite.plugin"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{folder}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [*command, "--subject=fault:w_hh-transposed", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    verdicts = Results.read(folder / "rnn-spec-results" / "results.json").verdicts
    assert len(verdicts) == len({v.check for v in verdicts})
    return {v.check: v.outcome + v.difference for v in verdicts}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What comes of it with no other plugin."""
    return run(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_verdicts_are_the_same_beside_another_plugin(
    plugin: str, tmp_path: Path, alone: dict[str, str]
) -> None:
    """With each of the plugins loaded every check has the verdict that it has without."""
    if importlib.util.find_spec(plugin.partition(".")[0]) is None:
        pytest.skip(f"{plugin} is not installed")

    assert run(tmp_path, "-p", plugin, *PLUGINS[plugin]) == alone


def test_rerun_and_report_are_installed() -> None:
    """The two that broke are among the development requirements, so that the test above runs."""
    assert importlib.util.find_spec("pytest_rerunfailures")
    assert importlib.util.find_spec("pytest_jsonreport")


def test_a_check_is_set_up_called_and_taken_down_for_another_plugin(tmp_path: Path) -> None:
    """json-report has all three phases of a check; without other plugins a check is its call alone."""
    run(tmp_path, "-p", "pytest_jsonreport.plugin", *PLUGINS["pytest_jsonreport.plugin"])

    tests = json.loads((tmp_path / "report.json").read_text())["tests"]

    assert tests
    assert all({"setup", "call", "teardown"} <= set(test) for test in tests)


def test_a_users_own_hooks_see_each_check(tmp_path: Path) -> None:
    """A conftest's hook around the call of tests is called around a check, too."""
    hook = "def pytest_runtest_call(item):\n    open('called', 'a').write(item.name + '\\n')\n"
    (tmp_path / "conftest.py").write_text(hook)

    verdicts = run(tmp_path)

    assert len((tmp_path / "called").read_text().splitlines()) == len(verdicts)


SEEN = """
import json

class Seen:
    def pytest_runtest_logreport(self, report):
        with open("seen", "a") as f:
            print(json.dumps([report.when, sorted(dict(report.user_properties))]), file=f)

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Seen())
"""


def test_processes_side_by_side_tell_of_a_check_once_and_of_the_subject_once(tmp_path: Path) -> None:
    """A check that another process asks is its call alone, too; each process introduces the subject once."""
    (tmp_path / "seen_in_main.py").write_text(SEEN)

    verdicts = run(tmp_path, "-p", "seen_in_main", "-p", "xdist.plugin", "-n", "2")

    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert [when for when, _ in seen] == ["call"] * len(verdicts)
    assert 1 <= sum("introduction" in properties for _, properties in seen) <= 2
