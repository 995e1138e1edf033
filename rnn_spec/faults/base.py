"""Named faults: the spec with one step overridden, and the clause that must catch it.

A fault is a function under its step's own name, put in place of that step of `spec.model.RNN`
(MODEL), of `spec.gradient.Adjoint` (ADJOINT), or of the layer object around them,
`subjects.spec.SpecSubject` (LAYER). What only a torch.nn.Module has is a method of a subclass of
torch.nn.RNN (MODULE). ``rnn-spec check fault:NAME`` judges one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def fault(name: str, clause: str, sentence: str, of: str = MODEL) -> Callable[[Any], Any]:
    """Register the decorated function as the faulty version of the step of its name."""

    def register(replacement: Any) -> Any:
        if name in FAULTS:
            raise ValueError(f"two faults are called {name!r}")
        FAULTS[name] = Fault(name, clause, sentence, of, replacement.__name__, replacement)
        return replacement

    return register


def honest(layer: Any, step: str) -> Any:
    """The step of the layer object, or the module, that a fault of LAYER or MODULE stands in for.

    It is looked for above the class that has the fault, of which the layer may be a parametrized subclass.
    """
    faulty = [
        c
        for c in type(layer).__mro__
        if str(getattr(vars(c).get(step), "__module__", "")).startswith(__package__)
    ]
    return getattr(super(faulty[0], layer) if faulty else layer, step)
