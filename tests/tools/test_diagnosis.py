"""Diagnosis: a wrong subject is told which named fault it behaves like, and never a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.diagnosis import diagnose, sentences
from rnn_spec.faulty import faulty, faulty_spec
from rnn_spec.judge.check import Check, Memory, NotClaimed
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODULE
from rnn_spec.matrix import BRIEF, Matrix
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


def test_one_thing_wrong_of_several_is_named_in_part(trials: list[Trial]) -> None:
    """Where a subject ignores lengths, and has no relu besides, the first is still named."""

    class Partly(SpecSubject):
        wrong = faulty_spec(FAULTS["lengths-ignored"])

        def run(self, case: Case) -> Observation:
            if case.config.nonlinearity == "relu":
                raise NotImplementedError("relu")
            return self.wrong.run(case)

    ids = failed(Partly(), trials, {"PCK-01", "PCK-03", "NLN-02", "REC-04"})

    (said, *_) = sentences(Partly(), ids)

    assert said.startswith("in part behaves as if: ")
    assert "(lengths-ignored)" in said


def test_a_module_whose_answers_are_right_is_told_so(trials: list[Trial]) -> None:
    """Where only checks of the module itself failed, no fault of the recurrence is looked for."""
    pytest.importorskip("torch")
    fault = FAULTS["repr-without-bias"]
    subject = faulty(fault)

    found = sentences(subject, failed(subject, trials, {fault.clause}))

    assert found == ["what failed is the module around the recurrence, and none of its answers"]


def test_a_subject_that_claims_little_and_is_slow_is_asked_little(trials: list[Trial]) -> None:
    """A forward-only subject is diagnosed by its own answers, with at most a hundred questions."""

    class Small(type(faulty_spec(FAULTS["w_hh-transposed"]))):  # type: ignore[misc]
        levels = frozenset({"cell", "sequence"})
        asked = 0

        def run(self, case: Case) -> Observation:
            type(self).asked += 1
            return super().run(case)

    wrong = failed(Small(), trials, {"REC-02", "REC-04"})
    Small.asked = 0

    found = diagnose(Small(), wrong)

    assert (FAULTS["w_hh-transposed"],) == found[0].faults
    assert Small.asked <= 100


@pytest.mark.slow
def test_95_of_100_faults_are_named_first() -> None:
    """Of all faults that are not of the module, at least 95% are named, and named first.

    Run with ``pytest -m slow -s tests/tools/test_diagnosis.py``, which prints the rate.
    """
    matrix = Matrix()
    trials = [trial for group in matrix.tests.values() for trial in group]
    faults = [fault for fault in FAULTS.values() if fault.of != MODULE]

    missed = []
    for fault in faults:
        found = diagnose(faulty_spec(fault), matrix.row(fault, BRIEF).failed, trials)
        if [d.faults for d in found[:1]] != [(fault,)]:
            missed.append(fault.name)
    print(f"{len(faults) - len(missed)} of {len(faults)} named first; not: {', '.join(missed)}")

    assert len(missed) <= 0.05 * len(faults)
