"""Checkpoints written by one live torch and read by the other, both ways: state_dicts and whole modules.

What the writer itself makes of its file is what the reader has to make of it. Only processes of the two
Pythons read the files: here nothing is unpickled.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from rnn_spec import releases
from rnn_spec.gate.compare import Change, compare, said
from rnn_spec.gate.program import Program
from rnn_spec.gate.recording import Fact, Recording
from rnn_spec.torch.experiments import Experiment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.gate.recording import Header

KIND, CLAUSE = "checkpoint", "STA-05"
REFUSES_MODULES = Version("2.6")
"""From here on torch.load takes a whole module only if it is told weights_only=False."""


class Side:
    """A live torch, and the files that it wrote."""

    def __init__(self, program: Program, header: Header, folder: Path) -> None:
        """Its files go into a folder that is not there yet."""
        folder.mkdir()
        self.header, self.folder, self.program = header, folder, program
        self.written = Fact()
        self.says: dict[Path, Fact] = {}

    def write(self) -> None:
        """Write every checkpoint that it can."""
        self.written = self.program.fact(op="write", folder=str(self.folder))

    def read(self, files: Iterable[Path]) -> None:
        """Read these files, told what this release has to be told."""
        told = {"weights_only": False} if release(self.header) >= REFUSES_MODULES else {}
        for path in files:
            how = told if path.stem.endswith("module") else {}
            self.says[path] = self.program.fact(op="read", file=str(path), how=how)

    @property
    def files(self) -> list[Path]:
        """What it wrote."""
        return sorted(self.folder.glob("*.pt"))


def crossed(a: tuple[Program, Header], b: tuple[Program, Header]) -> list[Change]:
    """What one of two torches makes of the other's checkpoints, where it is not what was written."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as both:
        sides = [Side(*side, Path(folder) / name) for name, side in (("a", a), ("b", b))]
        [*both.map(Side.write, sides)]
        files = [path for side in sides for path in side.files]
        [*both.map(lambda side: side.read(files), sides)]
        return [*exchanged(*sides), *exchanged(*reversed(sides))]


def exchanged(writer: Side, reader: Side) -> list[Change]:
    """What the reader makes of the writer's files, where it is not what the writer makes of them."""
    if not writer.files:
        id = f"checkpoint/{writer.header.version}"
        return [
            Change("checkpoints", id, "Checkpoints", f"cannot be written: {said(writer.written)}", CLAUSE)
        ]
    words = f"written by {writer.header.version}, read by {reader.header.version}"
    own, other = (
        Recording(side.header, {f"checkpoint/live-{path.stem}": side.says[path] for path in writer.files})
        for side in (writer, reader)
    )
    asked = {
        id: Experiment(id, f"A checkpoint {words}: {id}.", None, KIND, CLAUSE)  # type: ignore[no-untyped-call]
        for id in own.experiments
    }
    return compare(own, other, asked)


def release(header: Header) -> Version:
    """The release, without what says how it was built."""
    return releases.release(header.version) or Version("0")
