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


@np.errstate(over="ignore", invalid="ignore")  # infinities and NaN are numbers here (step 6 of the bound)
def expect(case: Case, masks: Sequence[np.ndarray] | None = None) -> Expectation:
    """What a correct implementation answers: output, h_n and, with cotangents, every gradient.

    `masks` are what dropout kept (see `reveal.masks`); they are needed where `case.dropping`.
    """
    rnn = RNN(case.config, case.parameters, BoundedArithmetic(case.dtype))
    output, h_n = rnn.forward(case.input, case.h_0, case.lengths, masks)
    arrays = {"output": output, "h_n": h_n}
    if case.cotangents is not None:
        g = Adjoint(rnn).backward(case.cotangents.output, case.cotangents.h_n, case.lengths, masks)
        arrays |= {f"grad {name}": value for name, value in g.items()}
        if case.h_0 is None:
            del arrays["grad h_0"]
    known = arrays.keys() - reveal.hidden(case)
    return Expectation({name: _bound(value) for name, value in arrays.items() if name in known})


def _bound(x: Any) -> Bound:
    x = x.rounded()
    return Bound(x.value, np.broadcast_to(x.error, x.value.shape))
