"""Faults at the edges: sizes of 0 and 1, equal and large sizes, NaN and infinity, strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import ADJOINT, LAYER, MODULE, fault, honest
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN

# -- seq_len 0 and batch 0 ----------------------------------------------------------------------


@fault(
    "seq_len-0-accepted", "EDG-01", "A sequence of no steps gives no output and ends where it began.", LAYER
)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if self.axes(config, input)[0] > 0:
        return honest(self, "call")(rnn, config, input, h_0, training, lengths)
    width = config.num_directions * config.hidden_size
    states = rnn.initial_state(h_0, self.axes(config, input)[1])
    return np.zeros((*input.shape[:-1], width)), states if input.ndim == 3 else states[:, 0], None


@fault("seq_len-0-refused-without-words", "EDG-01", "A sequence of no steps is an index out of range.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if self.axes(config, input)[0] == 0:
        raise IndexError("list index out of range")
    return honest(self, "call")(rnn, config, input, h_0, training, lengths)


@fault("batch-0-refused", "EDG-02", "A batch of 0 is refused.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if self.axes(config, input)[1] == 0:
        raise ValueError("a batch of 0")
    return honest(self, "call")(rnn, config, input, h_0, training, lengths)


@fault("batch-0-has-a-state", "EDG-02", "h_n of a batch of 0 has one row of zeros.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    none = self.axes(config, input)[1] == 0
    return output, np.zeros((len(h_n), 1, config.hidden_size)) if none else h_n, masks


@fault("batch-0-gradients-nan", "EDG-02", "The parameters' gradients of a batch of 0 are NaN.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    found = Adjoint.parameters(self, tape, delta)
    return found if delta.shape[1] else {name: g * np.nan for name, g in found.items()}


# -- axes by their sizes ------------------------------------------------------------------------


@fault("seq_len-1-squeezed", "EDG-03", "The output of one time step has no time axis.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    axis = 1 if config.batch_first and input.ndim == 3 else 0
    return output.squeeze(axis) if output.shape[axis] == 1 else output, h_n, masks


@fault("batch-1-squeezed", "EDG-03", "h_n of a batch of 1 has no batch axis.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    one = input.ndim == 3 and h_n.shape[1] == 1
    return output, h_n[:, 0] if one else h_n, masks


@fault("unit-1-squeezed", "EDG-03", "h_n of a layer of one hidden unit has no feature axis.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    return output, h_n[..., 0] if config.hidden_size == 1 else h_n, masks


@fault("seq_len-1-taken-for-batch", "EDG-03", "A batch at one time step is read as one sequence.")
def to_time_major(self: RNN, input: Any) -> Any:
    x = RNN.to_time_major(self, input)
    return x.swapaxes(0, 1) if len(x) == 1 and self.batched and not self.config.batch_first else x


@fault("square-taken-for-batch-first", "EDG-03", "Where seq_len equals batch, input is read batch first.")
def to_time_major(self: RNN, input: Any) -> Any:
    return input.swapaxes(0, 1) if square(self, input) else RNN.to_time_major(self, input)


@fault("h_0-batch-first-where-it-fits", "EDG-03", "Where layers and batch are as many, h_0 is batch first.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states = RNN.initial_state(self, h_0, batch)
    return states.swapaxes(0, 1) if len(states) == batch else states


@fault("bias-along-the-batch", "EDG-03", "Where batch equals hidden_size, biases go along the batch.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    along = x.shape[1] == w.ih.shape[0]
    return x @ w.ih.T + (w.b_ih[:, None] if along else w.b_ih)


@fault("input-transposed-where-square", "EDG-03", "Where seq_len equals input_size, each row is transposed.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x.swapaxes(0, 2) if x.shape[0] == x.shape[2] else x, w)


@fault("one-feature-broadcast", "EDG-03", "A layer of one unit adds up what it should weigh.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x, w._replace(ih=w.ih * 0 + w.ih[0, 0]) if len(w.ih) == 1 else w)


# -- NaN and infinity ---------------------------------------------------------------------------


@fault("rows-times-zero", "EDG-04", "Every row adds zero times all rows' states.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term + 0 * h.sum(axis=0) if h.shape[1] else term, h, w)


@fault("rows-share-a-scale", "EDG-04", "The input is scaled by the batch's largest value, and back.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    scale = np.exp2(np.floor(np.log2(np.abs(x).max(initial=2.0**-20)))).astype(x.dtype)
    return x / scale @ w.ih.T * scale + w.b_ih


@fault("next-row-times-zero", "EDG-04", "Every row adds zero times the input of the row before it.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x + 0 * np.roll(x, 1, axis=1), w)


@fault("last-step-times-zero", "EDG-05", "Every step adds zero times the last step's input.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x + 0 * x[-1:], w)


@fault("next-step-times-zero", "EDG-05", "Every step adds zero times the next step's input.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x + 0 * np.concatenate([x[1:], x[-1:]]), w)


@fault("nan-input-is-zero", "EDG-06", "NaN in the input is taken for 0.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, np.where(np.isnan(x), x.dtype.type(0), x), w)


@fault("nan-state-is-zero", "EDG-06", "A state that is NaN is taken for 0 by the next step.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, np.where(np.isnan(h), h.dtype.type(0), h), w)


@fault("relu-of-nan-is-0", "EDG-06", "relu takes the larger of 0 and what is a number: NaN becomes 0.")
def activation(self: RNN, z: Any) -> Any:
    return np.fmax(z, z.dtype.type(0)) if self.config.nonlinearity == "relu" else RNN.activation(self, z)


@fault("tanh-of-nan-is-a-number", "EDG-06", "tanh clips its argument by comparisons: NaN becomes -1.")
def activation(self: RNN, z: Any) -> Any:
    limit = z.dtype.type(40)
    tanh = self.config.nonlinearity == "tanh"
    return RNN.activation(self, np.fmin(np.fmax(z, -limit), limit) if tanh else z)


@fault("nan-stays-in-its-unit", "EDG-06", "A NaN in a state is carried by its own unit alone.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    lost = np.isnan(h)
    new = RNN.cell(self, term, np.where(lost, h.dtype.type(0), h), w)
    return np.where(lost, h, new)


@fault("tanh-of-infinity-is-nan", "EDG-07", "tanh is a quotient, infinity by infinity at infinity.")
def activation(self: RNN, z: Any) -> Any:
    h = RNN.activation(self, z)
    return np.where(np.isinf(z), z - z, h) if self.config.nonlinearity == "tanh" else h


@fault("relu-of-infinity-is-nan", "EDG-07", "relu multiplies by 0 or 1: minus infinity becomes NaN.")
def activation(self: RNN, z: Any) -> Any:
    return z * (z > 0) if self.config.nonlinearity == "relu" else RNN.activation(self, z)


@fault("relu-ends-at-the-largest-number", "EDG-07", "relu gives the largest number for infinity.")
def activation(self: RNN, z: Any) -> Any:
    h = RNN.activation(self, z)
    return np.minimum(h, np.finfo(h.dtype).max) if self.config.nonlinearity == "relu" else h


# -- long and wide ------------------------------------------------------------------------------


def past_step(limit: int, change: Any) -> Any:
    """Outputs and carried states changed from a step on: change(h) is what the state becomes there."""

    def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
        before, after = RNN.scan(self, x[:limit], h, alive[:limit], w)
        if len(x) <= limit:
            return before, after
        late, last = RNN.scan(self, x[limit:], change(after[-1]), alive[limit:], w)
        return before + late, after + last

    return scan


fault("state-lost-at-step-512", "EDG-08", "The state starts from zeros at step 512.")(
    past_step(512, lambda h: h * 0)
)
fault("state-rounded-at-step-768", "EDG-08", "The state is rounded to half precision at step 768.")(
    past_step(768, lambda h: h.astype(np.float16).astype(h.dtype))
)
fault("state-lost-at-step-999", "EDG-08", "The state starts from zeros at step 999.")(
    past_step(999, lambda h: h * 0)
)


@fault("units-past-256-forgotten", "EDG-08", "States of units from the 257th on are not carried.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h * (np.arange(h.shape[-1]) < 256), w)


@fault("unit-512-lost", "EDG-08", "Units from the 513th on are 0.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h, w) * (np.arange(h.shape[-1]) < 512)


@fault("inputs-past-256-lost", "EDG-08", "Features from the 257th on are not read.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x * (np.arange(x.shape[-1]) < 256), w)


# -- strides ------------------------------------------------------------------------------------


def raw(t: Any) -> Any:
    """The numbers as they lie in memory, from the tensor's first on, as if it were contiguous."""
    if t is None or t.is_contiguous() or not hasattr(t, "as_strided"):
        return t
    strides = [int(np.prod(t.shape[i + 1 :])) for i in range(t.dim())]
    return t.as_strided(t.shape, strides)


@fault("input-strides-ignored", "EDG-09", "The input's memory is read as if it were contiguous.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return honest(self, "forward")(input if isinstance(input, tuple) else raw(input), hx)


@fault("h_0-strides-ignored", "EDG-09", "h_0's memory is read as if it were contiguous.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return honest(self, "forward")(input, raw(hx) if hasattr(hx, "dim") else hx)


@fault("expanded-input-refused", "EDG-09", "An input that is not contiguous is refused.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if not isinstance(input, tuple) and hasattr(input, "dim") and not input.is_contiguous():
        raise RuntimeError("input is not contiguous")
    return honest(self, "forward")(input, hx)


def square(rnn: RNN, input: Any) -> bool:
    """Whether a time-major input has as many steps as rows, more than one."""
    return bool(rnn.batched and not rnn.config.batch_first and input.shape[0] == input.shape[1] > 1)
