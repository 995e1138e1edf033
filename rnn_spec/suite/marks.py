"""What a conformance test says of itself: its clause, and the cases that it wants."""

from __future__ import annotations

from typing import Any

import pytest

from rnn_spec.questions import product
from rnn_spec.spec.catalogue import clauses


def clause(id: str) -> pytest.MarkDecorator:
    """The clause that a test checks, and its results are counted for."""
    if id not in clauses():
        raise ValueError(f"no clause is called {id!r}")
    return pytest.mark.clause(id)


def standard(**flags: Any) -> pytest.MarkDecorator:
    """Run the test on every standard case with these flag values (a tuple: any of them)."""
    return pytest.mark.cases(False, **flags)


def every(**flags: Any) -> pytest.MarkDecorator:
    """As `standard`, but with ``--exhaustive`` on every case of the full product with these values."""
    return pytest.mark.cases(True, **flags)


def named(*ids: str) -> pytest.MarkDecorator:
    """Run the test on the cases of these ids: for a law that needs particular flags and sizes.

    A subject that does not claim their dtype, nonlinearity or biases is asked in what it claims (`FREE`).
    """
    return pytest.mark.parametrize("case", [product.Recipe.parse(id) for id in ids], ids=ids, indirect=True)


def pinned(*flags: str) -> pytest.MarkDecorator:
    """The test needs these flags as they are: no subject is asked its cases with others."""
    return pytest.mark.pinned(*flags)
