"""Changes by what they come of: one Cause is one line of a report, those that concern the reader first.

``causes.toml`` names causes by the ids and the words of their changes. What no row has a line for is put
together where the same is said of it. The order is: your model, your code, wrong numbers, what newly raises,
other behaviour, and what fails nothing.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rnn_spec.gate.compare import VERDICTS, Change, headroom
from rnn_spec.judge.known import matches
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAMED = 3
"""How many ids a line names."""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """What some changes come of: a sentence, what to do, and the ids of the changes.

    `verdict` is the gravest of theirs. `fails` says whether one of them fails the gate, `better` that all
    only add, `accepted` is the reason where all that would fail are accepted. `since` is the first release on
    record that has it, where a step skips some. `meets` are the lines of the user's code that can meet it.
    """

    id: str
    verdict: str
    line: str
    changes: tuple[str, ...]
    advice: str = ""
    fails: bool = False
    better: bool = False
    accepted: str = ""
    since: str = ""
    meets: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of causes.toml."""

    id: str
    ids: tuple[str, ...]
    advice: str
    verdicts: tuple[str, ...] = ()
    says: str = ""
    line: str = ""
    adds: bool = False
    common: bool = False

    def fits(self, change: Change) -> bool:
        """Whether a change comes of it."""
        return (
            (not self.verdicts or change.verdict in self.verdicts)
            and any(matches(change.id, pattern) for pattern in self.ids)
            and re.search(self.says, change.line) is not None
        )


@cache
def rows() -> tuple[Row, ...]:
    """causes.toml, in its order."""
    held = tomllib.loads(Path(__file__).with_name("causes.toml").read_text(encoding="utf-8"))["cause"]
    return msgspec.convert(tuple(held), tuple[Row, ...])


def row_of(change: Change) -> Row | None:
    """The first row that fits."""
    return next((row for row in rows() if row.fits(change)), None)


def named(changes: list[Change]) -> list[Change]:
    """The changes, each with the id of its cause, and marked as better where the cause only adds."""
    found = [(change, row_of(change)) for change in changes]
    renamed = {
        word: f"argument-{word}"
        for change, _ in found
        if change.id.startswith("signature/")
        for word in re.findall(r"another name: \w+, was (\w+)|no longer takes (\w+)", change.says)
        for word in word
        if word
    }
    kept = []
    for change, row in found:
        gone = re.search(r"unexpected keyword argument '(\w+)'", change.says)
        own = re.search(r"another name: \w+, was (\w+)|no longer takes (\w+)", change.says)
        word = (own[1] or own[2]) if own and change.id.startswith("signature/") else gone and gone[1]
        if word in renamed:
            cause = renamed[word]
        elif row and row.line:
            cause = row.id
        else:
            cause = ""
        better = change.better or bool(row and row.adds)
        advice = change.advice or (row.advice if row else None)
        kept.append(msgspec.structs.replace(change, cause=cause, better=better, advice=advice))
    return _alike(kept)


def _alike(changes: list[Change]) -> list[Change]:
    """Those without a cause get one: the first id of those of which the same is said."""
    leader: dict[str, str] = {}

    def root(id: str) -> str:
        while leader.setdefault(id, id) != id:
            id = leader[id]
        return id

    first: dict[tuple[object, ...], str] = {}
    for change in changes:
        for key in () if change.cause else _keys(change):
            leader[root(change.id)] = root(first.setdefault(key, change.id))
    return [c if c.cause else msgspec.structs.replace(c, cause=root(c.id)) for c in changes]


def _keys(change: Change) -> list[tuple[object, ...]]:
    """What is said of a change, each thing by itself; two changes that share one have one cause."""
    same = change.verdict, change.better, change.advice or ""
    if change.verdict == "conformance":
        newly = "newly fail" in change.says
        kind = "newly fails" if newly else re.sub(r"\d+", "N", change.says.partition(":")[0])
        return [(change.verdict, change.better, kind if change.id == change.clause else change.says)]
    if change.id.startswith("signature/"):
        return [(change.id,)]
    parts = [part for part in change.says.split("; ") if " more" not in part]
    return [(*same, re.sub(r"case \S+", "case", part)) for part in parts]


# -- from changes to causes -------------------------------------------------------------------------


def causes(
    changes: list[Change],
    fails: Callable[[Change], bool],
    since: Callable[[Change], str] = lambda _: "",
) -> list[Cause]:
    """The causes, those that concern the reader first."""
    found: dict[tuple[str, bool], list[Change]] = {}
    for change in changes:
        found.setdefault((change.cause, change.better), []).append(change)
    made = [_cause(id, same, fails, since) for (id, _), same in found.items()]
    return sorted(made, key=_rank)


def _cause(
    id: str, same: list[Change], fails: Callable[[Change], bool], since: Callable[[Change], str]
) -> Cause:
    order = list(VERDICTS)
    gravest = min(same, key=lambda c: (not fails(c), _leads(c), order.index(c.verdict), _basic(c)))
    reasons = {c.accepted for c in same if c.accepted}
    begun = {since(c) for c in same}
    return Cause(
        id, gravest.verdict, _line(id, gravest, same), tuple(c.id for c in same), _advice(id, gravest),
        any(map(fails, same)), all(c.better for c in same),
        "; ".join(sorted(reasons)) if not any(map(fails, same)) else "",
        begun.pop() if len(begun) == 1 else "",
        tuple(dict.fromkeys(place for c in same for place in c.meets)),
        tuple(dict.fromkeys(c.clause for c in [gravest, *same] if c.clause))[:NAMED],
    )  # fmt: skip


def _leads(change: Change) -> bool:
    """What sorts the signature that an argument is gone from before the calls that this breaks."""
    return not (change.cause.startswith("argument-") and change.id.startswith("signature/"))


def _advice(id: str, gravest: Change) -> str:
    row = next((row for row in rows() if row.id == id), None)
    return (row.advice if row else gravest.advice) or ""


def _basic(change: Change) -> tuple[int, str]:
    """What tells a clause of the recurrence from one of torch's own ways: the former comes first."""
    names = list(clauses())
    return (names.index(change.clause) if change.clause in names else len(names)), change.id


def _line(id: str, first: Change, same: list[Change]) -> str:
    """The cause in a sentence, and how much it changes."""
    row = next((row for row in rows() if row.id == id and row.line), None)
    if row:
        if len(same) == 1 and not row.common and not same[0].headroom:
            return f"{row.line}: {first.line}"
        what = row.line + _worst(same)
        return what if len(same) == 1 else f"{what}: {len(same)} changes"
    if id.startswith("argument-"):
        return f"{first.line}: {len(same)} changes" if len(same) > 1 else first.line
    if len(same) == 1:
        return first.line
    if first.verdict == "conformance" and first.id == first.clause:
        if "newly fail" in first.says:
            return f"{first.line}: {len(same)} clauses newly fail, this the most basic of them"
        return (
            f"{len(same)} clauses, such as: {first.line}"
            if first.better
            else f"{len(same)} clauses: {first.line}"
        )
    return f"{first.line}: {len(same)} changes"


def _worst(same: list[Change]) -> str:
    """Of numbers that moved, the worst error before and after."""
    rooms = [c.headroom for c in same if c.headroom]
    if not rooms:
        return ""
    was, now = (max((x for r in rooms if (x := r[i]) is not None), default=None) for i in (0, 1))
    return f" ({headroom(was, now)})"


RAISES = re.compile(r"now (\w+(Error|Exception|Exit)|Unsupported|death)\b")


def _rank(cause: Cause) -> tuple[object, ...]:
    """Your model, your code, wrong numbers, what newly raises, the rest; what fails before what does not."""
    model = any(id.startswith("model/") for id in cause.changes)
    common = any(row.common for row in rows() if row.id == cause.id)
    wrong = common or cause.verdict in ("beyond", "conformance")
    place = 0 if model else 1 if cause.meets else 2 if wrong else 3 if RAISES.search(cause.line) else 4
    return not cause.fails and not model, cause.better, place, list(VERDICTS).index(cause.verdict)


def ids(cause: Cause) -> str:
    """The ids that a line shows: the cause's own, or those of its changes."""
    return cause.id if len(cause.changes) > 1 else cause.changes[0]


def failing(found: Iterable[Cause]) -> list[Cause]:
    """Those that fail the gate."""
    return [cause for cause in found if cause.fails]
