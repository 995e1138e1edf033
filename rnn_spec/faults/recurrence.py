"""Faults of the cell, of its order in time, of its nonlinearity, and of h_0."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import LAYER, fault
from rnn_spec.spec.model import RNN, Weights

# -- the four terms -----------------------------------------------------------------------------


@fault("w_ih-dropped", "REC-01", "The input's product with W_ih is left out.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x * 0, w)


@fault("w_ih-transposed", "REC-01", "W_ih is transposed where it is square.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    square = w.ih.shape[0] == w.ih.shape[1]
    return RNN.input_term(self, x, w._replace(ih=w.ih.T) if square else w)


@fault("w_ih-rows-permuted", "REC-01", "Row i of W_ih makes hidden unit i + 1.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x, w._replace(ih=np.roll(w.ih, 1, axis=0)))


@fault("last-feature-lost", "REC-01", "The input's last feature is not read, where it has more than one.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x * (np.arange(x.shape[-1]) < max(x.shape[-1] - 1, 1)), w)


@fault("w_hh-transposed", "REC-02", "W_hh is transposed.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + h @ w.hh + w.b_hh)


@fault("w_hh-dropped", "REC-02", "The state's product with W_hh is left out.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h * 0, w)


@fault("w_hh-doubled", "REC-02", "The state's product with W_hh is added twice.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term + h @ w.hh.T, h, w)


@fault("w_hh-diagonal", "REC-02", "Each unit sees its own previous state only, as in an IndRNN.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h, w._replace(hh=np.diag(np.diag(w.hh))))


@fault("w_hh-rows-permuted", "REC-02", "Row i of W_hh makes hidden unit i + 1.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h, w._replace(hh=np.roll(w.hh, 1, axis=0)))


@fault("b_ih-dropped", "REC-03", "b_ih is not added.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return x @ w.ih.T


@fault("b_hh-dropped", "REC-03", "b_hh is not added.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + h @ w.hh.T)


@fault("b_ih-doubled", "REC-03", "b_ih is added twice.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term + w.b_ih, h, w)


@fault("b_ih-for-b_hh", "REC-03", "b_ih is added in the place of b_hh, too.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h, w._replace(b_hh=w.b_ih))


@fault("b_hh-from-second-step", "REC-03", "b_hh is not added at the first step.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    return _two_parts(self, x, h, alive, w._replace(b_hh=w.b_hh * 0), w, 1)


@fault("b_hh-inside-product", "BIA-02", "b_hh is added to the state before the product with W_hh.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + (h + w.b_hh) @ w.hh.T)


@fault("b_hh-after-activation", "BIA-02", "b_hh is added to the new state, and not inside the nonlinearity.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + h @ w.hh.T) + w.b_hh


@fault("bias-despite-false", "BIA-01", "With bias=False a bias of 1/16 is left.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    w = RNN.weights(self, layer, direction)
    return w if self.config.bias else w._replace(b_ih=w.b_ih + w.b_ih.dtype.type(1 / 16))


# -- the sum and what is made of it -------------------------------------------------------------


@fault("activation-twice", "REC-04", "The nonlinearity is applied twice.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(RNN.cell(self, term, h, w))


@fault(
    "activation-of-input-term", "REC-04", "The nonlinearity is applied to the input's term before the sum."
)
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, self.activation(term), h, w)


@fault("state-added", "REC-04", "The previous state is added to the new one: a residual connection.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h, w) + h


@fault("leaky-state", "REC-04", "A hundredth of the previous state is mixed into the new one.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    new = RNN.cell(self, term, h, w)
    return new + (h - new) * new.dtype.type(0.01)


@fault("state-normalised", "REC-04", "The pre-activations have their mean over the units taken off.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    z = term + h @ w.hh.T + w.b_hh
    return self.activation(z - z.mean(axis=-1, keepdims=True))


def _bfloat16(h: Any) -> Any:
    """Rounded to bfloat16."""
    bits = h.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32).astype(h.dtype)


@fault("state-in-bfloat16", "REC-05", "The previous state is rounded to bfloat16 where W_hh reads it.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, _bfloat16(h), w)


@fault("h_n-in-bfloat16", "REC-10", "h_n is rounded to bfloat16.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, _bfloat16(final)


# -- time ---------------------------------------------------------------------------------------


@fault("stateless", "REC-05", "Every step starts from h_0.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    return [h] * len(x), [self.cell(term, h, w) for term in self.input_term(x, w)]


@fault("state-of-two-steps-ago", "REC-05", "The previous state is that of time t - 2.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    states = [h, h]
    for term in self.input_term(x, w):
        states.append(self.cell(term, states[-2], w))
    return states[:-2], states[2:]


@fault("output-one-step-late", "REC-06", "output at time t is the state before the input of time t.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (np.concatenate([y[1:], h[None]] if direction else [h[None], y[:-1]]), final)


@fault("input-one-step-late", "REC-06", "Each step reads the input of the step before it, the first its own.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, np.concatenate([x[:1], x[:-1]]), w)


@fault("next-input-read", "REC-07", "Each step reads the input of the step after it, the last its own.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, np.concatenate([x[1:], x[-1:]]), w)


@fault("input-centred-over-time", "REC-07", "A 1,024th of the input's mean over time is taken off it.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x - x.mean(axis=0) / 1024, w)


@fault("last-step-lost", "REC-12", "The last step's state is the one before it.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    before, after = RNN.scan(self, x, h, alive, w)
    return before, [*after[:-1], before[-1]]


@fault("time-mirrored", "REC-05", "The sequence is read from its end, and output turned round again.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    before, after = RNN.scan(self, x[::-1], h, alive, w)
    return before, after[::-1]


for _steps in (8, 64, 256):

    @fault(f"state-lost-at-step-{_steps}", "REC-12", f"The state begins again from zeros at step {_steps}.")
    def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any, n: int = _steps) -> Any:
        head = RNN.scan(self, x[:n], h, alive[:n], w)
        tail = RNN.scan(self, x[n:], h * 0, alive[n:], w)
        return head[0] + tail[0], head[1] + tail[1]

    @fault(f"b_ih-lost-past-step-{_steps}", "REC-12", f"From step {_steps} on b_ih is not added.")
    def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any, n: int = _steps) -> Any:
        return _two_parts(self, x, h, alive, w, w._replace(b_ih=w.b_ih * 0), n)


def _two_parts(self: RNN, x: Any, h: Any, alive: Any, w: Any, later: Any, n: int) -> Any:
    """Scan the first n steps with w, and the others with `later`."""
    before, after = RNN.scan(self, x[:n], h, alive[:n], w)
    tail = RNN.scan(self, x[n:], after[-1] if after else h, alive[n:], later)
    return before + tail[0], after + tail[1]


# -- rows and columns ---------------------------------------------------------------------------


@fault("rows-mixed", "REC-08", "A 1,024th of the states' mean over the batch is mixed into each row.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, h + h.mean(axis=0) / 1024, w)


@fault("rows-normalised", "REC-08", "The input's mean over the batch is taken off it.")
def input_term(self: RNN, x: Any, w: Any) -> Any:
    return RNN.input_term(self, x - x.mean(axis=1, keepdims=True), w)


@fault("last-row-from-first", "REC-09", "The last row's state is computed from the first row's.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return RNN.cell(self, term, np.concatenate([h[:-1], h[:1]]), w)


for _rows in (16, 32):

    @fault(
        f"rows-past-{_rows}-repeat", "REC-08", f"Rows past the {_rows}th carry on the {_rows}th row's state."
    )
    def cell(self: RNN, term: Any, h: Any, w: Any, n: int = _rows) -> Any:
        return RNN.cell(self, term, h[np.minimum(np.arange(len(h)), n - 1)], w)

    @fault(f"rows-past-{_rows}-without-b_hh", "REC-09", f"Rows past the {_rows}th do not get b_hh.")
    def cell(self: RNN, term: Any, h: Any, w: Any, n: int = _rows) -> Any:
        return RNN.cell(self, term, h, w._replace(b_hh=w.b_hh * (np.arange(len(h)) < n)[:, None]))


def _block(size: int, lanes: int) -> Any:
    """Which of `size` elements lie in whole blocks of `lanes`; all of them where there is no whole block."""
    return np.arange(size) < (size // lanes * lanes or size)


for _lanes in (4, 8, 32, 128):

    @fault(
        f"units-past-{_lanes}s-without-w_hh",
        "REC-02",
        f"Units past the last multiple of {_lanes} lose W_hh h.",
    )
    def cell(self: RNN, term: Any, h: Any, w: Any, n: int = _lanes) -> Any:
        return RNN.cell(self, term, h, w._replace(hh=w.hh * _block(h.shape[-1], n)[:, None]))

    @fault(
        f"units-past-{_lanes}s-not-read", "REC-11", f"States past the last multiple of {_lanes} are not read."
    )
    def cell(self: RNN, term: Any, h: Any, w: Any, n: int = _lanes) -> Any:
        return RNN.cell(self, term, h * _block(h.shape[-1], n), w)


for _lanes in (4, 8, 64):

    @fault(
        f"features-past-{_lanes}s-not-read",
        "REC-01",
        f"Features past the last multiple of {_lanes} are not read.",
    )
    def input_term(self: RNN, x: Any, w: Any, n: int = _lanes) -> Any:
        return RNN.input_term(self, x * _block(x.shape[-1], n), w)


@fault("last-unit-frozen", "REC-11", "The last of several hidden units keeps its initial state.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    new = RNN.cell(self, term, h, w)
    return np.concatenate([new[..., :-1], h[..., -1:]], axis=-1) if h.shape[-1] > 1 else new


# -- the nonlinearity ---------------------------------------------------------------------------


def _tanh(name: str, clause: str, sentence: str, tanh: Any) -> None:
    """Register a fault that computes tanh as `tanh` of the pre-activations, and leaves relu right."""

    def activation(self: RNN, z: Any) -> Any:
        if self.config.nonlinearity != "tanh":
            return RNN.activation(self, z)
        return tanh(z).astype(z.dtype)

    fault(name, clause, sentence)(activation)


def _relu(name: str, clause: str, sentence: str, relu: Any) -> None:
    """Register a fault that computes relu as `relu` of the pre-activations, and leaves tanh right."""

    def activation(self: RNN, z: Any) -> Any:
        if self.config.nonlinearity != "relu":
            return RNN.activation(self, z)
        return relu(z).astype(z.dtype)

    fault(name, clause, sentence)(activation)


def _pade(z: Any) -> Any:
    z = np.clip(z, -3, 3)
    return z * (27 + z * z) / (27 + 9 * z * z)


def _fraction(z: Any) -> Any:
    """The continued fraction of tanh to its seventh term, clipped: right to 1e-6 up to |z| = 1."""
    z = np.clip(z, -4.97, 4.97)
    s = z * z
    return np.clip(z * (10395 + s * (1260 + s * 21)) / (10395 + s * (4725 + s * (210 + s))), -1, 1)


def _table(z: Any) -> Any:
    points = np.linspace(-8, 8, 4097)
    return np.interp(z, points, np.tanh(points))


def _by_exponential(z: Any) -> Any:
    """By exp(2z) - 1, which cancels near 0."""
    e = np.exp(2 * np.clip(z, -20, 20))
    return (e - 1) / (e + 1)


def _tail_lanes(z: Any) -> Any:
    return np.where(_block(z.shape[-1], 8), np.tanh(z), _fraction(z))


_tanh("tanh-by-pade", "NLN-01", "tanh is a Pade approximant, right to 2e-2.", _pade)
_tanh("tanh-by-fraction", "NLN-01", "tanh is a continued fraction, right to 1e-4.", _fraction)
_tanh("tanh-by-table", "NLN-01", "tanh is interpolated in a table, right to 1e-6.", _table)
_tanh(
    "tanh-by-exponential", "NLN-01", "tanh is (e^2z - 1) / (e^2z + 1), which cancels near 0.", _by_exponential
)
_tanh(
    "tanh-wrong-in-tail-lanes", "NLN-01", "tanh is approximated in units past a multiple of 8.", _tail_lanes
)
_tanh("tanh-hard", "NLN-01", "tanh is clip(z, -1, 1).", lambda z: np.clip(z, -1, 1))
_tanh(
    "tanh-for-all-but-large",
    "NLN-02",
    "tanh goes on growing past |z| = 4.",
    lambda z: np.tanh(z) + z * (abs(z) > 4) / 64,
)
_tanh("tanh-offset", "NLN-03", "tanh is off by 1e-5 everywhere.", lambda z: np.tanh(z) + 1e-5)
_tanh("tanh-lecun", "NLN-02", "tanh is LeCun's 1.7159 tanh(2z/3).", lambda z: 1.7159 * np.tanh(2 * z / 3))
_tanh(
    "sigmoid-for-tanh",
    "NLN-03",
    "The logistic function is applied in the place of tanh.",
    lambda z: 1 / (1 + np.exp(-z)),
)
_relu(
    "relu-leaky",
    "NLN-04",
    "relu leaves a thousandth of what is negative.",
    lambda z: np.where(z > 0, z, z / 1000),
)
_relu("relu-clipped", "NLN-05", "relu is clipped at 6.", lambda z: np.clip(z, 0, 6))
_relu("relu-softened", "NLN-04", "relu is softplus.", lambda z: np.log1p(np.exp(-abs(z))) + np.maximum(z, 0))
_relu("relu-offset", "NLN-05", "relu has its threshold at 1e-5.", lambda z: np.where(z > 1e-5, z, 0))
_relu("relu-absolute", "NLN-04", "relu is the absolute value.", abs)
_relu("tanh-for-relu", "NLN-04", "tanh is applied where relu was asked for.", np.tanh)


# -- h_0 ----------------------------------------------------------------------------------------


@fault("h_0-ignored", "HID-01", "h_0 is taken as zeros.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return RNN.initial_state(self, None, batch)


@fault("h_0-activated", "HID-01", "h_0 goes through the nonlinearity first.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return self.activation(RNN.initial_state(self, h_0, batch))


@fault("h_0-as-output", "HID-01", "h_0 counts as the first step's state, and the first input is not read.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    before, after = RNN.scan(self, x[1:], h, alive[1:], w)
    return [h, *before], [h, *after]


@fault("h_0-of-first-row", "HID-02", "Every batch row starts from the first row's h_0.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states = RNN.initial_state(self, h_0, batch)
    return states[:, np.zeros(batch, int)]


@fault("h_0-rows-reversed", "HID-02", "Batch row b starts from the h_0 of row N - 1 - b.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return RNN.initial_state(self, h_0, batch)[:, ::-1]


@fault("h_0-averaged", "HID-02", "Every batch row starts from the mean of all rows' h_0.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states = RNN.initial_state(self, h_0, batch)
    return states * 0 + states.mean(axis=1, keepdims=True)


@fault("h_0-absent-is-not-zero", "HID-04", "Without an h_0 every state starts from 2^-5.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return RNN.initial_state(self, h_0, batch) + (h_0 is None) * np.float32(1 / 32)


@fault(
    "h_0-absent-kept", "HID-04", "Without an h_0 a state of ones is started from, in layers above the first."
)
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states = RNN.initial_state(self, h_0, batch)
    if h_0 is None:
        states[self.config.num_directions :] = 1
    return states


# -- shapes and parameters ----------------------------------------------------------------------


@fault("output-batch-major", "SHP-01", "output is (N, L, D * H) although the input was (L, N, I).")
def from_time_major(self: RNN, y: Any) -> Any:
    return y.swapaxes(0, 1) if self.batched else y[:, 0]


@fault("output-of-last-step", "SHP-01", "output is the last step's only, as return_sequences=False has it.")
def from_time_major(self: RNN, y: Any) -> Any:
    return RNN.from_time_major(self, y[-1:])


@fault("h_n-batch-major", "SHP-02", "h_n is (N, D * L, H) for batched input.")
def final_states(self: RNN, finals: Any) -> Any:
    h_n = RNN.final_states(self, finals)
    return h_n.swapaxes(0, 1) if self.batched else h_n


@fault("h_n-squeezed", "SHP-03", "An axis of length 1 of h_n is taken away.")
def final_states(self: RNN, finals: Any) -> Any:
    h_n = RNN.final_states(self, finals)
    return h_n[0] if len(h_n) == 1 else h_n


@fault("h_n-of-last-layer-alone", "SHP-04", "h_n has the last layer's entries only.")
def final_states(self: RNN, finals: Any) -> Any:
    return RNN.final_states(self, finals[-self.config.num_directions :])


@fault("directions-averaged", "SHP-05", "output is the mean of the two directions, (L, N, H).")
def from_time_major(self: RNN, y: Any) -> Any:
    H, bidirectional = self.config.hidden_size, self.config.bidirectional
    both = bidirectional and y.shape[-1] == 2 * H
    return RNN.from_time_major(self, (y[..., :H] + y[..., H:]) / 2 if both else y)


@fault("h_n-before-output", "SHP-06", "A call returns h_n first and output second.", LAYER)
def call(self: Any, *arguments: Any) -> Any:
    output, h_n, masks = super(type(self), self).call(*arguments)
    return h_n, output, masks


def _shapes(name: str, clause: str, sentence: str, change: Any) -> None:
    """Register a fault whose layer has other parameters, made of the right ones by `change`."""

    def shapes(self: Any, config: Any) -> Any:
        return change(config, config.parameter_shapes())

    fault(name, clause, sentence, LAYER)(shapes)


def _named(old: str, new: str) -> Any:
    return lambda config, shapes: {name.replace(old, new): shape for name, shape in shapes.items()}


def _shaped(kind: str, shape: Any) -> Any:
    return lambda config, shapes: {
        name: shape(old, config) if name.startswith(kind) else old for name, old in shapes.items()
    }


def _upper(shape: Any, *, two_ways: bool) -> Any:
    return _shaped(
        "weight_ih_l",
        lambda old, c: (
            shape(c.hidden_size) if old[1] != c.input_size and c.bidirectional == two_ways else old
        ),
    )


_shapes(
    "parameters-counted-from-1",
    "PAR-01",
    "Layers are counted from 1 in the parameters' names.",
    _named("_l", "_l1"),
)
_shapes(
    "reverse-named-backward",
    "PAR-02",
    "The reverse parameters end in _backward.",
    _named("_reverse", "_backward"),
)
_shapes(
    "w_ih-stored-transposed",
    "PAR-03",
    "weight_ih is (input_size, hidden_size).",
    _shaped("weight_ih_l0", lambda s, c: s[::-1]),
)
_shapes(
    "w_ih-as-wide-as-input",
    "PAR-04",
    "weight_ih above layer 0 is (H, H + 1).",
    _upper(lambda H: (H, H + 1), two_ways=False),
)
_shapes(
    "w_ih-of-one-direction",
    "PAR-05",
    "With two directions weight_ih above layer 0 is (H, H).",
    _upper(lambda H: (H, H), two_ways=True),
)
_shapes(
    "w_hh-with-bias-column",
    "PAR-06",
    "weight_hh has the bias as a column of its own.",
    _shaped("weight_hh", lambda s, c: (s[0], s[1] + 1)),
)
_shapes("bias-as-row", "PAR-07", "Biases are (1, H).", _shaped("bias_", lambda s, c: (1, *s)))
_shapes(
    "parameters-by-kind",
    "PAR-08",
    "Parameters are ordered by kind first.",
    lambda c, shapes: dict(sorted(shapes.items())),
)
_shapes(
    "one-bias",
    "PAR-10",
    "Each layer has one bias.",
    lambda c, shapes: {n: s for n, s in shapes.items() if "bias_hh" not in n},
)
