"""Faults of place: right everywhere but at some size, rate, number of layers, layout, mode, call or value.

They are what the search (`rnn_spec.explore`) has to find, with nothing in it that was made for one of them.
The matrix on record does not have them: that fixed cases lie where these are says little of the next.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np

from rnn_spec.faults.base import ADJOINT, LAYER, MODEL, MODULE, PLACES, honest, row, then
from rnn_spec.faults.recurrence import two_parts
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN

model, adjoint, layer, module = (partial(row, of, among=PLACES) for of in (MODEL, ADJOINT, LAYER, MODULE))


def where(condition: Any, **steps: Any) -> dict[str, Any]:
    """A step that is wrong where condition(self, its arguments) holds, and else the right one."""
    ((step, wrong),) = steps.items()

    def replacement(self: Any, *given: Any) -> Any:
        return wrong(self, *given) if condition(self, *given) else honest(self, step)(*given)

    return {step: replacement}


def last_unit(x: Any) -> Any:
    """An eighth for the last unit, and 0 for the others."""
    return ((np.arange(x.shape[-1]) == x.shape[-1] - 1) / 8).astype(x.dtype)


def last_row(x: Any) -> Any:
    """1 for the last row, and 0 for the others."""
    return (np.arange(len(x)) == len(x) - 1)[:, None].astype(x.dtype)


def bump(self: Any, term: Any, h: Any, w: Any) -> Any:
    """A cell whose last unit is off by an eighth before the nonlinearity."""
    return RNN.cell(self, term + last_unit(h), h, w)


def bump_row(self: Any, term: Any, h: Any, w: Any) -> Any:
    """The same in the last row alone."""
    return RNN.cell(self, term + last_unit(h) * last_row(h), h, w)


def units_from(n: int) -> Any:
    """A cell whose units from n on lose W_hh h."""
    return lambda self, term, h, w: RNN.cell(
        self, term, h, w._replace(hh=w.hh * (np.arange(len(w.hh)) < n)[:, None]))  # fmt: skip


def features_from(n: int) -> Any:
    """An input's term that does not read the features from n on."""
    return lambda self, x, w: RNN.input_term(self, x * (np.arange(x.shape[-1]) < n), w)


def rows_from(n: int) -> Any:
    """A cell whose rows from n on do not get b_hh, nor W_hh h's last unit."""
    return lambda self, term, h, w: RNN.cell(
        self, term + last_unit(h) * (np.arange(len(h)) >= n)[:, None], h, w)  # fmt: skip


def restart(n: int) -> Any:
    """A scan that begins again from zeros at step n."""
    return lambda self, x, h, alive, w: two_parts(self, x, h, alive, w, w, n, kept=False)


def off_from_step(n: int) -> Any:
    """A scan that from step n on goes on without b_hh and with half of W_hh."""
    return lambda self, x, h, alive, w: two_parts(
        self, x, h, alive, w, w._replace(b_hh=w.b_hh * 0, hh=w.hh / 2), n)  # fmt: skip


def size(self: Any) -> Any:
    """H, of a model or its adjoint."""
    return self.config.hidden_size


def layers_from(n: int, change: Any) -> Any:
    """The weights of the layers from n on, changed."""
    return then(lambda self, w, layer, direction: change(w) if layer >= n else w)


# A fault is a row of a table.
# fmt: off

# -- of hidden_size -----------------------------------------------------------------------------

model("place-48-units", "REC-02", "With 49 to 63 units those past the 48th lose W_hh h.",
      **where(lambda self, *_: 48 < size(self) < 64, cell=units_from(48)))
model("place-units-past-256", "REC-02", "Units past the 256th lose W_hh h.",
      **where(lambda self, *_: size(self) > 256, cell=units_from(256)))
model("place-units-past-64-below-96", "REC-02", "With 65 to 95 units those past the 64th lose W_hh h.",
      **where(lambda self, *_: 64 < size(self) < 96, cell=units_from(64)))
model("place-64s-of-units", "REC-04", "With a multiple of 64 units the last is off.",
      **where(lambda self, *_: size(self) % 64 == 0, cell=bump))
model("place-one-unit-over-32s", "REC-04", "With one unit more than a multiple of 32 the last is off.",
      **where(lambda self, *_: size(self) > 32 and size(self) % 32 == 1, cell=bump))
model("place-one-unit-below-16s", "REC-04",
      "With one unit less than a multiple of 16, from 31 on, it is off.",
      **where(lambda self, *_: size(self) > 16 and size(self) % 16 == 15, cell=bump))
model("place-two-units", "REC-04", "With two units the last is off.",
      **where(lambda self, *_: size(self) == 2, cell=bump))
model("place-odd-past-96", "REC-04", "With an odd number of units above 96 the last is off.",
      **where(lambda self, *_: size(self) > 96 and size(self) % 2 == 1, cell=bump))
model("place-one-unit-of-relu", "REC-04", "With one unit and relu it is off, in a batch of more than four.",
      **where(lambda self, term, h, w: h.shape[0] > 4 and size(self) == 1
              and self.config.nonlinearity == "relu", cell=bump))

# -- of input_size ------------------------------------------------------------------------------

model("place-features-past-512", "REC-01", "Features past the 512th are not read.",
      **where(lambda self, x, w: x.shape[-1] > 512, input_term=features_from(512)))
model("place-features-past-64", "REC-01", "With 65 to 79 features those past the 64th are not read.",
      **where(lambda self, x, w: 64 < x.shape[-1] < 80, input_term=features_from(64)))
model("place-last-of-eights", "REC-01",
      "With one feature less than a multiple of 8, from 15 on, it is not read.",
      **where(lambda self, x, w: x.shape[-1] > 8 and x.shape[-1] % 8 == 7,
              input_term=lambda self, x, w: features_from(x.shape[-1] - 1)(self, x, w)))
model("place-wide-to-narrow", "REC-01",
      "With a hundred times more features than units the last half is not read.",
      **where(lambda self, x, w: x.shape[-1] >= 100 * size(self),
              input_term=lambda self, x, w: features_from(x.shape[-1] // 2)(self, x, w)))
model("place-square-above-8", "REC-01", "W_ih is transposed where it is square, from 9 units on.",
      **where(lambda self, x, w: w.ih.shape[0] == w.ih.shape[1] > 8,
              input_term=lambda self, x, w: RNN.input_term(self, x, w._replace(ih=w.ih.T))))

# -- of batch, seq_len and products -------------------------------------------------------------

model("place-rows-past-64", "REC-08", "Rows past the 64th are off in their last unit.",
      **where(lambda self, term, h, w: len(h) > 64, cell=rows_from(64)))
model("place-rows-past-256", "REC-08", "Rows past the 256th are off in their last unit.",
      **where(lambda self, term, h, w: len(h) > 256, cell=rows_from(256)))
model("place-17-to-24-rows", "REC-08", "With 17 to 24 rows those past the 16th are off in their last unit.",
      **where(lambda self, term, h, w: 16 < len(h) < 25, cell=rows_from(16)))
model("place-odd-batch", "REC-08", "With an odd number of rows above 32 the last one is off.",
      **where(lambda self, term, h, w: len(h) > 32 and len(h) % 2 == 1, cell=bump_row))
model("place-one-row-long", "REC-12", "With one row the state begins again at step 48.",
      **where(lambda self, x, h, alive, w: len(x) > 48 and len(h) == 1, scan=restart(48)))
model("place-33-to-47-steps", "REC-12", "With 33 to 47 steps the state begins again at step 32.",
      **where(lambda self, x, h, alive, w: 32 < len(x) < 48, scan=restart(32)))
model("place-128s-of-steps", "REC-12", "With a multiple of 128 steps the last is without b_hh.",
      **where(lambda self, x, h, alive, w: len(x) % 128 == 0,
              scan=lambda self, x, h, alive, w: off_from_step(len(x) - 1)(self, x, h, alive, w)))
model("place-steps-past-96", "REC-12", "From step 96 on b_hh and half of W_hh are lost.",
      **where(lambda self, x, h, alive, w: len(x) > 96, scan=off_from_step(96)))
model("place-2048-rows-in-all", "REC-12", "With more than 2,048 steps times rows the last step is off.",
      **where(lambda self, x, h, alive, w: x.shape[0] * x.shape[1] > 2048 and len(x) > 1,
              scan=lambda self, x, h, alive, w: off_from_step(len(x) - 1)(self, x, h, alive, w)))
model("place-power-of-two-in-all", "REC-08",
      "With a power of two, from 64 on, of rows times units one is off.",
      **where(lambda self, term, h, w: h.size >= 64 and h.size & (h.size - 1) == 0, cell=bump_row))
model("place-4096-states", "REC-08", "With more than 4,096 rows times units the last is off.",
      **where(lambda self, term, h, w: h.size > 4096, cell=bump_row))
model("place-8192-weights", "REC-01", "With more than 8,192 weights in W_ih the last feature is not read.",
      **where(lambda self, x, w: w.ih.size > 8192 and x.shape[-1] > 1,
              input_term=lambda self, x, w: features_from(x.shape[-1] - 1)(self, x, w)))
model("place-batch-of-units", "REC-02", "With as many rows as units, more than two, W_hh is transposed.",
      **where(lambda self, term, h, w: h.shape[0] == h.shape[1] > 2,
              cell=lambda self, term, h, w: RNN.cell(self, term, h, w._replace(hh=w.hh.T))))
model("place-steps-of-features", "REC-06",
      "With as many steps as features, more than two, input is turned round.",
      **where(lambda self, x, w: x.shape[0] == x.shape[2] > 2,
              input_term=lambda self, x, w: RNN.input_term(self, x[::-1], w)))

# -- of layers and directions -------------------------------------------------------------------

model("place-fourth-layer-without-b_hh", "STK-02", "Layers from the fourth on have no b_hh.",
      weights=layers_from(3, lambda w: w._replace(b_hh=w.b_hh * 0)))
model("place-sixth-layer-half", "STK-02", "The sixth layer has half of its W_hh.",
      weights=layers_from(5, lambda w: w._replace(hh=w.hh / 2)))
model("place-fifth-layer-of-two-directions", "DIR-08",
      "In the fifth layer of both directions W_hh is halved.",
      weights=then(lambda self, w, layer, direction:
                   w._replace(hh=w.hh / 2) if layer >= 4 and self.config.bidirectional else w))
model("place-even-layers-of-relu", "STK-02", "With four or six layers of relu the last has no b_ih.",
      weights=then(lambda self, w, layer, direction: w._replace(b_ih=w.b_ih * 0)
                   if layer in (3, 5) and layer == self.config.num_layers - 1
                   and self.config.nonlinearity == "relu" else w))
model("place-h_n-of-four-layers", "HID-05", "With four layers h_n has those of layers 2 and 3 in turn.",
      final_states=then(lambda self, h: h if self.config.num_layers != 4 or self.config.bidirectional
                        else h[np.array([0, 2, 1, 3])]))
model("place-h_0-past-eight", "HID-03", "Entries of h_0 past the eighth are not read.",
      initial_state=then(lambda self, h, *_: h * (np.arange(len(h)) < 8)[:, None, None]))
model("place-no-bias-two-directions", "DIR-08",
      "Without bias, in two layers of both directions, W_hh is halved.",
      weights=then(lambda self, w, layer, direction: w._replace(hh=w.hh / 2)
                   if self.config.bidirectional and not self.config.bias and self.config.num_layers == 2
                   and layer == direction == 1 else w))

# -- of dropout's rate and masks ----------------------------------------------------------------

def masks(change: Any) -> Any:
    """The mask that is drawn, changed: change(self, mask, shape, p)."""
    return then(change)


layer("place-nothing-dropped-below-2-percent", "DRP-06", "Below a rate of 2 % nothing is dropped.",
      mask=masks(lambda self, m, shape, p: m | (p < 0.02)))
layer("place-all-dropped-above-97-percent", "DRP-06", "Above a rate of 97 % all is dropped.",
      mask=masks(lambda self, m, shape, p: m & (p <= 0.97)))
layer("place-rate-in-sixteenths", "DRP-06", "The rate is taken in sixteenths.",
      mask=lambda self, shape, p: honest(self, "mask")(shape, np.floor(p * 16) / 16))
model("place-unscaled-below-5-percent", "DRP-05", "Below a rate of 5 % what is kept is not scaled.",
      **where(lambda self, y, mask: self.config.dropout < 0.05,
              between_layers=lambda self, y, mask: self.ops.where(mask.astype(bool), y, 0.0)))
model("place-scale-of-two-thirds", "DRP-05", "Between rates of 60 % and 70 % what is kept is scaled by 3.",
      **where(lambda self, y, mask: 0.6 < self.config.dropout < 0.7,
              between_layers=lambda self, y, mask: self.ops.where(mask.astype(bool), y * np.float32(3), 0.0)))
layer("place-mask-repeats-after-4096", "DRP-07", "A mask repeats itself after 4,096 elements.",
      mask=masks(lambda self, m, shape, p: np.resize(m.ravel()[:4096], m.size).reshape(m.shape)))
layer("place-mask-of-later-rows", "DRP-07",
      "From 32 rows on the second half of the batch has the first's mask.",
      mask=masks(lambda self, m, shape, p: m if shape[1] < 32 else
                 np.concatenate([m[:, : shape[1] // 2]] * 2 + [m[:, : shape[1] % 2]], axis=1)))
layer("place-mask-of-later-steps", "DRP-07", "From the 17th step on the masks of the first 16 come again.",
      mask=masks(lambda self, m, shape, p: m[np.arange(shape[0]) % 16]))
layer("place-features-past-64-kept", "DRP-06", "Features past the 64th are never dropped.",
      mask=masks(lambda self, m, shape, p: m | (np.arange(shape[-1]) >= 64)))
layer("place-last-of-mask-kept", "DRP-06", "The elements past the last multiple of 64 are never dropped.",
      mask=masks(lambda self, m, shape, p: m | (np.arange(m.size) >= m.size // 64 * 64).reshape(m.shape)))
def one_mask(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: Any, ends: Any = None) -> Any:
    """A call in which all layers share a mask, if there are four or more."""
    own = self.drawn
    if config.num_layers > 3 and training and config.dropout > 0 and own is None:
        width = config.num_directions * config.hidden_size
        self.drawn = [self.mask((*self.axes(config, input), width), config.dropout)] * (config.num_layers - 1)
    try:
        return honest(self, "call")(rnn, config, input, h_0, training, ends)
    finally:
        self.drawn = own


layer("place-one-mask-past-three-layers", "DRP-07",
      "With four layers or more every layer has the first's mask.",
      call=one_mask)

# -- of lengths ---------------------------------------------------------------------------------


def ragged(alive: Any) -> bool:
    """Whether some sequence ends before the last step."""
    return not bool(alive.all())


model("place-ragged-past-16-rows", "PCK-03", "In a packed batch of more than 16 the last row is off.",
      **where(lambda self, x, h, alive, w: ragged(alive) and len(h) > 16,
              scan=lambda self, x, h, alive, w: RNN.scan(self, x + last_row(x[0]) / 4, h, alive, w)))
model("place-ragged-state-at-step-24", "PCK-01", "In a packed batch the state begins again at step 24.",
      **where(lambda self, x, h, alive, w: ragged(alive) and len(x) > 24, scan=restart(24)))
model("place-all-of-one-step-reversed", "PCK-06", "In a packed batch of single steps the reverse has no h_0.",
      **where(lambda self, x, h, alive, layer, direction: direction == 1 and len(x) > 1
              and alive.sum() == alive.shape[1],
              one_direction=lambda self, x, h, alive, layer, direction:
              RNN.one_direction(self, x, h * 0, alive, layer, direction)))
model("place-ragged-in-three-layers", "PCK-01", "In a packed batch the third layer reads half of the second.",
      **where(lambda self, x, h, alive, layer, direction: layer == 2 and ragged(alive),
              one_direction=lambda self, x, *given: RNN.one_direction(self, x / 2, *given)))

# -- of gradients -------------------------------------------------------------------------------


def forgetful(delta: Any, carry: Any) -> Any:
    """What a scan returns, without the cotangent of h_0."""
    return delta, carry * 0


def weighted(kind: str, change: Any, when: Any) -> Any:
    """The parameters' gradients, those of a kind changed where when(self, tape, delta)."""
    return then(lambda self, found, tape, delta: {**found, kind: change(found[kind])}
                if kind in found and when(self, tape, delta) else found)


adjoint("place-grad-w_hh-past-64-steps", "GRD-03",
        "With more than 64 steps W_hh's gradient lacks the first 64.",
        **where(lambda self, tape, delta: len(delta) > 64,
                parameters=lambda self, tape, delta: {
                    **Adjoint.parameters(self, tape, delta),
                    "weight_hh": np.einsum("tnh,tnk->hk", delta[64:], tape.before[64:])}))
adjoint("place-grad-b_ih-past-48-rows", "GRD-03",
        "With more than 48 rows b_ih's gradient lacks those past them.",
        **where(lambda self, tape, delta: delta.shape[1] > 48,
                parameters=lambda self, tape, delta: {
                    **Adjoint.parameters(self, tape, delta),
                    **({"bias_ih": delta[:, :48].sum(axis=(0, 1))} if self.config.bias else {})}))
adjoint("place-grad-of-h_n-alone", "GRD-05",
        "Of h_n alone, with both directions, the reverse has no gradient.",
        **where(lambda self, tape, g_y, carry, alive: self.config.bidirectional and not g_y.any()
                and tape is self.rnn.tapes.get((self.config.num_layers - 1, 1)),
                scan=lambda self, tape, g_y, carry, alive: Adjoint.scan(self, tape, g_y, carry * 0, alive)))
adjoint("place-grad-h_0-of-layer-4", "GRD-02", "h_0 of the fourth layer gets no gradient.",
        **where(lambda self, tape, g_y, carry, alive: tape is self.rnn.tapes.get((3, 0)),
                scan=lambda self, *given: forgetful(*Adjoint.scan(self, *given))))
adjoint("place-grad-truncated-of-last-step", "GRD-03",
        "Of the last step alone the gradient ends 16 steps before.",
        **where(lambda self, tape, g_y, carry, alive:
                len(g_y) > 17 and not g_y[:-1].any() and not carry.any(),
                scan=lambda self, tape, g_y, carry, alive: (
                    lambda delta, carry: (np.concatenate([delta[:-16] * 0, delta[-16:]]), carry * 0))(
                        *Adjoint.scan(self, tape, g_y, carry, alive))))
adjoint("place-slope-past-64-units", "GRD-01", "With more than 64 units of relu the last unit's slope is 1.",
        slope=then(lambda self, slope, tape: slope if size(self) <= 64 or self.config.nonlinearity == "tanh"
                   else np.where(np.arange(size(self)) == size(self) - 1, slope * 0 + 1, slope)))
adjoint("place-grad-input-ragged", "PCK-11",
        "In a packed batch of more than 8 the last row's input gets half.",
        input=then(lambda self, g_x, tape, delta: g_x if delta.shape[1] <= 8 or (delta != 0).any(axis=2).all()
                   else g_x * (1 - 0.5 * last_row(g_x[0]))))
adjoint("place-grad-w_ih-square", "GRD-03", "With as many units as features, above 4, W_ih's is transposed.",
        parameters=weighted("weight_ih", lambda g: g.T, lambda self, tape, delta:
                            tape.x.shape[-1] == size(self) > 4))

# -- of earlier calls, modes and values ---------------------------------------------------------

layer("place-state-kept-after-training", "DET-03", "After a call in training mode b_hh counts twice.",
      precede=then(lambda self, outputs, rnn, case: (
          rnn.parameters.update({n: v * 2 for n, v in rnn.parameters.items() if n.startswith("bias_hh")})
          if any(call.training for call in case.calls) and not case.training else None, outputs)[1]))
layer("place-third-call", "DET-03", "From the third call on W_hh is halved.",
      precede=then(lambda self, outputs, rnn, case: (
          rnn.parameters.update({n: v / 2 for n, v in rnn.parameters.items() if n.startswith("weight_hh")})
          if len(outputs) > 1 else None, outputs)[1]))
layer("place-after-a-larger-batch", "DET-03", "After a call with more rows b_ih is lost.",
      precede=then(lambda self, outputs, rnn, case: (
          rnn.parameters.update({n: v * 0 for n, v in rnn.parameters.items() if n.startswith("bias_ih")})
          if any(self.axes(case.config, e.input)[1] > self.axes(case.config, case.input)[1]
                 for e in case.calls) else None, outputs)[1]))
layer("place-training-without-dropout", "DRP-11",
      "In training mode without dropout two layers end in half of output.",
      call=then(lambda self, y, h, masks, rnn, config, input, h_0, training, lengths=None: (
          np.concatenate([y[:-1], y[-1:] / 2])
          if training and config.dropout == 0 and config.num_layers == 2 else y, h, masks)))
layer("place-training-of-one-sequence", "DRP-11",
      "In training mode a single sequence past 8 steps is off at its end.",
      call=then(lambda self, y, h, masks, rnn, config, input, h_0, training, lengths=None: (
          np.concatenate([y[:-1], y[-1:] / 2]) if training and input.ndim == 2 and len(input) > 8 else y,
          h, masks)))
layer("place-evaluation-at-rate-one", "DRP-10", "In evaluation mode at a rate of 1 output is halved.",
      call=then(lambda self, y, h, masks, rnn, config, input, h_0, training, lengths=None: (
          y / 2 if not training and config.dropout == 1 else y, h, masks)))
model("place-zeros-forget", "HID-01", "Where all of the input is zeros the state is not carried on.",
      **where(lambda self, x, h, alive, w: len(x) > 1 and not x.any() and h.any(), scan=restart(1)))
model("place-tanh-of-the-huge", "NLN-01", "tanh of more than 2^40 is 0.",
      **where(lambda self, z: self.config.nonlinearity == "tanh" and bool((abs(z) > 2.0**40).any()),
              activation=lambda self, z: np.tanh(np.where(abs(z) > 2.0**40, 0, z))))
model("place-nan-spreads", "EDG-04", "A NaN in one row makes all rows NaN.",
      **where(lambda self, term, h, w: bool(np.isnan(term).any() or np.isnan(h).any()),
              cell=lambda self, term, h, w: RNN.cell(self, term * np.nan, h, w)))
model("place-tiny-inputs", "PRC-08", "Where all of the input is tiny b_ih is lost.",
      **where(lambda self, x, w: bool(x.any()) and float(abs(x).max()) < 1e-4,
              input_term=lambda self, x, w: x @ w.ih.T))
model("place-float64-past-100-units", "PRC-01",
      "In float64 with more than 100 units the sums are in float32.",
      **where(lambda self, term, h, w: h.dtype == np.float64 and size(self) > 100,
              cell=lambda self, term, h, w: RNN.cell(
                  self, term.astype(np.float32).astype(np.float64), h, w)))

# -- of layouts and grad modes: only torch has these --------------------------------------------


def torch() -> Any:
    """The torch that the faulty module lives in."""
    return sys.modules["torch"]


def given(change: Any, when: Any) -> Any:
    """A forward that takes change(input, hx) where when(self, input, hx)."""
    return lambda self, input, hx=None: honest(self, "forward")(
        *(change(input, hx) if when(self, input, hx) else (input, hx)))


def padded(x: Any) -> bool:
    """Whether x is a tensor, and no PackedSequence."""
    return hasattr(x, "stride")


def in_memory(t: Any) -> Any:
    """What lies in memory from the tensor's first number on, as if it were contiguous."""
    size, room = t.shape, t.untyped_storage().size() // t.element_size() - t.storage_offset()
    return t.as_strided(size, t.new_empty(size, device="meta").stride()) if room >= t.numel() else t * 1.5


module("place-input-read-as-contiguous", "EDG-09", "An input whose features are not side by side is misread.",
       forward=given(lambda x, hx: (in_memory(x), hx), lambda self, x, hx: padded(x) and x.stride(-1) != 1))
module("place-input-of-every-other-row", "EDG-09",
       "A batch_first input that is no block of memory is misread.",
       forward=given(lambda x, hx: (in_memory(x), hx), lambda self, x, hx: padded(x) and self.batch_first
                     and x.stride(-1) == 1 and not x.is_contiguous()))
module("place-input-with-an-offset", "EDG-09",
       "An input that begins after its storage is read from its beginning.",
       forward=given(lambda x, hx: (x.as_strided(x.shape, x.stride(), 0), hx),
                     lambda self, x, hx: padded(x) and x.storage_offset() != 0))
module("place-h_0-expanded", "EDG-09", "An h_0 that is expanded over its rows counts half.",
       forward=given(lambda x, hx: (x, hx / 2), lambda self, x, hx: hx is not None and hx.dim() == 3
                     and hx.stride(1) == 0))
module("place-h_0-transposed-in-a-stack", "EDG-09",
       "With several layers an h_0 that is not contiguous is misread.",
       forward=given(lambda x, hx: (x, in_memory(hx)), lambda self, x, hx: hx is not None
                     and self.num_layers > 1 and not hx.is_contiguous()))
module("place-packed-data-not-contiguous", "EDG-09", "Packed data that is not contiguous is misread.",
       forward=given(lambda x, hx: (x._replace(data=in_memory(x.data)), hx),
                     lambda self, x, hx: not padded(x) and not x.data.is_contiguous()))
module("place-inference_mode-past-16-units", "STA-01",
       "Under inference_mode more than 16 units begin from zeros.",
       forward=given(lambda x, hx: (x, None), lambda self, x, hx: torch().is_inference_mode_enabled()
                     and self.hidden_size > 16))
module("place-recorded-in-evaluation", "STA-01",
       "In evaluation mode, while gradients are recorded, h_0 counts half.",
       forward=given(lambda x, hx: (x, hx / 2), lambda self, x, hx: hx is not None and not self.training
                     and torch().is_grad_enabled() and not hx.requires_grad))
module("place-frozen-w_hh-in-a-stack", "GRD-09",
       "With W_hh frozen in several layers the input gets no gradient.",
       forward=given(lambda x, hx: (x.detach(), hx), lambda self, x, hx: padded(x) and self.num_layers > 1
                     and not self.weight_hh_l0.requires_grad))
module("place-cotangent-not-contiguous", "EDG-09",
       "A cotangent of output that is not contiguous counts half.",
       forward=then(lambda self, y, h, *_: (y if not padded(y) or not y.requires_grad else (
           y.register_hook(lambda g: g if g.is_contiguous() else g / 2), y)[1], h)))
