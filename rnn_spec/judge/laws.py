"""Other questions with a known relation to a Case: its parts, and layers in which the hidden shows.

The laws of the conformance suite need no oracle: a stack is the composition of its layers, a
bidirectional layer is two layers, and so on. Here are the derived Cases that they compare, all of
them without cotangents, and the weights that turn an RNN into something whose answer is plain to see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.spec.model import KINDS, parameter_suffix

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.records import Case

    Maker = Callable[[int, int, tuple[int, ...]], np.ndarray]


def derive(case: Case, how: str, **changes: Any) -> Case:
    """The same question without gradients and with something changed."""
    return case.derive(how, cotangents=None, **changes)


def part(case: Case, layers: range, directions: tuple[int, ...], how: str, **changes: Any) -> Case:
    """These layers and directions of `case` as an RNN of their own, with their slices of h_0.

    Where the first of `layers` is above layer 0, `changes` has to give the input that it reads. A
    reverse direction on its own becomes a forward one: it is the caller who flips input and output.
    """
    c = case.config
    parameters = {}
    for k, layer in enumerate(layers):
        for d, direction in enumerate(directions):
            for kind in KINDS[: 4 if c.bias else 2]:
                own, theirs = kind + parameter_suffix(k, d), kind + parameter_suffix(layer, direction)
                parameters[own] = case.parameters[theirs]
    width = parameters["weight_ih_l0"].shape[1]
    config = replace(c, input_size=width, num_layers=len(layers), bidirectional=len(directions) == 2)
    entries = [layer * c.num_directions + d for layer in layers for d in directions]
    h_0 = None if case.h_0 is None else case.h_0[entries]
    return derive(case, how, **{"config": config, "parameters": parameters, "h_0": h_0, **changes})


def furnish(
    case: Case, how: str, *, input: np.ndarray | None = None, h_0: np.ndarray | float = 0, **kinds: Maker
) -> Case:
    """`case`, time-major, with other parameters: each kind's made by a function of layer, direction, shape.

    A kind that is left out is zero; so is h_0, unless it is given.
    """
    c = case.config
    parameters = {}
    for name, shape in c.parameter_shapes().items():
        kind, layer = name.removesuffix("_reverse").split("_l")
        make = kinds.get(kind, zero)
        parameters[name] = np.zeros(shape) + make(int(layer), int(name.endswith("_reverse")), shape)
    input = case.input if input is None else input
    h_0 = np.zeros((c.num_layers * c.num_directions, input.shape[1], c.hidden_size)) + h_0
    return derive(case, how, parameters=parameters, input=input, h_0=h_0)


def both_read(case: Case) -> Case:
    """`case`, of two directions and dropout, where both read the same units of the layer below, in 64 steps.

    An element of the output is 0 if what its direction read of it was dropped: the two halves of the output
    are 0 in the same places, unless each direction draws a mask of its own.
    """
    axis = 1 if case.config.batch_first and case.batched else 0
    steps = np.arange(64) % case.input.shape[axis]
    parameters: dict[str, np.ndarray] = {
        name: np.zeros(value.shape) for name, value in case.parameters.items()
    }
    for name, value in parameters.items():
        if name.startswith("weight_ih"):
            value[:] = 1 / 8 if name.startswith("weight_ih_l0") else np.eye(len(value), value.shape[1])
    input = 1 + np.abs(case.input.take(steps, axis))
    return derive(case, "both read", parameters=parameters, input=input, lengths=None, earlier=())


def silence(case: Case, how: str, which: Callable[[int, int], bool]) -> Case:
    """`case` with every parameter zero of the layers and directions for which `which` holds."""
    silent = {
        kind + parameter_suffix(layer, direction)
        for layer in range(case.config.num_layers)
        for direction in range(case.config.num_directions)
        for kind in KINDS
        if which(layer, direction)
    }
    parameters = {name: value * (name not in silent) for name, value in case.parameters.items()}
    return derive(case, how, parameters=parameters)


def zero(layer: int, direction: int, shape: tuple[int, ...]) -> np.ndarray:
    """For `furnish`: zeros."""
    return np.zeros(shape)


def eye(layer: int, direction: int, shape: tuple[int, ...]) -> np.ndarray:
    """For `furnish`: the identity, as far as the shape goes."""
    return np.eye(shape[0], shape[1])


def shift(layer: int, direction: int, shape: tuple[int, ...]) -> np.ndarray:
    """For `furnish`: unit i hands its state on to unit i + 1, the last one to the first."""
    return np.roll(np.eye(shape[0]), 1, axis=0)
