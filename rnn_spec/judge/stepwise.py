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
    from collections.abc import Callable, Iterator, Mapping

    from rnn_spec.spec.model import Config


class TooCoarse(ValueError):
    """A dtype in which so many terms cannot be summed to any bound."""


def walk(
    config: Config,
    parameters: Mapping[str, np.ndarray],
    dtype: str,
    x: np.ndarray,
    lower: Callable[[int], np.ndarray],
    h_0: np.ndarray,
    h_n: np.ndarray,
    lengths: np.ndarray,
) -> Iterator[tuple[str, np.ndarray, Bound]]:
    """Every layer's output and final states: a name, what was answered, and what that must be.

    `x` (T, N, I) is the input, `lower(k)` the output (T, N, D*H) of the first k layers, the last of which is
    the whole stack; `h_0` and `h_n` are (L, D, N, H), `lengths` (N,). TooCoarse where nothing can be judged.
    """
    D, H, batch = config.num_directions, config.hidden_size, np.arange(x.shape[1])
    last, finite = (lengths - 1, np.zeros(len(batch), int)), are_finite(x, h_0, *parameters.values())
    for layer in range(config.num_layers):
        y = lower(layer + 1)
        expected = step_bounds(config, parameters, dtype, layer, x, y, h_0[layer], lengths, finite=finite)
        if np.isinf(expected.error).all():
            raise TooCoarse(f"{dtype} is too coarse for sums of {x.shape[2] + H + 2} terms to be judged")
        yield f"output of layer {layer}", y, expected
        for d in range(D):
            own = expected[last[d], batch, d * H : (d + 1) * H]
            yield f"h_n[{layer * D + d}]", h_n[layer, d], own
        x = y


def are_finite(*arrays: np.ndarray) -> bool:
    """Whether no array holds an infinity or NaN."""
    return all(np.isfinite(array).all() for array in arrays)


def step_bounds(
    config: Config,
    parameters: Mapping[str, np.ndarray],
    dtype: str,
    layer: int,
    x: np.ndarray,
    y: np.ndarray,
    h_0: np.ndarray,
    lengths: np.ndarray,
    *,
    finite: bool = False,
) -> Bound:
    """What layer's output (T, N, D*H) must be, given its own output `y` at the steps before.

    `x` (T, N, I or D*H) is what the layer read, `h_0` (D, N, H) its directions' initial states, and
    `lengths` (N,) say where each sequence ends; the output is 0 from there on. `finite` says that all that
    the stack was given is so: an infinity that it answers is what the dtype cannot hold, and may have been a
    number where it was carried on in a wider one, so that what comes of it is not said.
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
        with np.errstate(invalid="ignore"):  # of an infinity and its opposite
            new = rnn.cell(rnn.input_term(ops.array(read), w), ops.array(before), w)
        new = ops.where(alive[..., None], new, 0.0)
        if finite:
            new.error[~(np.isfinite(read).all(axis=-1) & np.isfinite(before).all(axis=-1))] = np.inf
        parts.append(rnn.flip(new, alive) if direction == 1 else new)
    joined = rnn.join(parts)
    return Bound(joined.value, joined.error)
