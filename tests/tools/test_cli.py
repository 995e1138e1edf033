"""The command, as its user runs it: in a folder of theirs, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rnn_spec.cli import worthwhile
from rnn_spec.suite.results import Results

if TYPE_CHECKING:
    from pathlib import Path


def rnn_spec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``rnn-spec`` with these arguments in a folder."""
    command = [sys.executable, "-m", "rnn_spec", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_a_subject_that_conforms_exits_with_0_and_is_shown_by_area(tmp_path: Path) -> None:
    """check prints the table, a verdict and where results.json lies, and exits with 0."""
    done = rnn_spec(tmp_path, "check", "spec", "--clause", "HID", "--clause", "REC-01")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "HID Hidden state" in done.stdout
    assert "asked in part:" in done.stdout
    assert "nothing is said of the rest" in " ".join(done.stdout.split())
    results = Results.read(tmp_path / "rnn-spec-results" / "results.json")
    assert results.complete
    assert {v.clause.partition("-")[0] for v in results.verdicts} == {"HID", "REC"}


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("w_hh-transposed", "REC-02"),
        ("b_hh-dropped", "REC-03"),
        ("h_0-ignored", "HID-01"),
        ("reverse-output-not-flipped", "DIR-03"),
        ("h_n-directions-swapped", "HID-08"),
        ("dropout-scaled-by-keep", "DRP-05"),
        ("float64-in-float32", "PRC-01"),
        ("grad-w_hh-last-step-lost", "GRD-03"),
    ],
)
def test_a_wrong_subject_fails_at_the_clause_that_says_so(tmp_path: Path, fault: str, clause: str) -> None:
    """check exits with 1, and names clause, case, worst element, bound and reproduction."""
    done = rnn_spec(tmp_path, "check", f"fault:{fault}", "--clause", clause)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{clause} (MUST)" in done.stdout
    assert "does not conform" in done.stdout
    assert f"({fault}); explains" in done.stdout
    messages = [v.message for v in Results.read(tmp_path / "rnn-spec-results" / "results.json").verdicts]
    words = ("case: ", "elements differ", "expected", "bound", "headroom", "leads to: ")
    assert any(all(word in message for word in words) for message in messages)
    scripts = [*(tmp_path / "rnn-spec-results" / "reproductions").glob("*")]
    assert bool(scripts) == any("reproduction: " in message for message in messages)


BROKEN = {
    "torch missing": (
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')",
        "pip install torch==2.13.0",
    ),
    "torch broken": ("raise OSError('libtorch.so: undefined symbol')", "libtorch.so: undefined symbol"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_torch_that_cannot_be_imported_exits_with_2(tmp_path: Path, how: str) -> None:
    """A missing or broken torch is one sentence that says what it is and what to do."""
    source, sentence = BROKEN[how]
    (tmp_path / "torch.py").write_text(source)

    done = rnn_spec(tmp_path, "check")

    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr


RUBBISH = """
import numpy as np
from rnn_spec import Observation, Subject

class Base(Subject):
    levels = frozenset({"cell", "sequence"})

class Refuses(Base):
    def run(self, case):
        if case.config.nonlinearity == "relu":
            raise ValueError("no weights")
        return Observation(np.zeros((1, 2)), np.zeros(3))

class WrongShape(Base):
    def run(self, case):
        return Observation(np.zeros((1, 2)), np.zeros(3))

class Text(Base):
    def run(self, case):
        T, N, _ = case.input.shape
        H = case.config.hidden_size
        return Observation(np.full((T, N, H), "a"), np.full((1, N, H), "b"))

class NaN(Base):
    def run(self, case):
        T, N, _ = case.input.shape
        H = case.config.hidden_size
        return Observation(np.full((T, N, H), np.nan), np.zeros((1, N, H)))

"""


@pytest.mark.parametrize(
    ("subject", "sentence", "status"),
    [
        ("Refuses", "raised ValueError in forward: no weights", 1),
        ("WrongShape", "shape (1, 2), expected", 1),
        ("Text", "expected real numbers", 1),
        ("NaN", "got nan", 1),
    ],
)
def test_a_subject_that_returns_rubbish_is_judged_and_the_run_goes_on(
    tmp_path: Path, subject: str, sentence: str, status: int
) -> None:
    """Whatever a subject does, every check has a verdict and results.json is whole."""
    (tmp_path / "rubbish.py").write_text(RUBBISH)

    done = rnn_spec(tmp_path, "check", f"rubbish:{subject}", "--clause", "REC", "--clause", "HID")

    assert done.returncode == status, done.stdout + done.stderr
    assert sentence in " ".join((done.stdout + done.stderr).split())
    assert Results.read(tmp_path / "rnn-spec-results" / "results.json").complete


def test_case_prints_the_question_the_expectation_and_the_answer(tmp_path: Path) -> None:
    """case shows the configuration, the input, and expected, bound and answered numbers of each array."""
    done = rnn_spec(tmp_path, "case", "small-L2-tanh-bi-p1-train-float32", "--subject", "spec")

    assert done.returncode == 0, done.stderr
    for word in ("num_layers=2", "weight_ih_l1_reverse", "expected", "bound", "answered", "grad input"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("wanted", "exhaustive", "cores", "processes"),
    [
        ((), False, 8, 3),
        ((), False, 1, 0),
        (("BIA",), False, 8, 0),
        (("REC-01",), False, 8, 0),
        ((), True, 8, 8),
    ],
)
def test_auto_takes_as_many_processes_as_bring_more_than_they_cost(
    monkeypatch: pytest.MonkeyPatch, wanted: tuple[str, ...], exhaustive: bool, cores: int, processes: int
) -> None:
    """A few checks are done before a second process has imported its framework."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)

    assert worthwhile(wanted, exhaustive) == processes
