"""From what the user names to a recording, or to a Python that has torch: made, where a version is named.

A version that is not installed is put in an environment of its own, which is kept: pip installs it, by the
user's own pip configuration, and uv makes the environment where uv is, for it can fetch a missing Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from packaging.version import Version

from rnn_spec.gate.recording import Recording, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = "about 200 MB as a CPU wheel, gigabytes with CUDA"
PYTHONS = (("1.0", "3.6"), ("1.4", "3.8"), ("1.8", "3.9"), ("1.11", "3.10"), ("1.13", "3.11"))
"""From which release of torch on there are wheels for which Python; the last row that is not newer holds."""
PYTHON = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
"""Where an environment has its Python."""
NUMPY_2 = "2.3"
"""The first release of torch that was built against NumPy 2."""


def cache() -> Path:
    """Where environments and recordings are kept."""
    return platformdirs.user_cache_path("rnn-spec", appauthor=False)


def version(name: str) -> str | None:
    """The release that is named ``2.13.0`` or ``torch==2.13.0``, or None."""
    found = re.fullmatch(r"(?:torch==)?(\d+(?:\.\d+)+(?:[\w.+]*))", name.strip())
    return found and found[1]


def find(name: str) -> Recording | Path | str:
    """A recording, a Python, or a version to be installed; RecordingError where it is none of them."""
    if found := version(name):
        return found
    path = Path(name).expanduser()
    if (path / PYTHON).exists():
        return path / PYTHON
    if path.is_file() and os.access(path, os.X_OK):
        return path.absolute()
    if path.is_file():
        return Recording.read(path)
    raise RecordingError(
        f"{name!r} is not a torch version such as torch==2.13.0, a Python with torch in it, or a recording"
    )


def installed(release: str, python: str | None, say: Callable[[str], None]) -> Path:
    """The Python of an environment with this torch, made first if there is none.

    `python` is the interpreter to make it with, a path or a name such as python3.8; this one if None.
    """
    base = python or sys.executable
    where = cache() / "environments" / f"torch-{release}-{Path(base).name if python else _tag()}"
    found = where / PYTHON
    if found.exists():
        return found
    say(f"torch {release} is not installed yet: installing it in {where} ({SIZES})")
    where.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=where.parent, prefix="making-"))
    try:
        _make(making, base, release, say)
        try:
            making.rename(where)  # whole or not at all
        except OSError:  # another gate was first
            if not found.exists():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return found


def _tag() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _make(where: Path, base: str, release: str, say: Callable[[str], None]) -> None:
    uv = shutil.which("uv")
    _run(
        [uv, "venv", "--seed", "--python", base, str(where)] if uv else [base, "-m", "venv", str(where)],
        release,
    )
    numpy = "numpy" if Version(release) >= Version(NUMPY_2) else "numpy<2"
    say(f"pip install torch=={release} {numpy}")
    pip = [str(where / PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    _run([*pip, f"torch=={release}", numpy], release)


def _run(command: list[str], release: str) -> None:
    """Run it with its output on stderr; RecordingError says in a sentence what became of it."""
    try:
        done = subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False)
    except OSError as e:
        raise RecordingError(f"{command[0]} cannot be run: {e.strerror}") from e
    if done.returncode:
        wanted = [python for first, python in PYTHONS if Version(first) <= Version(release)]
        other = wanted and f"python{wanted[-1]}" != _tag()
        hint = f"; its wheels are for Python {wanted[-1]}: pass --python python{wanted[-1]}" if other else ""
        raise RecordingError(f"torch {release} cannot be installed, pip says why above{hint}")
