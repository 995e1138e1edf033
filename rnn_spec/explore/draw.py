"""Hypothesis strategies of Plans, within what a subject claims.

Every choice is made by a fraction, and not by Hypothesis's own integers and samples: these prefer numbers
that stand in the source of whatever is imported, so that a run would depend on that, and faults would be
found where their own source says that they are; and of a wide range they prefer the beginning. A fraction is
drawn from where no such number is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from rnn_spec.explore.plans import COTANGENTS, UNUSUAL, Before, Plan
from rnn_spec.questions.ragged import PATTERNS
from rnn_spec.torch.deeds import CHANGED, KEPT, LAWFUL
from rnn_spec.torch.singles import MOVES
from rnn_spec.torch.ways import EXPANDED, MODES, VIEWS, WHAT

if TYPE_CHECKING:
    from rnn_spec.questions.claims import Claims

T = TypeVar("T")
LAST = ("hooks", "plain tensors", "buffers", "deleted, moved and registered")
"""Deeds that leave what cannot be pickled, or no parameter, or what torch is known to be unable to call."""
FOLLOWED = tuple(deed for deed in (*KEPT, *CHANGED) if deed not in LAST)
"""Deeds after which anything may be done: every parameter is one still, of its own dtype."""
MOVED, LOWER = (
    tuple(f"{how} {dtype}" for dtype in dtypes for how in MOVES)
    for dtypes in (("float32", "float64"), ("float16", "bfloat16"))
)
"""Moves from dtype to dtype; to one of few bits only where no other deed follows: torch may not have it."""
ROUTES = ("functional", "grad", "functional", "grad", "vmap")
"""Routes by which a call is made: torch is known to be unable to take the last, and another layer may."""
PROGRAMS = ("trace", "script")
"""Routes that make a program of the layer first, of which torch keeps some.

Not torch.compile and torch.export: 0.1 and 0.3 s each, but the first of them imports torch's compiler, 3 s of
a processor, and 12 s where others compute, too. Drawn, they met a compiler there that was imported in part,
as where a deadline ends an import: so the suite alone asks them.
"""
SHORT = 6
"""The most of each size, and of steps before, of a call that is made of a program."""
LIGHT = 0.1
"""Multiplications, in millions, of a call that is made by a route: some take long to be taken."""
ENDING = tuple(deed for deed in LAWFUL if deed not in FOLLOWED)
"""Those that come last, if at all."""

FINE = 1 << 7
"""Into how many parts a fraction divides its interval: Hypothesis draws from so few with equal chances."""
TILES = tuple(1 << k for k in range(3, 12))
"""At whose multiples real kernels change their path: the widths of vectors and tiles."""
BLOCK = {"tiny": 3, "small": 9, "middle": 70, "large": 300, "huge": 2100}
"""How large a dimension may be, by the class that is drawn for it."""
WORK = 4.0
"""Multiplications of a forward pass, in millions, that a question may take; now and then five times that."""
WEIGHTS = 0.8
"""Weights of all layers, in millions, likewise."""
STEPS = 300
"""Steps times layers times directions, likewise."""


NOWHERE = 3**60
"""An integer that, and near which none, stands in anybody's source."""
FRACTION = st.integers(NOWHERE, NOWHERE + FINE - 1).map(lambda n: n - NOWHERE)
"""A number of parts of FINE, every one as likely; 0 is the simplest."""


def pick(draw: Any, values: Sequence[T]) -> T:
    """One of some values, each as likely; the first is the simplest."""
    return values[whole(draw, 0, len(values) - 1)]


def chance(draw: Any, share: float) -> bool:
    """Whether what happens with this probability does; that it does not is simpler."""
    return bool(draw(FRACTION) >= FINE * (1 - share))


def whole(draw: Any, least: int, most: int) -> int:
    """An integer, each as likely; the least is the simplest."""
    span, drawn, parts = most - least + 1, 0, 1
    while parts < span:
        drawn, parts = drawn * FINE + draw(FRACTION), parts * FINE
    return int(least + drawn * span // parts)


def dimension(draw: Any, most: int, kinds: Sequence[str]) -> int:
    """A size: of a class, and in the larger ones every other time a multiple of a tile, or beside one."""
    cap = min(most, BLOCK[pick(draw, kinds)])
    if cap > BLOCK["small"] and chance(draw, 0.5):
        tile = pick(draw, [tile for tile in TILES if tile <= cap])
        return min(tile * whole(draw, 1, cap // tile) + pick(draw, (0, 0, -1, 1)), cap)
    return whole(draw, 1, cap)


WIDE = ("small", "tiny", "small", "middle", "middle", "large")
"""The classes of features and of rows, of which the last are rarer."""


def sizes(draw: Any, layers: int, directions: int) -> tuple[int, int, int, int]:
    """seq_len, batch, input_size and hidden_size, whose product is no more than can be asked in a moment."""
    generous = 5 if chance(draw, 0.05) else 1
    most = int((WEIGHTS * generous * 1e6 / (layers * directions * (1 + directions))) ** 0.5)
    hidden = dimension(draw, most, (*WIDE, *(["huge"] if generous > 1 else [])))
    width = hidden * directions * layers * (1 + directions)
    most = max(int(WORK * generous * 1e6 / (hidden * directions)) - width, 1)
    input = dimension(draw, min(most, BLOCK["huge"]), (*WIDE, *(["huge"] if hidden < 10 else [])))
    rows = max(int(WORK * generous * 1e6 / (hidden * directions * input + hidden * width)), 1)
    long = ("small", "tiny", "small", "middle", "small", "large", "large", *("huge",) * (generous > 1))
    steps = dimension(draw, max(min(rows, STEPS * generous // (layers * directions)), 1), long)
    batch = dimension(draw, max(rows // steps, 1), (*WIDE, *(["huge"] if generous > 1 else [])))
    return steps, batch, input, hidden


def rate(draw: Any) -> float:
    """A rate of dropout: anywhere in (0, 1), one in two near its ends or a plain number; now and then 1."""
    kind = pick(draw, ("plain", "between", "near 0", "between", "near 1", "1"))
    if kind == "plain":
        return pick(draw, (0.5, 0.25, 0.75, 0.1, 0.2, 0.3, 0.9))
    if kind == "1":
        return 1.0
    if kind == "between":
        return whole(draw, 1, FINE**2) / (FINE**2 + 1)
    near = 2.0 ** -whole(draw, 4, 10) * pick(draw, (1.0, 0.75, 0.6))
    return near if kind == "near 0" else 1 - near


@st.composite
def plans(draw: Any, claims: Claims) -> Plan:
    """Plain questions within the claims: one call, or more on one layer."""
    levels = claims.levels
    layers = pick(draw, (1, 2, 1, 3, 2, 4, 5, 6)) if "stack" in levels else 1
    both = "bidirectional" in levels and chance(draw, 0.35)
    steps, batch, input, hidden = sizes(draw, layers, 1 + both)
    api = "torch_api" in levels
    dtype = pick(draw, ("float32", "float64", "float32", "float32", "float64", "float16", "bfloat16"))
    plan = Plan(
        seq_len=steps if "sequence" in levels else 1,
        batch=batch,
        input_size=input,
        hidden_size=hidden,
        num_layers=layers,
        nonlinearity=claims.nearest("nonlinearity", pick(draw, ("tanh", "relu"))),
        bidirectional=both,
        bias=claims.nearest("bias", not chance(draw, 0.25)),
        batch_first=api and chance(draw, 0.3),
        batched=not (api and chance(draw, 0.12)),
        h_0=not ("absent" in claims.h_0 and "sequence" in levels and chance(draw, 0.25)),
        dtype=claims.nearest("dtype", dtype),
    )
    return furnished(draw, claims, plan)


def furnished(draw: Any, claims: Claims, plan: Plan) -> Plan:
    """The plan with lengths, mode, rate, cotangents, values, weights and earlier calls."""
    changes: dict[str, Any] = {}
    if not plan.batched:
        changes["batch"] = 1
    if "lengths" in claims.levels and plan.batched and chance(draw, 0.25):
        changes["lengths"] = pick(draw, (*PATTERNS, *(f"drawn {n}" for n in range(1, 9))))
    if "dropout" in claims.levels and chance(draw, 0.25):
        changes["dropout"] = rate(draw)
    changes["training"] = chance(draw, 0.4)
    plan = replace(plan, **changes)
    if plan.reveals:
        plan = revealing(claims, plan)
    elif plan.training and plan.dropout:  # where all is dropped, what is no number is another matter
        pass
    elif chance(draw, 0.2):
        plan = replace(plan, values=pick(draw, UNUSUAL))
    elif chance(draw, 0.2):
        plan = replace(plan, weights="steep")
    plan = replace(plan, cotangents=cotangents(draw, claims, plan), earlier=before(draw, claims, plan))
    if "routes" in claims.contract and plan.work < LIGHT and chance(draw, 0.2):
        route = pick(draw, ROUTES)
        return plan if route == "vmap" and plan.lengths else replace(plan, route=route)
    return replace(plan, deeds=ways(draw, claims, plan))


@st.composite
def programs(draw: Any, claims: Claims) -> Plan:
    """Small calls of a program that is made of the layer."""
    plan = draw(plans(claims))
    names = ("seq_len", "batch", "input_size", "hidden_size")
    changes: dict[str, Any] = {name: min(getattr(plan, name), SHORT) for name in names}
    changes["earlier"] = tuple(replace(e, steps=min(e.steps, SHORT)) for e in plan.earlier)
    return replace(plan, deeds=(), route=pick(draw, PROGRAMS), **changes)


def revealing(claims: Claims, plan: Plan) -> Plan:
    """The plan as one whose answer shows the masks: at most three layers, relu where tanh saturates.

    Two without bias: what the lower mask drops is 0, and hides the upper one, on which gradients depend.
    """
    coarse = plan.dtype not in ("float64", "float32")
    changes: dict[str, Any] = {
        "num_layers": min(plan.num_layers, 3 if plan.bias else 2),
        "dropout": 0.5 if coarse else plan.dropout,
    }
    if changes["dropout"] > 0.5:
        changes["nonlinearity"] = claims.nearest("nonlinearity", "relu")
        changes["dropout"] = plan.dropout if changes["nonlinearity"] == "relu" else 0.5
    return replace(plan, **changes)


def cotangents(draw: Any, claims: Claims, plan: Plan) -> str:
    """Of what gradients are asked; of nothing where a value is not finite."""
    finite = not plan.values.startswith(("infinite", "nan", "large"))
    if "gradients" not in claims.levels or not finite or not chance(draw, 0.5):
        return ""
    given = [name for name in COTANGENTS if name in claims.cotangents] if len(claims.cotangents) < 2 else None
    return pick(draw, given or tuple(COTANGENTS))


def ways(draw: Any, claims: Claims, plan: Plan) -> tuple[str, ...]:
    """How the call is made, if that can be told: layouts of its tensors, and what autograd does meanwhile."""
    if "deeds" not in claims.contract or plan.reveals or not chance(draw, 0.5):
        return ()
    learns = bool(plan.cotangents)
    there = dict(zip(WHAT, (True, plan.h_0, bool(plan.lengths), learns, learns), strict=True))
    found = []
    for what in WHAT:
        if there[what] and chance(draw, 0.5):
            views = (
                (*VIEWS, *EXPANDED)
                if plan.values == "generic" and plan.batched and what in WHAT[:2]
                else VIEWS
            )
            found.append(f"lay out {what}: {pick(draw, tuple(views))}")
    if not plan.cotangents and chance(draw, 0.3):
        found.append(pick(draw, tuple(MODES)))
    if plan.cotangents and not (plan.training and plan.dropout) and chance(draw, 0.3):
        frozen = ["freeze input", *["freeze h_0"] * plan.h_0, "freeze weight_ih", "freeze weight_hh"]
        found.append(pick(draw, [*frozen, *["freeze bias_ih", "freeze bias_hh"] * plan.bias]))
    return tuple(found)


@st.composite
def lived(draw: Any, claims: Claims) -> Plan:
    """Small layers to which things are done, one after the other, with calls between; asked in float64.

    Deeds that leave a layer in another dtype come last, for what is asked then is of that one.
    """
    both = "bidirectional" in claims.levels and chance(draw, 0.4)
    plan = Plan(
        seq_len=whole(draw, 1, 5), batch=whole(draw, 1, 4), input_size=whole(draw, 1, 6),
        hidden_size=whole(draw, 1, 6), num_layers=pick(draw, (1, 2, 3)), bidirectional=both,
        nonlinearity=pick(draw, ("tanh", "relu")), batch_first=chance(draw, 0.3), h_0=not chance(draw, 0.3),
        training=chance(draw, 0.3), dtype="float64",
        cotangents="both" if "gradients" in claims.levels and chance(draw, 0.6) else "",
    )  # fmt: skip
    done: list[Any] = []
    for _ in range(whole(draw, 1, 3)):
        done.append(pick(draw, MOVED if chance(draw, 0.2) else FOLLOWED))
        if chance(draw, 0.4):
            done.append(Before(whole(draw, 1, 6), whole(draw, 1, 5), chance(draw, 0.5)))
    if chance(draw, 0.4):
        done[-1:] = [pick(draw, ENDING)]
    elif lower := [deed for deed in LOWER if deed.rpartition(" ")[2] in claims.askable and chance(draw, 0.1)]:
        done += [lower[0], *[Before(2, 2, training=False)] * chance(draw, 0.5)]
        done += [pick(draw, MOVED)] * chance(draw, 0.4)
    return replace(plan, earlier=tuple(done))


def before(draw: Any, claims: Claims, plan: Plan) -> tuple[Before, ...]:
    """Earlier calls on the same layer, with more or fewer steps and rows, in either mode."""
    if not chance(draw, 0.12):
        return ()
    calls = []
    for _ in range(whole(draw, 1, 3)):
        steps = whole(draw, 1, min(plan.seq_len + 4, 40)) if "sequence" in claims.levels else 1
        rows = whole(draw, 1, min(plan.batch + 3, 40)) if plan.batched else 1
        calls.append(Before(steps, rows, chance(draw, 0.5)))
    return tuple(calls)
