"""What a vector file holds: the types that make its JSON Schema, its reading and its writing.

An array is ``{"shape": [T, N, H], "data": [...]}``, flat and row-major. A number that JSON does not have
is a string: "NaN", "Infinity", "-Infinity". ``hex`` holds the same numbers as C99 hexadecimal floats, and
``bound`` how far an answer in float64 and in float32 may be from each.
"""

from __future__ import annotations

import json
import math
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from rnn_spec import files
from rnn_spec.questions.records import Bound, Case, Cotangents
from rnn_spec.spec.model import Config

FORMAT: Literal["rnn-spec-vectors-1"] = "rnn-spec-vectors-1"
DTYPES = ("float64", "float32")
SCHEMA, IDS = "schema.json", "ids.txt"
_TO_CEILING = Context(prec=3, rounding=ROUND_CEILING)

Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]


class VectorError(Exception):
    """Vectors that cannot be used; the message is one sentence with the file and the place."""


class Record(msgspec.Struct, forbid_unknown_fields=True, eq=False, omit_defaults=True):
    """A JSON object with these fields and no others; what has its default is left out."""


class Array(Record):
    """Numbers: their shape, and they themselves, flat and row-major, in decimal and in hexadecimal."""

    shape: list[int]
    data: list[Number]
    hex: list[str]

    @classmethod
    def of(cls, x: Any, **more: Any) -> Any:
        """An array of these float64 numbers."""
        x = np.asarray(x, np.float64)
        flat = x.ravel().tolist()
        return cls(list(x.shape), [_number(v) for v in flat], [to_hex(v) for v in flat], **more)

    @property
    def numbers(self) -> np.ndarray:
        """The float64 numbers, shaped."""
        return _shaped(self.data, self.shape)

    def not_finite(self) -> str | None:
        """Which number is not one, where no flag says that there may be such."""
        found = next((i for i, n in enumerate(self.data) if isinstance(n, str)), None)
        return None if found is None else f"data[{found}] is {self.data[found]}, and no flag says so"

    def wrong(self) -> str | None:
        """What does not hold of an array of any numbers."""
        if len(self.data) != math.prod(self.shape) or min(self.shape, default=0) < 0:
            return f"data has {len(self.data)} numbers, shape {self.shape} asks for {math.prod(self.shape)}"
        if len(self.hex) != len(self.data):
            return f"hex has {len(self.hex)} numbers, data has {len(self.data)}"
        for i, (text, v) in enumerate(zip(self.hex, self.data, strict=True)):
            try:
                alike = math.copysign(1, float.fromhex(text)) == math.copysign(1, float(v))
                alike = alike and (float.fromhex(text) == float(v) or math.isnan(float(v)))
            except (ValueError, OverflowError):
                alike = False
            if not alike:
                return f"hex[{i}] is {text!r}, data[{i}] is {v!r}"
        return None


class Bounds(Record):
    """The error allowed of each element, in the array's order, by the dtype that is computed in."""

    float64: list[Number]
    float32: list[Number]


class Expected(Array, kw_only=True):
    """An array that is expected: the real numbers' float64 nearest to them, each with its bounds."""

    bound: Bounds

    def within(self, dtype: str) -> Bound:
        """The numbers and their bounds in one dtype."""
        return Bound(self.numbers, _shaped(getattr(self.bound, dtype), self.shape))

    def wrong(self) -> str | None:
        """What does not hold of an array with bounds."""
        for dtype in DTYPES:
            bound = [float(b) for b in getattr(self.bound, dtype)]
            if len(bound) != len(self.data):
                return f"bound.{dtype} has {len(bound)} numbers, data has {len(self.data)}"
            if not all(0 <= b < math.inf for b in bound):
                return f"bound.{dtype} holds a number that is negative or not finite"
        return super().wrong()


class Configuration(Record, kw_only=True, omit_defaults=False):
    """The constructor arguments, by nn.RNN's names."""

    input_size: int
    hidden_size: int
    num_layers: int
    nonlinearity: str
    bias: bool
    batch_first: bool
    dropout: Number
    bidirectional: bool


class Gradients(Record):
    """What backpropagation starts from: the cotangents of output and of h_n."""

    output: Array
    h_n: Array


class Expects(Record, kw_only=True):
    """What a right layer answers."""

    output: Expected
    h_n: Expected
    gradients: dict[str, Expected] = {}

    @property
    def arrays(self) -> dict[str, Expected]:
        """Every array by the names of `Observation.arrays`."""
        named = {f"grad {name}": g for name, g in self.gradients.items()}
        return {"output": self.output, "h_n": self.h_n, **named}


class Refused(Record):
    """What a right layer refuses, whatever its words: the argument, and what is wrong with it."""

    argument: str
    kind: Literal["value", "shape", "empty"]
    phase: Literal["construct", "forward"]
    sentence: str


class Vector(Record, kw_only=True):
    """One question, and its answer (`expected`) or what is refused of it (`refused`)."""

    id: str
    clauses: list[str]
    levels: list[str]
    flags: list[str]
    config: Configuration
    training: bool
    parameters: dict[str, Array]
    input: Array
    h_0: Array | None = None
    lengths: list[int] | None = None
    cotangents: Gradients | None = None
    expected: Expects | None = None
    refused: Refused | None = None
    twin: str | None = None

    def arrays(self) -> dict[str, Array]:
        """Every array by its place."""
        found: dict[str, Array | None] = {f"parameters.{name}": a for name, a in self.parameters.items()}
        found |= {"input": self.input, "h_0": self.h_0}
        if self.cotangents:
            found |= {f"cotangents.{n}": getattr(self.cotangents, n) for n in ("output", "h_n")}
        if self.expected:
            found |= {f"expected.{name.replace('grad ', 'gradients.')}": a
                      for name, a in self.expected.arrays.items()}  # fmt: skip
        return {place: a for place, a in found.items() if a is not None}

    def case(self, dtype: str = "float64") -> Case:
        """The question, to be asked in this dtype."""
        values = {name: getattr(self.config, name) for name in self.config.__struct_fields__}
        g = self.cotangents
        return Case(
            id=f"{self.id}-{dtype}",
            config=Config(**{**values, "dropout": float(self.config.dropout)}),
            parameters={name: a.numbers for name, a in self.parameters.items()},
            input=self.input.numbers,
            h_0=None if self.h_0 is None else self.h_0.numbers,
            lengths=None if self.lengths is None else np.array(self.lengths, np.int64),
            training=self.training,
            dtype=dtype,
            seed=1,
            cotangents=None if g is None else Cotangents(g.output.numbers, g.h_n.numbers),
        )


class Note(Record):
    """What a flag says of a vector, and what failing it leads to."""

    meaning: str
    consequence: str


class Provenance(Record):
    """What computed the numbers, with which precision, and which independent implementation agrees."""

    computed_by: str
    model: str
    arithmetic: str
    bits: int
    rounding: str
    verified_by: list[str]


class File(Record, kw_only=True):
    """A file of vectors."""

    format: Literal["rnn-spec-vectors-1"]
    topic: str
    provenance: Provenance
    notes: dict[str, Note]
    vectors: list[Vector]


def folder() -> Path:
    """Where the vectors are: in the installed package, or in the checkout beside it."""
    return files.shipped("fixtures/vectors", "fixtures/vectors")


def paths(where: Path) -> list[Path]:
    """The vector files of a folder; VectorError where there is none."""
    found = [path for path in sorted(where.glob("*.json")) if path.name != SCHEMA]
    if not found:
        raise VectorError(f"{where}: there is no vector file here")
    return found


def read(path: Path) -> File:
    """A file, whole and of the right types; VectorError with the place where it is not."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise VectorError(f"{path}: {e}") from e
    for vector in file.vectors:
        odd = {"NotANumber", "Infinite"} & set(vector.flags)
        for place, array in vector.arrays().items():
            if sentence := array.wrong() or (None if odd else array.not_finite()):
                raise VectorError(f"{path}: {vector.id}: {place}: {sentence}")
    return file


def schema() -> str:
    """The JSON Schema of a file, made from these types."""
    found = msgspec.json.schema(File)
    return dump({"$schema": "https://json-schema.org/draft/2020-12/schema", **found})


def text(file: File) -> str:
    """A file as it is written."""
    return dump(msgspec.to_builtins(file))


def dump(value: Any, indent: str = "") -> str:
    """JSON, an object's fields on lines of their own, and a list of plain values on one."""
    inner, end = indent + " ", "\n" if not indent else ""
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(k)}: {dump(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}{end}"
    if isinstance(value, list) and any(isinstance(v, dict) for v in value):
        return "[\n" + ",\n".join(inner + dump(v, inner) for v in value) + f"\n{indent}]"
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def to_hex(v: float) -> str:
    """A C99 hexadecimal float, without the zeros at the end of its fraction."""
    head, exponent, power = v.hex().partition("p")
    return head.rstrip("0").rstrip(".") + exponent + power if "." in head else v.hex()


def round_up(bound: float) -> float:
    """The bound in three digits, not below what it was."""
    return float(_TO_CEILING.create_decimal(Decimal(bound)))


def _number(v: float) -> Number:
    if math.isfinite(v):
        return 0 if v == 0 and math.copysign(1, v) > 0 else v  # shorter, and zeros are many
    return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"


def _shaped(data: list[Number], shape: list[int]) -> np.ndarray:
    return np.array([float(v) for v in data], np.float64).reshape(shape)
