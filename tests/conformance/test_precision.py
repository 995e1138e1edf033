"""Precision: each dtype keeps the bits that it has (area PRC).

The other modules' data is exact in bfloat16, so that one case serves every dtype; a layer that
rounds its weights or its input on the way would pass them all. Here the data has all the bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge.laws import eye, furnish
from rnn_spec.questions import data
from rnn_spec.questions.product import Recipe
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.suite.marks import clause, named, pinned, standard

FLOAT64 = (
    "small-L1-tanh-float64",
    "small-L2-relu-bi-float64",
    "odd-L1-tanh-float64",
    "cell-L1-tanh-float64",
    "wide-L1-relu-float64",
)
FLOAT32 = tuple(id.replace("float64", "float32") for id in FLOAT64)
GIVEN = ("input", "h_0", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
LARGE = {"float16": 7, "bfloat16": 60, "float32": 60, "float64": 500}  # the greatest z is about 2^(2 * this)


@clause("PRC-01")
@standard(dtype="float64")
def test_float64_is_within_its_bound(case, check):
    """In float64 every output, state and gradient is right to within the bound of float64."""
    check.conforms(case, "output", "h_n", "grad *")


@clause("PRC-01")
@pinned("dtype")
@named(*FLOAT64)
def test_float64_reads_every_bit(case, check):
    """In float64 no bit of the 53 of an input, state or parameter is lost on its way in."""
    check.conforms(fine(case), "output", "h_n", "grad *")


@clause("PRC-01")
@pinned("dtype", "nonlinearity")
@named(*FLOAT64)
def test_float64_answers_have_more_bits_than_float32(case, check):
    """Not all of a float64 answer's numbers are float32 numbers."""
    for name, got in check.ask(fine(case)).arrays().items():
        if case.config.nonlinearity == "relu" and name.startswith("grad bias"):
            continue  # a sum of cotangents alone, which are float32 numbers
        check.holds(np.any(got != got.astype(np.float32)), f"every element of {name} is a float32 number")


@clause("PRC-02")
@standard(dtype="float32")
def test_float32_is_within_its_bound(case, check):
    """In float32 every output, state and gradient is right to within the bound of float32."""
    check.conforms(case, "output", "h_n", "grad *")


@clause("PRC-02")
@pinned("dtype")
@named(*FLOAT32)
def test_float32_reads_every_bit(case, check):
    """In float32 no bit of the 24 of an input, state or parameter is lost on its way in."""
    check.conforms(fine(case), "output", "h_n", "grad *")


@clause("PRC-03")
@standard(dtype=("float16", "bfloat16"))
def test_half_precision_is_within_its_bound(case, check):
    """In float16 and bfloat16 every output and state is right to within the bound of that dtype."""
    check.conforms(case, "output", "h_n")


@clause("PRC-01")
@pytest.mark.parametrize("what", GIVEN)
def test_float64_passes_every_bit_on(what, check):
    """In float64 a relu layer that copies its input, state, bias or weights to output copies all 53 bits."""
    probe = copying(what, "float64")

    output = check.ask(probe).output

    check.equal("output", output, copied(what, probe))


@clause("PRC-02")
@pytest.mark.parametrize("what", GIVEN)
def test_float32_passes_every_bit_on(what, check):
    """In float32 a relu layer that copies its input, state, bias or weights to output copies all 24 bits."""
    probe = copying(what, "float32")

    output = check.ask(probe).output

    check.equal("output", output, copied(what, probe))


@clause("PRC-03")
@pytest.mark.parametrize("what", GIVEN)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_passes_every_bit_on(what, dtype, check):
    """A relu layer that copies its input, state, bias or weights to output copies all 11, or 8, bits."""
    probe = copying(what, dtype)

    output = check.ask(probe).output

    check.equal("output", output, copied(what, probe))


@clause("PRC-04")
@standard()
def test_results_have_the_dtype_of_the_parameters(case, check):
    """output and h_n have the dtype of the parameters."""
    dtypes = check.ask(case).dtypes

    for name in ("output", "h_n"):
        check.equal(f"{name}.dtype", check.told("dtypes", dtypes.get(name)), case.dtype)


@clause("PRC-08")
@pinned("nonlinearity")
@pytest.mark.parametrize("dtype", LARGE)
@named("small-L1-relu-nobias-float32", "small-L2-relu-bi-nobias-float32")
def test_relu_passes_large_values_on(case, dtype, check):
    """relu answers a pre-activation near the top of the dtype's range with that very number."""
    probe = large(case, dtype)
    z = probe.input[..., :1] * probe.parameters["weight_ih_l0"][:1, :1]
    width = case.config.num_directions * case.config.hidden_size

    output = check.ask(probe).output

    check.equal("output", output, np.maximum(z, 0) * np.ones(width))


@clause("PRC-08")
@pinned("nonlinearity")
@pytest.mark.parametrize("dtype", LARGE)
@named("small-L1-tanh-nobias-float32", "small-L2-tanh-bi-nobias-float32")
def test_tanh_saturates(case, dtype, check):
    """tanh answers a pre-activation near the top of the dtype's range with 1 or -1, and slope 0."""
    answer = check.conforms(large(case, dtype), "output", "h_n")

    for name, got in answer.arrays().items():
        check.holds(np.isfinite(got).all(), f"{name} is not finite")


def refine(name, value, dtype):
    """`value` with the last bit of the dtype in use: changed by up to 2^-6 of itself, at two scales."""
    bits = FORMATS[dtype].precision
    noise = sum(
        data.dyadic(f"{name}/{i}", value.shape, scale) for i, scale in enumerate((14, max(14, bits - 7)))
    )
    mantissa, exponent = np.frexp(value * (1 + noise))
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def fine(case):
    """`case` with the last bit of its dtype in use in every input, state and parameter."""
    return case.derive(
        "fine",
        parameters={name: refine(name, value, case.dtype) for name, value in case.parameters.items()},
        input=refine("input", case.input, case.dtype),
        h_0=refine("h_0", case.h_0, case.dtype),
    )


def copying(what, dtype):
    """A relu layer whose output is a copy of what it is given, positive and with every bit in use."""
    case = Recipe("small", nonlinearity="relu", dtype=dtype).case()
    I, H = case.config.input_size, case.config.hidden_size
    given = {**case.parameters, "input": case.input, "h_0": case.h_0}[what]
    copied = refine(what, abs(given), dtype)
    how = f"copies {what}"
    if what == "input":
        return furnish(case, how, input=copied, weight_ih=eye)
    if what == "h_0":
        return furnish(case, how, input=case.input * 0, h_0=copied, weight_hh=eye)
    kinds = {what.removesuffix("_l0"): lambda *_: copied}
    if what == "weight_ih_l0":
        return furnish(case, how, input=np.eye(I)[None], **kinds)
    if what == "weight_hh_l0":
        return furnish(case, how, input=np.zeros((1, H, I)), h_0=np.eye(H)[None], **kinds)
    return furnish(case, how, input=case.input * 0, **kinds)


def copied(what, probe):
    """What `copying` answers."""
    steps, batch, I = probe.input.shape
    if what == "input":
        return np.concatenate([probe.input, np.zeros((steps, batch, probe.config.hidden_size - I))], axis=2)
    if what == "h_0":
        return np.repeat(probe.h_0, steps, axis=0)
    value = probe.parameters[what]
    return value.T[None] if value.ndim == 2 else np.broadcast_to(value, (steps, batch, len(value)))


def large(case, dtype):
    """Each unit of layer 0 sees the input's first feature alone, up to 2^15 and more; the others, one below.

    There is no recurrence, so every pre-activation is one exact product, of either sign.
    """
    exponent = LARGE[dtype]
    parameters = {name: np.zeros(value.shape) for name, value in case.parameters.items()}
    for name, value in parameters.items():
        if name.startswith("weight_ih_l0"):
            value[:, 0] = 2.0**exponent
        elif name.startswith("weight_ih"):
            value[:, 0] = 1.0
    input = np.zeros(case.input.shape)
    input[..., 0] = np.ldexp(np.sign(case.input[..., 0]), exponent + 1)
    return replace(
        case.derive(f"large {dtype}", parameters=parameters, input=input, dtype=dtype),
        h_0=np.zeros(case.h_0.shape),
    )
