"""What failed, as one reads it: each clause once, and one refusal once for all the clauses it stands for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rnn_spec.questions.records import LEVELS
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.judge.verdict import Verdict
    from rnn_spec.suite.results import Results

RAISED = "raised "
"""How the difference of a check begins at which the subject raised."""


def texts(results: Results) -> Iterator[str]:
    """Of each group the first failure in full, what else it stands for, and its traceback."""
    for group in groups(results):
        first = group[0]
        ids = list(dict.fromkeys(v.clause for v in group))
        text = first.message
        if len(ids) > 1:
            text += f"\n  one refusal, of {len(group)} checks of {len(ids)} clauses: {', '.join(ids)}"
        elif len(group) > 1:
            text += f"\n  and {len(group) - 1} more checks of {first.clause}"
        if shown := next((v.traceback for v in group if v.traceback), ""):
            text += "".join(f"\n  | {line}" for line in shown.splitlines())
        yield text


def groups(results: Results) -> list[list[Verdict]]:
    """The failed checks: those of one refusal in many clauses together, and the others clause by clause.

    In each group, and of the groups, what needs the lowest level comes first.
    """
    failed = sorted((v for v in results.verdicts if v.outcome == "failed"), key=_place)
    of: dict[str, set[str]] = defaultdict(set)
    for v in failed:
        of[v.difference].add(v.clause)
    found: dict[str, list[Verdict]] = defaultdict(list)
    for v in failed:
        refusal = v.difference.startswith(RAISED) and len(of[v.difference]) > 1
        found[v.difference if refusal else v.clause].append(v)
    return list(found.values())


def _place(v: Verdict) -> tuple[int, int]:
    """The level of its clause, and then the clause's place in the catalogue."""
    return LEVELS.index(clauses()[v.clause].level), list(clauses()).index(v.clause)
