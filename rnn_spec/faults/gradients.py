"""Faults of the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import ADJOINT, fault
from rnn_spec.spec.gradient import Adjoint

if TYPE_CHECKING:
    from collections.abc import Callable

# -- one array at a time --------------------------------------------------------------------------

CHANGES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "doubled": ("is doubled", lambda g: g + g),
    "zero": ("is zero", lambda g: g * 0),
    "negated": ("has the wrong sign", lambda g: g * -1),
}
LOST: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "first-step-lost": ("leaves out the first time step", lambda index: index.t != 0),
    "last-step-lost": ("leaves out the last time step", lambda index: index.t != index.T - 1),
    "first-row-lost": ("leaves out the first batch row", lambda index: index.n != 0),
    "rows-past-16-lost": ("leaves out the batch rows from the 17th on", lambda index: index.n < 16),
    "steps-past-256-lost": ("leaves out the time steps from the 257th on", lambda index: index.t < 256),
    "tail-columns-lost": (
        "leaves out the units past the last multiple of 8",
        lambda index: index.h < (index.H // 8 * 8 or index.H),
    ),
}
PARAMETERS = {
    "w_ih": ("weight_ih",),
    "w_hh": ("weight_hh",),
    "b_ih": ("bias_ih",),
    "b_hh": ("bias_hh",),
    "biases": ("bias_ih", "bias_hh"),  # a layer that has one bias has it wrong in both of torch's
}


class Index:
    """The indices of a delta (T, N, H), to say which of its elements are left out."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Number the elements along each axis."""
        self.t, self.n, self.h = np.ogrid[: shape[0], : shape[1], : shape[2]]
        self.T, self.N, self.H = shape

    def only(self, adjoint: Adjoint, delta: Any, keep: Callable[[Any], Any]) -> Any:
        """The delta, zero where `keep` does not hold."""
        return adjoint.ops.where(np.broadcast_to(keep(self), delta.shape), delta, 0.0)


def changed_parameter(kinds: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """The gradients of some kinds of parameters changed."""

    def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
        right = Adjoint.parameters(self, tape, delta)
        return {k: change(g) if k in kinds else g for k, g in right.items()}

    return parameters


def lost_parameter(kinds: tuple[str, ...], keep: Callable[[Any], Any]) -> Any:
    """The gradients of some kinds of parameters from some of the deltas only."""

    def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
        lost = Adjoint.parameters(self, tape, Index(delta.shape).only(self, delta, keep))
        right = Adjoint.parameters(self, tape, delta)
        return {k: lost[k] if k in kinds else g for k, g in right.items()}

    return parameters


def changed_input(change: Callable[[Any], Any]) -> Any:
    """The gradient of a layer's input changed."""

    def input(self: Adjoint, tape: Any, delta: Any) -> Any:
        return change(Adjoint.input(self, tape, delta))

    return input


def lost_input(keep: Callable[[Any], Any]) -> Any:
    """The gradient of a layer's input from some of the deltas only."""

    def input(self: Adjoint, tape: Any, delta: Any) -> Any:
        return Adjoint.input(self, tape, Index(delta.shape).only(self, delta, keep))

    return input


def changed_h_0(change: Callable[[Any], Any]) -> Any:
    """The gradient of h_0 changed."""

    def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
        delta, carry = Adjoint.scan(self, tape, g_y, carry, alive)
        return delta, change(carry)

    return scan


for how, (words, change) in CHANGES.items():
    for short, kinds in PARAMETERS.items():
        fault(f"grad-{short}-{how}", "GRD-03", f"The gradient of {' and of '.join(kinds)} {words}.", ADJOINT)(
            changed_parameter(kinds, change)
        )
    fault(f"grad-input-{how}", "GRD-01", f"The gradient of the input {words}.", ADJOINT)(
        changed_input(change)
    )
    fault(f"grad-h_0-{how}", "GRD-02", f"The gradient of h_0 {words}.", ADJOINT)(changed_h_0(change))
for how, (words, keep) in LOST.items():
    for short, kinds in PARAMETERS.items():
        fault(f"grad-{short}-{how}", "GRD-03", f"The gradient of {' and of '.join(kinds)} {words}.", ADJOINT)(
            lost_parameter(kinds, keep)
        )
    fault(f"grad-input-{how}", "GRD-01", f"The gradient of the input {words}.", ADJOINT)(lost_input(keep))


@fault("grad-h_0-one-step-short", "GRD-02", "The gradient of h_0 is that of the first state.", ADJOINT)
def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
    delta, _ = Adjoint.scan(self, tape, g_y, carry, alive)
    return delta, delta[0]


@fault("grad-h_0-of-last-layer-only", "GRD-02", "Only the last layer's h_0 gets a gradient.", ADJOINT)
def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
    delta, carry = Adjoint.scan(self, tape, g_y, carry, alive)
    return delta, (carry if layer_of(self, tape) == self.config.num_layers - 1 else carry * 0)


@fault("grad-mean-over-batch", "GRD-03", "The gradients of the parameters are means over the batch.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    share = self.ops.array(np.array(1 / max(delta.shape[1], 1)))
    return {kind: g * share for kind, g in Adjoint.parameters(self, tape, delta).items()}


@fault("grad-mean-over-time", "GRD-03", "The gradients of the parameters are means over time.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    share = self.ops.array(np.array(1 / max(delta.shape[0], 1)))
    return {kind: g * share for kind, g in Adjoint.parameters(self, tape, delta).items()}


@fault("grad-w_hh-from-h_t", "GRD-03", "The gradient of W_hh is made with h_t in place of h_{t-1}.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    return Adjoint.parameters(self, tape._replace(before=tape.after), delta)


@fault(
    "grad-w_ih-from-own-output",
    "GRD-05",
    "Above the first layer the gradient of W_ih is made with the layer's own output in place of its input.",
    ADJOINT,
)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    own = self.ops.concatenate([tape.after] * self.config.num_directions, axis=-1)
    return Adjoint.parameters(self, tape._replace(x=own) if layer_of(self, tape) else tape, delta)


# That h_0 is taken as zeros is no fault of its own: h_0 enters the gradient of W_hh in the term of each
# sequence's first step alone, so it is grad-w_hh-first-step-lost.


@fault("grad-w_hh-transposed", "GRD-03", "The gradient of W_hh is transposed.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    right = Adjoint.parameters(self, tape, delta)
    return right | {"weight_hh": right["weight_hh"].T}


@fault(
    "grad-biases-share",
    "GRD-04",
    "bias_ih and bias_hh get two and one thirds of their gradients' sum.",
    ADJOINT,
)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    right = Adjoint.parameters(self, tape, delta)
    if "bias_ih" not in right:
        return right
    third = self.ops.array(np.array(1 / 3))
    return right | {"bias_ih": right["bias_ih"] * third * self.ops.array(np.array(4.0)),
                    "bias_hh": right["bias_hh"] * third * self.ops.array(np.array(2.0))}  # fmt: skip


# -- the carry and the slope ----------------------------------------------------------------------


def truncated(k: int) -> Any:
    """Backpropagation that goes back k steps at most."""

    def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
        cut = Carrying(self, k)
        return Adjoint.scan(cut, tape, g_y, carry, alive)

    return scan


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


for k in (1, 8, 64, 256):
    fault(f"grad-truncated-after-{k}", "GRD-03", f"Backpropagation starts anew every {k} steps.", ADJOINT)(
        truncated(k)
    )


class Forgetful(Adjoint):
    """An adjoint that works out every carry, and adds only the first, h_n's, to what comes from output."""

    steps = 0

    def delta(self, g_y: Any, carry: Any, slope: Any) -> Any:
        """The cotangent of z_t, without the carry after the last step."""
        self.steps += 1
        return super().delta(g_y, carry if self.steps == 1 else carry * 0, slope)


@fault("grad-carry-not-added", "GRD-03", "What comes back from the next step is added to no step's.", ADJOINT)
def scan(self: Adjoint, tape: Any, g_y: Any, carry: Any, alive: Any) -> Any:
    return Adjoint.scan(Forgetful(self.rnn), tape, g_y, carry, alive)


@fault("grad-carry-transposed", "GRD-01", "The carry passes through W_hh transposed.", ADJOINT)
def carry(self: Adjoint, delta: Any, tape: Any) -> Any:
    return delta @ tape.weights.hh.T


@fault("grad-slope-of-the-other", "GRD-01", "The slope is that of the other nonlinearity.", ADJOINT)
def slope(self: Adjoint, tape: Any) -> Any:
    tanh = self.config.nonlinearity == "tanh"
    return self.ops.relu_slope(tape.after) if tanh else self.ops.tanh_slope(tape.after)


@fault("grad-slope-at-h", "GRD-01", "The slope of tanh is taken at h_t instead of at z_t.", ADJOINT)
def slope(self: Adjoint, tape: Any) -> Any:
    if self.config.nonlinearity == "relu":
        return Adjoint.slope(self, tape)
    return self.ops.tanh_slope(self.ops.tanh(tape.after))


@fault("grad-slope-of-previous-state", "GRD-01", "The slope is taken at h_{t-1}.", ADJOINT)
def slope(self: Adjoint, tape: Any) -> Any:
    return Adjoint.slope(self, tape._replace(after=tape.before))


@fault("grad-relu-slope-one-at-zero", "GRD-08", "relu has slope 1 at 0.", ADJOINT)
def slope(self: Adjoint, tape: Any) -> Any:
    return slope_at_zero(self, tape, 1.0)


@fault("grad-relu-slope-half-at-zero", "GRD-08", "relu has slope 1/2 at 0.", ADJOINT)
def slope(self: Adjoint, tape: Any) -> Any:
    return slope_at_zero(self, tape, 0.5)


def slope_at_zero(adjoint: Adjoint, tape: Any, at_zero: float) -> Any:
    """The slope, with another one where a relu's pre-activation is exactly 0."""
    right, w = Adjoint.slope(adjoint, tape), tape.weights
    if adjoint.config.nonlinearity == "tanh":
        return right
    z = adjoint.rnn.input_term(tape.x, w) + tape.before @ w.hh.T + w.b_hh
    other = adjoint.ops.array(np.full(z.shape, at_zero))
    return adjoint.ops.where(np.asarray(getattr(z, "value", z)) == 0, other, right)


# -- cotangents, layers and directions --------------------------------------------------------------


@fault("grad-of-output-only", "GRD-05", "The cotangent of h_n is ignored.", ADJOINT)
def backward(self: Adjoint, output: Any, h_n: Any, lengths: Any = None, masks: Any = None) -> Any:
    return Adjoint.backward(self, output, h_n * 0, lengths, masks)


@fault("grad-of-h_n-only", "GRD-05", "The cotangent of output is ignored where h_n has one.", ADJOINT)
def backward(self: Adjoint, output: Any, h_n: Any, lengths: Any = None, masks: Any = None) -> Any:
    return Adjoint.backward(self, output * (not h_n.any()), h_n, lengths, masks)


@fault("grad-clipped", "GRD-05", "Cotangents are clipped to the interval from -1 to 1.", ADJOINT)
def backward(self: Adjoint, output: Any, h_n: Any, lengths: Any = None, masks: Any = None) -> Any:
    return Adjoint.backward(self, output.clip(-1, 1), h_n.clip(-1, 1), lengths, masks)


@fault(
    "grad-one-direction", "GRD-06", "Only the forward direction passes a gradient to what it reads.", ADJOINT
)
def merge(self: Adjoint, g_x: Any) -> Any:
    return g_x[0]


@fault(
    "grad-of-first-direction-for-both", "GRD-06", "Both directions take the forward one's cotangent.", ADJOINT
)
def split(self: Adjoint, g_y: Any) -> Any:
    return [part for part in Adjoint.split(self, g_y)[:1] for _ in range(self.config.num_directions)]


@fault("grad-stops-at-last-layer", "GRD-06", "Layers below the last get no gradient.", ADJOINT)
def input(self: Adjoint, tape: Any, delta: Any) -> Any:
    return Adjoint.input(self, tape, delta) * (layer_of(self, tape) == 0)


@fault(
    "grad-through-last-step-only", "GRD-06", "Layers below get a gradient from the last step alone.", ADJOINT
)
def input(self: Adjoint, tape: Any, delta: Any) -> Any:
    right = Adjoint.input(self, tape, delta)
    last = np.arange(len(right))[:, None, None] == len(right) - 1
    return (
        right if layer_of(self, tape) == 0 else self.ops.where(np.broadcast_to(last, right.shape), right, 0.0)
    )


@fault("grad-without-mask", "GRD-13", "The backward pass scales, but does not drop.", ADJOINT)
def between_layers(self: Adjoint, g_x: Any, mask: Any) -> Any:
    return self.rnn.between_layers(g_x, np.ones(mask.shape))


@fault("grad-without-scale", "GRD-13", "The backward pass drops, but does not scale.", ADJOINT)
def between_layers(self: Adjoint, g_x: Any, mask: Any) -> Any:
    return self.ops.where(mask.astype(bool), g_x, 0.0)


@fault(
    "grad-with-another-mask", "GRD-13", "The backward pass drops by the masks of the units before.", ADJOINT
)
def between_layers(self: Adjoint, g_x: Any, mask: Any) -> Any:
    return self.rnn.between_layers(g_x, np.roll(mask, 1, axis=-1))


def layer_of(adjoint: Adjoint, tape: Any) -> int:
    """Which layer a tape is of."""
    return next(layer for (layer, _), other in adjoint.rnn.tapes.items() if other is tape)
