"""Crowds: questions in which every mask of dropout is in plain sight, and exact tests of what it dropped.

Above layer 0 every W_ih is the identity, every W_hh is 0, and all is positive, so that relu passes on what
dropout kept, scaled, and the layer's bias for the rest. The highest mask is seen whole, a lower one where all
above it kept. `FALSE_ALARM` is that of a whole run: it is divided by the most crowds that a run asks, and by
the looks that are taken at each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from rnn_spec.explore import draw, plans
from rnn_spec.judge import chance, exact
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.laws import furnish
from rnn_spec.questions import data
from rnn_spec.questions.expect import expect
from rnn_spec.questions.records import Call, Case
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.claims import Claims

    Counting = Callable[[np.ndarray], np.ndarray]

FALSE_ALARM = chance.FALSE_ALARM
MOST = 10_000
"""Crowds that a run asks at most; each has an equal part of the false-alarm rate."""
BIAS = 0.5
"""The bias of the layers between the first and the last."""
ELEMENTS = 1 << 17
"""Elements of a mask, at most."""
LAGS = 64
"""Distances along an axis at which elements are compared, at most."""


@dataclass(frozen=True)
class Crowd:
    """A layer whose masks are seen; the values that stand here are the simplest.

    `calls` are made before, in training mode, with the same input. With `one` both directions read the
    forward units of the layer below.
    """

    seq_len: int = 1
    batch: int = 1
    hidden_size: int = 1
    dropout: float = 0.5
    num_layers: int = 2
    bidirectional: bool = False
    one: bool = False
    nonlinearity: str = "relu"
    bias: bool = True
    batch_first: bool = False
    dtype: str = "float32"
    calls: int = 0
    seed: int = 1

    def __str__(self) -> str:
        """The id of its case."""
        flags = {"bi": self.bidirectional, "one": self.one, "nobias": not self.bias,
                 "batch_first": self.batch_first, f"after:{self.calls}": self.calls}  # fmt: skip
        sizes = f"crowd-T{self.seq_len}-N{self.batch}-H{self.hidden_size}-L{self.num_layers}"
        said = [sizes, self.nonlinearity, self.dtype, f"p{self.dropout:.6g}", f"seed{self.seed}"]
        return "-".join([*said, *(word for word, present in flags.items() if present)])

    def case(self) -> Case:
        """The question itself."""
        config = Config(
            3, self.hidden_size, self.num_layers, self.nonlinearity, self.bias, self.batch_first,
            self.dropout, self.bidirectional,
        )  # fmt: skip
        input = data.dyadic("crowd/input", (self.seq_len, self.batch, 3), 6, signed=False)
        H, last = self.hidden_size, self.num_layers - 1

        def weight_ih(layer: int, direction: int, shape: tuple[int, ...]) -> np.ndarray:
            if layer:
                return np.eye(H, shape[1], 0 if self.one else direction * H)
            return data.contraction(data.dyadic(f"crowd/{direction}", shape, 8, signed=False), 1.0)

        def bias_ih(layer: int, direction: int, shape: tuple[int, ...]) -> float:
            return 0.25 if layer == 0 else BIAS if layer < last else 0.0

        kinds: dict[str, Any] = {"weight_ih": weight_ih, **({"bias_ih": bias_ih} if self.bias else {})}
        plain = Case(str(self), config, {}, input, training=True, dtype=self.dtype, seed=self.seed)
        case = replace(furnish(plain, "", **kinds), id=str(self))
        if self.batch_first:
            case = replace(case, input=case.input.swapaxes(0, 1))
        return replace(case, earlier=(Call(case.input, case.h_0, training=True),) * self.calls)


def crowds(claims: Claims) -> st.SearchStrategy[Crowd]:
    """Crowds within the claims."""
    return _crowds(claims)


@st.composite
def _crowds(pull: Any, claims: Claims) -> Crowd:
    """What `crowds` says."""
    relu, bias = claims.nearest("nonlinearity", "relu"), claims.nearest("bias", True)
    plain = relu == "relu" and bias
    both = "bidirectional" in claims.levels and draw.chance(pull, 0.4)
    hidden = draw.dimension(pull, 130, ("small", "middle", "tiny", "large"))
    rows = max(ELEMENTS // (hidden * (1 + both)), 1)
    steps = draw.dimension(pull, min(rows, 600), ("middle", "small", "large", "tiny"))
    batch = max(rows // steps, 1)
    batch = batch if draw.chance(pull, 0.6) else draw.whole(pull, max(batch // 8, 1), batch)
    p = draw.rate(pull)
    return Crowd(
        steps if "sequence" in claims.levels else 1, batch, hidden, p if p < 1 else 0.5,
        num_layers=draw.pick(pull, (2, 3, 2, 4, 6)) if plain else 2,
        bidirectional=both,
        one=both and draw.chance(pull, 0.3),
        nonlinearity=relu,
        bias=bias,
        batch_first="torch_api" in claims.levels and draw.chance(pull, 0.25),
        dtype=claims.nearest("dtype", draw.pick(pull, ("float32", "float64"))),
        calls=draw.pick(pull, (0, 0, 0, 1, 2)),
        seed=draw.whole(pull, 1, 1 << 14),
    )  # fmt: skip


# -- what was dropped -----------------------------------------------------------------------------


def time_major(case: Case, x: np.ndarray) -> np.ndarray:
    """(T, N, D, H), of an output."""
    x = np.asarray(x, np.float64)
    x = x.swapaxes(0, 1) if case.config.batch_first else x
    return x.reshape(*x.shape[:2], case.config.num_directions, case.config.hidden_size)


def levels(case: Case) -> list[tuple[float, float]]:
    """Of each layer, the last first: the bias that it adds, and above what its output shows what was kept."""
    last, scale = case.config.num_layers - 1, 1 / (1 - case.config.dropout)
    shown = case.config.nonlinearity == "relu" and case.config.bias
    least = ((BIAS if layer > 1 else 0.25) * scale / 2 if shown else 0.0 for layer in range(last, 0, -1))
    return [(BIAS if layer < last else 0.0, x) for layer, x in zip(range(last, 0, -1), least, strict=True)]


def dropped(case: Case, output: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each mask (T, N, D, H), the highest first, what it dropped, and where that is seen."""
    value, found = time_major(case, output), []
    seen = np.ones(value.shape, np.bool_)
    for bias, least in levels(case):
        kept = value - bias > least
        found.append((~kept, seen))
        seen = seen & kept
        value = (value - bias) * (1 - case.config.dropout)
    return found


def masks(case: Case, found: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """The masks as the spec takes them, the lowest first; what is not seen matters to nothing."""
    return [np.asarray(~gone | ~seen).reshape(*gone.shape[:2], -1) for gone, seen in reversed(found)]


# -- the tests ------------------------------------------------------------------------------------

AXES = ("time step", "batch row", "direction", "feature")


@dataclass(frozen=True)
class Look:
    """One test: in words what it counts, the count, and how it is judged.

    `where` are the mask's place, the highest being 0, and the call; `code` is what is counted, and among how
    many, in the script of a find, as Python of `gone` and `seen`.
    """

    clause: str
    words: str
    count: int
    of: int
    expected: float
    tail: Any
    code: str = ""
    where: tuple[int, int] = (0, 0)


class Unlikely(Nonconformity):
    """What masks show, and chance does not."""

    def __init__(self, look: Look, tail: float) -> None:
        """Say so."""
        sentence = f"{look.count:,} of {look.of:,} {look.words}; expected were {look.expected:,.1f}"
        super().__init__(f"{sentence}: by chance once in {1 / max(tail, 1e-300):.1e} times", look.clause)
        self.look = look


def _by_lane(lane: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.bincount(lane, x.ravel())


def _ends(size: int, x: np.ndarray) -> np.ndarray:
    return np.array([x.ravel()[:size].sum(), x.ravel()[-size:].sum()])


def slices(gone: np.ndarray, seen: np.ndarray, p: float, which: str) -> Iterator[tuple[int, list[Look]]]:
    """How many looks at rates there are, and those that are far out: the whole, each index of each axis."""
    counted: list[tuple[str, Counting, str]] = [("the whole", lambda x: x.reshape(1, -1).sum(axis=1), "{0}")]
    for axis, name in enumerate(AXES):
        if gone.shape[axis] > 1:
            others = tuple(a for a in range(4) if a != axis)
            counted.append((name, partial(np.sum, axis=others), f"{{0}}.take({{1}}, {axis})"))
    lanes = (n for n in (4, 8, 16, 32, 64) if gone.size >= 16 * n)
    for n in lanes:
        lane = np.arange(gone.size) % n
        counted.append((f"place modulo {n}", partial(_by_lane, lane), f"{{0}}.ravel()[{{1}}::{n}]"))
    sizes = (1 << k for k in range(4, 17) if 1 << k < gone.size)
    for n in sizes:
        half = f"{{0}}.ravel()[(slice({n}), slice(-{n}, None))[{{1}}]]"
        counted.append((f"{n} at the beginning or end", partial(_ends, n), half))
    for name, count, code in counted:
        counts, of = count(gone & seen), count(seen)
        far = (int(i) for i in exact.far_counts(counts, of, p) if of[i])
        yield (
            len(counts),
            [
                Look(
                    "DRP-06", f"of {which}, {name} {i}, are dropped", k, n, p * n,
                    partial(exact.binomial, k, n, p),
                    f"{code.format('(gone & seen)', i)}, {code.format('seen', i)}",
                )
                for i, k, n in ((i, int(counts[i]), int(of[i])) for i in far)
            ],
        )  # fmt: skip


def pair(
    one: np.ndarray, two: np.ndarray, clause: str, words: str, code: str
) -> Iterator[tuple[int, list[Look]]]:
    """Whether elements and their partners are dropped independently."""
    n, first, second, k = one.size, int(one.sum()), int(two.sum()), int((one & two).sum())
    far = exact.far_pairs(k, n, first, second)
    expected, tail = first * second / max(n, 1), partial(exact.hypergeometric, k, n, first, second)
    yield 1, [Look(clause, words, k, n, expected, tail, code)] * far


def lags(gone: np.ndarray) -> Iterator[tuple[int, list[Look]]]:
    """Elements of one mask that are some way apart along each axis, and along the memory."""
    for axis, name in enumerate(AXES):
        length = gone.shape[axis]
        steps = (
            range(1, length) if length <= LAGS else (*range(1, LAGS // 2), *(1 << k for k in range(5, 12)))
        )
        for lag in steps:
            if lag < length:
                first = np.array([i for i in range(length - lag) if (i // lag) % 2 == 0])
                words = f"of the pairs of elements that are {lag} apart in {name} are both dropped"
                one, two = gone.take(first, axis), gone.take(first + lag, axis)
                yield from pair(one, two, "DRP-07", words, f"pairs(gone, {lag}, {axis})")
    for lag in (1 << k for k in range(1, 17)):
        if 2 * lag <= gone.size:
            yield from in_memory(gone, lag)


def in_memory(gone: np.ndarray, lag: int) -> Iterator[tuple[int, list[Look]]]:
    """Elements that are this way apart in memory."""
    end = gone.size // (2 * lag) * 2 * lag
    whole = gone.ravel()[:end].reshape(-1, 2, lag)
    words = f"of the pairs of elements that are {lag} apart in memory are both dropped"
    yield from pair(whole[:, 0], whole[:, 1], "DRP-07", words, f"pairs(gone.ravel()[:{end}], {lag}, 0)")


def periods(gone: np.ndarray) -> Iterator[tuple[int, list[Look]]]:
    """Elements that are any way apart in memory: at the distance at which most pairs are dropped."""
    flat = gone.ravel() - gone.mean()
    if flat.size < 64:
        return
    spectrum = np.fft.rfft(flat, 2 * flat.size)
    together = np.fft.irfft(np.abs(spectrum) ** 2)[1 : flat.size // 2]
    for _, some in in_memory(gone, 1 + int(np.argmax(together))):
        yield len(together), some


def looks(case: Case, outputs: list[np.ndarray]) -> Iterator[tuple[int, list[Look]]]:
    """Every look at what the calls dropped, the last call's output last."""
    p, one = case.config.dropout, one_read(case)
    found = [
        [(gone[:, :, :1], seen[:, :, :1]) if one else (gone, seen) for gone, seen in dropped(case, output)]
        for output in outputs
    ]
    for call, of_call in enumerate(found):
        for place, own in enumerate(of_call):
            which = f"mask {len(of_call) - place} of call {call + 1}"
            kinds = [slices(*own, p, which), *([lags(own[0]), periods(own[0])] if place == 0 else [])]
            for count, some in chain.from_iterable(kinds):
                yield count, [replace(look, where=(place, call)) for look in some]
    for a, b in combinations(range(len(found)), 2):
        words = f"of the elements are dropped in both call {a + 1} and call {b + 1}"
        both = f"gone & masks({b})[0][0], seen | True"
        for count, some in pair(found[a][0][0], found[b][0][0], "DRP-08", words, both):
            yield count, [replace(look, where=(0, a)) for look in some]


def one_read(case: Case) -> bool:
    """Whether both directions read the same units, and so through one mask."""
    read = [case.parameters[f"weight_ih_l1{end}"] for end in ("", "_reverse")[: case.config.num_directions]]
    return len(read) == 2 and np.array_equal(read[0], read[1])


def judge(check: Check, case: Case) -> None:
    """Rate, scale and independence of every mask, each at its part of the false-alarm rate."""
    answer = check.ask(case)
    gone = dropped(case, np.asarray(answer.output))
    check.within("output", answer.output, expect(case, masks(case, gone)).arrays["output"])
    outputs = [*(answer.earlier or ()), np.asarray(answer.output)]
    if {x.shape for x in outputs} != {outputs[-1].shape}:
        raise Nonconformity("the output of an earlier call has not the shape of the last one's", "earlier")
    taken, far = 0, []
    for count, some in looks(case, outputs):
        taken += count
        far += some
    rate = FALSE_ALARM / MOST / max(taken, 1)
    tail, look = min(((look.tail(), look) for look in far), key=lambda each: each[0], default=(1.0, None))
    if look and tail < rate:  # of what one mistake shows in several places that which is least by chance
        raise Unlikely(look, tail)


def clause(case: Case, array: str) -> Iterator[str]:
    """The clauses that speak of what differs."""
    yield array if array.startswith("DRP") else {"output": "DRP-05", "earlier": "DET-03"}.get(array, "DRP-01")
    yield "DRP-01"


def traits(crowd: Crowd) -> dict[str, str]:
    """What a crowd shows of each axis."""
    found = {f.name: str(getattr(crowd, f.name)) for f in fields(crowd) if f.name != "seed"}
    found.update({n: plans.size_class(getattr(crowd, n)) for n in ("seq_len", "batch", "hidden_size")})
    return found | {"dropout": plans.rate_class(crowd.dropout)}


def simpler(crowd: Crowd) -> Iterator[Crowd]:
    """Crowds that are simpler in one thing."""
    simplest = Crowd()
    for name in (f.name for f in fields(crowd) if f.name not in ("bias", "nonlinearity", "dtype")):
        value: Any = getattr(crowd, name)
        least = getattr(simplest, name)
        if value != least:
            smaller = [n for n in (value // 2, value - 1) if n > least] if type(value) is int else []
            for other in (least, *smaller):
                change: dict[str, Any] = {name: other}
                yield replace(crowd, **change)
