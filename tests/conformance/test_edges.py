"""Edge cases: the smallest and the largest sizes, equal sizes, infinities and NaN, and strides (area EDG)."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.laws import derive, furnish
from rnn_spec.judge.module import Module, numbers
from rnn_spec.judge.stepwise import step_bounds
from rnn_spec.questions import data, product
from rnn_spec.questions.records import Case, Cotangents
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause, named, pinned

LAYOUTS = (
    "small-L1-tanh-float32",
    "small-L2-relu-bi-float64",
    "small-L1-tanh-batch_first-noh0-float32",
    "small-L2-tanh-bi-batch_first-noh0-float64",
    "small-L1-relu-unbatched-float32",
    "small-L2-tanh-bi-batch_first-unbatched-float32",
)
BATCHED = tuple(id for id in LAYOUTS if "unbatched" not in id)
ROWS = (
    "small-L1-tanh-float32",
    "small-L2-relu-bi-float64",
    "odd-L1-tanh-bi-float32",
    "batch-L1-relu-float32",
)
FORWARD = ("small-L1-tanh-float32", "small-L2-relu-float64", "odd-L1-relu-float32", "odd-L3-tanh-float64")
SEQUENCE_LENGTH = re.compile(r"seq(uence)?[ _-]?len(gth)?|time steps?", re.IGNORECASE)

broken = pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=["nan", "inf", "-inf"])


# -- seq_len 0, batch 0 -------------------------------------------------------------------------


@clause("EDG-01")
@named(*LAYOUTS)
def test_sequence_of_no_steps_is_refused(case, check):
    """An input of 0 time steps, whose twin of 1 step is taken, is refused, and the message says what for."""
    axis = 1 if case.config.batch_first and case.batched else 0
    twin, empty = (
        derive(case, f"{steps} steps", input=case.input.take(range(steps), axis)) for steps in (1, 0)
    )
    check.ask(twin)

    error = refused(check, empty)

    check.equal("phase", error.phase, "forward")
    check.holds(
        SEQUENCE_LENGTH.search(error.message),
        f"the message does not name the sequence length: {error.message}",
    )


@clause("EDG-01")
@named("small-L1-tanh-float32", "small-L1-tanh-batch_first-noh0-float32")
def test_batch_of_none_of_no_steps_is_refused(case, check):
    """0 time steps are refused for a batch of 0, too."""
    check.ask(batch_of_none(case))

    error = refused(check, derive(batch_of_none(case), "0 steps", input=case.input[:0, :0]))

    check.holds(
        SEQUENCE_LENGTH.search(error.message),
        f"the message does not name the sequence length: {error.message}",
    )


@clause("EDG-02")
@named(*BATCHED)
def test_batch_of_none(case, check):
    """A batch of 0 gives an empty output and h_n, of the documented shapes."""
    c, T = case.config, case.input.shape[1 if case.config.batch_first else 0]

    answer = check.ask(batch_of_none(case), shaped=False)

    rows = (0, T) if c.batch_first else (T, 0)
    check.equal("output's shape", answer.output.shape, (*rows, c.num_directions * c.hidden_size))
    check.equal("h_n's shape", answer.h_n.shape, (c.num_layers * c.num_directions, 0, c.hidden_size))


@clause("EDG-02")
@named(*BATCHED)
def test_gradients_of_a_batch_of_none(case, check):
    """A batch of 0 gives every parameter a gradient of zeros, and input and h_0 empty ones."""
    none = batch_of_none(case)

    gradients = check.gradients(none)

    for name, got in gradients.items():
        check.equal(f"grad {name}", got, np.zeros(none.given[name].shape))


# -- sizes of 1, and equal sizes ----------------------------------------------------------------

SIZES = {  # T, N, I, H
    "all 1": (1, 1, 1, 1),
    "1 step": (1, 3, 2, 4),
    "1 row": (3, 1, 2, 4),
    "1 feature": (3, 2, 1, 4),
    "1 unit": (3, 2, 4, 1),
    "1 feature and unit": (4, 3, 1, 1),
    "1 step and row": (1, 1, 3, 2),
    "T = N": (4, 4, 2, 3),
    "I = H": (4, 3, 5, 5),
    "T = I": (4, 3, 4, 2),
    "N = I": (2, 4, 4, 3),
    "N = H": (2, 4, 3, 4),
    "T = H": (4, 2, 3, 4),
    "N = L * D": (3, 4, 2, 5),
    "all 4": (4, 4, 4, 4),
}
FLAGS = {
    "plain": {},
    "both, 2 layers": {"bidirectional": True, "num_layers": 2},
    "batch_first": {"batch_first": True, "num_layers": 2, "bidirectional": True},
    "unbatched": {},
    "unbatched, batch_first": {"batch_first": True, "bidirectional": True},
}


@clause("EDG-03")
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("size", SIZES)
def test_axes_are_told_apart_by_place(size, flags, check):
    """Axes of length 1, or of one length, are each what their place makes them: all answers are right."""
    check.conforms(check.fit(sized(size, flags)), "output", "h_n", "grad *")


@clause("EDG-03")
@pytest.mark.parametrize("size", SIZES)
def test_results_keep_axes_of_length_one(size, check):
    """Where an axis of input has length 1, output and h_n have it as well, and no other."""
    T, N, _, H = SIZES[size]

    for flags, shape in (("plain", (T, N, H)), ("batch_first", (N, T, 2 * H)), ("unbatched", (T, H))):
        if flags in ("batch_first", "unbatched") and "torch_api" not in check.claims.levels:
            continue
        case = check.fit(sized(size, flags))
        answer = check.ask(case, shaped=False)

        check.equal("output's shape", np.shape(answer.output), shape)
        rows = () if flags == "unbatched" else (N,)
        states = case.config.num_layers * case.config.num_directions
        check.equal("h_n's shape", np.shape(answer.h_n), (states, *rows, H))


# -- NaN and infinity ---------------------------------------------------------------------------


@clause("EDG-04")
@broken
@pytest.mark.parametrize("where", ["first input", "last input", "whole row", "h_0"])
@named(*ROWS)
def test_broken_row_leaves_the_others_alone(case, where, value, check):
    """A NaN or infinity in one batch row changes no output or state of any other row."""
    row = 1
    changes = broken_at(case, where, value, row)

    answer = check.ask(derive(case, f"{value} in {where} of row {row}", **changes))

    others = np.arange(case.input.shape[1]) != row
    expected = check.expect(case).arrays
    check.within("output of the other rows", answer.output[:, others], expected["output"][:, others])
    check.within("h_n of the other rows", answer.h_n[:, others], expected["h_n"][:, others])


@clause("EDG-05")
@broken
@pytest.mark.parametrize("at", ["second", "middle", "last"])
@named(*FORWARD, "long-L1-tanh-float32")
def test_broken_step_leaves_the_steps_before_alone(case, at, value, check):
    """With one direction NaN or infinity in the input from a time step on leaves the outputs before it."""
    T = case.input.shape[0]
    t = {"second": 1, "middle": T // 2, "last": T - 1}[at]
    input = case.input.copy()
    input[t:] = value

    answer = check.ask(derive(case, f"{value} from step {t}", input=input))

    check.within(f"output before step {t}", answer.output[:t], check.expect(case).arrays["output"][:t])


@clause("EDG-06")
@pytest.mark.parametrize("at", ["first", "middle", "last"])
@named(*FORWARD)
def test_nan_in_the_input_reaches_its_own_row_from_its_step_on(case, at, check):
    """A NaN in one feature of the input makes every output of its row NaN, from its own step to the last."""
    T, row = case.input.shape[0], 1
    t = {"first": 0, "middle": T // 2, "last": T - 1}[at]
    input = case.input.copy()
    input[t, row, -1] = np.nan

    answer = check.ask(derive(case, f"nan at step {t} of row {row}", input=input))

    check.holds(np.isnan(answer.output[t:, row]).all(), f"an output from step {t} on is a number")
    check.holds(np.isnan(answer.h_n[:, row]).all(), "a final state of the row is a number")


@clause("EDG-06")
@named(*FORWARD)
def test_nan_in_h_0_reaches_its_own_row_at_every_step(case, check):
    """A NaN in one unit of the last layer's h_0 makes every output of its row NaN."""
    h_0, row = case.h_0.copy(), 1
    h_0[-1, row, 0] = np.nan

    answer = check.ask(derive(case, f"nan in h_0 of row {row}", h_0=h_0))

    check.holds(np.isnan(answer.output[:, row]).all(), "an output of the row is a number")
    check.holds(np.isnan(answer.h_n[-1, row]).all(), "the final state of the row is a number")


@clause("EDG-06")
@pinned("bias")
@named("small-L1-tanh-float32", "small-L1-relu-float32", "odd-L1-relu-float64", "odd-L1-tanh-float32")
def test_nan_in_a_parameter_reaches_its_unit(case, check):
    """A NaN in one unit's bias makes that unit's output NaN at the first step, and all units' at the next."""
    bias, unit = case.parameters["bias_hh_l0"].copy(), 2
    bias[unit] = np.nan

    answer = check.ask(derive(case, "nan in a bias", parameters={**case.parameters, "bias_hh_l0": bias}))

    check.holds(np.isnan(answer.output[0, :, unit]).all(), "the unit's first output is a number")
    check.holds(np.isfinite(np.delete(answer.output[0], unit, axis=-1)).all(), "another unit's is none")
    check.holds(np.isnan(answer.output[1:]).all(), "an output of a later step is a number")


@clause("EDG-07")
@pytest.mark.parametrize("by", ["input", "h_0", "overflow", "negative overflow"])
@named("cell-L1-tanh-float32", "cell-L1-relu-float64", "cell-L1-relu-float32", "cell-L1-tanh-nobias-float64")
def test_infinite_pre_activation(case, by, check):
    """An infinite pre-activation gives -1 or 1 with tanh, and 0 or infinity with relu, exactly."""
    I, H = case.config.input_size, case.config.hidden_size
    signs = np.where(np.arange(H) % 2, -1.0, 1.0)
    largest = 2.0 ** (1023 if case.dtype == "float64" else 127)
    column = lambda width: signs[:, None] * (np.arange(width) == 0) * 4  # noqa: E731
    first = {"input": np.inf, "h_0": 0.0, "overflow": largest, "negative overflow": -largest}[by]
    input = np.zeros(case.input.shape)
    input[..., 0] = first
    h_0 = np.zeros(case.h_0.shape)
    h_0[..., 0] = np.inf if by == "h_0" else 0.0
    probe = furnish(
        case,
        f"infinite by {by}",
        input=input,
        h_0=h_0,
        weight_ih=lambda *_: np.where(column(I) == 0, 2.0**-10, column(I)),
        weight_hh=lambda *_: np.where(column(H) == 0, 2.0**-10, column(H)),
    )

    answer = check.ask(probe)

    z = -signs if by == "negative overflow" else signs
    expected = z if case.config.nonlinearity == "tanh" else np.where(z > 0, np.inf, 0.0)
    check.equal("output", answer.output, np.zeros(answer.output.shape) + expected)


@clause("EDG-07")
@broken
@named("cell-L1-tanh-float32", "cell-L1-relu-float32", "small-L1-tanh-float64", "small-L1-relu-bi-float32")
def test_infinities_follow_the_arithmetic(case, value, check):
    """Infinities go through a layer as through its sums; what becomes of NaN is another clause's matter."""
    input = case.input.copy()
    input[0, 1, -1] = value
    probe = derive(case, f"{value} in row 1", input=input)

    answer = check.ask(probe).arrays()

    for name in ("output", "h_n"):
        expected = check.expect(probe).arrays[name]
        error = np.where(np.isnan(expected.value), np.inf, expected.error)
        check.within(name, answer[name], replace(expected, error=error))


# -- long and wide ------------------------------------------------------------------------------

LARGE = {  # T, N, I, H
    "1,000 steps": (1000, 3, 4, 8),
    "1,000 steps of one": (1000, 1, 1, 1),
    "1,024 steps": (1024, 2, 3, 5),
    "512 units": (6, 3, 5, 512),
    "513 units": (3, 2, 3, 513),
    "512 inputs": (6, 3, 512, 7),
    "1,000 steps of 512 units": (1000, 1, 2, 512),
}
KINDS = {  # the flags, and how many times larger the weights are than torch draws them
    "tanh": ({}, 1),
    "tanh, larger weights": ({}, 3),
    "relu": ({"nonlinearity": "relu"}, 1),
    "both directions, larger weights": ({"bidirectional": True}, 3),
}


@clause("EDG-08")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", LARGE)
def test_large_layers_follow_the_recurrence(size, kind, check):
    """Every step of a long sequence and every unit of a wide layer follow from its own step before."""
    free = ("dtype", "bias") if "larger" in kind else ("dtype", "bias", "nonlinearity")  # relu would overflow
    case = check.fit(large(size, kind), *free)

    answer = check.ask(case)

    T, N, _ = case.input.shape
    own = answer.output.astype(np.float64)
    lengths = np.full(N, T)
    bounds = step_bounds(case.config, case.parameters, case.dtype, 0, case.input, own, case.h_0, lengths)
    check.within("output", answer.output, bounds)
    H = case.config.hidden_size
    check.equal("h_n[0]", answer.h_n[0], answer.output[-1, :, :H])
    if case.config.bidirectional:
        check.equal("h_n[1]", answer.h_n[1], answer.output[0, :, H:])


@clause("EDG-08")
@named("small-L1-tanh-float32", "small-L1-relu-float64")
def test_long_sequences_remember_their_start(case, check):
    """A layer that shifts its state by one unit a step still has its h_0 after 1,000 steps."""
    first = abs(case.h_0)
    H, N, I = case.config.hidden_size, case.input.shape[1], case.config.input_size
    relu = check.fit(derive(case, "relu", config=replace(case.config, nonlinearity="relu")))
    shift = lambda *_: np.roll(np.eye(H), 1, axis=0)  # noqa: E731
    probe = furnish(relu, "shifting for long", input=np.zeros((1000, N, I)), h_0=first, weight_hh=shift)

    moved = np.stack([np.roll(first[0], t + 1, axis=-1) for t in range(1000)])
    check.shows(probe, "output", moved)


# -- strides ------------------------------------------------------------------------------------

VIEWS = {
    "transposed": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
    "features first": lambda t: t.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "batch innermost": lambda t: t.permute(0, 2, 1).contiguous().permute(0, 2, 1),
    "every other step": lambda t: t.repeat_interleave(2, 0)[::2],
    "every other row": lambda t: t.repeat_interleave(2, 1)[:, ::2],
    "every other feature": lambda t: t.repeat_interleave(2, 2)[..., ::2],
    "inside a larger one": lambda t: t.new_full([n + 2 for n in t.shape], 7.0)[1:-1, 1:-1, 1:-1].copy_(t),
}
EXPANDED = {0: "first axis", 1: "second axis", 2: "last axis"}
STRIDED = (
    "small-L1-tanh-float32",
    "small-L2-relu-bi-float64",
    "small-L2-tanh-bi-batch_first-float32",
    "square-L1-relu-batch_first-float32",
)


@clause("EDG-09")
@pytest.mark.parametrize("what", ["input", "h_0", "both"])
@pytest.mark.parametrize("view", VIEWS)
@named(*STRIDED)
def test_views_give_the_results_of_their_copies(case, view, what, check):
    """An input or h_0 that is a view of other memory gives what its contiguous copy gives."""
    module = Module(case, check)
    input = module.input if what == "h_0" else VIEWS[view](module.input)
    h_0 = module.h_0 if what == "input" else VIEWS[view](module.h_0)

    output, h_n = module(input, h_0)

    expected = check.expect(case).arrays
    check.within("output", numbers(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("EDG-09")
@pytest.mark.parametrize("axis", EXPANDED, ids=EXPANDED.values())
@named(*STRIDED)
def test_expanded_tensors_give_the_results_of_their_copies(case, axis, check):
    """An input and an h_0 that repeat one slice with stride 0 give what their contiguous copies give."""
    repeated = derive(
        case,
        f"one slice of axis {axis}",
        input=np.repeat(case.input.take([0], axis), case.input.shape[axis], axis),
        h_0=np.repeat(case.h_0.take([0], axis), case.h_0.shape[axis], axis),
    )
    module = Module(case, check)  # whose memory goes on with other slices
    input, h_0 = (t.narrow(axis, 0, 1).expand(t.shape) for t in (module.input, module.h_0))

    output, h_n = module(input, h_0)

    expected = check.expect(repeated).arrays
    check.within("output", numbers(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("EDG-09")
@pytest.mark.parametrize("view", ["transposed", "features first", "every other row"])
@named("small-L1-tanh-float32", "small-L2-tanh-bi-batch_first-float32")
def test_gradients_through_views(case, view, check):
    """Gradients through views, of cotangents that are views, are those of the contiguous copies."""
    module = Module(case, check)
    leaves = [module.input.requires_grad_(), module.h_0.requires_grad_(), *module.rnn.parameters()]
    output, h_n = module(VIEWS[view](module.input), VIEWS[view](module.h_0))
    g = [VIEWS[view](module.tensor(a)) for a in (case.cotangents.output, case.cotangents.h_n)]

    try:
        found = module.torch.autograd.grad([output, h_n], leaves, g)
    except RuntimeError as e:
        raise Nonconformity(f"raised in backward: {e}") from e

    names = ["input", "h_0", *(name for name, _ in module.rnn.named_parameters())]
    for name, got in zip(names, found, strict=True):
        check.within(f"grad {name}", numbers(got), check.expect(case).arrays[f"grad {name}"])


# -- helpers ------------------------------------------------------------------------------------


def refused(check, case):
    """The error with which the subject refused the case; Nonconformity if it answered."""
    case = check.claimed(case)
    error = check.session.answer(case).error
    check.holds(error is not None, f"input of shape {case.input.shape} is accepted")
    check.holds(error.phase not in ("worker", "adapter"), f"{error.type}: {error.message}")
    return error


def batch_of_none(case):
    """`case` with a batch of 0."""
    axis = 0 if case.config.batch_first else 1
    g = case.cotangents
    return case.derive(
        "batch of 0",
        input=case.input.take([], axis),
        h_0=None if case.h_0 is None else case.h_0[:, :0],
        cotangents=Cotangents(g.output.take([], axis), g.h_n[:, :0]),
    )


def sized(size, flags):
    """A case of these sizes and flags, with gradients."""
    T, N, I, H = SIZES[size]
    batched = not flags.startswith("unbatched")
    return product.sized(f"edge-{size}-{flags}", Config(I, H, **FLAGS[flags]), T, N, batched=batched)


def broken_at(case, where, value, row):
    """The input and h_0 of a time-major case with `value` at this place of one row."""
    input, h_0 = case.input.copy(), case.h_0.copy()
    if where == "h_0":
        h_0[:, row, 0] = value
    elif where == "whole row":
        input[:, row] = value
    else:
        input[0 if where == "first input" else -1, row, 0] = value
    return {"input": input, "h_0": h_0}


def large(size, kind):
    """A long or wide case whose weights are as torch draws them, or larger, so not contractive."""
    (T, N, I, H), (flags, factor) = LARGE[size], KINDS[kind]
    config = Config(I, H, **flags)
    exponent = 7 + int(np.ceil(np.log2(H) / 2 - np.log2(factor)))  # magnitudes up to factor / sqrt(H)
    parameters = {
        name: data.dyadic(f"{size}/{name}", shape, exponent, low=0)
        for name, shape in config.parameter_shapes().items()
    }
    input, h_0 = data.dyadic(f"{size}/input", (T, N, I), 7), data.states(size, config, N)
    return Case(f"large-{size}-{kind}", config, parameters, input, h_0)
