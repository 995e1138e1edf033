"""tanh and relu: their values, their ranges, and where they are applied (area NLN)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge.laws import derive, furnish
from rnn_spec.questions import data
from rnn_spec.questions.records import Case
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause, named, pinned

MIXED = ("small-L3-{}-float32", "small-L2-{}-bi-float64", "cell-L3-{}-bi-float32")
TANH, RELU = ([id.format(name) for id in MIXED] for name in ("tanh", "relu"))


def sweep(nonlinearity, dtype):
    """One unit that is its nonlinearity of its input, fed both signs and many sizes in a batch."""
    exponents = range(-12, 6)
    values = np.concatenate([data.dyadic(f"sweep/{e}", (24,), 7 - e, low=64) for e in exponents])
    parameters = {"weight_ih_l0": np.eye(1), "weight_hh_l0": np.zeros((1, 1))}
    config = Config(1, 1, nonlinearity=nonlinearity, bias=False)
    batch = values.reshape(1, -1, 1)
    return Case(
        f"sweep-{nonlinearity}-{dtype}", config, parameters, batch, h_0=np.zeros_like(batch), dtype=dtype
    )


def unbiased(case):
    """The case without biases: with biases of zero, of a layer that always has some."""
    zeros = {name: value * (not name.startswith("bias")) for name, value in case.parameters.items()}
    return derive(case, "biases of zero", parameters=zeros) if case.config.bias else case


@clause("NLN-01")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_tanh_is_right_over_its_whole_range(dtype, check):
    """tanh is right to a few ulps from 2^-13 to 32, for both signs."""
    check.conforms(check.fit(sweep("tanh", dtype), "bias"), "output")


@clause("NLN-01")
@pinned("nonlinearity")
@named("cell-L1-tanh-float64", "odd-L1-tanh-float64", "wide-L1-tanh-float64", "small-L2-tanh-bi-float64")
def test_tanh_is_right_in_every_unit(case, check):
    """Every unit's tanh is right over its whole range."""

    def spread(layer, direction, shape):
        return np.ldexp(1.0, -np.arange(shape[0]) % 16 - 12) * (-1.0) ** np.arange(shape[0])

    check.conforms(furnish(case, "spread", bias_ih=spread), "output", "h_n")


@clause("NLN-02")
@pinned("nonlinearity")
@named(
    *TANH,
    "cell-L1-tanh-float32",
    "odd-L1-tanh-float32",
    "wide-L1-tanh-float64",
    "small-L1-tanh-float16",
    "small-L1-tanh-bfloat16",
)
def test_tanh_never_leaves_its_range(case, check):
    """With tanh no output or state is outside [-1, 1], however far the layer is driven."""
    parameters = {name: value * 32 for name, value in case.parameters.items()}

    answer = check.ask(derive(case, "driven", parameters=parameters))

    for name, array in (("output", answer.output), ("h_n", answer.h_n)):
        check.holds((abs(array) <= 1).all(), f"{name} reaches {abs(array).max()!r}, outside [-1, 1]")


@clause("NLN-03")
@pinned("nonlinearity")
@named(
    "small-L1-tanh-nobias-float64",
    "small-L3-tanh-nobias-float32",
    "small-L2-tanh-bi-nobias-float64",
    "odd-L1-tanh-nobias-float32",
    "wide-L1-tanh-nobias-float32",
    "cell-L1-tanh-nobias-float32",
)
def test_tanh_is_odd(case, check):
    """With tanh and without bias negating input and h_0 negates output and h_n."""
    case = unbiased(case)

    answer = check.ask(derive(case, "negated", input=-case.input, h_0=-case.h_0))

    check.same(case, output=-answer.output, h_n=-answer.h_n)


@clause("NLN-04")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_relu_is_the_positive_part(dtype, check):
    """relu passes a positive pre-activation on as it is and makes a negative one exactly 0."""
    case = check.fit(sweep("relu", dtype), "bias")

    answer = check.ask(case)

    check.equal("output", answer.output, np.maximum(case.input, 0))


@clause("NLN-04")
@pinned("nonlinearity")
@named(
    *RELU, "odd-L1-relu-float32", "wide-L1-relu-float64", "small-L1-relu-float16", "small-L1-relu-bfloat16"
)
def test_relu_is_never_negative(case, check):
    """With relu no output or state is negative."""
    answer = check.ask(case)

    for name, array in (("output", answer.output), ("h_n", answer.h_n)):
        check.holds((array >= 0).all(), f"{name} reaches {array.min()!r}, below 0")


@clause("NLN-05")
@pinned("nonlinearity")
@pytest.mark.parametrize("exponent", [-20, 20])
@named(
    "small-L1-relu-nobias-float64",
    "small-L3-relu-nobias-float32",
    "small-L2-relu-bi-nobias-float64",
    "odd-L1-relu-nobias-float32",
    "wide-L1-relu-nobias-float32",
)
def test_relu_is_positively_homogeneous(case, exponent, check):
    """With relu and without bias scaling input and h_0 by a power of two scales output and h_n by it."""
    case = unbiased(case)
    scaled = derive(
        case, f"times 2^{exponent}", input=np.ldexp(case.input, exponent), h_0=np.ldexp(case.h_0, exponent)
    )

    answer = check.ask(case)

    wanted = {
        name: np.ldexp(getattr(answer, name).astype(np.float64), exponent) for name in ("output", "h_n")
    }
    check.same(scaled, **wanted)


@clause("NLN-06")
@named(*TANH, *RELU)
def test_every_layer_and_direction_applies_the_same_nonlinearity(case, check):
    """Driven to both signs by biases alone, every layer and direction answers with the one nonlinearity."""
    signs = lambda k, d, shape: 4.0 * (-1.0) ** (np.arange(shape[0]) + k + d)  # noqa: E731

    check.conforms(furnish(case, "both signs", bias_ih=signs), "output", "h_n")


@clause("NLN-06")
@pinned("nonlinearity", "bias")
@named(*TANH)
def test_the_nonlinearities_differ_in_every_layer_and_direction(case, check):
    """Where biases drive every unit to 4, every state is below 1 with tanh and 4 with relu."""
    driven = furnish(case, "driven by biases", bias_ih=lambda *_: np.full(1, 4.0))
    relu = derive(driven, "relu", config=replace(case.config, nonlinearity="relu"))

    squashed, passed = check.ask(driven).h_n, check.ask(relu).h_n

    check.holds((squashed <= 1).all(), f"a state of a tanh layer is {squashed.max()!r}")
    check.equal("h_n with relu", passed, np.full(passed.shape, 4.0))
