"""A small suite and a subject that several tests write to a folder, and what fails on a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnn_spec.judge.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.suite.planned import Planned

SUITE = '''
import pytest
from rnn_spec.suite.marks import clause, every, named, standard

@clause("HID-06")
@standard(size="small", num_layers=1, bidirectional=False, batched=True, batch_first=False)
def test_last_output(case, check):
    """The last output is h_n."""
    answer = check.ask(case)
    check.equal("output[-1]", answer.output[-1], answer.h_n[0])

@clause("GRD-01")
@named("small-L1-tanh-float32", "small-L1-tanh-float64")
def test_gradients(case, check):
    """Gradients conform."""
    check.conforms(case, "grad *")

@clause("REC-01")
@every(size=("small", "cell"), num_layers=1, dtype="float32", dropout=0.0, training=False)
def test_output(case, check):
    """Outputs conform."""
    check.conforms(case, "output")
'''

REFUSES_NAN = """
import numpy as np
from rnn_spec.subjects.spec import SpecSubject

class Mine(SpecSubject):
    name = "mine"
    levels = frozenset({"cell", "sequence"})

    def run(self, case):
        if np.isnan(case.input).any():
            raise LookupError("not a number")
        return super().run(case)
"""


def failing(subject: Any, trials: Iterable[Planned]) -> list[Planned]:
    """The checks that fail on a subject; what is not claimed does not."""
    session = Session(subject)
    return [planned for planned in trials if planned.outcome(session).word == "failed"]
