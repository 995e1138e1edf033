"""What a run says of its subject: of each level, and in a sentence. Of what was not asked it says nothing.

A level *conforms* where all that the claims owe it was asked and nothing that it must do failed; *in part*
where the subject answered a part of that and called the rest unsupported. A failing SHOULD is said beside it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnn_spec.judge.known import MATTERS
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from rnn_spec.judge.verdict import Verdict
    from rnn_spec.suite.results import Results

WORDS = ("conforms", "conforms in part", "does not conform", "asked in part", "not judged", "not claimed")
"""The standings of a level; *asked in part* is of a run that was not whole, *not judged* of no check."""


@dataclass(frozen=True)
class Standing:
    """A level's standing: a word of WORDS, how many checks of how many were answered, and failing SHOULDs."""

    word: str
    answered: int = 0
    asked: int = 0
    beside: int = 0

    def __str__(self) -> str:
        """The word, and in numbers what it is in part."""
        counted = self.word in ("conforms in part", "asked in part")
        part = f" ({self.answered} of {self.asked})" if counted else ""
        beside = f" ({self.beside} checks of a SHOULD fail)" if self.beside else ""
        return f"{self.word}{part}{beside}"


def fails(verdict: Verdict) -> bool:
    """Whether a verdict is against the subject: a MUST that failed, or an expected failure that passed."""
    return verdict.outcome == "failed" and (
        clauses()[verdict.clause].force == "MUST" or verdict.known is not None
    )


def beside_it(verdicts: list[Verdict]) -> int:
    """How many checks of a SHOULD failed."""
    return sum(v.outcome == "failed" and not fails(v) for v in verdicts)


def undeclared(results: Results) -> int:
    """How many questions within the claims went unanswered, and nothing that is declared says why."""
    claims = results.claimed()
    return sum(v.outcome == "unsupported" and not claims.declared(v.message) for v in results.verdicts)


def standings(results: Results) -> dict[str, Standing]:
    """Each level's standing, by the checks that needed it."""
    return {level: _standing(results, level, verdicts) for level, verdicts in results.by_level().items()}


def _standing(results: Results, level: str, verdicts: list[Verdict]) -> Standing:
    if level not in results.levels:
        return Standing("not claimed")
    n = Counter(v.outcome for v in verdicts)
    answered = n["passed"] + n["failed"] + n["known"]
    asked, beside = answered + n["unsupported"], beside_it(verdicts)
    if any(map(fails, verdicts)) or (n["known"] and not n["passed"]):
        return Standing("does not conform", answered, asked, beside)
    if not answered:
        return Standing("not judged")
    if results.part or results.problems:
        return Standing("asked in part", answered, asked, beside)
    return Standing("conforms" if answered == asked else "conforms in part", answered, asked, beside)


def conforms(results: Results) -> bool:
    """Whether what was asked is all as it must be: what exit status 0 says."""
    against = any(map(fails, results.verdicts)) or undeclared(results) or unexpected(results)
    return not (against or results.problems or results.lacking)


def unexpected(results: Results) -> int:
    """How many failing checks of a SHOULD are not among the failures that are known, if any are."""
    return beside_it(results.verdicts) if results.expects else 0


def sentence(results: Results) -> str:
    """One sentence: conforms or not, and on what ground; of a part of the suite, what came of that part."""
    n, name = Counter(v.outcome for v in results.verdicts), results.version or results.subject
    judged = n["passed"] + n["failed"]
    if n["broken"]:
        return f"{name} could not be judged: {n['broken']} checks broke, and say nothing of it"
    if against := [v for v in results.verdicts if fails(v)]:
        clause_count = len({v.clause for v in against})
        return (
            f"{name} does not conform: {len(against)} of {judged} checks fail, of {clause_count} clauses"
            + _part(results)
        )
    if results.problems:
        return f"{name}: the run is not whole, {len(results.problems)} problems"
    if results.lacking:
        required = " and ".join(results.lacking)
        return f"{name} does not pass: {required} is required, and {results.subject} does not claim it"
    if not n["passed"]:
        known = (
            f"all {n['known']} checks that were judged fail as known" if n["known"] else "nothing was judged"
        )
        return f"{name}: {known}{_part(results)}"
    beside = [f"{count} {how}" for count, how in (
        (n["known"], f"fail as known{matter(results.verdicts)}"),
        (n["failed"], "fail that a SHOULD asks for"),
        (n["unsupported"], "could not be answered"),
    ) if count]  # fmt: skip
    found = ", ".join([f"{n['passed']} checks passed", *beside])
    if results.part:
        return f"{name}: {found}; nothing is said of the rest: {results.part}"
    if more := unexpected(results):
        return f"{name} conforms, but for what is known of it: {found}, {more} of them not as known"
    if left := undeclared(results):
        return f"{name} does not conform as it claims: {found}, {left} for a reason that it does not declare"
    return f"{name} conforms{' in part' if n['unsupported'] else ''}: {found}"


def matter(verdicts: list[Verdict]) -> str:
    """How many known failures matter how much, the gravest first, in brackets; nothing where none is said."""
    n = Counter(v.matters for v in verdicts if v.outcome == "known")
    counted = [f"{n[word]} {sentence}" for word, sentence in MATTERS.items() if n[word]]
    return f" ({', '.join(counted)})" if counted else ""


def _part(results: Results) -> str:
    return f" ({results.part})" if results.part else ""
