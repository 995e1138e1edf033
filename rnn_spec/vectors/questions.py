"""Which vectors there are: a table of questions by topic, the flags that they show, and what none can show.

A vector's id is ``TOPIC-WORDS``: its file, and what is particular about it. An id never changes, and never
changes what it means (``ids.txt`` holds both). Sizes are small, and T, N, I and H all different unless
equal on purpose; the numbers are `cases.data`'s, so they are the same for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnn_spec.questions import data
from rnn_spec.questions.ragged import PATTERNS
from rnn_spec.questions.records import Case, Cotangents
from rnn_spec.questions.refusal import refusal
from rnn_spec.spec.model import Config

Size = tuple[int, int, int, int]
Change = Callable[[dict[str, Any]], dict[str, Any]]

STEP: Size = (1, 3, 5, 6)
BASE: Size = (4, 3, 5, 6)
BITS: Size = (1, 3, 2, 6)
EXAMPLE: Size = (5, 3, 10, 2)
TAIL: Size = (3, 2, 13, 35)  # past multiples of 4, 8 and 32 columns
ROWS: Size = (3, 35, 2, 4)  # past the 16th and the 32nd row
LONG: Size = (261, 1, 1, 2)  # past steps 8, 64 and 256
LONGEST: Size = (1001, 1, 1, 1)  # past steps 512, 768 and 999
FEATURES: Size = (1, 2, 259, 3)  # past 64 and 256 features
WIDE: Size = (1, 1, 3, 129)  # past 128 units


@dataclass(frozen=True)
class Question:
    """A vector to be: its id, the clauses that it shows, and what makes its Case.

    `cotangents` says which are given: "output", "h_n", "both" or none; the one that is not is zero.
    `change` turns the Case's fields into others. `twin` is the valid vector of an invalid one. `purpose`
    names flags of `PURPOSE`: what the linter would refuse, were it not on purpose.
    """

    id: str
    clauses: tuple[str, ...]
    size: Size
    config: dict[str, Any]
    h_0: bool = True
    training: bool = False
    lengths: str = ""
    batched: bool = True
    cotangents: str = ""
    change: Change | None = None
    twin: str | None = None
    purpose: tuple[str, ...] = ()

    def case(self) -> Case:
        """The question itself."""
        T, N, I, H = self.size
        config = Config(I, H, **self.config)
        drawn = data.tensors("vector{}x{}x{}x{}".format(*self.size), config, T, N, 5)
        input, h_0, g_y, g_n = data.laid_out(drawn, batched=self.batched, batch_first=config.batch_first)
        given = Cotangents(g_y * (self.cotangents != "h_n"), g_n * (self.cotangents != "output"))
        case = Case(
            id=self.id,
            config=config,
            parameters=data.parameters(f"vector{I}x{H}", config),
            input=input,
            h_0=h_0 if self.h_0 else None,
            lengths=PATTERNS[self.lengths](T, N) if self.lengths else None,
            training=self.training,
            dtype="float64",
            seed=1,
            cotangents=given if self.cotangents else None,
        )
        return replace(case, **self.change(dict(vars(case)))) if self.change else case


# -- changes ------------------------------------------------------------------------------------------


def scaled(factor: float) -> Change:
    """Input and h_0 times a power of two."""
    return lambda c: {"input": c["input"] * factor, "h_0": c["h_0"] * factor}


def only_some(name: str, at: dict[tuple[int, ...], float]) -> Change:
    """Single elements of input or h_0 are other numbers."""

    def change(c: dict[str, Any]) -> dict[str, Any]:
        array = c[name].copy()
        for index, value in at.items():
            array[index] = value
        return {name: array}

    return change


def in_padding(value: float) -> Change:
    """All that lies past the sequences' ends is this number."""

    def change(c: dict[str, Any]) -> dict[str, Any]:
        past = np.arange(len(c["input"]))[:, None] >= c["lengths"]
        return {"input": np.where(past[..., None], value, c["input"])}

    return change


def dead_unit(c: dict[str, Any]) -> dict[str, Any]:
    """Unit 2 has no weights, so that its pre-activation is exactly 0 in any order of summation."""
    parameters = {name: value.copy() for name, value in c["parameters"].items()}
    for value in parameters.values():
        value[2] = 0
    return {"parameters": parameters}


def sparse(c: dict[str, Any]) -> dict[str, Any]:
    """W_hh has its first column, its last rows and columns, and a diagonal beside the main one."""
    H = c["config"].hidden_size
    i, j = np.indices((H, H))
    keep = (j == 0) | (i >= H // 128 * 128) | (j >= H // 128 * 128) | (j == (i + 7) % H)
    coarse = np.round(c["parameters"]["weight_hh_l0"] * 2**12) / 2**12
    return {"parameters": {**c["parameters"], "weight_hh_l0": np.where(keep, coarse, 0.0)}}


def copying(bits: int) -> Change:
    """Each unit of relu is one term, times a power of two, so that it shows every bit of what it copies.

    They copy, in order: W_ih, input, W_hh, h_0, b_ih, b_hh, all with this many bits in use.
    """

    def change(c: dict[str, Any]) -> dict[str, Any]:
        def fine(name: str, length: int = 1) -> np.ndarray:
            sevens = [
                data.dyadic(f"{name}/{i}", (length,), 0, signed=False).astype(np.int64) for i in range(8)
            ]
            whole = sum(n << 7 * i for i, n in enumerate(sevens)) % 2**bits | 2 ** (bits - 1) | 1
            return np.ldexp(np.asarray(whole, np.float64), -bits)

        rows = np.arange(3)[:, None]
        input, h_0 = c["input"].copy(), c["h_0"].copy()
        input[0, :, :1], input[0, :, 1] = 2.0**-rows, fine("input", 3)
        h_0[0, :, :1], h_0[0, :, 1] = 2.0 ** (1 - rows), fine("h_0", 3)
        given = {name: np.zeros(value.shape) for name, value in c["parameters"].items()}
        given["weight_ih_l0"][0, :1], given["weight_ih_l0"][1, 1] = fine("w_ih"), 1
        given["weight_hh_l0"][2, :1], given["weight_hh_l0"][3, 1] = fine("w_hh"), 1
        given["bias_ih_l0"][4:5], given["bias_hh_l0"][5:] = fine("b_ih"), fine("b_hh")
        return {"input": input, "h_0": h_0, "parameters": given}

    return change


def other_config(**values: Any) -> Change:
    """A constructor argument is another one, and the parameters are as they were."""
    return lambda c: {"config": replace(c["config"], **values)}


def shaped(name: str, shape: tuple[int, ...]) -> Change:
    """Input or h_0 has another shape, filled again from its numbers."""
    return lambda c: {name: np.resize(c[name], shape)}


def with_lengths(*lengths: int) -> Change:
    """The lengths are these."""
    return lambda c: {"lengths": np.array(lengths)}


# -- the table ----------------------------------------------------------------------------------------

RELU, NO_BIAS, BI, TWO = {"nonlinearity": "relu"}, {"bias": False}, {"bidirectional": True}, {"num_layers": 2}
THREE = {"num_layers": 3}
CELL = ("REC-01", "REC-02", "REC-03", "REC-04", "HID-01", "HID-02")
TIME = ("REC-05", "REC-06", "REC-07", "REC-08", "REC-09", "REC-10", "REC-12", "SHP-01", "SHP-02")
LAYERS = ("STK-01", "STK-02", "STK-03", "HID-03", "HID-05", "HID-09", "NLN-06")
DIRECTIONS = ("DIR-01", "DIR-02", "DIR-03", "DIR-04", "DIR-06", "DIR-07", "DIR-08", "DIR-10")
LENGTHS = ("PCK-01", "PCK-03", "PCK-04", "PCK-05")
GRADIENTS = ("GRD-01", "GRD-02", "GRD-03", "GRD-04")
PRECISE = ("PRC-01", "PRC-02")
INVALID: Size = (2, 3, 4, 5)


def _q(id: str, clauses: Any, size: Size, *config: dict[str, Any], **more: Any) -> Question:
    merged = {name: value for part in config for name, value in part.items()}
    return Question(id, tuple(clauses), size, merged, **more)


def _invalid(id: str, clause: str, change: Change, twin: str = "") -> Question:
    """The valid question of errors.json that `twin` names, with one change."""
    valid = {"": (), "stack": (TWO, {"dropout": 0.5}), "bidirectional": (BI,), "lengths": ()}[twin]
    name = f"errors-valid-{twin}" if twin else "errors-valid"
    return _q(f"errors-{id}", (clause,), INVALID, *valid, change=change, twin=name)


NAN, INF = math.nan, math.inf
QUESTIONS: tuple[Question, ...] = (
    _q("cell-tanh", (*CELL, *PRECISE, "REC-11", "NLN-01", "NLN-03", "BIA-02"), STEP),
    _q("cell-relu", (*CELL, "NLN-04"), STEP, RELU),
    _q("cell-tanh-without-bias", ("BIA-01",), STEP, NO_BIAS),
    _q("cell-relu-without-bias", ("BIA-01",), STEP, RELU, NO_BIAS),
    _q("cell-square", ("REC-01",), (1, 3, 5, 5), purpose=("EqualSizes",)),
    _q("cell-tail", ("REC-01", "REC-02", "REC-11", "NLN-01"), (1, 2, 13, 11)),
    _q("cell-rows", ("HID-02",), (1, 35, 2, 4)),
    _q("cell-features", ("REC-01",), FEATURES),
    _q("cell-wide", ("REC-02", "REC-11"), WIDE, change=sparse, purpose=("SizeOne",)),
    _q("cell-tanh-saturated", ("NLN-01", "NLN-02"), STEP, change=scaled(8), purpose=("Saturated",)),
    _q("cell-tanh-far", ("NLN-02",), STEP, change=scaled(2048), purpose=("Saturated",)),
    _q("cell-relu-large", ("NLN-05",), STEP, RELU, change=scaled(4096)),
    _q("cell-relu-tiny", ("NLN-05",), STEP, RELU, NO_BIAS, change=scaled(2.0**-20)),
    _q("cell-tanh-tiny", ("NLN-01",), STEP, NO_BIAS, change=scaled(2.0**-20)),
    _q("cell-24-bits", ("PRC-02", "HID-06"), BITS, RELU, change=copying(24), purpose=("EveryBit",)),
    _q("cell-53-bits", ("PRC-01",), BITS, RELU, change=copying(53), purpose=("EveryBit",)),
    _q("cell-tanh-infinite", ("EDG-07",), STEP,
       change=only_some("input", {(0, 0, 1): INF, (0, 2, 3): -INF}), purpose=("Infinite",)),
    _q("cell-relu-infinite", ("EDG-07",), STEP, RELU,
       change=only_some("input", {(0, 0, 1): INF, (0, 2, 3): -INF}), purpose=("Infinite",)),

    _q("sequence-tanh", (*CELL, *TIME, *GRADIENTS, "PRC-01", "SHP-06", "REC-11"), BASE, cotangents="both"),
    _q("sequence-relu", (*CELL, *TIME, *GRADIENTS, "NLN-04"), BASE, RELU, cotangents="both"),
    _q("sequence-relu-without-bias", ("BIA-01", "REC-05"), BASE, RELU, NO_BIAS),
    _q("sequence-without-h_0", ("HID-04",), BASE, h_0=False),
    _q("sequence-example", ("SHP-03",), EXAMPLE),
    _q("sequence-tail", ("REC-01", "REC-02", "REC-11", "PRC-02"), TAIL),
    _q("sequence-rows", ("REC-08", "REC-09", "HID-02"), ROWS),
    _q("sequence-long", ("REC-12", "GRD-03"), LONG, cotangents="both", purpose=("SizeOne",)),
    _q("sequence-longest", ("REC-12", "EDG-08"), LONGEST, purpose=("SizeOne",)),
    _q("sequence-one-unit", ("EDG-03",), (3, 4, 2, 1), purpose=("SizeOne",)),
    _q("sequence-one-row", ("EDG-03",), (4, 1, 3, 2), purpose=("SizeOne",)),
    _q("sequence-square", ("EDG-03",), (4, 4, 4, 4), cotangents="both", purpose=("EqualSizes",)),
    _q("sequence-batch-of-0", ("EDG-02",), (4, 0, 5, 6), cotangents="both"),
    _q("sequence-tanh-nan", ("EDG-04", "EDG-05", "EDG-06"), BASE,
       change=only_some("input", {(2, 1, 3): NAN}), purpose=("NotANumber",)),
    _q("sequence-relu-nan", ("EDG-04", "EDG-05", "EDG-06"), BASE, RELU,
       change=only_some("input", {(2, 1, 3): NAN}), purpose=("NotANumber",)),
    _q("sequence-tanh-nan-in-h_0", ("EDG-04", "EDG-06"), BASE,
       change=only_some("h_0", {(0, 1, 2): NAN}), purpose=("NotANumber",)),
    _q("sequence-relu-nan-in-h_0", ("EDG-06",), BASE, RELU,
       change=only_some("h_0", {(0, 1, 2): NAN}), purpose=("NotANumber",)),

    _q("stack-tanh", (*LAYERS, "STK-04", "GRD-06"), BASE, TWO, cotangents="both"),
    _q("stack-relu", LAYERS, BASE, TWO, RELU),
    _q("stack-three", (*LAYERS, "GRD-02", "GRD-06"), (3, 2, 4, 5), THREE, cotangents="both"),
    _q("stack-three-relu-without-bias", ("BIA-01",), (3, 2, 4, 5), THREE, RELU, NO_BIAS),
    _q("stack-without-h_0", ("HID-04",), BASE, TWO, h_0=False),
    _q("stack-square", ("STK-01", "STK-02"), (4, 3, 5, 5), TWO, purpose=("EqualSizes",)),
    _q("stack-example", ("SHP-04",), EXAMPLE, THREE, purpose=("EqualSizes",)),
    _q("stack-as-many-as-rows", ("EDG-03",), (4, 3, 5, 6), THREE, purpose=("EqualSizes",)),

    _q("bidirectional-tanh", (*DIRECTIONS, "HID-08"), BASE, BI, cotangents="both"),
    _q("bidirectional-relu", (*DIRECTIONS, "NLN-06"), BASE, BI, RELU),
    _q("bidirectional-without-bias", ("BIA-01",), BASE, BI, NO_BIAS),
    _q("bidirectional-stack", (*DIRECTIONS, *LAYERS, "DIR-09", "HID-08"), BASE, BI, TWO),
    _q("bidirectional-stack-relu", ("DIR-09", "HID-08"), (3, 2, 4, 5), BI, TWO, RELU, cotangents="both"),
    _q("bidirectional-without-h_0", ("HID-04", "DIR-09"), (3, 2, 4, 5), BI, TWO, h_0=False),
    _q("bidirectional-example", ("SHP-05",), EXAMPLE, BI),
    _q("bidirectional-step", ("DIR-08",), STEP, BI),
    _q("bidirectional-square", ("EDG-03",), (4, 4, 4, 4), BI, TWO, purpose=("EqualSizes",)),

    _q("lengths-unsorted", (*LENGTHS, "PCK-11"), BASE, lengths="unsorted", cotangents="both"),
    _q("lengths-relu", LENGTHS, BASE, RELU, lengths="unsorted"),
    _q("lengths-sorted", ("PCK-09",), BASE, lengths="sorted", purpose=("SortedLengths",)),
    _q("lengths-tied", ("PCK-09",), (4, 5, 2, 3), lengths="tied"),
    _q("lengths-ones", ("PCK-01",), (3, 2, 4, 5), lengths="ones", purpose=("SortedLengths",)),
    _q("lengths-rows", ("PCK-01",), (3, 19, 2, 4), lengths="unsorted"),
    _q("lengths-one-row", ("PCK-01",), (4, 1, 3, 2), change=with_lengths(3), purpose=("SizeOne",)),
    _q("lengths-bidirectional", ("PCK-06", "PCK-03", "PCK-11"), BASE, BI, lengths="unsorted",
       cotangents="both"),
    _q("lengths-stack", (*LENGTHS, "PCK-06"), (4, 5, 2, 3), BI, TWO, RELU, lengths="unsorted"),
    _q("lengths-without-h_0", ("HID-04", "PCK-01"), BASE, lengths="unsorted", h_0=False),
    _q("lengths-nan-in-padding", ("PCK-07",), BASE, BI, lengths="unsorted",
       change=in_padding(NAN), purpose=("NotANumber",)),
    _q("lengths-dropout-1", ("PCK-12",), BASE, TWO, {"dropout": 1.0}, lengths="unsorted", training=True),

    _q("gradients-of-output", ("GRD-01", "GRD-03", "GRD-05"), BASE, cotangents="output"),
    _q("gradients-of-h_n", ("GRD-02", "GRD-03", "GRD-05"), BASE, cotangents="h_n"),
    _q("gradients-relu-of-h_n", ("GRD-01", "GRD-05"), (2, 3, 4, 5), RELU, TWO, cotangents="h_n"),
    _q("gradients-without-h_0", ("GRD-03",), BASE, h_0=False, cotangents="both"),
    _q("gradients-without-bias", ("GRD-03",), (2, 3, 4, 5), BI, NO_BIAS, cotangents="output"),
    _q("gradients-relu-at-zero", ("GRD-08",), BASE, RELU, change=dead_unit, cotangents="both",
       purpose=("ReluAtZero",)),
    _q("gradients-rows", ("GRD-01", "GRD-03"), (2, 19, 3, 4), cotangents="both"),
    _q("gradients-tail", ("GRD-01", "GRD-03"), (2, 3, 4, 11), cotangents="both"),
    _q("gradients-three", ("GRD-06",), (2, 4, 3, 5), BI, THREE, cotangents="both"),
    _q("gradients-lengths", ("PCK-11",), (4, 5, 2, 3), BI, TWO, lengths="unsorted", cotangents="both"),

    _q("dropout-1", ("DRP-02", "DRP-03", "DRP-04", "DRP-12", "GRD-13"), BASE, TWO,
       {"dropout": 1.0}, training=True, cotangents="both"),
    _q("dropout-1-three", ("DRP-01", "DRP-04", "DRP-12"), (3, 2, 4, 5), THREE, BI, RELU, {"dropout": 1.0},
       training=True),
    _q("dropout-in-evaluation", ("DRP-10",), BASE, TWO, {"dropout": 0.5}),
    _q("dropout-1-in-evaluation", ("DRP-10",), BASE, TWO, RELU, {"dropout": 1.0}),
    _q("dropout-0-in-training", ("DRP-11",), BASE, TWO, training=True, cotangents="both"),
    _q("dropout-with-one-layer", ("DRP-13",), BASE, {"dropout": 0.5}, training=True),
    _q("dropout-1-with-one-layer", ("DRP-13",), BASE, BI, {"dropout": 1.0}, training=True),

    _q("layout-batch_first", ("BF-01", "BF-02", "BF-03"), BASE, {"batch_first": True}, cotangents="both"),
    _q("layout-batch_first-stack", ("BF-01", "BF-02", "BF-03"), BASE, BI, TWO, {"batch_first": True}),
    _q("layout-unbatched", ("UNB-01", "UNB-02"), BASE, batched=False, cotangents="both"),
    _q("layout-unbatched-stack", ("UNB-01", "UNB-02"), BASE, BI, TWO, batched=False),
    _q("layout-unbatched-batch_first", ("UNB-03",), BASE, {"batch_first": True}, batched=False),

    _q("errors-valid", ("SHP-01",), INVALID),
    _q("errors-valid-stack", ("HID-03",), INVALID, TWO, {"dropout": 0.5}),
    _q("errors-valid-bidirectional", ("HID-08",), INVALID, BI),
    _q("errors-valid-lengths", ("PCK-01",), INVALID, change=with_lengths(1, 2, 1)),
    *(_invalid(f"{name}-{word}", "ERR-05", other_config(**{name: value}))
      for name in ("input_size", "hidden_size", "num_layers")
      for word, value in (("0", 0), ("negative", -1))),
    _invalid("nonlinearity-unknown", "ERR-06", other_config(nonlinearity="sigmoid")),
    _invalid("nonlinearity-empty", "ERR-06", other_config(nonlinearity="")),
    _invalid("nonlinearity-upper-case", "ERR-06", other_config(nonlinearity="TANH")),
    *(_invalid(f"dropout-{word}", "ERR-07", other_config(dropout=p), "stack")
      for word, p in (("negative", -0.5), ("above-1", 1.5), ("nan", NAN), ("infinite", INF))),
    _invalid("input-1-axis", "ERR-01", shaped("input", (4,))),
    _invalid("input-4-axes", "ERR-01", shaped("input", (1, 2, 3, 4))),
    _invalid("input-too-narrow", "ERR-02", shaped("input", (2, 3, 3))),
    _invalid("input-too-wide", "ERR-02", shaped("input", (2, 3, 5))),
    _invalid("input-of-one-feature", "ERR-02", shaped("input", (2, 3, 1))),
    _invalid("input-without-steps", "EDG-01", shaped("input", (0, 3, 4))),
    *(_invalid(f"h_0-{word}", "ERR-03", shaped("h_0", shape), "stack")
      for word, shape in (("of-one-layer", (1, 3, 5)), ("of-three-layers", (3, 3, 5)),
                          ("of-one-row", (2, 1, 5)), ("of-four-rows", (2, 4, 5)),
                          ("of-one-unit", (2, 3, 1)), ("of-six-units", (2, 3, 6)),
                          ("without-rows", (2, 5)), ("batch-first", (3, 2, 5)))),
    _invalid("h_0-of-one-direction", "ERR-03", shaped("h_0", (1, 3, 5)), "bidirectional"),
    _invalid("lengths-of-0", "PCK-14", with_lengths(1, 0, 2), "lengths"),
    _invalid("lengths-negative", "PCK-14", with_lengths(1, -1, 2), "lengths"),
    _invalid("lengths-past-the-end", "PCK-14", with_lengths(1, 3, 2), "lengths"),
    _invalid("lengths-too-many", "PCK-14", with_lengths(1, 2, 2, 1), "lengths"),
)  # fmt: skip


def topics() -> list[str]:
    """The files, in the order in which an implementer reaches them."""
    return list(dict.fromkeys(q.id.partition("-")[0] for q in QUESTIONS))


# -- flags --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flag:
    """What a vector with the flag shows, what failing it leads to, and the cases that have it."""

    meaning: str
    consequence: str
    shown: Callable[[Case], bool] = field(repr=False)


def _finite(c: Case) -> bool:
    return all(np.isfinite(x).all() for x in (c.input, *(() if c.h_0 is None else (c.h_0,))))


def _axes(c: Case) -> tuple[int, ...]:
    shape = c.input.shape
    time, batch = (shape[:2][:: -1 if c.config.batch_first else 1]) if c.input.ndim == 3 else (shape[0], 0)
    return time, batch, c.config.input_size, c.config.hidden_size


def _given(c: Case) -> bool:
    return c.cotangents is not None


def equal_sizes(c: Case) -> bool:
    """Whether two axes have one size above 1, or as many states as rows are given."""
    axes = [n for n in _axes(c) if n > 1]
    return len(set(axes)) < len(axes) or c.config.num_layers * c.config.num_directions == _axes(c)[1] > 1


def one_term(c: Case) -> bool:
    """Whether every pre-activation of a single cell is one term at most: no order of summation rounds it."""
    p, T = c.parameters, _axes(c)[0]
    if T != 1 or c.h_0 is None or len(c.h_0) != 1 or c.config.nonlinearity != "relu" or c.input.ndim != 3:
        return False
    counts = [(p[f"bias_{kind}_l0"] != 0) * 1 for kind in ("ih", "hh") if c.config.bias]
    for x, kind in ((c.input[0], "ih"), (c.h_0[0], "hh")):
        counts.append((x != 0) * 1 @ (p[f"weight_{kind}_l0"] != 0).T)
    return bool(np.max(sum(counts), initial=2 * (c.input.size == 0)) <= 1)


FLAGS: dict[str, Flag] = {
    "TwoBiases": Flag(
        "b_ih and b_hh are both given, unlike each other and not zero.",
        "A layer that has one bias, or adds one twice, is off by a constant in each unit of a trained model.",
        lambda c: c.config.bias,
    ),
    "NoBias": Flag(
        "There is no bias.",
        "A layer that keeps a bias of its own answers for weights that nobody gave it.",
        lambda c: not c.config.bias,
    ),
    "NonzeroState": Flag(
        "h_0 is given, and no two of its rows or layers are alike.",
        "A layer that ignores or mixes h_0 starts streams and decoders from nothing, or from another's; "
        "a long sequence's last output hides it.",
        lambda c: c.h_0 is not None,
    ),
    "AbsentState": Flag(
        "h_0 is not given: it is zeros.",
        "A fresh sequence starts from what a previous one left, or from garbage.",
        lambda c: c.h_0 is None,
    ),
    "OneStep": Flag(
        "There is one time step: the cell alone.",
        "The equation itself is wrong, and all that is built on it.",
        lambda c: _axes(c)[0] == 1,
    ),
    "Relu": Flag(
        "The nonlinearity is relu.",
        "A layer that uses tanh for everything passes all other vectors.",
        lambda c: c.config.nonlinearity == "relu",
    ),
    "OddTail": Flag(
        "input_size or hidden_size goes past a multiple of 8 by less than 8.",
        "A vectorised kernel that loses its tail works in every benchmark, and fails for sizes of real data.",
        lambda c: max(c.config.input_size, c.config.hidden_size) > 8,
    ),
    "ManyRows": Flag(
        "There are more than 16 batch rows.",
        "A kernel that works in blocks of rows mixes up or drops the sequences of the last block.",
        lambda c: _axes(c)[1] > 16,
    ),
    "ManySteps": Flag(
        "There are more than 256 time steps.",
        "A loop that is cut into pieces loses the state where they meet.",
        lambda c: _axes(c)[0] > 256,
    ),
    "EqualSizes": Flag(
        "Two of T, N, I and H are equal, or there are as many states as rows, on purpose.",
        "A layer that tells axes apart by their size exchanges them silently.",
        equal_sizes,
    ),
    "SizeOne": Flag(
        "There is one batch row or one hidden unit.",
        "An axis of one is squeezed away, and the next layer reads another axis in its place.",
        lambda c: c.input.ndim == 3 and 1 in (_axes(c)[1], c.config.hidden_size),
    ),
    "EmptyBatch": Flag(
        "There is no batch row: results are empty, and gradients of parameters are zero.",
        "A pipeline stops on an empty last batch, or an optimizer steps on NaN.",
        lambda c: c.input.ndim == 3 and _axes(c)[1] == 0,
    ),
    "Saturated": Flag(
        "Most pre-activations of tanh are far from 0, on purpose.",
        "An approximation of tanh leaves [-1, 1] or overflows to NaN where a model is most certain.",
        lambda c: c.config.nonlinearity == "tanh" and _large(c) >= 8,
    ),
    "LargeValues": Flag(
        "States of relu are in the thousands.",
        "A relu that is clipped, as relu6 is, changes every trained model that reaches the clip.",
        lambda c: c.config.nonlinearity == "relu" and _large(c) > 1000,
    ),
    "TinyValues": Flag(
        "Pre-activations are below 1e-5.",
        "A threshold above 0, or a tanh that cancels near 0, kills small signals and their gradients.",
        lambda c: _large(c) < 1e-4 and _axes(c)[1] > 0,
    ),
    "EveryBit": Flag(
        "Each unit copies one number, 24 or 53 bits long, so that the answer has no rounding at all.",
        "Weights, states or inputs pass through a shorter format (TF32, bfloat16, float32) on their way.",
        one_term,
    ),
    "ReluAtZero": Flag(
        "A unit of relu has a pre-activation of exactly 0, where its derivative is taken as 0.",
        "A unit that is dead in torch trains here: the same run ends in another model.",
        lambda c: _given(c) and any(not v[2].any() for v in c.parameters.values() if len(v) > 2),
    ),
    "NotANumber": Flag(
        "One element is NaN: other rows and earlier steps stay as they are, later steps of its row are NaN.",
        "One broken sample destroys a batch, or broken data is turned into plausible numbers.",
        lambda c: any(np.isnan(x).any() for x in (c.input, np.zeros(1) if c.h_0 is None else c.h_0)),
    ),
    "Infinite": Flag(
        "Pre-activations are infinite: tanh gives 1 or -1, relu infinity or 0.",
        "Overflow upstream becomes NaN where the nonlinearity has a limit.",
        lambda c: bool(np.isinf(c.input).any()),
    ),
    "Stack": Flag(
        "There are several layers, each with weights of its own.",
        "Layers share weights or states, or read the wrong one of each other.",
        lambda c: c.config.num_layers > 1,
    ),
    "ReverseOrder": Flag(
        "There are two directions, the second from the sequence's end to its start.",
        "The reverse output is not turned back, or its final state is taken at the wrong end: "
        "labels and context are paired with the wrong steps.",
        lambda c: c.config.bidirectional,
    ),
    "RaggedLengths": Flag(
        "Sequences end at lengths of their own, unsorted unless the vector's id says so; "
        "output past the end is 0, and the padding is full of numbers that must not matter.",
        "Padding leaks into states, and predictions depend on what else is in the batch.",
        lambda c: c.lengths is not None,
    ),
    "SortedLengths": Flag(
        "Lengths do not rise, equal ones included: nothing has to be sorted.",
        "A layer that sorts by length and back loses the order of equal lengths.",
        lambda c: c.lengths is not None and len(c.lengths) > 1 and bool((np.diff(c.lengths) <= 0).all()),
    ),
    "OutputCotangent": Flag(
        "Gradients are asked for, and output has a cotangent (elements of it beyond 1 included).",
        "Training on every step's output goes wrong, or is clipped in secret.",
        lambda c: _given(c) and bool(c.cotangents.output.any()),  # type: ignore[union-attr]
    ),
    "StateCotangent": Flag(
        "Gradients are asked for, and h_n has a cotangent.",
        "A loss on the final state, an encoder's, trains nothing.",
        lambda c: _given(c) and bool(c.cotangents.h_n.any()),  # type: ignore[union-attr]
    ),
    "DropoutOne": Flag(
        "Training mode with dropout 1: each layer above the first reads zeros, and no state is dropped.",
        "Dropout is applied in the wrong place, or 0 is multiplied by infinity.",
        lambda c: c.dropping and c.config.dropout == 1,
    ),
    "DropoutIdle": Flag(
        "dropout is given, or the mode is training, and nothing is dropped: evaluation, one layer, or p = 0.",
        "Predictions are random, or scaled by 1 - p.",
        lambda c: (c.config.dropout > 0 or c.training) and not c.dropping,
    ),
    "BatchFirst": Flag(
        "batch_first: input and output are (N, T, .); h_0 and h_n are not touched.",
        "Time and batch are exchanged, which fits every shape where they are as many.",
        lambda c: c.config.batch_first,
    ),
    "Unbatched": Flag(
        "There is no batch axis in anything.",
        "A single sequence is read as a batch of one-step sequences.",
        lambda c: c.input.ndim == 2,
    ),
    "Refused": Flag(
        "The call is invalid in one place, and has to be refused, by an error or whatever the language has.",
        "A mistake is computed on some guess, and shows far from its cause or never.",
        lambda c: refusal(c) is not None,
    ),
}


def _large(c: Case) -> float:
    finite = c.input[np.isfinite(c.input)]
    return float(np.abs(finite).max(initial=0.0))


PURPOSE = (
    "EqualSizes", "SizeOne", "SortedLengths", "Saturated", "EveryBit", "ReluAtZero", "NotANumber", "Infinite",
)  # fmt: skip
"""Flags of what discriminates less, or is odd, and so has to be declared; the others follow from the case."""


def flags(case: Case, declared: Sequence[str]) -> list[str]:
    """The flags of a vector, by what its case shows and what is declared; an invalid one's is Refused."""
    if refusal(case):
        return ["Refused"]
    return [name for name, f in FLAGS.items() if f.shown(case) and (name not in PURPOSE or name in declared)]


# -- what no vector can show --------------------------------------------------------------------------

_PARAMETERS = "an answer has no parameters of the layer's own: the vector gives them, in these shapes"
_BITS = "two arrays of one answer are equal to the bit: a vector compares each of them within its bound"
_CHANCE = "the masks are random: a vector has one right answer"
_AGAIN = "a vector is one call, and its numbers: not a second call, nor what a call leaves behind"

UNSHOWN: dict[str, str] = {
    **dict.fromkeys(("PAR-03", "PAR-04", "PAR-05", "PAR-06", "PAR-07"), _PARAMETERS),
    **dict.fromkeys(("HID-07", "DIR-05"), _BITS),
    **dict.fromkeys(("DRP-05", "DRP-06", "DRP-07", "DRP-08", "DRP-09", "DRP-14"), _CHANCE),
    **dict.fromkeys(("DET-01", "DET-02", "DET-03", "DET-04"), _AGAIN),
}
"""Clauses of the levels below precision and torch_api that no static vector shows, and why."""
