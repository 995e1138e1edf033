"""A subject is given the same case in this process and in another one."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from rnn_spec.far import wire
from rnn_spec.far.commands import asked
from rnn_spec.judge.session import Session
from rnn_spec.questions.records import Case, Observation
from rnn_spec.subjects.spec import SpecSubject


class Given(SpecSubject):
    """Keeps what it is given."""

    def run(self, case: Case) -> Observation:
        """Answer nothing."""
        self.case = case
        return Observation(unsupported="only looks")


def differences(a: Any, b: Any, place: str) -> list[str]:
    """Where two records differ: in type, value, dtype, layout or in whether one may write into them."""
    if type(a) is not type(b):
        return [f"{place}: {type(a).__name__}, {type(b).__name__}"]
    if isinstance(a, np.ndarray):
        looks = [(x.dtype, x.shape, x.strides, x.flags.writeable) for x in (a, b)]
        same = looks[0] == looks[1] and np.array_equal(a, b, equal_nan=True)
        return [] if same else [f"{place}: {looks}"]
    if is_dataclass(a):
        held = [(f.name, vars(a).get(f.name), vars(b).get(f.name, "absent")) for f in fields(a)]
        return [d for name, x, y in held for d in differences(x, y, f"{place}.{name}")]
    if isinstance(a, dict):
        return [d for key in a | b for d in differences(a.get(key), b.get(key), f"{place}[{key!r}]")]
    if isinstance(a, tuple):
        pairs = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in pairs for d in differences(x, y, f"{place}[{i}]")]
    return [] if a == b else [f"{place}: {a!r}, {b!r}"]


@pytest.fixture(scope="module")
def suite() -> dict[str, Case]:
    """Every case that the suite asks, those made from answers included."""
    return asked(())


def test_every_case_is_the_same_in_process_and_over_the_wire(suite: dict[str, Case]) -> None:
    """Field by field: types, numbers, dtypes, layout in memory, absent or None, and writable."""
    subject = Given()
    session = Session(subject)
    found: dict[str, list[str]] = {}
    for id, case in suite.items():
        session.answer(case)
        arrived = wire.decode(wire.encode(wire.RunRequest(1, case)), wire.RunRequest).case
        if lines := differences(subject.case, arrived, "case"):
            found[id] = lines

    assert not found, next(iter(found.items()))
    assert any(case.lengths is not None for case in suite.values())
    assert any(case.earlier for case in suite.values())
