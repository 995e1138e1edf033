"""Any terminal, any environment: what is judged, and its status, are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnn_spec.far import process as workers
from rnn_spec.gate import environments
from rnn_spec.suite.results import Results

NAMED = """
from rnn_spec.subjects.spec import SpecSubject

class Named(SpecSubject):
    name = "Wörter → 字"

class Wrong(Named):
    def run(self, case):
        answer = super().run(case)
        answer.output[...] += 1
        return answer
"""
WITHOUT_TORCH = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``rnn-spec`` in a folder; no output is expected to be in any encoding."""
    command = [sys.executable, "-m", "rnn_spec", *arguments]
    everything = os.environ | {"OMP_NUM_THREADS": "1"} | env
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, check=False, timeout=300)


@pytest.mark.parametrize(
    "env",
    [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"}, PLAIN],
    ids=["cp1252", "ascii", "C"],
)
@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (
            ("gate", "--from", "2.2.2", "--to", "2.3.1", "--recorded"),
            1,
            b"x The fourth argument by position is nonlinearity, where it was bias",
        ),
        (("check", "named:Named", "--clause", "BIA"), 0, b"checks passed; nothing is said of the rest"),
        (("check", "named:Wrong", "--clause", "BIA", "--no-smoke"), 1, b"does not conform"),
        (("explain", "DIR-03"), 0, b"DIR-03"),
    ],
    ids=["gate", "conforms", "fails", "explain"],
)
def test_a_terminal_that_has_not_our_signs_gets_others(
    tmp_path: Path, env: dict[str, str], arguments: tuple[str, ...], status: int, word: bytes
) -> None:
    """No encoding of stdout changes a verdict; a cross is an x where there is none."""
    (tmp_path / "named.py").write_text(NAMED, encoding="utf-8")

    done = run(tmp_path, *arguments, **env)

    assert done.returncode == status, done.stdout + done.stderr
    assert word in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_worker_whose_name_is_not_ascii_is_judged(tmp_path: Path) -> None:
    """In a locale that has ASCII alone, reproductions included."""
    (tmp_path / "named.py").write_text(NAMED, encoding="utf-8")

    done = run(tmp_path, "check", f"worker:{sys.executable} -m rnn_spec serve named:Wrong", "--no-smoke",
               "--clause", "BIA", **PLAIN)  # fmt: skip

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Wörter → 字" in Results.read(tmp_path / "rnn-spec-results" / "results.json").version


@pytest.mark.parametrize(
    "env",
    [{"PYTHONOPTIMIZE": "1"}, {"PYTHONOPTIMIZE": "2"}, {"PYTEST_PLUGINS": "nonexistent"},
     {"PYTEST_ADDOPTS": "--nonsense"}, {"PYTHONWARNINGS": "error"}],
    ids=str,
)  # fmt: skip
def test_an_environment_made_for_something_else_takes_no_part(tmp_path: Path, env: dict[str, str]) -> None:
    """Variables of Python's and pytest's leave the verdict as it is."""
    done = run(tmp_path, "check", "spec", "--clause", "BIA", **env)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("faults", "--named", "vmap-scales"), ("faults", "--named")], ids=str)
def test_faults_of_the_module_need_torch_and_say_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Without torch it is a sentence and 2, and not a fault that survives."""
    (tmp_path / "torch.py").write_text(WITHOUT_TORCH)

    done = run(tmp_path, *arguments)

    assert done.returncode == 2
    assert b"pip install torch" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("regenerate",), ("regenerate", "owed"), ("vectors", "write"), ("history", "--add", "r.json")],
    ids=str,
)
def test_nothing_is_written_into_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """What belongs to the repository is made anew in a clone of it, and nowhere else."""
    from click.testing import CliRunner

    from rnn_spec import files
    from rnn_spec.cli import main

    monkeypatch.setattr(files, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    Path("r.json").touch()

    done = CliRunner().invoke(main, list(arguments))

    assert done.exit_code == 2
    assert "in a clone" in done.output


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_without_a_name_is_a_crash(tmp_path: Path) -> None:
    """A worker that dies of a real-time signal has crashed, and is started again."""
    (tmp_path / "dies.py").write_text(
        "import os, signal\n"
        "from rnn_spec.subjects.spec import SpecSubject\n"
        "class Dies(SpecSubject):\n"
        "    def run(self, case):\n"
        "        os.kill(os.getpid(), signal.SIGRTMIN + 6)\n"
    )

    done = run(tmp_path, "check", f"worker:{sys.executable} -m rnn_spec serve dies:Dies", "--no-smoke",
               "--clause", "REC-01")  # fmt: skip

    assert done.returncode == 1, done.stdout + done.stderr
    assert b"died of signal" in done.stdout


def test_a_windows_path_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backslash separates folders there, and quotes hold blanks together."""
    monkeypatch.setattr(os, "name", "nt")

    assert workers.words_of(r"C:\tools\worker.exe --flag") == [r"C:\tools\worker.exe", "--flag"]
    assert workers.words_of(r'"C:\my tools\worker.exe" "a b"') == [r"C:\my tools\worker.exe", "a b"]


def test_the_python_of_an_environment_is_where_venv_puts_it(tmp_path: Path) -> None:
    """As the standard library's venv says."""
    import venv

    context = venv.EnvBuilder().ensure_directories(tmp_path / "env")

    assert Path(context.env_exe).parent == tmp_path / "env" / environments.PYTHON.parent


def test_docstrings_are_read_as_they_are_in_every_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 takes the indentation out of a docstring: the probe sees the same words."""
    import inspect

    torch: Any = pytest.importorskip("torch")
    from rnn_spec.torch import experiments

    monkeypatch.setattr(experiments, "torch", torch)
    ask = experiments.EXPERIMENTS["construct/documentation-names-arguments"]
    before = ask.act()
    monkeypatch.setattr(torch.nn.RNN, "__doc__", inspect.cleandoc(torch.nn.RNN.__doc__))

    assert ask.act() == before
    assert {"Inputs", "Outputs", "hidden_size"} <= set(before)
