"""The numbers that cases are made of: dyadic, generic, contractive, and the same for ever.

Every array is integers times a power of two, with integers below 2^7: exact in bfloat16, so in
every dtype. The integers come from `numpy.random.RandomState.randint`, which NumPy's policy
freezes (NEP 19), seeded by the array's own name: a layer's weights are the same in every case of
one size, so the laws between cases (a stack is the composition of its layers) need no copying.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config


@dataclass(frozen=True)
class Size:
    """seq_len, batch, input_size and hidden_size, by a name that says what they are for."""

    name: str
    seq_len: int
    batch: int
    input_size: int
    hidden_size: int


SIZES = {
    s.name: s
    for s in (
        Size("small", 9, 3, 5, 7),  # all different, and past 8 steps
        Size("cell", 1, 3, 5, 7),  # one step
        Size("odd", 11, 19, 13, 37),  # past the 16th row, past multiples of 4, 8 and 32 columns
        Size("wide", 3, 2, 70, 131),  # past 64 inputs and 128 columns
        Size("long", 261, 2, 3, 5),  # past 256 steps
        Size("batch", 4, 35, 2, 6),  # past the 32nd row
        Size("square", 6, 6, 6, 6),  # equal on purpose: only the axes' meaning tells them apart
        Size("one", 1, 1, 1, 1),  # every axis of length one
    )
}


COARSEST = 0.25
"""n u up to which a dtype of unit roundoff u is precise enough for sums of n terms."""


@cache
def dyadic(
    name: str, shape: tuple[int, ...], exponent: int, low: int = 16, signed: bool = True
) -> np.ndarray:
    """Integers of magnitude low .. 127 times 2^-exponent, float64, decided by the name alone."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    integers = random.randint(low, 128, shape)
    signs = 2 * random.randint(0, 2, shape) - 1 if signed else 1
    value = np.ldexp((integers * signs).astype(np.float64), -exponent)
    value.flags.writeable = False  # it is kept, and every case of the name shares it
    return value


def contraction(weight: np.ndarray, row_sum: float) -> np.ndarray:
    """The weight times the power of two that brings its largest absolute row sum to at most row_sum."""
    largest = np.abs(weight).sum(axis=1).max()
    return np.ldexp(weight, int(np.floor(np.log2(row_sum / largest))))


def parameters(size: str, config: Config) -> dict[str, np.ndarray]:
    """Generic parameters: no symmetry, b_ih unlike b_hh, W_hh (and W_ih above layer 0) contractive.

    The largest absolute row sum is at most 0.6 for W_hh and for W_ih above layer 0, which keeps the
    carried bound small over any number of steps, and at most 1 for W_ih of layer 0, which keeps
    tanh out of saturation.
    """
    found = {}
    for name, shape in config.parameter_shapes().items():
        value = dyadic(f"{size}/{name}/{shape}", shape, 8)
        if name.startswith("weight"):
            value = contraction(value, 1.0 if name.startswith("weight_ih_l0") else 0.6)
        found[name] = value
    return found


def revealing_parameters(size: str, config: Config) -> dict[str, np.ndarray]:
    """Parameters through which the output shows training-mode dropout's masks (`reveal`).

    Everything is positive, so relu passes it and no value is 0 unless a mask made it so. Above
    layer 0, W_ih is 3/4 of the identity (each direction reads its own half of the features), and
    between the first and the last layer W_hh is 0.
    """
    H, last = config.hidden_size, config.num_layers - 1
    found = {}
    for name, value in parameters(size, config).items():
        kind, layer, *reverse = name.replace("_l", " ").replace("_reverse", " r").split()
        if kind == "weight_ih" and layer != "0":
            found[name] = np.eye(H, value.shape[1], H if reverse else 0) * 0.75
        elif kind == "weight_hh" and layer not in ("0", str(last)):
            found[name] = np.zeros_like(value)
        else:
            found[name] = np.abs(value)
    return found


def states(size: str, config: Config, batch: int) -> np.ndarray:
    """h_0, (L*D, N, H), every entry nonzero."""
    H = config.hidden_size
    rows = [
        dyadic(f"{size}/h_0/{layer}/{direction}", (batch, H), 7)
        for layer in range(config.num_layers)
        for direction in range(config.num_directions)
    ]
    return np.stack(rows)


def tensors(
    name: str, config: Config, seq_len: int, batch: int, exponent: int = 7, *, signed: bool = True
) -> tuple[np.ndarray, ...]:
    """Input (T, N, I), h_0, and the cotangents of output (T, N, D*H) and of h_n (L*D, N, H).

    `exponent` is the cotangents' (`dyadic`); `signed` is of the input alone.
    """
    L, D, H = config.num_layers, config.num_directions, config.hidden_size
    return (
        dyadic(f"{name}/input", (seq_len, batch, config.input_size), 6, signed=signed),
        states(name, config, batch),
        dyadic(f"{name}/output cotangent/{D}", (seq_len, batch, D * H), exponent),
        dyadic(f"{name}/h_n cotangent/{D}", (L * D, batch, H), exponent),
    )


def laid_out(tensors: tuple[np.ndarray, ...], *, batched: bool, batch_first: bool) -> tuple[np.ndarray, ...]:
    """The four of `tensors` as a layer takes them: the first row alone if not batched, or the batch first."""
    input, h_0, output, h_n = tensors
    if not batched:
        return input[:, 0], h_0[:, 0], output[:, 0], h_n[:, 0]
    if batch_first:
        return input.swapaxes(0, 1), h_0, output.swapaxes(0, 1), h_n
    return tensors
