"""results.json: every verdict of a run. The terminal's table and all other reports are views of it."""

from __future__ import annotations

import os
import platform
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

import rnn_spec
from rnn_spec.cases.records import LEVELS
from rnn_spec.judge.verdict import Verdict
from rnn_spec.spec.catalogue import clauses


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
        path.parent.mkdir(parents=True, exist_ok=True)
        self.verdicts.sort(key=lambda v: v.check)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=1))
        Path(temporary).replace(path)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote; msgspec.ValidationError says what in a file is not as it must be."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
