"""The adjoint of `spec.model`: backpropagation through time, written as its equations.

Given the cotangents of output and h_n (g_y and g_n), for each layer and direction, backwards in
its own time order, with g_h the cotangent of the state,

    g_h    = g_y[t] + carry                      carry starts as g_n
    delta  = g_h * act'(z_t)                     tanh' = 1 - h_t^2,  relu' = [h_t > 0]
    carry  = delta W_hh

    dW_ih = sum_t delta_t^T x_t      dW_hh = sum_t delta_t^T h_{t-1}      dh_0 = the last carry
    db_ih = db_hh = sum_t delta_t    dx_t  = delta_t W_ih

which is the transpose of the linearised recurrence (nn.RNN, first formula; the derivative of
relu at 0 is taken as 0, as torch does). A sequence that has ended passes its carry on unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.spec.model import RNN, Array, Tape, parameter_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence


class Adjoint:
    """The backward pass of one forward pass that `rnn` has just made."""

    def __init__(self, rnn: RNN) -> None:
        """Read the tapes of `rnn`; call after `rnn.forward`."""
        self.rnn, self.ops, self.config = rnn, rnn.ops, rnn.config

    def backward(
        self,
        output: np.ndarray,
        h_n: np.ndarray,
        lengths: np.ndarray | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Array]:
        """Return the gradient of <output, cotangent> + <h_n, cotangent> by every input.

        `output` and `h_n` are cotangents, in the layouts that `RNN.forward` returns. The keys of
        the result are ``input``, ``h_0`` and the parameters' names; layouts are those of the
        things that they are gradients of.
        """
        rnn, D = self.rnn, self.config.num_directions
        g_y = self.ops.array(rnn.to_time_major(output))
        time, batch, _ = g_y.shape
        g_n = self.ops.array(h_n.reshape(self.config.num_layers * D, batch, self.config.hidden_size))
        alive = np.arange(time)[:, None] < (np.full(batch, time) if lengths is None else lengths)
        gradients: dict[str, Array] = {}
        g_h_0: dict[int, Array] = {}
        for layer in reversed(range(self.config.num_layers)):
            g_x = []
            for direction, g in enumerate(self.split(g_y)):
                index = layer * D + direction
                tape = rnn.tapes[layer, direction]
                own = rnn.flip(g, alive) if direction == 1 else g
                delta, g_h_0[index] = self.scan(tape, own, g_n[index], alive)
                suffix = parameter_suffix(layer, direction)
                for kind, value in self.parameters(tape, delta).items():
                    gradients[kind + suffix] = value
                below = self.input(tape, delta)
                g_x.append(rnn.flip(below, alive) if direction == 1 else below)
            g_y = self.merge(g_x)
            if layer and masks is not None:
                g_y = self.between_layers(g_y, masks[layer - 1])
        return {
            "input": rnn.from_time_major(g_y),
            "h_0": rnn.final_states([g_h_0[i] for i in range(len(g_h_0))]),
            **gradients,
        }

    def split(self, g_y: Array) -> list[Array]:
        """The cotangent of each direction's output: the transpose of `RNN.join`."""
        H = self.config.hidden_size
        return [g_y[..., d * H : (d + 1) * H] for d in range(self.config.num_directions)]

    def scan(self, tape: Tape, g_y: Array, carry: Array, alive: np.ndarray) -> tuple[Array, Array]:
        """Carry the cotangent back through time: delta (T, N, H) and the cotangent of h_0 (N, H)."""
        slope = self.slope(tape)
        deltas = []
        for t in reversed(range(g_y.shape[0])):
            delta = self.delta(g_y[t], carry, slope[t])
            if alive[t].all():
                carry = self.carry(delta, tape)
            else:
                live = alive[t][:, None]
                delta = self.ops.where(live, delta, 0.0)
                carry = self.ops.where(live, self.carry(delta, tape), carry)
            deltas.append(delta)
        return self.ops.stack(deltas[::-1]), carry

    def slope(self, tape: Tape) -> Array:
        """act'(z_t), from h_t = act(z_t)."""
        tanh = self.config.nonlinearity == "tanh"
        return self.ops.tanh_slope(tape.after) if tanh else self.ops.relu_slope(tape.after)

    def delta(self, g_y: Array, carry: Array, slope: Array) -> Array:
        """The cotangent of z_t."""
        return (g_y + carry) * slope

    def carry(self, delta: Array, tape: Tape) -> Array:
        """The cotangent of h_{t-1} that passes through W_hh."""
        return delta @ tape.weights.hh

    def parameters(self, tape: Tape, delta: Array) -> dict[str, Array]:
        """The gradients of one layer and direction's parameters: sums over time and batch."""
        rows = delta.shape[0] * delta.shape[1]
        d, x, h = (a.reshape(rows, a.shape[-1]) for a in (delta, tape.x, tape.before))
        gradients = {"weight_ih": d.T @ x, "weight_hh": d.T @ h}
        if self.config.bias:
            gradients["bias_ih"] = gradients["bias_hh"] = d.T @ self.ops.array(np.ones(rows))
        return gradients

    def input(self, tape: Tape, delta: Array) -> Array:
        """The cotangent of x_t."""
        return delta @ tape.weights.ih

    def merge(self, g_x: list[Array]) -> Array:
        """Both directions read the same input, so their cotangents add."""
        return g_x[0] if len(g_x) == 1 else g_x[0] + g_x[1]

    def between_layers(self, g_x: Array, mask: np.ndarray) -> Array:
        """Dropout is linear and acts on each element alone: its own transpose."""
        return self.rnn.between_layers(g_x, mask)
