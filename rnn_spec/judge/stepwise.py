"""The step-wise check: every step from the subject's own previous step.

Carried through time, an error bound grows by a factor of up to the largest absolute row sum of
W_hh a step, which for trained weights is often above 1. Checked from the answer's own h_{t-1}, a
step's bound is that of one sum and one activation, for any weights and any seq_len. If every step
is right then the recurrence is right: this is the whole of it, by induction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.questions.records import Bound
from rnn_spec.spec.arithmetic import BoundedArithmetic
from rnn_spec.spec.model import RNN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnn_spec.spec.model import Config


def step_bounds(
    config: Config,
    parameters: Mapping[str, np.ndarray],
    dtype: str,
    layer: int,
    x: np.ndarray,
    y: np.ndarray,
    h_0: np.ndarray,
    lengths: np.ndarray,
) -> Bound:
    """What layer's output (T, N, D*H) must be, given its own output `y` at the steps before.

    `x` (T, N, I or D*H) is what the layer read, `h_0` (D, N, H) its directions' initial states, and
    `lengths` (N,) say where each sequence ends; the output is 0 from there on.
    """
    ops = BoundedArithmetic(dtype)
    rnn = RNN(config, parameters, ops)
    alive = np.arange(x.shape[0])[:, None] < lengths
    parts = []
    for direction in range(config.num_directions):
        w = rnn.weights(layer, direction)
        columns = slice(direction * config.hidden_size, (direction + 1) * config.hidden_size)
        own, read = y[..., columns], x
        if direction == 1:
            own, read = rnn.flip(own, alive), rnn.flip(x, alive)
        before = np.concatenate([h_0[direction][None], own[:-1]])
        new = rnn.cell(rnn.input_term(ops.array(read), w), ops.array(before), w)
        new = ops.where(alive[..., None], new, 0.0)
        parts.append(rnn.flip(new, alive) if direction == 1 else new)
    joined = rnn.join(parts)
    return Bound(joined.value, joined.error)
