"""From what the user names to a recording, or to a Python that has torch: made, where a version is named.

A version that is not installed is put in an environment of its own, which is kept, by pip and the user's own
pip configuration; uv makes the environment where uv is, for it can fetch a missing Python. pip is first asked
what it would fetch, for both sides: what cannot be had is said before anything is fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import platformdirs
from packaging.version import InvalidVersion, Version

from rnn_spec.far.process import running
from rnn_spec.gate import requirements
from rnn_spec.gate.recording import Recording, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.requirements import Requirement

PYTHONS = (
    ("1.0", (3, 6), (3, 7)), ("1.4", (3, 6), (3, 8)), ("1.8", (3, 6), (3, 9)), ("1.11", (3, 7), (3, 10)),
    ("1.13", (3, 8), (3, 11)), ("2.2", (3, 8), (3, 12)), ("2.5", (3, 9), (3, 12)), ("2.6", (3, 9), (3, 13)),
    ("2.9", (3, 10), (3, 13)),
)  # fmt: skip
"""From which release of torch on there are wheels for which Pythons, the first and the last of them."""
PYTHON = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
"""Where an environment has its Python."""
NUMPY_2 = "2.3"
"""The first release of torch that was built against NumPy 2."""
EXPORTERS = "2.0"
"""The first release whose exporters are asked: they need packages beside torch."""
HOLDS = "rnn-spec.json"
"""The file in an environment that says what it holds."""


class Wanted(NamedTuple):
    """A release to be installed, and the interpreter to install it with."""

    release: str
    python: str

    @property
    def packages(self) -> list[str]:
        """What pip is told to install."""
        release = Version(self.release)
        numpy = "numpy" if release >= Version(NUMPY_2) else "numpy<2"
        beside = ["onnx", "onnxscript"] if release >= Version(EXPORTERS) else []
        return [f"torch=={self.release}", numpy, *beside]


class Holds(msgspec.Struct, frozen=True):
    """What an environment was made of: all that decides what is in it."""

    release: str
    python: str
    packages: list[str]
    pip: dict[str, str]

    @property
    def folder(self) -> str:
        """Its name, which another Python, index or set of packages changes."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]
        return f"torch-{re.sub(r'[^0-9A-Za-z.+]', '-', self.release)}-{digest}"


def root() -> Path:
    """Where environments and recordings are kept."""
    return platformdirs.user_cache_path("rnn-spec", appauthor=False)


def version(name: str) -> str | None:
    """The release that is named ``2.13.0`` or ``torch==2.13.0``, or None."""
    found = re.fullmatch(r"(?:torch\s*==\s*)?(\d+(?:\.\d+)+(?:[\w.+]*))", name.strip())
    with contextlib.suppress(InvalidVersion):
        if found:
            Version(found[1])
            return found[1]
    return None


def _python(path: Path) -> Path | None:
    """The Python that a path is, or that the environment there has."""
    if (path / PYTHON).exists():
        return path / PYTHON
    return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None


def find(name: str) -> Recording | Path | Requirement | str:
    """A recording, a Python, by itself or after torch@, a version, or a requirement; else RecordingError."""
    if found := version(name):
        return found
    if required := requirements.wanted(name):
        return _python(Path(required.url)) or required if required.url else required
    path = Path(os.path.expanduser(name))  # noqa: PTH111  Path.expanduser raises where there is no such user
    try:
        if python := _python(path):
            return python
        if path.is_file() and path.suffix in (".txt", ".toml", ".in"):
            return requirements.in_file(path)
        if path.is_file():
            return Recording.read(path)
    except ValueError:  # a null byte
        pass
    raise RecordingError(
        f"{name!r} is not a torch version such as torch==2.13.0, a file with a requirement of it, a Python "
        "with torch in it, or a recording"
    )


# -- which Python -----------------------------------------------------------------------------------


def interpreter(release: str, chosen: str | None) -> str:
    """The Python to install a release with: what was chosen, this one if it does, or one that lies here."""
    if chosen:
        if not shutil.which(chosen):
            raise RecordingError(f"{chosen} cannot be run: No such file or directory")
        return chosen
    lowest, newest = fitting(release)
    if lowest <= sys.version_info[:2] <= newest:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(newest[1], lowest[1] - 1, -1)]
    if found := next((path for name in names if (path := shutil.which(name))), None):
        return found
    if shutil.which("uv"):
        return names[0].removeprefix("python")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise RecordingError(
        f"torch {release} has no wheels for Python {here}, only for 3.{lowest[1]} to 3.{newest[1]}, and none "
        f"of these is here: name one by --python-from or --python-to, or install uv, which fetches it"
    )


def fitting(release: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first and the last Python that a release has wheels for."""
    rows = [row for row in PYTHONS if Version(row[0]).release <= Version(release).release]
    return (rows or PYTHONS[:1])[-1][1:]


@cache
def identity(python: str) -> str:
    """Which Python it is, by its own word: another one of the same name is another."""
    code = "import sys, platform; print(platform.python_implementation(), sys.version.split()[0], sys.prefix)"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return python
    return done.stdout.strip() or python


# -- making ----------------------------------------------------------------------------------------


def holds(wanted: Wanted) -> Holds:
    """What the environment of a release is made of."""
    pip = {name: value for name, value in sorted(os.environ.items()) if name.startswith("PIP_")}
    return Holds(wanted.release, identity(wanted.python), wanted.packages, pip)


def place(wanted: Wanted) -> Path:
    """The folder of its environment, whether it is there or not."""
    return root() / "environments" / holds(wanted).folder


def asked(wanted: Wanted, say: Callable[[str], None]) -> None:
    """Ask pip what it would fetch, and say it; RecordingError where the release cannot be had."""
    if (place(wanted) / PYTHON).exists():
        return
    say(f"torch {wanted.release} is not installed yet: asking pip what it would fetch")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = running(_question(wanted, folder, str(report)))
        if "no such option" in done.stderr or "No module named pip" in done.stderr:
            return  # none, or one of years ago, which cannot be asked
        if done.returncode:
            raise RecordingError(f"torch {wanted.release} cannot be installed: {reason(done.stderr)}")
        said = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    fetched = [entry["metadata"]["name"].lower() for entry in said.get("install", ())]
    cuda = [name for name in fetched if name.startswith(("nvidia-", "triton", "cuda-"))]
    size = (
        f"{len(cuda)} of CUDA among them, gigabytes: PyTorch's CPU index has none" if cuda else "about 200 MB"
    )
    say(f"torch {wanted.release}: {len(fetched)} packages, {size}")


def _question(wanted: Wanted, folder: str, report: str) -> list[str]:
    """What asks pip; a Python that uv is to fetch is asked about by its number."""
    python, about = wanted.python, list[str]()
    if not shutil.which(python):
        python = sys.executable
        about = ["--python-version", wanted.python, "--only-binary=:all:", "--target", folder]
    quiet = ["--disable-pip-version-check", "--quiet", "--ignore-installed"]
    command = [python, "-m", "pip", "install", "--dry-run", *quiet]
    return [*command, "--report", report, *about, *wanted.packages]


def reason(stderr: str) -> str:
    """What pip says last of why it failed."""
    lines = [line.removeprefix("ERROR: ").strip() for line in stderr.splitlines() if line.startswith("ERROR")]
    return lines[0][:400] if lines else (stderr.strip().splitlines() or ["pip says nothing"])[-1][:400]


def installed(wanted: Wanted, say: Callable[[str], None]) -> Path:
    """The Python of an environment with this torch, made first if there is none."""
    where = place(wanted)
    found = where / PYTHON
    if found.exists():
        return found
    say(f"installing torch {wanted.release} in {where}")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=where.parent, prefix="making-"))
    except OSError as e:
        raise RecordingError(f"{where.parent} cannot be written: {e.strerror}") from e
    try:
        _make(making, wanted)
        (making / HOLDS).write_bytes(msgspec.json.encode(holds(wanted)))
        try:
            making.rename(where)  # whole or not at all
        except OSError:  # another gate was first
            if not found.exists():
                raise
    except OSError as e:
        raise RecordingError(f"torch {wanted.release} cannot be installed: {e.strerror}") from e
    finally:
        shutil.rmtree(making, ignore_errors=True)
    say(f"torch {wanted.release} is installed")
    return found


def _make(where: Path, wanted: Wanted) -> None:
    uv = shutil.which("uv")
    base = wanted.python
    _run(
        [uv, "venv", "--seed", "--python", base, str(where)] if uv else [base, "-m", "venv", str(where)],
        wanted.release,
    )
    pip = [str(where / PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    _run([*pip, *wanted.packages], wanted.release)


def _run(command: list[str], release: str) -> None:
    """Run it; RecordingError says in a sentence what became of it."""
    try:
        done = running(command)
    except OSError as e:
        raise RecordingError(f"{command[0]} cannot be run: {e.strerror}") from e
    if done.returncode:
        raise RecordingError(f"torch {release} cannot be installed: {reason(done.stderr)}")


# -- what is kept ------------------------------------------------------------------------------------


class Kept(NamedTuple):
    """A thing that is kept: an environment or a recording, or what an interrupted gate left."""

    path: Path
    what: str
    size: int


def kept() -> list[Kept]:
    """All that is kept, environments first."""
    found = []
    for path in sorted((root() / "environments").glob("*")):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            told = msgspec.json.decode((path / HOLDS).read_bytes(), type=Holds)
            found.append(Kept(path, f"torch {told.release}, {told.python}", size(path)))
            continue
        found.append(Kept(path, "left by a gate that was interrupted", size(path)))
    recordings = sorted((root() / "recordings").glob("*.json"))
    return found + [Kept(path, "recording", size(path)) for path in recordings]


def size(path: Path) -> int:
    """How many bytes a file or a folder takes, links not followed."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118  many thousand files
    return total


def clear() -> int:
    """Remove all that is kept; how many bytes that gave back."""
    things = kept()
    for thing in things:
        if thing.path.is_dir():
            shutil.rmtree(thing.path, ignore_errors=True)
        else:
            thing.path.unlink(missing_ok=True)
    return sum(thing.size for thing in things)
