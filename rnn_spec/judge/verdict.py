"""What is said of a check: a record of its outcome, and the text of a failure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec

from rnn_spec.judge.numbers import Numbers

if TYPE_CHECKING:
    from rnn_spec.spec.catalogue import Clause

OUTCOMES = ("passed", "failed", "known", "unsupported", "not claimed", "broken")
"""What may become of a check. Known: it failed, as it is recorded to fail (judge.known). Unsupported: its
question is within the claims, and the subject says that it cannot be answered. Broken: the check itself
raised something, which says nothing of the subject."""
Word = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(OUTCOMES)})$")]


@dataclass(frozen=True)
class Verdict:
    """One check's outcome. `headroom` is its worst error / bound, None where nothing was measured.

    `matters` says of a known failure how much it does (`judge.known.MATTERS`).
    `message` is the whole text of a failure, `difference` the part of it that says what differs. `level`
    is what a subject must claim to have been asked: the clause's own, or a later one that the case needs.
    `traceback` is that of the exception that the subject raised, where it did. `seconds` is how long the
    check took, and `numbers` where its numbers differ, if it failed at numbers.
    """

    check: str
    clause: str
    outcome: Word
    case: str | None = None
    headroom: Annotated[float, msgspec.Meta(ge=0)] | None = None
    message: str = ""
    reproduction: str | None = None
    known: str | None = None
    difference: str = ""
    level: str = ""
    traceback: str = ""
    matters: str = ""
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    numbers: Numbers | None = None


def explain(clause: Clause, case: str | None, message: str, reproduction: str | None) -> str:
    """The text of a failure: the clause, the case, what differs, and where to see it again."""
    lines = [
        *textwrap.wrap(f"{clause.id} ({clause.force}) {clause.text}", 100),
        f"  source: {clause.source}",
        *textwrap.wrap(f"leads to: {clause.leads_to}", 98, initial_indent="  ", subsequent_indent="    "),
    ]
    if case:
        lines.append(f"  case: {case}")
    lines += [f"  {line}" for line in message.splitlines()]
    if reproduction:
        lines.append(f"  reproduction: {reproduction}")
    return "\n".join(lines)
