"""results.json: every verdict of a run. The terminal's table and all other reports are views of it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import rnn_spec
from rnn_spec import files
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.claims import Claims
from rnn_spec.questions.records import LEVELS
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Results:
    """A run: what was judged, with what, every verdict, and whether the run came to its end.

    `expects` are the ids of the known failures that are in force. `claims` is what the subject claims beside
    levels and dtypes, where that is less than everything. `owed` is how many checks of each clause the claims
    owe, and `selected` what the run was told to keep to; it is empty if the run was to be whole. `lacking`
    are the levels that were required of the subject and that it does not claim.
    """

    subject: str
    version: str = ""
    exhaustive: bool = False
    complete: bool = False
    rnn_spec: str = rnn_spec.__version__
    python: str = platform.python_version()
    numpy: str = np.__version__
    platform: str = f"{platform.system()} {platform.machine()}"
    levels: list[str] = field(default_factory=list)
    dtypes: list[str] = field(default_factory=list)
    claims: dict[str, list[Any]] = field(default_factory=dict)
    declares: dict[str, str] = field(default_factory=dict)
    expects: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    owed: dict[str, int] = field(default_factory=dict)
    diagnoses: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def introduce(
        self,
        levels: list[str],
        dtypes: list[str],
        declares: dict[str, str],
        expects: list[str],
        **claims: list[Any],
    ) -> None:
        """Take what the subject claims, as `Claims.told` says it, declares, and is known to get wrong."""
        self.levels, self.dtypes, self.declares, self.claims = levels, dtypes, declares, claims
        self.expects = expects

    def claimed(self) -> Claims:
        """The subject's claims."""
        told: dict[str, Any] = {kind: tuple(claimed) for kind, claimed in self.claims.items()}
        return Claims(frozenset(self.levels), tuple(self.dtypes), **told)

    @property
    def part(self) -> str:
        """Why this is a part of a run and says nothing of the whole; nothing where it is whole."""
        done = len(self.verdicts)
        if not self.complete:
            return f"the run was interrupted after {done} of {sum(self.owed.values()) or 'its'} checks"
        if self.selected:
            return (
                f"{done} of {sum(self.owed.values())} checks were asked, those of {', '.join(self.selected)}"
            )
        return ""

    def by_level(self) -> dict[str, list[Verdict]]:
        """The verdicts by the level that they count for."""
        found: dict[str, list[Verdict]] = {level: [] for level in LEVELS}
        for v in self.verdicts:
            found[v.level or clauses()[v.clause].level].append(v)
        return found

    def write(self, path: Path) -> None:
        """Write atomically: whoever reads finds the old file or the new one, never a part."""
        self.verdicts.sort(key=lambda v: v.check)
        files.write(path, msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote; msgspec.ValidationError says what in a file is not as it must be."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
