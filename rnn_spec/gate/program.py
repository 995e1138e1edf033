"""The torch of a Python, asked by rnn_spec/torch/program.py, which runs there and is restarted when it died.

Its far end is not trusted: every answer has a deadline and a greatest size, and is checked against what it
must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from rnn_spec import files
from rnn_spec.far import wire
from rnn_spec.far.process import Failure, Process, Stopped, stopped
from rnn_spec.gate.recording import Fact, RecordingError
from rnn_spec.torch.program import SECONDS

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
FILE = files.PACKAGE / "torch" / "program.py"
PATIENCE = 5
"""How many experiments in a row may end a process before no more are asked."""
DEADLINE = SECONDS + 15.0
"""Seconds until an experiment's process is given up that should have ended itself."""
PATIENT = 120.0
"""Seconds that any other answer may take; the first waits for torch's import."""
LARGEST = 1 << 20
"""Bytes that a fact may have."""
GROUPS = 1 << 24
"""Bytes that the facts of a group may have."""


class Hello(msgspec.Struct, frozen=True):
    """What a Python's torch says of itself; `reads` whether torch.load has weights_only."""

    version: str
    python: str
    numpy: str
    platform: str
    processor: str = ""
    reads: bool = False
    cuda: bool = False
    packages: dict[str, str] = {}
    build: str = ""

    @property
    def name(self) -> str:
        """Such as torch 2.13.0."""
        return self.version.partition("+")[0]


class Time(msgspec.Struct, frozen=True):
    """Seconds that a call takes."""

    call: float


class Refusal(Exception):
    """The far end could not do what it was asked; the message is the exception in its own words."""


class Program:
    """The program in one Python; every failure of it but a Refusal is a RecordingError, or a fact."""

    def __init__(self, python: str | Path, *, deadline: float = DEADLINE) -> None:
        """Start it when it is first asked."""
        self.python, self.deadline = str(python), deadline
        self.command = [self.python, str(FILE)]
        self.process: Process | None = None
        self.failed = 0
        self.said: Hello | None = None

    @property
    def hello(self) -> Hello:
        """What it says of itself; no cached_property, which lets one at a time ask before Python 3.12."""
        self.said = self.said or self.ask(Hello, op="hello")
        return self.said

    def exchange(self, request: dict[str, Any], deadline: float, limit: int) -> dict[str, Any]:
        """The answer to a request; Failure, after which the process is gone, where there is none."""
        if self.process is None:
            try:
                self.process = Process(self.command)
            except OSError as e:
                raise RecordingError(f"{self.python} cannot be started: {e.strerror}") from e
        line = b""
        try:
            line = self.process.exchange(msgspec.json.encode(request), deadline, limit)
            return msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            self.close()
            raise Failure("rubbish", f"answers no JSON object: {wire.excerpt(line)}") from e
        except Failure:
            self.close()
            raise

    def ask(self, of: type[T], **request: Any) -> T:
        """Its answer to this request; Refusal if it says that it could not."""
        try:
            answer = self.exchange(request, PATIENT, 1 << 32)
            if isinstance(answer.get("error"), str):
                raise Refusal(answer["error"])
            return msgspec.convert(answer, of)
        except (Failure, msgspec.ValidationError) as e:
            said = " ".join(str(e).split())
            raise RecordingError(f"{self.python} has no torch that answers {request['op']!r}: {said}") from e

    def fact(self, **request: Any) -> Fact:
        """What an experiment comes to; whatever becomes of the process is a fact."""
        if self.failed == PATIENCE:
            return Fact(died=f"not asked: {PATIENCE} requests in a row ended the process")
        try:
            answer = self.exchange(request, self.deadline, LARGEST)
        except Failure as e:
            if stopped():
                raise Stopped from e
            self.failed += 1
            return Fact(died=str(e).partition(";")[0])
        self.failed = 0
        try:
            return msgspec.convert(answer, Fact)
        except msgspec.ValidationError as e:
            return Fact(died=f"answers what is no fact: {' '.join(str(e).split())}")

    def facts(self, ids: list[str]) -> list[Fact]:
        """The facts of the first of these experiments, one or more: as many as came of one process."""
        try:
            if len(ids) > 1 and not self.failed:
                answer = self.exchange({"op": "experiments", "ids": ids}, self.deadline + SECONDS, GROUPS)
                found = msgspec.convert(answer.get("facts"), list[Fact])
                if 0 < len(found) <= len(ids):
                    return found
        except Failure as e:
            if stopped():
                raise Stopped from e
        except msgspec.ValidationError:
            pass  # asked alone, each says what is wrong with it
        return [self.fact(op="experiment", id=ids[0])]

    def close(self) -> None:
        """End the process: it is told bye, and given a moment."""
        if self.process is not None:
            process, self.process = self.process, None
            process.requests.put(b'{"op": "bye"}\n')
            process.end(0.5)
