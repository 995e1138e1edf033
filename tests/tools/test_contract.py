"""The contract of module state is asked of any torch, here or over the wire, however hostile."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.contract import FACTS, done, fact, learns, obeys
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.registry import load
from rnn_spec.suite.collect import collect
from rnn_spec.torch import deeds, routes, singles
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case, Observation
    from rnn_spec.suite.planned import Planned

CASE = Recipe.parse("small-L2-tanh-bi-float64").case()
IN_PROCESS = {"STA-11", "EXE-03", "EXE-09"}
"""The clauses of both areas that only objects can show."""


@cache
def planned() -> dict[str, list[Planned]]:
    """The checks of STA and EXE by their clause."""
    found: dict[str, list[Planned]] = {}
    for check in collect():
        if check.clause.startswith(("STA", "EXE")):
            found.setdefault(check.clause, []).append(check)
    return found


def test_another_python_is_asked_every_clause_that_records_can_carry() -> None:
    """A torch worker answers checks of each clause of STA and EXE, but for what only objects can show."""
    session = Session(load(f"torch@{sys.executable}"))

    words = {
        clause: {check.outcome(session).word for check in (checks[0], checks[-1])}
        for clause, checks in planned().items()
    }

    session.subject.close()  # type: ignore[attr-defined]
    asked = {clause for clause, found in words.items() if found & {"passed", "failed"}}
    assert not [clause for clause, found in words.items() if "broken" in found]
    assert asked | {"EXE-08"} == set(planned()) - IN_PROCESS | {"EXE-08"}  # which needs ONNX


SERVED = ["copy-thaws", "replaced-parameter-ignored", "gradients-to-a-copy", "load-never-strict",
          "traced-weights-are-constants"]  # fmt: skip


@pytest.mark.parametrize("fault", SERVED)
def test_a_fault_of_state_or_of_a_route_is_caught_over_the_wire(fault: str) -> None:
    """A faulty module in a process of its own fails the clause that its fault names."""
    from rnn_spec.faults import FAULTS

    command = shlex.join([sys.executable, "-m", "rnn_spec", "serve", f"fault:{fault}"])
    session = Session(load(f"worker:{command}"))

    words = (check.outcome(session).word for check in planned()[FAULTS[fault].clause])

    assert "failed" in words
    session.subject.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("deed", ["deepcopy", "parametrized", "weight_norm", "frozen", "tied biases"])
def test_the_wire_carries_what_the_law_of_state_needs(deed: str) -> None:
    """A torch in another Python obeys, and its gradients arrive, as in this process."""
    check = Check(clauses()["STA-02"], Session(load(f"torch@{sys.executable}")))

    obeys(check, done(CASE, deed))
    learns(check, done(CASE, deed, learning=True))

    check.subject.close()  # type: ignore[attr-defined]


class Tells(TorchSubject):
    """torch, which tells something else of its module."""

    changes: Any = None

    def run(self, case: Case) -> Observation:
        """Answer, and tell it."""
        answer = super().run(case)
        return replace(answer, **self.changes(answer))


RUBBISH: dict[str, Any] = {
    "no facts": lambda answer: {"facts": {}},
    "leaves of no kind": lambda answer: {"facts": {**answer.facts, "leaves": [1, 2]}},
    "a leaf that is no parameter": lambda answer: {
        "facts": {**answer.facts, "leaves": {"w": {"is": ["w"], "dtype": "", "device": "", "learns": True}}}
    },
    "no derivatives": lambda answer: {"facts": {**answer.facts, "derivatives": {}}},
    "derivatives of other shapes": lambda answer: {
        "facts": {**answer.facts, "derivatives": {
            name: {**held, "of": {other: rows[:-1] for other, rows in held["of"].items()}}
            for name, held in answer.facts["derivatives"].items()
        }}
    },
    "a dtype that there is not": lambda answer: {"dtypes": dict.fromkeys(answer.dtypes, "int7")},
    "parameters of other shapes": lambda answer: {"after": {n: x[:1] for n, x in answer.after.items()}},
}  # fmt: skip


@pytest.mark.parametrize("what", RUBBISH)
def test_rubbish_that_is_told_of_a_module_is_a_failure(what: str) -> None:
    """Whatever is told in place of facts, it fails the law and breaks no check."""
    subject: Any = type("Told", (Tells,), {"changes": staticmethod(RUBBISH[what])})()
    check = Check(clauses()["STA-02"], Session(subject))

    with pytest.raises(Nonconformity):
        learns(check, done(CASE, "parametrized", learning=True))


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_of_another_type_is_a_failure(name: str) -> None:
    """A fact is of its type, or the answer fails."""
    answer = TorchSubject().run(done(CASE, "deepcopy"))

    with pytest.raises(Nonconformity, match=f"its {name} wrongly"):
        fact(replace(answer, facts={name: 1.5}), name)


def test_what_no_table_has_is_unsupported() -> None:
    """A deed or a route that a worker does not know is not done, and not passed over."""
    subject = TorchSubject()

    assert "no deed 'fly'" in str(subject.run(done(CASE, "fly")).unsupported)
    assert "no route 'air'" in str(subject.run(done(CASE, route="air")).unsupported)


def test_what_a_release_has_not_is_a_declared_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deed that needs what came later is unsupported, for a reason that old releases declare."""
    import torch

    declared: Any = TorchSubject().worker.limits
    assert not [reason for reason in declared() if reason.startswith("this torch")]
    monkeypatch.delattr(torch.nn.utils.parametrizations, "weight_norm")
    reason = TorchSubject().run(done(CASE, "weight_norm")).unsupported
    monkeypatch.setattr(torch, "__version__", "2.0.1")

    assert reason in declared()


def test_tables_hold_what_they_say() -> None:
    """No two groups share the name of a deed, and the law is asked of four of them."""
    lawful: list[dict[str, Any]] = [deeds.KEPT, deeds.CHANGED, deeds.COMPUTED, deeds.ODD]
    groups = [*lawful, singles.SINGLE, singles.ANEW]

    assert sum(map(len, groups)) == len({name for group in groups for name in group})
    assert {*deeds.LAWFUL} == {name for group in lawful for name in group}
    assert {*deeds.LOWERED} <= {*deeds.ODD}
    assert {*routes.SUBJECTS} < {*routes.ROUTES}
