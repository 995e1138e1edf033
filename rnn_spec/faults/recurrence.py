"""Faults of the cell, of its order in time, of its nonlinearity, and of h_0."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_spec.faults.base import fault, layer, model, then
from rnn_spec.spec.model import RNN


def square(w: Any) -> bool:
    """Whether a matrix has as many rows as columns."""
    return bool(w.shape[0] == w.shape[1])


def first(n: int, x: Any) -> Any:
    """The first n features of x as ones, the others as zeros."""
    return np.arange(x.shape[-1]) < n


def block(size: int, lanes: int) -> Any:
    """Which of `size` elements lie in whole blocks of `lanes`; all of them where there is no whole block."""
    return np.arange(size) < (size // lanes * lanes or size)


def bfloat16(h: Any) -> Any:
    """Rounded to bfloat16."""
    bits = h.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32).astype(h.dtype)


def two_parts(self: RNN, x: Any, h: Any, alive: Any, w: Any, later: Any, n: int, kept: bool = True) -> Any:
    """Scan the first n steps with w, and the others with `later`: from the state `kept`, or from zeros."""
    before, after = RNN.scan(self, x[:n], h, alive[:n], w)
    h = (after or [h])[-1] if kept else h * 0
    tail = RNN.scan(self, x[n:], h, alive[n:], later)
    return before + tail[0], after + tail[1]


def above_the_first(self: RNN, states: Any) -> Any:
    """Which entries of the states (L*D, N, H) are of layers above the first."""
    return (np.arange(len(states)) >= self.config.num_directions)[:, None, None]


def whole(self: RNN, y: Any) -> bool:
    """Whether y has the features of output, and is not an input's cotangent of another width."""
    return bool(y.shape[-1] == self.config.num_directions * self.config.hidden_size)


def tanh(wrong: Any) -> Any:
    """The nonlinearity, where tanh is `wrong` and relu is right."""
    return then(lambda self, h, z: wrong(z).astype(z.dtype) if self.config.nonlinearity == "tanh" else h)


def relu(wrong: Any) -> Any:
    """The nonlinearity, where relu is `wrong` and tanh is right."""
    return then(lambda self, h, z: wrong(z).astype(z.dtype) if self.config.nonlinearity == "relu" else h)


def pade(z: Any) -> Any:
    """tanh by a Pade approximant."""
    z = np.clip(z, -3, 3)
    return z * (27 + z * z) / (27 + 9 * z * z)


def fraction(z: Any) -> Any:
    """The continued fraction of tanh to its seventh term, clipped: right to 1e-6 up to |z| = 1."""
    z = np.clip(z, -4.97, 4.97)
    s = z * z
    return np.clip(z * (10395 + s * (1260 + s * 21)) / (10395 + s * (4725 + s * (210 + s))), -1, 1)


def shaped(kind: str, shape: Any) -> Any:
    """The parameters' shapes, where those of one kind are shape(the right one, config)."""
    return then(
        lambda self, shapes, config: {
            name: shape(old, config) if name.startswith(kind) else old for name, old in shapes.items()
        }
    )


# A fault is a row of a table.
# fmt: off

# -- the four terms -----------------------------------------------------------------------------

model("w_ih-dropped", "REC-01", "The input's product with W_ih is left out.",
      input_term=lambda self, x, w: RNN.input_term(self, x * 0, w))
model("w_ih-transposed", "REC-01", "W_ih is transposed where it is square.",
      input_term=lambda self, x, w: RNN.input_term(self, x, w._replace(ih=w.ih.T) if square(w.ih) else w))
model("w_ih-rows-permuted", "REC-01", "Row i of W_ih makes hidden unit i + 1.",
      input_term=lambda self, x, w: RNN.input_term(self, x, w._replace(ih=np.roll(w.ih, 1, axis=0))))
model("last-feature-lost", "REC-01", "The input's last feature is not read, where it has more than one.",
      input_term=lambda self, x, w: RNN.input_term(self, x * first(max(x.shape[-1] - 1, 1), x), w))
model("w_hh-transposed", "REC-02", "W_hh is transposed.",
      cell=lambda self, term, h, w: self.activation(term + h @ w.hh + w.b_hh))
model("w_hh-dropped", "REC-02", "The state's product with W_hh is left out.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h * 0, w))
model("w_hh-doubled", "REC-02", "The state's product with W_hh is added twice.",
      cell=lambda self, term, h, w: RNN.cell(self, term + h @ w.hh.T, h, w))
model("w_hh-diagonal", "REC-02", "Each unit sees its own previous state only, as in an IndRNN.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h, w._replace(hh=np.diag(np.diag(w.hh)))))
model("w_hh-rows-permuted", "REC-02", "Row i of W_hh makes hidden unit i + 1.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h, w._replace(hh=np.roll(w.hh, 1, axis=0))))
model("b_ih-dropped", "REC-03", "b_ih is not added.",
      input_term=lambda self, x, w: x @ w.ih.T)
model("b_hh-dropped", "REC-03", "b_hh is not added.",
      cell=lambda self, term, h, w: self.activation(term + h @ w.hh.T))
model("b_ih-doubled", "REC-03", "b_ih is added twice.",
      cell=lambda self, term, h, w: RNN.cell(self, term + w.b_ih, h, w))
model("b_ih-for-b_hh", "REC-03", "b_ih is added in the place of b_hh, too.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h, w._replace(b_hh=w.b_ih)))
model("b_hh-from-second-step", "REC-03", "b_hh is not added at the first step.",
      scan=lambda self, x, h, alive, w: two_parts(self, x, h, alive, w._replace(b_hh=w.b_hh * 0), w, 1))
model("b_hh-inside-product", "BIA-02", "b_hh is added to the state before the product with W_hh.",
      cell=lambda self, term, h, w: self.activation(term + (h + w.b_hh) @ w.hh.T))
model("b_hh-after-activation", "BIA-02", "b_hh is added to the new state, and not inside the nonlinearity.",
      cell=lambda self, term, h, w: self.activation(term + h @ w.hh.T) + w.b_hh)
model("bias-despite-false", "BIA-01", "With bias=False a bias of 1/16 is left.",
      weights=then(lambda self, w, *_:
                   w if self.config.bias else w._replace(b_ih=w.b_ih + np.float32(1 / 16))))

# -- the sum and what is made of it -------------------------------------------------------------

model("activation-twice", "REC-04", "The nonlinearity is applied twice.",
      cell=lambda self, *a: self.activation(RNN.cell(self, *a)))
model("activation-of-input-term", "REC-04", "The nonlinearity is applied to the input's term before the sum.",
      cell=lambda self, term, *a: RNN.cell(self, self.activation(term), *a))
model("state-added", "REC-04", "The previous state is added to the new one: a residual connection.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h, w) + h)
model("leaky-state", "REC-04", "A hundredth of the previous state is mixed into the new one.",
      cell=then(lambda self, new, term, h, *_: new + (h - new) * new.dtype.type(0.01)))
model("state-normalised", "REC-04", "The pre-activations have their mean over the units taken off.",
      cell=lambda self, term, h, w: self.activation(
          (z := term + h @ w.hh.T + w.b_hh) - z.mean(axis=-1, keepdims=True)))
model("state-in-bfloat16", "REC-05", "The previous state is rounded to bfloat16 where W_hh reads it.",
      cell=lambda self, term, h, w: RNN.cell(self, term, bfloat16(h), w))
model("h_n-in-bfloat16", "REC-10", "h_n is rounded to bfloat16.",
      one_direction=then(lambda self, y, final, *_: (y, bfloat16(final))))

# -- time ---------------------------------------------------------------------------------------

model("stateless", "REC-05", "Every step starts from h_0.",
      scan=lambda self, x, h, alive, w: ([h] * len(x), [self.cell(t, h, w) for t in self.input_term(x, w)]))


@fault("state-of-two-steps-ago", "REC-05", "The previous state is that of time t - 2.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    states = [h, h]
    for term in self.input_term(x, w):
        states.append(self.cell(term, states[-2], w))
    return states[:-2], states[2:]


model("output-one-step-late", "REC-06", "output at time t is the state before the input of time t.",
      one_direction=then(lambda self, y, final, x, h, alive, layer, direction:
                         (np.concatenate([y[1:], h[None]] if direction else [h[None], y[:-1]]), final)))
model("input-one-step-late", "REC-06", "Each step reads the input of the step before it, the first its own.",
      input_term=lambda self, x, w: RNN.input_term(self, np.concatenate([x[:1], x[:-1]]), w))
model("next-input-read", "REC-07", "Each step reads the input of the step after it, the last its own.",
      input_term=lambda self, x, w: RNN.input_term(self, np.concatenate([x[1:], x[-1:]]), w))
model("input-centred-over-time", "REC-07", "A 1,024th of the input's mean over time is taken off it.",
      input_term=lambda self, x, w: RNN.input_term(self, x - x.mean(axis=0) / 1024, w))
model("last-step-lost", "REC-12", "The last step's state is the one before it.",
      scan=then(lambda self, before, after, *_: (before, [*after[:-1], before[-1]])))


@fault("time-mirrored", "REC-05", "The sequence is read from its end, and output turned round again.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    before, after = RNN.scan(self, x[::-1], h, alive, w)
    return before, after[::-1]


for n in (8, 64, 256):
    model(f"state-lost-at-step-{n}", "REC-12", f"The state begins again from zeros at step {n}.",
          scan=lambda self, x, h, alive, w, n=n: two_parts(self, x, h, alive, w, w, n, kept=False))
    model(f"b_ih-lost-past-step-{n}", "REC-12", f"From step {n} on b_ih is not added.",
          scan=lambda self, x, h, alive, w, n=n: two_parts(
              self, x, h, alive, w, w._replace(b_ih=w.b_ih * 0), n))

# -- rows and columns ---------------------------------------------------------------------------

model("rows-mixed", "REC-08", "A 1,024th of the states' mean over the batch is mixed into each row.",
      cell=lambda self, term, h, w: RNN.cell(self, term, h + h.mean(axis=0) / 1024, w))
model("rows-normalised", "REC-08", "The input's mean over the batch is taken off it.",
      input_term=lambda self, x, w: RNN.input_term(self, x - x.mean(axis=1, keepdims=True), w))
model("last-row-from-first", "REC-09", "The last row's state is computed from the first row's.",
      cell=lambda self, term, h, w: RNN.cell(self, term, np.concatenate([h[:-1], h[:1]]), w))
for n in (16, 32):
    model(f"rows-past-{n}-repeat", "REC-08", f"Rows past the {n}th carry on the {n}th row's state.",
          cell=lambda self, term, h, w, n=n: RNN.cell(self, term, h[np.minimum(np.arange(len(h)), n - 1)], w))
    model(f"rows-past-{n}-without-b_hh", "REC-09", f"Rows past the {n}th do not get b_hh.",
          cell=lambda self, term, h, w, n=n: RNN.cell(
              self, term, h, w._replace(b_hh=w.b_hh * (np.arange(len(h)) < n)[:, None])))
for n in (4, 8, 32, 128):
    model(f"units-past-{n}s-without-w_hh", "REC-02", f"Units past the last multiple of {n} lose W_hh h.",
          cell=lambda self, term, h, w, n=n: RNN.cell(
              self, term, h, w._replace(hh=w.hh * block(h.shape[-1], n)[:, None])))
    model(f"units-past-{n}s-not-read", "REC-11", f"States past the last multiple of {n} are not read.",
          cell=lambda self, term, h, w, n=n: RNN.cell(self, term, h * block(h.shape[-1], n), w))
for n in (4, 8, 64):
    model(f"features-past-{n}s-not-read", "REC-01", f"Features past the last multiple of {n} are not read.",
          input_term=lambda self, x, w, n=n: RNN.input_term(self, x * block(x.shape[-1], n), w))
model("last-unit-frozen", "REC-11", "The last of several hidden units keeps its initial state.",
      cell=then(lambda self, new, term, h, w:
                np.concatenate([new[..., :-1], h[..., -1:]], axis=-1) if h.shape[-1] > 1 else new))

# -- the nonlinearity ---------------------------------------------------------------------------

model("tanh-by-pade", "NLN-01", "tanh is a Pade approximant, right to 2e-2.", activation=tanh(pade))
model("tanh-by-fraction", "NLN-01", "tanh is a continued fraction, right to 1e-4.", activation=tanh(fraction))
model("tanh-by-table", "NLN-01", "tanh is interpolated in a table, right to 1e-6.",
      activation=tanh(lambda z: np.interp(z, points := np.linspace(-8, 8, 4097), np.tanh(points))))
model("tanh-by-exponential", "NLN-01", "tanh is (e^2z - 1) / (e^2z + 1), which cancels near 0.",
      activation=tanh(lambda z: ((e := np.exp(2 * np.clip(z, -20, 20))) - 1) / (e + 1)))
model("tanh-wrong-in-tail-lanes", "NLN-01", "tanh is approximated in units past a multiple of 8.",
      activation=tanh(lambda z: np.where(block(z.shape[-1], 8), np.tanh(z), fraction(z))))
model("tanh-hard", "NLN-01", "tanh is clip(z, -1, 1).", activation=tanh(lambda z: np.clip(z, -1, 1)))
model("tanh-for-all-but-large", "NLN-02", "tanh goes on growing past |z| = 4.",
      activation=tanh(lambda z: np.tanh(z) + z * (abs(z) > 4) / 64))
model("tanh-offset", "NLN-03", "tanh is off by 1e-5 everywhere.",
      activation=tanh(lambda z: np.tanh(z) + 1e-5))
model("tanh-lecun", "NLN-02", "tanh is LeCun's 1.7159 tanh(2z/3).",
      activation=tanh(lambda z: 1.7159 * np.tanh(2 * z / 3)))
model("sigmoid-for-tanh", "NLN-03", "The logistic function is applied in the place of tanh.",
      activation=tanh(lambda z: 1 / (1 + np.exp(-z))))
model("relu-leaky", "NLN-04", "relu leaves a thousandth of what is negative.",
      activation=relu(lambda z: np.where(z > 0, z, z / 1000)))
model("relu-clipped", "NLN-05", "relu is clipped at 6.", activation=relu(lambda z: np.clip(z, 0, 6)))
model("relu-softened", "NLN-04", "relu is softplus.",
      activation=relu(lambda z: np.log1p(np.exp(-abs(z))) + np.maximum(z, 0)))
model("relu-offset", "NLN-05", "relu has its threshold at 1e-5.",
      activation=relu(lambda z: np.where(z > 1e-5, z, 0)))
model("relu-absolute", "NLN-04", "relu is the absolute value.", activation=relu(abs))
model("tanh-for-relu", "NLN-04", "tanh is applied where relu was asked for.", activation=relu(np.tanh))

# -- h_0 ----------------------------------------------------------------------------------------

model("h_0-ignored", "HID-01", "h_0 is taken as zeros.",
      initial_state=lambda self, h_0, batch: RNN.initial_state(self, None, batch))
model("h_0-activated", "HID-01", "h_0 goes through the nonlinearity first.",
      initial_state=lambda self, *a: self.activation(RNN.initial_state(self, *a)))
model("h_0-as-output", "HID-01", "h_0 counts as the first step's state, and the first input is not read.",
      scan=lambda self, x, h, alive, w: tuple(
          [h, *states] for states in RNN.scan(self, x[1:], h, alive[1:], w)))
model("h_0-of-first-row", "HID-02", "Every batch row starts from the first row's h_0.",
      initial_state=lambda self, h_0, batch: RNN.initial_state(self, h_0, batch)[:, np.zeros(batch, int)])
model("h_0-rows-reversed", "HID-02", "Batch row b starts from the h_0 of row N - 1 - b.",
      initial_state=lambda self, *a: RNN.initial_state(self, *a)[:, ::-1])
model("h_0-averaged", "HID-02", "Every batch row starts from the mean of all rows' h_0.",
      initial_state=then(lambda self, states, *_: states * 0 + states.mean(axis=1, keepdims=True)))
model("h_0-absent-is-not-zero", "HID-04", "Without an h_0 every state starts from 2^-5.",
      initial_state=then(lambda self, h, h_0, _: h + (h_0 is None) * np.float32(1 / 32)))
model("h_0-absent-kept", "HID-04",
      "Without an h_0 a state of ones is started from, in layers above the first.",
      initial_state=then(lambda self, h, h_0, _: h + (h_0 is None) * above_the_first(self, h)))

# -- shapes and parameters ----------------------------------------------------------------------

model("output-batch-major", "SHP-01", "output is (N, L, D * H) although the input was (L, N, I).",
      from_time_major=lambda self, y: y.swapaxes(0, 1) if self.batched else y[:, 0])
model("output-of-last-step", "SHP-01", "output is the last step's only, as return_sequences=False has it.",
      from_time_major=lambda self, y: RNN.from_time_major(self, y[-1:]))
model("h_n-batch-major", "SHP-02", "h_n is (N, D * L, H) for batched input.",
      final_states=then(lambda self, h_n, *_: h_n.swapaxes(0, 1) if self.batched else h_n))
model("h_n-squeezed", "SHP-03", "An axis of length 1 of h_n is taken away.",
      final_states=then(lambda self, h_n, *_: h_n[0] if len(h_n) == 1 else h_n))
model("h_n-of-last-layer-alone", "SHP-04", "h_n has the last layer's entries only.",
      final_states=lambda self, finals: RNN.final_states(self, finals[-self.config.num_directions:]))
model("directions-averaged", "SHP-05", "output is the mean of the two directions, (L, N, H).",
      from_time_major=lambda self, y: RNN.from_time_major(
          self, sum(np.split(y, 2, axis=-1)) / 2 if self.config.bidirectional and whole(self, y) else y))
layer("h_n-before-output", "SHP-06", "A call returns h_n first and output second.",
      call=then(lambda self, output, h_n, masks, *_: (h_n, output, masks)))
layer("parameters-counted-from-1", "PAR-01", "Layers are counted from 1 in the parameters' names.",
      shapes=then(lambda self, shapes, c: {n.replace("_l", "_l1"): s for n, s in shapes.items()}))
layer("reverse-named-backward", "PAR-02", "The reverse parameters end in _backward.",
      shapes=then(lambda self, shapes, c: {n.replace("_reverse", "_backward"): s for n, s in shapes.items()}))
layer("w_ih-stored-transposed", "PAR-03", "weight_ih is (input_size, hidden_size).",
      shapes=shaped("weight_ih_l0", lambda s, c: s[::-1]))
layer("w_ih-as-wide-as-input", "PAR-04", "weight_ih above layer 0 is (H, H + 1).",
      shapes=shaped("weight_ih", lambda s, c:
                    (s[0], s[0] + 1) if s[1] != c.input_size and not c.bidirectional else s))
layer("w_ih-of-one-direction", "PAR-05", "With two directions weight_ih above layer 0 is (H, H).",
      shapes=shaped("weight_ih", lambda s, c:
                    (s[0], s[0]) if s[1] != c.input_size and c.bidirectional else s))
layer("w_hh-with-bias-column", "PAR-06", "weight_hh has the bias as a column of its own.",
      shapes=shaped("weight_hh", lambda s, c: (s[0], s[1] + 1)))
layer("bias-as-row", "PAR-07", "Biases are (1, H).", shapes=shaped("bias_", lambda s, c: (1, *s)))
layer("parameters-by-kind", "PAR-08", "Parameters are ordered by kind first.",
      shapes=then(lambda self, shapes, c: dict(sorted(shapes.items()))))
layer("one-bias", "PAR-10", "Each layer has one bias.",
      shapes=then(lambda self, shapes, c: {n: s for n, s in shapes.items() if "bias_hh" not in n}))
