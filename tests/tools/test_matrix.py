"""The matrix fault x clause."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from rnn_spec.cli import main
from rnn_spec.faults import FAULTS, PLACES
from rnn_spec.faults.base import MODEL, Fault
from rnn_spec.lineup.matrix import ANY, NAMED, Matrix, Row, conclude, show
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


@pytest.mark.slow
@pytest.mark.parametrize("name", PLACES)
def test_every_fault_of_place_is_killed(name: str, matrix: Matrix) -> None:
    """Some check of the standard suite fails on it, whichever clause it is of, and none breaks."""
    row = matrix.row(PLACES[name], ANY)

    assert row.broken == []
    assert row.killed_by


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


def printed(rows: list[Row], suite: set[str]) -> str:
    """What is printed of rows, and of a suite of these tests."""
    console = Console(file=io.StringIO(), width=200)
    for row in rows:
        show(row, console)
    conclude(rows, console, suite)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_row_says_what_killed_the_fault() -> None:
    """A line: the fault, its clause, whether it was killed, and by how many tests of which clauses."""
    killed = Row("h_0-ignored", "HID-02", {"HID-02": ["a", "b"], "REC-04": ["c"]}, seconds=0.4)
    survives = Row("b_hh-dropped", "BIA-01", {"REC-04": ["c"]})

    text = printed([killed, survives], set())

    assert "HID-02 killed  0.4 s  by HID-02 2, REC-04 1" in text
    assert "BIA-01 SURVIVES  0.0 s  by REC-04 1" in text
    assert "1 of 2 faults killed" in text


def test_a_test_that_kills_nothing_is_listed() -> None:
    """What only one test kills, and a test that kills nothing, are the suite's weak places, and are told."""
    text = printed([Row("h_0-ignored", "HID-02", {"HID-02": ["a"]})], {"a", "idle"})

    assert "of the checks called one kills h_0-ignored: a" in text
    assert "of the checks called none of idle kills a fault" in text


def test_a_broken_check_is_no_kill() -> None:
    """A check that breaks on a fault is told, and the fault is not killed."""
    text = printed([Row("h_0-ignored", "HID-02", {"HID-02": ["a"]}, broken=["b: KeyError: 1"])], set())

    assert "HID-02 SURVIVES" in text
    assert "a check broke on h_0-ignored: b: KeyError: 1" in text


def test_an_unknown_fault_is_answered_with_near_ones() -> None:
    """A name that is no fault's gets one sentence, with names that are near it, and status 2."""
    done = CliRunner().invoke(main, ["faults", "relu-by-defalt"])

    assert done.exit_code == 2
    assert done.output.startswith("Error: no fault is called 'relu-by-defalt': did you mean relu-by-default")
    assert len(done.output) < 200
