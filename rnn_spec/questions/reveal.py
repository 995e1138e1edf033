"""What training-mode dropout did, read from the answer to a case with revealing weights.

`data.revealing_parameters` makes every dropped element visible: above layer 0 the pre-activation
is a known function of the masks, and one element of it depends on one element of each mask. So
each element of the output says which of its masks' elements were kept, and the expectation can be
computed for the masks that the subject drew, whichever those are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.spec.arithmetic import FORMATS, PlainArithmetic
from rnn_spec.spec.model import RNN, parameter_suffix

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case, Observation


def masks(case: Case, observation: Observation, model: type[RNN] = RNN) -> list[np.ndarray] | None:
    """The masks (T, N, D*H), one for each layer but the last, that explain `observation` best.

    None where dropout does not act. An element of a lower mask that a higher one hides is given as
    kept, and so is one of a step after a sequence's end; nothing of the answer depends on it, nor,
    without bias, on which of two masks dropped what either dropped. An answer of the wrong shape
    explains nothing: None. `model` is what is taken to have answered, the spec or one with a fault.
    """
    if not case.dropping:
        return None
    c, last = case.config, case.config.num_layers - 1
    rnn = model(c, case.parameters, PlainArithmetic())
    rnn.forward(case.input, case.h_0, case.lengths)  # layer 0 is below every mask: its output is as here
    time, batch = rnn.tapes[0, 0].after.shape[:2]
    if c.dropout == 1:
        return [np.zeros((time, batch, c.num_directions * c.hidden_size), np.bool_) for _ in range(last)]
    output, h_n = np.asarray(observation.output, np.float64), np.asarray(observation.h_n, np.float64)
    states = (last + 1, c.num_directions, batch, c.hidden_size)
    if output.shape != output_shape(case) or h_n.size != np.prod(states):
        return None
    lengths = np.full(batch, time) if case.lengths is None else np.asarray(case.lengths)
    alive = np.arange(time)[:, None] < lengths
    below = rnn.join(
        [rnn.flip(t.after, alive) if d else t.after for (k, d), t in rnn.tapes.items() if k == 0]
    )
    # What each layer's W_ih reads, for every combination of the masks so far.
    kept: list[tuple[bool, ...]] = [()]
    read: list[np.ndarray] = [below]
    for layer in range(1, last + 1):
        read = [0.75 * rnn.between_layers(r, np.full(r.shape, m)) for r in read for m in (False, True)]
        kept = [(*k, m) for k in kept for m in (False, True)]
        if layer < last:
            bias = np.concatenate([_bias(case, layer, d) for d in range(c.num_directions)])
            read = [rnn.activation(r + bias) for r in read]
    seen = _pre_activation(case, rnn, rnn.to_time_major(output), alive)
    nearest = np.argmin(np.abs(np.stack(read) - seen), axis=0)
    found = [np.array([k[i] for k in kept])[nearest] for i in range(last)]
    for i in range(last - 1):  # hidden above: ambiguous, so given as kept, but at the end h_n shows it
        found[i] |= ~np.logical_and.reduce(found[i + 1 :])
        _read_final_state(case, i, h_n.reshape(states), below, lengths, found)
    return [mask | ~alive[..., None] for mask in found]


def hidden(case: Case) -> set[str]:
    """The arrays of an answer that depend on what no answer reveals.

    With three layers, an element of the lower mask that the upper one hides still enters the
    gradients of the middle layer's two weight matrices, by way of the elements beside it. With one
    time step h_n shows all of every mask.
    """
    time = case.input.shape[1 if case.config.batch_first and case.batched else 0]
    if not case.dropping or case.config.dropout == 1 or time == 1:
        return set()
    middle = [parameter_suffix(k, d) for k in range(1, case.config.num_layers - 1) for d in range(2)]
    return {f"grad weight_{kind}{suffix}" for kind in ("ih", "hh") for suffix in middle}


def output_shape(case: Case) -> tuple[int, ...]:
    """The shape of the case's output."""
    return (*case.input.shape[:-1], case.config.num_directions * case.config.hidden_size)


def _bias(case: Case, layer: int, direction: int) -> np.ndarray:
    suffix = parameter_suffix(layer, direction)
    zeros = np.zeros(case.config.hidden_size)
    b_ih, b_hh = (case.parameters.get(f"bias_{kind}{suffix}", zeros) for kind in ("ih", "hh"))
    return b_ih + b_hh


def _inverse(case: Case, h: np.ndarray) -> np.ndarray:
    """z of act(z) = h; the format's largest z where h has rounded to 1."""
    if case.config.nonlinearity == "relu":
        return h
    edge = 1 - FORMATS[case.dtype].unit_roundoff
    z: np.ndarray = np.arctanh(np.clip(h, -edge, edge))
    return z


def _pre_activation(case: Case, rnn: RNN, output: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """What the last layer's W_ih contributed, from its states and what else it added to them."""
    c, last, parts = case.config, case.config.num_layers - 1, []
    h_0 = None if case.h_0 is None else case.h_0.reshape(last + 1, c.num_directions, -1, c.hidden_size)
    for d in range(c.num_directions):
        h = output[..., d * c.hidden_size : (d + 1) * c.hidden_size]
        first = np.zeros_like(h[:1]) if h_0 is None else h_0[last, d][None]
        own = rnn.flip(h, alive) if d else h
        before = np.concatenate([first, own[:-1]])
        before = rnn.flip(before, alive) if d else before
        w_hh = case.parameters[f"weight_hh{parameter_suffix(last, d)}"]
        parts.append(_inverse(case, h) - before @ w_hh.T - _bias(case, last, d))
    return np.concatenate(parts, axis=-1)


def _read_final_state(
    case: Case, i: int, h_n: np.ndarray, below: np.ndarray, lengths: np.ndarray, found: list[np.ndarray]
) -> None:
    """Mask i at each direction's last step, from the final state of layer i + 1 (only i = 0 of 3 layers)."""
    H, row = case.config.hidden_size, np.arange(len(lengths))
    for d in range(case.config.num_directions):
        step, columns = (0 * lengths if d else lengths - 1), slice(d * H, (d + 1) * H)
        seen = _inverse(case, h_n[i + 1, d]) - _bias(case, i + 1, d)
        whole = 0.75 * below[step, row, columns] / (1 - case.config.dropout)
        found[i][step, row, columns] = seen > whole / 2
