"""The check in an implementer's CI: the action's step does what its inputs say; GitHub reads it elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
SAYS = """\
#!/bin/sh
shift 2
printf '%s\\n' "$@"
exit $STATUS
"""
"""A Python that says what it is given, and ends as it is told to."""


def step() -> dict[str, Any]:
    """The step that checks."""
    yaml = pytest.importorskip("ruamel.yaml")
    steps = yaml.YAML(typ="safe").load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
    (found,) = [s for s in steps if s.get("id") == "check"]
    checked: dict[str, Any] = found
    return checked


def run(folder: Path, python: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The step, as GitHub runs it: inputs in the environment."""
    names = {f"CHECK_{name.upper()}": value for name, value in inputs.items()}
    values = dict.fromkeys(step()["env"], "") | {"CHECK_FAIL_ON": "failure,not-judged"} | names
    env = os.environ | values | {
        "CHECK_PYTHON": python, "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_ACTIONS": "true",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step()["run"]],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_layer_that_does_not_conform_fails_the_step_with_summary_annotation_and_page(
    tmp_path: Path,
) -> None:
    """The whole of it, on a faulty subject."""
    done = run(tmp_path, sys.executable, subject="fault:w_hh-transposed", options="--clause REC-02")

    assert done.returncode == 1, done.stderr
    assert "::error title=REC-02 (MUST)::" in done.stdout
    assert "## fault:w\\_hh-transposed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "rnn-spec-results" / "report.html").is_file()
    assert (tmp_path / "output").read_text() == "status=1\n"


@pytest.mark.parametrize(
    ("status", "fail_on", "ends"),
    [
        (0, "failure,not-judged", 0),
        (1, "failure,not-judged", 1),
        (1, "not-judged", 0),
        (1, "", 0),
        (2, "failure,not-judged", 2),
        (2, "failure", 0),
        (3, "not-judged", 2),
        (0, "failures", 2),
    ],
)
def test_fail_on_says_what_fails_the_step(tmp_path: Path, status: int, fail_on: str, ends: int) -> None:
    """A word that is none of its own is refused before anything is judged."""
    says = tmp_path / "python"
    says.write_text(SAYS.replace("$STATUS", str(status)))
    says.chmod(0o755)

    done = run(tmp_path, str(says), subject="mine:X", fail_on=fail_on)

    assert done.returncode == ends
    assert ("check" in done.stdout) == (fail_on != "failures")


def test_its_inputs_reach_the_command_as_words(tmp_path: Path) -> None:
    """Quotes hold a blank together, a level is an option each, and nothing in them is run."""
    says = tmp_path / "python"
    says.write_text(SAYS.replace("$STATUS", "0"))
    says.chmod(0o755)

    done = run(
        tmp_path, str(says), subject="worker:./mine --x $(touch pwned)", levels="cell  stack",
        known="my known.toml", options="--deadline 9 -n 'auto'",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "check", "worker:./mine --x $(touch pwned)", "--results", str(tmp_path / "rnn-spec-results"),
        "--known", "my known.toml", "--require", "cell", "--require", "stack",
        "--deadline", "9", "-n", "auto",
    ]  # fmt: skip
    assert not (tmp_path / "pwned").exists()
