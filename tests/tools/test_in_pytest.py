"""`rnn_spec.parametrize`: the suite in a test module of one's own; and the shipped suite by ``--pyargs``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import rnn_spec
from rnn_spec.questions.records import Observation
from rnn_spec.subjects.spec import SpecSubject
from tests.tools.examples import REFUSES_NAN

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case

CHECKOUT = Path(__file__).parents[2]
SUBJECT = (
    REFUSES_NAN
    + """
class Mine(Mine):
    def run(self, case):
        if case.input.shape[1] == 0:
            raise LookupError("an empty batch")
        return super().run(case)
"""
)
MODULE = """
import rnn_spec
from mine import Mine

@rnn_spec.parametrize(Mine, clauses=["EDG-02", "EDG-04", "HID-06", "DRP-01"])
def test_mine(check):
    check()

def test_another():
    assert True
"""
KNOWN = """
[[known]]
id = "no-nan"
checks = [
    "test_edges.py::test_broken_row_leaves_the_others_alone[*input-nan]",
    "test_edges.py::test_broken_row_leaves_the_others_alone[*row-nan]",
]
message = "not a number"
happens = "A NaN is refused."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A layer that refuses NaN and a batch of 0, and a test module that is called as one of the suite's."""
    (tmp_path / "mine.py").write_text(SUBJECT)
    (tmp_path / "test_edges.py").write_text(MODULE)
    (tmp_path / "known.toml").write_text(KNOWN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def run(folder: Path, *arguments: str, autoload: bool = False, at: Path = CHECKOUT) -> tuple[int, str]:
    """pytest in that folder: its exit status and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(at)}
    environment |= {} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-rA", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def outcomes(folder: Path) -> Counter[str]:
    """What junit.xml says of the tests of the suite: how many came to what."""
    cases = [c for c in ET.parse(folder / "junit.xml").iter("testcase") if c.get("name", "").count("::")]
    return Counter(c[0].tag if len(c) else "passed" for c in cases)


def test_it_is_public() -> None:
    """`parametrize` is one of the package's own names."""
    assert "parametrize" in rnn_spec.__all__


def test_one_test_for_each_check(folder: Path) -> None:
    """Each has its check's id; a failure says clause and case; what is not claimed is skipped."""
    status, said = run(folder, "--junitxml=junit.xml")

    assert status == 1
    id = "test_edges.py::test_broken_row_leaves_the_others_alone[small-L1-tanh-float32-first input-nan]"
    assert f"FAILED test_edges.py::test_mine[{id}]" in said
    assert "EDG-04 (MUST) " in said
    assert "case: small-L1-tanh-float32~" in said
    assert "EDG-02 (SHOULD): raised LookupError in forward: an empty batch" in said
    assert "not claimed: dropout" in said
    assert 'mine.py", line 11, in run' in said
    assert "in_pytest.py" not in said.partition("short test summary")[0]
    found = outcomes(folder)
    assert found["failure"]
    assert found["passed"]
    assert found["skipped"]


def test_expected_failures_are_xfails(folder: Path) -> None:
    """With a file of known failures the run is green, and each of them an xfail that says what happens."""
    module = folder / "test_edges.py"
    module.write_text(MODULE.replace("clauses=", "known='known.toml', clauses="))

    status, said = run(folder)

    assert status == 0, said
    assert "XFAIL test_edges.py::test_mine[test_edges.py::test_broken_row_leaves_the_others_alone[" in said
    assert "no-nan: A NaN is refused." in said


def test_a_known_failure_that_passes_fails(folder: Path) -> None:
    """The file is strict: what it expects has to fail."""
    (folder / "known.toml").write_text(
        KNOWN.replace("test_edges.py::test_broken_row_leaves_the_others_alone[*row-nan]", "*")
    )
    (folder / "test_edges.py").write_text(MODULE.replace("clauses=", "known='known.toml', clauses="))

    status, said = run(folder)

    assert status == 1
    assert "known failure 'no-nan' passes: take it out of known.toml" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("not a number", "("), "known failure 'no-nan': message is no regular expression"),
        (("test_broken_row_leaves_the_others_alone", "test_x"), "no check is called 'test_edges.py::test_x["),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence(folder: Path, change: tuple[str, str], sentence: str) -> None:
    """A file that cannot be used, or expects what no check shows, ends the collection with a sentence."""
    (folder / "known.toml").write_text(KNOWN.replace(*change))
    (folder / "test_edges.py").write_text(MODULE.replace("clauses=", "known='known.toml', clauses="))

    status, said = run(folder)

    assert status == 2
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [("'nobody'", "no subject is called 'nobody'"), ("'mine:Nobody'", "module 'mine' has no 'Nobody'")],
)
def test_a_name_that_means_nothing_is_one_sentence(folder: Path, argument: str, sentence: str) -> None:
    """A subject may be given by name, and one that is none is refused when the tests are collected."""
    (folder / "test_edges.py").write_text(MODULE.replace("(Mine", f"({argument}"))

    status, said = run(folder)

    assert status == 2
    assert sentence in said


def test_k_x_and_lf_select_as_ever(folder: Path) -> None:
    """-k takes parts of ids, -x stops at the first failure, --lf runs again what failed."""
    status, said = run(folder, "-k", "test_last_output and float64", "--junitxml=junit.xml")
    assert status == 0, said
    assert outcomes(folder)["failure"] == 0

    status, said = run(folder, "-x", "--junitxml=junit.xml")
    assert status == 1, said
    assert outcomes(folder)["failure"] == 1

    status, said = run(folder, "--lf", "--junitxml=junit.xml")
    assert status == 1, said
    assert set(outcomes(folder)) == {"failure"}


def test_it_runs_on_two_processes_beside_other_plugins(folder: Path) -> None:
    """xdist and whatever else is installed: the same outcomes."""
    run(folder, "--junitxml=junit.xml")
    alone = outcomes(folder)

    status, said = run(folder, "-n2", "--junitxml=junit.xml", autoload=True)

    assert status == 1, said
    assert outcomes(folder) == alone


def test_the_shipped_suite_runs_by_pyargs(folder: Path, tmp_path: Path) -> None:
    """In an installed package `pytest --pyargs rnn_spec.conformance` is the suite, for any subject."""
    installed = tmp_path / "site" / "rnn_spec"
    shutil.copytree(CHECKOUT / "rnn_spec", installed, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / "tests" / "conformance", installed / "conformance")
    arguments = ["-p", "rnn_spec.suite.plugin", "--subject=mine:Mine", "--clause=HID-06", "--clause=EDG-04"]

    status, said = run(folder, "--pyargs", "rnn_spec.conformance", *arguments, at=installed.parent)

    assert status == 1, said
    assert "mine (NumPy" in said
    assert "not a number" in said


class Small(SpecSubject):
    """It says of layers above a size that it cannot answer, and does not declare that."""

    levels = frozenset({"cell", "sequence"})

    def run(self, case: Case) -> Observation:
        """Answer the small ones."""
        return Observation(unsupported="too large") if case.config.hidden_size > 6 else super().run(case)


class Declared(Small):
    """It declares it."""

    limits = ("too large",)


@pytest.mark.parametrize(("subject", "outcome"), [(Small, pytest.fail), (Declared, pytest.skip)])
def test_a_broken_promise_fails_and_a_declared_limit_is_skipped(subject: Any, outcome: Any) -> None:
    """As `rnn-spec check` has it: what is claimed and not answered passes only if that is declared."""
    (mark,) = [rnn_spec.parametrize(subject, clauses=["HID-02"]).mark]
    called = next(check for check in mark.args[1] if "[small-L1-relu" in repr(check))

    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match="too large") as raised:
        called()

    assert isinstance(raised.value, outcome.Exception)
