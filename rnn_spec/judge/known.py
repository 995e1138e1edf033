"""Expected failures: what a subject is known to get wrong, as data, strict both ways.

``known.toml`` has a table for each: the subject, the clause, the checks that fail (patterns of their
ids), what their messages must match, what happens in a sentence, since when, PyTorch's issue or
``unreported``, and a reproduction that imports the subject's framework alone. A check that is expected to
fail and passes, fails in another way, or does not exist, fails the run.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version


@dataclass(frozen=True)
class Known:
    """One known failure.

    `releases` is a version specifier, and empty where every release looked at (2.13.0 and 2.15.0) shows
    it; `since` is the first release on record that does, as every later one does, or unknown. It is read from
    the recordings of `probe`, where there is one: its fact as JSON matches `shows`.
    """

    id: str
    subject: str
    clause: str
    checks: tuple[str, ...]
    message: str
    happens: str
    since: str
    issue: str
    reproduction: str
    releases: str = ""
    probe: str = ""
    shows: str = ""

    def applies(self, subject: str, version: str) -> bool:
        """Whether it is expected of this subject in this version, such as ``torch 2.13.0+cpu``."""
        found = re.search(r"\d+(\.\d+)+", version)
        release = not self.releases or (
            found and Version(found[0]) in SpecifierSet(self.releases, prereleases=True)
        )
        return self.subject == subject.partition("@")[0] and bool(release)

    def expects(self, check: str) -> bool:
        """Whether the check of this id is expected to fail; ``*`` stands for anything."""
        return any(matches(check, pattern) for pattern in self.checks)

    def explains(self, message: str) -> bool:
        """Whether a failure with this message is the recorded one."""
        return re.search(self.message, message) is not None


def matches(id: str, pattern: str) -> bool:
    """Whether the pattern is of this id: ``*`` stands for anything, and brackets for themselves."""
    return fnmatchcase(id, pattern.replace("[", "[[]"))


@cache
def known() -> tuple[Known, ...]:
    """Every known failure of every subject, in the file's order."""
    rows = tomllib.loads(Path(__file__).with_name("known.toml").read_text(encoding="utf-8")).get("known", [])
    return tuple(Known(**row | {"checks": tuple(row["checks"])}) for row in rows)


@cache
def expected_of(subject: str, version: str) -> list[Known]:
    """What this subject in this version is known to get wrong."""
    return [k for k in known() if k.applies(subject, version)]


@cache
def expected_in(subject: str, version: str, module: str) -> list[Known]:
    """Those of `expected_of` that some check of a test module is expected to show."""
    found = expected_of(subject, version)
    return [k for k in found if any(fnmatchcase(module, pattern.partition("::")[0]) for pattern in k.checks)]
