"""Faults of directions, layers and the order of states."""

# ruff: noqa: F811, D103 - a fault is a function under its step's own name, so names repeat; the sentence documents it

from __future__ import annotations

from typing import Any

from rnn_spec.judge.faults.base import fault
from rnn_spec.spec.model import RNN


@fault("reverse-output-not-flipped", "DIR-03", "The reverse output stays in the order of reading.")
def one_direction(self: RNN, x: Any, h: Any, alive: Any, layer: int, direction: int) -> Any:
    y, final = RNN.one_direction(self, x, h, alive, layer, direction)
    return (self.flip(y, alive) if direction else y), final


@fault("h_n-directions-swapped", "HID-08", "h_n holds the reverse direction's state before the forward one's.")
def final_states(self: RNN, finals: Any) -> Any:
    D = self.config.num_directions
    return RNN.final_states(self, [finals[i - i % D + (D - 1 - i % D)] for i in range(len(finals))])
