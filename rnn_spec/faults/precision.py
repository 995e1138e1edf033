"""Faults of precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import honest, is_tanh, layer, model, module, then
from rnn_spec.spec.arithmetic import PlainArithmetic
from rnn_spec.spec.model import RNN, Weights

FORMATS = (("bfloat16", 8), ("tf32", 11), ("20-bit", 20))
"""Formats that hardware or haste computes float32 in, and their precision in bits."""
HALF = ("float16", "bfloat16")


def nearest(x: Any, bits: int) -> Any:
    """The nearest number of this many bits, in x's own dtype."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * x.dtype.type(2**bits)), exponent - bits).astype(x.dtype)


def coarse(of: RNN, x: Any, bits: int) -> Any:
    """The nearest number of this many bits where the layer computes in float32."""
    return nearest(x, bits) if of.ops.array(np.zeros(())).dtype == np.float32 else x


def coarse_parameters(dtype: str, bits: int) -> Any:
    """A layer of this dtype whose parameters are rounded to so many bits."""

    def build(self: Any, case: Any) -> Any:
        rnn = honest(self, "build")(case)
        if case.dtype == dtype:
            rnn.parameters = {name: nearest(value, bits) for name, value in rnn.parameters.items()}
        return rnn

    return build


def converting(which: Any) -> Any:
    """A module that converts input and h_0, where which(the numbers), to the dtype of its parameters."""

    def forward(self: Any, *given: Any) -> Any:
        numbers = [getattr(t, "data", t) for t in given]
        taken = [hasattr(x, "is_floating_point") and which(x) for x in numbers]
        own = (t.to(self.weight_ih_l0.dtype) if take else t for t, take in zip(given, taken, strict=True))
        return honest(self, "forward")(*own)

    return forward


def strict(self: Any, *given: Any) -> Any:
    """A module that takes no other dtype than its parameters', under autocast no more than without."""
    own = self.weight_ih_l0.dtype
    for t in given:
        if getattr(getattr(t, "data", t), "dtype", own) != own:
            raise ValueError(f"input and hx are {own}, and not {t.data.dtype}")
    return honest(self, "forward")(*given)


# A fault is a row of a table.
# fmt: off

layer("float64-in-float32", "PRC-01", "float64 is computed in float32.",
      arithmetic=lambda self, dtype: PlainArithmetic("float32"))
model("float64-weights-in-float32", "PRC-01", "The weights of a float64 layer are rounded to float32.",
      weights=then(lambda self, w, *_: Weights(*(a.astype(np.float32).astype(a.dtype) for a in w))))
model("float64-input-in-float32", "PRC-01", "The input of a float64 layer is rounded to float32.",
      to_time_major=lambda self, input: RNN.to_time_major(self, input).astype(np.float32))
model("float64-state-in-float32", "PRC-01", "The h_0 of a float64 layer is rounded to float32.",
      initial_state=then(lambda self, h, *_: h.astype(np.float32).astype(h.dtype)))
model("float64-tanh-in-float32", "PRC-01",
      "tanh is computed in float32, and float64 results are rounded to that.",
      activation=lambda self, z: RNN.activation(self, z.astype(np.float32)).astype(z.dtype))
model("float64-tanh-to-1e-9", "PRC-01", "tanh is off by one part in 1e9.",
      activation=then(lambda self, h, z: h + h * (1 - h * h) * h.dtype.type(1e-9) if is_tanh(self) else h))
layer("float64-gradients-in-float32", "PRC-01", "The gradients of a float64 layer are rounded to float32.",
      rounded=then(lambda self, answer, x, dtype:
                   answer.astype(np.float32) if dtype == "float64" and x.ndim < 3 else answer))
for name, n in FORMATS:
    model(f"float32-weights-in-{name}", "PRC-02", f"The weights of a float32 layer are rounded to {n} bits.",
          weights=then(lambda self, w, *_, n=n: w._replace(
              ih=coarse(self, w.ih, n), hh=coarse(self, w.hh, n))))
    model(f"float32-state-in-{name}", "PRC-02", f"A float32 state is rounded to {n} bits before W_hh.",
          cell=lambda self, term, h, w, n=n: RNN.cell(self, term, coarse(self, h, n), w))
for name, n in (("bfloat16", 8), ("float16", 11)):
    model(f"float32-sums-in-{name}", "PRC-02", f"float32 pre-activations are accumulated in {name}.",
          activation=lambda self, z, n=n: RNN.activation(self, coarse(self, z, n)))
model("float32-input-in-tf32", "PRC-02", "The input of a float32 layer is rounded to TF32.",
      input_term=lambda self, x, w: RNN.input_term(self, coarse(self, x, 11), w))
for dtype, n, clause in (("float64", 52, "PRC-01"), ("float32", 23, "PRC-02"),
                         ("float16", 8, "PRC-03"), ("bfloat16", 7, "PRC-03")):
    layer(f"{dtype}-parameters-to-{n}-bits", clause, f"{dtype} parameters are rounded to {n} bits.",
          build=coarse_parameters(dtype, n))
layer("half-in-quarters", "PRC-03", "float16 and bfloat16 results are cut to multiples of 1/4.",
      rounded=then(lambda self, answer, x, dtype: np.trunc(answer * 4) / 4 if dtype in HALF else answer))
layer("float16-results-in-bfloat16", "PRC-03", "float16 results are rounded to bfloat16.",
      rounded=then(lambda self, answer, x, dtype: nearest(answer, 8) if dtype == "float16" else answer))
layer("half-answered-in-float32", "PRC-04", "Half-precision layers answer in float32.",
      dtype=lambda self, case: "float32" if case.dtype in HALF else case.dtype)
layer("float32-answered-in-float64", "PRC-04", "float32 layers answer in float64.",
      dtype=lambda self, case: "float64" if case.dtype == "float32" else case.dtype)
layer("float64-answered-in-float32", "PRC-04", "float64 layers say that they answer in float32.",
      dtype=lambda self, case: "float32" if case.dtype == "float64" else case.dtype)
module("integers-converted", "PRC-05", "Integers and booleans are converted to the dtype of the parameters.",
       forward=converting(lambda t: not t.is_floating_point()))
module("autocast-is-no-excuse", "PRC-06", "Under autocast no other dtype than the parameters' is taken.",
       forward=strict)
model("tanh-overflows", "PRC-08", "tanh is (exp(2z) - 1) / (exp(2z) + 1), which overflows.",
      activation=then(lambda self, h, z: h if not is_tanh(self) else
                      np.where(z > np.log(np.finfo(z.dtype).max) / 2, z.dtype.type(np.nan), h)))
layer("relu-overflows", "PRC-08",
      "relu is (z + |z|) / 2, which overflows in the upper half of float16's range.",
      rounded=then(lambda self, answer, x, dtype:
                   np.where(answer >= 2.0**15, np.inf, answer) if dtype == "float16" else answer))
model("relu-clipped-at-1000", "PRC-08", "relu is clipped at 1000.",
      activation=then(lambda self, h, z: h if is_tanh(self) else h.clip(None, 1000)))
