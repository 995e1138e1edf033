"""Which faults of torch.nn.RNN a subject is most like, by the pattern of its failed checks.

What is wrong with the module around the recurrence no suspect of `lineup.suspects` reproduces. But each
named fault fails its own checks, and those are on record (`lineup.record`): the more of a subject's failed
checks fail on a fault, too, and the fewer others do, the likelier it is that one. That is a likeness and no
proof, so it is told with its numbers, and only where enough is alike. What a fault leaves over of the failed
checks is compared again, for a subject may have several.

A test counts once, however many parameters it has: each of its checks that the subject was asked weighs as
much as the others, and all of them together as much as those of any other test.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup import record
from rnn_spec.suite.planned import without_parameters

if TYPE_CHECKING:
    from collections.abc import Collection

    from rnn_spec.faults import Fault

ENOUGH, PART = 2 / 3, 1 / 2
"""How much of all that fails, on the subject or on the fault, fails on both; and what will do of that which
fails on the subject, if it has all that fails on the fault."""
MOST = 3
"""How many faults that fail the same are named, of more none; and how many are named one after the other."""
LEAST = 1e-9


@dataclass(frozen=True)
class Likeness:
    """Faults that fail alike, and how many failed checks they share: of the subject's, of their own."""

    faults: tuple[Fault, ...]
    shared: int
    failed: int
    own: int

    def __str__(self) -> str:
        """A sentence."""
        most = "most" if self.shared == self.failed else "in part"
        others = self.own - self.shared
        besides = f", and {others} more that did not" * bool(others)
        names = ", or: ".join(f"{fault.sentence.rstrip('.')} ({fault.name})" for fault in self.faults)
        shared = f"{self.shared} of the {self.failed} failed checks looked at fail with it, too{besides}"
        return f"by its failed checks {most} like: {names}; {shared}"


def likeliest(failed: Collection[str], asked: Collection[str]) -> list[Likeness]:
    """The faults of MODULE whose failed checks are most like a subject's, of those that it was asked.

    Checks that are not on record count for nothing. Empty where no fault is like enough, or too many are.
    """
    on_record = record.kept()
    asked = set(asked) & set(on_record.checks)
    wrong = set(failed) & asked
    known = {FAULTS[name]: ids & asked for name, ids in on_record.failed.items() if name in FAULTS}
    sizes = Counter(map(without_parameters, asked))

    def weight(checks: Collection[str]) -> float:
        return sum(1 / sizes[without_parameters(check)] for check in checks)

    def alike(own: frozenset[str], left: set[str]) -> float:
        share = weight(left & own) / weight(left | (own - wrong))
        return share if share >= ENOUGH or (own <= wrong and weight(left & own) >= PART * weight(left)) else 0

    found: list[Likeness] = []
    left = set(wrong)
    while left and len(found) < MOST:
        shares = {
            fault: alike(own, left) for fault, own in known.items() if fault.of == MODULE and left & own
        }
        best = max(shares.values(), default=0)
        named = tuple(fault for fault, share in shares.items() if share > best - LEAST)
        if not best or len(named) > MOST:
            break
        own = known[named[0]]
        found.append(Likeness(named, len(own & wrong), len(wrong), len(own)))
        left -= own
    return found
