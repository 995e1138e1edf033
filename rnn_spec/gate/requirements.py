"""What a project's files say of the torch that they want: requirements.txt, pyproject.toml, a line of either.

A pin is a release; of a range pip is asked which release it would install, or the newest on record is taken.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from rnn_spec.far.process import running
from rnn_spec.gate.recording import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.specifiers import SpecifierSet

TORCH = re.compile(r"torch(?![\w.-])", re.IGNORECASE)


def wanted(name: str) -> Requirement | None:
    """The requirement that a text is: ``torch>=2.2,<2.3``, ``torch[opt] ~= 2.2 ; python_version > '3.8'``."""
    text = re.split(r"\s#|\s--?[a-z]", name.strip().rstrip("\\"), maxsplit=1)[0].strip()
    if not TORCH.match(text):
        return None
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def in_file(path: Path) -> Requirement:
    """The requirement of torch in a file; RecordingError where it has none, or several that differ."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise RecordingError(f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from e
    lines = list(_of_toml(path, text)) if path.suffix == ".toml" else text.replace("\\\n", " ").splitlines()
    found = {(str(made.specifier), made.url): made for line in lines if (made := wanted(line))}
    if not found:
        raise RecordingError(f"{path} has no requirement of torch")
    if len(found) > 1:
        told = ", ".join(map(str, found.values()))
        raise RecordingError(f"{path} has {len(found)} requirements of torch: {told}")
    return next(iter(found.values()))


def _of_toml(path: Path, text: str) -> Iterator[str]:
    """Every requirement in a pyproject.toml, by PEP 621, dependency groups, Poetry, and uv's sources."""
    try:
        held = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise RecordingError(f"{path} is no TOML: {e}") from e
    project = held.get("project", {})
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    groups += held.get("dependency-groups", {}).values()
    for group in groups:
        yield from (line for line in group if isinstance(line, str))
    poetry = held.get("tool", {}).get("poetry", {})
    more = [group.get("dependencies", {}) for group in _tables(poetry.get("group"))]
    tables = [poetry.get("dependencies", {}), *more]
    for table in tables:
        yield from (f"torch{_poetry(one)}" for one in _list(table.get("torch", [])))
    sources = held.get("tool", {}).get("uv", {}).get("sources", {})
    yield from (f"torch{place}" for one in _list(sources.get("torch", [])) if (place := _direct(one)))


def _list(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [said]


def _direct(said: dict[str, str]) -> str:
    """Where a table has a build from, in the words of packaging; nothing if from an index."""
    return next((f" @ {said[kind]}" for kind in ("url", "git", "path", "file") if kind in said), "")


def _tables(held: Any) -> Iterable[dict[str, Any]]:
    return held.values() if isinstance(held, dict) else ()


def _poetry(said: str | dict[str, str]) -> str:
    """Poetry's ^ and bare numbers in the words of packaging."""
    if isinstance(said, dict):
        return _direct(said) or _poetry(said.get("version", ""))
    text = said.strip()
    if caret := re.fullmatch(r"\^\s*(\d+)([\d.]*)", text):
        return f">={caret[1]}{caret[2]},<{int(caret[1]) + 1}"
    if tilde := re.fullmatch(r"~\s*(\d+)\.(\d+)([\d.]*)", text):
        return f">={tilde[1]}.{tilde[2]}{tilde[3]},<{tilde[1]}.{int(tilde[2]) + 1}"
    return f"=={text}" if text[:1].isdigit() else "" if text == "*" else text


def release(requirement: Requirement, on_record: list[str], *, ask: bool) -> str:
    """The release that a requirement comes to; RecordingError where there is none.

    A pin is itself, a wheel the release of its name. Of a range pip is asked, if `ask`, and else the newest
    on record that it allows is taken.
    """
    if requirement.url:
        return _of_wheel(requirement)
    exact = [s.version for s in requirement.specifier if s.operator in ("==", "===") and "*" not in s.version]
    if exact:
        return exact[0]
    if ask:
        return _by_pip(requirement.specifier)
    fitting = list(requirement.specifier.filter(on_record))
    if not fitting:
        told = ", ".join(on_record)
        raise RecordingError(f"no release on record is torch{requirement.specifier}: {told} are")
    return fitting[-1]


def _of_wheel(requirement: Requirement) -> str:
    """The release of a direct reference, by the name of its wheel."""
    name = unquote(urlsplit(requirement.url or "").path).rpartition("/")[2]
    with contextlib.suppress(InvalidWheelFilename):
        package, version, *_ = parse_wheel_filename(name)
        if package == "torch":
            return str(version)
    raise RecordingError(
        f"{requirement} does not say which release it is: give that, or a Python that has it"
    )


def _by_pip(specifier: SpecifierSet) -> str:
    """The release that pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        quiet = ["--dry-run", "--quiet", "--ignore-installed", "--no-deps", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "install", *quiet, "--report", str(report)]
        done = running([*command, f"torch{specifier}"])
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
            raise RecordingError(f"which release torch{specifier} is, pip does not say: {last[:300]}")
        return str(json.loads(report.read_text(encoding="utf-8"))["install"][0]["metadata"]["version"])
