"""A run as a short text in Markdown: a step's summary, a comment in a pull request."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rnn_spec.report.markdown import escaped
from rnn_spec.report.view import SIGNS, STANDS
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rnn_spec.report.view import Failure, Judged

TOLD = 10
"""How many failing clauses are told; the others are counted."""


def markdown(subjects: Sequence[Judged]) -> str:
    """The whole text, a part for each subject."""
    return "\n".join(line for judged in subjects for line in _lines(judged))


def _lines(judged: Judged) -> Iterator[str]:
    sign = {True: "✅", False: "❌", None: "◐"}[judged.good]
    yield f"## {escaped(judged.name)} and torch.nn.RNN\n"
    yield f"{sign} {escaped(judged.says)}\n"
    yield from (f"It {escaped(line)}.\n" for line in judged.behaves)
    yield from (f"**Not whole:** {escaped(line)}.\n" for line in judged.problems)
    yield "| level | standing | passed | failed | known |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for level, standing in judged.levels.items():
        n = judged.level_counts.get(level, Counter[str]())
        counted = " | ".join(str(n[word] or "") for word in ("passed", "failed", "known"))
        yield f"| {level} | {STANDS[standing.word]} {standing} | {counted} |"
    yield ""
    if judged.failures:
        yield "### What fails, the lowest level first\n"
    for failure in judged.failures[:TOLD]:
        yield from _failure(failure)
    if (left := len(judged.failures) - TOLD) > 0:
        yield f"… and {left} more clauses: the page `report.html` has all.\n"
    known = len(judged.known)
    if known:
        checks = judged.total("known")
        yield f"{SIGNS['known']} {known} failures are known and came as they are known, in {checks} checks.\n"


def _failure(failure: Failure) -> Iterator[str]:
    more = f", and {failure.count - 1} more checks" if failure.count > 1 else ""
    yield f"- **{failure.clause}** {escaped(clauses()[failure.clause].text)}"
    yield f"  *Leads to:* {escaped(clauses()[failure.clause].leads_to)}"
    yield f"  `{_plain(failure.checks[0])}`{more}"
    yield "\n  ```text"
    yield from (f"  {line.replace('```', '` ` `')}" for line in failure.difference.splitlines())
    yield "  ```\n"


def _plain(text: str) -> str:
    return text.replace("`", "'")
