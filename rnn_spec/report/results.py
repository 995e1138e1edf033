"""results.json: every verdict of a run. The terminal's table and all other reports are views of it."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np

import rnn_spec
from rnn_spec.cases.records import LEVELS
from rnn_spec.judge.verdict import Verdict
from rnn_spec.report import files
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Results:
    """A run: what was judged, with what, every verdict, and whether the run came to its end."""

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
    declares: dict[str, str] = field(default_factory=dict)
    diagnoses: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def by_level(self) -> dict[str, Counter[str]]:
        """How many checks came to which outcome, by the level that they needed."""
        counts: dict[str, Counter[str]] = {level: Counter() for level in LEVELS}
        for v in self.verdicts:
            counts[v.level or clauses()[v.clause].profile][v.outcome] += 1
        return counts

    def write(self, path: Path) -> None:
        """Write atomically: whoever reads finds the old file or the new one, never a part."""
        self.verdicts.sort(key=lambda v: v.check)
        files.write(path, msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote; msgspec.ValidationError says what in a file is not as it must be."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
