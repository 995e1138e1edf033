"""h_0 and h_n: which state goes in where, and which comes out (area HID)."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.laws import derive, eye, furnish, part
from rnn_spec.suite.marks import clause, every, named, standard

ONE_WAY = {"bidirectional": False, "batched": True, "batch_first": False}
STACKS = (
    "small-L2-tanh-float64",
    "small-L3-tanh-float32",
    "small-L3-relu-nobias-float64",
    "odd-L3-relu-float32",
    "square-L3-tanh-float32",
    "long-L2-tanh-float32",
    "small-L6-tanh-float64",
)


@clause("HID-01")
@every(h_0=True)
def test_final_states_follow_from_the_given_h_0(case, check):
    """h_n is what the recurrence makes of the given h_0."""
    check.conforms(case, "h_n")


@clause("HID-01")
@named("cell-L1-tanh-float64", "cell-L1-relu-float32", "odd-L1-tanh-float32")
def test_first_step_starts_from_h_0(case, check):
    """A layer called with an h_0 of zeros differs at the first step by what weight_hh makes of h_0."""
    bare = derive(case, "one step, zero h_0", input=case.input[:1], h_0=np.zeros_like(case.h_0))
    given = derive(case, "one step", input=case.input[:1])

    moved = check.ask(given).output.astype(np.float64) - check.ask(bare).output

    expected, zero = check.expect(given).arrays["output"], check.expect(bare).arrays["output"]
    check.agree("what h_0 adds to output[0]", moved, expected.value - zero.value, expected, zero)


@clause("HID-02")
@named(
    "cell-L1-relu-float32",
    "small-L1-relu-float32",
    "batch-L1-relu-float32",
    "odd-L1-relu-float64",
    "square-L1-relu-float32",
)
def test_each_row_remembers_its_own_h_0(case, check):
    """A relu layer that only remembers answers with row b of h_0 in row b, at every step."""
    first = abs(case.h_0)
    probe = furnish(case, "remembering", h_0=first, weight_hh=eye)

    check.shows(probe, "output", np.repeat(first, case.input.shape[0], axis=0))


@clause("HID-03")
@named("small-L2-relu-float32", "square-L2-relu-float64", "cell-L3-relu-float32", "cell-L9-relu-float32")
def test_each_layer_remembers_its_own_slice(case, check):
    """Layer k, when it only remembers, halved k times a step, ends in slice k of h_0, halved so often."""
    T, first = case.input.shape[0], abs(case.h_0)
    probe = furnish(case, "halving", h_0=first, weight_hh=lambda k, d, shape: 0.5**k * np.eye(*shape))

    check.shows(probe, "h_n", np.stack([0.5 ** (k * T) * slice_k for k, slice_k in enumerate(first)]))


@clause("HID-04")
@named(
    "small-L1-tanh-noh0-float32",
    "small-L3-relu-nobias-noh0-float64",
    "small-L2-tanh-bi-noh0-float32",
    "small-L1-tanh-batch_first-noh0-float32",
    "odd-L2-relu-noh0-float32",
)
def test_absent_h_0_is_zeros(case, check):
    """Without an h_0 the answer is that of an h_0 of zeros."""
    c, batch = case.config, case.input.shape[0 if case.config.batch_first else 1]
    zeros = np.zeros((c.num_layers * c.num_directions, batch, c.hidden_size))

    answer = check.ask(derive(case, "h_0 of zeros", h_0=zeros))

    check.same(case, output=answer.output, h_n=answer.h_n)


@clause("HID-05")
@named(*STACKS)
def test_each_slice_of_h_n_is_its_layers_last_output(case, check):
    """Slice k of h_n is the last output of the first k + 1 layers on their own."""
    below = [part(case, range(k), (0,), f"first {k} layers") for k in range(1, case.config.num_layers)]

    last = [check.ask(stack).output[-1] for stack in below]

    last.append(check.ask(case).output[-1])
    check.same(case, h_n=np.stack(last))


@clause("HID-06")
@standard(num_layers=1, **ONE_WAY)
def test_last_output_is_the_final_state(case, check):
    """With one layer and one direction the last output is h_n, bit for bit."""
    answer = check.ask(case)

    check.equal("output[-1]", answer.output[-1], answer.h_n[0])


@clause("HID-07")
@standard(num_layers=(2, 3), **ONE_WAY)
def test_last_output_is_the_last_layers_final_state(case, check):
    """With several layers the last output is h_n[-1], bit for bit."""
    answer = check.ask(case)

    check.equal("output[-1]", answer.output[-1], answer.h_n[-1])


@clause("HID-08")
@named(
    "cell-L1-relu-bi-float32",
    "cell-L2-relu-bi-float32",
    "cell-L3-relu-bi-float64",
    "cell-L6-relu-bi-float32",
    "small-L2-relu-bi-float64",
)
def test_states_are_ordered_by_layer_then_direction(case, check):
    """Layer k's direction d reads entry k * 2 + d of h_0 and leaves its state in the same entry of h_n."""
    T, first = case.input.shape[0], abs(case.h_0)
    halved = lambda k, d, shape: 0.5 ** (2 * k + d) * np.eye(*shape)  # noqa: E731
    probe = furnish(case, "halving", h_0=first, weight_hh=halved)

    check.shows(probe, "h_n", np.stack([0.5 ** (i * T) * entry for i, entry in enumerate(first)]))


@clause("HID-09")
@pytest.mark.parametrize("first", [1, 4])
@named(*STACKS)
def test_all_of_h_n_continues_every_layer(case, first, check):
    """A stack run in two calls, all of h_n carried over, is the stack run in one."""
    start = check.ask(derive(case, f"first {first}", input=case.input[:first]))
    carried = start.h_n.astype(np.float64)

    rest = check.ask(derive(case, f"after {first}", input=case.input[first:], h_0=carried))

    check.same(case, output=np.concatenate([start.output, rest.output]), h_n=rest.h_n)
