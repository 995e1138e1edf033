"""docs/guide.md: its commands run as they stand there, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from rnn_spec.far.commands import LANGUAGES
from rnn_spec.questions.records import LEVELS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
INSTALL, PYTHON, PYTHON_WORKER, CPP, JAVASCRIPT, MEND, KNOWN, FILES = BLOCKS
TRANSCRIPTS = re.findall(r"^    ((?:smoke|diagnosis): .*(?:\n    .*)*)", GUIDE, re.MULTILINE)
(FAILURES,) = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `rnn-spec` is the one under test, whether or not it is installed as a script."""
    script = tmp_path / "bin" / "rnn-spec"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rnn_spec "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def run(commands: str, folder: Path, path: str) -> str:
    """What the commands print; they have to succeed, every one."""
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("commands", "needs"),
    [(PYTHON, "sh"), (PYTHON_WORKER, "python3"), (CPP, "g++"), (JAVASCRIPT, "node")],
    ids=list(LANGUAGES),
)
def test_first_verdict_in_each_language(commands: str, needs: str, tmp_path: Path, path: str) -> None:
    """The guide's steps take one from nothing to a verdict, and in C++ to one by files, too."""
    if shutil.which(needs) is None:
        pytest.skip(f"{needs} is not installed")
    said = run(commands, tmp_path, path)

    assert re.search(r"my_rnn 0\.1.* conforms: \d+ checks passed", said)
    if commands == CPP:
        said = run(FILES, tmp_path, path)  # the cases of two areas, so
        assert re.search(r"my_rnn 0\.1.* conforms in part: \d+ checks passed", said)


def test_a_known_failure_is_expected(tmp_path: Path, path: str) -> None:
    """A layer that refuses a batch of 0 conforms with the guide's file of known failures."""
    run("rnn-spec new-subject my_rnn", tmp_path, path)
    worker = tmp_path / "my_rnn" / "worker.py"
    text = worker.read_text()
    refusal = '\\1        if case.input.shape[1] == 0:\n            raise ValueError("a batch of 0")\n'
    worker.write_text(re.sub(r"(    def run\(.*?\n(?: +\"\"\".*?\"\"\"\n)?)", refusal, text, count=1))
    (tmp_path / "known.toml").write_text(FAILURES)

    said = run(KNOWN, tmp_path, path)

    assert re.search(r"conforms: \d+ checks passed, \d+ fail as known", said)


TURNED = """
from dataclasses import replace

from rnn_spec.subjects.spec import SpecSubject


class Turned(SpecSubject):
    def run(self, case):
        turned = {n: a.T if n.startswith("weight_hh") else a for n, a in case.parameters.items()}
        return super().run(replace(case, parameters=turned))
"""


LAYERS = ("check turned:Turned", "check fault:reverse-output-not-flipped --clause DIR")
"""What judges the layers that the transcripts are of."""


@pytest.mark.parametrize(
    ("transcript", "command"),
    [*zip(TRANSCRIPTS, LAYERS, strict=True)],
    ids=["smoke", "diagnosis"],
)
def test_what_the_guide_shows_is_said(transcript: str, command: str, tmp_path: Path, path: str) -> None:
    """A transcript, but for where its lines are broken, is what the command prints of such a layer."""
    (tmp_path / "turned.py").write_text(TURNED)

    said = run(f"rnn-spec {command} 2>&1 || true", tmp_path, path)

    assert " ".join(transcript.split()) in " ".join(said.split())


def test_the_ways_to_mend_are_ways(tmp_path: Path, path: str) -> None:
    """Each of the commands for who mends a layer judges the guide's own, which has nothing to mend."""
    run("rnn-spec new-subject my_rnn", tmp_path, path)
    first, again, some = (line.partition("#")[0] for line in MEND.splitlines())

    said = run(f"{first}\n{again} 2>&1 || test $? -eq 2\n{some}", tmp_path, path)

    assert "there is nothing to ask again" in said
    assert "those of -k relu" in " ".join(said.split())


def test_levels_come_in_their_order() -> None:
    """The guide names every level, in the order in which one reaches them."""
    order = GUIDE.partition("in this order: ")[2].partition(".")[0]

    assert tuple(re.findall(r"`(\w+)`", order)) == LEVELS


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is to a file that is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_backward_failure_is_reported_as_the_guide_shows() -> None:
    """The function in the guide answers with the gradients, or with the forward results and an error."""
    (source,) = re.findall(r"^  ```python\n(.*?)^  ```", GUIDE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(source), names)

    right = names["answer"](1, 2, lambda: {"input": 3})
    wrong = names["answer"](1, 2, lambda: sum(3))  # type: ignore[call-overload]

    assert (right.output, right.h_n, right.gradients, right.error) == (1, 2, {"input": 3}, None)
    assert (wrong.output, wrong.h_n, wrong.error.phase, wrong.error.type) == (1, 2, "backward", "TypeError")
