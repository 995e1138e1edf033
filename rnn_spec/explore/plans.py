"""A Plan says in a few plain values what a Case is: what is drawn, made small, and counted.

Its numbers are the suite's (`questions.data`): generic, dyadic, decided by name and shape. So a plan of a few
integers stands for a question of a million numbers, and what Hypothesis makes small is the question's shape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions import data
from rnn_spec.questions.ragged import PATTERNS
from rnn_spec.questions.records import Call, Case, Cotangents
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "explore"
"""The name by which all numbers are drawn."""


@dataclass(frozen=True)
class Before:
    """A call made before: `more` steps and rows than the question has, in training mode or not."""

    steps: int
    rows: int
    training: bool

    def __str__(self) -> str:
        return f"{self.steps}x{self.rows}" + "t" * self.training


@dataclass(frozen=True)
class Plan:
    """What a Case is; the values that stand here are the simplest.

    `lengths` is a pattern of `ragged.PATTERNS`, or ``drawn N``; `cotangents` one of `COTANGENTS`, or none:
    forward alone; `values` one of `VALUES`, and `weights` of `WEIGHTS`. `deeds` say how the call is made,
    `route` by what, and `earlier` what comes before: calls, and what is done to the layer.
    """

    seq_len: int = 1
    batch: int = 1
    input_size: int = 1
    hidden_size: int = 1
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bidirectional: bool = False
    bias: bool = True
    batch_first: bool = False
    batched: bool = True
    h_0: bool = True
    lengths: str = ""
    dropout: float = 0.0
    training: bool = False
    dtype: str = "float32"
    cotangents: str = ""
    values: str = "generic"
    weights: str = "contractive"
    earlier: tuple[Before | str, ...] = ()
    deeds: tuple[str, ...] = ()
    route: str = ""

    def __str__(self) -> str:
        """What is not the simplest: the id of its case."""
        sizes = f"T{self.seq_len}-N{self.batch}-I{self.input_size}-H{self.hidden_size}-L{self.num_layers}"
        said = [sizes, self.nonlinearity, self.dtype]
        flags = {"bi": self.bidirectional, "nobias": not self.bias, "batch_first": self.batch_first,
                 "unbatched": not self.batched, "noh0": not self.h_0, f"p{self.dropout:g}": self.dropout,
                 "train": self.training}  # fmt: skip
        said += [word for word, present in flags.items() if present]
        simplest = Plan()
        for name in ("lengths", "cotangents", "values", "weights", "route"):
            if (value := getattr(self, name)) != getattr(simplest, name):
                said.append(f"{name}:{value}")
        said += [f"after:{call}" for call in self.earlier] + list(self.deeds)
        return "-".join(said).replace(" ", "_")

    @property
    def config(self) -> Config:
        """The constructor's arguments."""
        return Config(
            self.input_size, self.hidden_size, self.num_layers, self.nonlinearity, self.bias,
            self.batch_first, self.dropout, self.bidirectional,
        )  # fmt: skip

    @property
    def reveals(self) -> bool:
        """Whether dropout acts, so that the weights have to show what it did."""
        return self.training and 0 < self.dropout < 1 and self.num_layers > 1

    @property
    def work(self) -> float:
        """Multiplications of the forward pass, in millions."""
        directions = 1 + self.bidirectional
        widths = [self.input_size, *[directions * self.hidden_size] * (self.num_layers - 1)]
        per_row = sum(self.hidden_size * (width + self.hidden_size) for width in widths)
        return self.seq_len * self.batch * directions * per_row / 1e6

    def case(self) -> Case:
        """The question itself."""
        drawn = [*data.tensors(NAME, self.config, self.seq_len, self.batch, signed=not self.reveals)]
        if self.reveals:
            drawn[1] = abs(drawn[1])
        VALUES[self.values](drawn, self)
        if self.cotangents:
            COTANGENTS[self.cotangents](drawn, self)
        repeat_slices(drawn, self)
        input, h_0, g_y, g_n = data.laid_out(tuple(drawn), batched=self.batched, batch_first=self.batch_first)
        parameters = data.revealing_parameters if self.reveals else data.parameters
        return Case(
            id=str(self),
            config=self.config,
            parameters=WEIGHTS[self.weights](parameters(NAME, self.config), self),
            input=input,
            h_0=h_0 if self.h_0 else None,
            lengths=self.own_lengths(),
            training=self.training,
            dtype=self.dtype,
            seed=1,
            cotangents=Cotangents(g_y, g_n) if self.cotangents else None,
            earlier=(*self.deeds, *(e if isinstance(e, str) else self.call(e) for e in self.earlier)),
            route=self.route,
        )

    def own_lengths(self) -> np.ndarray | None:
        """(N,): how long each sequence is."""
        if not self.lengths:
            return None
        if not self.lengths.startswith("drawn "):
            return PATTERNS[self.lengths](self.seq_len, self.batch)
        random = np.random.RandomState(int(self.lengths.removeprefix("drawn ")))
        return random.randint(1, self.seq_len + 1, self.batch)

    def call(self, before: Before) -> Call:
        """A call made before."""
        signed = not self.reveals
        input, h_0, g_y, g_n = data.tensors(
            f"{NAME} before", self.config, before.steps, before.rows, signed=signed
        )
        laid = data.laid_out(
            (input, h_0 if signed else abs(h_0), g_y, g_n), batched=self.batched, batch_first=self.batch_first
        )
        return Call(laid[0], laid[1] if self.h_0 else None, before.training)


def repeat_slices(drawn: list[Any], plan: Plan) -> None:
    """Where an argument is to be expanded along an axis, its slices there are all the first one."""
    for deed in plan.deeds:
        what, _, how = deed.removeprefix("lay out ").partition(": ")
        if how.startswith("expanded") and what in ("input", "h_0"):
            place = ("input", "h_0").index(what)
            axis = int(how.rpartition(" ")[2])
            if what == "input" and plan.batch_first and axis < 2:
                axis = 1 - axis
            x = drawn[place]
            drawn[place] = np.repeat(x.take([0], axis), x.shape[axis], axis)


# -- numbers --------------------------------------------------------------------------------------


def scaled(exponent: Callable[[Any], int]) -> Any:
    """Input and h_0 times a power of two."""

    def change(drawn: list[Any], plan: Plan) -> None:
        by = exponent(FORMATS[plan.dtype])
        drawn[0], drawn[1] = np.ldexp(drawn[0], by), np.ldexp(drawn[1], by)

    return change


def put(value: float, where: int) -> Any:
    """One element of input (0) or h_0 (1), in the middle."""

    def change(drawn: list[Any], plan: Plan) -> None:
        drawn[where] = drawn[where].copy()
        drawn[where][tuple(n // 2 for n in drawn[where].shape)] = value

    return change


def zeros(drawn: list[Any], plan: Plan) -> None:
    """Input and h_0 of zeros of both signs."""
    drawn[0], drawn[1] = (np.copysign(0.0, x) for x in drawn[:2])


def sparse(drawn: list[Any], plan: Plan) -> None:
    """Every third element is a zero, of either sign."""
    for i in (0, 1):
        x = drawn[i]
        drawn[i] = np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, np.copysign(0.0, x), x)


VALUES: dict[str, Any] = {
    "generic": lambda drawn, plan: None,
    "sparse": sparse,
    "zeros": zeros,
    "small": scaled(lambda f: f.min_exponent // 2),
    "subnormal": scaled(lambda f: f.min_exponent - min(2, f.precision - 8)),  # exact in bfloat16, too
    "large": scaled(lambda f: f.max_exponent // 2),
    "largest": scaled(lambda f: f.max_exponent - 2),
    "infinite input": put(np.inf, 0),
    "infinite h_0": put(-np.inf, 1),
    "nan input": put(np.nan, 0),
    "nan h_0": put(np.nan, 1),
}
"""What input and h_0 hold. What is not finite is asked forward alone."""
UNUSUAL = tuple(VALUES)[1:]


def steep(found: dict[str, np.ndarray], plan: Plan) -> dict[str, np.ndarray]:
    """Weights that are no contraction: about as torch draws them, times four."""
    return {name: value * 4 if name.startswith("weight") else value for name, value in found.items()}


WEIGHTS: dict[str, Any] = {"contractive": lambda found, plan: found, "steep": steep}


def only(keep: Callable[[list[Any], Plan], tuple[Any, Any]]) -> Any:
    """The cotangents of output and h_n, each times what is kept of it."""

    def change(drawn: list[Any], plan: Plan) -> None:
        for place, kept in zip((2, 3), keep(drawn, plan), strict=True):
            drawn[place] = drawn[place] * kept

    return change


def half(drawn: list[Any], plan: Plan, direction: int) -> tuple[Any, Any]:
    """What belongs to one direction."""
    features, states = drawn[2].shape[-1], len(drawn[3])
    own = np.arange(features) // plan.hidden_size == direction
    return own, (np.arange(states) % (1 + plan.bidirectional) == direction)[:, None, None]


COTANGENTS: dict[str, Any] = {
    "both": only(lambda drawn, plan: (1, 1)),
    "output": only(lambda drawn, plan: (1, 0)),
    "h_n": only(lambda drawn, plan: (0, 1)),
    "forward": only(lambda drawn, plan: half(drawn, plan, 0)),
    "reverse": only(lambda drawn, plan: half(drawn, plan, 1)),
    "last step": only(lambda drawn, plan: ((np.arange(plan.seq_len) == plan.seq_len - 1)[:, None, None], 0)),
    "first step": only(lambda drawn, plan: ((np.arange(plan.seq_len) == 0)[:, None, None], 0)),
    "last state": only(
        lambda drawn, plan: (0, (np.arange(len(drawn[3])) == len(drawn[3]) - 1)[:, None, None])
    ),
}
"""Of what the gradient is asked."""


# -- what was drawn -------------------------------------------------------------------------------

CLASSES = ((1, "1"), (7, "2 to 7"), (31, "8 to 31"), (127, "32 to 127"), (511, "128 to 511"))


def size_class(n: int) -> str:
    """The class of a size."""
    return next((name for most, name in CLASSES if n <= most), "512 and more")


def rate_class(p: float) -> str:
    """The class of a rate."""
    edges = ((0, "0"), (0.02, "to 0.02"), (0.25, "to 0.25"), (0.75, "to 0.75"), (0.98, "to 0.98"))
    return next((name for most, name in edges if p <= most), "1" if p == 1 else "above 0.98")


def traits(plan: Plan) -> dict[str, str]:
    """What a plan shows of each axis, for the table of what was covered."""
    found = {f.name: str(getattr(plan, f.name)) for f in fields(plan)}
    sizes = ("seq_len", "batch", "input_size", "hidden_size")
    found.update({name: size_class(getattr(plan, name)) for name in sizes})
    found["dropout"] = rate_class(plan.dropout)
    found["lengths"] = (
        plan.lengths.partition(" ")[0] if plan.lengths.startswith("drawn") else plan.lengths or "none"
    )
    found["cotangents"] = plan.cotangents or "none: forward"
    found["earlier"] = f"{sum(isinstance(e, Before) for e in plan.earlier)} calls"
    found["done to the layer"] = f"{sum(isinstance(e, str) for e in plan.earlier)} deeds"
    found["route"] = plan.route or "none"
    found["deeds"] = ", ".join(sorted({deed.partition(":")[0] for deed in plan.deeds})) or "none"
    return found


def simpler(plan: Plan) -> Iterator[Plan]:
    """Plans that are simpler in one thing: a value that is the simplest, or a size that is smaller."""
    simplest, changed = Plan(), []
    for name in (f.name for f in fields(plan)):
        value, least = getattr(plan, name), getattr(simplest, name)
        if value == least:
            continue
        values: list[Any] = [least]
        if type(value) is int:
            values += [n for n in (2, value // 2, value - 1) if least < n < value]
        elif isinstance(value, tuple):
            values += [value[:i] + value[i + 1 :] for i in range(len(value))]
        elif name == "dropout" and value != 0.5:
            values.append(0.5)
        changed += [{name: other} for other in values]
    return (replace(plan, **change) for change in changed)


def possible(plan: Plan) -> bool:
    """Whether a plan that was not drawn can be asked: masks can be read, and steps and rows have lengths."""
    saturated = plan.nonlinearity == "tanh" and plan.dropout > 0.5
    plain = (
        plan.values == "generic"
        and plan.weights == "contractive"
        and plan.num_layers <= (3 if plan.bias else 2)
    )
    return not plan.reveals or (plain and not saturated)
