"""The named faults: each stands in for a step that there is, and names a clause that there is."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from rnn_spec.faults import FAULTS, Fault
from rnn_spec.faults.base import ADJOINT, LAYER, MODEL, MODULE, model
from rnn_spec.spec.catalogue import clauses
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN
from rnn_spec.subjects.spec import SpecSubject

OF = {MODEL: RNN, ADJOINT: Adjoint, LAYER: SpecSubject}

every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda f: f.name)


@every_fault
def test_a_fault_stands_in_for_a_step(fault: Fault) -> None:
    """The step that a fault replaces exists, is a method, and is called with as many arguments."""
    base: Any = pytest.importorskip("torch").nn.RNN if fault.of == MODULE else OF[fault.of]
    step = getattr(base, fault.step)

    right, wrong = inspect.signature(step), inspect.signature(fault.replacement)
    wrong.bind(*right.parameters)
    required = [p for p in right.parameters.values() if p.default is p.empty]
    wrong.bind(*required)


@every_fault
def test_a_fault_names_a_clause_and_says_a_sentence(fault: Fault) -> None:
    """A fault's clause is in the catalogue, its name is words and hyphens, its sentence ends in a period."""
    assert fault.clause in clauses()
    assert re.fullmatch(r"[a-z0-9_]+([-.][a-z0-9_]+)*", fault.name)
    assert fault.sentence.endswith(".")
    assert fault.sentence == " ".join(fault.sentence.split())


def test_no_two_faults_say_the_same() -> None:
    """Each fault has a sentence of its own."""
    sentences = [fault.sentence for fault in FAULTS.values()]

    assert len(set(sentences)) == len(sentences)


def test_two_faults_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is given once."""
    monkeypatch.setattr("rnn_spec.faults.base.FAULTS", dict(FAULTS))
    name = next(iter(FAULTS))

    with pytest.raises(ValueError, match=f"two faults are called '{name}'"):
        model(name, "REC-01", "Nothing.", cell=lambda self: None)
