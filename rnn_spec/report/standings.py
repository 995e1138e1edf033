"""docs/conformance.md: who conforms, from committed results, and what is known of every failure.

A *card* is a run's results made small: counts for each level and clause, and every failure. A *finding* is
a known failure (`judge.known`) of another framework: what lies behind failing checks, how that was proven not
to be the adapter's, and where it is reported. torch is the definition, and what it is known to get wrong is
no failure of its card; of any other's card it is one.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from rnn_spec.judge.known import known
from rnn_spec.questions.records import LEVELS
from rnn_spec.suite.results import TELLING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rnn_spec.judge.known import Known
    from rnn_spec.judge.verdict import Verdict
    from rnn_spec.suite.results import Results

SHOWN = 3
"""Lines of a failure's difference; the first alone after TELLING of a clause, if it tells what is known."""


@dataclass
class Failure:
    """A check that failed: what differs, and its headroom where numbers were compared."""

    check: str
    clause: str
    difference: str
    headroom: float | None = None


@dataclass
class Card:
    """A subject's results. `levels` and `clauses` count outcomes: passed, failed, known, not claimed.

    `catalogue` is the digest of the clauses and checks that judged it, and empty where it was not kept.
    """

    subject: str
    version: str
    rnn_spec: str
    python: str
    numpy: str
    platform: str
    command: str
    claims: list[str]
    dtypes: list[str]
    declares: dict[str, str]
    diagnoses: list[str]
    levels: dict[str, dict[str, int]] = field(default_factory=dict)
    clauses: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    catalogue: str = ""

    @classmethod
    def of(cls, results: Results, name: str = "", options: str = "") -> Card:
        """The card of a run, under the subject's own name or another; ValueError where it was not whole."""
        if results.part or results.problems or not results.levels:
            why = "; ".join(filter(None, [results.part, *results.problems])) or "nothing was judged"
            raise ValueError(f"the run of {results.subject} is not whole: {why}")
        command = f"rnn-spec check {shlex.quote(results.subject)} {options}".strip()
        results = replace(results, verdicts=[_as_seen(v) for v in results.verdicts])
        by_clause: dict[str, list[Verdict]] = {}
        for v in results.verdicts:
            by_clause.setdefault(v.clause, []).append(v)
        return cls(
            name or results.subject, results.version, results.rnn_spec, results.python, results.numpy,
            results.platform, command, results.levels, results.dtypes,
            results.declares, results.diagnoses,
            {level: _counted(verdicts) for level, verdicts in results.by_level().items()},
            {id: n for id, verdicts in by_clause.items() if set(n := _counted(verdicts)) != {"not claimed"}},
            [
                Failure(v.check, v.clause, _short(v, i), _finite(v.headroom))
                for verdicts in by_clause.values()
                for i, v in enumerate(v for v in verdicts if v.outcome == "failed")
            ],
            results.catalogue,
        )  # fmt: skip

    def says(self, level: str) -> str:
        """What it is at this level, in a sign and a count: see HEAD."""
        counts = Counter(self.levels.get(level, {}))
        passed, failed = counts["passed"], counts["failed"]
        known = f" ≈ {counts['known']}" if counts["known"] else ""
        if failed:
            return f"✗ {failed}/{passed + failed}{known}"
        if left := counts["unsupported"]:
            answered = passed + counts["known"]
            return f"◐ {answered}/{answered + left}{known}"
        return f"✓ {passed}{known}" if passed else "·"


class _Held(msgspec.Struct):
    """The failures in a card's file: by clause, by test, and by case, which is empty where a test has one."""

    failures: dict[str, dict[str, dict[str, tuple[str, float | None]]]]


@dataclass
class Fixtures:
    """The committed cards and findings."""

    cards: list[Card]
    findings: Sequence[Known]

    @classmethod
    def read(cls, folder: Path) -> Fixtures:
        """Read a folder of cards; ValueError names the file that is not as it must be, and where."""
        cards = [read_card(path) for path in sorted(folder.glob("*.json"))]
        return cls(cards, [k for k in known() if not k.of_torch])

    def of(self, card: Card) -> list[tuple[Known, list[Failure]]]:
        """The findings of a subject, each with the failures that it explains."""
        return [(k, explained(card, k)) for k in self.findings if k.applies(card.subject, card.version)]

    @property
    def strays(self) -> set[str]:
        """The subjects that another suite judged than judged torch: their counts are not to be compared."""
        of_torch = {c.catalogue for c in self.cards if c.subject == "torch"}
        return {c.subject for c in self.cards if of_torch and c.catalogue not in of_torch}

    def unexplained(self, card: Card) -> list[Failure]:
        """The failures that no finding explains."""
        found = [f for _, failures in self.of(card) for f in failures]
        return [f for f in card.failures if f not in found]


def explained(card: Card, finding: Known) -> list[Failure]:
    """The failures of a card that a finding explains, if it is of its subject."""
    if not finding.applies(card.subject, card.version):
        return []
    return [f for f in card.failures if finding.expects(f.check) and finding.explains(f.difference)]


def read_card(path: Path) -> Card:
    """A committed card; ValueError with a sentence where the file is none."""
    try:
        return card_of(msgspec.json.decode(path.read_bytes()))
    except (OSError, msgspec.DecodeError) as e:
        raise ValueError(f"{path} is not a conformance fixture: {e}") from e


def card_of(raw: Any) -> Card:
    """What a card's file holds, where failures stand by clause and test; msgspec.DecodeError otherwise."""
    held = msgspec.convert(raw, _Held)
    failures = [
        Failure(f"{test}[{case}]" if case else test, clause, *told)
        for clause, tests in held.failures.items()
        for test, cases in tests.items()
        for case, told in cases.items()
    ]
    return msgspec.convert(raw | {"failures": failures}, Card)


def write_card(card: Card, folder: Path) -> Path:
    """Write it, by the subject's name, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.subject.replace(':', '-')}.json"
    by_clause: dict[str, dict[str, dict[str, tuple[str, float | None]]]] = {}
    for f in card.failures:
        test, _, case = f.check.removesuffix("]").partition("[")
        by_clause.setdefault(f.clause, {}).setdefault(test, {})[case] = (f.difference, f.headroom)
    raw = msgspec.to_builtins(card) | {"failures": by_clause}
    path.write_text(_lines(raw) + "\n", encoding="utf-8")
    return path


def markdown(fixtures: Fixtures) -> str:
    """The whole document."""
    return "\n".join(_document(fixtures)) + "\n"


HEAD = """\
# Who conforms

Made by `rnn-spec regenerate` from `fixtures/conformance/`; a test holds it to them. `rnn-spec site` has a
page for each subject and each failure.

A *level* is what an implementer can claim; a cell counts the checks that needed that level and none after
it. ✓: so many passed, and none failed. ✗: so many failed, of how many. ◐: so many were answered, of how
many. ≈: so many fail as it is known of torch. ·: not claimed, which is neither passed nor failed. Of
`torch_api`, the Python class itself is torch's alone.
"""

STRAY = "† Judged by another suite than `torch` was: its counts are not to be compared with other rows'."


def _document(fixtures: Fixtures) -> Iterator[str]:
    strays = fixtures.strays
    yield HEAD
    yield from _table(
        ["subject", *(f"`{level}`" for level in LEVELS)],
        [
            [f"`{c.subject}`" + " †" * (c.subject in strays), *(c.says(level) for level in LEVELS)]
            for c in fixtures.cards
        ],
    )
    if strays:
        yield f"\n{STRAY}"
    yield "\n## What fails, and what users trip over\n"
    yield "Each was first proven not to be the adapter's. `rnn-spec known SUBJECT --id ID --reproduction`"
    yield "prints a script that needs the framework alone."
    for finding in fixtures.findings:
        yield from _finding(fixtures, finding)
    yield "\n## What they are\n"
    yield "Differences that are no faults; `rnn_spec/subjects/base.py` says what each word means.\n"
    traits = sorted({trait for card in fixtures.cards for trait in card.declares})
    yield from _table(
        ["subject", "dtypes", *(trait.replace("_", " ") for trait in traits)],
        [
            [f"`{c.subject}`", ", ".join(c.dtypes), *(c.declares.get(trait, "") for trait in traits)]
            for c in fixtures.cards
            if c.declares
        ],
    )
    yield "\n## How each was judged\n"
    yield "In the environment that `tox.ini` pins (`tox -e NAME`).\n"
    yield from _table(
        ["subject", "judged", "command", "with"],
        [
            [f"`{c.subject}`", c.version, f"`{c.command}`",
             f"rnn-spec {c.rnn_spec}, Python {c.python}, NumPy {c.numpy}, {c.platform}"]
            for c in fixtures.cards
        ],
    )  # fmt: skip


def _finding(fixtures: Fixtures, finding: Known) -> Iterator[str]:
    """A paragraph: in whom, what happens, how it was proven, which checks show it."""
    cards = [c for c in fixtures.cards if finding.applies(c.subject, c.version)]
    shown = {f.check: f.clause for c in cards for f in explained(c, finding)}
    of = ", ".join(dict.fromkeys(shown.values()))
    count = f"{len(shown)} check{'' if len(shown) == 1 else 's'}"
    seen = f"Shown by {count} of {of}." if shown else "No check shows it: the adapter does without."
    reported = "" if finding.issue == "unreported" else f" Reported: {finding.issue}."
    told = [
        f"In {', '.join(f'`{c.subject}`' for c in cards)}.",
        _one_line(finding.happens), f"*Proof.* {_one_line(finding.proof)}", f"{seen}{reported}",
    ]  # fmt: skip
    yield f"\n### {finding.id}\n"
    yield " ".join(told)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _counted(verdicts: list[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(v.outcome for v in verdicts).items()))


def _as_seen(verdict: Verdict) -> Verdict:
    """The verdict, failed where it is known of another than torch."""
    theirs = verdict.outcome == "known" and verdict.known not in {
        None,
        *(k.id for k in known() if k.of_torch),
    }
    return replace(verdict, outcome="failed") if theirs else verdict


def _short(verdict: Verdict, before: int) -> str:
    """What is kept of what differs in a failure, of whose clause there were so many before it."""
    lines = verdict.difference.splitlines()[:SHOWN]
    told = before >= TELLING and any(
        k.id == verdict.known and k.explains("".join(lines[:1])) for k in known()
    )
    return "\n".join(lines[:1] if told else lines)[:300]


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _finite(x: float | None) -> float | None:
    return None if x is None or x in (float("inf"), float("-inf")) or x != x else float(f"{x:.3g}")


def _lines(value: Any) -> str:
    """JSON with a line for each record: small, and its changes read well."""

    def one(x: Any) -> str:
        return msgspec.json.encode(x).decode()

    def entry(key: str, x: Any) -> str:
        if isinstance(x, dict) and any(isinstance(y, dict) for y in x.values()):
            return f"{one(key)}: {{\n  " + ",\n  ".join(f"{one(k)}: {one(y)}" for k, y in x.items()) + "\n }"
        return f"{one(key)}: {one(x)}"

    return "{\n " + ",\n ".join(entry(key, x) for key, x in value.items()) + "\n}"
