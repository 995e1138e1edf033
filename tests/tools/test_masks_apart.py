"""A layer whose two directions drop out apart is told that, and its right gradients are not accused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.faults import FAULTS
from rnn_spec.faults.dropout import another
from rnn_spec.faults.gradients import layer_of
from rnn_spec.lineup.faulty import faulty_spec
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.collect import collect
from tests.tools.examples import failing

if TYPE_CHECKING:
    from rnn_spec.suite.planned import Planned

APART = FAULTS["dropout-mask-apart-for-each-direction"]


class Own(Adjoint):
    """The adjoint of a forward pass in which each direction of a layer has a mask of its own."""

    def input(self, tape: Any, delta: Any) -> Any:
        """The cotangent of what a direction read, through the mask that it read it by."""
        below, layer = Adjoint.input(self, tape, delta), layer_of(self, tape)
        if not layer or not self.rnn.masks:
            return below
        mask = self.rnn.masks[layer - 1]
        if tape is self.rnn.tapes[layer, 0]:
            return self.rnn.between_layers(below, mask)
        alive = np.ones(below.shape[:2], bool)
        return self.rnn.flip(self.rnn.between_layers(self.rnn.flip(below, alive), another(mask)), alive)

    def between_layers(self, g_x: Any, mask: np.ndarray) -> Any:
        """Each direction has done it."""
        return g_x


def subject(adjoint: type[Adjoint]) -> SpecSubject:
    """The spec with masks apart, and this adjoint."""
    made = faulty_spec(APART)
    made.__class__ = type("Apart", (type(made),), {"adjoint": adjoint})
    return made


@pytest.fixture(scope="module")
def dropped() -> list[Planned]:
    """The checks of dropout and of gradients."""
    return [trial for trial in collect() if trial.clause.startswith(("DRP", "GRD"))]


def failed(subject: Any, trials: list[Planned]) -> set[str]:
    """The clauses that fail on a subject."""
    return {trial.clause for trial in failing(subject, trials)}


def test_the_own_adjoint_is_the_derivative() -> None:
    """Central differences of the forward pass with masks apart are what `Own` gives: the subject is right."""
    from rnn_spec.questions.product import Recipe

    case = Recipe.parse("small-L2-tanh-bi-p0.5-train-float64").case()
    made = subject(Own)
    assert case.cotangents is not None

    def loss(input: np.ndarray) -> float:
        answer = made.run(case.derive("moved", input=input))
        assert answer.output is not None
        assert answer.h_n is not None
        assert case.cotangents is not None
        return float(
            (answer.output * case.cotangents.output).sum() + (answer.h_n * case.cotangents.h_n).sum()
        )

    step, index = 1e-5, (2, 1, 0)
    moved = np.zeros(case.input.shape)
    moved[index] = step
    slope = (loss(case.input + moved) - loss(case.input - moved)) / (2 * step)

    assert slope == pytest.approx(made.run(case).gradients["input"][index], rel=1e-6)


def test_masks_apart_fail_a_clause_of_dropout_and_no_gradient(dropped: list[Planned]) -> None:
    """Right gradients of a wrong forward pass are not judged: what differs is the forward pass."""
    assert failed(subject(Own), dropped) == {"DRP-14"}


def test_a_wrong_scale_is_held_against_no_gradient(dropped: list[Planned]) -> None:
    """Where no masks explain the output, its gradients are not judged."""
    found = failed(faulty_spec(FAULTS["dropout-scaled-by-keep"]), dropped)

    assert "DRP-05" in found
    assert "GRD-13" not in found


def test_a_wrong_gradient_under_right_masks_still_fails(dropped: list[Planned]) -> None:
    """A backward pass that does not drop is found, in one direction and in two."""
    assert "GRD-13" in failed(faulty_spec(FAULTS["grad-without-mask"]), dropped)
