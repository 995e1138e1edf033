"""Which named faults no vector can show, by rule: the rate at which the vectors kill the others is 100%.

A fault is out of scope where it is of torch's module class; where its clause is in `UNSHOWN`, or of the
profiles precision and torch_api and no vector's (`unshown`); or where it passes every vector and shows on
a probe, a case that no vector can be, and on no deterministic standard case (`shows_elsewhere`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import MODULE
from rnn_spec.judge.compare import Nonconformity, same
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.questions.product import Recipe, standard
from rnn_spec.questions.ragged import ragged
from rnn_spec.spec.catalogue import clauses
from rnn_spec.vectors.questions import UNSHOWN, Question
from rnn_spec.vectors.records import DTYPES
from rnn_spec.vectors.verify import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Case

CHANCE = "it shows only where masks are random, and a vector has one right answer"
SIZE = "it shows only in a layer too wide for the 2 MB that the vectors have"
WORDS = "it shows only in the words of a refusal, which are each implementation's own"


@cache
def probes() -> dict[str, list[Case]]:
    """Cases that no vector can be, by the reason why."""
    half = [Recipe(num_layers=n, bidirectional=b, nonlinearity="relu", dropout=0.5, training=True).case()
            for n, b in ((2, False), (2, True), (3, False))]  # fmt: skip
    return {
        CHANCE: [*half, *(ragged(case, "unsorted") for case in half)],
        SIZE: [Question("probe", (), (2, 1, 2, 600), {}).case()],
        WORDS: [Recipe().case().derive("no steps", input=np.zeros((0, 3, 5)), cotangents=None)],
    }


def killed_by(subject: Any, asked: Sequence[Asked], clause: str = "") -> str | None:
    """The id of a vector that the subject fails, or None: those of the clause first, and the small first."""
    for one in sorted(asked, key=lambda one: (clause not in one.vector.clauses, one.case.input.size)):
        try:
            one.judge(subject)
        except Nonconformity:
            return one.vector.id
        except NotClaimed:
            continue
    return None


def unshown(fault: Fault, asked: Sequence[Asked]) -> str | None:
    """Why no vector is meant to show a fault, by what it is of and by its clause; None: one should."""
    if fault.of == MODULE:
        return "it is of torch's module class, and not of what a layer computes"
    if fault.clause in UNSHOWN:
        return UNSHOWN[fault.clause]
    level = clauses()[fault.clause].level
    shown = {clause for one in asked for clause in one.vector.clauses}
    if level in ("precision", "torch_api") and fault.clause not in shown:
        return f"no vector is of its clause, whose level is {level}"
    return None


def shows_elsewhere(wrong: Any, right: Any) -> str | None:
    """Why no vector can show a fault that none kills, or None: one should. `wrong` has it, `right` not."""
    if any(_differs(wrong, right, case) for case in _deterministic()):
        return None
    return next(
        (why for why, cases in probes().items() if any(_differs(wrong, right, c) for c in cases)), None
    )


def _deterministic() -> list[Case]:
    recipes = (r for r in standard() if r.dtype in DTYPES and r.dropout in (0.0, 1.0))
    return [recipe.case() for recipe in recipes]


def _differs(wrong: Any, right: Any, case: Case) -> bool:
    """Whether two subjects answer a case with other numbers, or refuse it in other words."""
    with np.errstate(all="ignore"):
        a, b = (Session(subject).answer(case) for subject in (wrong, right))
    return not (same(dict(a.arrays()), dict(b.arrays())) and a.error == b.error)
