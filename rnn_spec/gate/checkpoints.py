"""Checkpoints written by one live torch and read by the other, both ways: state_dicts and whole modules.

What the writer itself makes of its file is what the reader has to make of it. Only processes of the two
Pythons read the files: here nothing is unpickled.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from rnn_spec.gate.compare import Change, compare, said
from rnn_spec.gate.record import Probing
from rnn_spec.gate.recording import Recording
from rnn_spec.subjects.torch_probes import Probe

if TYPE_CHECKING:
    from rnn_spec.gate.recording import Fact, Header

KIND, CLAUSE = "checkpoint", "STA-05"
REFUSES_MODULES = Version("2.6")
"""From here on torch.load takes a whole module only if it is told weights_only=False."""


def crossed(a: tuple[str, Header], b: tuple[str, Header]) -> list[Change]:
    """What one of two Pythons' torches makes of the other's checkpoints, where it is not what was written."""
    return [*exchanged(a, b), *exchanged(b, a)]


def exchanged(writer: tuple[str, Header], reader: tuple[str, Header]) -> list[Change]:
    """What the reader makes of the writer's files, where it is not what the writer makes of them."""
    (python, wrote), (_, read) = writer, reader
    with tempfile.TemporaryDirectory() as folder:
        asked = Probing(python)
        written = asked.fact({"op": "write", "folder": folder})
        asked.close()
        files = sorted(Path(folder).glob("*.pt"))
        own, other = (facts(side, files) for side in (writer, reader))
    if not files:
        id = f"checkpoint/{wrote.version}"
        return [Change("checkpoints", id, "Checkpoints", f"cannot be written: {said(written)}", CLAUSE)]
    words = f"written by {wrote.version}, read by {read.version}"
    probes = {
        id: Probe(id, f"A checkpoint {words}: {id}.", None, KIND, CLAUSE)  # type: ignore[no-untyped-call]
        for id in own
    }
    return compare(Recording(wrote, probes=own), Recording(read, probes=other), probes)


def facts(side: tuple[str, Header], files: list[Path]) -> dict[str, Fact]:
    """What the torch of one side makes of each file, told what it has to be told."""
    python, header = side
    reader = Probing(python)
    told = {"weights_only": False} if release(header) >= REFUSES_MODULES else {}
    try:
        return {
            f"checkpoint/live-{path.stem}": reader.fact(
                {"op": "read", "file": str(path), "how": told if path.stem.endswith("module") else {}}
            )
            for path in files
        }
    finally:
        reader.close()


def release(header: Header) -> Version:
    """The release, without what says how it was built."""
    found = re.search(r"\d+(\.\d+)+", header.version)
    return Version(found[0] if found else "0")
