"""Faults of precision."""

# ruff: noqa: F811, D103 - a fault is a function under its step's own name, so names repeat; the sentence documents it

from __future__ import annotations

from typing import Any

from rnn_spec.judge.faults.base import LAYER, fault
from rnn_spec.spec.arithmetic import PlainArithmetic


@fault("float64-in-float32", "PRC-01", "float64 is computed in float32.", LAYER)
def arithmetic(self: Any, dtype: str) -> PlainArithmetic:
    return PlainArithmetic("float32")
