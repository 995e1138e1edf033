"""A gate: both sides found or made, recorded side by side, compared, and judged by what was accepted."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import rnn_spec
from rnn_spec.far.process import beside
from rnn_spec.gate import environments
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.record import Suite, describe, record
from rnn_spec.gate.recording import Header, Recording, RecordingError
from rnn_spec.suite.launch import suite

if TYPE_CHECKING:
    from collections.abc import Callable


def ready(
    names: tuple[str, str], python: str | None, recorded: bool, say: Callable[[str], None]
) -> list[Path | Recording]:
    """Both sides, each a recording or a Python with torch in it; RecordingError where one cannot be had.

    With `recorded`, a version is that of the recordings that ship; else it is installed.
    """
    found = [environments.find(name) for name in names]  # a wrong name is told before anything is installed
    if recorded:
        archive = Archive.read()
        found = [archive.recording(which) if isinstance(which, str) else which for which in found]
    return [
        environments.installed(which, python, say) if isinstance(which, str) else which for which in found
    ]


def recordings(found: list[Path | Recording], fresh: bool, say: Callable[[str], None]) -> list[Recording]:
    """Both sides' recordings, made side by side where they are live."""
    asked = Suite()
    with beside(2) as both:
        return [*both.map(lambda which: recording(which, fresh, say, asked), found)]


def recording(which: Path | Recording, fresh: bool, say: Callable[[str], None], asked: Suite) -> Recording:
    """A recording as it is, or that of a Python: the kept one, or made now and kept."""
    if isinstance(which, Recording):
        return which
    python = str(which)
    header = describe(python, "torch", f"rnn-spec record torch@{python}")
    path = kept(python, header)
    if path.exists() and not fresh:
        try:
            found = Recording.read(path)
        except RecordingError:
            path.unlink()  # not ours any more: made anew
        else:
            say(f"{header.version}: recorded before, {path}")
            return found
    made = record(python, header, say, asked)
    made.write(path)
    return made


def kept(python: str, header: Header) -> Path:
    """Where the recording of this Python's torch is kept, by all that decides what is recorded."""
    told = "\n".join([python, header.version, header.python, header.numpy, own_digest()])
    name = re.sub(r"[^\w.+-]+", "-", header.version)
    return (
        environments.cache() / "recordings" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.json"
    )


@cache
def own_digest() -> str:
    """Our own version and files: another rnn-spec asks other things."""
    root = Path(rnn_spec.__file__).parent
    digest = hashlib.sha256(rnn_spec.__version__.encode())
    for folder in (root, suite()):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".toml", ".txt"):
                digest.update(path.read_bytes())
    return digest.hexdigest()
