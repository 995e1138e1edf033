"""What changed from release to release, by the recordings that ship, and of one question."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections import Counter
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from rnn_spec import files
from rnn_spec.gate import causes as by_cause
from rnn_spec.gate.archive import value_at
from rnn_spec.gate.compare import VERDICTS, Change, compare, difference, said
from rnn_spec.judge.known import matches
from rnn_spec.report.markdown import escaped
from rnn_spec.spec.catalogue import clauses
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rnn_spec.gate.archive import Archive
    from rnn_spec.gate.recording import Fact, Recording, Standing

T = TypeVar("T")

HISTORY = files.CHECKOUT / "docs" / "history.md"
COUNTED = ("numerics", "streams", "wording")
"""The verdicts whose changes are counted, where the others are told."""
ALIKE = 4
"""How many questions with one and the same change are named."""

MATTERS = ("conformance", "behaviour", "beyond", "checkpoints")
"""The verdicts of which the document tells what mattered."""
TOLD, LONGEST = 6, 200
"""How many changes the document tells of a release, and in how many characters each."""

INTRODUCTION = """\
# What changed in torch.nn.RNN, from {first} to {last}

`rnn-spec regenerate` makes this file from the recordings in `fixtures/torch/`: {questions} questions of the
suite with its checks, as in `rnn-spec check torch@PYTHON`, and {experiments} experiments, in {releases}
releases, on one CPU. It tells what mattered between a release and the one before it in the table.
`rnn-spec gate --from A --to B --recorded` tells it all, of any two; `rnn-spec history ID` of one clause,
question or experiment; and `rnn-spec report --history` draws which clause holds since when.
"""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PyTorch's pull request for the changes of these ids whose line has these words."""

    ids: tuple[str, ...]
    says: str
    url: str

    def fits(self, change: Change) -> bool:
        """Whether it is about this change."""
        return self.says in change.line and any(matches(change.id, pattern) for pattern in self.ids)


@cache
def links() -> tuple[Link, ...]:
    """history.toml, in its order."""
    rows = tomllib.loads(Path(__file__).with_name("history.toml").read_text(encoding="utf-8"))["link"]
    return msgspec.convert(tuple(rows), tuple[Link, ...])


def runs(archive: Archive, run: Mapping[str, T | None]) -> list[tuple[str, T | None]]:
    """What came of a question, and in which releases: ``1.0.0 to 1.4.0``; the same in a row is one."""
    order = archive.order
    begins = sorted(map(order.index, run))
    ends = [b - 1 for b in begins[1:]] + [len(order) - 1]
    return [
        (order[b] if b == e else f"{order[b]} to {order[e]}", run[order[b]])
        for b, e in zip(begins, ends, strict=True)
    ]


def since(archive: Archive, holds: Callable[[Recording], bool]) -> str:
    """The first release on record from which on something is so, to the last; nothing if it is not so now."""
    first = ""
    for release in archive.order:
        first = (first or release) if holds(archive.recording(release)) else ""
    return first


def failing(checks: Iterable[str]) -> Callable[[Recording], bool]:
    """Whether one of some checks, of whose ids these are patterns, fails in a recording."""
    patterns = tuple(checks)

    def found(recording: Recording) -> bool:
        ids = (id for standing in recording.clauses.values() for id in standing.failed)
        return any(matches(id, pattern) for id in ids for pattern in patterns)

    return found


def told(fact: Fact | None) -> str:
    """A fact and its warnings, in words."""
    if fact is None:
        return "was not asked"
    return said(fact) + "".join(f"; warns {w.category} {w.message!r}" for w in fact.warnings)


def told_in_turn(archive: Archive, run: Mapping[str, Fact | None]) -> Iterator[tuple[str, str]]:
    """What came of an experiment or an Attempt by releases; of a text that is cut, what is new in it."""
    before: Fact | None = None
    for releases, fact in runs(archive, run):
        words = told(fact)
        yield releases, difference(before, fact) if before and words.endswith(" ...") else words
        before = fact


def stands(standing: Standing | None) -> str:
    """What became of a clause's checks, in words."""
    if standing is None:
        return "was not asked"
    failed, left = len(standing.failed), len(standing.open)
    word = "holds" if standing.holds else f"{failed} checks fail" if failed else "not judged"
    return f"{word} ({standing.passed} pass" + (f", {left} not judged)" if left else ")")


def clause_in_turn(archive: Archive, id: str) -> Iterator[tuple[str, str]]:
    """What became of a clause, release by release; releases of which the same is said are one."""
    order = archive.order
    words = [stands(value_at(archive.clauses[id], release)) for release in order]
    for word, group in groupby(range(len(order)), words.__getitem__):
        places = [*group]
        first, last = order[places[0]], order[places[-1]]
        yield first if first == last else f"{first} to {last}", word


def changes(archive: Archive) -> dict[str, list[Change]]:
    """What changed in each release, against the one before it on record."""
    return {
        b: compare(archive.recording(a), archive.recording(b), EXPERIMENTS)
        for a, b in pairwise(archive.order)
    }


def document(archive: Archive) -> str:
    """docs/history.md: what mattered."""
    order, found = archive.order, changes(archive)
    text = INTRODUCTION.format(
        first=order[0],
        last=order[-1],
        releases=len(order),
        experiments=len(archive.experiments),
        questions=len(archive.attempts) + len(archive.cases),
    )
    lines = [*text.splitlines(), "", *overview(archive, found), "", *clauses_held(archive)]
    for before, release in reversed([*pairwise(order)]):
        lines += ["", f"## {release}", "", *brief(archive, before, release, found[release])]
    return "\n".join(lines) + "\n"


def brief(archive: Archive, before: str, release: str, found: list[Change]) -> Iterator[str]:
    """What mattered in a release: clauses that newly hold or fail, then what else changed, by its causes."""
    then, now = (archive.recording(r).clauses for r in (before, release))
    both = [id for id in clauses() if id in then and id in now]
    for title, ids in (
        ("Holds from here", [id for id in both if then[id].failed and not now[id].failed]),
        ("No longer holds", [id for id in both if now[id].failed and not then[id].failed]),
    ):
        if ids:
            yield f"- {title}: {', '.join(ids)}."
    told = [cause for cause in by_cause.causes(by_cause.named(found), matters) if cause.fails]
    of = {change.id: change for change in found}
    for cause in told[:TOLD]:
        said = cause.line.removeprefix("case ").removeprefix(f"{cause.changes[0]}: ")
        said = re.sub("now accepted: .*", "now accepted", said)
        said = escaped(textwrap.shorten(said, LONGEST, placeholder=" ..."))
        yield f"- `{by_cause.ids(cause)}`: {said} {_linked(of[id] for id in cause.changes)}".rstrip()
    if (left := len(told) - TOLD) > 0:
        yield f"- And {left} more of the same weight."
    counts = Counter(change.verdict for change in found)
    counted = ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS if counts[verdict])
    yield f"- All of it: {counted}." if counted else "- Nothing changed."
    shown = {id for cause in told[:TOLD] for id in cause.changes}
    if urls := _linked(change for change in found if change.id not in shown):
        yield f"- More of it came of {urls}."


def matters(change: Change) -> bool:
    """Whether the document tells of it: of a clause's own standing it tells elsewhere."""
    return change.verdict in MATTERS and not change.better and change.id != change.clause


def _linked(found: Iterable[Change]) -> str:
    """The pull requests that some changes came of, each as a link."""
    urls = dict.fromkeys(link.url for change in found for link in links() if link.fits(change))
    return ", ".join(f"[#{url.rpartition('/')[2]}]({url})" for url in urls)


def overview(archive: Archive, changes: dict[str, list[Change]]) -> Iterator[str]:
    """The table of releases: what it is recorded with, and how much changed of what."""
    seen = [v for v in VERDICTS if any(c.verdict == v for found in changes.values() for c in found)]
    yield f"| release | Python | NumPy | {' | '.join(seen)} |"
    yield f"|{' --- |' * (3 + len(seen))}"
    for release in archive.order:
        counts = Counter(c.verdict for c in changes.get(release, []))
        numbers = " | ".join(str(counts[v] or "") for v in seen)
        header = archive.releases[release]
        yield f"| {release} | {header.python} | {header.numpy} | {numbers} |"


def clauses_held(archive: Archive) -> Iterator[str]:
    """Since when each clause holds that has not held in every release."""
    yield "## Since when a clause holds"
    yield ""
    yield "Of a clause that is not named, every check that a worker can be asked passes in every release."
    yield ""
    yield "| clause | holds since | what it says |"
    yield "| --- | --- | --- |"
    recordings = {release: archive.recording(release) for release in archive.order}
    for id in archive.clauses:
        standings = [r.clauses[id] for r in recordings.values() if id in r.clauses]
        if all(not standing.failed for standing in standings):
            continue
        held = ""
        for release, recording in recordings.items():
            fails = id in recording.clauses and recording.clauses[id].failed
            held = "" if fails else held or release
        text = escaped(clauses()[id].text) if id in clauses() else ""
        yield f"| {id} | {held or 'not yet'} | {text} |"


def section(changes: list[Change]) -> Iterator[str]:
    """A release's changes by verdict; those of many questions in the same words are one line."""
    for verdict, (title, _) in VERDICTS.items():
        found = [c for c in changes if c.verdict == verdict]
        if not found:
            continue
        if verdict in COUNTED:
            areas = Counter(c.id.partition("/")[0] if c.id in EXPERIMENTS else "the suite's" for c in found)
            counted = ", ".join(f"{area} {n}" for area, n in sorted(areas.items()))
            yield f"- {title}: {len(found)} ({counted})"
            continue
        yield f"- {title}:"
        alike: dict[str, list[Change]] = {}
        for change in found:
            alike.setdefault(outcome(change), []).append(change)
        for same in alike.values():
            yield f"  - {line(same)}"


def outcome(change: Change) -> str:
    """What a change's line says after naming what was asked; of bits that are new, only that they are."""
    return re.sub(r"now accepted: .*[0-9a-f]{16}.*", "now accepted", change.says)


def line(same: list[Change]) -> str:
    """One line for changes that are said in the same words."""
    names = ", ".join(f"`{c.id}`" for c in same[:ALIKE])
    names += f" and {len(same) - ALIKE} more" if len(same) > ALIKE else ""
    urls = dict.fromkeys(link.url for link in links() for c in same if link.fits(c))
    return f"{names}: {escaped(outcome(same[0]))}" + "".join(f" ({url})" for url in urls)
