"""A torch that runs, asked in its own process: what it is, what a checkpoint holds, how long a call takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rnn_spec import files
from rnn_spec.far.process import Failure, Process
from rnn_spec.gate.recording import RecordingError

T = TypeVar("T")
PROGRAM = files.PACKAGE / "torch" / "live.py"
DEADLINE = 120.0
"""Seconds that an answer may take; the first one waits for torch's import."""
LARGEST = 1 << 32
"""Bytes that an answer may have: a model's weights as decimals."""


class Hello(msgspec.Struct, frozen=True):
    """What a Python's torch says of itself; `reads` whether it has weights_only."""

    torch: str
    python: str
    numpy: str
    reads: bool
    cuda: bool


class Tensors(msgspec.Struct, frozen=True):
    """A checkpoint's tensors: dtype and shape by name."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]


class Weights(msgspec.Struct, frozen=True):
    """A checkpoint's numbers by name."""

    tensors: dict[str, dict[str, Any]]


class Time(msgspec.Struct, frozen=True):
    """Seconds that a call takes."""

    call: float


class Refusal(Exception):
    """The far end could not do what it was asked; the message is the exception in its own words."""


class Live:
    """A running live.py; its far end is not trusted: what it says is checked, or RecordingError."""

    def __init__(self, python: str | Path) -> None:
        """Start it and hear what it is."""
        self.python = str(python)
        try:
            self.process = Process([self.python, str(PROGRAM)])
        except OSError as e:
            raise RecordingError(f"{python} cannot be started: {e.strerror}") from e
        try:
            self.hello = self.ask(Hello, op="hello")
        except BaseException:
            self.close()
            raise

    def ask(self, of: type[T], **request: Any) -> T:
        """Its answer to this request; Refusal if it says that it could not."""
        try:
            line = self.process.exchange(msgspec.json.encode(request), DEADLINE, LARGEST)
            read = msgspec.json.decode(line)
            if isinstance(read, dict) and isinstance(read.get("error"), str):
                raise Refusal(read["error"])
            return msgspec.convert(read, of)
        except (Failure, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            said = " ".join(str(e).split())
            raise RecordingError(
                f"the torch of {self.python} does not answer {request['op']!r}: {said}"
            ) from e

    def close(self) -> None:
        """End the process."""
        self.process.end()
