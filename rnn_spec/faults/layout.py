"""Faults of batch_first and of unbatched input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rnn_spec.faults.base import honest, layer, model, then
from rnn_spec.spec.model import RNN

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.spec.model import Config


def batch_first(rnn: RNN) -> bool:
    """Whether the input has its batch first."""
    return rnn.batched and rnn.config.batch_first


def as_if(batch_first: Callable[[Config], bool]) -> Any:
    """A layer that from its input on has another batch_first."""

    def to_time_major(self: RNN, input: Any) -> Any:
        self.config = replace(self.config, batch_first=batch_first(self.config))
        return RNN.to_time_major(self, input)

    return to_time_major


# A fault is a row of a table.
# fmt: off

model("batch-first-ignored", "BF-01", "batch_first is accepted and ignored.",
      to_time_major=as_if(lambda config: False))
model("batch-first-output-time-first", "BF-01", "With batch_first output is still time first.",
      from_time_major=lambda self, y: y if self.batched else y[:, 0])
model("batch-first-input-reshaped", "BF-01",
      "With batch_first input is reshaped to time first, not transposed.",
      to_time_major=then(lambda self, x, input: input.reshape(x.shape) if batch_first(self) else x))
model("batch-first-output-reshaped", "BF-03",
      "With batch_first output is reshaped to batch first, not transposed.",
      from_time_major=then(lambda self, x, y: y.reshape(*x.shape) if batch_first(self) else x))
model("batch-first-one-direction-only", "BF-03", "batch_first is ignored where the layer is bidirectional.",
      to_time_major=as_if(lambda config: config.batch_first and not config.bidirectional))
model("batch-first-h_0", "BF-02", "With batch_first h_0 is read with the batch first.",
      initial_state=lambda self, h_0, batch: RNN.initial_state(
          self, h_0 if h_0 is None or not batch_first(self)
          else h_0.reshape(batch, -1, self.config.hidden_size).swapaxes(0, 1), batch))
model("batch-first-h_n", "BF-02", "With batch_first h_n is returned with the batch first.",
      final_states=then(lambda self, h_n, _: h_n.swapaxes(0, 1) if batch_first(self) else h_n))
model("batch-first-unbatched", "UNB-03", "With batch_first a single sequence is read from its end.",
      to_time_major=then(lambda self, x, _: x[::-1] if self.config.batch_first and not self.batched else x))
model("unbatched-output-with-batch", "UNB-01", "The output of a single sequence has a batch axis of one.",
      from_time_major=lambda self, y: y if not self.batched else RNN.from_time_major(self, y))
model("unbatched-h_n-with-batch", "UNB-02", "h_n of a single sequence has a batch axis of one.",
      final_states=lambda self, finals: self.ops.stack(finals))
model("unbatched-h_0-ignored", "UNB-02", "The h_0 of a single sequence is taken as zeros.",
      initial_state=lambda self, h_0, batch: RNN.initial_state(self, h_0 if self.batched else None, batch))
model("unbatched-h_0-of-layer-0-for-all", "UNB-02",
      "For a single sequence every layer begins in the state of layer 0.",
      initial_state=then(lambda self, h, *_: h if self.batched else self.ops.stack([h[0]] * len(h))))
layer("unbatched-state-kept", "UNB-01",
      "A single sequence is run twice, the second time from where it ended.",
      call=lambda self, rnn, config, input, h_0, training, *n: honest(self, "call")(
          rnn, config, input, h_0 if input.ndim == 3
          else honest(self, "call")(rnn, config, input, h_0, False, *n)[1], training, *n))
