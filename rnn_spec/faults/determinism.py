"""Faults of determinism, of calls that leave something behind, and of shared memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_spec.faults.base import LAYER, fault, honest, layer, then


def count(of: Any, what: str) -> int:
    """How often this has been asked of it, this time included."""
    of.__dict__[what] = of.__dict__.get(what, 0) + 1
    return int(of.__dict__[what])


# A fault is a row of a table.
# fmt: off

@fault("jitter", "DET-01", "Every other layer's answers are one ulp up.", LAYER)
def rounded(self: Any, x: Any, dtype: str) -> Any:
    answer = honest(self, "rounded")(x, dtype)
    return np.nextafter(answer, answer.dtype.type(9)) if count(self, "asked") % 5 == 0 else answer


@fault("sums-in-any-order", "DET-01",
       "The order of the sum over the features is another one for every layer.", LAYER)
def build(self: Any, case: Any) -> Any:
    rnn = honest(self, "build")(case)
    order = np.random.RandomState(count(self, "built")).permutation(case.config.hidden_size)
    plain = rnn.cell
    rnn.cell = lambda term, h, w: plain(term, h[:, order], w._replace(hh=w.hh[:, order]))
    return rnn


@fault("state-kept-between-calls", "DET-03",
       "Without h_0 a call goes on from the state that the last call left.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    kept, batch = rnn.__dict__.get("kept"), self.axes(config, input)[1]
    fits = h_0 is None and kept is not None and kept.size == batch * kept[..., 0, :].size
    answer = honest(self, "call")(rnn, config, input, kept if fits else h_0, *rest)
    rnn.__dict__["kept"] = answer[1].reshape(-1, batch, config.hidden_size)
    return answer


@fault("second-call-of-the-first", "DET-03",
       "The second call of a layer uses the h_0 that the first was given.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    first = rnn.__dict__.setdefault("first h_0", h_0)
    same = first is not None and (h_0 is None or first.shape == h_0.shape)
    same = same and first.size == np.prod(first.shape[:1] + first.shape[-1:]) * self.axes(config, input)[1]
    return honest(self, "call")(rnn, config, input, first if same else h_0, *rest)


layer("third-call-differs", "DET-03", "From the third call on answers are one part in 2^20 larger.",
      call=then(lambda self, output, h_n, masks, rnn, *_: (
          output * output.dtype.type(1 + 2**-20) if count(rnn, "calls") > 2 else output, h_n, masks)))


@fault("longest-call-kept", "DET-03",
       "After a longer call a shorter one still answers with its length.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    time = rnn.__dict__["longest"] = max(rnn.__dict__.get("longest", 0), self.axes(config, input)[0])
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, *rest)
    axis = 1 if config.batch_first and input.ndim == 3 else 0
    return np.take(output, np.arange(time) % output.shape[axis], axis), h_n, masks


@fault("training-mode-kept", "DET-03",
       "After a call in training mode biases are those of another layer.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, *lengths: Any) -> Any:
    answer = honest(self, "call")(rnn, config, input, h_0, training, *lengths)
    if training:
        rnn.parameters = {k: v * 2 if k.startswith("bias") else v for k, v in rnn.parameters.items()}
    return answer


layer("earlier-calls-not-made", "DET-03", "Only the call that is asked about is made.",
      precede=lambda self, rnn, case: [])
layer("earlier-calls-without-h_0", "DET-03", "Every call but the last begins at zeros.",
      precede=lambda self, rnn, case: honest(self, "precede")(
          rnn, replace(case, earlier=tuple(replace(call, h_0=None) for call in case.earlier))))


@fault("input-written", "DET-04", "The input's first element is overwritten.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, *rest: Any) -> Any:
    answer = honest(self, "call")(rnn, config, input, *rest)
    input[(0,) * input.ndim] = 0
    return answer


@fault("h_0-written", "DET-04", "h_0 is overwritten with h_n.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    answer = honest(self, "call")(rnn, config, input, h_0, *rest)
    if h_0 is not None:
        h_0[...] = answer[1]
    return answer


@fault("parameters-written", "DET-04", "Every call shrinks weight_hh_l0 by one part in 256.", LAYER)
def build(self: Any, case: Any) -> Any:
    case.parameters["weight_hh_l0"][...] *= 1 - 2**-8
    return honest(self, "build")(case)


layer("h_n-aliases-output", "DET-05", "With one layer and direction h_n is a view of output.",
      call=then(lambda self, output, h_n, masks, rnn, config, input, *_: (
          output, h_n if len(h_n) > 1 or (config.batch_first and input.ndim == 3) else output[-1:], masks)))


@fault("h_n-aliases-h_0", "DET-05", "h_n is h_0, updated in place.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, *rest)
    if h_0 is not None:
        h_0[...] = h_n
    return output, h_n if h_0 is None else h_0, masks


@fault("output-aliases-input", "DET-05", "Where its shape is the input's, output is written over it.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, *rest: Any) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, *rest)
    if output.shape == input.shape:
        input[...] = output
    return input if output.shape == input.shape else output, h_n, masks
