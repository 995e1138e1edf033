"""Faults of directions, of layers, and of the order of states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_spec.faults.base import fault
from rnn_spec.spec.model import RNN, Weights

# -- directions ---------------------------------------------------------------------------------


@fault("reverse-reads-forward", "DIR-01", "The reverse direction reads the sequence from its first step on.")
def flip(self: RNN, x: Any, alive: Any) -> Any:
    return x


@fault(
    "reverse-misses-last-step", "DIR-01", "The reverse direction reads zeros in the place of the last step."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    seen = np.arange(len(x)) < max(len(x) - 1, 1)
    return RNN.one_direction(self, x * seen[:, None, None] if direction else x, h, alive, layer, direction)


@fault("directions-joined-in-reverse", "DIR-02", "The reverse features come first in output.")
def join(self: RNN, outputs: Any) -> Any:
    return RNN.join(self, outputs[::-1])


@fault("directions-interleaved", "DIR-10", "The features of the two directions alternate in output.")
def join(self: RNN, outputs: Any) -> Any:
    y = np.stack(outputs, axis=-1)
    return y.reshape(*y.shape[:2], -1)


@fault("directions-summed", "DIR-02", "Both halves of output hold the sum of the directions.")
def join(self: RNN, outputs: Any) -> Any:
    return RNN.join(self, [sum(outputs[1:], outputs[0]) for _ in outputs])


@fault("reverse-output-not-flipped", "DIR-03", "The reverse output stays in the order of reading.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (self.flip(y, alive) if direction else y), final


@fault(
    "reverse-output-rotated", "DIR-03", "The reverse output is one step early, its first step coming last."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (np.roll(y, -1, axis=0) if direction else y), final


@fault(
    "reverse-final-at-last-step", "DIR-04", "The reverse slice of h_n is the reverse output at the last step."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, (y[-1] if direction else final)


@fault("reverse-final-recomputed", "DIR-05", "The reverse slice of h_n is off by its last bit or two.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, (final * (1 + 4 * np.finfo(final.dtype).eps) if direction else final)


@fault(
    "reverse-continues-forward", "DIR-06", "The reverse direction starts from the forward one's final state."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    start = self.tapes[layer, 0].after[-1] if direction else h
    return RNN.one_direction(self, x, start, alive, layer, direction)


@fault(
    "reverse-uses-forward-weights", "DIR-08", "The reverse direction uses the forward direction's parameters."
)
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return RNN.weights(self, layer, 0)


@fault("reverse-uses-forward-w_hh", "DIR-07", "The reverse direction uses the forward direction's W_hh.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return RNN.weights(self, layer, direction)._replace(hh=RNN.weights(self, layer, 0).hh)


@fault("reverse-uses-forward-biases", "DIR-08", "The reverse direction uses the forward direction's biases.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    forward = RNN.weights(self, layer, 0)
    return RNN.weights(self, layer, direction)._replace(b_ih=forward.b_ih, b_hh=forward.b_hh)


@fault("directions-exchange-weights", "DIR-06", "The directions use each other's parameters.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return RNN.weights(self, layer, self.config.num_directions - 1 - direction)


@fault("upper-layers-read-forward-only", "DIR-09", "Layers above the first read the forward features only.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and self.config.bidirectional:
        x = x * (np.arange(x.shape[-1]) < self.config.hidden_size)
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault(
    "upper-layers-read-halves-exchanged", "DIR-09", "Layers above the first read the reverse features first."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and self.config.bidirectional:
        x = np.roll(x, self.config.hidden_size, axis=-1)
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault(
    "upper-layers-read-own-direction",
    "DIR-09",
    "Each direction above the first reads its own features twice.",
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and self.config.bidirectional:
        H = self.config.hidden_size
        x = np.concatenate([x[..., direction * H :][..., :H]] * 2, axis=-1)
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault(
    "no-reverse-above-first-layer",
    "DIR-09",
    "Above the first layer the reverse half repeats the forward one.",
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    found = RNN.one_direction(self, x, h, alive, layer, direction)
    if layer and direction:
        tape = self.tapes[layer, 0]
        return tape.after, tape.after[-1]
    return found


# -- layers -------------------------------------------------------------------------------------


@fault("layers-read-one-step-late", "STK-01", "A layer above the first reads the step before from below.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    x = np.concatenate([x[:1] * 0, x[:-1]]) if layer else x
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault("input-read-by-all-layers", "STK-01", "Layers above the first read the input, where its width fits.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and self.tapes[0, 0].x.shape == x.shape:
        x = self.tapes[0, 0].x
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault("layers-residual", "STK-01", "A layer above the first adds its input to its output, where widths fit.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (y + x if layer and x.shape == y.shape else y), final


@fault("layers-share-weights", "STK-02", "Layers above the first all use layer 1's parameters.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return RNN.weights(self, min(layer, 1), direction)


@fault("layers-share-w_hh", "STK-02", "All layers use layer 0's W_hh.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    return RNN.weights(self, layer, direction)._replace(hh=RNN.weights(self, 0, direction).hh)


@fault("layers-share-biases", "STK-02", "All layers use layer 0's biases.")
def weights(self: RNN, layer: int, direction: int) -> Weights:
    first = RNN.weights(self, 0, direction)
    return RNN.weights(self, layer, direction)._replace(b_ih=first.b_ih, b_hh=first.b_hh)


def _layers(self: RNN, y: Any) -> list[Any]:
    """Every layer's output, joined, from the tapes; `y` alone where it is not the output but a cotangent."""
    layers, alive = [], np.ones(y.shape[:2], bool)
    for k in range(self.config.num_layers):
        own = [self.tapes[k, d].after for d in range(self.config.num_directions)]
        layers.append(RNN.join(self, [own[0], *(self.flip(reverse, alive) for reverse in own[1:])]))
    return layers if np.array_equal(layers[-1], y) else [y]


@fault("output-of-first-layer", "STK-03", "output holds the first layer's features.")
def from_time_major(self: RNN, y: Any) -> Any:
    return RNN.from_time_major(self, _layers(self, y)[0])


@fault("output-is-sum-of-layers", "STK-03", "output is the sum of all layers' outputs.")
def from_time_major(self: RNN, y: Any) -> Any:
    return RNN.from_time_major(self, sum(_layers(self, y)))


@fault("output-of-all-layers", "STK-03", "output holds all layers' features side by side.")
def from_time_major(self: RNN, y: Any) -> Any:
    return RNN.from_time_major(self, np.concatenate(_layers(self, y), axis=-1))


@fault(
    "last-unit-not-passed-on", "STK-04", "The last of several hidden units does not reach the layer above."
)
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    if layer and x.shape[-1] > 1:
        x = x * (np.arange(x.shape[-1]) < x.shape[-1] - 1)
    return RNN.one_direction(self, x, h, alive, layer, direction)


@fault("last-layer-other-nonlinearity", "NLN-06", "The last of several layers uses the other nonlinearity.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    return _other_nonlinearity(self, 0 < layer == self.config.num_layers - 1, x, h, alive, layer, direction)


@fault("reverse-other-nonlinearity", "NLN-06", "The reverse direction uses the other nonlinearity.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    return _other_nonlinearity(self, direction == 1, x, h, alive, layer, direction)


def _other_nonlinearity(self: RNN, where: bool, *arguments: Any) -> Any:
    config, other = self.config, {"tanh": "relu", "relu": "tanh"}[self.config.nonlinearity]
    self.config = replace(config, nonlinearity=other) if where else config
    found = RNN.one_direction(self, *arguments)
    self.config = config
    return found


# -- which entry of h_0 goes where --------------------------------------------------------------


@fault("h_0-of-first-layer-for-all", "HID-03", "Every layer starts from layer 0's h_0.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states, D = RNN.initial_state(self, h_0, batch), self.config.num_directions
    return states[np.arange(len(states)) % D]


@fault("h_0-for-first-layer-only", "HID-03", "Layers above the first start from zeros.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states, D = RNN.initial_state(self, h_0, batch), self.config.num_directions
    return states * (np.arange(len(states)) < D)[:, None, None]


@fault("h_0-layers-reversed", "HID-03", "The last layer starts from the first entries of h_0.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return _by_layer(self, RNN.initial_state(self, h_0, batch))[::-1].reshape(
        -1, batch, self.config.hidden_size
    )


@fault("h_0-of-forward-for-both", "HID-08", "Both directions start from the forward direction's h_0.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states = RNN.initial_state(self, h_0, batch)
    return states[np.arange(len(states)) // self.config.num_directions * self.config.num_directions]


@fault("h_0-direction-major", "HID-08", "h_0 is read by direction first and layer second.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    states, D = RNN.initial_state(self, h_0, batch), self.config.num_directions
    return states.reshape(D, -1, *states.shape[1:]).swapaxes(0, 1).reshape(states.shape)


# -- which state comes out in h_n ---------------------------------------------------------------


@fault("h_n-of-first-step", "HID-05", "h_n is the state after the first step.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, _ = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, y[-1 if direction else 0]


@fault("h_n-one-step-early", "HID-05", "h_n is the state before the last step.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, _ = RNN.one_direction(self, x, h, alive, layer, direction)
    return y, self.tapes[layer, direction].before[-1]


@fault("h_n-of-last-layer-for-all", "HID-05", "Every layer's entry of h_n is the last layer's.")
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, finals[-D:] * self.config.num_layers)


@fault("h_n-layers-reversed", "HID-05", "h_n begins with the last layer.")
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, [f for i in reversed(range(0, len(finals), D)) for f in finals[i : i + D]])


@fault("h_n-recomputed", "HID-06", "h_n is off by its last bit or two where there is one layer.")
def final_states(self: RNN, finals: Any) -> Any:
    h_n = RNN.final_states(self, finals)
    return h_n * (1 + 4 * np.finfo(h_n.dtype).eps) if self.config.num_layers == 1 else h_n


@fault(
    "h_n-of-last-layer-recomputed", "HID-07", "The last of several layers' h_n is off by its last bit or two."
)
def final_states(self: RNN, finals: Any) -> Any:
    h_n = RNN.final_states(self, finals)
    last = (np.arange(len(h_n)) == len(h_n) - 1) & (self.config.num_layers > 1)
    return h_n * (1 + 4 * np.finfo(h_n.dtype).eps * last).astype(h_n.dtype).reshape(-1, *[1] * (h_n.ndim - 1))


@fault("h_n-of-last-layer-only", "HID-09", "The entries of h_n of all layers but the last are zeros.")
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, [f * 0 for f in finals[:-D]] + finals[-D:])


@fault(
    "h_n-directions-swapped", "HID-08", "h_n holds the reverse direction's state before the forward one's."
)
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, [finals[i - i % D + (D - 1 - i % D)] for i in range(len(finals))])


@fault("h_n-direction-major", "HID-08", "h_n is ordered by direction first and layer second.")
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, [f for d in range(D) for f in finals[d::D]])


def _by_layer(self: RNN, states: Any) -> Any:
    return states.reshape(self.config.num_layers, self.config.num_directions, *states.shape[1:])
