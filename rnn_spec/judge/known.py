"""Expected failures: what a subject is known to get wrong, as data, strict both ways.

``known.toml`` has a table for each, of torch and of other frameworks alike: the subject, the clause, the
checks that fail (patterns of their ids), what their messages must match, what happens in a sentence, since
when, where it is reported or ``unreported``, and a reproduction that imports the subject's framework alone. A
check that is expected to fail and passes, fails in another way, or does not exist, fails the run. An
implementer's own file (``--known``) has the same rows, of which `NEEDED` must be there; one whose list of
checks is empty is a note of what no check shows.

A subclass of torch.nn.RNN inherits torch's failures with its methods: a check that fails on it just as it
is known to fail on torch is known, too. One that passes is no failure there, for the subclass may have
mended it.

A row's message tells the kind of the failure, in the words of the check, and not in those of torch, which may
say it in others at any time: a refusal that then still does not name h_0 is the same failure.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from rnn_spec.releases import release

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rnn_spec.judge.verdict import Verdict

OURS = Path(__file__).with_name("known.toml")
NEEDED = ("id", "checks", "message", "happens")
"""What every row has; the other fields say more of it, or where it applies."""
MATTERS = {"result": "a wrong or missing result", "promise": "a broken promise", "words": "words"}
"""How much a failure matters, the gravest first.

Result: an output, a state or a gradient is wrong, or is not there although all that was given is valid.
Promise: what is documented is refused or not done, or what cannot be right is taken. Words: what is rightly
refused or shown is so by another class, at another place, or in words that do not help.
"""


class KnownError(ValueError):
    """A file of known failures that cannot be used; its message is a sentence that names the place."""


@dataclass(frozen=True)
class Known:
    """One known failure.

    `matters` is a word of MATTERS. `title` and `expected`, what should happen, make with the rest a text that
    can be filed where the failure is not reported (`report`). `whose` says whose failure it is, if it is none
    of the subject's own. `newer` are those of the checks that no recording of torch was asked: `since` is not
    about them. `drawn` are patterns of questions of the search that show it, which no run owes.
    `elsewhere` are other subjects that show it, with the checks that fail of each.
    `subject` is a pattern of its name, empty for any. `releases` is a version specifier, and empty where
    every release shows it, of which those `seen` were looked at; `since` is the first release on
    record that does, as every later one does, or unknown where no recording can show it. `proof` is how it
    was told from a fault of the adapter; a row without checks is a note of what none shows. `reproduction`
    needs the subject's framework alone, and is in `language`.
    """

    id: str
    checks: tuple[str, ...]
    message: str
    happens: str
    matters: Literal["result", "promise", "words"] = "result"
    title: str = ""
    expected: str = ""
    whose: str = ""
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    newer: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    subject: str = ""
    clause: str = ""
    since: str = "unknown"
    issue: str = "unreported"
    reproduction: str = ""
    language: Literal["python", "javascript"] = "python"
    seen: str = "torch 2.13.0 and 2.15.0"
    releases: str = ""
    proof: str = ""
    file: str = OURS.name

    def applies(self, subject: str, version: str) -> bool:
        """Whether it is expected of this subject in this version, such as ``torch 2.13.0+cpu``."""
        if self.releases and not (
            (found := release(version)) and found in SpecifierSet(self.releases, prereleases=True)
        ):
            return False
        return not self.subject or matches(subject.partition("@")[0], self.subject)

    @property
    def of_torch(self) -> bool:
        """Whether torch itself, which is the definition, shows it: on a route, in C++, or in a subclass."""
        return self.subject.partition(":")[0] in ("torch", "libtorch")

    def expects(self, check: str) -> bool:
        """Whether the check of this id is expected to fail; ``*`` stands for anything."""
        return any(matches(check, pattern) for pattern in (*self.checks, *self.drawn))

    def explains(self, message: str) -> bool:
        """Whether a failure with this message is the recorded one."""
        return re.search(self.message, message) is not None

    def report(self) -> str:
        """The failure as a text to be filed, in Markdown."""
        since = "" if self.since == "unknown" else f" Since {self.since}, of the releases that were tried."
        parts = (
            f"# {self.title}",
            f"**What happens.** {self.happens}",
            f"**What was expected.** {self.expected}",
            f"**To reproduce:**\n\n```{self.language}\n{self.reproduction.strip()}\n```",
            f"**Version.** Seen in {self.seen}.{since}",
        )
        return "\n\n".join(parts) + "\n"


def matches(id: str, pattern: str) -> bool:
    """Whether the pattern is of this id: ``*`` stands for anything, and brackets for themselves."""
    return fnmatchcase(id, pattern.replace("[", "[[]"))


class Expected:
    """The failures expected of a subject: `strict` ones, and `inherited` ones, which may be mended."""

    def __init__(self, strict: Iterable[Known], inherited: Iterable[Known] = ()) -> None:
        """Keep them, the subject's own first."""
        self.strict, self.inherited = tuple(strict), tuple(inherited)
        self._of_module: dict[str | None, list[Known]] = {}

    @classmethod
    def of(cls, subject: Any, version: str, own: Sequence[Known] = ()) -> Expected:
        """Those of a Subject in this version, by our list and by a file of its own."""
        kin = subject.inherits
        return cls(
            [k for k in (*own, *known()) if k.applies(subject.title, version)],
            [k for k in known() if kin and any(k.applies(name, kin[1]) for name in kin[0])],
        )

    def settle(self, check: str, difference: str | None) -> tuple[str, Known | None]:
        """The outcome of a check that showed a difference, or None, and the failure that was expected of it.

        It is "known" where a failure that is expected says what was seen, and else "failed"; "passed" where
        nothing was seen, and "failed" if something was expected that a subclass has not mended.
        """
        found = [k for k in self._in(module(check)) if k.expects(check)]
        if difference is None:
            missed = next((k for k in found if k in self.strict), None)
            return ("failed" if missed else "passed"), missed
        shown = next((k for k in found if k.explains(difference)), None)
        return ("known" if shown else "failed"), shown or (found[0] if found else None)

    def _in(self, of: str | None) -> list[Known]:
        """Those that some check of a test module is expected to show."""
        if of not in self._of_module:
            self._of_module[of] = [
                k
                for k in (*self.strict, *self.inherited)
                if any(module(pattern) in (of, None) for pattern in (*k.checks, *k.drawn))
            ]
        return self._of_module[of]


def module(check: str) -> str | None:
    """The test module of a check, by its id or a pattern of ids; None where the pattern is of several."""
    found = check.partition("::")[0]
    return None if "*" in found else found


def unmet(expected: Iterable[Known], verdicts: Sequence[Verdict]) -> list[str]:
    """Which of the failures that are expected a whole run has not shown: a sentence each.

    Nothing was expected of checks that the subject could not be asked, none of one that is a note.
    """
    problems, seen = [], {v.known for v in verdicts}
    asked: dict[str | None, list[str]] = {None: [v.check for v in verdicts if v.outcome != "not claimed"]}
    for check in asked[None]:
        asked.setdefault(module(check), []).append(check)
    unanswered = [v.check for v in verdicts if v.outcome == "unsupported"]
    for k in expected:
        idle = [p for p in k.checks if not any(matches(check, p) for check in asked.get(module(p), ()))]
        problems += [f"known failure {k.id!r}: no check that ran is called {p!r} ({k.file})" for p in idle]
        if k.checks and not idle and k.id not in seen and not any(map(k.expects, unanswered)):
            problems.append(f"known failure {k.id!r} matches no failure ({k.file})")
    return problems


def read(path: Path) -> tuple[Known, ...]:
    """The rows of a file as known.toml is; KnownError says where one is not as it must be."""
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise KnownError(f"{path}: {' '.join(str(e).split())}") from e
    if set(rows) - {"known"} or not isinstance(rows.get("known", []), list):
        raise KnownError(f"{path}: a known failure is a table [[known]], and nothing else may be there")
    found = [_row(row, f"{path}: {_place(row, n)}", path) for n, row in enumerate(rows.get("known", []), 1)]
    for n, k in enumerate(found):
        if k.id in {other.id for other in (*found[:n], *known())}:
            raise KnownError(f"{path}: two known failures have the id {k.id!r}")
    return tuple(found)


def _place(row: Any, number: int) -> str:
    named = isinstance(row, dict) and isinstance(row.get("id"), str)
    return f"known failure {row['id']!r}" if named else f"known failure {number}"


def _row(row: Any, place: str, path: Path) -> Known:
    """A Known of a table; KnownError where it is none."""
    if not isinstance(row, dict):
        raise KnownError(f"{place}: it is no table")
    if strange := set(row) - {f.name for f in fields(Known)} | {"file", "newer"} & set(row):
        raise KnownError(f"{place}: it has a field {min(strange)!r}, which is none of a known failure's")
    note = row.get("checks") == []
    if absent := [name for name in NEEDED if row.get(name, "") == "" and not (note and name == "message")]:
        raise KnownError(f"{place}: it has no {absent[0]}")
    try:
        made = msgspec.convert({"message": "", **row, "file": str(path)}, Known)
        re.compile(made.message)
        SpecifierSet(made.releases)
    except msgspec.ValidationError as e:
        raise KnownError(f"{place}: {str(e).replace('`$.', '`')}") from e
    except re.error as e:
        raise KnownError(f"{place}: message is no regular expression: {e}") from e
    except InvalidSpecifier as e:
        raise KnownError(f"{place}: releases are no version specifier: {e}") from e
    return made


@cache
def known() -> tuple[Known, ...]:
    """Every known failure of every subject, in the file's order."""
    rows = tomllib.loads(OURS.read_text(encoding="utf-8")).get("known", [])
    newer = [tuple(row.get("newer", ())) for row in rows]
    checks = [(*row["checks"], *later) for row, later in zip(rows, newer, strict=True)]
    found = [
        Known(**{"message": "", **row, "checks": of, "newer": later, "drawn": tuple(row.get("drawn", ()))})
        for row, of, later in zip(rows, checks, newer, strict=True)
    ]
    return tuple(each for k in found for each in (k, *elsewhere(k)))


def elsewhere(k: Known) -> list[Known]:
    """The same failure as other subjects show it, each in checks of its own."""
    return [
        replace(k, subject=name, checks=tuple(of), newer=(), elsewhere={}) for name, of in k.elsewhere.items()
    ]


@cache
def expected_of(subject: str, version: str) -> list[Known]:
    """What this subject in this version is known to get wrong."""
    return [k for k in known() if k.applies(subject, version)]
