"""A drop-in replacement of torch.nn.RNN: its own name, what it inherits and what it mends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rnn_spec.suite.results import Results

pytest.importorskip("torch")

MODULE = """
import torch
from rnn_spec.torch.eager import TorchSubject

class MyRNN(torch.nn.RNN):
    pass

class MySubject(TorchSubject):
    module = MyRNN

class Named(TorchSubject):
    name = "mine"
    module = MyRNN

class Mended(torch.nn.RNN):
    def extra_repr(self):
        return super().extra_repr() + f", nonlinearity={self.nonlinearity!r}"

class MendedSubject(TorchSubject):
    module = Mended

class Wrong(torch.nn.RNN):
    def forward(self, input, hx=None):
        output, h_n = super().forward(input, hx)
        return output, h_n.flip(0)

class WrongSubject(TorchSubject):
    module = Wrong

class Otherwise(torch.nn.RNN):
    def forward(self, input, hx=None):
        return super().forward(input, hx)

class OtherwiseSubject(TorchSubject):
    module = Otherwise
"""
SOME = ("EXE-05", "STA-10", "ARG-08", "HID-08")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the drop-ins in it."""
    (tmp_path / "dropin.py").write_text(MODULE)
    return tmp_path


def check(folder: Path, subject: str, *clauses: str) -> tuple[subprocess.CompletedProcess[str], Results]:
    """`rnn-spec check` in that folder."""
    command = [str(Path(sys.executable).with_name("rnn-spec")), "check", f"dropin:{subject}", "--no-smoke"]
    command += [f"--clause={id}" for id in clauses]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done, Results.read(folder / "rnn-spec-results" / "results.json")


def outcomes(results: Results, clause: str) -> set[str]:
    """What became of the checks of a clause."""
    return {v.outcome for v in results.verdicts if v.clause == clause}


@pytest.mark.parametrize(("subject", "name"), [("MySubject", "MyRNN"), ("Named", "mine")])
def test_a_bare_subclass_has_its_own_name_and_torchs_known_failures(
    folder: Path, subject: str, name: str
) -> None:
    """The replacement of the README conforms; the report names it, and the torch that it is in."""
    done, results = check(folder, subject, *SOME)

    assert done.returncode == 0, done.stdout
    assert results.version.startswith(f"{name} in torch ")
    assert f"\n{name} in torch " in done.stdout
    assert outcomes(results, "STA-10") == {"passed", "known"}
    assert "known" in outcomes(results, "EXE-05")
    assert outcomes(results, "ARG-08") == {"known"}
    assert "Can't redefine method" not in done.stdout


def test_a_known_failure_that_a_subclass_mends_is_no_failure(folder: Path) -> None:
    """Its repr tells relu from tanh, as torch's does not: that check passes, and the layer conforms."""
    done, results = check(folder, "MendedSubject", "ARG-08")

    assert done.returncode == 0, done.stdout
    assert outcomes(results, "ARG-08") == {"passed"}


@pytest.mark.parametrize(("subject", "clause"), [("WrongSubject", "HID-08"), ("OtherwiseSubject", "EXE-01")])
def test_what_a_subclass_breaks_itself_fails(folder: Path, subject: str, clause: str) -> None:
    """A bug of its own is no inherited failure, nor one that other subclasses show in other words."""
    done, results = check(folder, subject, clause)

    assert done.returncode == 1, done.stdout
    assert "failed" in outcomes(results, clause)


@pytest.mark.slow
def test_the_readmes_replacement_conforms(folder: Path) -> None:
    """The whole check of a bare subclass, with every check that torch itself is asked."""
    done, results = check(folder, "MySubject")

    assert done.returncode == 0, done.stdout
    assert results.complete
    assert results.problems == []
