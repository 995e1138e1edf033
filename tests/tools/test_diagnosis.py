"""Diagnosis: a wrong subject is told which named fault it behaves like, and never a wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup.diagnosis import diagnose, sentences
from rnn_spec.lineup.faulty import faulty, faulty_spec
from rnn_spec.lineup.matrix import BRIEF, Matrix
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.collect import collect
from rnn_spec.suite.results import Results
from tests.tools.examples import failing

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.questions.records import Case, Observation
    from rnn_spec.suite.planned import Planned


@pytest.fixture(scope="module")
def trials() -> list[Planned]:
    """The suite's checks."""
    return collect()


def failed(subject: Any, trials: list[Planned], clauses: set[str]) -> list[str]:
    """The checks of these clauses that fail on a subject."""
    return [trial.id for trial in failing(subject, (t for t in trials if t.clause in clauses))]


NAMED = (
    "w_hh-transposed",
    "b_hh-dropped",
    "h_0-ignored",
    "reverse-output-not-flipped",
    "h_n-directions-swapped",
    "dropout-scaled-by-keep",
    "float64-in-float32",
    "grad-w_hh-last-step-lost",
    "grad-w_ih-from-own-output",
    "grad-biases-zero",
    "grad-biases-doubled",
    "grad-carry-not-added",
    "grad-truncated-after-1",
)


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_is_named_first(name: str, trials: list[Planned]) -> None:
    """A subject with one named fault is told that fault."""
    fault = FAULTS[name]
    subject = faulty_spec(fault)

    found = diagnose(subject, failed(subject, trials, {fault.clause}))

    assert fault is found[0].fault


def test_two_faults_are_each_named_in_part(trials: list[Planned]) -> None:
    """Where no fault alone fits, each is named in the area where it shows."""
    names = ("lengths-ignored", "grad-biases-zero")
    subject = faulty_spec(*(FAULTS[name] for name in names))

    found = diagnose(subject, failed(subject, trials, {"PCK-01", "PCK-03", "GRD-03", "GRD-04"}), trials)

    assert set(names) == {d.fault.name for d in found}
    assert all(str(d).startswith("in part behaves as if: ") for d in found)


def test_a_fault_without_a_name_is_not_given_one(trials: list[Planned]) -> None:
    """A subject that is wrong in a way of its own is told that no named fault fits."""

    class Odd(SpecSubject):
        def run(self, case: Case) -> Observation:
            observation = super().run(case)
            assert observation.output is not None
            observation.output[..., 0] *= 1.0371
            return observation

    found = diagnose(Odd(), failed(Odd(), trials, {"REC-04"}))

    assert found == []


def test_a_fault_that_is_nearly_the_subjects_is_not_named(trials: list[Planned]) -> None:
    """A subject that is a fault but for a few bounds' width is not given that fault's name."""
    fault = FAULTS["w_hh-transposed"]

    class Nearly(type(faulty_spec(fault))):  # type: ignore[misc]
        by = 0.0

        def run(self, case: Case) -> Observation:
            observation: Observation = super().run(case)
            if observation.output is not None and case.dtype == "float32":
                observation.output[..., -1] *= np.float32(1 + self.by)
            return observation

    class Farther(Nearly):
        by = 2.0**-12

    ids = failed(Nearly(), trials, {"REC-02"})

    assert fault is diagnose(Nearly(), ids, trials)[0].fault
    assert fault not in [d.fault for d in diagnose(Farther(), ids, trials)]


def test_lanes_that_few_cases_tell_apart_are_told_apart(trials: list[Planned]) -> None:
    """Of two faults that are one at the sizes that failed, that one is named that is right at the others."""
    fault, other = FAULTS["units-past-32s-not-read"], FAULTS["units-past-8s-not-read"]
    subject = faulty_spec(fault)

    found = diagnose(subject, failed(subject, trials, {fault.clause}), trials)

    assert fault is found[0].fault
    assert other not in [d.fault for d in found]


def test_one_thing_wrong_of_several_is_named_in_part(trials: list[Planned]) -> None:
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


def detached(name: str, trials: list[Planned], **changes: Any) -> list[str]:
    """What is said of a subject with this fault whose backward pass gives no gradient of h_0."""

    class Detached(type(faulty_spec(FAULTS[name]))):  # type: ignore[misc]
        def run(self, case: Case) -> Observation:
            answer: Observation = super().run(case)
            gradients = {name: g for name, g in answer.gradients.items() if name != "h_0"}
            return replace(answer, gradients=gradients)

    subject = type("Detached", (Detached,), changes)()
    return sentences(subject, failed(subject, trials, {"GRD-01", "GRD-02", "GRD-03", "GRD-04", "GRD-05"}))


def test_a_state_that_is_detached_is_named_without_a_gradient_of_h_0(trials: list[Planned]) -> None:
    """A fault is compared on the arrays that the subject answered, and on no others."""
    found = detached("grad-truncated-after-1", trials)

    assert "(grad-truncated-after-1)" in found[0]
    assert not found[0].startswith("in part")


def test_of_a_gradient_that_is_not_given_no_fault_is_told(trials: list[Planned]) -> None:
    """A layer whose upper W_ih learns from its own output, and that has no gradient of h_0, has one fault."""
    found = detached("grad-w_ih-from-own-output", trials)

    assert [sentence.partition("(")[2].partition(")")[0] for sentence in found] == [
        "grad-w_ih-from-own-output"
    ]


def test_a_layer_with_one_bias_is_told_what_is_wrong_with_its_gradient(trials: list[Planned]) -> None:
    """Both of torch's bias gradients are wrong at once where a layer has one, in float32 alone, too."""
    found = detached("grad-biases-zero", trials, dtypes=("float32",))

    assert found[0].startswith("behaves as if: The gradient of bias_ih and of bias_hh is zero")


def test_three_things_wrong_are_named_area_by_area(trials: list[Planned]) -> None:
    """Where no fault explains everything, each area is told the fault that shows there."""
    names = ("lengths-ignored", "dropout-not-scaled", "grad-biases-zero")
    subject = faulty_spec(*(FAULTS[name] for name in names))

    found = sentences(subject, failed(subject, trials, {"PCK-01", "PCK-02", "DRP-05", "GRD-03", "GRD-04"}))

    assert all(sentence.startswith("in part behaves as if: ") for sentence in found)
    assert all(any(f"({name})" in sentence for sentence in found) for name in names)
    assert len(found) == len(names)


def test_no_fault_is_named_in_part_that_the_subject_is_not_convicted_of(trials: list[Planned]) -> None:
    """relu of NaN is 0, and tanh is wrong, too: nobody says that relu has another threshold."""

    class Mixed(SpecSubject):
        numbers = faulty_spec(FAULTS["relu-of-nan-is-0"])

        def run(self, case: Case) -> Observation:
            if case.lengths is not None:
                raise NotImplementedError("lengths")
            answer = self.numbers.run(case)
            if answer.output is not None and case.config.nonlinearity == "tanh":
                answer.output[..., 0] *= 1.0371
            return answer

    found = sentences(Mixed(), failed(Mixed(), trials, {"EDG-06", "EDG-07", "NLN-01", "NLN-03", "PCK-01"}))

    assert any("(relu-of-nan-is-0)" in sentence for sentence in found)
    assert not any("threshold" in sentence for sentence in found)


def test_checks_of_an_exhaustive_run_have_answers(trials: list[Planned]) -> None:
    """What failed there alone is no matter of the module around the recurrence."""

    class Now(SpecSubject):
        def run(self, case: Case) -> Observation:
            answer = super().run(case)
            if "input" in answer.gradients and case.input.ndim == 3:
                answer.gradients["input"][::2, ..., 0] *= 1.0371
            return answer

    known = {trial.id for trial in trials}
    more = [t for t in collect(exhaustive=True) if t.id not in known and t.clause == "GRD-06"]

    found = sentences(Now(), failed(Now(), more[:60], {"GRD-06"}))

    assert found == ["behaves like no named fault of the recurrence"]


@pytest.mark.parametrize("name", ["repr-without-bias", "no-bias-by-default", "states-of-an-lstm"])
def test_a_module_whose_answers_are_right_is_told_what_it_is_like(name: str, trials: list[Planned]) -> None:
    """Where only checks of the module itself failed, the fault is named whose failed checks are like them."""
    pytest.importorskip("torch")
    fault = FAULTS[name]
    subject = faulty(fault)
    asked = [trial.id for trial in trials if trial.clause == fault.clause]

    around, like = sentences(subject, failed(subject, trials, {fault.clause}), asked)

    assert around == "what failed is the module around the recurrence, and none of its answers"
    assert like.startswith("by its failed checks most like: ")
    assert f"({name}); " in like


def test_a_subject_that_claims_little_and_is_slow_is_asked_little(trials: list[Planned]) -> None:
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

    assert FAULTS["w_hh-transposed"] is found[0].fault
    assert Small.asked <= 100


@pytest.mark.slow
def test_95_of_100_faults_are_named_first() -> None:
    """Of all faults that are not of the module, at least 95% are named, and named first.

    Run with ``pytest -m slow -s tests/tools/test_diagnosis.py``, which prints each and the rate.
    """
    matrix = Matrix()
    trials = [trial for group in matrix.tests.values() for trial in group]
    faults = [fault for fault in FAULTS.values() if fault.of != MODULE]

    missed = []
    for fault in faults:
        found = diagnose(faulty_spec(fault), matrix.row(fault, BRIEF).failed, trials)
        right = [d.fault for d in found[:1]] == [fault]
        missed += [] if right else [fault.name]
        print(f"{fault.name}: {'first' if right else 'missed'}", flush=True)
    print(f"{len(faults) - len(missed)} of {len(faults)} named first; not: {', '.join(missed)}")

    assert len(missed) <= 0.05 * len(faults)


def test_a_run_in_which_a_should_alone_fails_is_diagnosed(tmp_path: Path) -> None:
    """It conforms, and is told what it behaves like as one that does not."""
    pytest.importorskip("torch")
    subject = "fault:repr-with-sizes-swapped"

    done = CliRunner().invoke(main, ["check", subject, "--clause=ARG-07", "-n0", f"--results={tmp_path}"])

    assert done.exit_code == 0, done.output
    assert "(repr-with-sizes-swapped)" in done.output
    assert Results.read(tmp_path / "results.json").diagnoses
