"""`spec.gradient` against finite differences in high precision, and against torch in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.spec.arithmetic import BoundedArithmetic, HighPrecision, PlainArithmetic
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN, Config

if TYPE_CHECKING:
    from collections.abc import Mapping

SEQ_LEN, BATCH, STEP = 4, 2, 2.0**-60

CONFIGS = {
    "one layer, tanh": Config(2, 3),
    "one layer, relu": Config(2, 3, nonlinearity="relu"),
    "no bias, batch_first": Config(2, 3, bias=False, batch_first=True),
    "two directions": Config(2, 3, bidirectional=True),
    "two layers, dropout": Config(2, 3, 2, dropout=0.25),
    "two layers, two directions, relu": Config(2, 3, 2, "relu", dropout=0.25, bidirectional=True),
    "three layers, two directions": Config(2, 2, 3, dropout=0.5, bidirectional=True, batch_first=True),
}


class Question:
    """Everything that a forward and a backward pass need, of a config."""

    def __init__(self, config: Config, ragged: bool, dropping: bool) -> None:
        random = np.random.RandomState(3)
        c, D = config, config.num_directions
        self.config = config
        self.leaves = {name: random.uniform(-0.6, 0.6, shape) for name, shape in c.parameter_shapes().items()}
        self.leaves["input"] = self.layout(random.normal(size=(SEQ_LEN, BATCH, c.input_size)))
        self.leaves["h_0"] = random.normal(size=(c.num_layers * D, BATCH, c.hidden_size))
        self.g_output = self.layout(random.normal(size=(SEQ_LEN, BATCH, D * c.hidden_size)))
        self.g_h_n = random.normal(size=self.leaves["h_0"].shape)
        self.lengths = np.array([2, 4]) if ragged else None
        widths = (SEQ_LEN, BATCH, D * c.hidden_size)
        self.masks = (
            [random.random_sample(widths) < 0.7 for _ in range(c.num_layers - 1)] if dropping else None
        )

    def layout(self, x: np.ndarray) -> np.ndarray:
        """A time-major array in the config's layout."""
        return x.swapaxes(0, 1).copy() if self.config.batch_first else x

    def forward(self, ops: Any, leaves: Mapping[str, Any]) -> tuple[RNN, Any, Any]:
        """The model, with its tapes, and its answer."""
        rnn = RNN(self.config, {n: v for n, v in leaves.items() if n not in ("input", "h_0")}, ops)
        return rnn, *rnn.forward(leaves["input"], leaves["h_0"], self.lengths, self.masks)

    def gradients(self, ops: Any) -> dict[str, Any]:
        """The adjoint's answer."""
        rnn, _, _ = self.forward(ops, self.leaves)
        return Adjoint(rnn).backward(self.g_output, self.g_h_n, self.lengths, self.masks)

    def loss(self, ops: HighPrecision, leaves: Mapping[str, Any]) -> Any:
        """<output, g_output> + <h_n, g_h_n>, in high precision."""
        _, output, h_n = self.forward(ops, leaves)
        return (output * ops.array(self.g_output)).sum() + (h_n * ops.array(self.g_h_n)).sum()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("dropping", [False, True], ids=["eval", "dropping"])
def test_adjoint_is_the_derivative_by_finite_differences(name: str, ragged: bool, dropping: bool) -> None:
    """Along a random direction of every leaf the adjoint is the central difference at step 2^-60.

    That difference is off by step^2 / 6 times the third derivative, at most 2^-120 times a number far
    below 2^30 here, and by the 300-bit rounding over the step, 2^-240: 2^-90 is beyond both. relu is
    linear on both sides of a step this small, so its difference is exact.
    """
    question, ops = Question(CONFIGS[name], ragged, dropping), HighPrecision(300)
    random = np.random.RandomState(4)
    gradients = question.gradients(ops)

    for leaf, value in question.leaves.items():
        along = ops.array(random.normal(size=value.shape))
        ends = [{**question.leaves, leaf: ops.array(value) + s * STEP * along} for s in (1, -1)]
        up, down = (question.loss(ops, end) for end in ends)
        error = abs((up - down) / (2 * STEP) - (gradients[leaf] * along).sum())
        assert error < 2.0**-90, leaf

    assert question.leaves.keys() == gradients.keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_component_of_a_gradient_is_the_derivative(name: str) -> None:
    """No component of a gradient hides behind another: each is its own central difference."""
    question, ops = Question(CONFIGS[name], ragged=True, dropping=True), HighPrecision(300)
    gradients = question.gradients(ops)
    leaf = f"weight_hh_l{question.config.num_layers - 1}"

    for index in np.ndindex(question.leaves[leaf].shape):
        ends = [{**question.leaves, leaf: ops.array(question.leaves[leaf])} for _ in range(2)]
        for end, sign in zip(ends, (1, -1), strict=True):
            end[leaf][index] += sign * STEP
        up, down = (question.loss(ops, end) for end in ends)
        assert abs((up - down) / (2 * STEP) - gradients[leaf][index]) < 2.0**-90


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
def test_adjoint_is_torchs(name: str, ragged: bool) -> None:
    """Without dropout the adjoint is what torch.autograd gives in float64, packed sequences included."""
    import torch

    question = Question(CONFIGS[name], ragged, dropping=False)
    rnn = torch.nn.RNN(**vars(question.config), dtype=torch.float64).eval()
    leaves = {n: torch.tensor(v, requires_grad=True) for n, v in question.leaves.items()}
    parameters = {n: t for n, t in leaves.items() if n not in ("input", "h_0")}
    first = question.config.batch_first
    x: Any = leaves["input"]
    if question.lengths is not None:
        x = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.tensor(question.lengths), first, enforce_sorted=False
        )

    found = question.gradients(PlainArithmetic())
    output, h_n = torch.func.functional_call(rnn, parameters, (x, leaves["h_0"]))
    if ragged:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, first)
    cotangents = [torch.tensor(question.g_output), torch.tensor(question.g_h_n)]
    expected = torch.autograd.grad([output, h_n], list(leaves.values()), cotangents)

    for leaf, gradient in zip(leaves, expected, strict=True):
        np.testing.assert_allclose(found[leaf], gradient.numpy(), rtol=1e-11, atol=1e-13, err_msg=leaf)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_arithmetic_gives_one_gradient(name: str) -> None:
    """The adjoint says the same on float64, float32, bounded and high-precision numbers."""
    question, exact = Question(CONFIGS[name], ragged=True, dropping=True), HighPrecision()

    wanted = {leaf: exact.nearest(g) for leaf, g in question.gradients(exact).items()}
    plain = question.gradients(PlainArithmetic())
    single = question.gradients(PlainArithmetic("float32"))
    bounded = {leaf: g.rounded() for leaf, g in question.gradients(BoundedArithmetic("float64")).items()}

    for leaf, value in wanted.items():
        np.testing.assert_allclose(plain[leaf], value, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(single[leaf], value, rtol=1e-3, atol=1e-4)
        assert (np.abs(bounded[leaf].value - value) <= bounded[leaf].error).all()


def test_relus_derivative_at_0_is_0() -> None:
    """Where relu's argument is 0 nothing flows back, as in torch."""
    import torch

    config = Config(1, 1, nonlinearity="relu", bias=False)
    parameters = {"weight_ih_l0": np.zeros((1, 1)), "weight_hh_l0": np.ones((1, 1))}
    rnn = RNN(config, parameters, PlainArithmetic())
    rnn.forward(np.ones((1, 1)), np.zeros((1, 1)))
    z = torch.zeros(1, requires_grad=True)

    gradients = Adjoint(rnn).backward(np.ones((1, 1)), np.ones((1, 1)))
    (slope,) = torch.autograd.grad(torch.relu(z), z)

    assert float(slope) == gradients["h_0"][0, 0] == 0
