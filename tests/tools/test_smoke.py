"""The smoke stage: every mistake of an adapter is told from a wrong RNN, and from every other mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rnn_spec.lineup.faulty import faulty_spec
from rnn_spec.lineup.mistakes import MISTAKES, Mistake
from rnn_spec.lineup.smoke import cases, smoke
from rnn_spec.questions.records import Case, Error, Observation
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Callable


def behind(*mistakes: Mistake) -> SpecSubject:
    """The spec behind an adapter that makes mistakes, and tells output and h_n alone."""
    faults = [fault for mistake in mistakes for fault in mistake.faults]

    class Behind(type(faulty_spec(*faults))):  # type: ignore[misc]
        def run(self, case: Case) -> Observation:
            answer = super().run(case)
            return Observation(answer.output, answer.h_n)

    return Behind()


class Spoken(SpecSubject):
    """The spec, with something done to its answers."""

    def __init__(self, change: Callable[[Observation], Observation]) -> None:
        super().__init__()
        self.change = change

    def run(self, case: Case) -> Observation:
        """The changed answer."""
        return self.change(super().run(case))


def test_right_subject_passes_all_ten_cases() -> None:
    """Nothing is said but that."""
    assert str(smoke(SpecSubject())) == "smoke: 10 of 10 cases are right"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_mistake_of_an_adapter_is_named_alone(mistake: Mistake) -> None:
    """No other mistake explains the same answers."""
    found = smoke(behind(mistake))

    assert found.adapter
    assert found.mistakes == (mistake.sentence,)


def test_two_mistakes_at_once_are_named_together() -> None:
    """Where none explains the answers alone, pairs are tried."""
    one, two = (m for m in MISTAKES if m.name in ("no-bias_hh", "h_n-axes-exchanged"))

    assert smoke(behind(one, two)).mistakes == (f"{one.sentence}; and {two.sentence}",)


@pytest.mark.parametrize("name", ["reverse-output-not-flipped", "tanh-by-fraction", "time-mirrored"])
def test_wrong_rnn_is_not_taken_for_a_wrong_adapter(name: str) -> None:
    """What no adapter does is left to the suite, and said to be the RNN's."""
    found = smoke(load(f"fault:{name}"))

    assert found.failures
    assert not found.adapter
    assert "the RNN is wrong" in str(found)


@pytest.mark.parametrize(
    ("digits", "sentence"), [(np.float32, "float32 where float64"), (6, "with 7 digits or fewer")]
)
def test_lost_digits_are_the_adapters(digits: object, sentence: str) -> None:
    """Answers that are right but for their last digits have lost them on the way."""

    def lossy(answer: Observation) -> Observation:
        def lose(a: np.ndarray | None) -> np.ndarray:
            if isinstance(digits, int):
                return np.vectorize(lambda x: float(f"{x:.{digits}g}"))(a)
            return np.asarray(a, np.float32)

        return Observation(lose(answer.output), lose(answer.h_n))

    assert sentence in str(smoke(Spoken(lossy)))


def test_worker_that_answers_nothing_is_a_wrong_adapter() -> None:
    """Ten crashes say nothing of the RNN."""
    error = Error("worker", "crash", "exited with status 3 without an answer")

    found = smoke(Spoken(lambda _: Observation(error=error)))

    assert found.adapter
    assert "answers no case at all" in str(found)
    assert "exited with status 3" in str(found)


def test_only_what_is_claimed_is_asked() -> None:
    """A subject of one layer and one direction is asked fewer than ten."""

    class Small(SpecSubject):
        levels = frozenset({"cell", "sequence"})

    assert len(cases(Small())) == 6
