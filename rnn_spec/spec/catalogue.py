"""The clauses of ``clauses.toml``: what each demands, where that is written, what failing it leads to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Clause:
    """One normative statement. `level` is MUST, SHOULD or MAY; `profile` what a subject must claim."""

    id: str
    level: str
    profile: str
    text: str
    source: str
    leads_to: str

    @property
    def area(self) -> str:
        """The part of the id before the number."""
        return self.id.partition("-")[0]


@cache
def clauses() -> dict[str, Clause]:
    """Every clause by its id, in the catalogue's order."""
    return {row["id"]: Clause(**row) for row in _read()["clause"]}


@cache
def areas() -> dict[str, str]:
    """Every area's title by its id, in the catalogue's order."""
    return {row["id"]: row["title"] for row in _read()["area"]}


@cache
def _read() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads(Path(__file__).with_name("clauses.toml").read_text(encoding="utf-8"))
