"""Attempts one edit away from a valid call, at any valid configuration: each has to be refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from rnn_spec.explore import draw
from rnn_spec.questions.attempts import wrong
from rnn_spec.questions.records import DTYPES, Attempt, Torch
from rnn_spec.questions.refusal import states
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.claims import Claims

TENSOR = {
    "input features": "ERR-02", "input axes": "ERR-01", "input dtype": "PRC-05", "h_0 dtype": "PRC-05",
    **dict.fromkeys(("h_0 layers", "h_0 rows", "h_0 units", "h_0 axes"), "ERR-03"),
}  # fmt: skip
ARGUMENT = {
    **dict.fromkeys(("input_size", "hidden_size", "num_layers"), "ERR-05"),
    "dropout": "ERR-07", "nonlinearity": "ERR-06",
}  # fmt: skip
EDITS = TENSOR | ARGUMENT
"""What is wrong, and the clause that says that it is refused."""
NEGATIVE = {
    "dropout": (-0.5, 1.5, 2, -1e-9, 1 + 1e-9),
    "nonlinearity": ("", "Tanh", "sigmoid", "relu ", "tanh2"),
}
"""Values of an argument that is no size."""


SURPLUS = "test_packed.py::test_wrong_h_0_is_refused"


@dataclass(frozen=True)
class Edit:
    """A valid call, and what is wrong with the one that is made of it: in `amount`, a size or a choice."""

    what: str = "input features"
    amount: int = 0
    seq_len: int = 2
    batch: int = 2
    input_size: int = 2
    hidden_size: int = 2
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    batch_first: bool = False
    batched: bool = True
    packed: str = ""
    dtype: str = "float32"

    def __str__(self) -> str:
        """The id of its attempt."""
        sizes = f"T{self.seq_len}-N{self.batch}-I{self.input_size}-H{self.hidden_size}-L{self.num_layers}"
        flags = {"bi": self.bidirectional, "nobias": not self.bias, "batch_first": self.batch_first,
                 "unbatched": not self.batched, self.packed: self.packed}  # fmt: skip
        said = [sizes, self.dtype, *(word for word, present in flags.items() if present)]
        return "-".join([*said, f"{self.what} {self.amount}"]).replace(" ", "_")

    @property
    def h_0(self) -> tuple[int, ...]:
        """The right shape."""
        return states(self.config, self.input)

    @property
    def config(self) -> Config:
        """The constructor's arguments."""
        return Config(self.input_size, self.hidden_size, self.num_layers, bias=self.bias,
                      batch_first=self.batch_first, bidirectional=self.bidirectional)  # fmt: skip

    @property
    def input(self) -> tuple[int, ...]:
        """The right shape."""
        if not self.batched:
            return self.seq_len, self.input_size
        axes = (self.batch, self.seq_len) if self.batch_first else (self.seq_len, self.batch)
        return (*axes, self.input_size)

    @property
    def wrong(self) -> tuple[Any, ...]:
        """The shapes and dtypes of input and h_0 as they are given."""
        input, h_0, kind = self.input, self.h_0, self.what.rpartition(" ")[2]
        dtypes = [self.dtype, self.dtype]
        if kind == "dtype":
            other = [d for d in DTYPES if d != self.dtype]
            dtypes[self.what.startswith("h_0")] = other[self.amount % len(other)]
        elif self.what == "input features":
            input = (*input[:-1], self.amount)
        elif self.what == "input axes":
            input = ((), input[-1:], (1, 1, *input[-3:]), (1, 1, 1, *input))[self.amount % 4]
            input = input if len(input) not in (2, 3) else (1, *input, 1)
        elif kind == "axes":
            h_0 = (h_0[1:], (1, *h_0), h_0[:-1], h_0[-1:])[self.amount % 4]
        elif kind in ("layers", "rows", "units"):
            place = {"layers": 0, "rows": 1, "units": len(h_0) - 1}[kind]
            h_0 = (*h_0[:place], self.amount, *h_0[place + 1 :])
        return input, h_0, *dtypes

    @property
    def is_wrong(self) -> bool:
        """Whether the edit changes anything, and is one that there can be."""
        if (self.what == "h_0 rows" and not self.batched) or (self.packed and self.what == "input axes"):
            return False
        return self.what in ARGUMENT or self.wrong != (self.input, self.h_0, self.dtype, self.dtype)

    def attempt(self) -> Attempt:
        """The wrong attempt, with its valid twin."""
        right = self.call(self.input, self.h_0, self.dtype, self.dtype)
        twin = Attempt("", keywords=asdict(self.config), call=right, dtype=self.dtype)
        if self.what not in ARGUMENT:
            return wrong(str(self), twin, call=self.call(*self.wrong))
        values = NEGATIVE.get(self.what)
        value: Any = values[self.amount % len(values)] if values else -self.amount
        return wrong(str(self), twin, keywords={**twin.keywords, self.what: value})

    def call(self, input: tuple[int, ...], h_0: tuple[int, ...], of: str, state: str) -> tuple[Any, ...]:
        """The arguments of a call."""
        given, initial = Torch("full", (input, 0.5), of), Torch("full", (h_0, 0.5), state)
        if not self.packed:
            return given, initial
        lengths = [1 + (i * 2 + 1) % self.seq_len for i in range(self.batch)]
        lengths = sorted(lengths, reverse=True) if self.packed == "sorted" else lengths
        told = Torch("tensor", (lengths,))
        return (
            Torch("pack_padded_sequence", (given, told, self.batch_first, self.packed == "sorted")),
            initial,
        )


def edits(claims: Claims) -> st.SearchStrategy[Edit]:
    """Edits of calls within the claims."""
    return _edits(claims)


@st.composite
def _edits(pull: Any, claims: Claims) -> Edit:
    """What `edits` says."""
    dtypes = [dtype for dtype in DTYPES if dtype in claims.askable]
    batched = not draw.chance(pull, 0.25)
    edit = Edit(
        draw.pick(pull, tuple(EDITS)),
        draw.whole(pull, 0, 12),
        seq_len=draw.whole(pull, 1, 9),
        batch=draw.whole(pull, 1, 9),
        input_size=draw.dimension(pull, 70, ("small", "middle")),
        hidden_size=draw.dimension(pull, 70, ("small", "middle")),
        num_layers=draw.whole(pull, 1, 6),
        bidirectional=draw.chance(pull, 0.4),
        bias=not draw.chance(pull, 0.3),
        batch_first=draw.chance(pull, 0.4),
        batched=batched,
        packed=draw.pick(pull, ("", "sorted", "unsorted")) if batched else "",
        dtype=draw.pick(pull, dtypes),
    )
    near = {"input features": edit.input_size, "h_0 layers": edit.h_0[0], "h_0 rows": edit.batch,
            "h_0 units": edit.hidden_size}.get(edit.what)  # fmt: skip
    if near is not None and draw.chance(pull, 0.5):
        edit = replace(edit, amount=near + draw.pick(pull, (1, -1)))
    return edit if edit.is_wrong else replace(edit, what="input features", amount=edit.input_size + 1)


def judge(check: Check, attempt: Attempt) -> None:
    """The twin is answered, and the wrong attempt refused."""
    answer = check.attempt(attempt)
    twin = answer.attempted and answer.attempted.twin
    check.holds(twin is None, f"the valid twin was refused: {twin}")
    refused, (given, h_0) = answer.error is not None, attempt.call or ()
    of_shape = "-h_0_" in attempt.id and "-h_0_dtype_" not in attempt.id
    if given.name == "pack_padded_sequence" and of_shape:
        shape, rows = h_0.arguments[0], len(given.arguments[1].arguments[0])
        check.holds(refused, f"h_0 of shape {shape} is accepted for {rows} packed sequences")
    check.holds(refused, f"what is wrong is accepted: {attempt}")


def clause(attempt: Attempt, array: str) -> Iterator[str]:
    """The clause that says that it is refused."""
    what = next(what for what in EDITS if f"-{what.replace(' ', '_')}_" in attempt.id)
    yield from ("PCK-13",) * ("sorted" in attempt.id and what.startswith("h_0") and what != "h_0 dtype")
    yield EDITS[what]
    yield "ERR-03"


def like(attempt: Attempt) -> tuple[str, ...]:
    """The check of a packed batch whose h_0 has too many rows."""
    surplus = "-unsorted-h_0_rows_" in attempt.id
    return (f"{SURPLUS}[explore-one row too many-unsorted]",) * surplus


def traits(edit: Edit) -> dict[str, str]:
    """What an edit shows of each axis."""
    told = ("what", "num_layers", "bidirectional", "batch_first", "batched", "packed", "dtype")
    return {name: str(getattr(edit, name)) or "no" for name in told}


def simpler(edit: Edit) -> Iterator[Edit]:
    """Edits that are simpler in one thing."""
    simplest = Edit()
    for name in (f.name for f in fields(edit) if f.name not in ("what", "dtype")):
        change: dict[str, Any] = {name: getattr(simplest, name)}
        if getattr(edit, name) != change[name] and (other := replace(edit, **change)).is_wrong:
            yield other
