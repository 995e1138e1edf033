"""What a conformance test says of itself: its clause, and the cases that it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.questions import product
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnn_spec.questions.attempts import Negative


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


def malformed(**fields: Any) -> pytest.MarkDecorator:
    """Run the test on every malformed call with these fields (a tuple: any of them), as ``negative``.

    With ``--exhaustive`` on those at every depth of the layer.
    """
    return pytest.mark.malformed(**fields)


def selected(negatives: Mapping[str, Negative], wanted: Mapping[str, Any]) -> dict[str, Negative]:
    """Those with these fields (a tuple: any of them); ValueError where none has them."""
    fields = {name: value if isinstance(value, tuple) else (value,) for name, value in wanted.items()}
    found = {id: n for id, n in negatives.items() if all(getattr(n, k) in v for k, v in fields.items())}
    if not found:
        raise ValueError(f"no negative has {fields}")
    return found


def pinned(*flags: str) -> pytest.MarkDecorator:
    """The test needs these flags as they are: no subject is asked its cases with others."""
    return pytest.mark.pinned(*flags)
