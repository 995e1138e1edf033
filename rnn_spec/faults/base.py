"""Named faults: the spec with one step overridden, and the clause that must catch it.

A fault is a row: its name, the clause that must catch it, what it does wrong in a sentence, and the
wrong step under the step's own name, which is put in place of that step of `spec.model.RNN` (`model`),
of `spec.gradient.Adjoint` (`adjoint`), or of the layer object around them, `subjects.spec.SpecSubject`
(`layer`). What only a torch.nn.Module has is a method of a subclass of torch.nn.RNN (`module`). A step
of several statements is a function under `fault`. ``rnn-spec check fault:NAME`` judges one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL, ADJOINT, LAYER, MODULE = "model", "adjoint", "layer", "module"


@dataclass(frozen=True)
class Fault:
    """A wrong step: its name, what it does wrong in a sentence, and the clause that must catch it."""

    name: str
    clause: str
    sentence: str
    of: str
    step: str
    replacement: Callable[..., Any]


FAULTS: dict[str, Fault] = {}
PLACES: dict[str, Fault] = {}
"""Faults of place (`rnn_spec.faults.place`), which the search has to find, and the suite need not."""


def row(
    of: str, name: str, clause: str, sentence: str, /, among: dict[str, Fault] = FAULTS, **steps: Any
) -> None:
    """Register a fault: the one keyword is the step's name, its value what stands in for the step."""
    if name in FAULTS or name in PLACES:
        raise ValueError(f"two faults are called {name!r}")
    ((step, wrong),) = steps.items()
    replacement = wrong.of(step) if isinstance(wrong, then) else wrong
    among[name] = Fault(name, clause, sentence, of, step, replacement)


model, adjoint, layer, module = (partial(row, of) for of in (MODEL, ADJOINT, LAYER, MODULE))


def fault(name: str, clause: str, sentence: str, of: str = MODEL) -> Callable[[Any], Any]:
    """Register the decorated function as the faulty version of the step of its name."""

    def register(replacement: Any) -> Any:
        row(of, name, clause, sentence, **{replacement.__name__: replacement})
        return replacement

    return register


class then(NamedTuple):  # noqa: N801  # it reads as a word in a row: cell=then(...)
    """A step that does what the right one does, and then changes what comes of it.

    `change` is given self, what the right step returned, each thing alone, and the step's arguments.
    """

    change: Callable[..., Any]

    def of(self, step: str) -> Callable[..., Any]:
        """The wrong step of this name."""

        def replacement(this: Any, *given: Any, **named: Any) -> Any:
            found = honest(this, step)(*given, **named)
            return self.change(this, *(found if type(found) is tuple else (found,)), *given)

        return replacement


def is_tanh(of: Any) -> bool:
    """Whether tanh is the nonlinearity of a model or of its adjoint."""
    return bool(of.config.nonlinearity == "tanh")


def honest(layer: Any, step: str) -> Any:
    """The right step, bound, that a fault stands in for.

    It is looked for above the class that has the fault, of which the layer may be a parametrized subclass.
    """
    faulty = [
        c
        for c in type(layer).__mro__
        if str(getattr(vars(c).get(step), "__module__", "")).startswith(__package__)
    ]
    return getattr(super(faulty[0], layer) if faulty else layer, step)
