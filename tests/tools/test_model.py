"""`spec.model` against the formula of nn.RNN's documentation in plain Python, and against torch."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.spec import model
from rnn_spec.spec.arithmetic import BoundedArithmetic, HighPrecision, PlainArithmetic
from rnn_spec.spec.model import RNN, Config

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIGS = [
    Config(3, 4, num_layers, nonlinearity, bias, bidirectional=bidirectional)
    for num_layers, nonlinearity, bias, bidirectional in itertools.product(
        (1, 2, 3), ("tanh", "relu"), (True, False), (False, True)
    )
]


def draw(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters of a config, of moderate size."""
    random = np.random.RandomState(seed)
    return {name: random.uniform(-0.5, 0.5, shape) for name, shape in config.parameter_shapes().items()}


def arguments(config: Config, seq_len: int = 5, batch: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A time-major input and an h_0."""
    random = np.random.RandomState(1)
    states = (config.num_layers * config.num_directions, batch, config.hidden_size)
    return random.normal(size=(seq_len, batch, config.input_size)), random.normal(size=states)


def one_sequence(
    config: Config, w: Mapping[str, Any], x: list[list[float]], h_0: list[list[float]]
) -> tuple[list[list[float]], list[list[float]]]:
    """The loop of nn.RNN's documentation for one sequence, on Python floats: (output, h_n)."""
    h_n: list[list[float]] = []
    for layer in range(config.num_layers):
        outputs = []
        for direction in range(config.num_directions):
            end = f"l{layer}" + ("_reverse" if direction else "")
            h = h_0[len(h_n)]
            outputs.append([h] * len(x))
            for t in reversed(range(len(x))) if direction else range(len(x)):
                new = []
                for i in range(config.hidden_size):
                    z = math.fsum(w[f"weight_ih_{end}"][i][j] * x[t][j] for j in range(len(x[t])))
                    z += math.fsum(w[f"weight_hh_{end}"][i][j] * h[j] for j in range(config.hidden_size))
                    if config.bias:
                        z += w[f"bias_ih_{end}"][i] + w[f"bias_hh_{end}"][i]
                    new.append(math.tanh(z) if config.nonlinearity == "tanh" else max(z, 0.0))
                h = outputs[direction][t] = new
            h_n.append(h)
        x = [[h for y in outputs for h in y[t]] for t in range(len(x))]
    return x, h_n


def described(config: Config) -> str:
    """A readable test id."""
    bias = "bias" if config.bias else "nobias"
    return f"L{config.num_layers}-{config.nonlinearity}-D{config.num_directions}-{bias}"


@pytest.mark.parametrize("config", CONFIGS, ids=described)
def test_model_is_the_documented_loop(config: Config) -> None:
    """The model gives what the documented formula gives, written as loops over Python floats."""
    weights, (x, h_0) = draw(config), arguments(config)

    output, h_n = RNN(config, weights, PlainArithmetic()).forward(x, h_0)

    for n in range(x.shape[1]):
        expected = one_sequence(config, weights, x[:, n].tolist(), h_0[:, n].tolist())
        np.testing.assert_allclose(output[:, n], expected[0], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(h_n[:, n], expected[1], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("config", CONFIGS[::3], ids=described)
def test_a_shorter_sequence_is_computed_as_if_alone(config: Config) -> None:
    """With lengths, each sequence is what it is alone, its output is 0 past its end, h_n is its own."""
    weights, (x, h_0), lengths = draw(config), arguments(config), np.array([3, 5, 1])

    output, h_n = RNN(config, weights, PlainArithmetic()).forward(x, h_0, lengths)

    for n, length in enumerate(lengths):
        expected = one_sequence(config, weights, x[:length, n].tolist(), h_0[:, n].tolist())
        np.testing.assert_allclose(output[:length, n], expected[0], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(h_n[:, n], expected[1], rtol=1e-13, atol=1e-14)
        assert (output[length:, n] == 0).all()


def test_absent_h_0_is_zeros() -> None:
    """Leaving h_0 out is the same as giving zeros."""
    config = Config(3, 4, 2, bidirectional=True)
    weights, (x, h_0) = draw(config), arguments(config)

    absent = RNN(config, weights, PlainArithmetic()).forward(x)
    zeros = RNN(config, weights, PlainArithmetic()).forward(x, np.zeros_like(h_0))

    assert all(map(np.array_equal, absent, zeros))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_layouts_only_move_elements(bidirectional: bool) -> None:
    """batch_first swaps the axes of input and output, not of the states; unbatched is a batch of one."""
    config = Config(3, 4, 2, bidirectional=bidirectional)
    weights, (x, h_0) = draw(config), arguments(config)
    output, h_n = RNN(config, weights, PlainArithmetic()).forward(x, h_0)

    first = Config(3, 4, 2, batch_first=True, bidirectional=bidirectional)
    swapped, same = RNN(first, weights, PlainArithmetic()).forward(x.swapaxes(0, 1), h_0)
    alone, alone_n = RNN(first, weights, PlainArithmetic()).forward(x[:, 1], h_0[:, 1])

    assert np.array_equal(output, swapped.swapaxes(0, 1))
    assert np.array_equal(h_n, same)
    np.testing.assert_allclose(alone, output[:, 1], rtol=1e-13)
    np.testing.assert_allclose(alone_n, h_n[:, 1], rtol=1e-13)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_dropout_keeps_by_the_mask_and_scales_by_1_over_1_minus_p(p: float) -> None:
    """Between two layers, what the mask keeps is divided by 1 - p and the rest is 0."""
    config = Config(3, 4, 2, dropout=p)
    weights, (x, h_0) = draw(config), arguments(config)
    mask = np.random.RandomState(2).random_sample((5, 3, 4)) >= p

    output, _ = RNN(config, weights, PlainArithmetic()).forward(x, h_0, masks=[mask])

    first = {name: value for name, value in weights.items() if name.endswith("l0")}
    second = {name.replace("l1", "l0"): value for name, value in weights.items() if name.endswith("l1")}
    below, _ = RNN(Config(3, 4), first, PlainArithmetic()).forward(x, h_0[:1])
    expected, _ = RNN(Config(4, 4), second, PlainArithmetic()).forward(
        np.where(mask, below / (1 - p), 0), h_0[1:]
    )
    np.testing.assert_allclose(output, expected, rtol=1e-13)


def torch_answer(
    config: Config, weights: Mapping[str, np.ndarray], x: np.ndarray, h_0: np.ndarray, lengths: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """What torch.nn.RNN answers in float64, in training mode."""
    import torch

    rnn = torch.nn.RNN(
        config.input_size, config.hidden_size, config.num_layers, config.nonlinearity, config.bias,
        config.batch_first, config.dropout, config.bidirectional, dtype=torch.float64,
    )  # fmt: skip
    rnn.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    input: Any = torch.tensor(x)
    if lengths is not None:
        input = torch.nn.utils.rnn.pack_padded_sequence(
            input, torch.tensor(lengths), config.batch_first, enforce_sorted=False
        )
    with torch.no_grad():
        output, h_n = rnn(input, torch.tensor(h_0))
    if lengths is not None:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, config.batch_first)
    return output.numpy(), h_n.numpy()


@pytest.mark.parametrize("config", CONFIGS, ids=described)
@pytest.mark.parametrize("lengths", [None, [2, 5, 4]], ids=["padded", "packed"])
def test_model_is_torch(config: Config, lengths: list[int] | None) -> None:
    """The model gives what torch.nn.RNN gives in float64, packed sequences in any order included."""
    weights, (x, h_0) = draw(config), arguments(config)

    output, h_n = RNN(config, weights, PlainArithmetic()).forward(
        x, h_0, None if lengths is None else np.array(lengths)
    )

    expected = torch_answer(config, weights, x, h_0, lengths)
    np.testing.assert_allclose(output, expected[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(h_n, expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_dropout_of_everything_is_torchs(bidirectional: bool) -> None:
    """With p = 1 every layer above the first reads zeros, as in torch."""
    config = Config(3, 4, 3, dropout=1.0, bidirectional=bidirectional)
    weights, (x, h_0) = draw(config), arguments(config)
    masks = [np.zeros((5, 3, 4 * config.num_directions), bool)] * 2

    output, h_n = RNN(config, weights, PlainArithmetic()).forward(x, h_0, masks=masks)

    expected = torch_answer(config, weights, x, h_0)
    np.testing.assert_allclose(output, expected[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(h_n, expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("config", CONFIGS[1::4], ids=described)
def test_every_arithmetic_gives_one_answer(config: Config) -> None:
    """The model says the same on float64, float32, bounded and high-precision numbers."""
    weights, (x, h_0), lengths = draw(config), arguments(config), np.array([3, 5, 4])
    masks = [
        np.random.RandomState(i).random_sample((5, 3, 4 * config.num_directions)) < 0.5 for i in range(2)
    ]
    config = Config(**{**vars(config), "dropout": 0.25})
    exact = HighPrecision()
    asked = x, h_0, lengths, masks

    wanted = [exact.nearest(a) for a in RNN(config, weights, exact).forward(*asked)]
    plain = RNN(config, weights, PlainArithmetic()).forward(*asked)
    single = RNN(config, weights, PlainArithmetic("float32")).forward(*asked)
    bounded = RNN(config, weights, BoundedArithmetic("float64")).forward(*asked)

    for i in range(2):
        np.testing.assert_allclose(plain[i], wanted[i], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(single[i], wanted[i], rtol=1e-4, atol=1e-5)
        assert np.float32 == single[i].dtype
        assert np.array_equal(plain[i], bounded[i].value)
        assert (np.abs(wanted[i] - bounded[i].value) <= bounded[i].error).all()


def test_nearest_is_correctly_rounded() -> None:
    """High precision gives the float64 nearest to the true value, ties to even, and refuses to guess."""
    exact = HighPrecision(160)
    third, tie = (
        exact.array(np.array([1.0])) / 3,
        exact.array(np.array([1.0])) + exact.array(np.array([2.0**-53])),
    )
    above = tie + exact.array(np.array([2.0**-100]))

    found = [float(exact.nearest(x)[0]) for x in (third, tie, above)]

    assert found == [1 / 3, 1.0, 1 + 2.0**-52]
    with pytest.raises(ValueError, match="1 of 1 elements need more bits"):
        exact.nearest(HighPrecision(20).array(np.array([1.0])) / 3)


def test_nearest_agrees_with_mpmath() -> None:
    """tanh in high precision, rounded to float64, is what another library's 200 bits round to."""
    mpmath = pytest.importorskip("mpmath")
    z = np.random.RandomState(0).normal(size=200)
    exact = HighPrecision()

    found = exact.nearest(exact.tanh(exact.array(z)))

    with mpmath.workprec(200):
        assert [float(mpmath.tanh(mpmath.mpf(a))) for a in z.tolist()] == found.tolist()


def test_model_fits_on_a_few_screens() -> None:
    """spec/model.py is the document that a reader opens first: under 200 lines."""
    lines = Path(model.__file__).read_text(encoding="utf-8").splitlines()

    assert len(lines) < 200
