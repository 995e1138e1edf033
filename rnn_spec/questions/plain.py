"""The plain values of an Attempt as JSON, and back, exactly: each number, its type, tuple or list.

None, booleans, strings, lists and integers of at most 53 bits stand for themselves. Everything else is an
object of one key that names its kind: ``{"float": "-0.0"}``, ``{"int": "1180591620717411303424"}``,
``{"tuple": [...]}``, ``{"complex": ["0.0", "0.5"]}``, ``{"bytes": "74616e68"}``, ``{"torch": {"name": "ones",
"arguments": [...]}}``, and NumPy's ``{"array": {"dtype": "bool", "shape": [0], "data": []}}``, or ``scalar``.
`rnn_spec.torch.attempted` makes the same values on the far side.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions.records import DTYPES, TOKENS, Attempt, Torch

if TYPE_CHECKING:
    from collections.abc import Callable

MADE = (*DTYPES, "int64", "bool")
"""The dtypes of what torch makes for an attempt."""
EXACT = 2**53
"""Below this every integer is a number in anybody's JSON."""
NUMPY = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
         "float16", "float32", "float64")  # fmt: skip
FLOAT = re.compile(r"-?(\d+(\.\d+)?(e[+-]?\d+)?|inf)|nan")
INT = re.compile(r"-?\d+")


def pack(x: Any) -> Any:
    """The JSON of a value; TypeError for one that is not plain."""
    if x is None or type(x) in (bool, str):
        return x
    if type(x) is int:
        return x if abs(x) < EXACT else {"int": str(x)}
    if type(x) is float:
        return {"float": repr(x)}
    if type(x) is complex:
        return {"complex": [repr(x.real), repr(x.imag)]}
    if type(x) is bytes:
        return {"bytes": x.hex()}
    if type(x) is list:
        return [pack(v) for v in x]
    if type(x) is tuple:
        return {"tuple": [pack(v) for v in x]}
    if isinstance(x, Torch):
        dtype = {"dtype": x.dtype} if x.dtype else {}
        return {"torch": {"name": x.name, "arguments": [pack(v) for v in x.arguments], **dtype}}
    if isinstance(x, np.ndarray | np.generic) and x.dtype.name in NUMPY:
        data = [pack(v) for v in np.asarray(x).ravel().tolist()]
        kind = "array" if isinstance(x, np.ndarray) else "scalar"
        return {kind: {"dtype": x.dtype.name, "shape": list(x.shape), "data": data}}
    raise TypeError(f"{type(x).__name__} is no plain value")


def unpack(x: Any) -> Any:
    """The value of its JSON; ValueError says what is wrong with it."""
    if x is None or type(x) in (bool, str):
        return x
    if type(x) is int and abs(x) < EXACT:
        return x
    if type(x) is list:
        return [unpack(v) for v in x]
    if type(x) is dict and len(x) == 1:
        ((kind, held),) = x.items()
        if kind in KINDS:
            return KINDS[kind](held)
    raise ValueError(f"{str(x)[:80]!r} is no plain value: one is null, a boolean, a string, a small integer, "
                     f"a list, or an object of one key of {', '.join(KINDS)}")  # fmt: skip


def _text(x: Any, pattern: re.Pattern[str], what: str) -> str:
    if type(x) is not str or not pattern.fullmatch(x):
        raise ValueError(f"{str(x)[:80]!r} is no {what} as Python writes it, in a string")
    return x


def _float(x: Any) -> float:
    return float(_text(x, FLOAT, "float"))


def _int(x: Any) -> int:
    return int(_text(x, INT, "integer"))


def _bytes(x: Any) -> bytes:
    return bytes.fromhex(_text(x, re.compile(r"([0-9a-f]{2})*"), "pairs of hexadecimal digits"))


def _list(x: Any) -> list[Any]:
    if type(x) is not list:
        raise ValueError(f"{str(x)[:80]!r} is no list")
    return [unpack(v) for v in x]


def _complex(x: Any) -> complex:
    if type(x) is not list or len(x) != 2:
        raise ValueError(f"{str(x)[:80]!r} is no complex number: that is its two parts")
    return complex(*map(_float, x))


def _held(x: Any, keys: set[str], optional: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    if type(x) is not dict or not keys <= set(x) <= keys | optional:
        raise ValueError(f"{str(x)[:80]!r} has to be an object of {', '.join(sorted(keys))}")
    return x


def _array(x: Any) -> Any:
    held = _held(x, {"dtype", "shape", "data"})
    shape, data = held["shape"], _list(held["data"])
    if held["dtype"] not in NUMPY:
        raise ValueError(f"dtype is {held['dtype']!r}: there are {', '.join(NUMPY)}")
    if type(shape) is not list or not all(type(n) is int and 0 <= n < EXACT for n in shape):
        raise ValueError(f"{str(shape)[:80]!r} is no shape")
    kind = {"b": bool, "i": int, "u": int, "f": float}[np.dtype(held["dtype"]).kind]
    if wrong := [v for v in data if type(v) is not kind]:
        raise ValueError(f"data of {held['dtype']} holds {wrong[0]!r}")
    try:
        return np.array(data, held["dtype"]).reshape(shape)
    except (OverflowError, ValueError) as e:
        raise ValueError(f"data does not fit {held['dtype']} in shape {shape}: {e}") from e


def _scalar(x: Any) -> Any:
    array = _array(x)
    if array.shape:
        raise ValueError(f"a scalar has no shape {array.shape}")
    return array[()]


def _torch(x: Any) -> Torch:
    held = _held(x, {"name", "arguments"}, {"dtype"})
    name, dtype = held["name"], held.get("dtype", "")
    if name not in TOKENS:
        raise ValueError(f"torch makes no {name!r} for an attempt: there are {', '.join(TOKENS)}")
    if dtype not in ("", *MADE):
        raise ValueError(f"dtype is {dtype!r}: there are {', '.join(MADE)}")
    return Torch(name, tuple(_list(held["arguments"])), dtype)


KINDS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "complex": _complex,
    "bytes": _bytes,
    "tuple": lambda x: tuple(_list(x)),
    "array": _array,
    "scalar": _scalar,
    "torch": _torch,
}
"""What is no value of JSON's own, by the key that names it."""


def packed(attempt: Attempt) -> dict[str, Any]:
    """The JSON of an attempt, without what is left at its default."""
    found: dict[str, Any] = {"id": attempt.id}
    for f in fields(Attempt)[1:]:
        value = getattr(attempt, f.name)
        if f.name == "twin":
            found |= {} if value is None else {"twin": packed(value)}
        elif f.name == "keywords":
            found |= {"keywords": {name: pack(v) for name, v in value.items()}}
        elif f.name in ("positional", "call"):
            found |= {} if value is None else {f.name: [pack(v) for v in value]}
        elif value != f.default:
            found[f.name] = value
    return found


def value_schema() -> dict[str, Any]:
    """The JSON Schema of a plain value; it refers to itself as ``#/$defs/Value``."""
    value = {"$ref": "#/$defs/Value"}
    values = {"type": "array", "items": value}
    number = {"type": "string", "pattern": f"^({FLOAT.pattern})$"}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    array = _object(dtype={"enum": list(NUMPY)}, shape=shape, data=values)
    token = _object(name={"enum": list(TOKENS)}, arguments=values)
    token["properties"]["dtype"] = {"enum": [*MADE]}
    forms = {
        "int": {"type": "string", "pattern": f"^({INT.pattern})$"}, "float": number,
        "complex": {"type": "array", "items": number, "minItems": 2, "maxItems": 2},
        "bytes": {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
        "tuple": values, "array": array, "scalar": array, "torch": token,
    }  # fmt: skip
    small = {"type": "integer", "exclusiveMinimum": -EXACT, "exclusiveMaximum": EXACT}
    return {
        "title": "Value",
        "description": "A plain value of an attempt, exactly: what is not JSON's own is named by its key.",
        "anyOf": [{"type": ["null", "boolean", "string"]}, small, values,
                  *(_object(**{kind: form}) for kind, form in forms.items())],
    }  # fmt: skip


def _object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
