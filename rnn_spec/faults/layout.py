"""Faults of batch_first and of unbatched input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rnn_spec.faults.base import LAYER, fault, honest
from rnn_spec.spec.model import RNN


@fault("batch-first-ignored", "BF-01", "batch_first is accepted and ignored.")
def to_time_major(self: RNN, input: Any) -> Any:
    self.config = replace(self.config, batch_first=False)
    return RNN.to_time_major(self, input)


@fault("batch-first-output-time-first", "BF-01", "With batch_first output is still time first.")
def from_time_major(self: RNN, y: Any) -> Any:
    return y if self.batched else y[:, 0]


@fault(
    "batch-first-input-reshaped", "BF-01", "With batch_first input is reshaped to time first, not transposed."
)
def to_time_major(self: RNN, input: Any) -> Any:
    x = RNN.to_time_major(self, input)
    return input.reshape(x.shape) if self.batched and self.config.batch_first else x


@fault(
    "batch-first-output-reshaped",
    "BF-03",
    "With batch_first output is reshaped to batch first, not transposed.",
)
def from_time_major(self: RNN, y: Any) -> Any:
    x = RNN.from_time_major(self, y)
    return y.reshape(*x.shape) if self.batched and self.config.batch_first else x


@fault("batch-first-one-direction-only", "BF-03", "batch_first is ignored where the layer is bidirectional.")
def to_time_major(self: RNN, input: Any) -> Any:
    self.config = replace(self.config, batch_first=self.config.batch_first and not self.config.bidirectional)
    return RNN.to_time_major(self, input)


@fault("batch-first-h_0", "BF-02", "With batch_first h_0 is read with the batch first.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    if h_0 is not None and self.batched and self.config.batch_first:
        h_0 = h_0.reshape(batch, -1, self.config.hidden_size).swapaxes(0, 1)
    return RNN.initial_state(self, h_0, batch)


@fault("batch-first-h_n", "BF-02", "With batch_first h_n is returned with the batch first.")
def final_states(self: RNN, finals: Any) -> Any:
    h_n = RNN.final_states(self, finals)
    return h_n.swapaxes(0, 1) if self.batched and self.config.batch_first else h_n


@fault("batch-first-unbatched", "UNB-03", "With batch_first a single sequence is read from its end.")
def to_time_major(self: RNN, input: Any) -> Any:
    x = RNN.to_time_major(self, input)
    return x[::-1] if self.config.batch_first and not self.batched else x


@fault("unbatched-output-with-batch", "UNB-01", "The output of a single sequence has a batch axis of one.")
def from_time_major(self: RNN, y: Any) -> Any:
    return y if not self.batched else RNN.from_time_major(self, y)


@fault("unbatched-h_n-with-batch", "UNB-02", "h_n of a single sequence has a batch axis of one.")
def final_states(self: RNN, finals: Any) -> Any:
    return self.ops.stack(finals)


@fault("unbatched-h_0-ignored", "UNB-02", "The h_0 of a single sequence is taken as zeros.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return RNN.initial_state(self, h_0 if self.batched else None, batch)


@fault(
    "unbatched-h_0-of-layer-0-for-all",
    "UNB-02",
    "For a single sequence every layer begins in the state of layer 0.",
)
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    h = RNN.initial_state(self, h_0, batch)
    return h if self.batched else self.ops.stack([h[0]] * len(h))


@fault(
    "unbatched-state-kept",
    "UNB-01",
    "A single sequence is run twice, the second time from where it ended.",
    LAYER,
)
def call(self: Any, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
    run = honest(self, "call")
    if input.ndim == 2:
        h_0 = run(rnn, config, input, h_0, False, lengths)[1]
    return run(rnn, config, input, h_0, training, lengths)
