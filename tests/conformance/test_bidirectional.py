"""Two directions: what each reads, where its outputs and states are (area DIR)."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.laws import derive, eye, furnish, part, silence
from rnn_spec.suite.marks import clause, named, standard

SINGLE = (
    "small-L1-tanh-bi-float64",
    "small-L1-relu-bi-nobias-float32",
    "odd-L1-tanh-bi-float32",
    "batch-L1-relu-bi-float32",
    "long-L1-tanh-bi-float64",
    "square-L1-tanh-bi-float32",
    "wide-L1-tanh-bi-float32",
)
STACKED = (
    "small-L2-tanh-bi-float64",
    "small-L3-relu-bi-float32",
    "square-L2-tanh-bi-float32",
    "small-L6-tanh-bi-float64",
)
EXACT = (
    "small-L1-relu-bi-nobias-float32",
    "odd-L1-relu-bi-nobias-float32",
    "square-L1-relu-bi-nobias-float64",
)
LAYOUT = {"bidirectional": True, "batched": True, "batch_first": False}


@clause("DIR-01")
@pytest.mark.parametrize("where", ["first", "middle", "last"])
@named("small-L1-relu-bi-nobias-float32", "long-L1-relu-bi-nobias-float64")
def test_an_impulse_is_seen_from_its_step_on_in_each_direction(case, where, check):
    """An impulse is in the forward outputs from its step on, and in the reverse outputs up to its step."""
    T, N, I = case.input.shape
    H, at = case.config.hidden_size, {"first": 0, "middle": T // 3, "last": T - 1}[where]
    impulse = np.zeros((T, N, I))
    impulse[at] = 1.0

    probe = furnish(case, f"impulse at {at}", input=impulse, weight_ih=eye, weight_hh=eye)

    unit, steps = np.arange(H) < I, np.arange(T)[:, None, None]
    seen = np.concatenate([(steps >= at) * unit, (steps <= at) * unit], axis=-1)
    check.shows(probe, "output", np.zeros((T, N, 2 * H)) + seen)


@clause("DIR-02")
@named(*EXACT)
def test_forward_features_come_first(case, check):
    """The first hidden_size features of output are direction 0's, and the others direction 1's."""
    b = abs(case.parameters["weight_hh_l0"][0])
    probe = furnish(
        case, "constant", weight_ih=lambda k, d, shape: np.outer(b * 0.5**d, np.arange(shape[1]) == 0)
    )
    probe = derive(probe, "ones", input=np.ones_like(case.input))

    T, N = case.input.shape[:2]
    check.shows(probe, "output", np.zeros((T, N, 1)) + np.concatenate([b, b * 0.5]))


@clause("DIR-03")
@named(*EXACT)
def test_reverse_outputs_are_aligned_with_the_input(case, check):
    """A layer without memory echoes each step at its own time, in both directions."""
    I, H = case.config.input_size, case.config.hidden_size
    echo = np.zeros((*case.input.shape[:2], H))
    echo[..., :I] = np.maximum(case.input[..., :H], 0)
    check.shows(furnish(case, "echo", weight_ih=eye), "output", np.concatenate([echo, echo], axis=-1))


@clause("DIR-04")
@named(*EXACT, "long-L1-relu-bi-nobias-float64")
def test_reverse_final_state_has_read_the_whole_sequence(case, check):
    """The reverse state of an adding layer is the sum over all time, reached at time 0."""
    x = abs(case.input)

    probe = furnish(case, "adding", input=x, weight_ih=eye, weight_hh=eye)

    I, H = case.config.input_size, case.config.hidden_size
    total = np.zeros((case.input.shape[1], H))
    total[:, :I] = x.sum(axis=0)[:, :H]
    check.shows(probe, "h_n", total, at=1)
    check.shows(probe, "output", total, at=np.s_[0, :, H:])


@clause("DIR-05")
@standard(num_layers=1, **LAYOUT)
def test_final_states_are_the_ends_of_output(case, check):
    """With one layer h_n is the last forward output and the first reverse output, bit for bit."""
    answer = check.ask(case)

    H = case.config.hidden_size
    ends = np.concatenate([answer.output[-1, :, :H], answer.output[0, :, H:]]).reshape(2, -1, H)
    check.equal("h_n", answer.h_n, ends)


@clause("DIR-06")
@named(*SINGLE)
def test_two_directions_are_two_layers(case, check):
    """A bidirectional layer is a forward layer on the input and one on the flipped input, side by side."""
    forward = check.ask(part(case, range(1), (0,), "direction 0"))
    reverse = check.ask(part(case, range(1), (1,), "direction 1", input=case.input[::-1]))

    output = np.concatenate([forward.output, reverse.output[::-1]], axis=-1)

    check.same(case, output=output, h_n=np.concatenate([forward.h_n, reverse.h_n]))


@clause("DIR-07")
@named(*SINGLE, *STACKED)
def test_flipping_time_and_exchanging_directions_changes_nothing(case, check):
    """Exchanging the directions, on the flipped input, exchanges the halves of output, flipped."""
    H, L = case.config.hidden_size, case.config.num_layers
    parameters = {}
    for name, value in case.parameters.items():
        other = name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"
        halves = name.startswith("weight_ih") and "_l0" not in name
        parameters[other] = np.roll(value, H, axis=1) if halves else value
    order = np.arange(2 * L).reshape(L, 2)[:, ::-1].ravel()
    mirrored = derive(case, "mirrored", parameters=parameters, input=case.input[::-1], h_0=case.h_0[order])

    answer = check.ask(mirrored)

    check.same(case, output=np.roll(answer.output[::-1], H, axis=-1), h_n=answer.h_n[order])


@clause("DIR-08")
@named(*SINGLE)
def test_silencing_one_direction_leaves_the_other(case, check):
    """With one direction's parameters zero its half of output is zero, and the other half as it was."""
    H = case.config.hidden_size
    for silent in (0, 1):
        probe = silence(case, f"direction {silent} silent", lambda k, d, silent=silent: d == silent)

        answer = check.ask(probe)

        mute, live = (slice(d * H, (d + 1) * H) for d in (silent, 1 - silent))
        check.equal("the silent half", answer.output[..., mute], np.zeros((*case.input.shape[:2], H)))
        check.within(
            "the other half", answer.output[..., live], check.expect(case).arrays["output"][..., live]
        )


@clause("DIR-09")
@named(
    "small-L2-relu-bi-nobias-float32", "small-L3-relu-bi-nobias-float64", "square-L2-relu-bi-nobias-float32"
)
def test_upper_layers_read_both_directions_at_their_own_step(case, check):
    """Where each upper direction reads the other direction below, without memory, they cross over."""
    H = case.config.hidden_size

    def crossing(layer, direction, shape):
        return np.eye(*shape) * 0.5**direction if layer == 0 else np.eye(*shape, k=H * (1 - direction))

    probe = furnish(case, "crossing", weight_ih=crossing)

    echo = np.zeros((*case.input.shape[:2], H))
    echo[..., : case.config.input_size] = np.maximum(case.input[..., :H], 0)
    crossed = (case.config.num_layers - 1) % 2
    halves = [echo * 0.5**crossed, echo * 0.5 ** (1 - crossed)]
    check.shows(probe, "output", np.concatenate(halves, axis=-1))


@clause("DIR-09")
@named(*STACKED)
def test_stacks_of_two_directions_are_compositions(case, check):
    """A bidirectional stack is its layers one after another, each reading all the features below."""
    x, finals = case.input, []

    for k in range(case.config.num_layers):
        answer = check.ask(part(case, range(k, k + 1), (0, 1), f"layer {k}", input=x))
        x = answer.output.astype(np.float64)
        finals.append(answer.h_n)

    check.same(case, output=answer.output, h_n=np.concatenate(finals))


@clause("DIR-10")
@named(
    "small-L1-tanh-bi-float64",
    "small-L2-tanh-bi-float64",
    "odd-L1-tanh-bi-float32",
    "square-L2-tanh-bi-float32",
)
def test_view_separates_the_directions(case, check):
    """output.view(L, N, 2, H) has the directions on axis 2, and each ends in its own entry of h_n."""
    answer = check.ask(case)

    T, N = case.input.shape[:2]
    view = answer.output.reshape(T, N, 2, case.config.hidden_size)
    bounds = check.expect(case).arrays["h_n"]  # of the state itself: both show the same one
    check.agree("the forward direction's last step", view[-1, :, 0], answer.h_n[-2], bounds[-2])
    check.agree("the reverse direction's first step", view[0, :, 1], answer.h_n[-1], bounds[-1])
