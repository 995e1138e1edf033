"""Invalid calls, each one edit away from a valid one: the table that the checks of errors walk.

Plain data: what only torch can make is a `Torch`, made when the call is. The patterns that a message
has to match (`names`, `given`, `expected`) leave it its own words: they ask for the argument, the value
or type or shape that was given, and what would have been right.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = (
    "input_size", "hidden_size", "num_layers", "nonlinearity", "bias",
    "batch_first", "dropout", "bidirectional", "device", "dtype",
)  # fmt: skip


@dataclass(frozen=True)
class Torch:
    """torch's attribute of this name, called with the arguments if there are any."""

    name: str
    arguments: tuple[Any, ...] = ()

    def make(self, torch: Any) -> Any:
        """The value itself."""
        found = getattr(torch, self.name)
        return found(*self.arguments) if self.arguments else found

    def __repr__(self) -> str:
        return f"torch.{self.name}" + (f"({', '.join(map(repr, self.arguments))})" if self.arguments else "")


@dataclass(frozen=True)
class Attempt:
    """A constructor call, and a call of the layer that it gives."""

    positional: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    input: Any = Torch("ones", (5, 6, 3))
    h_0: Any = None


@dataclass(frozen=True)
class Negative:
    """A wrong call and its valid twin. `kind`: value, type, shape, or name (of an argument).

    `clause` is the one that says that the call is refused.
    """

    clause: str
    kind: str
    phase: str
    argument: str
    twin: Attempt
    wrong: Attempt
    wrong_value: Any
    names: str
    given: str
    expected: str


CONSTRUCTOR = {
    "input_size": 3, "hidden_size": 4, "num_layers": 2, "nonlinearity": "tanh", "bias": True,
    "batch_first": False, "dropout": 0.5, "bidirectional": False, "device": "cpu", "dtype": Torch("float32"),
}  # fmt: skip

SIZES = ("input_size", "hidden_size", "num_layers")
SWITCHES = ("bias", "batch_first", "bidirectional")

VALUES: dict[str, dict[str, Any]] = {
    **{name: {"zero": 0, "negative": -1, "huge": 2**70} for name in SIZES[:2]},
    "num_layers": {"zero": 0, "negative": -1},
    "nonlinearity": {"empty": "", "upper case": "TANH", "blank": " tanh", "sigmoid": "sigmoid"},
    "dropout": {
        "below 0": -0.1, "just below 0": -5e-324, "above 1": 1.5, "just above 1": math.nextafter(1, 2),
        "int above 1": 2, "nan": math.nan, "inf": math.inf, "-inf": -math.inf,
    },
    "device": {"unknown": "nowhere"},
    "dtype": {"integer": Torch("int64"), "bool": Torch("bool")},
}  # fmt: skip
"""Values of the right type that are wrong, by argument."""

_number = {"None": None, "str": "2", "list": [2]}
TYPES: dict[str, dict[str, Any]] = {
    **{
        name: {**_number, "bool": True, "float": 2.0, "nan": math.nan, "tensor": Torch("tensor", (2,))}
        for name in SIZES
    },
    "nonlinearity": {
        "None": None, "int": 0, "bytes": b"tanh", "function": Torch("tanh"),
    },
    **{name: {"None": None, "int": 1, "str": "False", "empty str": "",
         "numpy bool": np.True_, "tensor": Torch("tensor", (True,))} for name in SWITCHES},
    "dropout": {
        "None": None, "bool": True, "False": False, "number in str": "0.5", "str": "half", "list": [0.5],
        "complex": 0.5j, "tensor": Torch("tensor", (0.5,)),
    },
    "device": {"float": 3.5, "list": ["cpu"], "dtype": Torch("float32")},
    "dtype": {"str": "float32", "int": 3, "device": Torch("device", ("cpu",))},
}  # fmt: skip
"""Values of a wrong type, by argument."""

REFUSED_BY = {**dict.fromkeys(SIZES, "ERR-05"), "nonlinearity": "ERR-06", "dropout": "ERR-07"}
"""The clause that says that a wrong value of the argument is refused; ERR-08 for the others."""

POSITIVE = r"greater than (zero|0)|positive|at least (1|one)|>= ?1|> ?0"
EXPECTED = {
    **dict.fromkeys(SIZES, rf"{POSITIVE}|too (large|big)|[Oo]verflow"),
    "nonlinearity": r"tanh.*relu|relu.*tanh",
    "dropout": r"\[0(\.0)?, 1(\.0)?\]|between 0 and 1",
    "device": r"cpu.*cuda|device",
    "dtype": r"[Ff]loating",
}
EXPECTED_TYPE = {
    **dict.fromkeys(SIZES, r"\bint\b|integer"),
    **dict.fromkeys(SWITCHES, r"type bool|a bool|bool(ean)? expected|must be bool"),
    "nonlinearity": r"tanh.*relu|relu.*tanh|str\b",
    "dropout": r"number|\bfloat\b",
    "device": r"torch\.device|\bstr\b",
    "dtype": r"torch\.dtype",
}


def _values() -> Iterator[tuple[str, Negative]]:
    for kind, table in (("value", VALUES), ("type", TYPES)):
        for argument, values in table.items():
            for name, value in values.items():
                yield (
                    f"{argument}-{name}".replace(" ", "_"),
                    Negative(
                        clause=REFUSED_BY.get(argument, "ERR-08") if kind == "value" and name != "huge"
                        else "ERR-08" if kind == "value" else "ERR-10",
                        kind=kind, phase="construct", argument=argument,
                        twin=Attempt((), CONSTRUCTOR),
                        wrong=Attempt(
                            (), {**CONSTRUCTOR, argument: value},
                            Torch("ones", (5, 6, 1 if argument == "input_size" else 3)),  # fits True
                        ),
                        wrong_value=value,
                        names=rf"\b{argument}\b",
                        given=_shown(value) if kind == "value" else f"{_type_name(value)}|{_shown(value)}",
                        expected=(EXPECTED if kind == "value" else EXPECTED_TYPE)[argument],
                    ),
                )  # fmt: skip


def _shown(value: Any) -> str:
    """A pattern of the value as a message shows it, in quotation marks or not."""
    text = value if isinstance(value, str) and value.strip() else repr(value)
    return rf"(?<![\w.-]){re.escape(text)}(?![\w.])" if text[-1].isalnum() else re.escape(text)


def _type_name(value: Any) -> str:
    """A pattern of the type's name, one that tells it from the type that was asked for."""
    if isinstance(value, Torch):
        return {"tensor": "Tensor", "tanh": "builtin_function|function|built-in", "device": "device"}.get(
            value.name, "dtype"
        )
    return r"numpy|\bnp\." if isinstance(value, np.generic) else rf"\b{type(value).__name__}\b"


OTHER = {
    "input_size": 5, "hidden_size": 6, "num_layers": 3, "nonlinearity": "relu", "bias": False,
    "batch_first": True, "dropout": 0.25, "bidirectional": True, "device": "meta", "dtype": Torch("float64"),
}  # fmt: skip


def _names() -> Iterator[tuple[str, Negative]]:
    values = tuple(CONSTRUCTOR.values())
    for i, argument in enumerate(SIGNATURE):
        twin = Attempt(values[: i + 1], {name: CONSTRUCTOR[name] for name in SIGNATURE[i + 1 : 8]})
        if i < 2:  # hidden_size has to be given, too
            twin = Attempt(values[: i + 1], {name: CONSTRUCTOR[name] for name in SIGNATURE[i + 1 :]})
        yield (
            f"twice-{argument}",
            Negative(
                "ARG-04", "name", "construct", argument, twin,
                replace(twin, keywords={**twin.keywords, argument: OTHER[argument]}),
                OTHER[argument], rf"\b{argument}\b", argument, "multiple values|twice|both|already given",
            ),
        )  # fmt: skip
    surplus = {
        "proj_size": 2,
        "mode": "RNN_RELU",
        "batchfirst": True,
        "num_layer": 2,
        "hx": None,
        "h_0": None,
    }
    for argument, value in surplus.items():
        yield (
            f"unknown-{argument}",
            Negative(
                "ARG-05", "name", "construct", argument, Attempt((), CONSTRUCTOR),
                Attempt((), {**CONSTRUCTOR, argument: value}), value,
                rf"\b{argument}\b", argument, "unexpected|unknown|only supported|no such|not an? argument",
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """A valid call: constructor keywords, and the shapes of input and h_0."""

    keywords: dict[str, Any]
    input: tuple[int, ...]
    h_0: tuple[int, ...]


LAYOUTS = {
    "batched": Layout({}, (5, 6, 3), (2, 6, 4)),
    "batch_first": Layout({"batch_first": True}, (6, 5, 3), (2, 6, 4)),
    "unbatched": Layout({}, (5, 3), (2, 4)),
    "unbatched_batch_first": Layout({"batch_first": True}, (5, 3), (2, 4)),
    "bidirectional": Layout({"bidirectional": True}, (5, 6, 3), (4, 6, 4)),
}

AXES = {"batched": ((), (3,), (1, 5, 6, 3)), "unbatched": ((3,), (1, 1, 5, 3))}
"""Inputs that are neither 2-D nor 3-D."""

FEATURES = {
    "batched": ((5, 6, 1), (5, 6, 2), (5, 6, 4), (5, 6, 0)),
    "batch_first": ((6, 5, 4),),
    "unbatched": ((5, 1), (5, 4)),
    "unbatched_batch_first": ((5, 4),),
}
"""Inputs whose last axis is not input_size."""

STATES = {
    "batched": (
        (1, 6, 4), (3, 6, 4), (0, 6, 4), (2, 1, 4), (2, 5, 4), (2, 12, 4), (2, 6, 1), (2, 6, 5), (6, 2, 4),
        (2, 4), (4,), (), (1, 2, 6, 4),
    ),
    "batch_first": ((6, 2, 4), (2, 1, 4)),
    "unbatched": ((1, 4), (3, 4), (2, 1), (2, 5), (4,), (2, 1, 4), (1, 2, 4)),
    "unbatched_batch_first": ((1, 4), (2, 1, 4)),
    "bidirectional": ((2, 6, 4), (1, 6, 4), (2, 2, 6, 4)),
}  # fmt: skip
"""h_0 of a shape that does not fit."""

_ones = Torch("ones", ((2, 6, 4),))
NO_TENSOR: dict[str, dict[str, Any]] = {
    "input": {
        "None": None, "list": [[1.0, 1.0, 1.0]], "array": np.ones((5, 6, 3), np.float32),
        "tuple": (Torch("ones", ((5, 6, 3),)), _ones),
    },
    "h_0": {
        "states of an LSTM": (_ones, _ones), "tuple of one": (_ones,), "list": [_ones],
        "array": np.ones((2, 6, 4), np.float32), "zero": 0, "False": False,
    },
}  # fmt: skip

NAMES = {"input": r"\binput\b", "h_0": r"\bhx\b|\bh_?0\b|(initial|hidden) state"}


def _calls() -> Iterator[tuple[str, Negative]]:
    for clause, argument, table in (
        ("ERR-01", "input", AXES),
        ("ERR-02", "input", FEATURES),
        ("ERR-03", "h_0", STATES),
    ):
        for name, shapes in table.items():
            layout = LAYOUTS[name]
            right = getattr(layout, argument)
            for shape in shapes:
                given, expected = _tensor(shape), _tensor(right)
                if clause == "ERR-01":
                    expected = r"2-?D.*3-?D|2.*or.*3"
                if clause == "ERR-02":
                    given, expected = rf"{given}|\b{shape[-1]}\b", rf"{expected}|\b3\b"
                elif len(shape) != len(right):
                    given = rf"{given}|\b{len(shape)}-?D"
                    expected = rf"{expected}|\b{len(right)}-?D"
                id = f"{argument}-{name}-{'x'.join(map(str, shape)) or 'scalar'}"
                yield id, _call(clause, "shape", argument, layout, Torch("ones", (shape,)), given, expected)
    for argument, values in NO_TENSOR.items():
        for name, value in values.items():
            id = f"no_tensor-{argument}-{name}".replace(" ", "_")
            yield id, _call(
                "ERR-04", "type", argument, LAYOUTS["batched"], value, _type_name(value), "[Tt]ensor"
            )  # fmt: skip


def _tensor(shape: tuple[int, ...]) -> str:
    """A pattern of the shape as a message shows it."""
    return rf"[(\[]{', ?'.join(map(str, shape))},?[)\]]"


def _call(
    clause: str, kind: str, argument: str, layout: Layout, value: Any, given: str, expected: str
) -> Negative:
    right = {"input": Torch("ones", (layout.input,)), "h_0": Torch("ones", (layout.h_0,))}
    keywords = {"input_size": 3, "hidden_size": 4, "num_layers": 2, **layout.keywords}
    twin, wrong = Attempt((), keywords, **right), Attempt((), keywords, **{**right, argument: value})
    return Negative(
        clause, kind, "forward", argument, twin, wrong, value, NAMES[argument], given, expected
    )  # fmt: skip


NEGATIVES: dict[str, Negative] = dict([*_values(), *_names(), *_calls()])
"""Every invalid call, by id."""
