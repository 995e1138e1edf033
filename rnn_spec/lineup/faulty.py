"""Faulty subjects: the spec as a subject, with one step (or two) replaced by a named fault's.

A fault is a right subject with a step replaced, so until it first calls that step it does what the
right one does: to a case for which the right one never calls it (`Steps`) both answer the same.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from rnn_spec.faults import FAULTS, PLACES
from rnn_spec.faults.base import ADJOINT, LAYER, MODEL, MODULE
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from rnn_spec.faults import Fault
    from rnn_spec.questions.records import Case, Observation
    from rnn_spec.subjects.base import Subject


def find(name: str = "") -> Subject:
    """The subject ``fault:NAME``; SubjectError with a sentence where there is none."""
    return faulty(find_fault(name))


def find_fault(name: str) -> Fault:
    """The fault of a name; SubjectError with a sentence where there is none."""
    known = FAULTS | PLACES
    if name not in known:
        near = get_close_matches(name, known, 3, 0.3)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise SubjectError(f"no fault is called {name!r}{hint}")
    return known[name]


def faulty(fault: Fault) -> Subject:
    """The spec as a subject, or torch.nn.RNN for a fault of MODULE, with the fault's step in place."""
    return faulty_module(fault) if fault.of == MODULE else faulty_spec(fault)


def faulty_spec(*faults: Fault) -> SpecSubject:
    """The spec as a subject, with each fault's step in place of the right one."""
    name = "+".join(fault.name for fault in faults)
    steps: dict[str, dict[str, Any]] = {"model": {}, "adjoint": {}, "layer": {"name": f"fault:{name}"}}
    for fault in faults:
        steps[fault.of][fault.step] = fault.replacement
    steps["layer"]["model"] = type(name, (RNN,), steps["model"])
    steps["layer"]["adjoint"] = type(name, (Adjoint,), steps["adjoint"])
    subject: SpecSubject = type(name, (SpecSubject,), steps["layer"])()
    return subject


def faulty_module(fault: Fault) -> TorchSubject:
    """torch.nn.RNN as a subject, with a method of the class replaced by the fault's."""
    module = type("RNN", (TorchSubject().cls,), {fault.step: fault.replacement, "__module__": __name__})
    globals()["FaultyModule"] = module
    module.__qualname__ = "FaultyModule"  # where pickle looks for it
    attributes = {"name": f"fault:{fault.name}", "module": module}
    subject: TorchSubject = type(fault.name, (TorchSubject,), attributes)()
    return subject


class Steps(SpecSubject):
    """The spec, noting which steps are called for each case."""

    def __init__(self) -> None:
        """Put a note before each step that some fault stands in for."""
        super().__init__()
        self.called: dict[str, set[tuple[str, str]]] = {}
        self.now: set[tuple[str, str]] = set()
        model, adjoint, layer = (
            type(
                cls.__name__,
                (cls,),
                {f.step: self.noted(cls, f) for f in (FAULTS | PLACES).values() if f.of == of},
            )
            for of, cls in ((MODEL, RNN), (ADJOINT, Adjoint), (LAYER, Steps))
        )
        self.__class__ = type("Steps", (layer,), {"model": model, "adjoint": adjoint})

    def noted(self, cls: type, fault: Fault) -> Any:
        """A right step, which notes that it is called."""
        right = getattr(cls, fault.step)

        def step(this: Any, *arguments: Any, **keywords: Any) -> Any:
            self.now.add((fault.of, fault.step))
            return right(this, *arguments, **keywords)

        return step

    def run(self, case: Case) -> Observation:
        """Answer, and keep what was called on the way."""
        self.now = self.called.setdefault(case.id, set())
        return super().run(case)

    def calls(self, faults: tuple[Fault, ...], case: Case) -> bool:
        """Whether the step of one of the faults is called for the case."""
        return any((fault.of, fault.step) in self.called[case.id] for fault in faults)
