"""The stand-alone reproduction of a failure."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rnn_spec.judge.compare import compare
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Call
from rnn_spec.report.reproduction import script

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")


def reproduction(recipe: Recipe, name: str, **changes: object) -> str:
    """The script for a subject whose array `name` is off by one everywhere."""
    case = replace(recipe.case(), **changes)  # type: ignore[arg-type]
    expected = expect(case).arrays[name]
    worst = compare(name, expected.value + 1, expected)
    return str(script(case, "REC-01", worst, "a wrong layer", expected.value.shape))


LARGEST = Recipe("small", 3, bidirectional=True, dtype="float32")


@pytest.mark.parametrize("recipe", [Recipe(), LARGEST, Recipe("odd", 2, "relu", dtype="float64")], ids=str)
@pytest.mark.parametrize("name", ["output", "grad weight_hh_l0"])
def test_a_script_of_at_most_40_lines_shows_the_two_numbers(
    tmp_path: Path, recipe: Recipe, name: str
) -> None:
    """Run alone, with torch and NumPy only, it prints what torch answers and what is expected."""
    path = tmp_path / "reproduction.py"
    path.write_text(reproduction(recipe, name))

    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)

    assert len(path.read_text().splitlines()) <= 40
    imported = {
        a.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for a in node.names
    }
    assert imported == {"torch", "numpy"}
    got, expected = (line.split()[1] for line in done.stdout.splitlines()[1:])
    assert np.isclose(float(got), float(expected), rtol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"lengths": np.array([3, 9, 1])}, {"h_0": np.full((1, 3, 7), 1 / 3)}], ids=str
)
def test_lengths_and_numbers_that_are_not_dyadic_are_carried(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """A case of several lengths is packed, and any float64 number is carried exactly."""
    path = tmp_path / "reproduction.py"
    path.write_text(reproduction(Recipe(dtype="float64"), "output", **changes))

    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)

    got, expected = (line.split()[1] for line in done.stdout.splitlines()[1:])
    assert np.isclose(float(got), float(expected), rtol=1e-12)


def test_earlier_calls_are_made_in_the_script_too(tmp_path: Path) -> None:
    """A case that asks about a second call is reproduced with its first."""
    case = Recipe().case()
    path = tmp_path / "reproduction.py"
    path.write_text(reproduction(Recipe(), "output", earlier=(Call(case.input[:4]),)))

    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)

    assert "earlier0" in path.read_text()
    assert len(done.stdout.splitlines()) == 3
