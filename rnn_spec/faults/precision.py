"""Faults of precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import LAYER, fault, honest
from rnn_spec.spec.arithmetic import PlainArithmetic
from rnn_spec.spec.model import RNN, Weights

FORMATS = (("bfloat16", 8), ("tf32", 11), ("20-bit", 20))
"""Formats that hardware or haste computes float32 in, and their precision in bits."""


def nearest(x: Any, bits: int) -> Any:
    """The nearest number of this many bits, in x's own dtype."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * x.dtype.type(2**bits)), exponent - bits).astype(x.dtype)


def coarse(of: RNN, bits: int) -> bool:
    """Whether the layer computes in float32, with more bits than these."""
    return bool(of.ops.array(np.zeros(())).dtype == np.float32 and bits < 24)


@fault("float64-in-float32", "PRC-01", "float64 is computed in float32.", LAYER)
def arithmetic(self: Any, dtype: str) -> PlainArithmetic:
    return PlainArithmetic("float32")


@fault("float64-weights-in-float32", "PRC-01", "The weights of a float64 layer are rounded to float32.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return Weights(*(w.astype(np.float32).astype(w.dtype) for w in RNN.weights(self, layer, direction)))


@fault("float64-input-in-float32", "PRC-01", "The input of a float64 layer is rounded to float32.")
def to_time_major(self: RNN, input: Any) -> Any:
    return RNN.to_time_major(self, input).astype(np.float32)


@fault("float64-state-in-float32", "PRC-01", "The h_0 of a float64 layer is rounded to float32.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    h = RNN.initial_state(self, h_0, batch)
    return h.astype(np.float32).astype(h.dtype)


@fault(
    "float64-tanh-in-float32",
    "PRC-01",
    "tanh is computed in float32, and float64 results are rounded to that.",
)
def activation(self: RNN, z: Any) -> Any:
    return RNN.activation(self, z.astype(np.float32)).astype(z.dtype)


@fault("float64-tanh-to-1e-9", "PRC-01", "tanh is off by one part in 1e9.")
def activation(self: RNN, z: Any) -> Any:
    h = RNN.activation(self, z)
    return h + h * (1 - h * h) * h.dtype.type(1e-9) if self.config.nonlinearity == "tanh" else h


@fault(
    "float64-gradients-in-float32",
    "PRC-01",
    "The gradients of a float64 layer are rounded to float32.",
    LAYER,
)
def rounded(self: Any, x: Any, dtype: str) -> Any:
    answer = honest(self, "rounded")(x, dtype)
    return answer.astype(np.float32) if dtype == "float64" and x.ndim < 3 else answer


def coarse_weights(bits: int) -> Any:
    """A float32 layer whose weights are rounded to so many bits."""

    def weights(self: RNN, layer: int, direction: int) -> Weights:
        w = RNN.weights(self, layer, direction)
        return Weights(nearest(w.ih, bits), nearest(w.hh, bits), w.b_ih, w.b_hh) if coarse(self, bits) else w

    return weights


def coarse_state(bits: int) -> Any:
    """A float32 layer whose state is rounded to so many bits on its way into the product with W_hh."""

    def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
        return RNN.cell(self, term, nearest(h, bits) if coarse(self, bits) else h, w)

    return cell


def coarse_sum(bits: int) -> Any:
    """A float32 layer that holds its pre-activations in so many bits."""

    def activation(self: RNN, z: Any) -> Any:
        return RNN.activation(self, nearest(z, bits) if coarse(self, bits) else z)

    return activation


for name, bits in FORMATS:
    fault(
        f"float32-weights-in-{name}", "PRC-02", f"The weights of a float32 layer are rounded to {bits} bits."
    )(coarse_weights(bits))
    fault(f"float32-state-in-{name}", "PRC-02", f"A float32 state is rounded to {bits} bits before W_hh.")(
        coarse_state(bits)
    )
for name, bits in (("bfloat16", 8), ("float16", 11)):
    fault(f"float32-sums-in-{name}", "PRC-02", f"float32 pre-activations are accumulated in {name}.")(
        coarse_sum(bits)
    )


@fault("float32-input-in-tf32", "PRC-02", "The input of a float32 layer is rounded to TF32.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, nearest(x, 11) if coarse(self, 11) else x, w)


def coarse_parameters(dtype: str, bits: int) -> Any:
    """A layer of this dtype whose parameters are rounded to so many bits."""

    def build(self: Any, case: Any) -> Any:
        rnn = honest(self, "build")(case)
        if case.dtype == dtype:
            rnn.parameters = {name: nearest(value, bits) for name, value in rnn.parameters.items()}
        return rnn

    return build


for dtype, bits, clause in (
    ("float64", 52, "PRC-01"),
    ("float32", 23, "PRC-02"),
    ("float16", 8, "PRC-03"),
    ("bfloat16", 7, "PRC-03"),
):
    fault(
        f"{dtype}-parameters-to-{bits}-bits", clause, f"{dtype} parameters are rounded to {bits} bits.", LAYER
    )(coarse_parameters(dtype, bits))


@fault("half-in-quarters", "PRC-03", "float16 and bfloat16 results are cut to multiples of 1/4.", LAYER)
def rounded(self: Any, x: Any, dtype: str) -> Any:
    answer = honest(self, "rounded")(x, dtype)
    return np.trunc(answer * 4) / 4 if dtype in ("float16", "bfloat16") else answer


@fault("float16-results-in-bfloat16", "PRC-03", "float16 results are rounded to bfloat16.", LAYER)
def rounded(self: Any, x: Any, dtype: str) -> Any:
    answer = honest(self, "rounded")(x, dtype)
    return nearest(answer, 8) if dtype == "float16" else answer


@fault("half-answered-in-float32", "PRC-04", "Half-precision layers answer in float32.", LAYER)
def dtype(self: Any, case: Any) -> str:
    return "float32" if case.dtype in ("float16", "bfloat16") else str(case.dtype)


@fault("float32-answered-in-float64", "PRC-04", "float32 layers answer in float64.", LAYER)
def dtype(self: Any, case: Any) -> str:
    return "float64" if case.dtype == "float32" else str(case.dtype)


@fault("float64-answered-in-float32", "PRC-04", "float64 layers say that they answer in float32.", LAYER)
def dtype(self: Any, case: Any) -> str:
    return "float32" if case.dtype == "float64" else str(case.dtype)


@fault("tanh-overflows", "PRC-08", "tanh is (exp(2z) - 1) / (exp(2z) + 1), which overflows.")
def activation(self: RNN, z: Any) -> Any:
    if self.config.nonlinearity == "relu":
        return RNN.activation(self, z)
    with np.errstate(all="ignore"):
        large = np.abs(z) > np.log(np.finfo(z.dtype).max) / 2
        return np.where(large & (z > 0), z.dtype.type(np.nan), self.ops.tanh(z))


@fault(
    "relu-overflows",
    "PRC-08",
    "relu is (z + |z|) / 2, which overflows in the upper half of float16's range.",
    LAYER,
)
def rounded(self: Any, x: Any, dtype: str) -> Any:
    answer = honest(self, "rounded")(x, dtype)
    return np.where(answer >= 2.0**15, np.inf, answer) if dtype == "float16" else answer


@fault("relu-clipped-at-1000", "PRC-08", "relu is clipped at 1000.")
def activation(self: RNN, z: Any) -> Any:
    h = RNN.activation(self, z)
    return h.clip(None, 1000) if self.config.nonlinearity == "relu" else h
