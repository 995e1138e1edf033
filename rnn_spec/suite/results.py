"""results.json: every verdict of a run. The terminal's table and all other reports are views of it."""

from __future__ import annotations

import hashlib
import math
import platform
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import rnn_spec
from rnn_spec import files
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.claims import Claims
from rnn_spec.questions.product import SEED
from rnn_spec.questions.records import DTYPES, LEVELS
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TELLING = 4
"""Of how many failed checks of a clause the numbers are kept, the first by their ids."""


class ResultsError(ValueError):
    """A file that is no results.json, or contradicts itself; one sentence that says where."""


@cache
def catalogue() -> str:
    """A digest of the clauses and of the suite's checks: two runs with one were asked the same."""
    held = hashlib.sha256((files.PACKAGE / "spec" / "clauses.toml").read_bytes())
    for path in sorted(files.shipped("conformance", "tests/conformance").glob("test_*.py")):
        held.update(path.name.encode() + path.read_bytes())
    return held.hexdigest()[:12]


@dataclass
class Results:
    """A run: what was judged, with what, every verdict, and whether the run came to its end.

    `title` is the name by which known failures have the subject. `expects` are the ids of those that are in
    force. `claims` is what the subject claims beside levels and dtypes, where that is less than everything.
    `owed` is how many checks of each clause the claims owe, and `selected` what the run was told to keep to;
    it is empty if the run was to be whole. `shard`, ``K/N``, is which part this is of a run that is whole
    when all are merged. `lacking` are the levels that were required, and are not claimed.
    `catalogue` is a digest of clauses and checks, `seed` what subjects' generators are seeded with unless a
    case says otherwise, and `facts` is what the subject runs on and with, as it says: build, device, threads,
    precision settings.
    """

    subject: str
    version: str = ""
    exhaustive: bool = False
    complete: bool = False
    title: str = ""
    rnn_spec: str = rnn_spec.__version__
    catalogue: str = field(default_factory=catalogue)
    python: str = platform.python_version()
    numpy: str = np.__version__
    platform: str = f"{platform.system()} {platform.machine()}"
    seed: int = SEED
    facts: dict[str, str] = field(default_factory=dict)
    levels: list[str] = field(default_factory=list)
    dtypes: list[str] = field(default_factory=list)
    claims: dict[str, list[Any]] = field(default_factory=dict)
    declares: dict[str, str] = field(default_factory=dict)
    expects: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    shard: str = ""
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
        facts: dict[str, str],
        **claims: list[Any],
    ) -> None:
        """Take what the subject claims (`Claims.told`), declares, runs on, and is known to get wrong."""
        self.levels, self.dtypes, self.declares, self.claims = levels, dtypes, declares, claims
        self.expects, self.facts = expects, facts

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
        those = [*self.selected, *([f"shard {self.shard}"] if self.shard else [])]
        if those:
            return f"{done} of {sum(self.owed.values())} checks were asked, those of {', '.join(those)}"
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
        self._spare()
        files.write(path, msgspec.json.format(msgspec.json.encode(self), indent=1))

    def _spare(self) -> None:
        """Drop the numbers of all but the first failures of each clause; what is written stays small."""
        told: Counter[str] = Counter()
        for i, v in enumerate(self.verdicts):
            if v.numbers is not None:
                told[v.clause] += 1
                if told[v.clause] > TELLING:
                    self.verdicts[i] = replace(v, numbers=None)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote; OSError, or ResultsError where it is truncated, or not as it must be."""
        try:
            raw = msgspec.json.decode(path.read_bytes())
            found = msgspec.convert(raw, cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise ResultsError(f"{path} is not what `rnn-spec check` writes: {e}") from e
        known = {f.name for f in fields(cls)}
        strange = [f"it has no {name}" for name in sorted(known - raw.keys())]
        strange += [f"it has {name!r}, which is none of its fields" for name in sorted(raw.keys() - known)]
        if problem := next(chain(strange, inconsistencies(found)), None):
            raise ResultsError(f"{path} is not what `rnn-spec check` writes: {problem}")
        return found


def inconsistencies(results: Results) -> Iterator[str]:
    """Where results contradict themselves, in a sentence each with its place."""
    if not results.version or not results.verdicts:
        yield "it judged nobody: `version` or `verdicts` is empty"
    for name, of, known in (("levels", results.levels, LEVELS), ("dtypes", results.dtypes, DTYPES)):
        yield from (f"`{name}` has {x!r}: there are {', '.join(known)}" for x in of if x not in known)
    strange = [id for id in results.owed if id not in clauses()]
    yield from (f"`owed` names {id!r}, which is no clause" for id in strange)
    seen: dict[str, int] = {}
    for i, v in enumerate(results.verdicts):
        place = f"`verdicts[{i}]` ({v.check})"
        if v.check in seen:
            yield f"{place}: it has the check twice, at {seen[v.check]} and {i}"
        seen[v.check] = i
        if problem := _contradiction(v):
            yield f"{place}: {problem}"
    if results.part or results.problems or not results.owed:
        return
    done = Counter(v.clause for v in results.verdicts)
    for id in sorted({*done, *results.owed}):
        if done[id] != results.owed.get(id, 0):
            yield f"`owed` says {results.owed.get(id, 0)} checks of {id}, and {done[id]} have a verdict"


def _contradiction(v: Verdict) -> str | None:
    """What in a verdict contradicts the rest of it, or None."""
    if v.clause not in clauses():
        return f"no clause is called {v.clause!r}"
    if v.level and v.level not in LEVELS:
        return f"no level is called {v.level!r}"
    if v.outcome == "passed" and v.headroom is not None and v.headroom > 1:
        return f"it passed with headroom {v.headroom:g}, which is above 1"
    if v.numbers is None:
        return None
    if v.outcome != "failed":
        return f"it has the numbers of a failure, and its outcome is {v.outcome!r}"
    size, told = math.prod(v.numbers.shape), len(v.numbers.errors)
    held = v.numbers.at or range(size)
    if told != len(held) or any(not 0 <= i < size for i in v.numbers.at):
        return f"`numbers` has {told} errors, of {size} elements"
    return None


def schema() -> dict[str, Any]:
    """The JSON Schema of results.json; `Results.read` holds a file to it, and to more (`inconsistencies`)."""
    found = msgspec.json.schema(Results)
    found["$defs"]["Results"]["required"] = [f.name for f in fields(Results)]
    for f in fields(Results):
        if f.name in ("catalogue", "rnn_spec", "python", "numpy", "platform"):
            found["$defs"]["Results"]["properties"][f.name].pop("default", None)
    found["$defs"]["Results"]["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "rnn-spec results", **found}
