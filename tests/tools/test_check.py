"""`judge.check`: one clause brought together with one subject, however hostile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity, same
from rnn_spec.judge.session import NotClaimed, Session, Unsupported
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Bound, Case, Error, Observation
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import Subject
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.planned import Planned
from rnn_spec.suite.plugin import level

if TYPE_CHECKING:
    from collections.abc import Callable

CASE = Recipe(num_layers=2, bidirectional=True).case()


def check(subject: Subject, clause: str = "REC-01", session: Session | None = None) -> Check:
    """A check of a clause that every subject owes."""
    return Check(clauses()[clause], session or Session(subject))


class Answering(SpecSubject):
    """The spec as a subject whose answer is changed before it is given; it counts its calls."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        self.change, self.calls = change, 0

    def run(self, case: Case) -> Any:
        """Answer, and change the answer."""
        self.calls += 1
        return self.change(super().run(case))


def honest(observation: Observation) -> Observation:
    """The answer as it is."""
    return observation


# -- what is claimed ----------------------------------------------------------------------------------


class Cell(Subject):
    """A subject that claims one cell."""

    levels = frozenset({"cell"})


def test_a_clause_beyond_the_subjects_levels_is_not_claimed() -> None:
    """A clause whose level the subject does not claim is neither passed nor failed."""
    with pytest.raises(NotClaimed, match="not claimed: gradients"):
        check(Cell(), "GRD-01")


def test_a_case_beyond_the_subjects_levels_is_not_claimed() -> None:
    """A case that needs more than is claimed says which levels, and does not ask the subject."""
    with pytest.raises(NotClaimed, match="not claimed: sequence, stack, bidirectional"):
        check(Cell()).ask(CASE)


def test_a_dtype_that_is_not_claimed_is_not_asked_for() -> None:
    """A case in a dtype that the subject does not compute in is not claimed."""

    class Single(SpecSubject):
        dtypes = ("float32",)  # type: ignore[assignment]

    with pytest.raises(NotClaimed, match="not claimed: float64"):
        check(Single()).ask(Recipe(dtype="float64").case())


def test_without_gradients_the_forward_pass_is_still_judged() -> None:
    """A subject that claims no gradients is asked the case without cotangents."""

    class Forward(SpecSubject):
        levels = SpecSubject.levels - {"gradients"}

    found = check(Forward())

    answer = found.conforms(CASE, "output", "h_n")

    assert not answer.gradients
    with pytest.raises(NotClaimed, match="not claimed: gradients"):
        found.conforms(CASE, "grad *")


def test_unsupported_is_told_with_the_reason() -> None:
    """An answer that says unsupported has neither passed nor failed, and its reason is told."""
    subject = Answering(lambda _: Observation(unsupported="no CUDA here"))

    with pytest.raises(Unsupported, match=r"^no CUDA here$"):
        check(subject).ask(CASE)


# -- what is asked --------------------------------------------------------------------------------------


def test_a_question_is_asked_once() -> None:
    """Checks of one session look at one answer, unless one asks again."""
    subject = Answering(honest)
    session = Session(subject)

    first = check(subject, session=session).ask(CASE)
    second = check(subject, "HID-01", session).ask(CASE)
    check(subject, session=session).ask(CASE, again=True)

    assert first is second
    assert subject.calls == 2


def everything(case: Case) -> list[np.ndarray]:
    """Every array that a case holds."""
    assert case.cotangents is not None
    assert case.h_0 is not None
    assert case.lengths is not None
    return [*case.parameters.values(), case.input, case.h_0, case.lengths, *vars(case.cotangents).values()]


def test_a_subject_that_writes_into_its_case_changes_no_one_elses() -> None:
    """Whatever a subject does to the arrays it is given, the suite's case is as it was."""

    class Vandal(SpecSubject):
        def run(self, case: Case) -> Observation:
            answer = super().run(case)
            for array in everything(case):
                array[...] = 99
            return answer

    case = replace(CASE, lengths=np.array([9, 3, 5]))
    before = [array.copy() for array in everything(case)]

    answer = check(Vandal()).conforms(case, "*")

    assert all(map(np.array_equal, before, everything(case)))
    assert answer.after is not None
    assert (answer.after["input"] == 99).all()


class Far(SpecSubject):
    """A subject that answers from elsewhere, and says of its arguments what it is told to say."""

    remote = True

    def __init__(self, after: dict[str, np.ndarray] | None) -> None:
        self.after = after

    def run(self, case: Case) -> Observation:
        """Answer."""
        return replace(super().run(case), after=self.after)


def test_what_a_far_subject_does_not_tell_nobody_knows() -> None:
    """A case that was sent away comes back unchanged in any event: that proves nothing, and is no answer."""
    assert check(Far(None)).ask(CASE).after is None
    assert check(SpecSubject()).ask(CASE).after is not None


def test_what_was_not_changed_may_be_left_out() -> None:
    """What a subject does not name among what its arguments hold after the call holds what it held."""
    zeros = np.zeros_like(CASE.input)

    after = check(Far({"input": zeros})).ask(CASE).after

    assert after is not None
    assert after["input"] is zeros
    assert same({**CASE.parameters, "h_0": CASE.h_0}, {n: a for n, a in after.items() if n != "input"})


# -- hostile answers ------------------------------------------------------------------------------------


def raising(_: Observation) -> Observation:
    """No answer at all."""
    raise KeyError("weights\nof two lines")


RUBBISH: dict[str, tuple[Callable[[Any], Any], str]] = {
    "raises": (raising, r"raised KeyError in forward: 'weights\\nof two lines'"),
    "None": (lambda _: None, "raised NoneType in adapter: run.. returned a NoneType, not an Observation"),
    "a tuple": (lambda o: (o.output, o.h_n), "run.. returned a tuple, not an Observation"),
    "an error": (lambda _: Observation(error=Error("backward", "E", "why")), "raised E in backward: why"),
    "nothing": (lambda _: Observation(), "the answer has no output"),
    "no h_n": (lambda o: replace(o, h_n=None), "the answer has no h_n"),
    "no gradient": (lambda o: replace(o, gradients={}), "the answer has no grad input"),
    "gradients None": (lambda o: replace(o, gradients=None), "the answer cannot be read as arrays"),
    "wrong shape": (
        lambda o: replace(o, output=o.output[1:]),
        r"output: shape \(8, 3, 14\), expected \(9, 3, 14\)",
    ),
    "scalar": (lambda o: replace(o, h_n=0.0), r"h_n: shape \(\), expected \(4, 3, 7\)"),
    "ragged": (
        lambda o: replace(o, output=[[1.0], [1.0, 2.0]]),
        "cannot be read as arrays: setting an array",
    ),
    "text": (lambda o: replace(o, output=o.output.astype(str)), "output: holds <U.., expected real numbers"),
    "objects": (lambda o: replace(o, output=o.output.astype(object)), "output: holds object"),
    "complex": (lambda o: replace(o, output=o.output + 0j), "output: holds complex64"),
    "NaN": (lambda o: replace(o, output=o.output * np.nan), "output: 378 of 378 elements differ"),
    "infinite": (lambda o: replace(o, h_n=o.h_n + np.inf), "h_n: 84 of 84 elements differ"),
    "one NaN": (
        lambda o: replace(o, h_n=np.where(o.h_n == o.h_n[2, 1, 3], np.nan, o.h_n)),
        r"worst is \[2, 1, 3\]",
    ),
    "a gradient off": (
        lambda o: replace(o, gradients={**o.gradients, "weight_hh_l1": o.gradients["weight_hh_l1"] + 1}),
        "grad weight_hh_l1: 49 of 49 elements differ",
    ),
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_is_a_nonconformity_that_says_what_it_is(kind: str) -> None:
    """Whatever a subject returns or raises fails the check in a sentence; nothing of ours breaks."""
    change, sentence = RUBBISH[kind]

    with pytest.raises(Nonconformity, match=sentence):
        check(Answering(change)).conforms(CASE, "*")


def test_a_warning_of_the_subjects_is_no_error() -> None:
    """A subject may warn, even where warnings are errors."""

    class Warner(SpecSubject):
        def run(self, case: Case) -> Observation:
            np.float64(1) / np.float64(0)
            return super().run(case)

    assert check(Warner()).ask(CASE).output is not None


def test_what_a_subject_does_not_swallow_is_not_swallowed_for_it() -> None:
    """Ctrl-C in a subject ends the run; it is no answer."""

    class Interrupted(SpecSubject):
        def run(self, case: Case) -> Observation:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(Interrupted()).ask(CASE)


# -- what is compared -------------------------------------------------------------------------------------


def test_headroom_is_the_worst_of_a_check() -> None:
    """A check remembers its worst headroom, wherever in the check it was, and that comparison."""
    found, bound = check(SpecSubject()), Bound(np.zeros(1), np.ones(1))

    for name, error in (("first", 0.25), ("second", 0.5), ("third", 0.125)):
        found.within(name, np.array([error]), bound)

    assert found.headroom == 0.5
    assert found.worst is not None
    assert found.worst.name == "second"


def test_a_check_that_would_compare_nothing_is_an_error_of_ours() -> None:
    """A misspelt array is no green check."""
    with pytest.raises(ValueError, match="this check would compare nothing"):
        check(SpecSubject()).conforms(CASE, "outputs")


def test_a_pattern_takes_every_array_that_begins_so() -> None:
    """``grad weight_hh*`` compares the gradients of every W_hh, and only those."""
    found = check(Answering(lambda o: replace(o, output=o.output + 1)))

    found.conforms(CASE, "grad weight_hh*")

    assert found.worst is not None
    assert found.worst.name.startswith("grad weight_hh")


def test_dropout_is_judged_under_the_masks_that_were_drawn() -> None:
    """Two answers with different masks both conform, each to its own expectation."""
    case = Recipe(num_layers=3, dropout=0.5, training=True).case()
    found = check(SpecSubject())

    outputs = [found.conforms(case.derive(str(s), seed=s), "output", "h_n").output for s in (1, 2)]

    assert outputs[0] is not None
    assert outputs[1] is not None
    assert (outputs[0] != outputs[1]).any()


def test_agree_allows_the_sum_of_both_bounds() -> None:
    """Two answers agree when they differ by no more than both bounds together."""
    found = check(SpecSubject())
    bounds = Bound(np.zeros(2), np.array([0.5, 0.5]))

    found.agree("x", np.array([1.0, 1.0]), np.array([0.0, 2.0]), bounds)

    with pytest.raises(Nonconformity, match="1 of 2 elements differ"):
        found.agree("x", np.array([1.1, 1.0]), np.array([0.0, 2.0]), bounds)


def test_equal_takes_bits_and_shapes_seriously() -> None:
    """equal compares arrays bit for bit but for the sign of zero, and plain values by ==."""
    found = check(SpecSubject())

    found.equal("x", np.array([0.0, np.nan]), np.array([-0.0, np.nan]))
    found.equal("x", (1, 2), (1, 2))

    for got, expected in [
        (np.array([1.0]), np.array([np.nextafter(1, 2)])),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([1.0]), 1.0),
        ((1, 2), (2, 1)),
    ]:
        with pytest.raises(Nonconformity):
            found.equal("x", got, expected)


def test_holds_says_its_sentence() -> None:
    """A condition that does not hold fails with the sentence that it was given."""
    found = check(SpecSubject())

    found.holds(True, "never said")

    with pytest.raises(Nonconformity, match="the sky is green"):
        found.holds(False, "the sky is green")


class RaisesBackward(SpecSubject):
    """Right, but for a backward pass that raises."""

    def run(self, case: Case) -> Observation:
        """The spec's answer, or an error where gradients are asked for."""
        if case.cotangents is not None:
            return Observation(error=Error("backward", "ValueError", "no gradient of one step"))
        return super().run(case)


def test_subject_that_raises_in_the_backward_pass_fails_at_gradients_alone() -> None:
    """Clauses of other levels are judged without gradients; a test of gradients fails whatever its clause."""
    recipe = Recipe.parse("small-L1-tanh-float64")

    def outcome(clause: str, test: Callable[..., Any]) -> str:
        trial = Planned("t", clause, test, {"case": recipe}, ("case", "check"))
        try:
            trial.run(Check(clauses()[clause], Session(RaisesBackward())))
        except Nonconformity as e:
            return str(e)
        return "passed"

    assert outcome("REC-04", lambda case, check: check.conforms(case, "output")) == "passed"
    assert outcome("DET-01", lambda case, check: check.ask(case).arrays()) == "passed"
    for clause in ("GRD-01", "PCK-11", "PRC-02"):
        said = outcome(clause, lambda case, check: check.conforms(case, "grad input"))
        assert said == "raised ValueError in backward: no gradient of one step"
    with pytest.raises(NotClaimed, match="not told: the shapes of its parameters"):
        outcome("PAR-03", lambda case, check: (check.ask(case), check.told("parameters", None)))
    assert "backward" in outcome("GRD-01", lambda case, check: check.conforms(case, "output"))


@pytest.mark.parametrize(
    ("clause", "case", "expected"),
    [
        ("REC-04", "small-L1-tanh-float32", "sequence"),
        ("REC-04", "small-L2-tanh-bi-float32", "bidirectional"),
        ("REC-04", "small-L2-tanh-bi-float16", "precision"),
        ("GRD-01", "small-L2-tanh-bi-float32", "gradients"),
        ("BF-01", "small-L1-tanh-batch_first-float32", "torch_api"),
        ("PAR-03", None, "cell"),
    ],
)
def test_level_of_a_check_is_the_last_that_it_needed(clause: str, case: str | None, expected: str) -> None:
    """Its clause's, or a later one of its case's; gradients only where the clause is about them."""
    asked = check(SpecSubject(), clause)
    asked.case = Recipe.parse(case).case() if case else None

    assert level(clause, asked, None) == expected
    assert level(clause, asked, Nonconformity("it differs", "grad input")) == "gradients"
