"""README's commands and code, as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_spec.judge.known import known
from rnn_spec.spec.catalogue import areas, clauses

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks in a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """The second of the two commands is the line of .ci/run."""
    (command,) = [
        block.strip() for block in blocks("console") if block.strip().endswith(".venv/bin/pytest -n auto")
    ]

    assert "\n" not in command
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_assert_conforms_as_the_readme_shows_it() -> None:
    """The block that judges a module of one's own runs."""
    pytest.importorskip("torch")
    (block,) = [block for block in blocks("python") if "assert_conforms" in block]

    exec(compile(block, "README.md", "exec"), {})


def test_a_layer_plugged_in_as_the_readme_shows_it_conforms(tmp_path: Path) -> None:
    """The README's subject, from outside the package, conforms at the levels that it claims."""
    (block,) = [block for block in blocks("python") if "class MyRNN" in block]
    (tmp_path / "my_layer.py").write_text(block)

    command = [sys.executable, "-m", "rnn_spec", "check", "my_layer:MyRNN"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "MyRNN conforms" in done.stdout


def test_every_file_of_the_architecture_picture_exists() -> None:
    """The house in the README is the house that stands."""
    picture = README.partition("## Architecture")[2]
    names = re.findall(r"^\s{4,}(?:the rnn-spec command;  )?([a-z_]+\.(?:py|toml))", picture, re.MULTILINE)

    missing = [name for name in names if not [*ROOT.glob(f"rnn_spec/**/{name}")]]

    assert len(names) > 15
    assert missing == []


def test_the_transcript_counts_what_the_suite_counts() -> None:
    """The table in the README has each area's clauses and checks as they are today."""
    owed = json.loads((ROOT / "rnn_spec" / "owed.json").read_text(encoding="utf-8"))["standard"]
    expected = {
        area: (
            sum(clause.area == area for clause in clauses().values()),
            sum(count for id, count in owed.items() if clauses()[id].area == area),
        )
        for area in areas()
    }

    rows = re.findall(r"^([A-Z]{2,3}) .*?(\d+) +(\d+) ", README, re.MULTILINE)

    assert {area: (int(count), int(checks)) for area, count, checks in rows} == expected


def test_the_known_failure_of_the_readme_is_known() -> None:
    """The id that the README shows is in known.toml."""
    (id,) = re.findall(r"rnn-spec known torch --id (\S+)", README)

    assert id in {entry.id for entry in known()}
