"""Cases of numbers that no sum adds up without rounding, so that another order of summation shows.

The suite's own numbers are exact in bfloat16, and small sums of them are exact: a release that adds in
another order answers the same bits. These fill the whole of a float32 or a float64, in stacks of up to six
layers, past 256 columns, 512 steps and 64 rows. They are asked beside the suite and judged by its bounds.
"""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np

from rnn_spec.questions.data import Size, contraction
from rnn_spec.questions.records import Case, Cotangents
from rnn_spec.spec.model import Config

SIZES = {
    s.name: s
    for s in (
        Size("middle", 12, 8, 48, 64),
        Size("wide", 3, 2, 70, 300),
        Size("long", 600, 2, 3, 5),
        Size("batch", 4, 72, 3, 6),
    )
}
DIGITS = {"float32": 22, "float64": 50}
"""The bits of a number, by dtype."""
ASKED = (
    ("middle", 1, "tanh", False, "float32"),
    ("middle", 1, "relu", False, "float32"),
    ("middle", 2, "tanh", True, "float32"),
    ("middle", 4, "tanh", False, "float32"),
    ("middle", 4, "relu", False, "float64"),
    ("middle", 6, "tanh", False, "float32"),
    ("wide", 1, "tanh", False, "float32"),
    ("wide", 1, "relu", False, "float64"),
    ("long", 1, "tanh", False, "float32"),
    ("batch", 2, "relu", False, "float32"),
)
"""Size, num_layers, nonlinearity, bidirectional and dtype of each."""


def drawn(name: str, shape: tuple[int, ...], digits: int) -> np.ndarray:
    """Numbers between -1 and 1 of so many bits, float64, decided by the name alone."""
    random = np.random.RandomState(zlib.crc32(f"generic/{name}/{shape}".encode()))
    return np.ldexp(random.randint(-(2**digits), 2**digits, shape, dtype=np.int64).astype(float), -digits)


@cache
def cases() -> dict[str, Case]:
    """By id, such as ``generic-middle-L4-tanh-float32``."""
    return {case.id: case for case in map(_case, ASKED)}


def _case(asked: tuple[str, int, str, bool, str]) -> Case:
    size, L, nonlinearity, bidirectional, dtype = asked
    s, digits = SIZES[size], DIGITS[dtype]
    config = Config(s.input_size, s.hidden_size, L, nonlinearity, bidirectional=bidirectional)
    D = config.num_directions
    parameters = {}
    for name, shape in config.parameter_shapes().items():
        value = drawn(f"{size}/{name}", shape, digits)
        row_sum = 1.0 if name.startswith("weight_ih_l0") else 0.6
        parameters[name] = contraction(value, row_sum) if name.startswith("weight") else value / 8
    return Case(
        "-".join(["generic", size, f"L{L}", nonlinearity, *["bi"] * bidirectional, dtype]),
        config,
        parameters,
        drawn(f"{size}/input", (s.seq_len, s.batch, s.input_size), digits),
        drawn(f"{size}/h_0", (L * D, s.batch, s.hidden_size), digits),
        dtype=dtype,
        cotangents=Cotangents(
            drawn(f"{size}/output cotangent", (s.seq_len, s.batch, D * s.hidden_size), digits),
            drawn(f"{size}/h_n cotangent", (L * D, s.batch, s.hidden_size), digits),
        ),
    )
