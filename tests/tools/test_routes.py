"""The execution routes as subjects: each is found by its name, and runs the cases that eager torch runs."""

from __future__ import annotations

import pytest

from rnn_spec.cases.product import Recipe
from rnn_spec.subjects import registry
from rnn_spec.subjects.torch_routes import DTYPES, NEEDS, ROUTES, UNCLAIMED

QUICK = ("functional", "grad", "trace", "script", "compile", "export", "autocast")


@pytest.mark.parametrize("route", QUICK)
def test_a_route_answers_a_case(route: str) -> None:
    """A route answers output, h_n and every gradient of a case of a dtype that it computes in."""
    subject = registry.load(f"torch:{route}")
    recipe = Recipe(num_layers=2, bidirectional=True, dtype=subject.dtypes[0])

    answer = subject.run(recipe.case())

    assert answer.error is None
    assert answer.output is not None
    assert sorted(answer.gradients) == sorted([*recipe.case().parameters, "input", "h_0"])
    assert answer.dtypes == {"output": recipe.dtype, "h_n": recipe.dtype}
    assert subject.title == f"torch:{route}"
    assert subject.version().endswith(f" by {route}")


@pytest.mark.parametrize("route", NEEDS)
def test_a_route_says_what_it_needs(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a package that a route needs, a sentence says which, and how to install it."""
    monkeypatch.setitem(__import__("sys").modules, NEEDS[route][0], None)

    with pytest.raises(registry.SubjectError, match=f"torch:{route} needs .*: pip install"):
        registry.load(f"torch:{route}")


def test_tables_are_of_routes() -> None:
    """What is said of a route is said of one that there is."""
    assert {*UNCLAIMED, *DTYPES, *NEEDS} <= {*ROUTES}
