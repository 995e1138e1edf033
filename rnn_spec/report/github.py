"""What a run leaves where GitHub's variables say that it is one of theirs: a summary, and annotations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rnn_spec.report.view import Judged

SHOWN = 10
"""How many annotations of a kind GitHub shows in a step."""


def summary_file() -> Path | None:
    """Where the step's summary goes, if there is one."""
    found = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(found) if found else None


def watches() -> bool:
    """Whether GitHub reads what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotated(judged: Judged) -> Iterator[str]:
    """A workflow command for each clause that fails: an error, or a warning for what is a SHOULD alone.

    The last of more than GitHub shows says how many are left out.
    """
    found: dict[str, list[str]] = {"error": [], "warning": []}
    for f in judged.failures:
        level, clause = "error" if f.against else "warning", clauses()[f.clause]
        said = f"{clause.text}\n{f.difference}"
        found[level].append(command(level, f"{f.clause} ({clause.force})", said))
    yield from limited(found, "the summary has more")


def limited(found: Mapping[str, list[str]], rest: str) -> Iterator[str]:
    """Commands by their level, so many as GitHub shows; the last of more says how many `rest` has."""
    for level, lines in found.items():
        left = len(lines) - SHOWN
        yield from lines if left <= 0 else lines[: SHOWN - 1]
        if left > 0:
            yield command(level, f"and {left + 1} more", f"GitHub shows {SHOWN} a step; {rest}")


def command(level: str, title: str, said: str, place: str = "") -> str:
    """A workflow command, so that nothing in its words is read as one; `place` is a ``file:line``, if any."""
    file, _, line = place.rpartition(":")
    at = f"file={_escaped(file, ':,')},line={line}," if file and line.isdigit() else ""
    return f"::{level} {at}title={_escaped(title, ':,')}::{_escaped(said)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + also else c for c in text)
