"""Faults of dropout."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import LAYER, fault, honest
from rnn_spec.spec.model import RNN

if TYPE_CHECKING:
    from collections.abc import Callable

# -- the scale ----------------------------------------------------------------------------------


def scaled(factor: Callable[[float], float]) -> Callable[..., Any]:
    """Dropout whose kept elements are scaled by this function of p."""

    def between_layers(self: RNN, y: Any, mask: Any) -> Any:
        p = self.config.dropout
        return self.ops.where(mask.astype(bool), y * self.ops.array(np.array(factor(p))), 0.0)

    return between_layers


for name, sentence, factor in (
    ("dropout-not-scaled", "What dropout keeps is not scaled.", lambda p: 1.0),
    ("dropout-scaled-by-keep", "What dropout keeps is scaled by 1 - p.", lambda p: 1 - p),
    ("dropout-scaled-by-rate", "What dropout keeps is scaled by 1 / p.", lambda p: 1 / p),
):
    fault(name, "DRP-05", sentence)(scaled(factor))


@fault("dropout-scale-is-2", "DRP-05", "What dropout keeps is doubled, whatever p is.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    return self.ops.where(mask.astype(bool), y + y, 0.0)


@fault("dropout-at-rate-one-divides-by-zero", "DRP-12", "With p = 1 what is dropped is 0 times infinity.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    if self.config.dropout < 1:
        return RNN.between_layers(self, y, mask)
    return self.ops.where(np.zeros(mask.shape, bool), y, np.nan)


@fault("dropout-at-rate-one-is-off", "DRP-12", "With p = 1 nothing is dropped.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    return RNN.between_layers(self, y, mask) if self.config.dropout < 1 else y


# -- the place ----------------------------------------------------------------------------------


@fault("dropout-on-layer-0-only", "DRP-01", "Only the output of layer 0 is dropped out.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    return RNN.between_layers(self, y, mask) if mask is self.masks[0] else y


@fault("dropout-below-the-last-layer-only", "DRP-01", "Only what the last layer reads is dropped out.")
def between_layers(self: Any, y: Any, mask: Any) -> Any:
    return RNN.between_layers(self, y, mask) if mask is self.masks[-1] else y


@fault("dropout-inactive", "DRP-01", "Dropout does nothing in training mode.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    return honest(self, "call")(rnn, config, input, h_0, config.dropout == 1 and training, lengths)


@fault("dropout-on-the-input", "DRP-02", "The input of layer 0 is dropped out, too.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    dropped = input * self.mask(input.shape, config.dropout) if training and config.dropout else input
    return honest(self, "call")(rnn, config, dropped, h_0, training, lengths)


@fault("dropout-on-the-output", "DRP-02", "The output of the last layer is dropped out, too.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    return (output * self.mask(output.shape, config.dropout) if masks else output), h_n, masks


@fault("dropout-on-the-recurrence", "DRP-03", "The state is dropped out on its way to the next step.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    if not self.masks:
        return RNN.cell(self, term, h, w)
    kept = RNN.between_layers(self, h, self.masks[0][0, :, : self.config.hidden_size])
    return RNN.cell(self, term, kept, w)


@fault("dropout-on-h_0", "DRP-03", "The given h_0 is dropped out in training mode.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    h = RNN.initial_state(self, h_0, batch)
    return RNN.between_layers(self, h, self.masks[0][:1, :, : self.config.hidden_size]) if self.masks else h


@fault("dropout-on-h_n", "DRP-04", "h_n of the layers that are dropped out is dropped out, too.")
def final_states(self: RNN, finals: Any) -> Any:
    H, D = self.config.hidden_size, self.config.num_directions
    last = len(finals) - D
    for i in range(last if self.masks else 0):
        step, columns = (0 if i % D else -1), slice(i % D * H, (i % D + 1) * H)
        finals[i] = RNN.between_layers(self, finals[i], self.masks[i // D][step][:, columns])
    return RNN.final_states(self, finals)


@fault("dropout-scale-in-h_n", "DRP-04", "h_n of the layers that are dropped out is scaled as they are.")
def final_states(self: RNN, finals: Any) -> Any:
    last = len(finals) - self.config.num_directions
    for i in range(last if self.masks else 0):
        finals[i] = RNN.between_layers(self, finals[i], np.ones(finals[i].shape))
    return RNN.final_states(self, finals)


# -- the masks ----------------------------------------------------------------------------------


def keeping(rate: Callable[[float], float]) -> Callable[..., Any]:
    """Masks that drop at this function of p."""

    def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
        return self.random.random_sample(shape) >= (rate(p) if p < 1 else p)

    return mask


for name, sentence, rate in (
    ("dropout-rate-is-keep-rate", "An element is dropped with probability 1 - p.", lambda p: 1 - p),
    ("dropout-rate-too-high", "An element is dropped with probability p + 0.02.", lambda p: p + 0.02),
    ("dropout-rate-too-low", "An element is dropped with probability p - 0.02.", lambda p: p - 0.02),
    ("dropout-rate-is-half", "An element is dropped with probability 1/2, whatever p is.", lambda p: 0.5),
):
    fault(name, "DRP-06", sentence, LAYER)(keeping(rate))


@fault("dropout-spares-the-last-feature", "DRP-06", "The last feature is never dropped.", LAYER)
def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
    return (self.random.random_sample(shape) >= p) | (np.arange(shape[-1]) == shape[-1] - 1)


@fault("dropout-spares-the-first-step", "DRP-06", "The first time step is never dropped.", LAYER)
def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
    return (self.random.random_sample(shape) >= p) | (np.arange(shape[0]) == 0)[:, None, None]


def sharing(axis: int, period: int | None) -> Callable[..., Any]:
    """Masks that repeat along the axis, every `period` elements; None: one mask for all of it."""

    def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
        drawn = list(shape)
        drawn[axis] = min(period or 1, shape[axis])
        kept = self.random.random_sample(drawn) >= p
        return kept.take(np.arange(shape[axis]) % drawn[axis], axis)

    return mask


for number, axis in enumerate(("time", "batch", "feature")):
    fault(f"dropout-mask-shared-over-{axis}", "DRP-07", f"One mask serves all of the {axis} axis.", LAYER)(
        sharing(number, None)
    )
    fault(
        f"dropout-mask-repeats-over-{axis}",
        "DRP-07",
        f"The mask repeats every 16 along the {axis} axis.",
        LAYER,
    )(sharing(number, 16))


@fault("dropout-mask-drags", "DRP-07", "One element in eight copies its mask from the step before.", LAYER)
def mask(self: Any, shape: tuple[int, ...], p: float) -> Any:
    kept = self.random.random_sample(shape) >= p
    copies = self.random.random_sample(shape) < 0.125
    kept[1:] = np.where(copies[1:], kept[:-1], kept[1:])
    return kept


@fault("dropout-mask-shared-over-directions", "DRP-07", "Both directions are dropped out by one mask.")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    one = mask[..., : self.config.hidden_size]
    return RNN.between_layers(self, y, np.concatenate([one] * self.config.num_directions, axis=-1))


@fault(
    "dropout-mask-mirrored-over-directions",
    "DRP-07",
    "The reverse direction's mask is the other's, mirrored in time.",
)
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    one = mask[..., : self.config.hidden_size]
    both = [one, one[::-1]][: self.config.num_directions]
    return RNN.between_layers(self, y, np.concatenate(both, axis=-1))


@fault("dropout-mask-shared-over-layers", "DRP-07", "All layers are dropped out by one mask.")
def between_layers(self: Any, y: Any, mask: Any) -> Any:
    return RNN.between_layers(self, y, self.masks[0])


@fault(
    "dropout-mask-apart-for-each-direction",
    "DRP-14",
    "Each direction of a layer reads the layer below through a mask of its own.",
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and direction and self.masks:
        tapes = [self.tapes[layer - 1, d] for d in range(self.config.num_directions)]
        below = self.join([self.flip(t.after, alive) if d else t.after for d, t in enumerate(tapes)])
        x = RNN.between_layers(self, below, another(self.masks[layer - 1]))
    return RNN.one_direction(self, x, h, alive, layer, direction)


def another(mask: np.ndarray) -> np.ndarray:
    """A mask that keeps as many elements as `mask`, and is told by it, but has nothing else in common."""
    seed = zlib.crc32(np.packbits(mask.astype(bool)).tobytes())
    return np.random.RandomState(seed).permutation(mask.ravel()).reshape(mask.shape)


@fault("dropout-mask-shared-over-calls", "DRP-08", "A layer keeps the masks that it drew first.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if training:
        self.random.set_state(rnn.__dict__.setdefault("random state", self.random.get_state()))
    return honest(self, "call")(rnn, config, input, h_0, training, lengths)


@fault("dropout-ignores-the-seed", "DRP-09", "Every layer draws the same masks, whatever the seed.", LAYER)
def build(self: Any, case: Any) -> Any:
    self.random.seed(0)
    return honest(self, "build")(case)


@fault(
    "dropout-seeded-by-nothing",
    "DRP-09",
    "Masks come from a generator of their own, not from the seed.",
    LAYER,
)
def build(self: Any, case: Any) -> Any:
    self.__dict__["layers"] = self.__dict__.get("layers", 0) + 1
    self.random.seed(self.__dict__["layers"])
    return honest(self, "build")(case)


# -- when ---------------------------------------------------------------------------------------


@fault("dropout-in-evaluation", "DRP-10", "Dropout acts in evaluation mode, too.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    return honest(self, "call")(rnn, config, input, h_0, True, lengths)


@fault("dropout-scales-in-evaluation", "DRP-10", "In evaluation mode layers read what is below times 1 - p.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and self.masks is None:
        x = x * self.ops.array(np.array(1 - self.config.dropout))
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault("dropout-zero-is-default", "DRP-11", "dropout=0 is read as not given, and a tenth is dropped.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    return honest(self, "call")(
        rnn, replace(config, dropout=config.dropout or 0.1), input, h_0, training, lengths
    )


@fault("dropout-with-one-layer", "DRP-13", "With one layer its output is dropped out.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    if training and config.num_layers == 1:
        output = output * self.mask(output.shape, config.dropout)
    return output, h_n, masks


@fault("dropout-draws-in-evaluation", "DET-02", "Masks are drawn in evaluation mode, and not used.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    self.mask((1,), config.dropout)
    return honest(self, "call")(rnn, config, input, h_0, training, lengths)


@fault(
    "dropout-draws-at-rate-zero",
    "DET-02",
    "With dropout=0 masks are drawn in training mode, and not used.",
    LAYER,
)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if training:
        self.mask((1,), config.dropout)
    return honest(self, "call")(rnn, config, input, h_0, training, lengths)
