"""What `torch.nn.RNN` computes: a multi-layer Elman RNN, written as its equations.

For every layer, direction and time step (nn.RNN, first formula)

    h_t = act(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh),        act = tanh or relu

where x_t is the input at time t for the first layer, and the (dropped-out) output of the layer below
for the others. The reverse direction runs the same recurrence from each sequence's end to its start.
T is seq_len, N batch, I input_size, H hidden_size, L num_layers, D directions (2 if bidirectional).

One small method a step, so that a *named fault* is this class with one step overridden; written
once over `spec.arithmetic`, so the same lines give the float64, the bounded and the exact answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnn_spec.spec.arithmetic import Arithmetic

Array = Any  # an array of the arithmetic in use: ndarray (float64 or object), or Bounded
Pair = tuple[Array, Array]
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True)
class Config:
    """The constructor arguments of nn.RNN that decide what it computes (nn.RNN, Args)."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False

    @property
    def num_directions(self) -> int:
        """D: 2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, in nn.RNN's order (nn.RNN, Attributes)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            width = self.input_size if layer == 0 else self.num_directions * self.hidden_size
            for direction in range(self.num_directions):
                suffix = parameter_suffix(layer, direction)
                shapes[f"weight_ih{suffix}"] = (self.hidden_size, width)
                shapes[f"weight_hh{suffix}"] = (self.hidden_size, self.hidden_size)
                if self.bias:
                    shapes[f"bias_ih{suffix}"] = shapes[f"bias_hh{suffix}"] = (self.hidden_size,)
        return shapes


def parameter_suffix(layer: int, direction: int) -> str:
    """The end of a parameter's name: ``_l1`` for layer 1 forward, ``_l1_reverse`` for its reverse."""
    return f"_l{layer}" + ("_reverse" if direction else "")


class Weights(NamedTuple):
    """The parameters of one layer and direction: W_ih (H, I or D*H), W_hh (H, H), b_ih, b_hh (H,)."""

    ih: Array
    hh: Array
    b_ih: Array
    b_hh: Array


class Tape(NamedTuple):
    """What one layer and direction saw and said, in its own time order; the adjoint reads it."""

    weights: Weights
    x: Array  # (T, N, I or D*H)
    before: Array  # (T, N, H): h_{t-1}
    after: Array  # (T, N, H): h_t


class RNN:
    """The forward pass. `forward` takes and gives nn.RNN's layouts; every other step is time-major."""

    def __init__(self, config: Config, parameters: Mapping[str, np.ndarray], ops: Arithmetic) -> None:
        """Take the parameters by nn.RNN's names, as real arrays, into the arithmetic `ops`."""
        self.config, self.ops = config, ops
        self.parameters = {name: ops.array(value) for name, value in parameters.items()}
        self.tapes: dict[tuple[int, int], Tape] = {}

    def forward(
        self,
        input: np.ndarray,
        h_0: np.ndarray | None = None,
        lengths: np.ndarray | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> Pair:
        """Return (output, h_n).

        input is (T, N, I), (N, T, I) if batch_first, or (T, I) unbatched; h_0, zeros unless given, is
        (L*D, N, H), or (L*D, H) unbatched. lengths (N,) are the sequences' own; the rest of input is
        padding, and output is 0 there. masks, one (T, N, D*H) array of 0 and 1 for each layer but the
        last, say what training-mode dropout keeps; None: no dropout.
        """
        self.batched, self.masks = input.ndim == 3, masks
        time, batch = (input := self.to_time_major(input)).shape[:2]
        alive = np.arange(time)[:, None] < (np.full(batch, time) if lengths is None else lengths)
        x = self.ops.array(input if lengths is None else np.where(alive[..., None], input, 0.0))
        states = self.initial_state(h_0, batch)
        finals: list[Array] = []
        for layer in range(self.config.num_layers):
            if layer and masks is not None:
                x = self.between_layers(x, masks[layer - 1])
            outputs = []
            for direction in range(self.config.num_directions):
                y, final = self.one_direction(x, states[len(finals)], alive, layer, direction)
                outputs.append(y)
                finals.append(final)
            x = self.join(outputs)
        return self.from_time_major(x), self.final_states(finals)

    def one_direction(self, x: Array, h: Array, alive: np.ndarray, layer: int, direction: int) -> Pair:
        """Run one layer in one direction over all time: outputs (T, N, H) and final state (N, H)."""
        weights = self.weights(layer, direction)
        if direction == 1:
            x = self.flip(x, alive)
        before, after = self.scan(x, h, alive, weights)
        y = self.ops.stack(after)
        self.tapes[layer, direction] = Tape(weights, x, self.ops.stack(before), y)
        y = self.ops.where(alive[..., None], y, 0.0)
        return (self.flip(y, alive) if direction == 1 else y), after[-1]

    def scan(self, x: Array, h: Array, alive: np.ndarray, w: Weights) -> tuple[list[Array], list[Array]]:
        """Carry the state through time; a sequence that has ended keeps its last state."""
        before, after, terms = [], [], self.input_term(x, w)
        for t in range(x.shape[0]):
            before.append(h)
            new = self.cell(terms[t], h, w)
            h = new if alive[t].all() else self.ops.where(alive[t][:, None], new, h)
            after.append(h)
        return before, after

    def input_term(self, x: Array, w: Weights) -> Array:
        """x_t W_ih^T + b_ih, for every t at once."""
        return x @ w.ih.T + w.b_ih

    def cell(self, term: Array, h: Array, w: Weights) -> Array:
        """h_t, from the input's term and h_{t-1}."""
        return self.activation(term + h @ w.hh.T + w.b_hh)

    def activation(self, z: Array) -> Array:
        """The nonlinearity, tanh or relu."""
        return self.ops.tanh(z) if self.config.nonlinearity == "tanh" else self.ops.relu(z)

    def weights(self, layer: int, direction: int) -> Weights:
        """The parameters of one layer and direction; without bias the biases are zero."""
        zeros = self.ops.array(np.zeros(self.config.hidden_size))
        suffix = parameter_suffix(layer, direction)
        return Weights(*(self.parameters.get(f"{kind}{suffix}", zeros) for kind in KINDS))

    def initial_state(self, h_0: np.ndarray | None, batch: int) -> Array:
        """h_0 as (L*D, N, H), entry layer * D + direction; zeros if it is not given."""
        shape = (self.config.num_layers * self.config.num_directions, batch, self.config.hidden_size)
        return self.ops.array(np.zeros(shape) if h_0 is None else h_0.reshape(shape))

    def flip(self, x: Array, alive: np.ndarray) -> Array:
        """Turn each sequence round within its own length; padding stays where it is."""
        time = np.arange(alive.shape[0])[:, None]
        source = np.where(alive, alive.sum(axis=0) - 1 - time, time)
        return x[source, np.arange(alive.shape[1])]

    def join(self, outputs: list[Array]) -> Array:
        """The directions side by side on the feature axis, forward first: (T, N, D*H)."""
        return self.ops.concatenate(outputs, axis=-1)

    def between_layers(self, y: Array, mask: np.ndarray) -> Array:
        """Training-mode dropout: keep where the mask says so, scaled by 1 / (1 - p)."""
        p = self.config.dropout
        return self.ops.where(mask.astype(bool), y if p == 1 else self.ops.scale(y, p), 0.0)

    def final_states(self, finals: list[Array]) -> Array:
        """h_n, (L*D, N, H), entry layer * D + direction; (L*D, H) unbatched."""
        return self.ops.stack(finals) if self.batched else self.ops.stack(finals)[:, 0]

    def to_time_major(self, input: np.ndarray) -> np.ndarray:
        """(T, N, I), whatever the caller's layout; batch_first does not touch unbatched input."""
        if not self.batched:
            return input[:, None]
        return input.swapaxes(0, 1) if self.config.batch_first else input

    def from_time_major(self, y: Array) -> Array:
        """The caller's layout again."""
        swapped = y.swapaxes(0, 1) if self.config.batch_first else y
        return swapped if self.batched else y[:, 0]
