"""What a subject claims, and questions made to fit it.

A claim is a promise, declared before anything is asked: the levels, the dtypes, and for whoever has less
than torch, which nonlinearities, with or without bias, whether h_0 may be absent, which gradients it gives
and for which cotangents. A question is *outside* of the claims, and then not asked, or it can be *fitted* to
them: asked in a dtype that is claimed, with the nonlinearity that there is, with the biases that there are.
So no claim, however narrow, leaves a clause of a claimed level without its question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.questions.data import COARSEST, SIZES
from rnn_spec.questions.records import DTYPES, LEVELS, Case

if TYPE_CHECKING:
    from rnn_spec.questions.product import Recipe
    from rnn_spec.spec.catalogue import Clause

CHOICES: dict[str, tuple[Any, ...]] = {
    "levels": LEVELS,
    "dtypes": DTYPES,
    "nonlinearities": ("tanh", "relu"),
    "bias": (True, False),
    "h_0": ("given", "absent"),
    "gradients": ("input", "h_0", "parameters"),
    "cotangents": ("output", "h_n"),
    "tells": ("parameters", "after", "aliases", "drew", "dtypes", "earlier"),
    "contract": ("deeds", "routes", "attempts"),
}
"""What can be claimed of each kind."""
KINDS = (*CHOICES, "limits")
"""All that a subject declares of itself, by its names in `Claims`, in a Subject and in its hello."""

NOT_HERE = "not here: "
"""So begins a declared limit that is the machine's, which lacks a package or a device: it is not claimed."""
MODULE = "a torch.nn.Module, which is not at hand"
"""Why a check of the Python class is not answered by whoever has none: that is nobody's promise."""

NEAREST = {
    "float64": ("float64", "float32", "float16", "bfloat16"),
    "float32": ("float32", "float64", "float16", "bfloat16"),
    "float16": ("float16", "bfloat16", "float32", "float64"),
    "bfloat16": ("bfloat16", "float16", "float32", "float64"),
}
"""In which dtype a question is asked of a subject that does not claim its own: the first that it claims."""


@dataclass(frozen=True)
class Claims:
    """The claims of a subject: for each kind, a subset of its `CHOICES`.

    `tells` are the facts of an Observation that it promises to tell; None: it promises none, and is held to
    those that it does tell. `limits` are reasons that an answer *unsupported* may give without breaking a
    promise, word for word. `contract` is what can be asked beside plain Cases, of whoever has a module:
    nothing, unless it is declared.
    """

    levels: frozenset[str] = frozenset(LEVELS)
    dtypes: tuple[str, ...] = DTYPES
    nonlinearities: tuple[str, ...] = CHOICES["nonlinearities"]
    bias: tuple[bool, ...] = CHOICES["bias"]
    h_0: tuple[str, ...] = CHOICES["h_0"]
    gradients: tuple[str, ...] = CHOICES["gradients"]
    cotangents: tuple[str, ...] = CHOICES["cotangents"]
    tells: tuple[str, ...] | None = None
    contract: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """What is wrong with the claims themselves, in a sentence, or None."""
        for kind, choices in CHOICES.items():
            claimed, known = getattr(self, kind), ", ".join(map(str, choices))
            if kind == "tells" and claimed is None:
                continue
            if isinstance(claimed, str | Mapping) or not isinstance(claimed, Iterable):
                return f"{kind} is {claimed!r}: it has to be a tuple or a set of some of {known}"
            if wrong := [x for x in claimed if not any(x is c or x == c for c in choices)]:
                return f"{kind} has {wrong[0]!r}: there are {known}"
            if not tuple(claimed) and kind not in ("tells", "contract"):
                return f"{kind} is empty: it has to have some of {known}"
        if isinstance(self.limits, str):
            return f"limits is {self.limits!r}: it has to be a tuple of reasons"
        if "given" not in self.h_0:
            return "h_0 has to have 'given': every level is asked with an initial state"
        if "cell" not in self.levels:
            return "levels lacks 'cell', without which nothing can be asked"
        if "precision" not in self.levels and not {"float64", "float32"} & set(self.dtypes):
            return f"levels lacks 'precision', and {self.dtypes[0]} cannot be asked without it"
        return None

    def told(self) -> dict[str, list[Any]]:
        """The claims as lists, for reports: levels and dtypes, and what else is less than everything."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        ordered = {
            kind: [x for x in CHOICES.get(kind, claimed) if x in claimed]
            for kind, claimed in found.items()
            if claimed is not None
        }
        everything = Claims(tells=CHOICES["tells"])
        return {
            kind: claimed
            for kind, claimed in ordered.items()
            if kind in ("levels", "dtypes") or set(claimed) != set(getattr(everything, kind))
        }

    def outside(self, case: Case) -> str | None:
        """Why `case` is outside of the claims, or None."""
        if missing := case.levels - self.levels:
            return f"not claimed: {', '.join(level for level in LEVELS if level in missing)}"
        given = case.h_0 is not None and all(call.h_0 is not None for call in case.calls)
        bias, h_0 = "bias" if case.config.bias else "no bias", "given h_0" if given else "absent h_0"
        known = case.config.nonlinearity in CHOICES["nonlinearities"]  # any other has to be refused
        return self.lacks((case.dtype, bias, h_0, *([case.config.nonlinearity] if known else [])))

    def beyond(self, case: Case) -> str | None:
        """Why `case` cannot be asked: it has deeds or a route, and these are not declared; or None."""
        needs = {"deeds": bool(case.deeds), "routes": bool(case.route)}
        return MODULE if any(needed and kind not in self.contract for kind, needed in needs.items()) else None

    def declared(self, reason: str) -> bool:
        """Whether an answer may be *unsupported* for this reason, and no promise is broken."""
        return reason in (*self.limits, MODULE)

    def without(self, clause: Clause) -> str | None:
        """Why `clause` is not asked: its level is not claimed, or something else that it needs; or None."""
        if clause.level not in self.levels:
            return f"not claimed: {clause.level}"
        return self.lacks(clause.needs)

    def lacks(self, needs: Iterable[str]) -> str | None:
        """The first of some needs that is not claimed, as a reason, or None."""
        return next((f"not claimed: {need}" for need in needs if need not in self.having), None)

    @cached_property
    def having(self) -> frozenset[str]:
        """All that is claimed, in the words in which a clause says what it needs."""
        half = {"float16", "bfloat16"} & set(self.dtypes)
        return frozenset(
            {
                *self.levels,
                *self.dtypes,
                *({"half precision"} if half else ()),
                *self.nonlinearities,
                *("bias" if bias else "no bias" for bias in self.bias),
                *(f"{how} h_0" for how in self.h_0),
                *(f"gradient of {what}" for what in self.gradients),
                *(f"cotangent of {what}" for what in self.cotangents),
            }
        )

    def gives(self, array: str) -> bool:
        """Whether the array of this name is claimed: any, but of ``grad NAME`` those of `gradients`."""
        kind, _, name = array.partition(" ")
        return kind != "grad" or (name if name in ("input", "h_0") else "parameters") in self.gradients

    def nearest(self, flag: str, wanted: Any) -> Any:
        """The value of `dtype`, `nonlinearity` or `bias` in which a question of another value is asked."""
        if flag == "dtype":
            return next((dtype for dtype in NEAREST[wanted] if dtype in self.askable), wanted)
        claimed = self.nonlinearities if flag == "nonlinearity" else self.bias
        return wanted if wanted in claimed else next(iter(claimed))

    @cached_property
    def askable(self) -> tuple[str, ...]:
        """The dtypes that can be asked: those of fewer bits only with the level that they need."""
        return tuple(d for d in self.dtypes if d in ("float64", "float32") or "precision" in self.levels)

    def fitted(self, flags: Mapping[str, Any]) -> dict[str, Any]:
        """The nearest values of a Recipe's `flags` that are claimed."""
        levels, values = self.levels, dict(flags)
        values.update({flag: self.nearest(flag, values[flag]) for flag in ("dtype", "nonlinearity", "bias")})
        if "absent" not in self.h_0 or "sequence" not in levels:
            values["h_0"] = True
        if "sequence" not in levels:
            values["one_step"] = SIZES[values["size"]].seq_len > 1
        if "stack" not in levels:
            values["num_layers"] = 1
        if "bidirectional" not in levels:
            values["bidirectional"] = False
        if "dropout" not in levels:
            values["dropout"] = 0.0
        if "torch_api" not in levels:
            values["batch_first"], values["batched"] = False, True
        return values

    def fit(self, recipe: Recipe, pinned: Iterable[str]) -> Recipe | None:
        """The recipe nearest to `recipe` that can be asked, its `pinned` flags kept; None: there is none.

        A dtype too coarse for the sums of its size is asked in the small one, where the size is free.
        """
        if not self.restricts:
            return recipe
        given, pinned = vars(recipe), set(pinned)
        kept = {name: value for name, value in given.items() if name in pinned}
        fitting = replace(recipe, **self.fitted(given) | kept)
        if fitting.terms(backward="size" not in pinned) > COARSEST and fitting != recipe:
            if "size" in pinned:
                return None
            fitting = replace(fitting, size="small")
        return None if self.outside(replace(fitting.case(), cotangents=None)) else fitting

    @cached_property
    def restricts(self) -> bool:
        """Whether anything that a Recipe can ask is not claimed."""
        everything = Claims()
        return any(
            set(getattr(self, kind)) != set(getattr(everything, kind))
            for kind in ("levels", "dtypes", "nonlinearities", "bias", "h_0")
        )

    def fit_case(self, case: Case, free: Iterable[str]) -> Case:
        """A case that a test has made, with the dtype, nonlinearity and biases that are claimed, if free.

        A layer that always has biases is given biases of zero in place of none.
        """
        c, free = case.config, set(free)
        given: dict[str, Any] = {"dtype": case.dtype, "nonlinearity": c.nonlinearity, "bias": c.bias}
        fitted: dict[str, Any] = {
            name: self.nearest(name, value) if name in free else value for name, value in given.items()
        }
        if fitted == given:
            return case
        config = replace(c, nonlinearity=fitted["nonlinearity"], bias=fitted["bias"])
        shapes = config.parameter_shapes().items()
        parameters = {name: case.parameters.get(name, np.zeros(shape)) for name, shape in shapes}
        how = "-".join([config.nonlinearity, *([] if config.bias else ["nobias"]), fitted["dtype"]])
        return case.derive(f"as {how}", config=config, parameters=parameters, dtype=fitted["dtype"])

    def without_cotangent(self, case: Case) -> str | None:
        """Why the gradients of `case` are not asked for: its only cotangent is one that cannot be given."""
        held = {name: getattr(case.cotangents, name).any() for name in CHOICES["cotangents"]}
        if any(held[name] for name in self.cotangents) or not any(held.values()):
            return None
        return self.lacks(f"cotangent of {name}" for name in held)

    def asked(self, case: Case) -> Case:
        """`case` with a cotangent of 0 where one cannot be given."""
        zeros = {
            name: np.zeros(held.shape)
            for name, held in vars(case.cotangents).items()
            if name not in self.cotangents and held.any()
        }
        how = f"cotangent of {' and '.join(self.cotangents)} alone"
        given: Any = case.cotangents
        return case.derive(how, cotangents=replace(given, **zeros)) if zeros else case
