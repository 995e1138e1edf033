"""A user's sources are read for what they use, and so for the lines that can meet a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.code import Code, rows
from rnn_spec.gate.compare import Change, compare
from rnn_spec.gate.recording import RecordingError
from rnn_spec.torch.experiments import EXPERIMENTS

POSITIONAL = "import torch\nlayer = torch.nn.RNN(8, 16, 2, False)\n"
SUBCLASS = """import torch.nn as nn
class Mine(nn.RNN):
    def __init__(self):
        super().__init__(3, 4, 1, True)
"""
KEYWORDS = "from torch import nn\nlayer = nn.RNN(8, hidden_size=16, bias=False)\n"


def meets(folder: Path, source: str, id: str) -> tuple[str, ...]:
    """The lines of a source that can meet the change of an id."""
    path = folder / "model.py"
    path.write_text(source)
    return Code.read([path]).meets(Change("behaviour", id, "title", "says"))


@pytest.mark.parametrize(
    ("source", "id", "lines"),
    [
        (POSITIONAL, "construct/fourth-positional-bool", [2]),
        (KEYWORDS, "construct/fourth-positional-bool", []),
        ("from torch.nn import RNN as R\nR(*sizes)\n", "construct/fourth-positional-bool", [2]),
        (
            SUBCLASS,
            "construct/fourth-positional-bool",
            [4],
        ),
        ("import torch\ntorch.load('x.pt')\n", "checkpoint/1.6.0-module", [2]),
        (POSITIONAL, "checkpoint/1.6.0-module", []),
        (KEYWORDS, "refuse/bias-int", []),
        ("from torch import nn\nnn.RNN(3, 4, bias=options.bias)\n", "refuse/bias-int", [2]),
        ("from torch import nn\nnn.RNN(3, 4, bias=1)\n", "refuse/bias-int", [2]),
        (KEYWORDS, "small-L1-tanh-float32", [2]),
        ("import torch\nlayer = torch.nn.GRU(3, 4)\n", "small-L1-tanh-float32", []),
        (KEYWORDS, "route/export-strict", []),
        ("import torch\ntorch.export.export(m, x)\n", "route/export-strict", [2]),
        ("import torch\nm = torch.compile(m)\n", "small-L1-relu-float64~by compile, forward", [2]),
        (
            "from torch.nn.utils.rnn import pack_padded_sequence as p\np(x, n)\n",
            "packed/lengths-zero",
            [1, 2],
        ),
        (KEYWORDS, "cell/unbatched", []),
        ("from torch import nn\nnn.RNNCell(3, 4)\n", "cell/unbatched", [2]),
        ("x = 1\n", "forward/hx-None", []),
    ],
)
def test_the_lines_that_can_meet_a_change(tmp_path: Path, source: str, id: str, lines: list[int]) -> None:
    """By the constructor's arguments, what of torch is called, and what is named; nothing is run."""
    found = meets(tmp_path, source, id)

    assert {int(place.rpartition(":")[2]) for place in found} <= set(lines)
    assert bool(found) == bool(lines)


def test_every_change_on_record_has_a_row(tmp_path: Path) -> None:
    """The last row is of every layer that is built, so no change of it is lost."""
    (tmp_path / "model.py").write_text(KEYWORDS)
    code = Code.read([tmp_path])
    archive = Archive.read()

    assert (rows()[-1].ids, rows()[-1].any) == (("*",), ("RNN",))
    for change in compare(archive.recording("1.0.0"), archive.recording("2.15.0"), EXPERIMENTS):
        assert isinstance(code.meets(change), tuple)


@pytest.mark.parametrize(
    ("text", "said"),
    [("def", "is no Python that can be read"), ("x = '\0'", "is no Python"), (None, "has no Python file")],
)
def test_what_is_no_python_is_a_sentence(tmp_path: Path, text: Any, said: str) -> None:
    """A file that cannot be parsed, or a folder without one, is named."""
    if text is not None:
        (tmp_path / "model.py").write_text(text)

    with pytest.raises(RecordingError, match=said):
        Code.read([tmp_path])


def test_environments_are_not_the_users_code(tmp_path: Path) -> None:
    """Hidden folders, installed packages and virtual environments are passed over."""
    for folder in (".tox", "venv", "lib/site-packages"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text(POSITIONAL)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "mine.py").write_text(KEYWORDS)

    assert Code.read([tmp_path]).files == 1


@pytest.mark.parametrize(("source", "status"), [(POSITIONAL, 1), (KEYWORDS, 0)])
def test_only_what_the_code_can_meet_fails(tmp_path: Path, source: str, status: int) -> None:
    """--fail-on yours: the fourth argument by position concerns who gives it by position."""
    (tmp_path / "model.py").write_text(source)
    sides = ["--from", "2.2.2", "--to", "2.3.1", "--recorded", "--code", str(tmp_path)]

    done = CliRunner().invoke(main, ["gate", *sides, "--fail-on", "yours", "--annotate"])

    assert done.exit_code == status, done.output
    assert ("fails the gate (1)" in done.output) == bool(status)
    assert f"your lines: {tmp_path / 'model.py'}:2" in done.output
    assert (f"::error file={tmp_path / 'model.py'},line=2,title=" in done.output) == bool(status)
    assert "meets no line of your code: " in done.output


def test_yours_needs_something_of_yours() -> None:
    """Without code or a model nothing could fail: that is no gate."""
    done = CliRunner().invoke(main, ["gate", "--from", "2.2.2", "--to", "2.3.1", "--fail-on", "yours"])

    assert done.exit_code == 2
    assert "--fail-on yours needs your --code, or your --model" in done.output
