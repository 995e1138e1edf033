"""Faults of dropout."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import LAYER, fault, honest, layer, model, then
from rnn_spec.faults.determinism import count
from rnn_spec.spec.model import RNN

if TYPE_CHECKING:
    from collections.abc import Callable


def scaled(factor: Callable[[float], float]) -> Any:
    """Dropout whose kept elements are scaled by this function of p."""
    return lambda self, y, mask: self.ops.where(
        mask.astype(bool), y * self.ops.array(np.array(factor(self.config.dropout))), 0.0
    )


def by_the_first(self: RNN, h: Any, steps: int | slice) -> Any:
    """A state (N, H), or states, dropped out by these steps of the first layer's forward mask."""
    H = self.config.hidden_size
    return RNN.between_layers(self, h, self.masks[0][steps, :, :H]) if self.masks else h


def dropping_at(rate: Callable[[float], float]) -> Any:
    """Masks that drop at this function of p."""
    return lambda self, shape, p: self.random.random_sample(shape) >= (rate(p) if p < 1 else p)


def repeating(axis: int, period: int) -> Any:
    """Masks that repeat along the axis, every `period` elements; 1: one mask for all of it."""

    def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
        drawn = list(shape)
        drawn[axis] = min(period, shape[axis])
        kept = self.random.random_sample(drawn) >= p
        return kept.take(np.arange(shape[axis]) % drawn[axis], axis)

    return mask


def another(mask: np.ndarray) -> np.ndarray:
    """A mask that keeps as many elements as `mask`, and is told by it, but has nothing else in common."""
    seed = zlib.crc32(np.packbits(mask.astype(bool)).tobytes())
    return np.random.RandomState(seed).permutation(mask.ravel()).reshape(mask.shape)


def drawing(when: Callable[[bool], bool]) -> Any:
    """A call that draws a mask of one element too many, when(training)."""

    def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, *lengths: Any) -> Any:
        if when(training):
            self.mask((1,), config.dropout)
        return honest(self, "call")(rnn, config, input, h_0, training, *lengths)

    return call


# A fault is a row of a table.
# fmt: off

# -- the scale ----------------------------------------------------------------------------------

model("dropout-not-scaled", "DRP-05", "What dropout keeps is not scaled.",
      between_layers=scaled(lambda p: 1.0))
model("dropout-scaled-by-keep", "DRP-05", "What dropout keeps is scaled by 1 - p.",
      between_layers=scaled(lambda p: 1 - p))
model("dropout-scaled-by-rate", "DRP-05", "What dropout keeps is scaled by 1 / p.",
      between_layers=scaled(lambda p: 1 / p))
model("dropout-scale-is-2", "DRP-05", "What dropout keeps is doubled, whatever p is.",
      between_layers=lambda self, y, mask: self.ops.where(mask.astype(bool), y + y, 0.0))
model("dropout-at-rate-one-divides-by-zero", "DRP-12", "With p = 1 what is dropped is 0 times infinity.",
      between_layers=then(lambda self, dropped, y, mask: dropped if self.config.dropout < 1
                          else self.ops.where(np.zeros(mask.shape, bool), y, np.nan)))
model("dropout-at-rate-one-is-off", "DRP-12", "With p = 1 nothing is dropped.",
      between_layers=then(lambda self, dropped, y, mask: dropped if self.config.dropout < 1 else y))

# -- the place ----------------------------------------------------------------------------------

model("dropout-on-layer-0-only", "DRP-01", "Only the output of layer 0 is dropped out.",
      between_layers=then(lambda self, dropped, y, mask: dropped if mask is self.masks[0] else y))
model("dropout-below-the-last-layer-only", "DRP-01", "Only what the last layer reads is dropped out.",
      between_layers=then(lambda self, dropped, y, mask: dropped if mask is self.masks[-1] else y))
layer("dropout-inactive", "DRP-01", "Dropout does nothing in training mode.",
      call=lambda self, rnn, config, input, h_0, training, *n: honest(self, "call")(
          rnn, config, input, h_0, config.dropout == 1 and training, *n))
layer("dropout-on-the-input", "DRP-02", "The input of layer 0 is dropped out, too.",
      call=lambda self, rnn, config, input, h_0, training, *n: honest(self, "call")(
          rnn, config, input if not training or config.dropout == 0
          else input * self.mask(input.shape, config.dropout), h_0, training, *n))
layer("dropout-on-the-output", "DRP-02", "The output of the last layer is dropped out, too.",
      call=then(lambda self, output, h_n, masks, rnn, config, *_: (
          output * self.mask(output.shape, config.dropout) if masks else output, h_n, masks)))
model("dropout-on-the-recurrence", "DRP-03", "The state is dropped out on its way to the next step.",
      cell=lambda self, term, h, w: RNN.cell(self, term, by_the_first(self, h, 0), w))
model("dropout-on-h_0", "DRP-03", "The given h_0 is dropped out in training mode.",
      initial_state=then(lambda self, h, *_: by_the_first(self, h, slice(1))))


@fault("dropout-on-h_n", "DRP-04", "h_n of the layers that are dropped out is dropped out, too.")
def final_states(self: RNN, finals: Any) -> Any:
    H, D = self.config.hidden_size, self.config.num_directions
    for i in range(len(finals) - D if self.masks else 0):
        step, columns = (0 if i % D else -1), slice(i % D * H, (i % D + 1) * H)
        finals[i] = RNN.between_layers(self, finals[i], self.masks[i // D][step][:, columns])
    return RNN.final_states(self, finals)


@fault("dropout-scale-in-h_n", "DRP-04", "h_n of the layers that are dropped out is scaled as they are.")
def final_states(self: RNN, finals: Any) -> Any:
    for i in range(len(finals) - self.config.num_directions if self.masks else 0):
        finals[i] = RNN.between_layers(self, finals[i], np.ones(finals[i].shape))
    return RNN.final_states(self, finals)


# -- the masks ----------------------------------------------------------------------------------

layer("dropout-rate-is-keep-rate", "DRP-06", "An element is dropped with probability 1 - p.",
      mask=dropping_at(lambda p: 1 - p))
layer("dropout-rate-too-high", "DRP-06", "An element is dropped with probability p + 0.02.",
      mask=dropping_at(lambda p: p + 0.02))
layer("dropout-rate-too-low", "DRP-06", "An element is dropped with probability p - 0.02.",
      mask=dropping_at(lambda p: p - 0.02))
layer("dropout-rate-is-half", "DRP-06", "An element is dropped with probability 1/2, whatever p is.",
      mask=dropping_at(lambda p: 0.5))
layer("dropout-spares-the-last-feature", "DRP-06", "The last feature is never dropped.",
      mask=then(lambda self, kept, shape, p: kept | (np.arange(shape[-1]) == shape[-1] - 1)))
layer("dropout-spares-the-first-step", "DRP-06", "The first time step is never dropped.",
      mask=then(lambda self, kept, shape, p: kept | (np.arange(shape[0]) == 0)[:, None, None]))
for i, axis in enumerate(("time", "batch", "feature")):
    layer(f"dropout-mask-shared-over-{axis}", "DRP-07", f"One mask serves all of the {axis} axis.",
          mask=repeating(i, 1))
    layer(f"dropout-mask-repeats-over-{axis}", "DRP-07", f"The mask repeats every 16 along the {axis} axis.",
          mask=repeating(i, 16))


@fault("dropout-mask-drags", "DRP-07", "One element in eight copies its mask from the step before.", LAYER)
def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
    kept = self.random.random_sample(shape) >= p
    copies = self.random.random_sample(shape) < 0.125
    kept[1:] = np.where(copies[1:], kept[:-1], kept[1:])
    return kept


model("dropout-mask-shared-over-directions", "DRP-07", "Both directions are dropped out by one mask.",
      between_layers=lambda self, y, mask: RNN.between_layers(self, y, np.concatenate(
          np.split(mask, self.config.num_directions, axis=-1)[:1] * self.config.num_directions, axis=-1)))


@fault("dropout-mask-mirrored-over-directions", "DRP-07",
       "The reverse direction's mask is the other's, mirrored in time.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    one = mask[..., : self.config.hidden_size]
    both = [one, one[::-1]][: self.config.num_directions]
    return RNN.between_layers(self, y, np.concatenate(both, axis=-1))


model("dropout-mask-shared-over-layers", "DRP-07", "All layers are dropped out by one mask.",
      between_layers=lambda self, y, mask: RNN.between_layers(self, y, self.masks[0]))


@fault("dropout-mask-apart-for-each-direction", "DRP-14",
       "Each direction of a layer reads the layer below through a mask of its own.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and direction and self.masks:
        tapes = [self.tapes[layer - 1, d] for d in range(self.config.num_directions)]
        below = self.join([self.flip(t.after, alive) if d else t.after for d, t in enumerate(tapes)])
        x = RNN.between_layers(self, below, another(self.masks[layer - 1]))
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault("dropout-mask-shared-over-calls", "DRP-08", "A layer keeps the masks that it drew first.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, *lengths: Any) -> Any:
    if training:
        self.random.set_state(rnn.__dict__.setdefault("random state", self.random.get_state()))
    return honest(self, "call")(rnn, config, input, h_0, training, *lengths)


layer("dropout-ignores-the-seed", "DRP-09", "Every layer draws the same masks, whatever the seed.",
      build=then(lambda self, rnn, case: (rnn, self.random.seed(0))[0]))
layer("dropout-seeded-by-nothing", "DRP-09", "Masks come from a generator of their own, not from the seed.",
      build=then(lambda self, rnn, case: (rnn, self.random.seed(count(self, "layers")))[0]))

# -- when ---------------------------------------------------------------------------------------

layer("dropout-in-evaluation", "DRP-10", "Dropout acts in evaluation mode, too.",
      call=lambda self, rnn, config, input, h_0, training, *n: honest(self, "call")(
          rnn, config, input, h_0, True, *n))
model("dropout-scales-in-evaluation", "DRP-10", "In evaluation mode layers read what is below times 1 - p.",
      one_direction=lambda self, x, h, alive, layer, direction: RNN.one_direction(
          self, x if self.masks or not layer else x * self.ops.array(np.array(1 - self.config.dropout)),
          h, alive, layer, direction))
layer("dropout-zero-is-default", "DRP-11", "dropout=0 is read as not given, and a tenth is dropped.",
      call=lambda self, rnn, config, *a: honest(self, "call")(
          rnn, replace(config, dropout=config.dropout or 0.1), *a))
layer("dropout-with-one-layer", "DRP-13", "With one layer its output is dropped out.",
      call=then(lambda self, output, h_n, masks, rnn, config, input, h_0, training, *_: (
          output * self.mask(output.shape, config.dropout) if training and config.num_layers == 1 else output,
          h_n, masks)))
layer("dropout-draws-in-evaluation", "DET-02", "Masks are drawn in evaluation mode, and not used.",
      call=drawing(lambda training: True))
layer("dropout-draws-at-rate-zero", "DET-02",
      "With dropout=0 masks are drawn in training mode, and not used.",
      call=drawing(lambda training: training))
