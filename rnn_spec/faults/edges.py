"""Faults at the edges: sizes of 0 and 1, equal and large sizes, NaN and infinity, strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import LAYER, MODULE, adjoint, fault, honest, is_tanh, layer, model, module, then
from rnn_spec.spec.model import RNN


def refusing(when: Any, error: Exception) -> Any:
    """A call that raises this error when(T, N)."""

    def call(self: Any, rnn: Any, config: Any, input: Any, *rest: Any) -> Any:
        if when(*self.axes(config, input)):
            raise error
        return honest(self, "call")(rnn, config, input, *rest)

    return call


def ending(change: Any) -> Any:
    """A call whose h_n is change(the right one, config)."""
    return then(lambda self, output, h_n, masks, rnn, config, *_: (output, change(h_n, config), masks))


def time_major(rnn: RNN) -> bool:
    """Whether the input is batched, and has its time first."""
    return rnn.batched and not rnn.config.batch_first


def past_step(limit: int, change: Any) -> Any:
    """Outputs and carried states changed from a step on: change(h) is what the state becomes there."""

    def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
        before, after = RNN.scan(self, x[:limit], h, alive[:limit], w)
        if len(x) <= limit:
            return before, after
        late, last = RNN.scan(self, x[limit:], change(after[-1]), alive[limit:], w)
        return before + late, after + last

    return scan


def raw(t: Any) -> Any:
    """A tensor's numbers as they lie in memory, from its first on, as if it were contiguous."""
    if not hasattr(t, "dim") or t.is_contiguous():
        return t
    strides = [int(np.prod(t.shape[i + 1 :])) for i in range(t.dim())]
    return t.as_strided(t.shape, strides)


# A fault is a row of a table.
# fmt: off

# -- seq_len 0 and batch 0 ----------------------------------------------------------------------

@fault("seq_len-0-accepted", "EDG-01",
       "A sequence of no steps gives no output and ends where it began.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    if self.axes(config, input)[0] > 0:
        return honest(self, "call")(rnn, config, input, h_0, *rest)
    width = config.num_directions * config.hidden_size
    states = rnn.initial_state(h_0, self.axes(config, input)[1])
    return np.zeros((*input.shape[:-1], width)), states if input.ndim == 3 else states[:, 0], None


layer("seq_len-0-refused-without-words", "EDG-01", "A sequence of no steps is an index out of range.",
      call=refusing(lambda T, N: T == 0, IndexError("list index out of range")))
layer("batch-0-refused", "EDG-02", "A batch of 0 is refused.",
      call=refusing(lambda T, N: N == 0, ValueError("a batch of 0")))
layer("batch-0-has-a-state", "EDG-02", "h_n of a batch of 0 has one row of zeros.",
      call=ending(lambda h_n, config: h_n if h_n.size else np.zeros((len(h_n), 1, config.hidden_size))))
adjoint("batch-0-gradients-nan", "EDG-02", "The parameters' gradients of a batch of 0 are NaN.",
        parameters=then(lambda self, found, tape, delta:
                        found if delta.shape[1] else {name: g * np.nan for name, g in found.items()}))

# -- axes by their sizes ------------------------------------------------------------------------

layer("seq_len-1-squeezed", "EDG-03", "The output of one time step has no time axis.",
      call=then(lambda self, output, h_n, masks, rnn, config, input, *_: (
          output.squeeze(int(config.batch_first and input.ndim == 3))
          if self.axes(config, input)[0] == 1 else output, h_n, masks)))
layer("batch-1-squeezed", "EDG-03", "h_n of a batch of 1 has no batch axis.",
      call=ending(lambda h_n, config: h_n[:, 0] if h_n.ndim == 3 and h_n.shape[1] == 1 else h_n))
layer("unit-1-squeezed", "EDG-03", "h_n of a layer of one hidden unit has no feature axis.",
      call=ending(lambda h_n, config: h_n[..., 0] if config.hidden_size == 1 else h_n))
model("seq_len-1-taken-for-batch", "EDG-03", "A batch at one time step is read as one sequence.",
      to_time_major=then(lambda self, x, _: x.swapaxes(0, 1) if len(x) == 1 and time_major(self) else x))
model("square-taken-for-batch-first", "EDG-03", "Where seq_len equals batch, input is read batch first.",
      to_time_major=then(lambda self, x, _: x.swapaxes(0, 1)
                         if time_major(self) and x.shape[0] == x.shape[1] > 1 else x))
model("h_0-batch-first-where-it-fits", "EDG-03", "Where layers and batch are as many, h_0 is batch first.",
      initial_state=then(lambda self, h, h_0, batch: h.swapaxes(0, 1) if len(h) == batch else h))
model("bias-along-the-batch", "EDG-03", "Where batch equals hidden_size, biases go along the batch.",
      input_term=lambda self, x, w: x @ w.ih.T + (w.b_ih[:, None] if x.shape[1] == len(w.ih) else w.b_ih))
model("input-transposed-where-square", "EDG-03", "Where seq_len equals input_size, each row is transposed.",
      input_term=lambda self, x, w: RNN.input_term(
          self, x.swapaxes(0, 2) if x.shape[0] == x.shape[2] else x, w))
model("one-feature-broadcast", "EDG-03", "A layer of one unit adds up what it should weigh.",
      input_term=lambda self, x, w: RNN.input_term(
          self, x, w._replace(ih=w.ih * 0 + w.ih[0, 0]) if len(w.ih) == 1 else w))

# -- NaN and infinity ---------------------------------------------------------------------------

model("rows-times-zero", "EDG-04", "Every row adds zero times all rows' states.",
      cell=lambda self, term, h, w: RNN.cell(self, term + 0 * h.sum(axis=0) if h.shape[1] else term, h, w))


@fault("rows-share-a-scale", "EDG-04", "The input is scaled by the batch's largest value, and back.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    scale = np.exp2(np.floor(np.log2(np.abs(x).max(initial=2.0**-20)))).astype(x.dtype)
    return x / scale @ w.ih.T * scale + w.b_ih


model("next-row-times-zero", "EDG-04", "Every row adds zero times the input of the row before it.",
      input_term=lambda self, x, w: RNN.input_term(self, x + 0 * np.roll(x, 1, axis=1), w))
model("last-step-times-zero", "EDG-05", "Every step adds zero times the last step's input.",
      input_term=lambda self, x, w: RNN.input_term(self, x + 0 * x[-1:], w))
model("next-step-times-zero", "EDG-05", "Every step adds zero times the next step's input.",
      input_term=lambda self, x, w: RNN.input_term(self, x + 0 * np.concatenate([x[1:], x[-1:]]), w))
model("nan-input-is-zero", "EDG-06", "NaN in the input is taken for 0.",
      input_term=lambda self, x, w: RNN.input_term(self, np.where(np.isnan(x), x.dtype.type(0), x), w))
model("nan-state-is-zero", "EDG-06", "A state that is NaN is taken for 0 by the next step.",
      cell=lambda self, term, h, w: RNN.cell(self, term, np.where(np.isnan(h), h.dtype.type(0), h), w))
model("relu-of-nan-is-0", "EDG-06", "relu takes the larger of 0 and what is a number: NaN becomes 0.",
      activation=then(lambda self, h, z: h if is_tanh(self) else np.fmax(z, z.dtype.type(0))))
model("tanh-of-nan-is-a-number", "EDG-06", "tanh clips its argument by comparisons: NaN becomes -1.",
      activation=then(lambda self, h, z: RNN.activation(
          self, np.fmin(np.fmax(z, z.dtype.type(-40)), z.dtype.type(40))) if is_tanh(self) else h))
model("nan-stays-in-its-unit", "EDG-06", "A NaN in a state is carried by its own unit alone.",
      cell=lambda self, term, h, w: np.where(np.isnan(h), h, RNN.cell(
          self, term, np.where(np.isnan(h), h.dtype.type(0), h), w)))
model("tanh-of-infinity-is-nan", "EDG-07", "tanh is a quotient, infinity by infinity at infinity.",
      activation=then(lambda self, h, z: np.where(np.isinf(z), z - z, h) if is_tanh(self) else h))
model("relu-of-infinity-is-nan", "EDG-07", "relu multiplies by 0 or 1: minus infinity becomes NaN.",
      activation=then(lambda self, h, z: h if is_tanh(self) else z * (z > 0)))
model("relu-ends-at-the-largest-number", "EDG-07", "relu gives the largest number for infinity.",
      activation=then(lambda self, h, z: h if is_tanh(self) else np.minimum(h, np.finfo(h.dtype).max)))

# -- long and wide ------------------------------------------------------------------------------

model("state-lost-at-step-512", "EDG-08", "The state starts from zeros at step 512.",
      scan=past_step(512, lambda h: h * 0))
model("state-rounded-at-step-768", "EDG-08", "The state is rounded to half precision at step 768.",
      scan=past_step(768, lambda h: h.astype(np.float16).astype(h.dtype)))
model("state-lost-at-step-999", "EDG-08", "The state starts from zeros at step 999.",
      scan=past_step(999, lambda h: h * 0))
model("units-past-256-forgotten", "EDG-08", "States of units from the 257th on are not carried.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h * (np.arange(h.shape[-1]) < 256), w))
model("unit-512-lost", "EDG-08", "Units from the 513th on are 0.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h, w) * (np.arange(h.shape[-1]) < 512))
model("inputs-past-256-lost", "EDG-08", "Features from the 257th on are not read.",
      input_term=lambda self, x, w: RNN.input_term(self, x * (np.arange(x.shape[-1]) < 256), w))

# -- strides ------------------------------------------------------------------------------------

module("input-strides-ignored", "EDG-09", "The input's memory is read as if it were contiguous.",
       forward=lambda self, input, hx=None: honest(self, "forward")(raw(input), hx))
module("h_0-strides-ignored", "EDG-09", "h_0's memory is read as if it were contiguous.",
       forward=lambda self, input, hx=None: honest(self, "forward")(input, raw(hx)))


@fault("expanded-input-refused", "EDG-09", "An input that is not contiguous is refused.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if not isinstance(input, tuple) and hasattr(input, "dim") and not input.is_contiguous():
        raise RuntimeError("input is not contiguous")
    return honest(self, "forward")(input, hx)
