"""Faulty subjects: the spec as a subject, with one step (or two) replaced by a named fault's."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODULE
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN
from rnn_spec.subjects import registry
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.subjects.torch_eager import TorchSubject

if TYPE_CHECKING:
    from rnn_spec.judge.faults import Fault
    from rnn_spec.subjects.base import Subject


def find_subject(name: str) -> Subject:
    """The subject of a name, ``fault:NAME`` included; SubjectError with a sentence where there is none."""
    kind, _, fault = name.partition(":")
    if kind != "fault":
        return registry.load(name)
    if fault not in FAULTS:
        near = get_close_matches(fault, FAULTS, 3, 0.3)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise registry.SubjectError(f"no fault is called {fault!r}{hint}")
    return faulty(FAULTS[fault])


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
