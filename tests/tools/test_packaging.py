"""What is declared is what is tested: floors, the source distribution, where environments are made."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOX = configparser.RawConfigParser()
TOX.read(ROOT / "tox.ini", encoding="utf-8")
GIT_ONLY = {".gitignore"}
"""What a clone has and a source distribution does not declare."""


def floor(requirement: str) -> tuple[str, Version]:
    """The name of a requirement and the lowest version that it allows."""
    read = Requirement(requirement)
    (lowest,) = [s.version for s in read.specifier if s.operator in (">=", "==")]
    return read.name, Version(lowest)


def test_the_lowest_environment_has_the_floors_that_are_declared() -> None:
    """Every dependency of the package is pinned to its floor, and the tests' own to theirs."""
    lines = TOX["testenv:{lowest,lowest-tests}"]["deps"].split("\n")
    pins = [line.split(": ", 1) if ": " in line else ["", line] for line in lines if line]
    own = dict(floor(pin) for which, pin in pins if which != "tests")
    tests = dict(floor(pin) for which, pin in pins if which == "tests")
    extras = PROJECT["project"]["optional-dependencies"]

    declared = dict(map(floor, PROJECT["project"]["dependencies"] + extras["exact"]))
    dev = dict(floor(r) for r in extras["dev"] + extras["explore"] if not r.startswith("rnn-spec"))

    assert own == declared
    assert tests == {name: dev[name] for name in tests}


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a clone")
def test_the_source_distribution_has_what_a_clone_has() -> None:
    """Its tests read the documents, the workflows and the workers: nothing that is tracked is left out."""
    command = ["git", "ls-files"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    patterns = [p.removeprefix("/") for p in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]]
    always = {"LICENSE", "README.md", "pyproject.toml"}

    left = {
        name.partition("/")[0]
        for name in tracked
        if not any(Path(name.partition("/")[0]).match(pattern) for pattern in patterns)
    }

    assert left - always - GIT_ONLY == set()


def imports(path: Path) -> set[str]:
    """The packages that a module imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in plain + named}


def test_everything_that_is_imported_is_declared() -> None:
    """What the tests import comes by way of an extra, and not by way of something else's dependencies."""
    extras = PROJECT["project"]["optional-dependencies"]
    named = [PROJECT["project"]["dependencies"], *(extras[x] for x in ("dev", "exact", "explore", "torch"))]
    declared = {Requirement(r).name.replace("-", "_").partition(".")[0] for some in named for r in some}
    modules = list((ROOT / "tests" / "tools").glob("*.py"))

    imported = set().union(*map(imports, modules)) - sys.stdlib_module_names

    left = imported - declared - {path.stem for path in modules}
    assert left <= {"flint", "tests"}  # python-flint's, and ours


def test_tox_leaves_the_readmes_environment_alone() -> None:
    """A newer tox would put a file where .venv is made; git ignores that, file or folder."""
    assert TOX["tox"]["venv_redirect"] == "false"
    assert "/.venv" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_ci_runs_every_environment_and_system_that_is_claimed() -> None:
    """Each Python and system of the classifiers, the lowest and the newest versions, the benchmark."""
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    classifiers = PROJECT["project"]["classifiers"]

    for version in re.findall(r":: (3\.\d+)", "\n".join(classifiers)):
        assert f"env: py{version.replace('.', '')}," in ci
    systems = {"Windows": "windows-latest", "MacOS": "macos-latest", "Linux": "ubuntu-latest"}
    claimed = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("Operating System")]
    assert set(claimed) <= set(systems)
    assert all(system in ci for system in systems.values())
    for env in ("lowest", "lowest-tests", "newest", "sdist"):
        assert f"env: {env}," in ci
    assert ".ci/bench.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_benchmark_runs_with_all_calls_in_its_yardstick(tmp_path: Path) -> None:
    """Sequences of no steps, of different lengths, and earlier calls included."""
    pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / ".ci" / "bench.py"), "--rounds", "1"]
    command += ["--clause", "EDG-01", "--clause", "PCK-01", "--clause", "DET-01"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "bare torch loop" in done.stdout


def test_a_benchmark_of_no_rounds_is_refused(tmp_path: Path) -> None:
    """In one sentence."""
    command = [sys.executable, str(ROOT / ".ci" / "bench.py"), "--rounds", "0"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "--rounds is a number from 1 on" in done.stderr
    assert "Traceback" not in done.stderr
