"""The matrix fault x clause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnn_spec.judge.faults import FAULTS
from rnn_spec.judge.faults.base import MODEL, Fault
from rnn_spec.matrix import NAMED, Matrix
from rnn_spec.spec.model import RNN


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The suite, ready to be run on faults."""
    return Matrix()


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_killed_by_the_clause_that_it_names(name: str, matrix: Matrix) -> None:
    """No named fault survives its own clause, and no check breaks on one."""
    row = matrix.row(FAULTS[name], NAMED)

    assert row.broken == []
    assert list(row.killed_by) == [FAULTS[name].clause]


def test_a_fault_that_is_none_survives(matrix: Matrix) -> None:
    """A step replaced by itself is killed by nothing: a check that fails here fails without cause."""
    harmless = Fault("harmless", "REC-04", "Nothing is wrong.", MODEL, "cell", RNN.cell)

    row = matrix.row(harmless)

    assert not row.killed
    assert row.killed_by == {}


def test_a_fault_under_the_wrong_clause_is_not_killed(matrix: Matrix) -> None:
    """A kill by another clause than the named one does not count."""
    wrong = replace(FAULTS["h_n-directions-swapped"], clause="BIA-01")

    row = matrix.row(wrong, NAMED)

    assert not row.killed
