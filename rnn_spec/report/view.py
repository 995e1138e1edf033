"""What a page, a summary and a badge show of a run: one record, of results.json or of a committed card."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rnn_spec import files
from rnn_spec.judge.known import MATTERS, known
from rnn_spec.questions.data import SIZES
from rnn_spec.questions.records import LEVELS
from rnn_spec.report import failures as failures_of
from rnn_spec.report.pictures import HeatMap, Strip, heat_map, strips
from rnn_spec.report.standings import Card, card_of, read_card
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.results import Results, ResultsError
from rnn_spec.suite.standing import Standing, conforms, fails, sentence, standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rnn_spec.judge.numbers import Numbers
    from rnn_spec.judge.verdict import Verdict

SIGNS = {
    "passed": "✓", "failed": "✗", "known": "≈", "unsupported": "?", "not claimed": "·", "broken": "!",
}  # fmt: skip
"""A sign for each outcome, and so for a clause: colour is never the only one."""
GRAVEST = ("broken", "failed", "known", "unsupported", "passed", "not claimed")
STANDS = {
    "conforms": "✓", "conforms in part": "◐", "does not conform": "✗", "asked in part": "◐",
    "not judged": "·", "not claimed": "·",
}  # fmt: skip
LISTED = 12
"""How many ids of failing checks are listed under a clause."""
LARGEST_SCRIPT = 20_000
"""Bytes of a reproduction above which it is named and not shown."""


@dataclass
class Failure:
    """A clause that fails, or one refusal of several: the first check, and how many more.

    `against` says whether it keeps the subject from conforming: a SHOULD alone does not.
    """

    clause: str
    clauses: list[str]
    checks: list[str]
    count: int
    difference: str
    case: str
    known: str = ""
    numbers: Numbers | None = None
    picture: HeatMap | None = None
    command: str = ""
    script: str = ""
    traceback: str = ""
    flags: list[tuple[str, int, int]] = field(default_factory=list)
    against: bool = True


@dataclass
class KnownFailure:
    """A failure that is expected: what happens, how many checks show it, and how to see it."""

    id: str
    clause: str
    happens: str
    matters: str
    checks: list[str]
    reproduction: str = ""


@dataclass
class Judged:
    """A subject, as it came out of a run."""

    name: str
    version: str
    says: str
    good: bool | None
    levels: dict[str, Standing]
    level_counts: dict[str, Counter[str]]
    dtypes: list[str]
    clauses: dict[str, Counter[str]]
    facts: dict[str, str]
    command: str = ""
    behaves: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    declares: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    known: list[KnownFailure] = field(default_factory=list)
    by_dtype: list[Strip] = field(default_factory=list)
    by_area: list[Strip] = field(default_factory=list)
    flags: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def word(self) -> str:
        """The verdict in a word: green is said where the whole conforms, and nowhere else."""
        return {True: "conforms", False: "does not conform", None: "judged in part"}[self.good]

    def outcome(self, clause: str) -> str:
        """What became of a clause, in the gravest outcome of its checks; nothing was asked: not claimed."""
        counts = self.clauses.get(clause, Counter[str]())
        return next((word for word in GRAVEST if counts[word]), "not claimed")

    def total(self, outcome: str) -> int:
        """How many checks came to this."""
        return sum(counts[outcome] for counts in self.clauses.values())


def read(path: Path) -> Judged:
    """What a results.json, or a committed card of one, says; OSError, or ResultsError with a sentence."""
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if isinstance(raw, dict) and "failures" in raw and "verdicts" not in raw:
            return of_card(card_of(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise ResultsError(f"{path} is not what `rnn-spec check` writes: {e}") from e
    return of_results(Results.read(path), path.parent)


def cards() -> dict[str, Path]:
    """The committed cards, by subject: what `rnn-spec check` found of each, in pinned versions."""
    folder = files.shipped("fixtures/conformance", "fixtures/conformance")
    return {read_card(path).subject: path for path in sorted(folder.glob("*.json"))}


def of_results(results: Results, folder: Path | None = None) -> Judged:
    """A run; `folder` is where its reproductions are looked for."""
    of_clause: dict[str, list[Verdict]] = defaultdict(list)
    for v in results.verdicts:
        of_clause[v.clause].append(v)
    by_dtype, by_area = strips(results.verdicts)
    whole = not results.part and not results.problems
    against = not conforms(results) or any(v.outcome == "broken" for v in results.verdicts)
    facts = {
        "rnn-spec": f"{results.rnn_spec}, catalogue {results.catalogue}", "Python": results.python,
        "NumPy": results.numpy, "platform": results.platform, **results.facts,
    }  # fmt: skip
    return Judged(
        results.subject, results.version, sentence(results),
        False if against else True if whole else None, standings(results),
        {level: Counter(v.outcome for v in of) for level, of in results.by_level().items()},
        results.dtypes, {id: Counter(v.outcome for v in of) for id, of in of_clause.items()}, facts,
        f"rnn-spec check {shlex.quote(results.subject)}" + (" --exhaustive" if results.exhaustive else ""),
        results.diagnoses, [*results.problems, *([results.part] if results.part else [])], results.declares,
        [_failure(group, results.subject, of_clause, folder) for group in failures_of.groups(results)],
        known_failures(results.verdicts), by_dtype, by_area,
        {id: _flags(of) for id, of in of_clause.items()}, sum(v.seconds for v in results.verdicts),
    )  # fmt: skip


def of_card(card: Card) -> Judged:
    """A committed card: counts and failures, without headrooms and without numbers."""
    levels = {level: _card_standing(card, level) for level in LEVELS}
    groups: dict[str, list[Any]] = defaultdict(list)
    for f in card.failures:
        groups[f.clause].append(f)
    failures = [
        Failure(
            id,
            [id],
            [f.check for f in of][:LISTED],
            len(of),
            of[0].difference,
            case_of(of[0].check),
            against=clauses()[id].force == "MUST",
        )
        for id, of in groups.items()
    ]
    return Judged(
        card.subject, card.version,
        f"{card.version}: {len(card.failures)} checks fail, of {len(groups)} clauses" if failures
        else f"{card.version}: no check fails",
        _card_stands(levels), levels, {level: Counter(counts) for level, counts in card.levels.items()},
        card.dtypes, {id: Counter(counts) for id, counts in card.clauses.items()},
        {"rnn-spec": card.rnn_spec, "Python": card.python, "NumPy": card.numpy, "platform": card.platform},
        card.command, card.diagnoses, [], card.declares, failures,
    )  # fmt: skip


def _card_stands(levels: dict[str, Standing]) -> bool | None:
    """Whether the whole conforms; None where it was answered in part."""
    words = {standing.word for standing in levels.values()}
    return False if "does not conform" in words else None if "conforms in part" in words else True


def _card_standing(card: Card, level: str) -> Standing:
    n = Counter(card.levels.get(level, {}))
    answered, asked = n["passed"] + n["failed"] + n["known"], n.total() - n["not claimed"]
    if level not in card.claims or not asked:
        return Standing("not claimed")
    if n["failed"]:
        return Standing("does not conform", answered, asked)
    return Standing("conforms" if answered == asked else "conforms in part", answered, asked)


def _flags(verdicts: list[Verdict]) -> list[str]:
    """All flags of the cases that were asked."""
    return [*dict.fromkeys(f for v in verdicts if v.outcome != "not claimed" for f in flags_of(v.case))]


def _failure(
    group: list[Verdict], subject: str, of_clause: Mapping[str, list[Verdict]], folder: Path | None
) -> Failure:
    telling = [v for v in group if v.numbers]
    first = next((v for v in telling if v.headroom is not None), [*telling, *group][0])
    ids = list(dict.fromkeys(v.clause for v in group))
    script, command = _reproduction(first, subject, folder)
    return Failure(
        first.clause, ids, [v.check for v in group[:LISTED]], len(group), first.difference or first.message,
        first.case or "", first.known or "", first.numbers, heat_map(first.numbers), command, script,
        next((v.traceback for v in group if v.traceback), ""), shared(group, of_clause),
        any(map(fails, group)),
    )  # fmt: skip


def shared(group: list[Verdict], of_clause: Mapping[str, list[Verdict]]) -> list[tuple[str, int, int]]:
    """The flags of the cases that fail: of each, how many judged checks of the clauses fail, of how many."""
    asked = Counter(
        flag
        for id in dict.fromkeys(v.clause for v in group)
        for v in of_clause[id]
        if v.outcome in ("passed", "failed", "known")
        for flag in flags_of(v.case)
    )
    failing = Counter(flag for v in group for flag in flags_of(v.case))
    found = [(flag, failing[flag], asked[flag]) for flag in failing]
    return sorted(found, key=lambda row: (-row[1] / row[2], -row[1], row[0]))


def flags_of(case: str | None) -> list[str]:
    """The flags of a case, as its id has them, and what it derives from it."""
    words = (case or "").partition("~")[0].split("-")
    return [w for w in words if w] if words[0] in SIZES else []


def case_of(check: str) -> str:
    """What stands in a check's id for its case."""
    return check.partition("[")[2].rstrip("]")


def _reproduction(v: Verdict, subject: str, folder: Path | None) -> tuple[str, str]:
    """The text of a script that shows a failure, if there is one, and the command that asks it again."""
    if not v.reproduction:
        return "", f"rnn-spec case {shlex.quote(v.case)} --subject {shlex.quote(subject)}" if v.case else ""
    path = Path(v.reproduction)
    if path.suffix != ".py":
        return "", f"rnn-spec check {shlex.quote(subject)} --question {shlex.quote(v.reproduction)}"
    for place in (path, *([folder / path.parent.name / path.name] if folder else [])):
        try:
            text = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return (text if len(text) <= LARGEST_SCRIPT else ""), f"python {shlex.quote(v.reproduction)}"
    return "", f"python {shlex.quote(v.reproduction)}"


def known_failures(verdicts: Iterable[Verdict]) -> list[KnownFailure]:
    """The failures that were expected and came, the gravest first."""
    of: dict[str, list[Verdict]] = defaultdict(list)
    for v in verdicts:
        if v.outcome == "known" and v.known:
            of[v.known].append(v)
    rows = {k.id: k for k in known()}
    found = [
        KnownFailure(
            id, group[0].clause, group[0].message, group[0].matters, [v.check for v in group],
            rows[id].reproduction.strip() if id in rows else "",
        )
        for id, group in of.items()
    ]  # fmt: skip
    order = [*MATTERS, ""]
    return sorted(found, key=lambda k: (order.index(k.matters), list(clauses()).index(k.clause), k.id))
