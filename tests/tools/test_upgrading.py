"""docs/upgrading.md, the page that goes through a pull request that bumps torch, says what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate.archive import Archive

PAGE = (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of a language."""
    return PAGE.split(f"```{language}\n")[1].partition("```")[0]


def gate(*arguments: str) -> str:
    """What the page's first command says, with more arguments."""
    command = block("console").split()[1:]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "1000")
        done = CliRunner().invoke(main, [*command, *arguments])
    assert done.exit_code == 1
    return done.output


def test_the_report_is_what_the_command_says() -> None:
    """Line by line; where the page has an ellipsis, and only there, the report says more."""
    parts = [re.escape(part) for part in re.split(r"^ +\.\.\.\n", block("text"), flags=re.MULTILINE)]

    assert re.fullmatch("(?:.+\n)+".join(parts), gate())


def test_what_is_accepted_is_taken_out_of_the_verdict(tmp_path: Path) -> None:
    """The page's entry matches what it says, and what it does not speak of still fails."""
    (tmp_path / "accepted.toml").write_text(block("toml"), encoding="utf-8")

    said = gate("--accepted", str(tmp_path / "accepted.toml"))

    assert "accepted: every layer of ours is built with keywords" in said
    assert "5 of them fail the gate" in said
    assert "no such change" not in said


def test_the_page_counts_the_releases() -> None:
    """As many as are on record."""
    assert f"of {len(Archive.read().releases)} releases" in PAGE


def test_github_would_read_the_workflow(tmp_path: Path) -> None:
    """It holds to GitHub's schema, asks for no more than to read, and pins what it uses."""
    pytest.importorskip("check_jsonschema")
    (tmp_path / "upgrade.yml").write_text(block("yaml"), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]

    done = subprocess.run(
        [*command, "upgrade.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "permissions:\n  contents: read\n" in block("yaml")
    assert all(re.search(r"@([0-9a-f]{40} #|COMMIT)", use) for use in re.findall(r"uses: .*", block("yaml")))


def test_the_workflow_finds_both_pins(tmp_path: Path) -> None:
    """From the base's requirements and from the pull request's, whatever else stands on the line."""
    pytest.importorskip("ruamel.yaml")
    from ruamel.yaml import YAML

    (step,) = [s for s in YAML(typ="safe").load(block("yaml"))["jobs"]["gate"]["steps"] if "run" in s]
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q")
    (tmp_path / "requirements.txt").write_text("numpy==2.1\ntorch==2.2.2 ; python_version < '3.13'\n")
    git("add", "requirements.txt")
    git("commit", "-qm", "one")
    (tmp_path / "requirements.txt").write_text("torchvision==0.18\ntorch==2.3.1\\\n    --hash=sha256:0\n")
    environment = {**os.environ, "BASE": git("rev-parse", "HEAD"), "GITHUB_OUTPUT": str(tmp_path / "out")}

    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)

    assert (tmp_path / "out").read_text() == "from=torch==2.2.2\nto=torch==2.3.1\n"
