"""Calls that come before the one that is asked about: whoever leaves them out is not said to conform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.session import Session, Unsupported
from rnn_spec.questions.claims import MODULE
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Case, Observation
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.collect import collect
from rnn_spec.suite.planned import Planned


class LeavesOut(SpecSubject):
    """Makes no earlier call, and says nothing of it."""

    def run(self, case: Case) -> Observation:
        """Answer the case alone."""
        return replace(super().run(replace(case, earlier=())), earlier=None)


class SaysSo(SpecSubject):
    """Makes no earlier call, and says so."""

    def run(self, case: Case) -> Observation:
        """Answer the case alone."""
        return replace(super().run(replace(case, earlier=())), earlier=())


@pytest.fixture(scope="module")
def trials() -> list[Planned]:
    """The checks of DET-03."""
    return [trial for trial in collect() if trial.clause == "DET-03"]


def test_spec_makes_every_earlier_call(trials: list[Planned]) -> None:
    """What it tells of them is right, whatever comes before: another batch, mode, state or length."""
    session = Session(SpecSubject())
    for trial in trials:
        assert trial.outcome(session).error is None


def test_subject_that_does_not_tell_is_not_looked_at(trials: list[Planned]) -> None:
    """It passes no check of DET-03: these are not claimed, and say what would have to be told."""
    for trial in trials:
        outcome = trial.outcome(Session(LeavesOut()))
        assert outcome.word == "not claimed"
        assert "the outputs of the earlier calls" in str(outcome.error)


def test_subject_that_leaves_them_out_and_says_so_fails(trials: list[Planned]) -> None:
    """As many outputs are told as calls were to be made."""
    for trial in trials:
        assert "number of outputs of earlier calls" in str(trial.outcome(Session(SaysSo())).difference)


@pytest.mark.parametrize(
    ("kind", "changes"), [("deeds", {"earlier": ("deepcopy",)}), ("routes", {"route": "trace"})]
)
def test_deeds_and_routes_are_asked_of_whoever_declares_them(kind: str, changes: dict[str, Any]) -> None:
    """Whoever does not declare them is not asked, and breaks no promise: that needs a torch.nn.Module."""
    case = Recipe().case().derive("on a module", **changes)
    declaring = type("Declaring", (SpecSubject,), {"contract": (kind,)})

    with pytest.raises(Unsupported, match=MODULE):
        Check(clauses()["STA-01"], Session(SpecSubject())).ask(case)
    assert Check(clauses()["STA-01"], Session(declaring())).ask(case).output is not None
