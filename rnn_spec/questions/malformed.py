"""Malformed calls: a product of edits, of layouts and of configurations, each with what has to be said of it.

An edit changes one axis of input or of h_0, its axes, its dtype, or puts what is no tensor in its place. What
must then be refused, by which clause, and what would have been right, one rule says (`refusal.misfit`, and
for dtypes PRC-05): what an edit leaves valid is no malformed call. The standard selection has every edit in
every layout, in a configuration that is drawn from their names; the exhaustive one has it at every depth.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions.attempts import NAMES, Negative, shape_pattern, wrong
from rnn_spec.questions.plain import MADE
from rnn_spec.questions.records import DTYPES, Attempt, Torch
from rnn_spec.questions.refusal import misfit, states
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIME, BATCH, INPUT, HIDDEN = 5, 7, 3, 4
"""The suite's sizes, no two alike; no number of states is one of them, either, but for a product of 4."""
LENGTHS = (2, 4, 1, 5, 3, 4, 2)
"""Of so many sequences of so many steps, packed."""
LAYOUTS = ("time_major", "batch_first", "unbatched", "packed_sorted", "packed_unsorted")
ALIASES = {
    "float64": "float64|[Dd]ouble", "float32": r"float32|\b[Ff]loat\b", "float16": r"\bfloat16|\b[Hh]alf",
    "bfloat16": "[Bb][Ff]loat16", "int64": "int64|[Ll]ong", "bool": "[Bb]ool",
}  # fmt: skip
"""How a message may call a dtype: by the name that torch prints, or by the other that it has for it."""
SIZES: dict[str, Callable[[int], int]] = {
    "none": lambda n: 0,
    "one": lambda n: 1,
    "one less": lambda n: n - 1,
    "one more": lambda n: n + 1,
    "twice": lambda n: 2 * n,
}
"""Other extents of an axis."""
if TYPE_CHECKING:
    Make = Callable[[], Negative]


@dataclass(frozen=True)
class Setting:
    """A valid call: a layer, a layout of its arguments, and sizes, the suite's or any others."""

    layout: str = "time_major"
    num_layers: int = 1
    bidirectional: bool = False
    batch_first: bool = False
    bias: bool = True
    nonlinearity: str = "tanh"
    dtype: str = "float32"
    seq_len: int = TIME
    batch: int = BATCH
    input_size: int = INPUT
    hidden_size: int = HIDDEN

    def __str__(self) -> str:
        """The id, but for the layout, and for sizes that are the suite's."""
        sizes = {"T": self.seq_len, "N": self.batch, "I": self.input_size, "H": self.hidden_size}
        usual = zip(sizes.items(), (TIME, BATCH, INPUT, HIDDEN), strict=True)
        flags = {"bi": self.bidirectional, "nobias": not self.bias, "batch_first": self.batch_first}
        said = [*(f"{axis}{n}" for (axis, n), suites in usual if n != suites), f"L{self.num_layers}"]
        return "-".join([*said, self.nonlinearity, *(word for word, on in flags.items() if on), self.dtype])

    @property
    def consistent(self) -> bool:
        """Where the batch comes first is a layout of its own, and beside others an option without effect."""
        return self.layout not in LAYOUTS[:2] or self.batch_first == (self.layout == "batch_first")

    @property
    def config(self) -> Config:
        """The constructor's arguments."""
        return Config(
            self.input_size, self.hidden_size, self.num_layers, self.nonlinearity, self.bias,
            self.batch_first, bidirectional=self.bidirectional,
        )  # fmt: skip

    @property
    def packed(self) -> bool:
        """Whether the sequences are packed."""
        return self.layout.startswith("packed")

    @property
    def lengths(self) -> list[int]:
        """Those of the sequences if they are packed: the suite's, as far apart as the steps allow."""
        some = itertools.islice(itertools.cycle(LENGTHS), self.batch)
        lengths = [1 + (n - 1) * (self.seq_len - 1) // (TIME - 1) for n in some]
        return sorted(lengths, reverse=True) if self.layout == "packed_sorted" else lengths

    @property
    def input(self) -> tuple[int, ...]:
        """The right shape; of a packed input, that before it is packed."""
        if self.layout == "unbatched":
            return self.seq_len, self.input_size
        axes = (self.batch, self.seq_len) if self.batch_first else (self.seq_len, self.batch)
        return (*axes, self.input_size)

    @property
    def h_0(self) -> tuple[int, ...]:
        """The right shape."""
        return states(self.config, self.input)

    def call(self, input: Any, h_0: Any) -> tuple[Any, Any]:
        """The arguments of a call, the input packed if it is."""
        if self.packed:
            told, ordered = Torch("tensor", (self.lengths,)), self.layout == "packed_sorted"
            input = Torch("pack_padded_sequence", (input, told, self.batch_first, ordered))
        return input, h_0

    @property
    def right(self) -> dict[str, Torch]:
        """Its input and h_0."""
        return {name: Torch("ones", (getattr(self, name),), self.dtype) for name in ("input", "h_0")}

    @property
    def twin(self) -> Attempt:
        """The valid attempt."""
        keywords = {name: v for name, v in asdict(self.config).items() if name != "dropout"}
        return Attempt("", keywords=keywords, call=self.call(**self.right), dtype=self.dtype)


def settings(*, whole: bool) -> Iterator[Setting]:
    """Every setting of the suite's sizes; not `whole`: with a bias, tanh and in float32."""
    fields = (LAYOUTS, (1, 2, 3), (False, True), (False, True), *(
        ((True, False), ("tanh", "relu"), DTYPES) if whole else ((True,), ("tanh",), ("float32",))
    ))  # fmt: skip
    found = (Setting(*values) for values in itertools.product(*fields))
    return (setting for setting in found if setting.consistent)


def reshaped(names: tuple[str, ...], shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Edits of a shape, whose axes have these names, and what they make of it."""
    for i, name in enumerate(names):
        for how, size in SIZES.items():
            yield f"{name} {how}", (*shape[:i], size(shape[i]), *shape[i + 1 :])
        yield f"no {name}", shape[:i] + shape[i + 1 :]
    for i in range(len(shape) - 1):
        exchanged = (*shape[:i], shape[i + 1], shape[i], *shape[i + 2 :])
        yield f"{names[i]} and {names[i + 1]} exchanged", exchanged
    yield "an axis before", (1, *shape)
    yield "an axis within", (shape[0], 1, *shape[1:])
    yield "an axis behind", (*shape, 1)
    yield "no axis", ()


AXES = {2: ("layers", "units"), 3: ("layers", "batch", "units")}


def shapes(setting: Setting) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Edits of either shape: the argument, the edit, and the shape; none twice.

    What is packed keeps its first two axes, and some numbers, for it is not the layer that refuses to pack.
    """
    seen = {("input", setting.input), ("h_0", setting.h_0)}
    batched = ("batch", "time") if setting.batch_first else ("time", "batch")
    names = ("time", "features") if len(setting.input) == 2 else (*batched, "features")
    for argument, found in (
        ("input", reshaped(names, setting.input)),
        ("h_0", reshaped(AXES[len(setting.h_0)], setting.h_0)),
    ):
        for edit, shape in found:
            packs = shape[:2] == setting.input[:2] and 0 not in shape
            if (argument, shape) not in seen and (argument == "h_0" or not setting.packed or packs):
                seen.add((argument, shape))
                yield argument, edit, shape


def misshapen(setting: Setting) -> Iterator[tuple[str, Make]]:
    """The malformed calls of this setting whose shapes are wrong, by edit."""
    for argument, edit, shape in shapes(setting):
        given = {"input": setting.input, "h_0": setting.h_0, argument: shape}
        clause, blamed = rule(setting, **given)
        if clause:
            yield f"{argument} {edit}", partial(
                negative, setting, f"{argument} {edit}", clause, "shape",
                Torch("ones", (shape,), setting.dtype),
                names="|".join(NAMES[x] for x in accused(setting, argument, **given)),
                **words(setting, blamed, **given),
            )  # fmt: skip


def accused(setting: Setting, edited: str, input: tuple[int, ...], h_0: tuple[int, ...]) -> tuple[str, ...]:
    """The arguments of which a message may name either: what was edited, and an h_0 that fits it no more."""
    unfit = len(input) in (2, 3) and h_0 != states(setting.config, input)
    return (edited, "h_0") if unfit and edited == "input" and not setting.packed else (edited,)


def rule(setting: Setting, input: tuple[int, ...], h_0: tuple[int, ...]) -> tuple[str, str]:
    """The clause by which a call with these shapes is refused, and the argument; empty if it is valid."""
    if setting.packed and len(input) == 2:  # which is packed without features: one number a step
        return "ERR-02", "input"
    if setting.packed and len(input) > 3:
        return "ERR-01", "input"
    found = misfit(setting.config, input, h_0)
    if found is None or found.kind != "shape":
        return "", ""
    if found.argument == "h_0":
        return "PCK-13" if setting.packed else "ERR-03", "h_0"
    return "ERR-01" if len(input) not in (2, 3) else "ERR-02", "input"


def words(setting: Setting, blamed: str, input: tuple[int, ...], h_0: tuple[int, ...]) -> dict[str, str]:
    """Patterns of what is given, and of what is expected, as a message may show them.

    That is the shape, or what of it is wrong: the number of its axes, or of an input that has as many as some
    layout has the last one; where it is packed, of the packed data or of what it was.
    """
    given, right = (h_0, states(setting.config, input)) if blamed == "h_0" else (input, setting.input)
    shown = [(given, right)]
    if setting.packed and blamed == "input":
        rows = sum(setting.lengths)
        shown.append(((rows, *given[2:]), (rows, *right[2:])))
    found: dict[str, list[str]] = {"given": [], "expected": []}
    fits = len(given) in ((3,) if setting.packed else (2, 3))  # so that its last axis may be told by itself
    for pair in shown:
        for patterns, shape in zip(found.values(), pair, strict=True):
            patterns.append(shape_pattern(shape))
            if len(given) != len(right):
                n = len(shape)
                patterns.append(rf"\b{n}-?D|\b{n} (dim|ax)|(dim\w*|axes)\b.*\b{n}\b")
            if blamed == "input" and fits:
                patterns.append(rf"\b{shape[-1]}\b")
    if blamed == "input" and not fits and not setting.packed:
        found["expected"] = [r"2-?D.*3-?D|2.*or.*3"]
    return {name: "|".join(patterns) for name, patterns in found.items()}


def of_other_dtype(setting: Setting) -> Iterator[tuple[str, Make]]:
    """The malformed calls of this setting in which an argument has another dtype than the parameters."""
    for argument, dtype in itertools.product(("input", "h_0"), MADE):
        if dtype != setting.dtype:
            yield f"{argument} in {dtype}", partial(
                negative, setting, f"{argument} in {dtype}", "PRC-05", "dtype",
                Torch("ones", (getattr(setting, argument),), dtype),
                names=NAMES[argument], given=ALIASES[dtype], expected=ALIASES[setting.dtype],
            )  # fmt: skip


def no_tensor(setting: Setting) -> Iterator[tuple[str, Make]]:
    """The malformed calls of this setting in which an argument is no tensor."""
    h_0 = Torch("ones", (setting.h_0,), setting.dtype)
    values: list[tuple[str, str, Any]] = [
        ("h_0 a pair", "tuple", (h_0, h_0)),
        ("h_0 an array", "ndarray|numpy", np.ones(setting.h_0, np.float32)),
        ("h_0 a number", "float", 0.5),
    ]
    if not setting.packed:
        values.append(("input an array", "ndarray|numpy", np.ones(setting.input, np.float32)))
    for edit, kind, value in values:
        yield edit, partial(
            negative, setting, edit, "ERR-04", "type", value,
            names=NAMES[edit.partition(" ")[0]], given=rf"\b({kind})\b", expected="[Tt]ensor",
        )  # fmt: skip


def negative(setting: Setting, edit: str, clause: str, kind: str, value: Any, **patterns: str) -> Negative:
    """The malformed call that has this value for the argument that the edit names."""
    argument = edit.partition(" ")[0]
    call = setting.call(**{**setting.right, argument: value})
    attempt = wrong(named(setting, edit), setting.twin, call=call)
    return Negative(clause, kind, "forward", argument, attempt, value, **patterns)


def named(setting: Setting, edit: str) -> str:
    """What a malformed call is called."""
    return f"{setting.layout}-{edit}-{setting}".replace(" ", "_")


# -- which are made -----------------------------------------------------------------------------------


def made(setting: Setting) -> dict[str, Make]:
    """What there is to be made of a valid call: the malformed ones, by edit."""
    alike = (*misshapen(setting), *no_tensor(setting)) if setting.dtype in ("float64", "float32") else ()
    return dict([*alike, *of_other_dtype(setting)])


edits = cache(made)
"""The same, remembered: the suite asks for them again and again."""


@cache
def calls(*, exhaustive: bool = False) -> dict[str, Negative]:
    """The malformed calls by id: every edit in every layout; `exhaustive`: at every depth, too."""
    chosen = {named(setting, edit): edits(setting)[edit] for setting, edit in standard()}
    if exhaustive:
        chosen |= {named(s, edit): make for s in settings(whole=False) for edit, make in edits(s).items()}
    return {id: make() for id, make in chosen.items()}


def standard() -> Iterator[tuple[Setting, str]]:
    """Every edit in every layout, in a setting that is drawn from their names, or the next that has it."""
    among = {layout: [s for s in settings(whole=True) if s.layout == layout] for layout in LAYOUTS}
    some = (replace(s, dtype=dtype) for s in settings(whole=False) for dtype in ("float32", "float64"))
    names = {(s.layout, edit): None for s in some for edit in edits(s)}
    for layout, edit in names:
        of = among[layout]
        begin = zlib.crc32(f"{layout} {edit}".encode()) % len(of)
        yield next(s for s in (*of[begin:], *of[:begin]) if edit in edits(s)), edit
