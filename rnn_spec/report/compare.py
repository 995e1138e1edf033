"""`rnn-spec compare A.json B.json`: what newly fails, newly passes, moved: two subjects, commits or machines.

A check *fails* here whether that is known of its subject or not. What was asked of one only is neither.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.judge.verdict import Verdict
    from rnn_spec.suite.results import Results

FAILING = ("failed", "known", "broken")
ASKED = (*FAILING, "passed", "unsupported")
SHOWN = 10
"""How many checks that moved are named, those that moved most."""
CIRCUMSTANCES = (
    "subject",
    "version",
    "exhaustive",
    "rnn_spec",
    "catalogue",
    "python",
    "numpy",
    "platform",
    "seed",
)


@dataclass
class Comparison:
    """Two runs, check by check. In a pair, the first verdict is A's and the second B's."""

    newly_fails: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    newly_passes: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    unanswered: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    moved: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    only_a: list[Verdict] = field(default_factory=list)
    only_b: list[Verdict] = field(default_factory=list)
    differs: dict[str, tuple[str, str]] = field(default_factory=dict)


def compared(a: Results, b: Results) -> Comparison:
    """What differs between two runs."""
    found = Comparison(differs=circumstances(a, b))
    of_a, of_b = ({v.check: v for v in r.verdicts if v.outcome in ASKED} for r in (a, b))
    found.only_a = [v for check, v in of_a.items() if check not in of_b]
    found.only_b = [v for check, v in of_b.items() if check not in of_a]
    for check in of_a.keys() & of_b.keys():
        pair = of_a[check], of_b[check]
        fails = [v.outcome in FAILING for v in pair]
        if fails == [False, True]:
            found.newly_fails.append(pair)
        elif "unsupported" in (outcomes := [v.outcome for v in pair]) and outcomes[0] != outcomes[1]:
            found.unanswered.append(pair)
        elif fails == [True, False]:
            found.newly_passes.append(pair)
        elif pair[0].headroom != pair[1].headroom:
            found.moved.append(pair)
    for pairs in (found.newly_fails, found.newly_passes, found.unanswered):
        pairs.sort(key=lambda pair: pair[0].check)
    found.moved.sort(key=lambda pair: (-_far(*pair), pair[0].check))
    return found


def circumstances(a: Results, b: Results) -> dict[str, tuple[str, str]]:
    """What else differs: versions, machine, settings, in A and in B."""
    told = [
        {name: str(getattr(r, name)) for name in CIRCUMSTANCES}
        | {name: value for name, value in r.facts.items() if name not in CIRCUMSTANCES}
        | {"levels": ", ".join(r.levels), "dtypes": ", ".join(r.dtypes), "asked": r.part or "all"}
        for r in (a, b)
    ]
    names = dict.fromkeys(name for facts in told for name in facts)
    pairs = {name: (told[0].get(name, "not told"), told[1].get(name, "not told")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def lines(found: Comparison) -> Iterator[str]:
    """The comparison in words."""
    for name, (was, now) in found.differs.items():
        yield f"{name} differs: {was}, then {now}"
    for title, pairs in (
        ("newly fails", found.newly_fails),
        ("newly passes", found.newly_passes),
        ("answered by one only", found.unanswered),
    ):
        yield f"{title}: {_count(pairs, 'check')}"
        yield from _by_clause(pairs)
    yield f"moved: {_count(found.moved, 'headroom')}" + (", the farthest" if len(found.moved) > SHOWN else "")
    for a, b in found.moved[:SHOWN]:
        yield f"  {b.clause} {b.check}: headroom {_room(a)}, then {_room(b)}"
    for who, verdicts in (("A", found.only_a), ("B", found.only_b)):
        of = sorted({v.clause for v in verdicts})
        yield f"asked of {who} only: {_count(verdicts, 'check')}" + (f", of {', '.join(of)}" if of else "")


def _by_clause(pairs: list[tuple[Verdict, Verdict]]) -> Iterator[str]:
    of: dict[str, list[tuple[Verdict, Verdict]]] = defaultdict(list)
    for pair in pairs:
        of[pair[1].clause].append(pair)
    for id in (id for id in clauses() if id in of):
        was, now = of[id][0]
        yield f"  {id} {clauses()[id].text}"
        more = f" and {len(of[id]) - 1} more" if len(of[id]) > 1 else ""
        yield f"    {now.check}{more}: was {was.outcome}, now {now.outcome}"
        said = now.difference or was.difference
        yield from (f"    {line}" for line in said.splitlines())


def _far(was: Verdict, now: Verdict) -> float:
    """How many times one headroom is the other; one that is none, or is 0, is as far as can be."""
    rooms = was.headroom, now.headroom
    low, high = sorted(room or 0.0 for room in rooms)
    return high / low if low and None not in rooms else float("inf")


def _room(v: Verdict) -> str:
    return "not measured" if v.headroom is None else f"{v.headroom:.3g}"


def _count(found: Iterable[object], what: str) -> str:
    n = len(list(found))
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"
