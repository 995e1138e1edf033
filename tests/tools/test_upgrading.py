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


def gate(*arguments: str, status: int = 1) -> str:
    """What the page's first command says, with more arguments."""
    command = block("console").split()[1:]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "1000")
        done = CliRunner().invoke(main, [*command, *arguments])
    assert done.exit_code == status
    return done.output


def test_the_report_is_what_the_command_says() -> None:
    """Line by line; where the page has an ellipsis, and only there, the report says more."""
    parts = [re.escape(part) for part in re.split(r"^ +\.\.\.\n", block("text"), flags=re.MULTILINE)]

    assert re.fullmatch("(?:.+\n)+".join(parts), gate())


def test_what_is_accepted_is_taken_out_of_the_verdict(tmp_path: Path) -> None:
    """The page's file makes the page's example pass, and is in its report."""
    (tmp_path / "accepted.toml").write_text(block("toml"), encoding="utf-8")

    said = gate("--accepted", str(tmp_path / "accepted.toml"), status=0)

    assert "accepted: every layer of ours is built with keywords" in said
    assert "the gate passes" in said


def test_the_page_shows_how_to_ask_for_ones_own_lines(tmp_path: Path) -> None:
    """Its second command fails for who builds layers by position, and passes for who does not."""
    command = PAGE.split("```console\n")[2].partition("```")[0].split()[1:]
    for source, status in (("RNN(8, 16, 2, False)", 1), ("RNN(8, 16, 2, bias=False)", 0)):
        (tmp_path / "a.py").write_text(f"from torch.nn import RNN\n{source}\n")
        arguments = [str(tmp_path) if word == "src" else word for word in command]
        assert CliRunner().invoke(main, arguments).exit_code == status


def test_a_page_of_a_gate_alone_says_what_was_compared_once(tmp_path: Path) -> None:
    """In its heading; no link leads to the one section; a change has its id, by which it is accepted."""
    gate("--page", str(tmp_path / "page.html"))

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>torch.nn.RNN: torch 2.2.2+cu121 → torch 2.3.1+cu121</h1>" in page
    assert "<h2>What changes for you</h2>" in page
    assert "<nav" not in page
    assert "<code>construct/fourth-positional-bool</code></li>" in page


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


def test_the_workflow_has_both_files_judged(tmp_path: Path) -> None:
    """The base's requirements and the pull request's, whatever stands on the line; nothing is skipped."""
    pytest.importorskip("ruamel.yaml")
    from ruamel.yaml import YAML

    steps = YAML(typ="safe").load(block("yaml"))["jobs"]["gate"]["steps"]
    (step,) = [s for s in steps if "run" in s]
    given = steps[-1]["with"]
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q")
    (tmp_path / "requirements.txt").write_text("numpy==2.1\ntorch==2.2.2 ; python_version < '3.13'\n")
    git("add", "requirements.txt")
    git("commit", "-qm", "one")
    (tmp_path / "requirements.txt").write_text("torchvision==0.18\ntorch==2.3.1\\\n    --hash=sha256:0\n")
    environment = {**os.environ, "BASE": git("rev-parse", "HEAD")}

    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)

    assert not any("if" in s for s in steps)
    sides = [str(tmp_path / given[side]) for side in ("from", "to")]
    done = CliRunner().invoke(main, ["gate", "--from", sides[0], "--to", sides[1], "--recorded"])
    assert "torch 2.2.2+cu121 → torch 2.3.1+cu121" in done.output
