"""Faults of the cell and its state."""

# ruff: noqa: F811, D103 - a fault is a function under its step's own name, so names repeat; the sentence documents it

from __future__ import annotations

from typing import Any

from rnn_spec.judge.faults.base import fault
from rnn_spec.spec.model import RNN


@fault("w_hh-transposed", "REC-02", "W_hh is transposed.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + h @ w.hh + w.b_hh)


@fault("b_hh-dropped", "REC-03", "b_hh is not added.")
def cell(self: RNN, term: Any, h: Any, w: Any) -> Any:
    return self.activation(term + h @ w.hh.T)


@fault("h_0-ignored", "HID-01", "h_0 is taken as zeros.")
def initial_state(self: RNN, h_0: Any, batch: int) -> Any:
    return RNN.initial_state(self, None, batch)
