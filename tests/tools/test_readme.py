"""README's commands and code, as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_spec.judge.known import known

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


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """README's layer, in a folder of its own."""
    (block,) = [block for block in blocks("python") if "class MyRNN" in block]
    (tmp_path / "my_layer.py").write_text(block)
    return tmp_path / "my_layer.py"


def judged(layer: Path) -> tuple[int, list[str]]:
    """The exit status and the lines that `rnn-spec check` prints of it."""
    command = [sys.executable, "-m", "rnn_spec", "check", "my_layer:MyRNN"]
    done = subprocess.run(command, cwd=layer.parent, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_the_layer_fails_as_the_readme_shows_it(layer: Path) -> None:
    """Each line of the transcript is printed, in this order, and the layer does not conform."""
    (transcript,) = blocks("text")
    command, *shown = [line.removesuffix("...") for line in transcript.splitlines() if line != "..."]

    status, lines = judged(layer)

    assert command == "$ rnn-spec check my_layer:MyRNN"
    assert status == 1
    printed = iter(lines)
    for line in shown:
        assert any(told.startswith(line) for told in printed), f"{line!r} is not printed"


def test_the_layer_mended_as_the_readme_says_conforms(layer: Path) -> None:
    """With a copy of h_0 it conforms at the levels that it claims, from outside the package."""
    source = layer.read_text()
    assert "`case.h_0[0].copy()`" in README
    layer.write_text(source.replace("else case.h_0[0]\n", "else case.h_0[0].copy()\n"))

    status, lines = judged(layer)

    assert layer.read_text() != source
    assert (status, [line for line in lines if "MyRNN conforms" in line] != []) == (0, True)


def test_the_readme_is_read_in_a_minute() -> None:
    """It is a page, and what more there is to say has a page of its own."""
    assert len(README.splitlines()) <= 150
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_house_of_the_architecture_is_the_house_that_stands() -> None:
    """Every file and folder of the picture exists, and every folder of the package is in it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = page.partition("    rnn_spec/\n")[2].partition("\n## ")[0]
    named = re.findall(r"(?:^ +|  )([a-z_]+\.(?:py|toml)|[a-z_]+/)(?=  |\n)", picture, re.MULTILINE)

    files = {name for name in named if not name.endswith("/")}
    folders = {name.rstrip("/") for name in named if name.endswith("/")}
    assert [name for name in files if not [*ROOT.glob(f"rnn_spec/**/{name}")]] == []
    package = {path.parent.name for path in ROOT.glob("rnn_spec/*/__init__.py")}
    assert package - folders == set()
    assert [name for name in folders - package if not [*ROOT.glob(name), *ROOT.glob(f"tests/{name}")]] == []


def test_the_known_failure_that_is_shown_is_known() -> None:
    """The id that the page on known failures shows is in known.toml."""
    (id,) = re.findall(r"rnn-spec known torch --id (\S+)", (ROOT / "docs" / "known.md").read_text("utf-8"))

    assert id in {entry.id for entry in known()}
