"""Faults of dropout."""

# ruff: noqa: F811, D103 - a fault is a function under its step's own name, so names repeat; the sentence documents it

from __future__ import annotations

from typing import Any

from rnn_spec.judge.faults.base import fault
from rnn_spec.spec.model import RNN


@fault("dropout-scaled-by-keep", "DRP-05", "What dropout keeps is scaled by 1 - p instead of 1 / (1 - p).")
def between_layers(self: RNN, y: Any, mask: Any) -> Any:
    return self.ops.where(mask.astype(bool), y * (1 - self.config.dropout), 0.0)
