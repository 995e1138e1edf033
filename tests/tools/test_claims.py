"""Questions fit what is claimed: no claim, however narrow, leaves a clause unasked or a fault alive."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.lineup.matrix import ANY, Matrix, claiming
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.collect import Watch, collect
from tests.tools.profiles import PROFILES

if TYPE_CHECKING:
    from rnn_spec.faults import Fault
    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Case, Observation

QUICK = (
    "up to cell, float64",
    "up to sequence, float64",
    "cell and gradients",
    "sequence, relu, never a bias, h_0 given, float32",
)
"""The profiles that are looked at whenever tests run; all are in the slow tests."""
each = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PROFILES]
)
_spec = Session(SpecSubject())


def of_spec(subject: SpecSubject) -> Session:
    """A session that shares what the spec answers and expects, which its claims do not change."""
    session = Session(subject, _spec.expectations)
    session.observations = _spec.observations
    return session


@each
def test_every_clause_has_its_question_and_a_right_layer_passes_it(name: str) -> None:
    """Of each clause of a claimed level that is about what is claimed, a check is asked, and none fails."""
    claims, asked, failed = PROFILES[name], Counter[str](), []
    subject = claiming(SpecSubject(), claims)
    session = of_spec(subject)
    for trial in collect(claims):
        outcome = trial.outcome(session)
        if outcome.word in ("passed", "unsupported"):  # of the Python class, which the spec has not
            asked[trial.clause] += 1
        elif outcome.word != "not claimed":
            failed.append(f"{trial.id}: {outcome.error}")

    assert failed == []
    owed = {id for id, clause in clauses().items() if not claims.without(clause)}
    assert owed - set(asked) == set()


@each
@np.errstate(all="ignore")
def test_every_fault_within_the_claims_is_killed(name: str) -> None:
    """A fault that shows in any case that may be asked fails a check."""
    claims = PROFILES[name]
    matrix, suspects = Matrix(claims), [f for f in FAULTS.values() if f.of != MODULE]
    suspects = [f for f in suspects if not claims.without(clauses()[f.clause])]

    rows = {fault.name: matrix.row(fault, ANY) for fault in suspects}

    assert [row.broken for row in rows.values() if row.broken] == []
    assert any(row.failed for row in rows.values())
    spared = [fault for fault in suspects if not rows[fault.name].failed]
    assert [fault.name for fault in spared if shows(fault, claims, matrix)] == []


def shows(fault: Fault, claims: Claims, matrix: Matrix) -> bool:
    """Whether the answer to some case within the claims is wrong, or a fact of it another."""
    right, wrong = matrix.spec.subject, claiming(matrix.wrong(fault), claims)
    for case in filterfalse(claims.outside, population()):
        check = Check(clauses()["SHP-06"], Session(wrong, _spec.expectations))
        try:
            asked = check.claimed(case)
            if facts(right.run(asked)) != facts(wrong.run(asked)):
                return True
            names = ["output", "h_n", *(["grad *"] if asked.cotangents is not None else [])]
            check.conforms(case, *names)
        except NotClaimed:
            continue
        except Exception:  # wrong, or raised
            return True
    return False


def facts(answer: Observation) -> tuple[Any, ...]:
    """What an answer tells beside numbers."""
    return answer.dtypes, answer.parameters, answer.aliases, answer.drew, bool(answer.error)


@cache
def population() -> list[Case]:
    """Every case that the suite asks of whoever claims everything."""
    watch = Watch(SpecSubject())
    session = Session(watch, _spec.expectations)
    for trial in collect():
        trial.outcome(session)
    return [case for case in watch.asked.values() if 0 < case.input.size < 5000 and judged(case)]


def judged(case: Case) -> bool:
    """Whether a right answer to the case alone is told right: not where masks are drawn and not revealed."""
    try:
        Check(clauses()["SHP-06"], _spec).conforms(case, "output", "h_n")
    except Nonconformity:
        return False
    return True
