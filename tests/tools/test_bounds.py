"""The bound of `spec.arithmetic`, both ways: no correct implementation trips it, and a lost bit does.

`Machine` is an implementation that shares nothing with the spec: it computes sums term by term, in
an order and with a rounding of one's choosing. The fast tests compare a few hundred thousand
elements; ``pytest -m slow tests/tools/test_bounds.py`` compares more than ten million.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.judge.compare import compare
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe, standard
from rnn_spec.questions.records import DTYPES, Case, Cotangents
from rnn_spec.spec.arithmetic import FORMATS, Bounded, BoundedArithmetic, Format
from rnn_spec.spec.model import RNN, Config, parameter_suffix
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

F = np.ndarray
ORDERS = ("forward", "reversed", "random", "pairwise", "blocked", "fma", "wide")
BIASES = ("first", "last", "summed first")


# -- an implementation of one's choosing ------------------------------------------------------------


def nearest(x: F, f: Format) -> F:
    """Each element rounded to the format: to nearest, ties to even, with gradual underflow and overflow."""
    if f.name != "bfloat16":
        return x.astype(f.name).astype(np.float64)
    exponent = np.maximum(np.frexp(x)[1], f.min_exponent + 1)
    spacing = np.ldexp(1.0, exponent - f.precision)
    return np.where(np.isfinite(x), np.rint(x / spacing) * spacing, x)


@dataclass(frozen=True)
class Machine:
    """A correct implementation: a format, an order of summation, a place of the biases, its freedoms."""

    format: Format
    order: str = "forward"
    biases: str = "last"
    flush: bool = False
    poor_tanh: bool = False
    split: bool = False

    def round(self, x: F) -> F:
        """One rounding, with subnormal results flushed to zero if the machine does that."""
        with np.errstate(all="ignore"):
            y = nearest(x, self.format)
        return np.where(np.abs(y) < 2.0**self.format.min_exponent, 0.0, y) if self.flush else y

    def sum(self, terms: F) -> F:
        """The sum over the first axis, in the machine's order; `terms` are exact products."""
        f, with_rounded = self.format, self.order not in ("fma", "wide")
        terms = self.round(terms) if with_rounded else terms
        if self.order == "wide":
            return self.round(terms.astype(np.longdouble).sum(axis=0).astype(np.float64))
        if self.order == "pairwise":
            while len(terms) > 1:
                pairs = self.round(terms[0 : len(terms) // 2 * 2 : 2] + terms[1::2])
                terms = np.concatenate([pairs, terms[-1:]]) if len(terms) % 2 else pairs
            return np.asarray(terms[0])
        if self.order == "blocked":
            blocks = [replace(self, order="forward").sum(terms[i : i + 4]) for i in range(0, len(terms), 4)]
            return replace(self, order="reversed").sum(np.stack(blocks))
        if self.order == "reversed":
            terms = terms[::-1]
        if self.order == "random":
            terms = terms[np.random.RandomState(len(terms)).permutation(len(terms))]
        total = np.zeros(terms.shape[1:])
        for i, term in enumerate(terms):
            total = self.round(total + term) if i or f.name != "float64" else self.round(term)
        return total

    def product(self, a: F, b: F) -> F:
        """a b^T, for a (rows, n) and b (columns, n)."""
        return self.sum(a.T[:, :, None] * b.T[:, None, :])

    def cell(self, x: F, h: F, w: dict[str, F]) -> F:
        """act's argument at one step: x (N, I), h (N, H)."""
        inputs, states = x.T[:, :, None] * w["ih"].T[:, None, :], h.T[:, :, None] * w["hh"].T[:, None, :]
        bias = np.stack([w["b_ih"], w["b_hh"]])[:, None, :] + np.zeros((2, *inputs.shape[1:]))
        if self.biases == "summed first":
            bias = self.round(bias.sum(axis=0))[None]
        if self.split:  # two products, each rounded, and then the biases
            return replace(self, order="forward").sum(np.stack([self.sum(inputs), self.sum(states), *bias]))
        parts = [bias, inputs, states] if self.biases == "first" else [inputs, states, bias]
        return self.sum(np.concatenate(parts))

    def activation(self, z: F, nonlinearity: str) -> F:
        """relu, or tanh, which may be wrong by 4 ulps."""
        if nonlinearity == "relu":
            return np.maximum(z, 0)
        h = np.tanh(z)
        if self.poor_tanh:
            h = h * (
                1 + 4 * 2.0 ** (1 - self.format.precision) * np.random.RandomState(7).uniform(-1, 1, h.shape)
            )
        return self.round(h)

    def slope(self, h: F, nonlinearity: str) -> F:
        """act'(z), from h; 1 - h^2 in the ways in which it is written."""
        if nonlinearity == "relu":
            return (h > 0).astype(np.float64)
        if self.order == "fma":
            return self.round(1 - h * h)
        if self.order == "blocked":
            return self.round(self.round(1 - h) * self.round(1 + h))
        return self.round(1 - self.round(h * h))

    def run(self, case: Case) -> dict[str, F]:
        """Every array of the answer to a batched, time-major case without dropout."""
        c, D, H = case.config, case.config.num_directions, case.config.hidden_size
        T, N = case.input.shape[:2]
        zeros, x, tapes, finals = np.zeros(H), case.input, {}, []
        h_0 = np.zeros((c.num_layers * D, N, H)) if case.h_0 is None else case.h_0
        for layer in range(c.num_layers):
            columns = []
            for d in range(D):
                suffix = parameter_suffix(layer, d)
                w = {"ih": case.parameters["weight_ih" + suffix], "hh": case.parameters["weight_hh" + suffix]}
                w |= {b: case.parameters.get(f"bias_{b[2:]}{suffix}", zeros) for b in ("b_ih", "b_hh")}
                y, h, before = np.empty((T, N, H)), h_0[layer * D + d], np.empty((T, N, H))
                for t in range(T)[:: -1 if d else 1]:
                    before[t] = h
                    h = y[t] = self.activation(self.cell(x[t], h, w), c.nonlinearity)
                columns.append(y)
                finals.append(h)
                tapes[layer, d] = (w, x, before, y)
            x = np.concatenate(columns, axis=2)
        arrays = {"output": x, "h_n": np.stack(finals)}
        if case.cotangents is not None:
            arrays |= self.backward(c, tapes, case.cotangents)
        return arrays

    def backward(self, c: Config, tapes: dict[tuple[int, int], Any], cotangents: Cotangents) -> dict[str, F]:
        """Every gradient."""
        D, H, g_y, found, g_h_0 = c.num_directions, c.hidden_size, cotangents.output, {}, {}
        for layer in reversed(range(c.num_layers)):
            below = []
            for d in range(D):
                w, x, before, y = tapes[layer, d]
                T, N = x.shape[:2]
                carry, deltas = cotangents.h_n[layer * D + d], np.empty((T, N, H))
                for t in range(T)[:: 1 if d else -1]:
                    g = self.round(g_y[t, :, d * H : (d + 1) * H] + carry)
                    deltas[t] = self.round(g * self.slope(y[t], c.nonlinearity))
                    carry = self.product(deltas[t], w["hh"].T)
                g_h_0[layer * D + d] = carry
                rows, suffix = deltas.reshape(T * N, H), parameter_suffix(layer, d)
                found[f"grad weight_ih{suffix}"] = self.product(rows.T, x.reshape(T * N, -1).T)
                found[f"grad weight_hh{suffix}"] = self.product(rows.T, before.reshape(T * N, H).T)
                if c.bias:
                    found[f"grad bias_ih{suffix}"] = found[f"grad bias_hh{suffix}"] = self.sum(rows)
                below.append(self.product(rows, w["ih"].T).reshape(x.shape))
            g_y = below[0] if D == 1 else self.round(below[0] + below[1])
        found["grad input"], found["grad h_0"] = g_y, np.stack([g_h_0[i] for i in range(len(g_h_0))])
        return found


def question(
    dtype: str, config: Config, batch: int, seq_len: int, row_sum: float = 0.6, seed: int = 0
) -> Case:
    """A case of any size, whose numbers use every bit of its dtype."""
    random, f = np.random.RandomState(seed), FORMATS[dtype]

    def draw(*shape: int) -> F:
        return nearest(random.normal(size=shape), f)

    weights = {name: draw(*shape) for name, shape in config.parameter_shapes().items()}
    for name, value in weights.items():
        if value.ndim == 2:
            weights[name] = nearest(value * (row_sum / np.abs(value).sum(axis=1).max()), f)
    D, H = config.num_directions, config.hidden_size
    states = (config.num_layers * D, batch, H)
    cotangents = Cotangents(draw(seq_len, batch, D * H), draw(*states))
    return Case("generated", config, weights, draw(seq_len, batch, config.input_size), draw(*states),
                dtype=dtype, cotangents=cotangents)  # fmt: skip


def judged(case: Case, answer: Mapping[str, F]) -> tuple[int, float]:
    """How many elements were compared, and the worst headroom; fails where one is outside its bound."""
    bounds, count, worst = expect(case).arrays, 0, 0.0
    assert bounds.keys() <= answer.keys()
    for name, bound in bounds.items():
        found = compare(name, answer[name], bound)
        assert found.holds, f"{case.id} {case.dtype} {case.config}: {found}"
        useful = np.isfinite(bound.error)
        count, worst = count + int(useful.sum()), max(worst, found.headroom)
    return count, worst


def machines(dtype: str) -> Iterator[Machine]:
    """Every order of summation, and with each a different choice of everything else."""
    for i, order in enumerate(ORDERS):
        yield Machine(
            FORMATS[dtype],
            order,
            BIASES[i % 3],
            flush=FORMATS[dtype].may_flush and i % 2 == 0,
            poor_tanh=i % 3 == 1,
            split=i % 4 == 3,
        )


SHAPES = (  # config, batch, seq_len
    (Config(5, 7), 4, 9),
    (Config(3, 4, 3, "relu", bidirectional=True), 2, 5),
    (Config(6, 5, 2, bidirectional=True, bias=False), 3, 4),
    (Config(40, 50, 1, "relu"), 2, 3),
)


# -- (a) no correct implementation trips it ----------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_order_of_summation_trips_the_bound(dtype: str) -> None:
    """An implementation in any order of summation, fused or not, flushing or not, is within the bound."""
    asked = [
        (case, m)
        for config, N, T in SHAPES
        for case in [question(dtype, config, N, T)]
        for m in machines(dtype)
    ]

    worst = [judged(case, machine.run(case))[1] for case, machine in asked]

    assert 1e-3 < max(worst) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_does_not_trip_the_bound(dtype: str) -> None:
    """torch.nn.RNN is within the bound on numbers that use every bit of the dtype."""
    torch = TorchSubject()

    asked = [question(dtype, config, N, T, row_sum) for config, N, T in SHAPES for row_sum in (0.6, 1.5)]
    worst = [judged(case, torch.run(case).arrays())[1] for case in asked]

    assert 1e-3 < max(worst) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_correct_implementation_trips_the_bound_in_millions_of_elements(dtype: str) -> None:
    """Over 2.5 million elements a dtype, ten million in all, no correct implementation trips the bound.

    Run it with ``pytest -m slow tests/tools/test_bounds.py``.
    """
    compared, torch, seed = 0, TorchSubject(), 0

    while compared < 2_600_000:
        for config, N, T in SHAPES:
            for machine in machines(dtype):
                seed += 1
                wide = question(dtype, config, 100 * N, T, row_sum=(0.3, 0.6, 0.9)[seed % 3], seed=seed)
                wide = wide if seed % 4 == 0 else replace(wide, cotangents=None)
                compared += judged(wide, machine.run(wide))[0]
                compared += judged(wide, torch.run(wide).arrays())[0]

    assert compared >= 2_500_000


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flush", [False, True], ids=["gradual", "flush"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_underflow_is_inside_the_bound(dtype: str, flush: bool, nonlinearity: str) -> None:
    """Results below the smallest normal number may lose what gradual underflow, or flushing, loses."""
    f = FORMATS[dtype]
    case = question(dtype, Config(5, 7, 1, nonlinearity), 4, 6)
    tiny = nearest(case.input * 2.0 ** (f.min_exponent + 1), f)
    parameters = {
        name: value if value.ndim == 2 else np.zeros_like(value) for name, value in case.parameters.items()
    }
    case = replace(case, input=tiny, h_0=None, parameters=parameters, cotangents=None)

    answer = Machine(f, flush=flush and f.may_flush).run(case)

    assert (np.abs(answer["output"]) < 2.0**f.min_exponent).any()
    assert judged(case, answer)[1] <= 1


def test_float16_has_no_licence_to_flush() -> None:
    """float16's subnormals are numbers like any other: a machine that flushes them trips the bound."""
    f = FORMATS["float16"]
    case = question("float16", Config(5, 7), 4, 1)
    parameters = {
        name: value if value.ndim == 2 else np.zeros_like(value) for name, value in case.parameters.items()
    }
    tiny = nearest(case.input * 2.0**-13, f)
    case = replace(case, input=tiny, h_0=None, parameters=parameters, cotangents=None)

    answer = Machine(f, flush=True).run(case)

    with pytest.raises(AssertionError, match="elements differ"):
        judged(case, answer)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ORDERS)
def test_overflow_that_depends_on_the_order_is_not_judged(dtype: str, order: str) -> None:
    """Near the largest number one order of summation overflows and another does not: neither fails."""
    f = FORMATS[dtype]
    big = 1.5 * 2.0**f.max_exponent
    x = np.array([[[1, 1, -1, -1]], [[1, -1, 1, -1]], [[1, 1, 1, 1]], [[0.25, 0.25, 0, 0]]]) * big
    weights = {"weight_ih_l0": np.ones((1, 4)), "weight_hh_l0": np.zeros((1, 1))}
    case = Case("overflow", Config(4, 1, nonlinearity="relu", bias=False), weights, x, dtype=dtype)

    apart = [replace(case, input=part) for part in (x[:3], x[3:])]
    bounds = [expect(part).arrays["output"] for part in apart]
    with np.errstate(all="ignore"):
        answers = [Machine(f, order).run(part)["output"] for part in apart]

    assert [compare("output", got, b).holds for got, b in zip(answers, bounds, strict=True)] == [True, True]
    assert np.isinf(bounds[0].error).all()
    assert np.isfinite(bounds[1].error).all()
    assert answers[1] == big / 2


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_an_infinite_input_is_answered_exactly(nonlinearity: str) -> None:
    """What infinity or NaN makes of a sum is the same in every order, so it is demanded exactly."""
    case = question("float32", Config(3, 2, 1, nonlinearity), 3, 4)
    case.input[1, 0, 0], case.input[1, 1, 0] = np.inf, np.nan
    case = replace(case, cotangents=None)

    bound = expect(case).arrays["output"]
    with np.errstate(invalid="ignore"):
        answer = Machine(FORMATS["float32"], "random").run(case)["output"]

    assert np.isnan(bound.value[1:, 1]).all()
    assert np.isfinite(bound.error).all()
    assert np.isfinite(bound.value[:, 2]).all()
    assert compare("output", answer, bound).holds
    assert not compare("output", np.where(np.isnan(answer), 1.0, answer), bound).holds


def test_nan_in_one_sequence_reaches_the_gradients_of_the_weights_only() -> None:
    """A NaN input makes NaN of the weights' gradients for certain, and of no other sequence's."""
    case = question("float32", Config(3, 2), 3, 4)
    case.input[1, 1, 0] = np.nan

    bound = expect(case).arrays

    assert np.isnan(bound["grad weight_hh_l0"].value).all()
    assert (bound["grad weight_hh_l0"].error == 0).all()
    assert np.isfinite(bound["grad input"].value[:, [0, 2]]).all()
    assert np.isfinite(bound["grad input"].error[:, [0, 2]]).all()


def test_infinity_times_a_number_of_unknown_sign_is_not_judged() -> None:
    """An infinite operand times one that may be 0 or of either sign has no one answer."""
    f = FORMATS["float32"]
    a = Bounded(np.array([[np.inf, 1.0]]), 0.0, f)
    b = Bounded(np.array([[1e-9, 1.0], [1.0, 1.0]]), np.array([[1e-8, 0.0], [0.0, 0.0]]), f)

    product = (a @ b).rounded()

    assert product.error.tolist() == [[np.inf, 0.0]]
    assert product.value[0, 1] == np.inf


# -- (b) what it can see ------------------------------------------------------------------------------


def one_step(dtype: str, config: Config, seed: int = 0) -> tuple[Case, F, F]:
    """One step from exact operands: the case, and the exact pre-activation's value and mass (N, H)."""
    case = replace(question(dtype, config, 6, 1, seed=seed), cotangents=None)
    assert case.h_0 is not None
    x, h, p = case.input[0], case.h_0[0], case.parameters
    terms = [(x, p["weight_ih_l0"]), (h, p["weight_hh_l0"])]
    biases = [p[name] for name in ("bias_ih_l0", "bias_hh_l0") if config.bias]
    value = sum(a @ w.T for a, w in terms) + sum(biases)
    mass = sum(np.abs(a) @ np.abs(w).T for a, w in terms) + sum(map(np.abs, biases))
    return case, np.asarray(value), np.asarray(mass)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("width", [2, 4, 13, 64])
def test_an_answer_off_by_the_resolution_is_seen(dtype: str, nonlinearity: str, width: int) -> None:
    """One step's answer that is off by more than resolution(n) times its mass is outside its bound."""
    case, _, mass = one_step(dtype, Config(width, width, 1, nonlinearity))
    resolution = FORMATS[dtype].resolution(2 * width + 2)

    bound = expect(case).arrays["output"]

    if np.isfinite(resolution):
        assert (bound.error[0] <= resolution * mass + 3 * width * FORMATS[dtype].underflow * 3).all()
        assert not compare("output", bound.value + 1.01 * resolution * mass, bound).holds


def dyadic_step(dtype: str, size: str) -> tuple[Case, F]:
    """The first step of a suite's own case, and its mass (N, H)."""
    case = Recipe(size=size, dtype=dtype).case()
    case = replace(case, input=case.input[:1], cotangents=None)
    assert case.h_0 is not None
    p = {k: np.abs(v) for k, v in case.parameters.items()}
    mass = np.abs(case.input[0]) @ p["weight_ih_l0"].T + np.abs(case.h_0[0]) @ p["weight_hh_l0"].T
    return case, mass + p["bias_ih_l0"] + p["bias_hh_l0"]


def without_last_bit(weight: F) -> F:
    """The weight with the last significant bit of each entry lost (the grid's integers made even)."""
    step = 2.0 ** -next(e for e in range(60) if not (np.ldexp(weight, e) % 1).any())
    return np.trunc(weight / (2 * step)) * (2 * step)


SEES_A_LOST_BIT = {  # the share of one step's elements that show that W_hh lost its grid's last bit, at least
    ("float64", "small"): 1.0,
    ("float64", "odd"): 0.99,
    ("float64", "wide"): 1.0,
    ("float32", "one"): 1.0,
    ("float32", "small"): 1.0,
    ("float32", "square"): 1.0,
    ("float32", "odd"): 0.99,
    ("float32", "wide"): 0.9,
}  # float16 and bfloat16 cannot: a sum of n terms in them may itself be off by more than the grid's last bit


@pytest.mark.parametrize(("dtype", "size"), SEES_A_LOST_BIT, ids=lambda x: x)
def test_a_lost_last_bit_of_the_weights_is_seen(dtype: str, size: str) -> None:
    """A correct layer whose W_hh has lost its last bit is outside the bound, where the table claims so."""
    case, _ = dyadic_step(dtype, size)
    lost = {**case.parameters, "weight_hh_l0": without_last_bit(case.parameters["weight_hh_l0"])}
    bound = expect(case).arrays["output"]

    answer = Machine(FORMATS[dtype], "pairwise").run(replace(case, parameters=lost))["output"]

    moved = np.abs(answer - bound.value) > bound.error
    assert moved.mean() >= SEES_A_LOST_BIT[dtype, size]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", ["one", "small", "square", "odd", "wide"])
def test_a_perturbation_of_twice_the_resolution_is_always_seen(dtype: str, size: str) -> None:
    """A correct layer of other weights is outside its bound wherever they move z by 2 resolution(n) mass."""
    case, mass = dyadic_step(dtype, size)
    n = case.config.input_size + case.config.hidden_size + 2
    seen = 0

    for bits in range(1, 7):
        for name in ("weight_ih_l0", "weight_hh_l0"):
            weight = case.parameters[name]
            coarse = nearest(weight, Format("bfloat16", bits, -126, 127))
            other = replace(case, parameters={**case.parameters, name: coarse})
            bound, exact = expect(case).arrays["output"], expect(other).arrays["output"]
            due = np.abs(exact.value - bound.value)[0] > 2 * FORMATS[dtype].resolution(n) * mass
            for machine in (Machine(FORMATS[dtype]), Machine(FORMATS[dtype], "wide")):
                answer = machine.run(other)["output"]
                assert (np.abs(answer - bound.value)[0] > bound.error[0])[due].all()
            seen += int(due.sum())

    assert seen > 0 or dtype in ("float16", "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tanh_that_loses_bits_is_seen(dtype: str) -> None:
    """A tanh short of bits by more than its resolution is outside the bound; one 4 ulps off is inside."""
    f, seen = FORMATS[dtype], 0
    case, z, mass = one_step(dtype, Config(1, 1, bias=False))
    bound, exact = expect(case).arrays["output"], np.tanh(z)[None]

    for lost in range(1, min(f.precision, 12)):
        short = nearest(exact, Format("bfloat16", f.precision - lost, f.min_exponent, f.max_exponent))
        due = np.abs(short - exact) > f.resolution(4) * mass
        assert (np.abs(short - bound.value) > bound.error)[due].all()
        seen += int(due.sum())

    assert seen
    assert compare("output", exact * (1 + 4 * 2 * f.unit_roundoff), bound).holds


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_bound_is_not_vacuous_on_the_standard_cases(dtype: str) -> None:
    """On the small cases the bound is a few thousand u of an array's magnitude: 2e-13 and 1e-4, mostly.

    A sum of 14 terms alone may be off by 14 u. Through 9 steps, 3 layers and back the median bound
    of an array stays below 2^11 u times its median magnitude for half of the arrays, and below
    2^14 u for the worst one.
    """
    cases = [r.case() for r in standard() if r.size == "small" and r.dtype == dtype and not r.case().dropping]

    ratios = [
        np.median(b.error) / np.median(np.abs(b.value[b.value != 0]))
        for case in cases
        for b in expect(case).arrays.values()
    ]

    assert np.median(ratios) < 2**11 * FORMATS[dtype].unit_roundoff
    assert max(ratios) < 2**14 * FORMATS[dtype].unit_roundoff


def test_the_worst_error_of_many_is_not_far_below_the_bound() -> None:
    """The worst observed error over the orders of summation is more than a hundredth of the bound."""
    case = question("float32", Config(5, 7, 2, bidirectional=True), 20, 9)

    worst = max(judged(case, machine.run(case))[1] for machine in machines("float32"))

    assert 0.01 < worst <= 1


# -- the arithmetic itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_scaling_by_what_is_kept_is_inside_the_bound(p: float) -> None:
    """y / (1 - p), and y times a rounded 1 / (1 - p) of a rounded p, are within the bound of scale."""
    y = np.random.RandomState(0).normal(size=1000).astype(np.float32)
    ops = BoundedArithmetic("float32")
    bound = ops.scale(ops.array(y), p)

    answers = [
        y / (np.float32(1) - np.float32(p)),
        y * (np.float32(1) / np.float32(1 - p)),
        y / np.float32(1 - p),
    ]

    np.testing.assert_allclose(bound.value, y.astype(np.float64) / (1 - p), rtol=1e-15)
    assert all((np.abs(answer - bound.value) <= bound.error).all() for answer in answers)


def test_relus_slope_is_unknown_where_its_sign_is() -> None:
    """relu's derivative is bounded by 1 where the state may be 0 or may not, and exact elsewhere."""
    h = Bounded(np.array([1e-9, 1.0, 0.0, 0.0]), np.array([1e-8, 1e-8, 0.0, 1e-8]), FORMATS["float32"])

    slope = BoundedArithmetic("float32").relu_slope(h)

    assert slope.value.tolist() == [1, 1, 0, 0]
    assert slope.error.tolist() == [1, 0, 0, 1]


def test_spec_rnn_on_bounded_numbers_gives_the_expectation() -> None:
    """The expectation is the model on bounded arithmetic: nothing is added on the way."""
    case = Recipe(num_layers=2).case()

    output, _ = RNN(case.config, case.parameters, BoundedArithmetic(case.dtype)).forward(case.input, case.h_0)

    assert np.array_equal(output.value, expect(case).arrays["output"].value)
