"""Faults of the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import adjoint, is_tanh, then
from rnn_spec.spec.gradient import Adjoint

if TYPE_CHECKING:
    from collections.abc import Callable


class Index:
    """The indices of a delta (T, N, H), to say which of its elements are left out."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Number the elements along each axis."""
        self.t, self.n, self.h = np.ogrid[: shape[0], : shape[1], : shape[2]]
        self.T, self.N, self.H = shape


CHANGES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "doubled": ("is doubled", lambda g: g + g),
    "zero": ("is zero", lambda g: g * 0),
    "negated": ("has the wrong sign", lambda g: g * -1),
}
LOST: dict[str, tuple[str, Callable[[Index], Any]]] = {
    "first-step-lost": ("leaves out the first time step", lambda i: i.t != 0),
    "last-step-lost": ("leaves out the last time step", lambda i: i.t != i.T - 1),
    "first-row-lost": ("leaves out the first batch row", lambda i: i.n != 0),
    "rows-past-16-lost": ("leaves out the batch rows from the 17th on", lambda i: i.n < 16),
    "steps-past-256-lost": ("leaves out the time steps from the 257th on", lambda i: i.t < 256),
    "tail-columns-lost": (
        "leaves out the units past the last multiple of 8",
        lambda i: i.h < (i.H // 8 * 8 or i.H),
    ),
}
PARAMETERS = {
    "w_ih": ("weight_ih",),
    "w_hh": ("weight_hh",),
    "b_ih": ("bias_ih",),
    "b_hh": ("bias_hh",),
    "biases": ("bias_ih", "bias_hh"),  # a layer that has one bias has it wrong in both of torch's
}


def only(adjoint: Adjoint, delta: Any, keep: Callable[[Index], Any]) -> Any:
    """The delta (T, N, H), zero where `keep` does not hold."""
    return adjoint.ops.where(np.broadcast_to(keep(Index(delta.shape)), delta.shape), delta, 0.0)


def shared(adjoint: Adjoint, gradients: dict[str, Any], n: int) -> dict[str, Any]:
    """The gradients divided by n."""
    share = adjoint.ops.array(np.array(1 / max(n, 1)))
    return {kind: g * share for kind, g in gradients.items()}


def layer_of(adjoint: Adjoint, tape: Any) -> int:
    """Which layer a tape is of."""
    return next(layer for (layer, _), other in adjoint.rnn.tapes.items() if other is tape)


def slope_at_zero(adjoint: Adjoint, tape: Any, at_zero: float) -> Any:
    """The slope, with another one where a relu's pre-activation is exactly 0."""
    right, w = Adjoint.slope(adjoint, tape), tape.weights
    if is_tanh(adjoint):
        return right
    z = adjoint.rnn.input_term(tape.x, w) + tape.before @ w.hh.T + w.b_hh
    other = adjoint.ops.array(np.full(z.shape, at_zero))
    return adjoint.ops.where(np.asarray(getattr(z, "value", z)) == 0, other, right)


class Carrying(Adjoint):
    """An adjoint whose carry is lost at every k-th step."""

    def __init__(self, whole: Adjoint, k: int) -> None:
        """Count the steps of one scan."""
        super().__init__(whole.rnn)
        self.k, self.steps = k, 0

    def carry(self, delta: Any, tape: Any) -> Any:
        """The carry, or nothing at every k-th step."""
        self.steps += 1
        return super().carry(delta, tape) * (self.steps % self.k != 0)


class Forgetful(Adjoint):
    """An adjoint that works out every carry, and adds only the first, h_n's, to what comes from output."""

    steps = 0

    def delta(self, g_y: Any, carry: Any, slope: Any) -> Any:
        """The cotangent of z_t, without the carry after the last step."""
        self.steps += 1
        return super().delta(g_y, carry if self.steps == 1 else carry * 0, slope)


# A fault is a row of a table.
# fmt: off

# -- one array at a time --------------------------------------------------------------------------

for how, (words, change) in CHANGES.items():
    for short, kinds in PARAMETERS.items():
        adjoint(f"grad-{short}-{how}", "GRD-03", f"The gradient of {' and of '.join(kinds)} {words}.",
                parameters=then(lambda self, right, *_, change=change, kinds=kinds: {
                    k: change(g) if k in kinds else g for k, g in right.items()}))
    adjoint(f"grad-input-{how}", "GRD-01", f"The gradient of the input {words}.",
            input=then(lambda self, right, *_, change=change: change(right)))
    adjoint(f"grad-h_0-{how}", "GRD-02", f"The gradient of h_0 {words}.",
            scan=then(lambda self, delta, carry, *_, change=change: (delta, change(carry))))
for how, (words, keep) in LOST.items():
    for short, kinds in PARAMETERS.items():
        adjoint(f"grad-{short}-{how}", "GRD-03", f"The gradient of {' and of '.join(kinds)} {words}.",
                parameters=then(lambda self, right, tape, delta, keep=keep, kinds=kinds: right | {
                    k: g for k, g in Adjoint.parameters(self, tape, only(self, delta, keep)).items()
                    if k in kinds}))
    adjoint(f"grad-input-{how}", "GRD-01", f"The gradient of the input {words}.",
            input=lambda self, tape, delta, keep=keep: Adjoint.input(self, tape, only(self, delta, keep)))
adjoint("grad-h_0-one-step-short", "GRD-02", "The gradient of h_0 is that of the first state.",
        scan=then(lambda self, delta, carry, *_: (delta, delta[0])))
adjoint("grad-h_0-of-last-layer-only", "GRD-02", "Only the last layer's h_0 gets a gradient.",
        scan=then(lambda self, delta, carry, tape, *_: (
            delta, carry * (layer_of(self, tape) == self.config.num_layers - 1))))
adjoint("grad-mean-over-batch", "GRD-03", "The gradients of the parameters are means over the batch.",
        parameters=then(lambda self, right, tape, delta: shared(self, right, delta.shape[1])))
adjoint("grad-mean-over-time", "GRD-03", "The gradients of the parameters are means over time.",
        parameters=then(lambda self, right, tape, delta: shared(self, right, delta.shape[0])))
adjoint("grad-w_hh-from-h_t", "GRD-03", "The gradient of W_hh is made with h_t in place of h_{t-1}.",
        parameters=lambda self, tape, delta: Adjoint.parameters(
            self, tape._replace(before=tape.after), delta))
adjoint("grad-w_ih-from-own-output", "GRD-05",
        "Above the first layer the gradient of W_ih is made with the layer's own output "
        "in place of its input.",
        parameters=lambda self, tape, delta: Adjoint.parameters(
            self, tape._replace(x=self.ops.concatenate([tape.after] * self.config.num_directions, axis=-1))
            if layer_of(self, tape) else tape, delta))

# That h_0 is taken as zeros is no fault of its own: h_0 enters the gradient of W_hh in the term of each
# sequence's first step alone, so it is grad-w_hh-first-step-lost.

adjoint("grad-w_hh-transposed", "GRD-03", "The gradient of W_hh is transposed.",
        parameters=then(lambda self, right, *_: right | {"weight_hh": right["weight_hh"].T}))
adjoint("grad-biases-share", "GRD-04", "bias_ih and bias_hh get two and one thirds of their gradients' sum.",
        parameters=then(lambda self, right, *_: {
            k: g * self.ops.array(np.array(1 / 3)) * self.ops.array(np.array(4.0 if k == "bias_ih" else 2.0))
            if "bias" in k else g for k, g in right.items()}))

# -- the carry and the slope ----------------------------------------------------------------------

for k in (1, 8, 64, 256):
    adjoint(f"grad-truncated-after-{k}", "GRD-03", f"Backpropagation starts anew every {k} steps.",
            scan=lambda self, *a, k=k: Adjoint.scan(Carrying(self, k), *a))
adjoint("grad-carry-not-added", "GRD-03", "What comes back from the next step is added to no step's.",
        scan=lambda self, *a: Adjoint.scan(Forgetful(self.rnn), *a))
adjoint("grad-carry-transposed", "GRD-01", "The carry passes through W_hh transposed.",
        carry=lambda self, delta, tape: delta @ tape.weights.hh.T)
adjoint("grad-slope-of-the-other", "GRD-01", "The slope is that of the other nonlinearity.",
        slope=lambda self, tape: (self.ops.relu_slope if is_tanh(self) else self.ops.tanh_slope)(tape.after))
adjoint("grad-slope-at-h", "GRD-01", "The slope of tanh is taken at h_t instead of at z_t.",
        slope=then(lambda self, right, tape:
                   self.ops.tanh_slope(self.ops.tanh(tape.after)) if is_tanh(self) else right))
adjoint("grad-slope-of-previous-state", "GRD-01", "The slope is taken at h_{t-1}.",
        slope=lambda self, tape: Adjoint.slope(self, tape._replace(after=tape.before)))
adjoint("grad-relu-slope-one-at-zero", "GRD-08", "relu has slope 1 at 0.",
        slope=lambda self, tape: slope_at_zero(self, tape, 1.0))
adjoint("grad-relu-slope-half-at-zero", "GRD-08", "relu has slope 1/2 at 0.",
        slope=lambda self, tape: slope_at_zero(self, tape, 0.5))

# -- cotangents, layers and directions --------------------------------------------------------------

adjoint("grad-of-output-only", "GRD-05", "The cotangent of h_n is ignored.",
        backward=lambda self, output, h_n, *a: Adjoint.backward(self, output, h_n * 0, *a))
adjoint("grad-of-h_n-only", "GRD-05", "The cotangent of output is ignored where h_n has one.",
        backward=lambda self, output, h_n, *a: Adjoint.backward(self, output * (not h_n.any()), h_n, *a))
adjoint("grad-clipped", "GRD-05", "Cotangents are clipped to the interval from -1 to 1.",
        backward=lambda self, output, h_n, *a: Adjoint.backward(
            self, output.clip(-1, 1), h_n.clip(-1, 1), *a))
adjoint("grad-one-direction", "GRD-06", "Only the forward direction passes a gradient to what it reads.",
        merge=lambda self, g_x: g_x[0])
adjoint("grad-of-first-direction-for-both", "GRD-06", "Both directions take the forward one's cotangent.",
        split=then(lambda self, parts, _: parts[:1] * len(parts)))
adjoint("grad-stops-at-last-layer", "GRD-06", "Layers below the last get no gradient.",
        input=lambda self, tape, delta: Adjoint.input(self, tape, delta) * (layer_of(self, tape) == 0))
adjoint("grad-through-last-step-only", "GRD-06", "Layers below get a gradient from the last step alone.",
        input=then(lambda self, right, tape, delta: only(self, right, lambda i: i.t == i.T - 1)
                   if layer_of(self, tape) else right))
adjoint("grad-without-mask", "GRD-13", "The backward pass scales, but does not drop.",
        between_layers=lambda self, g_x, mask: self.rnn.between_layers(g_x, np.ones(mask.shape)))
adjoint("grad-without-scale", "GRD-13", "The backward pass drops, but does not scale.",
        between_layers=lambda self, g_x, mask: self.ops.where(mask.astype(bool), g_x, 0.0))
adjoint("grad-with-another-mask", "GRD-13", "The backward pass drops by the masks of the units before.",
        between_layers=lambda self, g_x, mask: self.rnn.between_layers(g_x, np.roll(mask, 1, axis=-1)))
