"""Faults of directions, of layers, and of the order of states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_spec.faults.base import model, then
from rnn_spec.spec.model import RNN, Weights


def reading(change: Any) -> Any:
    """A direction that reads change(self, x, layer, direction) in place of x."""
    return lambda self, x, h, alive, layer, direction: RNN.one_direction(
        self, change(self, x, layer, direction), h, alive, layer, direction
    )


def above(change: Any) -> Any:
    """Above the first layer of two directions each reads change(self, x, direction) in place of x."""
    return reading(
        lambda self, x, layer, direction: (
            change(self, x, direction) if layer and self.config.bidirectional else x
        )
    )


def reverse(change: Any) -> Any:
    """A reverse direction whose output and final state are change(self, output, final, alive)."""
    return then(
        lambda self, y, final, x, h, alive, layer, direction: (
            change(self, y, final, alive) if direction else (y, final)
        )
    )


def starting(change: Any) -> Any:
    """Initial states (L*D, N, H) that are change(the right ones, D)."""
    return then(lambda self, h, *_: change(h, self.config.num_directions))


def entries(change: Any) -> Any:
    """An h_n whose entries are change(the right ones, D)."""
    return lambda self, finals: RNN.final_states(self, change(finals, self.config.num_directions))


def steps(n: int, x: Any) -> Any:
    """The first n steps of x (T, N, I) as ones, the others as zeros."""
    return (np.arange(len(x)) < n)[:, None, None]


def biases(w: Weights, other: Weights) -> Weights:
    """The weights, with the biases of others."""
    return w._replace(b_ih=other.b_ih, b_hh=other.b_hh)


def layers(self: RNN, y: Any) -> list[Any]:
    """Every layer's output, joined, from the tapes; `y` alone where it is not the output but a cotangent."""
    found, alive = [], np.ones(y.shape[:2], bool)
    for k in range(self.config.num_layers):
        own = [self.tapes[k, d].after for d in range(self.config.num_directions)]
        found.append(RNN.join(self, [own[0], *(self.flip(back, alive) for back in own[1:])]))
    return found if np.array_equal(found[-1], y) else [y]


def other_nonlinearity(self: RNN, where: bool, *arguments: Any) -> Any:
    """Run a direction, with tanh for relu and relu for tanh if `where`."""
    config, other = self.config, {"tanh": "relu", "relu": "tanh"}[self.config.nonlinearity]
    self.config = replace(config, nonlinearity=other) if where else config
    found = RNN.one_direction(self, *arguments)
    self.config = config
    return found


# A fault is a row of a table.
# fmt: off

# -- directions ---------------------------------------------------------------------------------

model("reverse-reads-forward", "DIR-01", "The reverse direction reads the sequence from its first step on.",
      flip=lambda self, x, alive: x)
model("reverse-misses-last-step", "DIR-01",
      "The reverse direction reads zeros in the place of the last step.",
      one_direction=reading(lambda self, x, layer, direction:
                            x * steps(max(len(x) - 1, 1), x) if direction else x))
model("directions-joined-in-reverse", "DIR-02", "The reverse features come first in output.",
      join=lambda self, outputs: RNN.join(self, outputs[::-1]))
model("directions-interleaved", "DIR-10", "The features of the two directions alternate in output.",
      join=lambda self, outputs: np.stack(outputs, axis=-1).reshape(*outputs[0].shape[:2], -1))
model("directions-summed", "DIR-02", "Both halves of output hold the sum of the directions.",
      join=lambda self, outputs: RNN.join(self, [sum(outputs[1:], outputs[0]) for _ in outputs]))
model("reverse-output-not-flipped", "DIR-03", "The reverse output stays in the order of reading.",
      one_direction=reverse(lambda self, y, final, alive: (self.flip(y, alive), final)))
model("reverse-output-rotated", "DIR-03", "The reverse output is one step early, its first step coming last.",
      one_direction=reverse(lambda self, y, final, alive: (np.roll(y, -1, axis=0), final)))
model("reverse-final-at-last-step", "DIR-04",
      "The reverse slice of h_n is the reverse output at the last step.",
      one_direction=reverse(lambda self, y, final, alive: (y, y[-1])))
model("reverse-final-recomputed", "DIR-05", "The reverse slice of h_n is off by its last bit or two.",
      one_direction=reverse(lambda self, y, final, alive: (y, final * (1 + 4 * np.finfo(final.dtype).eps))))
model("reverse-continues-forward", "DIR-06",
      "The reverse direction starts from the forward one's final state.",
      one_direction=lambda self, x, h, alive, layer, direction: RNN.one_direction(
          self, x, self.tapes[layer, 0].after[-1] if direction else h, alive, layer, direction))
model("reverse-uses-forward-weights", "DIR-08",
      "The reverse direction uses the forward direction's parameters.",
      weights=lambda self, layer, direction: RNN.weights(self, layer, 0))
model("reverse-uses-forward-w_hh", "DIR-07", "The reverse direction uses the forward direction's W_hh.",
      weights=then(lambda self, w, layer, _: w._replace(hh=RNN.weights(self, layer, 0).hh)))
model("reverse-uses-forward-biases", "DIR-08", "The reverse direction uses the forward direction's biases.",
      weights=then(lambda self, w, layer, _: biases(w, RNN.weights(self, layer, 0))))
model("directions-exchange-weights", "DIR-06", "The directions use each other's parameters.",
      weights=lambda self, layer, direction: RNN.weights(
          self, layer, self.config.num_directions - 1 - direction))
model("upper-layers-read-forward-only", "DIR-09", "Layers above the first read the forward features only.",
      one_direction=above(lambda self, x, direction: x * (np.arange(x.shape[-1]) < self.config.hidden_size)))
model("upper-layers-read-halves-exchanged", "DIR-09",
      "Layers above the first read the reverse features first.",
      one_direction=above(lambda self, x, direction: np.roll(x, self.config.hidden_size, axis=-1)))
model("upper-layers-read-own-direction", "DIR-09",
      "Each direction above the first reads its own features twice.",
      one_direction=above(lambda self, x, direction:
                          np.concatenate([np.split(x, 2, axis=-1)[direction]] * 2, axis=-1)))
model("no-reverse-above-first-layer", "DIR-09",
      "Above the first layer the reverse half repeats the forward one.",
      one_direction=then(lambda self, y, final, x, h, alive, layer, direction:
                         (self.tapes[layer, 0].after, self.tapes[layer, 0].after[-1])
                         if layer and direction else (y, final)))

# -- layers -------------------------------------------------------------------------------------

model("layers-read-one-step-late", "STK-01", "A layer above the first reads the step before from below.",
      one_direction=reading(lambda self, x, layer, direction:
                            np.concatenate([x[:1] * 0, x[:-1]]) if layer else x))
model("input-read-by-all-layers", "STK-01", "Layers above the first read the input, where its width fits.",
      one_direction=reading(lambda self, x, layer, direction:
                            self.tapes[0, 0].x if layer and self.tapes[0, 0].x.shape == x.shape else x))
model("layers-residual", "STK-01", "A layer above the first adds its input to its output, where widths fit.",
      one_direction=then(lambda self, y, final, x, h, alive, layer, _:
                         (y + x if layer and x.shape == y.shape else y, final)))
model("layers-share-weights", "STK-02", "Layers above the first all use layer 1's parameters.",
      weights=lambda self, layer, direction: RNN.weights(self, min(layer, 1), direction))
model("layers-share-w_hh", "STK-02", "All layers use layer 0's W_hh.",
      weights=then(lambda self, w, _, direction: w._replace(hh=RNN.weights(self, 0, direction).hh)))
model("layers-share-biases", "STK-02", "All layers use layer 0's biases.",
      weights=then(lambda self, w, _, direction: biases(w, RNN.weights(self, 0, direction))))
model("output-of-first-layer", "STK-03", "output holds the first layer's features.",
      from_time_major=lambda self, y: RNN.from_time_major(self, layers(self, y)[0]))
model("output-is-sum-of-layers", "STK-03", "output is the sum of all layers' outputs.",
      from_time_major=lambda self, y: RNN.from_time_major(self, sum(layers(self, y))))
model("output-of-all-layers", "STK-03", "output holds all layers' features side by side.",
      from_time_major=lambda self, y: RNN.from_time_major(self, np.concatenate(layers(self, y), axis=-1)))
model("last-unit-not-passed-on", "STK-04", "The last of several hidden units does not reach the layer above.",
      one_direction=reading(lambda self, x, layer, direction:
                            x * (np.arange(x.shape[-1]) < max(x.shape[-1] - 1, 1)) if layer else x))
model("last-layer-other-nonlinearity", "NLN-06", "The last of several layers uses the other nonlinearity.",
      one_direction=lambda self, x, h, alive, layer, direction: other_nonlinearity(
          self, 0 < layer == self.config.num_layers - 1, x, h, alive, layer, direction))
model("reverse-other-nonlinearity", "NLN-06", "The reverse direction uses the other nonlinearity.",
      one_direction=lambda self, x, h, alive, layer, direction: other_nonlinearity(
          self, direction == 1, x, h, alive, layer, direction))

# -- which entry of h_0 goes where --------------------------------------------------------------

model("h_0-of-first-layer-for-all", "HID-03", "Every layer starts from layer 0's h_0.",
      initial_state=starting(lambda h, D: h[np.arange(len(h)) % D]))
model("h_0-for-first-layer-only", "HID-03", "Layers above the first start from zeros.",
      initial_state=starting(lambda h, D: h * (np.arange(len(h)) < D)[:, None, None]))
model("h_0-layers-reversed", "HID-03", "The last layer starts from the first entries of h_0.",
      initial_state=starting(lambda h, D: h.reshape(-1, D, *h.shape[1:])[::-1].reshape(h.shape)))
model("h_0-of-forward-for-both", "HID-08", "Both directions start from the forward direction's h_0.",
      initial_state=starting(lambda h, D: h[np.arange(len(h)) // D * D]))
model("h_0-direction-major", "HID-08", "h_0 is read by direction first and layer second.",
      initial_state=starting(lambda h, D: h.reshape(D, -1, *h.shape[1:]).swapaxes(0, 1).reshape(h.shape)))

# -- which state comes out in h_n ---------------------------------------------------------------

model("h_n-of-first-step", "HID-05", "h_n is the state after the first step.",
      one_direction=then(lambda self, y, _, x, h, alive, layer, direction: (y, y[-1 if direction else 0])))
model("h_n-one-step-early", "HID-05", "h_n is the state before the last step.",
      one_direction=then(lambda self, y, _, x, h, alive, *which: (y, self.tapes[which].before[-1])))
model("h_n-of-last-layer-for-all", "HID-05", "Every layer's entry of h_n is the last layer's.",
      final_states=entries(lambda f, D: f[-D:] * (len(f) // D)))
model("h_n-layers-reversed", "HID-05", "h_n begins with the last layer.",
      final_states=entries(lambda f, D: [x for i in reversed(range(0, len(f), D)) for x in f[i : i + D]]))
model("h_n-recomputed", "HID-06", "h_n is off by its last bit or two where there is one layer.",
      final_states=then(lambda self, h_n, _:
                        h_n * (1 + 4 * np.finfo(h_n.dtype).eps) if self.config.num_layers == 1 else h_n))
model("h_n-of-last-layer-recomputed", "HID-07",
      "The last of several layers' h_n is off by its last bit or two.",
      final_states=lambda self, finals: RNN.final_states(self, finals if self.config.num_layers == 1 else [
          *finals[:-1], finals[-1] * (1 + 4 * np.finfo(finals[-1].dtype).eps)]))
model("h_n-of-last-layer-only", "HID-09", "The entries of h_n of all layers but the last are zeros.",
      final_states=entries(lambda f, D: [x * 0 for x in f[:-D]] + f[-D:]))
model("h_n-directions-swapped", "HID-08", "h_n holds the reverse direction's state before the forward one's.",
      final_states=entries(lambda f, D: [x for i in range(0, len(f), D) for x in f[i : i + D][::-1]]))
model("h_n-direction-major", "HID-08", "h_n is ordered by direction first and layer second.",
      final_states=entries(lambda f, D: [x for d in range(D) for x in f[d::D]]))
