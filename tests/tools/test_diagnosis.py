"""Diagnosis: a wrong subject is told which named fault it behaves like, and never a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.diagnosis import diagnose
from rnn_spec.faulty import faulty_spec
from rnn_spec.judge.check import Check, Memory, NotClaimed
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.faults import FAULTS
from rnn_spec.spec.catalogue import clauses as catalogue
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.trials import collect

if TYPE_CHECKING:
    from rnn_spec.cases.records import Case, Observation
    from rnn_spec.judge.trial import Trial


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """The suite's checks."""
    return collect()


def failed(subject: Any, trials: list[Trial], clauses: set[str]) -> list[str]:
    """The checks of these clauses that fail on a subject."""
    memory, ids = Memory(), []
    for trial in trials:
        if trial.clause in clauses:
            try:
                trial.run(Check(catalogue()[trial.clause], subject, memory))
            except Nonconformity:
                ids.append(trial.id)
            except NotClaimed:
                continue
    return ids


NAMED = (
    "w_hh-transposed",
    "b_hh-dropped",
    "h_0-ignored",
    "reverse-output-not-flipped",
    "h_n-directions-swapped",
    "dropout-scaled-by-keep",
    "float64-in-float32",
    "grad-w_hh-last-step-lost",
)


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_is_named_first(name: str, trials: list[Trial]) -> None:
    """A subject with one named fault is told that fault."""
    fault = FAULTS[name]
    subject = faulty_spec(fault)

    found = diagnose(subject, failed(subject, trials, {fault.clause}))

    assert (fault,) == found[0].faults


def test_two_faults_together_are_named_together(trials: list[Trial]) -> None:
    """Where no fault alone fits, the pair that does is named."""
    pair = FAULTS["w_hh-transposed"], FAULTS["h_n-directions-swapped"]
    subject = faulty_spec(*pair)

    found = diagnose(subject, failed(subject, trials, {"REC-02", "HID-08"}))

    assert [set(pair)] == [set(d.faults) for d in found]


def test_a_fault_without_a_name_is_not_given_one(trials: list[Trial]) -> None:
    """A subject that is wrong in a way of its own is told that no named fault fits."""

    class Odd(SpecSubject):
        def run(self, case: Case) -> Observation:
            observation = super().run(case)
            assert observation.output is not None
            observation.output[..., 0] *= 1.0371
            return observation

    found = diagnose(Odd(), failed(Odd(), trials, {"REC-04"}))

    assert found == []
