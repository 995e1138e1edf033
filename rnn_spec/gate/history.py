"""What changed from release to release, by the recordings that ship, and a probe's history."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rnn_spec import files
from rnn_spec.gate.archive import value_at
from rnn_spec.gate.compare import VERDICTS, Change, compare, difference, said
from rnn_spec.judge.known import matches
from rnn_spec.report.markdown import escaped
from rnn_spec.torch.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.gate.archive import Archive
    from rnn_spec.gate.recording import Fact

HISTORY = files.CHECKOUT / "docs" / "history.md"
COUNTED = ("numerics", "streams", "wording")
"""The verdicts whose changes the document counts; the others it tells."""
ALIKE = 4
"""How many probes with one and the same change are named."""

INTRODUCTION = """\
# What changed in torch.nn.RNN, from {first} to {last}

`rnn-spec regenerate` makes this file from the recordings in `fixtures/torch/`: {probes} probes,
{cases} standard cases and the checks of `rnn-spec check torch@PYTHON`, in {releases} releases, on one CPU.
A section tells what changed between a release and the one before it in the table; what moved within the error
bound, seeded streams and wording are only counted: `rnn-spec history PROBE` shows them, and `rnn-spec gate`
compares any two releases.
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


def runs(archive: Archive, id: str) -> list[tuple[str, Fact | None]]:
    """What came of a probe, and in which releases: ``1.0.0 to 1.4.0``; runs of equal facts are one."""
    order, run = archive.order, archive.probes[id]
    begins = sorted(map(order.index, run))
    ends = [b - 1 for b in begins[1:]] + [len(order) - 1]
    return [
        (order[b] if b == e else f"{order[b]} to {order[e]}", run[order[b]])
        for b, e in zip(begins, ends, strict=True)
    ]


def since(archive: Archive, probe: str, shows: str) -> str:
    """The first release on record from which on the JSON of a probe's fact matches `shows`, or nothing."""
    first = ""
    for release in archive.order:
        fact = value_at(archive.probes[probe], release)
        if not re.search(shows, msgspec.json.encode(fact).decode()):
            first = ""
        elif not first:
            first = release
    return first


def told(fact: Fact | None) -> str:
    """A fact and its warnings, in words."""
    if fact is None:
        return "was not asked"
    return said(fact) + "".join(f"; warns {w.category} {w.message!r}" for w in fact.warnings)


def told_in_turn(archive: Archive, id: str) -> Iterator[tuple[str, str]]:
    """What came of a probe by releases; where a text is cut, what is other than before it."""
    before: Fact | None = None
    for releases, fact in runs(archive, id):
        words = told(fact)
        yield releases, difference(before, fact) if before and words.endswith(" ...") else words
        before = fact


def document(archive: Archive) -> str:
    """docs/history.md."""
    order = archive.order
    changes = {b: compare(archive.recording(a), archive.recording(b), PROBES) for a, b in pairwise(order)}
    text = INTRODUCTION.format(
        first=order[0],
        last=order[-1],
        releases=len(order),
        probes=len(archive.probes),
        cases=len(archive.cases),
    )
    lines = [*text.splitlines(), "", *overview(archive, changes)]
    for release in reversed(changes):
        lines += ["", f"## {release}", "", *section(changes[release])]
    return "\n".join(lines) + "\n"


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


def section(changes: list[Change]) -> Iterator[str]:
    """A release's changes by verdict; changes of many probes that are said in the same words are one line."""
    for verdict, (title, _) in VERDICTS.items():
        found = [c for c in changes if c.verdict == verdict]
        if not found:
            continue
        if verdict in COUNTED:
            areas = Counter(c.id.partition("/")[0] if "/" in c.id else "cases" for c in found)
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
    """What a change's line says after naming its probe or case; of bits that are new, only that they are."""
    named = PROBES[change.id].sentence.rstrip(".") if change.id in PROBES else f"case {change.id}"
    return re.sub(r"now accepted: .*[0-9a-f]{16}.*", "now accepted", change.line.removeprefix(f"{named}: "))


def line(same: list[Change]) -> str:
    """One line for changes that are said in the same words."""
    names = ", ".join(f"`{c.id}`" for c in same[:ALIKE])
    names += f" and {len(same) - ALIKE} more" if len(same) > ALIKE else ""
    urls = dict.fromkeys(link.url for link in links() for c in same if link.fits(c))
    return f"{names}: {escaped(outcome(same[0]))}" + "".join(f" ({url})" for url in urls)
