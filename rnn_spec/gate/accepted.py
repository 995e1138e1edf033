"""Changes that the user has accepted, as data with a reason, strict both ways.

    [[accepted]]
    id = "refuse/hidden_size-*"    # of a change, or of a cause
    reason = "we check sizes ourselves"
    verdict = "behaviour"          # optional
    from = "<2.2"                  # optional: the releases between which it holds
    to = ">=2.2"

An entry that holds between these two releases and matches no change fails the gate.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from rnn_spec.gate.compare import VERDICTS, Change
from rnn_spec.gate.recording import RecordingError
from rnn_spec.judge.known import matches
from rnn_spec.releases import release

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.gate.causes import Cause


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: changes by a pattern of their id or of their cause's, and why they do not matter here."""

    id: str
    reason: str
    verdict: str = ""
    source: str = msgspec.field(default="", name="from")
    target: str = msgspec.field(default="", name="to")

    def holds(self, source: str, target: str) -> bool:
        """Whether it is about the step between these two versions, each such as ``2.13.0+cpu``."""
        pairs = ((self.source, source), (self.target, target))
        return all(not wanted or within(wanted, version) for wanted, version in pairs)

    def fits(self, change: Change) -> bool:
        """Whether it accepts this change."""
        named = matches(change.id, self.id) or matches(change.cause, self.id)
        return named and self.verdict in ("", change.verdict)

    def __str__(self) -> str:
        """As a sentence names it."""
        return repr(self.id) + (f" ({self.verdict})" if self.verdict else "")


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an accepted-changes file holds."""

    accepted: tuple[Accepted, ...] = ()


def within(wanted: str, version: str) -> bool:
    """Whether the release in a text such as ``torch 2.13.0+cpu`` is one of those wanted."""
    found = release(version)
    return found is not None and SpecifierSet(wanted).contains(found, prereleases=True)


def read(path: Path) -> tuple[Accepted, ...]:
    """The file's entries; RecordingError says in a sentence what is wrong with it."""
    try:
        entries = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), File).accepted
        for entry in entries:
            SpecifierSet(entry.source), SpecifierSet(entry.target)
            if entry.verdict and entry.verdict not in VERDICTS:
                raise ValueError(f"{entry.verdict!r} is no verdict; they are {', '.join(VERDICTS)}")
            if not entry.reason.strip():
                raise ValueError(f"{entry.id!r} has no reason")
    except OSError as e:
        raise RecordingError(f"{path} cannot be read: {e.strerror}") from e
    except (
        tomllib.TOMLDecodeError,
        UnicodeDecodeError,
        msgspec.ValidationError,
        InvalidSpecifier,
        ValueError,
    ) as e:
        raise RecordingError(f"{path} does not say which changes are accepted: {e}") from e
    return entries


def apply(
    entries: tuple[Accepted, ...], changes: list[Change], source: str, target: str
) -> tuple[list[Change], list[str]]:
    """The changes, accepted where an entry says so; and a sentence for each entry that matches none."""
    own = [entry for entry in entries if entry.holds(source, target)]
    marked = [
        msgspec.structs.replace(change, accepted=next((e.reason for e in own if e.fits(change)), None))
        for change in changes
    ]
    idle = [e for e in own if not any(map(e.fits, changes))]
    return marked, [f"accepted is {e}, but no such change is there" for e in idle]


def written(causes: list[Cause], source: str, target: str) -> str:
    """A file that accepts what fails, between these two versions; each reason is left to be filled in."""
    entries = []
    for cause in causes:
        ids = [cause.id] if cause.id not in cause.changes else list(cause.changes)
        about = [f"# {cause.line}", *([f"# {cause.advice}"] if cause.advice else [])]
        between = [f'from = "=={release(source)}"', f'to = "=={release(target)}"']
        for id in ids:
            entries.append("\n".join([*about, "[[accepted]]", f"id = {_toml(id)}", 'reason = ""', *between]))
            about = []
    head = "# Write a reason for each, or take it out: an entry without a reason is refused.\n"
    return head + "".join(f"\n{entry}\n" for entry in entries)


def _toml(text: str) -> str:
    """A string of TOML."""
    return msgspec.json.encode(text).decode()
