"""Stacks: every layer reads the one below, with parameters and a state of its own (area STK)."""

from __future__ import annotations

import numpy as np

from rnn_spec.judge.laws import eye, furnish, part, silence
from rnn_spec.suite.marks import clause, named, pinned, standard

STACKS = (
    "small-L2-tanh-float64",
    "small-L3-tanh-float32",
    "small-L3-relu-nobias-float64",
    "odd-L3-relu-float32",
    "wide-L2-tanh-float32",
    "long-L2-tanh-float32",
    "square-L3-tanh-float32",
    "small-L4-relu-float32",
    "small-L6-tanh-float64",
)
EXACT = (
    "small-L2-relu-float32",
    "small-L3-relu-float64",
    "small-L3-relu-bi-float32",
    "odd-L3-relu-float32",
    "small-L4-relu-float32",
    "small-L6-relu-bi-float32",
)


@clause("STK-01")
@named(*STACKS)
def test_a_stack_is_the_composition_of_its_layers(case, check):
    """A stack is its layers one after another, each a layer of its own that reads the output below."""
    x, finals = case.input, []

    for k in range(case.config.num_layers):
        answer = check.ask(part(case, range(k, k + 1), (0,), f"layer {k}", input=x))
        x = answer.output.astype(np.float64)
        finals.append(answer.h_n)

    check.same(case, output=answer.output, h_n=np.concatenate(finals))


@clause("STK-02")
@pinned("bias")
@named(*EXACT)
def test_each_layer_adds_its_own_biases(case, check):
    """With zero weights h_n of each relu layer and direction is the sum of its own two biases."""

    def bias(layer, direction, shape):
        return np.arange(1, shape[0] + 1) + 64 * (2 * layer + direction)

    probe = furnish(case, "biases", bias_ih=bias, bias_hh=lambda *of: 2 * bias(*of))

    c, batch = case.config, case.input.shape[1]
    sums = [3 * bias(k, d, (c.hidden_size,)) for k in range(c.num_layers) for d in range(c.num_directions)]
    check.shows(probe, "h_n", np.stack([np.tile(row, (batch, 1)) for row in sums]))


@clause("STK-02")
@named("small-L2-relu-nobias-float32", "small-L3-relu-nobias-float64", "square-L3-relu-nobias-float32")
def test_each_layer_scales_by_its_own_weight_ih(case, check):
    """Memoryless layers that scale by 2^-k, one above the other, leave the product of their scales in h_n."""
    c, x = case.config, abs(case.input)

    probe = furnish(case, "scaling", input=x, weight_ih=lambda k, d, shape: np.eye(*shape) * 0.5**k)

    last = np.zeros((x.shape[1], c.hidden_size))
    last[:, : c.input_size] = x[-1, :, : c.hidden_size]
    check.shows(probe, "h_n", np.stack([last * 0.5 ** (k * (k + 1) // 2) for k in range(c.num_layers)]))


@clause("STK-02")
@named(
    "small-L2-relu-nobias-float32",
    "cell-L3-relu-nobias-float64",
    "square-L3-relu-nobias-float32",
    "cell-L6-relu-nobias-float32",
)
def test_each_layer_keeps_its_state_by_its_own_weight_hh(case, check):
    """Layers that keep a half, a quarter, ... of their state a step are left with that much of one state."""
    c, (T, N, _) = case.config, case.input.shape
    keeping = furnish(case, "keeping", h_0=1.0, weight_hh=lambda k, d, shape: np.eye(*shape) * 0.5 ** (k + 1))

    left = 0.5 ** (T * np.arange(1, c.num_layers + 1))
    check.shows(keeping, "h_n", np.zeros((c.num_layers, N, c.hidden_size)) + left[:, None, None])


@clause("STK-03")
@named(*STACKS, "small-L2-tanh-bi-float64", "small-L3-relu-bi-float32")
def test_a_silent_last_layer_silences_output(case, check):
    """With the last layer's parameters zero output is zero: nothing of the layers below is in it."""
    last = case.config.num_layers - 1

    answer = check.ask(silence(case, "last layer silent", lambda k, d: k == last))

    c = case.config
    check.equal("output", answer.output, np.zeros((*case.input.shape[:2], c.num_directions * c.hidden_size)))


@clause("STK-03")
@pinned("bias")
@named(*EXACT)
def test_output_is_built_of_last_states_alone(case, check):
    """The last layer's features alone are in output, also when every layer has others."""

    def bias(layer, direction, shape):
        return np.arange(1, shape[0] + 1) + 64 * (2 * layer + direction)

    probe = furnish(case, "one bias", bias_ih=bias)

    c = case.config
    features = [bias(c.num_layers - 1, d, (c.hidden_size,)) for d in range(c.num_directions)]
    expected = np.zeros((*case.input.shape[:2], c.num_directions * c.hidden_size)) + np.concatenate(features)
    check.shows(probe, "output", expected)


@clause("STK-04")
@standard(num_layers=(2, 3))
def test_every_layer_has_hidden_size_units(case, check):
    """h_n holds hidden_size units for every layer and direction, hidden or last."""
    answer = check.ask(case)

    c = case.config
    units = [state.shape[-1] for state in answer.h_n]
    check.equal("units of each layer and direction", units, [c.hidden_size] * c.num_layers * c.num_directions)


@clause("STK-04")
@named("small-L3-relu-nobias-float32", "odd-L2-relu-nobias-float32", "wide-L3-relu-nobias-float32")
def test_every_hidden_unit_is_passed_on(case, check):
    """Each of the hidden_size units of a hidden layer reaches the layer above."""
    H = case.config.hidden_size
    states = np.zeros_like(case.h_0)
    states[0] = np.arange(1, H + 1)
    probe = furnish(
        case,
        "passing on",
        input=np.zeros_like(case.input),
        h_0=states,
        weight_ih=eye,
        weight_hh=lambda k, d, shape: np.eye(*shape) * (k == 0),
    )

    T, N = case.input.shape[:2]
    check.shows(probe, "output", np.zeros((T, N, 1)) + np.arange(1, H + 1))
