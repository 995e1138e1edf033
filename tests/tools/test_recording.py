"""A recording is read as it was written, and anything else is refused in a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rnn_spec.gate.recording import (
    Arrays,
    Bits,
    Fact,
    Header,
    Question,
    Raised,
    Recording,
    RecordingError,
    Standing,
    Warned,
)
from rnn_spec.questions.records import Error

if TYPE_CHECKING:
    from pathlib import Path

RECORDING = Recording(
    Header("torch", "torch 2.13.0+cpu", python="3.11.7"),
    {
        "construct/repr": Fact("RNN(3, 4)"),
        "construct/nothing": Fact(),
        "refuse/dropout": Fact(
            raised=Raised("ValueError", "dropout"), warnings=(Warned("UserWarning", "one layer"),)
        ),
        "state/swap": Fact(died="SIGSEGV"),
        "route/export": Fact(absent="torch.export"),
        "layout/strides": Fact({"output": [8, 4, 1], "h_n": None}),
    },
    {"refuse/input_size-zero": Fact(raised=Raised("ValueError", "input_size", "construct"))},
    {
        "small-L1-tanh-float32": Arrays({"output": Bits("0123456789abcdef", (5, 2, 4), 0.0312)}),
        "small-L1-tanh-float16": Arrays(error=Error("forward", "RuntimeError", "not implemented for 'Half'")),
    },
    {"refuse/input_size-zero": Question(("ERR-05",), "RNN(0, 4)")},
    {"ERR-05": Standing(3, ("test_errors.py::test_it[a]",), {"not here": ("test_errors.py::test_it[b]",)})},
)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading gives an equal recording, and writing that the same bytes."""
    RECORDING.write(tmp_path / "a.json")
    read = Recording.read(tmp_path / "a.json")
    read.write(tmp_path / "b.json")

    assert read == RECORDING
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("experiments", "construct/repr"), 3, "Expected `object`, got `int` - at `$.experiments[...]`"),
        (("experiments", "construct/repr", "dead"), "no", "Object contains unknown field `dead`"),
        (("clauses", "ERR-05", "failed"), "test", "at `$.clauses[...].failed`"),
        (("cases", "small-L1-tanh-float32", "arrays"), {"output": {}}, "missing required field `bits`"),
        (("header",), {}, "missing required field `subject` - at `$.header`"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    """A field of another type, an unknown one or a missing one is named with the file and its place."""
    path = tmp_path / "a.json"
    RECORDING.write(path)
    held = found = json.loads(path.read_text())
    for key in place[:-1]:
        found = found[key]
    found[place[-1]] = value
    path.write_text(json.dumps(held))

    with pytest.raises(RecordingError) as refused:
        Recording.read(path)

    assert str(refused.value).startswith(f"{path} is not a recording: ")
    assert said in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"[" * 100_000, b'{"header": ', b"\xff\xfe"])
def test_rubbish_is_refused(tmp_path: Path, data: bytes) -> None:
    """Nothing, a pickle, endless nesting, half a file and what is no text are refused in a sentence."""
    path = tmp_path / "a.json"
    path.write_bytes(data)

    with pytest.raises(RecordingError, match="is not a recording: "):
        Recording.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A recording that cannot be read is an error that says why."""
    with pytest.raises(RecordingError, match=r"a\.json cannot be read: No such file"):
        Recording.read(tmp_path / "a.json")
