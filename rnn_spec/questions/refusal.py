"""What is wrong with an invalid case, in terms of what is refused: argument, kind, phase and a sentence.

The expectation of a case that must not be answered, as `expect` makes that of one that must.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case
    from rnn_spec.spec.model import Config

NONLINEARITIES = ("tanh", "relu")


@dataclass(frozen=True)
class Refusal:
    """`argument` is refused for its value, its shape, or because it is empty; phase as in `Error`."""

    argument: str
    kind: str
    phase: str
    sentence: str


def refusal(case: Case) -> Refusal | None:
    """Why `case` must be refused, or None: the first reason, those of the constructor before the others."""
    c, x = case.config, case.input
    for name in ("input_size", "hidden_size", "num_layers"):
        if getattr(c, name) < 1:
            return _value(name, f"{name} is 1 or more, and not {getattr(c, name)}")
    if c.nonlinearity not in NONLINEARITIES:
        return _value("nonlinearity", f"nonlinearity is 'tanh' or 'relu', and not {c.nonlinearity!r}")
    if not 0 <= c.dropout <= 1:
        return _value("dropout", f"dropout is a probability, from 0 to 1, and not {c.dropout}")
    if found := misfit(c, x.shape, None if case.h_0 is None else case.h_0.shape):
        return found
    time, batch = axes(c, x.shape)
    if case.lengths is not None and np.shape(case.lengths) != (batch,):
        return _shape("lengths", f"each of {batch} sequences has a length, and there are {len(case.lengths)}")
    wrong = [int(n) for n in ([] if case.lengths is None else case.lengths) if not 1 <= n <= time]
    if wrong:
        sentence = f"a length is from 1 to {time}, the steps that input has, and not {wrong[0]}"
        return Refusal("lengths", "value", "forward", sentence)
    return None


def misfit(c: Config, input: tuple[int, ...], h_0: tuple[int, ...] | None) -> Refusal | None:
    """Why arguments of these shapes must be refused, or None: the first reason, that of input before h_0's.

    From nn.RNN, Inputs: (T, N, I), (N, T, I) with batch_first, or (T, I), and h_0 (L*D, N, H) or (L*D, H).
    """
    if len(input) not in (2, 3):
        return _shape("input", f"input has 3 axes, or 2 for a single sequence, and not {len(input)}")
    if input[-1] != c.input_size:
        return _shape("input", f"the last axis of input is input_size, {c.input_size}, and not {input[-1]}")
    if axes(c, input)[0] == 0:
        return Refusal("input", "empty", "forward", "a sequence has 1 step or more, and this one has none")
    if h_0 is not None and h_0 != (right := states(c, input)):
        return _shape("h_0", f"the shape of h_0 is {list(right)}, and not {list(h_0)}")
    return None


def axes(c: Config, input: tuple[int, ...]) -> tuple[int, int]:
    """(T, N) of an input of this shape, of two axes or three."""
    if len(input) == 2:
        return input[0], 1
    return (input[1], input[0]) if c.batch_first else (input[0], input[1])


def states(c: Config, input: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that h_0 has for an input of this shape."""
    batch = axes(c, input)[1:] if len(input) == 3 else ()
    return (c.num_layers * c.num_directions, *batch, c.hidden_size)


def _value(argument: str, sentence: str) -> Refusal:
    return Refusal(argument, "value", "construct", sentence)


def _shape(argument: str, sentence: str) -> Refusal:
    return Refusal(argument, "shape", "forward", sentence)
