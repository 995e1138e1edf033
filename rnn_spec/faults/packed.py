"""Faults of packed sequences."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rnn_spec.faults.base import ADJOINT, LAYER, MODULE, fault, honest
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN

# -- which steps are read -----------------------------------------------------------------------


@fault("lengths-ignored", "PCK-03", "Every sequence is read to the end of the padding, as zeros.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    return RNN.scan(self, x, h, np.ones_like(alive), w)


@fault("last-step-dropped", "PCK-01", "The last step of each packed sequence of two or more is not read.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    return with_lengths(self, input, h_0, lengths, masks, lambda n, T: np.maximum(n - 1, 1))


@fault("one-step-too-many", "PCK-03", "A packed sequence ends one step late, where there is padding.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    return with_lengths(self, input, h_0, lengths, masks, lambda n, T: np.minimum(n + 1, T))


@fault("length-of-the-longest", "PCK-01", "Every packed sequence is as the longest.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    return with_lengths(self, input, h_0, lengths, masks, lambda n, T: np.full(len(n), max(n)))


@fault("length-of-row-16", "PCK-01", "Packed sequences past the 16th have the length of the 16th.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    keep = lambda n, T: n[np.minimum(np.arange(len(n)), 15)]  # noqa: E731
    return with_lengths(self, input, h_0, lengths, masks, keep)


@fault("packed-batch-of-one-unpadded", "PCK-01", "The length of a packed sequence that is alone is ignored.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    return with_lengths(self, input, h_0, lengths, masks, lambda n, T: n if len(n) > 1 else np.array([T]))


@fault("sequences-of-one-step-skipped", "PCK-01", "A packed sequence of one step is not run at all.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    return RNN.scan(self, x, h, alive & ((alive.sum(axis=0) > 1) | alive.all()), w)


@fault(
    "last-state-repeated-as-output", "PCK-01", "After a sequence's end output goes on with its last state."
)
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


@fault("h_n-at-the-padded-end", "PCK-03", "h_n is the output at the last step of the longest sequence.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, (y[-1] if direction == 0 else final)


@fault("state-zero-after-the-end", "PCK-03", "The state of a sequence that has ended is zero.")
def scan(self: RNN, x: Any, h: Any, alive: Any, w: Any) -> Any:
    before, after = RNN.scan(self, x, h, alive, w)
    return before, [self.ops.where(live[:, None], a, 0.0) for live, a in zip(alive, after, strict=True)]


@fault("h_n-one-step-early-where-short", "PCK-03", "h_n of a short sequence is the state before its last.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    lengths = alive.sum(axis=0)
    early = self.tapes[layer, direction].before[lengths - 1, np.arange(len(lengths))]
    return y, np.where((lengths < len(alive))[:, None], early, final)


@fault("h_n-in-sorted-order", "PCK-04", "h_n is in the order of decreasing length.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    output, h_n = RNN.forward(self, input, h_0, lengths, masks)
    return output, h_n[:, falling(lengths)]


@fault("h_n-sorted-twice", "PCK-04", "h_n is sorted by length once more, in place of being sorted back.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    output, h_n = RNN.forward(self, input, h_0, lengths, masks)
    order = falling(lengths)
    return output, h_n[:, order][:, order] if lengths is not None else h_n


@fault("h_0-in-sorted-order", "PCK-05", "h_0 is taken to be in the order of decreasing length.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    back = np.argsort(falling(lengths)) if lengths is not None else slice(None)
    return RNN.forward(self, input, None if h_0 is None else h_0[:, back], lengths, masks)


@fault("h_0-sorted-the-other-way", "PCK-05", "h_0 is sorted by the inverse of the order of the lengths.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    back = np.argsort(falling(lengths)) if lengths is not None else slice(None)
    return RNN.forward(self, input, None if h_0 is None else h_0[:, back][:, back], lengths, masks)


@fault("states-in-sorted-order", "PCK-04", "h_0 and h_n are both in the order of decreasing length.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    order = falling(lengths)
    if lengths is not None and h_0 is not None:
        h_0 = h_0[:, np.argsort(order)]
    output, h_n = RNN.forward(self, input, h_0, lengths, masks)
    return output, h_n[:, order]


@fault("ties-exchanged", "PCK-09", "Sequences of one length in an unsorted batch get each other's states.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    output, h_n = RNN.forward(self, input, h_0, lengths, masks)
    if lengths is not None and (np.diff(lengths) > 0).any():
        exchanged = np.empty(len(lengths), int)
        exchanged[falling(lengths)] = np.lexsort((np.arange(len(lengths)), lengths))[::-1]
        h_n = h_n[:, exchanged]
    return output, h_n


@fault("sorted-batch-reversed", "PCK-09", "The states of a batch by decreasing length are read in reverse.")
def forward(self: RNN, input: Any, h_0: Any = None, lengths: Any = None, masks: Any = None) -> Any:
    if lengths is not None and h_0 is not None and (np.diff(lengths) <= 0).all():
        h_0 = h_0[:, ::-1]
    return RNN.forward(self, input, h_0, lengths, masks)


# -- the reverse direction ----------------------------------------------------------------------


@fault("reverse-from-the-padded-end", "PCK-06", "The reverse direction starts at the longest sequence's end.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if direction == 0:
        return RNN.one_direction(self, x, h, alive, layer, direction)
    y, final = RNN.one_direction(self, x, h, np.ones_like(alive), layer, direction)
    return self.ops.where(alive[..., None], y, 0.0), final


@fault("reverse-flips-the-padding-in", "PCK-06", "The reverse direction turns sequences round with padding.")
def flip(self: RNN, x: Any, alive: Any) -> Any:
    return x[::-1]


@fault("reverse-output-flipped-whole", "PCK-06", "The reverse output is turned back over the padded length.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (self.flip(y, alive)[::-1] if direction else y), final


@fault("reverse-without-h_0-where-short", "PCK-06", "In reverse, sequences with padding start from zeros.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if direction == 1:
        h = self.ops.where(alive[-1][:, None], h, 0.0)
    return RNN.one_direction(self, x, h, alive, layer, direction)


# -- gradients ----------------------------------------------------------------------------------


@fault("gradient-of-the-padding", "PCK-07", "Cotangents of the padding reach the gradients.", ADJOINT)
def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
    return Adjoint.scan(self, tape, g_y, carry, np.ones_like(alive))


@fault(
    "h_n-cotangent-lost-where-short", "PCK-11", "The cotangent of a short sequence's h_n is lost.", ADJOINT
)
def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
    return Adjoint.scan(self, tape, g_y, self.ops.where(alive[-1][:, None], carry, 0.0), alive)


@fault("grad-h_0-in-sorted-order", "PCK-11", "The gradient of h_0 is in the order of the lengths.", ADJOINT)
def backward(self: Adjoint, output: Any, h_n: Any, lengths: Any = None, masks: Any = None) -> Any:
    found = Adjoint.backward(self, output, h_n, lengths, masks)
    return found | {"h_0": found["h_0"][:, falling(lengths)]} if lengths is not None else found


@fault("gradients-of-full-steps-only", "PCK-11", "Steps at which a sequence has ended give none.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    full = np.any(np.asarray(getattr(delta, "value", delta)), axis=-1).all(axis=1)
    whole = np.broadcast_to(full[:, None, None], delta.shape)
    return Adjoint.parameters(self, tape, self.ops.where(whole, delta, 0.0))


# -- dropout ------------------------------------------------------------------------------------


@fault("packed-not-dropped", "PCK-12", "Packed steps are never dropped.", LAYER)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    return honest(self, "call")(rnn, config, input, h_0, training and lengths is None, lengths)


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


def changed_output(change: Any) -> Any:
    """A module whose packed output is changed: change(torch.nn.utils.rnn, output) is what it returns."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        output, h_n = honest(self, "forward")(input, hx)
        return (change(utils(output), output) if packed(input) else output), h_n

    return forward


def changed_input(change: Any) -> Any:
    """A module whose packed input and h_0 are changed: change(self, input, h_0) is what it runs on."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        return honest(self, "forward")(*(change(self, input, hx) if packed(input) else (input, hx)))

    return forward


def without_indices(rnn: Any, p: Any) -> Any:
    """Data and batch sizes alone."""
    return rnn.PackedSequence(p.data, p.batch_sizes)


def exchanged_indices(rnn: Any, p: Any) -> Any:
    """Each index field holds the other's."""
    return rnn.PackedSequence(p.data, p.batch_sizes, p.unsorted_indices, p.sorted_indices)


def padded(rnn: Any, p: Any) -> Any:
    """A padded tensor."""
    return rnn.pad_packed_sequence(p)[0]


def read_in_reverse(self: Any, p: Any, hx: Any) -> Any:
    """With batch_first the rows of data are read from the end."""
    return (p._replace(data=p.data.flip(0)), hx) if self.batch_first else (p, hx)


def refused_with_batch_first(self: Any, p: Any, hx: Any) -> Any:
    """With batch_first a packed input is refused."""
    if self.batch_first:
        raise ValueError("batch_first needs a padded input")
    return p, hx


def reversed_without_indices(self: Any, p: Any, hx: Any) -> Any:
    """Without indices h_0 is read in reverse."""
    return p, hx if hx is None or p.sorted_indices is not None else hx.flip(1)


def sorted_anew(self: Any, p: Any, hx: Any) -> Any:
    """The order of the sequences is not the one given, but one made from their lengths."""
    if p.sorted_indices is None:
        return p, hx
    lengths = utils(p).pad_packed_sequence(p)[1]
    order = lengths.sort(descending=True, stable=True).indices.to(p.data.device)
    return utils(p).PackedSequence(p.data, p.batch_sizes, order), hx


def cut_to_fit(self: Any, p: Any, hx: Any) -> Any:
    """Surplus rows of h_0 are cut off."""
    fits = hx is None or hx.dim() != 3
    return p, hx if fits else hx[:, : int(p.batch_sizes[0])]


def broadcast(self: Any, p: Any, hx: Any) -> Any:
    """A single row of h_0 serves all sequences."""
    alone = hx is not None and hx.dim() == 3 and hx.shape[1] == 1
    return p, hx.expand(-1, int(p.batch_sizes[0]), -1) if alone else hx


def rising_sorted(self: Any, p: Any, hx: Any) -> Any:
    """batch_sizes that increase are put in order."""
    return p._replace(batch_sizes=p.batch_sizes.sort(descending=True).values), hx


def surplus_cut(self: Any, p: Any, hx: Any) -> Any:
    """batch_sizes that ask for more rows than there are get those that there are."""
    return p._replace(batch_sizes=p.batch_sizes[p.batch_sizes.cumsum(0) <= len(p.data)]), hx


def rows_clipped(self: Any, p: Any, hx: Any) -> Any:
    """A sequence that the indices name beyond the batch is taken for its last."""
    last = int(p.batch_sizes[0]) - 1
    indices = p.sorted_indices, p.unsorted_indices
    order, back = (i if i is None else i.clamp(0, last) for i in indices)
    return utils(p).PackedSequence(p.data, p.batch_sizes, order, back), hx


def index_error(self: Any, p: Any, hx: Any) -> Any:
    """An h_0 that does not fit is an IndexError."""
    if hx is not None and wrong(self, p, hx):
        raise IndexError(f"expected {self.hidden_size} and {tuple(p.batch_sizes)}, got {tuple(hx.shape)}")
    return p, hx


def no_words(self: Any, p: Any, hx: Any) -> Any:
    """An h_0 that does not fit is refused, and no shape is told."""
    if hx is not None and wrong(self, p, hx):
        raise RuntimeError("h_0 does not fit")
    return p, hx


OUTPUTS = {
    "packed-output-without-indices": ("PCK-02", without_indices),
    "packed-output-indices-exchanged": ("PCK-02", exchanged_indices),
    "packed-output-padded": ("PCK-02", padded),
}
INPUTS = {
    "packed-batch_first-in-reverse": ("PCK-08", read_in_reverse),
    "packed-batch_first-refused": ("PCK-08", refused_with_batch_first),
    "packed-h_0-reversed-without-indices": ("PCK-09", reversed_without_indices),
    "packed-order-made-anew": ("PCK-10", sorted_anew),
    "packed-h_0-cut-to-fit": ("PCK-13", cut_to_fit),
    "packed-h_0-broadcast": ("PCK-13", broadcast),
    "batch_sizes-put-in-order": ("PCK-14", rising_sorted),
    "batch_sizes-cut-to-fit": ("PCK-14", surplus_cut),
    "packed-indices-clipped": ("PCK-15", rows_clipped),
    "packed-h_0-index-error": ("ERR-09", index_error),
    "packed-h_0-refused-without-words": ("ERR-13", no_words),
}
for table, make in ((OUTPUTS, changed_output), (INPUTS, changed_input)):
    for name, (clause, change) in table.items():
        fault(name, clause, str(change.__doc__), MODULE)(make(change))


# -- helpers ------------------------------------------------------------------------------------


def with_lengths(self: RNN, input: Any, h_0: Any, lengths: Any, masks: Any, change: Any) -> Any:
    """The honest forward pass with other lengths: change(lengths, T)."""
    if lengths is not None:
        lengths = change(np.asarray(lengths), input.shape[1 if self.config.batch_first else 0])
    return RNN.forward(self, input, h_0, lengths, masks)


def falling(lengths: Any) -> Any:
    """The order of decreasing length; all rows as they are where there are no lengths."""
    return slice(None) if lengths is None else np.argsort(-np.asarray(lengths), kind="stable")


def utils(p: Any) -> Any:
    """torch.nn.utils.rnn, the module that a PackedSequence is from."""
    return sys.modules[type(p).__module__]


def packed(input: Any) -> bool:
    """Whether the input is a PackedSequence."""
    return type(input).__name__ == "PackedSequence"


def wrong(self: Any, p: Any, hx: Any) -> bool:
    """Whether h_0 does not fit the packed batch."""
    layers = self.num_layers * (2 if self.bidirectional else 1)
    return tuple(hx.shape) != (layers, int(p.batch_sizes[0]), self.hidden_size)
