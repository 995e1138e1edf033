"""The history of torch's releases as a picture: releases across, clauses down, what holds since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnn_spec.gate.archive import Archive, value_at
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from rnn_spec.gate.recording import Standing

SIGNS = {"holds": "✓", "fails": "✗", "not judged": "?", "not asked": "·"}
"""What a clause is in a release, and its sign."""


@dataclass(frozen=True)
class Cell:
    """A clause in a release: a word of SIGNS, and how many checks fail."""

    word: str
    failing: int = 0


@dataclass(frozen=True)
class Row:
    """A clause through the releases; `since` is the first from which on it holds to the last, if it does."""

    clause: str
    cells: list[Cell]
    since: str

    @property
    def steady(self) -> bool:
        """Whether it holds in every release that was asked."""
        return all(cell.word in ("holds", "not asked") for cell in self.cells)


@dataclass(frozen=True)
class History:
    """Every clause of the catalogue that some release was asked, in its order."""

    releases: list[str]
    rows: list[Row]


def history(archive: Archive | None = None) -> History:
    """The picture of the recordings that ship, or of others."""
    held = archive or Archive.read()
    order = held.order
    rows = []
    for id in (id for id in clauses() if id in held.clauses):
        cells = [_cell(value_at(held.clauses[id], release)) for release in order]
        rows.append(Row(id, cells, _since(order, cells)))
    return History(order, rows)


def _cell(standing: Standing | None) -> Cell:
    if standing is None:
        return Cell("not asked")
    if standing.failed:
        return Cell("fails", len(standing.failed))
    return Cell("holds" if standing.holds else "not judged")


def _since(order: list[str], cells: list[Cell]) -> str:
    """The first release from which on it holds; nothing where it does not in the last."""
    first = ""
    for release, cell in zip(order, cells, strict=True):
        first = (first or release) if cell.word == "holds" else ""
    return first
