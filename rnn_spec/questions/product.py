"""Which questions are asked: the product of nn.RNN's flags, and a standard selection of it.

A `Recipe` is a point of the product: a few flags, an id that says them, and the Case they make.
The standard selection, ``standard.txt``, has every pair of flag values and every triple of TRIPLES,
once over all sizes and once more within the small size;
``python -m rnn_spec.questions.product`` writes it anew.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_spec.questions import data
from rnn_spec.questions.records import DTYPES, Case, Cotangents
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FLAGS: dict[str, tuple[Any, ...]] = {
    "size": tuple(data.SIZES),
    "num_layers": (1, 2, 3),
    "nonlinearity": ("tanh", "relu"),
    "bidirectional": (False, True),
    "bias": (True, False),
    "batch_first": (False, True),
    "batched": (True, False),
    "h_0": (True, False),
    "dropout": (0.0, 0.5, 1.0),
    "training": (False, True),
    "dtype": DTYPES,
}

TRIPLES = (
    ("num_layers", "bidirectional", "h_0"),  # HID: the order of h_0's entries
    ("num_layers", "bidirectional", "bias"),  # PAR: which parameters there are
    ("num_layers", "dropout", "training"),  # DRP: where dropout acts
    ("bidirectional", "dropout", "training"),  # DRP: on both directions
    ("batch_first", "batched", "h_0"),  # BF, UNB: layouts
    ("batch_first", "batched", "bidirectional"),  # SHP: the output's shape
    ("nonlinearity", "bias", "h_0"),  # BIA, NLN, HID: the recurrence's terms
    ("nonlinearity", "dtype", "bidirectional"),  # PRC: each precision in both kernels
    ("num_layers", "nonlinearity", "bidirectional"),  # STK, DIR: stacks of both kernels
)

STANDARD = Path(__file__).with_name("standard.txt")
SEED = 1
"""What a subject's generator is seeded with, unless a check asks about seeds."""


@dataclass(frozen=True)
class Recipe:
    """A point of the product: its fields are FLAGS' keys; and `one_step`, for whoever claims no sequence."""

    size: str = "small"
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bidirectional: bool = False
    bias: bool = True
    batch_first: bool = False
    batched: bool = True
    h_0: bool = True
    dropout: float = 0.0
    training: bool = False
    dtype: str = "float32"
    one_step: bool = False

    def __str__(self) -> str:
        """The id, such as ``small-L2-tanh-bi-nobias-p0.5-train-float32``; defaults are left out."""
        optional = {
            "bi": self.bidirectional,
            "nobias": not self.bias,
            "batch_first": self.batch_first,
            "unbatched": not self.batched,
            "noh0": not self.h_0,
            f"p{self.dropout:g}": self.dropout,
            "train": self.training,
            "1step": self.one_step,
        }
        flags = [word for word, present in optional.items() if present]
        return "-".join([self.size, f"L{self.num_layers}", self.nonlinearity, *flags, self.dtype])

    @classmethod
    def parse(cls, id: str) -> Recipe:
        """The recipe of an id; ValueError with a sentence where there is none."""
        size, *words = id.split("-")
        values: dict[str, Any] = {"size": size}
        name: str
        value: Any
        flags = {"bi": ("bidirectional", True), "nobias": ("bias", False), "noh0": ("h_0", False),
                 "batch_first": ("batch_first", True), "unbatched": ("batched", False),
                 "train": ("training", True), "1step": ("one_step", True)}  # fmt: skip
        for word in words:
            if word in flags:
                name, value = flags[word]
            elif word in DTYPES:
                name, value = "dtype", word
            elif word in FLAGS["nonlinearity"]:
                name, value = "nonlinearity", word
            elif re.fullmatch("L[1-9][0-9]?", word):
                name, value = "num_layers", int(word[1:])
            elif re.fullmatch(r"p(1|0\.[0-9]+)", word):
                name, value = "dropout", float(word[1:])
            else:
                raise ValueError(f"case id {id!r}: {word!r} is not a flag of any case")
            values[name] = value
        recipe = cls(**values)
        if size not in data.SIZES or str(recipe) != id:
            known = (
                f"sizes are {', '.join(data.SIZES)}" if size not in data.SIZES else f"did you mean {recipe}"
            )
            raise ValueError(f"case id {id!r} does not name a case ({known})")
        return recipe

    @property
    def config(self) -> Config:
        """The constructor arguments."""
        size = data.SIZES[self.size]
        return Config(
            size.input_size, size.hidden_size, self.num_layers, self.nonlinearity, self.bias,
            self.batch_first, self.dropout, self.bidirectional,
        )  # fmt: skip

    @property
    def discriminates(self) -> bool:
        """Whether the dtype is precise enough for the size."""
        return self.terms() <= data.COARSEST

    def terms(self, *, backward: bool = True) -> float:
        """n u for the sum of most terms, n; not `backward`: of the forward pass alone."""
        size, config = data.SIZES[self.size], self.config
        width = max(size.input_size, config.num_directions * size.hidden_size if self.num_layers > 1 else 0)
        batch = size.batch if self.batched else 1
        time = 1 if self.one_step else size.seq_len
        terms = max(time * batch if backward else 0, width + size.hidden_size + 2)
        return terms * FORMATS[self.dtype].unit_roundoff

    def case(self) -> Case:
        """The question itself (built once)."""
        return _build(self)


@cache
def _build(recipe: Recipe) -> Case:
    size, config = data.SIZES[recipe.size], recipe.config
    reveals = recipe.training and config.dropout == 0.5 and config.num_layers > 1
    drawn = data.tensors(size.name, config, size.seq_len, size.batch, signed=not reveals)
    input, h_0, g_y, g_n = data.laid_out(drawn, batched=recipe.batched, batch_first=recipe.batch_first)
    if recipe.one_step:
        axis = 1 if recipe.batched and recipe.batch_first else 0
        input, g_y = input.take([0], axis), g_y.take([0], axis)
    make = data.revealing_parameters if reveals else data.parameters
    return Case(
        id=str(recipe),
        config=config,
        parameters=make(size.name, config),
        input=input,
        h_0=(abs(h_0) if reveals else h_0) if recipe.h_0 else None,
        training=recipe.training,
        dtype=recipe.dtype,
        seed=SEED,
        cotangents=Cotangents(g_y, g_n),
    )


def sized(id: str, config: Config, seq_len: int, batch: int, *, batched: bool = True) -> Case:
    """A case of any sizes, with gradients, laid out as `config` says; its id decides its numbers."""
    drawn = data.tensors(id, config, seq_len, batch)
    input, h_0, g_y, g_n = data.laid_out(drawn, batched=batched, batch_first=config.batch_first)
    return Case(id, config, data.parameters(id, config), input, h_0, cotangents=Cotangents(g_y, g_n))


def full() -> Iterator[Recipe]:
    """The full product over the small size, and in the other sizes the standard selection's points."""
    for values in itertools.product(*(FLAGS[name] for name in FLAGS if name != "size")):
        yield Recipe("small", *values)
    yield from (recipe for recipe in standard() if recipe.size != "small")


@cache
def standard() -> tuple[Recipe, ...]:
    """The standard selection, as it is checked in."""
    return tuple(Recipe.parse(line) for line in STANDARD.read_text(encoding="utf-8").split())


def aspects(recipe: Recipe) -> set[tuple[tuple[str, Any], ...]]:
    """The pairs, and the triples of TRIPLES, that this recipe shows."""
    pairs = itertools.combinations(FLAGS, 2)
    return {tuple((name, getattr(recipe, name)) for name in names) for names in (*pairs, *TRIPLES)}


def cover(candidates: Iterable[Recipe]) -> list[Recipe]:
    """A small selection that shows every aspect that any candidate shows: greedy, deterministic."""
    pool = {recipe: aspects(recipe) for recipe in candidates}
    missing = set().union(*pool.values())
    chosen = []
    while missing:
        best = max(pool, key=lambda recipe: len(pool[recipe] & missing))
        missing -= pool.pop(best)
        chosen.append(best)
        pool = {recipe: seen for recipe, seen in pool.items() if seen & missing}
    return chosen


def candidates() -> Iterator[Recipe]:
    """Every recipe of every size that discriminates."""
    recipes = (Recipe(*values) for values in itertools.product(*FLAGS.values()))
    return (recipe for recipe in recipes if recipe.discriminates)


def select() -> list[str]:
    """The standard selection's ids, made anew."""
    pool = list(candidates())
    chosen = {*cover(pool), *cover(recipe for recipe in pool if recipe.size == "small")}
    return sorted(map(str, chosen))


if __name__ == "__main__":
    STANDARD.write_text("".join(f"{id}\n" for id in select()), encoding="utf-8")
