"""From a Case to its Expectation: the spec, run on the arithmetic that bounds the case's dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions import reveal
from rnn_spec.questions.records import Bound, Expectation
from rnn_spec.spec.arithmetic import BoundedArithmetic
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.questions.records import Case


def answer(case: Case, arithmetic: Any, masks: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """output, h_n and, with cotangents, every gradient, by name, as the spec has them in an arithmetic."""
    rnn = RNN(case.config, case.parameters, arithmetic)
    output, h_n = rnn.forward(case.input, case.h_0, case.lengths, masks)
    gradients = pulled_back(case, Adjoint(rnn), masks)
    return {"output": output, "h_n": h_n, **{f"grad {name}": g for name, g in gradients.items()}}


def pulled_back(case: Case, adjoint: Adjoint, masks: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """The gradients that the case asks for, by what they are of, after the forward pass; none of no h_0."""
    if (g := case.cotangents) is None:
        return {}
    found = adjoint.backward(g.output, g.h_n, case.lengths, masks)
    return {name: value for name, value in found.items() if name != "h_0" or case.h_0 is not None}


@np.errstate(over="ignore", invalid="ignore")  # infinities and NaN are numbers here (step 6 of the bound)
def expect(case: Case, masks: Sequence[np.ndarray] | None = None) -> Expectation:
    """What a correct implementation answers: output, h_n and, with cotangents, every gradient.

    `masks` are what dropout kept (see `reveal.masks`); they are needed where `case.dropping`.
    """
    arrays = answer(case, BoundedArithmetic(case.dtype), masks)
    known = arrays.keys() - reveal.hidden(case)
    return Expectation({name: _bound(value) for name, value in arrays.items() if name in known})


def _bound(x: Any) -> Bound:
    x = x.rounded()
    return Bound(x.value, np.broadcast_to(x.error, x.value.shape))
