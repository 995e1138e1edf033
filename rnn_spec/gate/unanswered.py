"""What a side left unanswered: a gate passes only where both sides answered every question.

A recording that `rnn-spec record` makes says how much was asked (`Header.asked`): with less in it, it is cut.
What is asked today, and is on record of torch's releases, every recording of this rnn-spec has to answer; one
that an older rnn-spec made whole may lack what is newer, which the report then says. A recording that says
nothing of what was asked has to answer all that the releases on record did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import rnn_spec
from rnn_spec.gate.archive import Archive
from rnn_spec.suite.recorder import checked_in
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rnn_spec.gate.recording import Recording

GIVEN_UP = ("not asked:", "it was given up", "answers what is no fact", "no answer within")
"""What is said where a side was asked, and nothing came of it."""
KINDS = ("experiment", "attempt", "case", "clause")
"""What a recording has answers to, or verdicts on."""
NAMED = 2
"""How many questions a sentence names."""


class Gap(NamedTuple):
    """How many questions of a kind have no answer, of how many, and their ids where these are known."""

    kind: str
    lost: int
    of: int
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Such as: 519 of 520 experiments (construct/attributes, ...)."""
        more = ", ..." if self.lost > NAMED else ""
        named = f" ({', '.join(self.ids[:NAMED])}{more})" if self.ids else ""
        return f"{self.lost} of {self.of} {self.kind}{named}"


def problems(a: Recording, b: Recording) -> list[str]:
    """A sentence for each way in which a side did not answer: what it did not answer cannot be compared."""
    archive = Archive.read()
    found = [said for side in (a, b) for said in (*left_out(side, archive), *given_up(side))]
    apart = [kind for kind in KINDS if not getattr(a, f"{kind}s").keys() & getattr(b, f"{kind}s").keys()]
    return found + ([f"the two sides share no {' and no '.join(apart)}"] if apart else [])


def left_out(side: Recording, archive: Archive) -> list[str]:
    """A sentence where a recording has no answer to what its release must have been asked."""
    told, here = side.header.asked, side.counts()
    gaps = {kind: Gap(kind, n - here.get(kind, 0), n) for kind, n in told.items() if here.get(kind, 0) < n}
    if not told or side.header.rnn_spec == rnn_spec.__version__:
        gaps |= {gap.kind: gap for gap in (_experiments(side, archive), _checks(side, archive)) if gap.lost}
    if not told:
        gaps |= {gap.kind: gap for gap in _questions(side, archive) if gap.lost}
    if not gaps:
        return []
    *most, last = map(str, gaps.values())
    counted = f"{', '.join(most)} and {last}" if most else last
    return [f"{side.header.version} left unanswered: {counted}; record it anew, and whole"]


def _experiments(side: Recording, archive: Archive) -> Gap:
    """Of the experiments of today that are on record."""
    owed = [id for id in EXPERIMENTS if id in archive.experiments]
    lost = tuple(id for id in owed if id not in side.experiments)
    return Gap("experiments", len(lost), len(owed), lost)


def _checks(side: Recording, archive: Archive) -> Gap:
    """Of the checks of today, as many as are on record, of each clause."""
    owed, lost = 0, {}
    for id, today in checked_in()["standard"].items():
        recorded = [standing.owed for standing in archive.clauses.get(id, {}).values() if standing]
        due = min(today, max(recorded, default=0))
        short = due - (side.clauses[id].owed if id in side.clauses else 0)
        owed += due
        if short > 0:
            lost[id] = short
    return Gap("checks", sum(lost.values()), owed, tuple(lost))


def _questions(side: Recording, archive: Archive) -> tuple[Gap, Gap]:
    """Of the Attempts and cases on record: a check that fails, or is not judged, may ask no further."""

    def stopped(id: str) -> bool:
        asked = [q for q in archive.questions.get(id, {}).values() if q]
        standings = [side.clauses[c] for q in asked for c in q.clauses if c in side.clauses]
        return any(standing.failed or standing.open for standing in standings)

    def gap(kind: str, recorded: Iterable[str], answered: Mapping[str, object]) -> Gap:
        owed = [id for id in recorded if id in answered or not stopped(id)]
        lost = tuple(id for id in owed if id not in answered)
        return Gap(kind, len(lost), len(owed), lost)

    return gap("attempts", archive.attempts, side.attempts), gap("cases", archive.cases, side.cases)


def given_up(side: Recording) -> list[str]:
    """A sentence where questions were asked, and nothing came of them."""
    facts = [*side.experiments.values(), *side.attempts.values()]
    said = [fact.died or "" for fact in facts]
    said += [fact.raised.message for fact in facts if fact.raised and fact.raised.phase == "worker"]
    said += [a.error.message for a in side.cases.values() if a.error and a.error.phase == "worker"]
    lost = [text for text in said if any(word in text for word in GIVEN_UP)]
    count = "1 question" if len(lost) == 1 else f"{len(lost)} questions"
    return [f"{side.header.version} left {count} unanswered: {lost[0]}"] if lost else []
