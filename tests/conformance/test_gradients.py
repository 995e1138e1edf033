"""Gradients: the derivatives of the forward pass (area GRD)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.questions import product, reveal
from rnn_spec.questions.records import Cotangents
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause, every, named, pinned, standard

LAWS = (
    "cell-L1-tanh-float32",
    "small-L1-tanh-float64",
    "small-L2-relu-bi-float32",
    "small-L3-tanh-bi-batch_first-noh0-float64",
    "odd-L2-tanh-bi-float32",
    "long-L1-tanh-float64",
    "one-L2-tanh-nobias-float32",
)
STACKS = tuple(f"small-L{L}-{act}-{dtype}" for L in (2, 3, 4, 6) for act in ("tanh", "relu")
               for dtype in ("float64", "float32"))  # fmt: skip
DROPPING = (
    "small-L2-tanh-p0.5-train-float64",
    "small-L2-relu-nobias-p0.5-train-float32",
    "small-L2-relu-bi-nobias-batch_first-p0.5-train-float32",
    "small-L2-tanh-bi-unbatched-noh0-p0.5-train-float64",
    "cell-L3-tanh-bi-p0.5-train-float64",
    "cell-L3-relu-p0.5-train-float32",
    "odd-L2-relu-p0.5-train-float32",
)


@clause("GRD-01")
@standard()
def test_gradient_of_the_input(case, check):
    """The gradient of the input is the derivative of the forward pass at every step, row and feature."""
    check.conforms(case, "grad input")


@clause("GRD-02")
@standard(h_0=True)
def test_gradient_of_h_0(case, check):
    """The gradient of h_0 is the derivative of the forward pass, for every layer and direction."""
    check.conforms(case, "grad h_0")


@clause("GRD-03")
@standard()
def test_gradients_of_the_parameters(case, check):
    """The gradient of each parameter is its derivative, summed over every time step and batch row."""
    check.conforms(case, "grad weight_*", "grad bias_*")


@clause("GRD-03")
@named("small-L1-tanh-float64", "small-L2-relu-bi-float32", "odd-L1-tanh-float32", "long-L1-tanh-float64")
def test_gradients_of_the_parameters_add_up_over_time(case, check):
    """The cotangents of single outputs, one after the other, give parts that add up to the whole gradient."""
    steps = case.input.shape[0]
    thirds = [case.derive(f"third {i}", cotangents=only(case, slice(i, steps, 3))) for i in range(3)]
    whole = case.derive("no h_n", cotangents=only(case, slice(steps)))

    add_up(check, thirds, whole)


@clause("GRD-03")
@pytest.mark.parametrize("batch", [2, 9, 16, 17, 33, 49, 65, 97, 129])
def test_gradients_of_the_parameters_add_up_over_the_rows(batch, check):
    """The gradients of the two halves of a batch, of any number of rows, add up to those of the whole."""
    case = check.fit(product.sized(f"{batch} rows", Config(3, 5), 3, batch))
    g, rows = case.cotangents, (slice(batch // 2), slice(batch // 2, batch))
    halves = [
        case.derive(
            f"half {i}, with gradients",
            input=case.input[:, half],
            h_0=case.h_0[:, half],
            cotangents=Cotangents(g.output[:, half], g.h_n[:, half]),
        )
        for i, half in enumerate(rows)
    ]

    add_up(check, halves, case, without=("input", "h_0"))  # which have rows of their own


@clause("GRD-04")
@standard(bias=True)
def test_both_biases_have_one_gradient(case, check):
    """The gradients of bias_ih and bias_hh of a layer and direction are equal."""
    gradients, expected = check.gradients(case), check.expect(case).arrays

    for name in (name for name in gradients if name.startswith("bias_ih")):
        other = name.replace("bias_ih", "bias_hh")
        bounds = expected[f"grad {name}"], expected[f"grad {other}"]
        check.agree(f"grad {name}", gradients[name], gradients[other], *bounds)


@clause("GRD-05")
@named(*LAWS)
@pytest.mark.parametrize("given", ["output", "h_n"])
def test_either_cotangent_alone(case, given, check):
    """A cotangent of output alone, or of h_n alone, gives the derivative of that alone."""
    check.conforms(alone(case, given), "grad *")


@clause("GRD-05")
@named(*LAWS)
def test_the_last_outputs_cotangent_alone(case, check):
    """A cotangent of the last step's output alone, as of a classifier, gives the derivative of that alone."""
    last = case.derive("last output alone", cotangents=only(case, slice(-1, None)))

    check.conforms(last, "grad *")


@clause("GRD-05")
@named(*STACKS)
def test_a_stack_learns_from_its_outputs_alone(case, check):
    """A cotangent of output alone gives the derivative of every parameter of a stack, and of the input."""
    check.conforms(alone(case, "output"), "grad input", "grad weight_*", "grad bias_*")


@clause("GRD-05")
@named(*LAWS)
def test_gradients_of_both_cotangents_are_the_sum(case, check):
    """The gradients of output and of h_n, each alone, add up to those of both together."""
    add_up(check, (alone(case, "output"), alone(case, "h_n")), case)


@clause("GRD-05")
@named(*LAWS)
def test_doubled_negated_cotangents_give_doubled_negated_gradients(case, check):
    """Cotangents times -2 give gradients times -2."""
    g = case.cotangents
    scaled = case.derive("times -2", cotangents=Cotangents(g.output * -2, g.h_n * -2))

    gradients = check.gradients(case)

    for name, got in check.gradients(scaled).items():
        bounds = check.expect(scaled).arrays[f"grad {name}"]
        check.agree(f"grad {name}", got, np.asarray(gradients[name], np.float64) * -2, bounds)


@clause("GRD-06")
@every()
def test_all_gradients_of_all_layers_and_directions(case, check):
    """Every gradient is the derivative, of each layer and direction, for all combinations of flags."""
    check.conforms(case, "grad *")


@clause("GRD-06")
@named(
    "small-L2-tanh-bi-float32",
    "small-L3-tanh-bi-float64",
    "odd-L3-relu-float32",
    "cell-L2-relu-bi-float32",
    "small-L6-tanh-bi-float64",
)
def test_every_layer_and_direction_gets_a_gradient(case, check):
    """A cotangent of output alone reaches every parameter and the h_0 of every layer and direction."""
    gradients = check.gradients(alone(case, "output"))

    for name, got in gradients.items():
        check.holds(np.any(got), f"the gradient of {name} is all zeros")
    for index, got in enumerate(gradients.get("h_0", ())):
        check.holds(np.any(got), f"the gradient of h_0[{index}] is all zeros")


@clause("GRD-06")
@named("small-L3-tanh-float64", "odd-L3-relu-float32")
def test_lower_layers_learn_from_every_step(case, check):
    """The last layer without recurrence, given a cotangent at one step, passes it down at that step."""
    weights = {name: value * (not name.startswith("weight_hh_l2")) for name, value in case.parameters.items()}
    first = case.derive("first step", parameters=weights, cotangents=only(case, slice(1)))

    gradients = check.gradients(first)

    for name, got in gradients.items():
        check.holds(np.any(got) or name == "weight_hh_l2", f"the gradient of {name} is all zeros")


@clause("GRD-08")
@pinned("nonlinearity")
@named(
    "cell-L1-relu-float32", "small-L1-relu-float32", "small-L2-relu-bi-float64", "odd-L1-relu-nobias-float32"
)
def test_relu_has_no_slope_at_zero(case, check):
    """A relu unit whose pre-activation is exactly 0 at every step gets no gradient for its parameters."""
    unit = 2
    dead = {name: value.copy() for name, value in case.parameters.items()}
    for value in dead.values():
        value[unit] = 0

    gradients = check.gradients(case.derive("dead unit", parameters=dead))

    for name in dead:
        check.equal(f"grad {name}[{unit}]", gradients[name][unit], np.zeros(dead[name][unit].shape))


@clause("GRD-08")
@pinned("nonlinearity")
@named("small-L1-relu-float32", "square-L1-relu-nobias-float64")
def test_relu_layer_of_zero_parameters_gets_no_gradient(case, check):
    """A relu layer whose parameters are all zero gets no gradient at all."""
    zeros = {name: np.zeros(value.shape) for name, value in case.parameters.items()}
    blank = case.derive("blank", parameters=zeros)

    for name, got in check.gradients(blank).items():
        check.equal(f"grad {name}", got, np.zeros(got.shape))


@clause("GRD-13")
@pinned("bias")
@named(*DROPPING)
def test_gradients_follow_the_masks_that_were_drawn(case, check):
    """In training mode every gradient is the derivative under the masks that this very call drew."""
    check.conforms(case, "grad *")


@clause("GRD-13")
@named("cell-L2-tanh-unbatched-p0.5-train-float64", "cell-L2-relu-bi-unbatched-p0.5-train-float32")
def test_dropped_units_get_no_gradient(case, check):
    """A unit of layer 0 whose only output was dropped gets no gradient from above; every other does."""
    from_above = alone(case, "output")

    check.accountable(from_above)
    gradients = check.gradients(from_above)

    (mask,) = reveal.masks(from_above, check.ask(from_above))
    kept = mask.reshape(case.config.num_directions, -1)
    for direction, suffix in enumerate(("_l0", "_l0_reverse")[: len(kept)]):
        passed = np.any(gradients[f"weight_ih{suffix}"], axis=1)
        check.equal(
            f"rows of grad weight_ih{suffix} that are not 0", passed.tolist(), kept[direction].tolist()
        )


def alone(case, given):
    """`case` with this cotangent only: the other is zero."""
    other = "h_n" if given == "output" else "output"
    zeros = np.zeros(getattr(case.cotangents, other).shape)
    return case.derive(f"{given} alone", cotangents=replace(case.cotangents, **{other: zeros}))


def add_up(check, parts, whole, *, without=()):
    """The gradients of parts of a case, asked one after the other, add up to those of the whole."""
    found = [check.gradients(part) for part in parts]

    for name, got in check.gradients(whole).items():
        if name not in without:
            expected, *bounds = (check.expect(case).arrays[f"grad {name}"] for case in (whole, *parts))
            total = sum(np.asarray(part[name], np.float64) for part in found)
            error = replace(expected, error=sum(bound.error for bound in bounds))
            check.agree(f"grad {name}", got, total, expected, error)


def only(case, steps):
    """The cotangent of the outputs at these steps only, and none of h_n; `case` is batched."""
    output, places = np.zeros(case.cotangents.output.shape), steps
    if case.config.batch_first:
        places = slice(None), steps
    output[places] = case.cotangents.output[places]
    return Cotangents(output, np.zeros(case.cotangents.h_n.shape))
