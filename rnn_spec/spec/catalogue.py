"""The clauses of ``clauses.toml``: what each demands, where that is written, what failing it leads to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Clause:
    """One normative statement. `force` is MUST, SHOULD or MAY; `level` what a subject must claim.

    `needs` is what it must claim beside that for the statement to be about it, in the words of
    `questions.claims.Claims.having`.
    """

    id: str
    force: str
    level: str
    text: str
    source: str
    leads_to: str
    needs: tuple[str, ...] = ()

    @property
    def area(self) -> str:
        """The part of the id before the number."""
        return self.id.partition("-")[0]


@cache
def clauses() -> dict[str, Clause]:
    """Every clause by its id, in the catalogue's order."""
    rows = _read()["clause"]
    return {row["id"]: Clause(**{**row, "needs": tuple(row.get("needs", ()))}) for row in rows}


@cache
def areas() -> dict[str, str]:
    """Every area's title by its id, in the catalogue's order."""
    return {row["id"]: row["title"] for row in _read()["area"]}


@cache
def _read() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(Path(__file__).with_name("clauses.toml").read_text(encoding="utf-8"))
