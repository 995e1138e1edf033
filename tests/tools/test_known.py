"""Expected failures are strict both ways, and every entry is whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rnn_spec.faults import FAULTS
from rnn_spec.judge.known import MATTERS, Expected, Known, expected_of, known, unmet
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.claims import Claims
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.collect import collect
from rnn_spec.suite.recorder import checked_in, shortfalls
from rnn_spec.suite.results import Results
from rnn_spec.torch.routes import NEEDS

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = Known(
    id="example",
    subject="torch",
    clause="ERR-01",
    checks=("test_x.py::test_y[*-float32]",),
    message=r"shape \(1,\)",
    happens="It happens.",
    since="unknown",
    issue="unreported",
    reproduction="import torch",
    releases=">=2.1,<2.14",
)


@pytest.mark.parametrize(
    ("subject", "version", "applies"),
    [
        ("torch", "torch 2.13.0+cpu", True),
        ("torch", "torch 2.15.0", False),
        ("torch", "torch 2.0.1", False),
        ("torch", "torch 2.2.0a0+git1234", True),
        ("keras", "keras 2.13.0", False),
    ],
)
def test_an_entry_applies_to_its_subject_in_its_releases(subject: str, version: str, applies: bool) -> None:
    """A known failure is expected only of the subject and the releases that it names."""
    assert applies == ENTRY.applies(subject, version)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("test_x.py::test_y[small-L1-tanh-float32]", True),
        ("test_x.py::test_y[small-L1-tanh-float64]", False),
        ("test_x.py::test_z[small-L1-tanh-float32]", False),
    ],
)
def test_an_entry_expects_the_checks_of_its_patterns(check: str, expected: bool) -> None:
    """In a pattern a star is anything, and a bracket is a bracket."""
    assert expected == ENTRY.expects(check)


@pytest.mark.parametrize(
    "pattern", ["test_x.py::test_y[*-float32]", "test_*.py::test_y[*", "*-float32]", "*"]
)
def test_a_pattern_may_be_of_many_modules(pattern: str) -> None:
    """The failure of a check is the expected one where its pattern is of any module, and so met."""
    id, entry = "test_x.py::test_y[small-L1-tanh-float32]", replace(ENTRY, checks=(pattern,))

    word, found = Expected([entry]).settle(id, "output: shape (1,), expected (2,)")

    assert (word, found) == ("known", entry)
    assert not unmet([entry], [Verdict(id, "ERR-01", "known", known=entry.id)])


def test_an_entry_explains_only_the_failure_it_records() -> None:
    """A failure with another message is not the known one."""
    assert ENTRY.explains("output: shape (1,), expected (2,)")
    assert not ENTRY.explains("raised RuntimeError in forward")


def needs(entry: Known) -> tuple[str, ...]:
    """The packages beside torch that a route needs, and so a reproduction of what it gets wrong."""
    return NEEDS.get(entry.subject.partition(":")[2], ())


OF_TORCH = [entry for entry in known() if entry.of_torch]
FRAMEWORKS = {"flax", "haiku", "jax", "keras", "numpy", "onnx", "onnxruntime", "openvino", "paddle"}
FRAMEWORKS |= {"tensorflow", "torch"}
"""What a reproduction of another framework's failure may need: that, what it runs on, and arrays."""


@pytest.mark.parametrize("entry", known(), ids=lambda entry: f"{entry.id} of {entry.subject}")
def test_every_entry_is_whole(entry: Known) -> None:
    """An entry names a clause, says what happens and where it is reported, and reproduces without us."""
    assert entry.clause in clauses() if entry.checks else entry.proof
    assert entry.of_torch or entry.proof
    assert "rnn_spec" not in entry.reproduction
    re.compile(entry.message)
    assert entry.happens.endswith(".")
    assert entry.matters in MATTERS
    assert bool(entry.title) == bool(entry.expected)
    assert entry.title or entry.matters == "words" or entry.issue != "unreported"
    assert entry.issue == "unreported" or re.fullmatch(
        r"https://github\.com/\S+/(issues|pull)/\d+", entry.issue
    )
    if entry.language != "python":
        return
    tree = ast.parse(entry.reproduction)
    imported = {
        (a.name if isinstance(node, ast.Import) else str(node.module)).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for a in node.names
    }
    ours = {"torch", "warnings", "copy", "pickle", "io", "subprocess", "sys", *needs(entry)}
    assert imported <= (ours if entry.of_torch else FRAMEWORKS | {"os", "sys"})
    assert imported & ({"torch", "subprocess"} if entry.of_torch else FRAMEWORKS)


@pytest.mark.slow
@pytest.mark.parametrize("entry", OF_TORCH, ids=lambda entry: f"{entry.id} of {entry.subject}")
def test_every_reproduction_runs(entry: Known, tmp_path: Path) -> None:
    """A reproduction, saved to a file, runs to its end and prints what is wrong.

    Run with ``pytest -m slow tests/tools/test_known.py``.
    """
    for package in needs(entry):
        pytest.importorskip(package)
    path = tmp_path / "reproduction.py"
    path.write_text(entry.reproduction, encoding="utf-8")

    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("entry", OF_TORCH, ids=lambda entry: f"{entry.id} of {entry.subject}")
def test_every_pattern_matches_a_check(entry: Known, clause_of: dict[str, str]) -> None:
    """No pattern of an entry is an orphan, and the clause that the entry names is among those that fail."""
    met = [
        {clause for id, clause in clause_of.items() if replace(entry, checks=(pattern,)).expects(id)}
        for pattern in entry.checks
    ]

    assert set() not in met
    assert not entry.checks or entry.clause in set().union(*met)


@pytest.fixture(scope="module")
def clause_of() -> dict[str, str]:
    """The clause of every check of a standard run."""
    return {trial.id: trial.clause for trial in collect()}


UNFAULTED = {
    "ARG-08": "torch fails it, so that no fault of torch can be told; test_corrected.py has its fault",
    "ARG-10": "torch fails it, so that no fault of torch can be told; test_corrected.py has its fault",
    "PRC-07": "needs a CUDA device; test_corrected.py runs it without one",
    "EXE-05": "a method put into a subclass of torch.nn.RNN cannot be scripted; test_corrected.py has layers",
    "EXE-08": "needs ONNX Runtime; test_corrected.py has a layer",
    "EXE-09": "needs a CUDA device; test_corrected.py runs it without one",
}
"""The clauses that no named fault can break where there is only torch on a CPU, and why."""


def test_every_clause_owes_a_check_and_has_a_fault() -> None:
    """No clause is an orphan: something checks it, and some named fault shows that the check can fail."""
    owed = checked_in()["standard"]
    named = {fault.clause for fault in FAULTS.values()}

    assert [id for id in clauses() if not owed.get(id)] == []
    assert set(UNFAULTED) == {id for id in clauses() if id not in named}


def test_ids_are_unique() -> None:
    """Two entries never share an id."""
    ids = [(entry.id, entry.subject) for entry in known()]

    assert len(ids) == len(set(ids))


def whole_run(subject: str = "torch", version: str = "torch 2.13.0") -> Results:
    """A run in which every check that is owed ran and passed, and every known failure was seen."""
    verdicts = [
        Verdict(f"{id}-{n}", id, "passed")
        for id, count in checked_in()["standard"].items()
        for n in range(count)
    ]
    for n, entry in enumerate(expected_of(subject, version)):
        verdicts[n] = replace(verdicts[n], outcome="known", known=entry.id)
    results = Results(subject, version, verdicts=verdicts)
    results.introduce(declares={}, expects=[], facts={}, **Claims().told())
    return results


def test_a_whole_run_has_no_shortfall() -> None:
    """Every check ran, so nothing is missing."""
    assert shortfalls(whole_run()) == []


def test_a_check_that_did_not_run_is_a_shortfall() -> None:
    """One check fewer than a clause owes fails the run, and the clause is named."""
    results = whole_run()
    results.verdicts.pop()

    (problem,) = shortfalls(results)

    assert re.match(r"[A-Z]+-\d\d owes \d+ checks, and \d+ ran", problem)


@pytest.mark.parametrize(
    ("outcome", "checks", "problem"),
    [
        ("known", ["t[1]"], None),
        ("passed", ["t[1]"], "known failure 'example' matches no failure (known.toml)"),
        ("passed", ["gone"], "known failure 'example': no check that ran is called 'gone' (known.toml)"),
        (
            "known",
            ["t[1]", "gone"],
            "known failure 'example': no check that ran is called 'gone' (known.toml)",
        ),
        ("not claimed", ["t[*"], "known failure 'example': no check that ran is called 't[*' (known.toml)"),
        ("unsupported", ["t[1]"], None),  # such as one over the wire that needs the layer's objects
        ("passed", [], None),  # a note
    ],
)
def test_what_is_expected_has_to_be_seen(outcome: str, checks: list[str], problem: str | None) -> None:
    """An entry whose checks pass, or are gone, has to go; of what could not be asked nothing was expected."""
    verdict = Verdict("t[1]", "ERR-01", outcome, known="example" if outcome == "known" else None)

    assert unmet([replace(ENTRY, checks=tuple(checks))], [verdict]) == ([problem] if problem else [])
