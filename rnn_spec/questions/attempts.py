"""Attempts: the tables that the checks of the constructor, of refusals and of malformed batches walk.

Plain data: what only torch can make is a `Torch`. An invalid attempt is one edit away from its valid twin.
The patterns that a message has to match (`names`, `given`, `expected`) leave it its own words: they ask for
the argument, the value or type or shape that was given, and what would have been right.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions.ragged import ragged
from rnn_spec.questions.records import Attempt, Torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.questions.records import Case

SIGNATURE = (
    "input_size", "hidden_size", "num_layers", "nonlinearity", "bias",
    "batch_first", "dropout", "bidirectional", "device", "dtype",
)  # fmt: skip


@dataclass(frozen=True)
class Negative:
    """A wrong attempt, which holds its valid twin. `kind`: value, type, shape, or name (of an argument).

    `clause` is the one that says that it is refused, in `phase`; `value` is what is wrong.
    """

    clause: str
    kind: str
    phase: str
    argument: str
    attempt: Attempt
    value: Any
    names: str
    given: str
    expected: str


def constructing(
    positional: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None, **around: Any
) -> Attempt:
    """An attempt with these arguments, and these fields; its id is how one would write it."""
    given = [*map(repr, positional), *(f"{name}={value!r}" for name, value in (keywords or {}).items())]
    id = f"RNN({', '.join(given)})"
    call = around.get("call")
    id += "" if call is None else f"({', '.join(map(repr, call))})"
    id += "".join(f", {name} {value}" for name, value in around.items() if name not in ("call", "twin"))
    return Attempt(id, positional, keywords or {}, **around)


def wrong(id: str, twin: Attempt, **changes: Any) -> Attempt:
    """The twin with something changed, so that it has to be refused."""
    return replace(twin, id=f"refuse/{id}", twin=replace(twin, id=f"refuse/{id}~twin"), **changes)


def ones(*shape: int) -> Torch:
    """A tensor of ones."""
    return Torch("ones", (shape,))


CONSTRUCTOR = {
    "input_size": 3, "hidden_size": 4, "num_layers": 2, "nonlinearity": "tanh", "bias": True,
    "batch_first": False, "dropout": 0.5, "bidirectional": False, "device": "cpu", "dtype": Torch("float32"),
}  # fmt: skip
PLAIN = {name: CONSTRUCTOR[name] for name in SIGNATURE[:8]}
"""What every release has; device and dtype are only given where they are what is wrong."""
CALL = (ones(5, 6, 3), None)

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
            twin = Attempt("", keywords={**PLAIN, argument: CONSTRUCTOR[argument]}, call=CALL)
            fits_true = (ones(5, 6, 1), None) if argument == "input_size" else CALL
            for name, value in values.items():
                id = f"{argument}-{name}".replace(" ", "_")
                by_value = "ERR-08" if name == "huge" else REFUSED_BY.get(argument, "ERR-08")
                yield id, Negative(
                    clause=by_value if kind == "value" else "ERR-10",
                    kind=kind, phase="construct", argument=argument,
                    attempt=wrong(id, twin, keywords={**twin.keywords, argument: value}, call=fits_true),
                    value=value,
                    names=rf"\b{argument}\b",
                    given=_shown(value) if kind == "value" else f"{_type_name(value)}|{_shown(value)}",
                    expected=(EXPECTED if kind == "value" else EXPECTED_TYPE)[argument],
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


SURPLUS = {
    "proj_size": 2, "mode": "RNN_RELU", "batchfirst": True, "num_layer": 2, "hx": None, "h_0": None,
}  # fmt: skip
"""Keywords that are no arguments."""


def _names() -> Iterator[tuple[str, Negative]]:
    values = tuple(CONSTRUCTOR.values())
    for i, argument in enumerate(SIGNATURE):
        others = {name: CONSTRUCTOR[name] for name in SIGNATURE[i + 1 : 8]}
        twin, value, id = Attempt("", values[: i + 1], others, CALL), OTHER[argument], f"twice-{argument}"
        attempt = wrong(id, twin, keywords={**others, argument: value})
        yield id, Negative(
            "ARG-04", "name", "construct", argument, attempt, value,
            rf"\b{argument}\b", argument, "multiple values|twice|both|already given",
        )  # fmt: skip
    for argument, value in SURPLUS.items():
        twin, id = Attempt("", keywords=PLAIN, call=CALL), f"unknown-{argument}"
        attempt = wrong(id, twin, keywords={**PLAIN, argument: value})
        yield id, Negative(
            "ARG-05", "name", "construct", argument, attempt, value,
            rf"\b{argument}\b", argument, "unexpected|unknown|only supported|no such|not an? argument",
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

_ones = ones(2, 6, 4)
NO_TENSOR: dict[str, dict[str, Any]] = {
    "input": {
        "None": None, "list": [[1.0, 1.0, 1.0]], "array": np.ones((5, 6, 3), np.float32),
        "tuple": (ones(5, 6, 3), _ones),
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
                given, expected = shape_pattern(shape), shape_pattern(right)
                if clause == "ERR-01":
                    expected = r"2-?D.*3-?D|2.*or.*3"
                if clause == "ERR-02":
                    given, expected = rf"{given}|\b{shape[-1]}\b", rf"{expected}|\b3\b"
                elif len(shape) != len(right):
                    given = rf"{given}|\b{len(shape)}-?D"
                    expected = rf"{expected}|\b{len(right)}-?D"
                id = f"{argument}-{name}-{'x'.join(map(str, shape)) or 'scalar'}"
                yield id, _call(id, clause, "shape", argument, layout, ones(*shape), given, expected)
    for argument, values in NO_TENSOR.items():
        for name, value in values.items():
            id = f"no_tensor-{argument}-{name}".replace(" ", "_")
            layout, given = LAYOUTS["batched"], _type_name(value)
            yield id, _call(id, "ERR-04", "type", argument, layout, value, given, "[Tt]ensor")


def shape_pattern(shape: tuple[int, ...]) -> str:
    """A pattern of the shape as a message shows it."""
    return rf"[(\[]{', ?'.join(map(str, shape))},?[)\]]"


def _call(
    id: str, clause: str, kind: str, argument: str, layout: Layout, value: Any, given: str, expected: str
) -> Negative:
    right = {"input": ones(*layout.input), "h_0": ones(*layout.h_0)}
    keywords = {"input_size": 3, "hidden_size": 4, "num_layers": 2, **layout.keywords}
    twin = Attempt("", keywords=keywords, call=tuple(right.values()))
    attempt = wrong(id, twin, call=tuple({**right, argument: value}.values()))
    return Negative(clause, kind, "forward", argument, attempt, value, NAMES[argument], given, expected)


NEGATIVES: dict[str, Negative] = dict([*_values(), *_names(), *_calls()])
"""Every invalid call, by id."""

# -- other dtypes ---------------------------------------------------------------------------------


def mixed(case: Case, layer: str, given: str, what: str) -> Attempt:
    """A call of the case's layer, in one dtype, with an input or an h_0 of another."""
    arguments = {"input": case.input, "h_0": np.asarray(case.h_0)}
    right = {name: Torch("full", (x.shape, 0.5), layer) for name, x in arguments.items()}
    other = {what: replace(right[what], dtype=given)}
    twin = Attempt("", keywords=asdict(case.config), call=tuple(right.values()), dtype=layer)
    return wrong(f"{case.id}-{layer}-{given}-{what}", twin, call=tuple({**right, **other}.values()))


# -- packed batches -------------------------------------------------------------------------------

WRONG_STATES = {
    "one row too many": (0, 1, 0),
    "twice the rows": (0, 3, 0),
    "one row too few": (0, -1, 0),
    "one row": (0, -2, 0),
    "no rows": (0, -3, 0),
    "one layer too many": (1, 0, 0),
    "one layer too few": (-1, 0, 0),
    "one unit too many": (0, 0, 1),
    "one unit": (0, 0, -6),
}
"""By how much the axes of h_0 are wrong."""
WRONG_AXES = {"no axes": 0, "one axis": 1, "two axes": 2, "four axes": 4}


def wrong_state(case: Case, wrongly: str) -> tuple[int, ...]:
    """The shape of an h_0 that is wrong in this way."""
    right = tuple(np.asarray(case.h_0).shape)
    if wrongly in WRONG_AXES:
        return (1, *right)[4 - WRONG_AXES[wrongly] :]
    return tuple(max(n + more, 0) for n, more in zip(right, WRONG_STATES[wrongly], strict=True))


def packed_state(case: Case, pattern: str, wrongly: str) -> Attempt:
    """A call with the case's sequences, packed, and an h_0 that is wrong in this way."""
    packed = ragged(case, pattern)
    padded, *states = (
        Torch("full", (shape, 0.5), case.dtype)
        for shape in (packed.input.shape, np.asarray(packed.h_0).shape, wrong_state(packed, wrongly))
    )
    lengths = Torch("tensor", (np.asarray(packed.lengths).tolist(),))
    input = Torch("pack_padded_sequence", (padded, lengths, case.config.batch_first, pattern == "sorted"))
    twin = Attempt("", keywords=asdict(case.config), call=(input, states[0]), dtype=case.dtype)
    return wrong(f"packed-{case.id}-{pattern}-{wrongly}", twin, call=(input, states[1]))


MALFORMED = {
    "empty": [],
    "increasing": [2, 3, 1, 1],
    "increasing at the end": [3, 1, 1, 2],
    "zero at the end": [3, 2, 2, 0],
    "zero in the middle": [3, 2, 0, 2],
    "zero at the start": [0, 3, 4],
    "zeros after one step": [7, 0, 0],
    "zero alone": [0],
    "fewer than the rows": [3, 2, 1],
    "one row of seven": [1],
    "more than the rows": [3, 2, 1, 1, 1],
    "many more than the rows": [30, 20, 10, 10],
    "negative at the end": [4, 4, -1],
    "negative at the start": [-1, 8],
}
"""batch_sizes that cannot be those of seven rows."""
WELL_FORMED = {"the same rows": [3, 2, 1, 1], "one step": [7], "one sequence": [1] * 7}
RISING_AGAIN = [3, 1, 3]
"""batch_sizes of seven rows that pad_packed_sequence counts more sequences down by than there are."""
WRONG_LENGTHS = {
    "beyond the steps": [6, 3, 1],
    "far beyond the steps": [50, 3, 1],
    "one too few": [5, 3],
    "one too many": [5, 3, 2, 1],
    "none": [],
    "zero": [5, 3, 0],
    "negative": [5, 3, -1],
}
"""Lengths that cannot be those of three sequences, padded to five steps."""
DISORDERED = {
    "one row twice": ([0, 0, 2], [0, 1, 2]),
    "one row for all": ([0, 1, 2], [0, 0, 0]),
    "no inverse": ([1, 2, 0], [1, 2, 0]),
    "a row beyond": ([0, 1, 3], [0, 1, 2]),
    "a row beyond in the end": ([0, 1, 2], [0, 1, 3]),
    "a row too few": ([0, 1], [0, 1]),
    "a row too many": ([0, 1, 2, 0], [0, 1, 2]),
}
"""sorted_indices and unsorted_indices that cannot be those of three sequences.

Both are given: what torch makes of one alone depends on what memory happens to hold.
"""


def seven_rows(sizes: list[int], *indices: list[int]) -> Torch:
    """A PackedSequence of seven rows of three features, with these batch_sizes, and these indices if any."""
    fields = [Torch("tensor", (i,), "int64") for i in (sizes, *indices)]
    return Torch("PackedSequence", (ones(7, 3), *fields))


def packed_rows(sizes: list[int], *, bidirectional: bool) -> Attempt:
    """A call with seven rows of these batch_sizes."""
    keywords = {"input_size": 3, "hidden_size": 4, "bidirectional": bidirectional}
    id = f"batch_sizes-{'both' if bidirectional else 'forward'}-{','.join(map(str, sizes))}"
    if sizes in WELL_FORMED.values():
        return Attempt(id, keywords=keywords, call=(seven_rows(sizes),))
    twin = Attempt("", keywords=keywords, call=(seven_rows([3, 2, 1, 1]),))
    return wrong(id, twin, call=(seven_rows(sizes),), apart=True)


def packed_by(lengths: list[int], *, ordered: bool) -> Attempt:
    """A call with three sequences, padded to five steps, that are packed by these lengths."""

    def packed(given: list[int]) -> tuple[Torch]:
        told = Torch("tensor", (given,), "int64")
        return (Torch("pack_padded_sequence", (ones(5, 3, 3), told, False, ordered)),)

    twin = Attempt("", (3, 4), call=packed([5, 3, 1]))
    id = f"lengths-{'sorted' if ordered else 'unsorted'}-{','.join(map(str, lengths))}"
    return wrong(id, twin, call=packed(lengths), apart=True)


NUMPY_SIZES = ("int64", "int32", "uint8")


def numpy_size(argument: str, dtype: str) -> Attempt:
    """A layer one of whose sizes is NumPy's integer, and a call of it."""
    keywords = {**PLAIN, argument: np.dtype(dtype).type(CONSTRUCTOR[argument])}
    return Attempt(f"numpy-{argument}-{dtype}", keywords=keywords, call=CALL)


def disordered(order: list[int], back: list[int]) -> Attempt:
    """A call with three sequences in such an order."""
    sizes, h_0 = [3, 2, 2], Torch("full", ((1, 3, 4), 0.0))
    twin = Attempt("", (3, 4), call=(seven_rows(sizes, [1, 2, 0], [2, 0, 1]), h_0))
    return wrong(f"indices-{order}-{back}", twin, call=(seven_rows(sizes, order, back), h_0), apart=True)
