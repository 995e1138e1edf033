"""Faults of the backward pass."""

# ruff: noqa: F811, D103 - a fault is a function under its step's own name, so names repeat; the sentence documents it

from __future__ import annotations

from typing import Any

from rnn_spec.judge.faults.base import ADJOINT, fault
from rnn_spec.spec.gradient import Adjoint


@fault("grad-w_hh-last-step-lost", "GRD-03", "The gradient of W_hh leaves out the last time step.", ADJOINT)
def parameters(self: Adjoint, tape: Any, delta: Any) -> Any:
    lost = delta.copy()
    lost[-1] = 0
    right = Adjoint.parameters(self, tape, delta)
    return right | {"weight_hh": Adjoint.parameters(self, tape, lost)["weight_hh"]}
