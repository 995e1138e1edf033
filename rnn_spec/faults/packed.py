"""Faults of packed sequences."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rnn_spec.faults.base import (
    ADJOINT,
    LAYER,
    MODULE,
    adjoint,
    fault,
    honest,
    layer,
    model,
    module,
    then,
)
from rnn_spec.faults.directions import reverse
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN


def with_lengths(change: Any) -> Any:
    """A forward pass with other lengths: change(lengths, T)."""

    def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
        if lengths is not None:
            lengths = change(np.asarray(lengths), input.shape[1 if self.config.batch_first else 0])
        return RNN.forward(self, input, h_0, lengths, masks)

    return forward


def beginning(before: Any, after: Any = lambda h_n, n: h_n) -> Any:
    """A packed pass that begins at before(h_0, lengths), and ends at after(h_n, lengths)."""

    def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
        if lengths is None:
            return RNN.forward(self, input, h_0, lengths, masks)
        output, h_n = RNN.forward(self, input, h_0 if h_0 is None else before(h_0, lengths), lengths, masks)
        return output, after(h_n, lengths)

    return forward


def states(change: Any) -> Any:
    """A packed pass that ends at change(h_n, lengths)."""
    return beginning(lambda h_0, n: h_0, change)


def falling(lengths: Any) -> Any:
    """The order of decreasing length."""
    return np.argsort(-np.asarray(lengths), kind="stable")


def rising(lengths: Any) -> Any:
    """The order that puts back what is in the order of decreasing length."""
    return np.argsort(falling(lengths))


def exchanged(lengths: Any) -> Any:
    """The order in which sequences of one length have changed places."""
    order = np.empty(len(lengths), int)
    order[falling(lengths)] = np.lexsort((np.arange(len(lengths)), lengths))[::-1]
    return order


def output(change: Any) -> Any:
    """A module whose packed output is change(torch.nn.utils.rnn, the right one)."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        output, h_n = honest(self, "forward")(input, hx)
        return (change(utils(output), output) if is_packed(input) else output), h_n

    return forward


def given(change: Any) -> Any:
    """A module that runs on change(self, packed input, h_0)."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        return honest(self, "forward")(*(change(self, input, hx) if is_packed(input) else (input, hx)))

    return forward


def refused(why: Any) -> Any:
    """A module that raises why(self, packed input, h_0), if that is anything."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        if is_packed(input) and (error := why(self, input, hx)):
            raise error
        return honest(self, "forward")(input, hx)

    return forward


def utils(p: Any) -> Any:
    """torch.nn.utils.rnn, the module that a PackedSequence is from."""
    return sys.modules[type(p).__module__]


def is_packed(input: Any) -> bool:
    """Whether the input is a PackedSequence."""
    return type(input).__name__ == "PackedSequence"


def axes(hx: Any) -> int:
    """How many axes h_0 has; 0 where it is no tensor."""
    return int(hx.dim()) if hasattr(hx, "dim") else 0


def misfit(self: Any, p: Any, hx: Any) -> bool:
    """Whether h_0 does not fit the packed batch."""
    layers = self.num_layers * (2 if self.bidirectional else 1)
    return hasattr(hx, "dim") and tuple(hx.shape) != (layers, int(p.batch_sizes[0]), self.hidden_size)


# A fault is a row of a table.
# fmt: off

# -- which steps are read -----------------------------------------------------------------------

model("lengths-ignored", "PCK-03", "Every sequence is read to the end of the padding, as zeros.",
      scan=lambda self, x, h, alive, w: RNN.scan(self, x, h, np.ones_like(alive), w))
model("last-step-dropped", "PCK-01", "The last step of each packed sequence of two or more is not read.",
      forward=with_lengths(lambda n, T: np.maximum(n - 1, 1)))
model("one-step-too-many", "PCK-03", "A packed sequence ends one step late, where there is padding.",
      forward=with_lengths(lambda n, T: np.minimum(n + 1, T)))
model("length-of-the-longest", "PCK-01", "Every packed sequence is as long as the longest.",
      forward=with_lengths(lambda n, T: np.full(len(n), max(n))))
model("length-of-row-16", "PCK-01", "Packed sequences past the 16th have the length of the 16th.",
      forward=with_lengths(lambda n, T: n[np.minimum(np.arange(len(n)), 15)]))
model("packed-batch-of-one-unpadded", "PCK-01", "The length of a packed sequence that is alone is ignored.",
      forward=with_lengths(lambda n, T: n if len(n) > 1 else np.array([T])))
model("sequences-of-one-step-skipped", "PCK-01", "A packed sequence of one step is not run at all.",
      scan=lambda self, x, h, alive, w: RNN.scan(
          self, x, h, alive & ((alive.sum(axis=0) > 1) | alive.all()), w))


@fault("last-state-repeated-as-output", "PCK-01",
       "After a sequence's end output goes on with its last state.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    _, final = RNN.one_direction(self, x, h, alive, layer, direction)
    y = self.tapes[layer, direction].after
    return (self.flip(y, alive) if direction else y), final


@fault("padding-times-zero", "PCK-07", "Padding is read, and multiplied by zero.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    output, h_n = RNN.forward(self, input, h_0, lengths, masks)
    if lengths is None:
        return output, h_n
    x = self.to_time_major(input)
    padding = np.arange(len(x))[:, None] >= lengths
    noise = 0 * np.where(padding[..., None], x, 0).sum(axis=(0, 2))
    return output, h_n + noise[:, None]


# -- states -------------------------------------------------------------------------------------

model("h_n-at-the-padded-end", "PCK-03", "h_n is the output at the last step of the longest sequence.",
      one_direction=then(lambda self, y, final, x, h, alive, layer, direction: (
          y, final if direction else y[-1])))
model("state-zero-after-the-end", "PCK-03", "The state of a sequence that has ended is zero.",
      scan=then(lambda self, before, after, x, h, alive, w: (before, [
          self.ops.where(live[:, None], a, 0.0) for live, a in zip(alive, after, strict=True)])))


@fault("h_n-one-step-early-where-short", "PCK-03", "h_n of a short sequence is the state before its last.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    lengths = alive.sum(axis=0)
    early = self.tapes[layer, direction].before[lengths - 1, np.arange(len(lengths))]
    return y, np.where((lengths < len(alive))[:, None], early, final)


model("h_n-in-sorted-order", "PCK-04", "h_n is in the order of decreasing length.",
      forward=states(lambda h_n, n: h_n[:, falling(n)]))
model("h_n-sorted-twice", "PCK-04", "h_n is sorted by length once more, in place of being sorted back.",
      forward=states(lambda h_n, n: h_n[:, falling(n)][:, falling(n)]))
model("h_0-in-sorted-order", "PCK-05", "h_0 is taken to be in the order of decreasing length.",
      forward=beginning(lambda h_0, n: h_0[:, rising(n)]))
model("h_0-sorted-the-other-way", "PCK-05", "h_0 is sorted by the inverse of the order of the lengths.",
      forward=beginning(lambda h_0, n: h_0[:, rising(n)][:, rising(n)]))
model("states-in-sorted-order", "PCK-04", "h_0 and h_n are both in the order of decreasing length.",
      forward=beginning(lambda h_0, n: h_0[:, rising(n)], lambda h_n, n: h_n[:, falling(n)]))
model("ties-exchanged", "PCK-09", "Sequences of one length in an unsorted batch get each other's states.",
      forward=states(lambda h_n, n: h_n[:, exchanged(n)] if (np.diff(n) > 0).any() else h_n))
model("sorted-batch-reversed", "PCK-09", "The states of a batch by decreasing length are read in reverse.",
      forward=beginning(lambda h_0, n: h_0[:, ::-1] if (np.diff(n) <= 0).all() else h_0))

# -- the reverse direction ----------------------------------------------------------------------

@fault("reverse-from-the-padded-end", "PCK-06", "The reverse direction starts at the longest sequence's end.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if direction == 0:
        return RNN.one_direction(self, x, h, alive, layer, direction)
    y, final = RNN.one_direction(self, x, h, np.ones_like(alive), layer, direction)
    return self.ops.where(alive[..., None], y, 0.0), final


model("reverse-flips-the-padding-in", "PCK-06", "The reverse direction turns sequences round with padding.",
      flip=lambda self, x, alive: x[::-1])
model("reverse-output-flipped-whole", "PCK-06", "The reverse output is turned back over the padded length.",
      one_direction=reverse(lambda self, y, final, alive: (self.flip(y, alive)[::-1], final)))
model("reverse-without-h_0-where-short", "PCK-06", "In reverse, sequences with padding start from zeros.",
      one_direction=lambda self, x, h, alive, layer, direction: RNN.one_direction(
          self, x, self.ops.where(alive[-1][:, None], h, 0.0) if direction else h, alive, layer, direction))

# -- gradients ----------------------------------------------------------------------------------

adjoint("gradient-of-the-padding", "PCK-07", "Cotangents of the padding reach the gradients.",
        scan=lambda self, tape, g_y, carry, alive: Adjoint.scan(self, tape, g_y, carry, np.ones_like(alive)))
adjoint("h_n-cotangent-lost-where-short", "PCK-11", "The cotangent of a short sequence's h_n is lost.",
        scan=lambda self, tape, g_y, carry, alive: Adjoint.scan(
            self, tape, g_y, self.ops.where(alive[-1][:, None], carry, 0.0), alive))
adjoint("grad-h_0-in-sorted-order", "PCK-11", "The gradient of h_0 is in the order of the lengths.",
        backward=then(lambda self, found, output, h_n, n=None, *_:
                      found if n is None else found | {"h_0": found["h_0"][:, falling(n)]}))


@fault("gradients-of-full-steps-only", "PCK-11", "Steps at which a sequence has ended give none.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    full = np.any(np.asarray(getattr(delta, "value", delta)), axis=-1).all(axis=1)
    whole = np.broadcast_to(full[:, None, None], delta.shape)
    return Adjoint.parameters(self, tape, self.ops.where(whole, delta, 0.0))


# -- dropout ------------------------------------------------------------------------------------

layer("packed-not-dropped", "PCK-12", "Packed steps are never dropped.",
      call=lambda self, rnn, config, input, h_0, training, n=None: honest(self, "call")(
          rnn, config, input, h_0, training and n is None, n))


@fault("packed-mask-of-one-step", "PCK-12", "All steps of a packed batch are dropped by one mask.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    if lengths is not None and training and config.dropout > 0:
        time, batch = self.axes(config, input)
        shape = (1, batch, config.num_directions * config.hidden_size)
        masks = [self.mask(shape, config.dropout) for _ in range(config.num_layers - 1)]
        self.drawn = [np.repeat(mask, time, axis=0) for mask in masks]
    try:
        return honest(self, "call")(rnn, config, input, h_0, training, lengths)
    finally:
        self.drawn = None


@fault("packed-h_n-dropped", "PCK-12", "h_n of layer 0 of a packed batch is dropped and scaled.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    output, h_n, masks = honest(self, "call")(rnn, config, input, h_0, training, lengths)
    if masks and lengths is not None:
        mask = masks[0][0][:, : config.hidden_size]
        h_n = np.concatenate([rnn.between_layers(h_n[:1], mask), h_n[1:]])
    return output, h_n, masks


# -- PackedSequence and the module --------------------------------------------------------------

module("packed-output-without-indices", "PCK-02", "Data and batch sizes alone.",
       forward=output(lambda rnn, p: rnn.PackedSequence(p.data, p.batch_sizes)))
module("packed-output-indices-exchanged", "PCK-02", "Each index field holds the other's.",
       forward=output(lambda rnn, p: rnn.PackedSequence(
           p.data, p.batch_sizes, p.unsorted_indices, p.sorted_indices)))
module("packed-output-padded", "PCK-02", "A padded tensor.",
       forward=output(lambda rnn, p: rnn.pad_packed_sequence(p)[0]))
module("packed-batch_first-in-reverse", "PCK-08", "With batch_first the rows of data are read from the end.",
       forward=given(lambda self, p, hx: (
           p._replace(data=p.data.flip(0)) if self.batch_first else p, hx)))
module("packed-batch_first-refused", "PCK-08", "With batch_first a packed input is refused.",
       forward=refused(lambda self, p, hx:
                       self.batch_first and ValueError("batch_first needs a padded input")))
module("packed-h_0-reversed-without-indices", "PCK-09", "Without indices h_0 is read in reverse.",
       forward=given(lambda self, p, hx: (
           p, hx if hx is None or p.sorted_indices is not None else hx.flip(1))))


@fault("packed-order-made-anew", "PCK-10",
       "The order of the sequences is not the one given, but one made from their lengths.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if is_packed(input) and input.sorted_indices is not None:
        lengths = utils(input).pad_packed_sequence(input)[1]
        order = lengths.sort(descending=True, stable=True).indices.to(input.data.device)
        input = utils(input).PackedSequence(input.data, input.batch_sizes, order)
    return honest(self, "forward")(input, hx)


module("packed-h_0-cut-to-fit", "PCK-13", "Surplus rows of h_0 are cut off.",
       forward=given(lambda self, p, hx: (p, hx[:, : int(p.batch_sizes[0])] if axes(hx) == 3 else hx)))
module("packed-h_0-broadcast", "PCK-13", "A single row of h_0 serves all sequences.",
       forward=given(lambda self, p, hx: (
           p, hx.expand(-1, int(p.batch_sizes[0]), -1) if axes(hx) == 3 and hx.shape[1] == 1 else hx)))
module("packed-data-flattened", "ERR-01", "The axes of packed data beyond its first are taken for one.",
       forward=given(lambda self, p, hx: (p._replace(data=p.data.flatten(1)), hx)))
module("packed-data-broadcast", "ERR-02", "A single feature of packed data serves for all.",
       forward=given(lambda self, p, hx: (p._replace(data=p.data.expand(-1, self.input_size))
                                          if p.data.dim() == 2 and p.data.shape[1] == 1 else p, hx)))
module("packed-states-of-an-lstm", "ERR-04", "Of a pair of states for a packed batch the first is taken.",
       forward=given(lambda self, p, hx: (p, hx[0] if isinstance(hx, tuple) else hx)))
module("packed-h_0-converted", "PRC-05", "An h_0 for a packed batch is converted to the dtype of its data.",
       forward=given(lambda self, p, hx: (p, hx.to(p.data.dtype) if axes(hx) else hx)))


@fault("packed-refusal-ends-training", "ERR-14",
       "After a refused call with a packed batch the layer is in evaluation mode.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    try:
        return honest(self, "forward")(input, hx)
    except Exception:
        self.train(self.training and not is_packed(input))
        raise


module("batch_sizes-put-in-order", "PCK-14", "batch_sizes that increase are put in order.",
       forward=given(lambda self, p, hx: (
           p._replace(batch_sizes=p.batch_sizes.sort(descending=True).values), hx)))
module("batch_sizes-cut-to-fit", "PCK-14",
       "batch_sizes that ask for more rows than there are get those that there are.",
       forward=given(lambda self, p, hx: (
           p._replace(batch_sizes=p.batch_sizes[p.batch_sizes.cumsum(0) <= len(p.data)]), hx)))
module("packed-indices-clipped", "PCK-15",
       "A sequence that the indices name beyond the batch is taken for its last.",
       forward=given(lambda self, p, hx: (utils(p).PackedSequence(p.data, p.batch_sizes, *(
           i if i is None else i.clamp(0, int(p.batch_sizes[0]) - 1)
           for i in (p.sorted_indices, p.unsorted_indices))), hx)))
module("packed-h_0-index-error", "ERR-09", "An h_0 that does not fit is an IndexError.",
       forward=refused(lambda self, p, hx: misfit(self, p, hx) and IndexError(
           f"expected {self.hidden_size} and {tuple(p.batch_sizes)}, got {tuple(hx.shape)}")))
module("packed-h_0-refused-without-words", "ERR-13",
       "An h_0 that does not fit is refused, and no shape is told.",
       forward=refused(lambda self, p, hx: misfit(self, p, hx) and RuntimeError("h_0 does not fit")))

# -- helpers ------------------------------------------------------------------------------------
