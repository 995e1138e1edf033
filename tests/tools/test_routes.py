"""The execution routes as subjects: each is found by its name, and runs the cases that eager torch runs."""

from __future__ import annotations

from typing import Any

import pytest

from rnn_spec.judge.known import expected_of
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Call
from rnn_spec.subjects import registry
from rnn_spec.subjects.base import Subject
from rnn_spec.suite.collect import collect
from rnn_spec.suite.planned import Planned
from rnn_spec.torch import routes as torch_routes
from rnn_spec.torch.routes import DTYPES, EXPORTED, NEEDS, OWNING, ROUTES, SCRIPTING, SUBJECTS, UNCLAIMED

BY_ITSELF = ("functional", "grad", "trace", "script", "compile", "export", "autocast")
"""The routes that need torch alone, but for vmap, which torch refuses."""


def route(name: str) -> Subject:
    """The subject; the test is skipped where a package is missing that it needs."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    return registry.load(f"torch:{name}")


@pytest.mark.parametrize("name", BY_ITSELF)
def test_a_route_answers_a_case(name: str) -> None:
    """A route answers output, h_n and every gradient of a case of a dtype that it computes in."""
    subject = route(name)
    recipe = Recipe(num_layers=2, bidirectional=True, dtype=subject.dtypes[0])

    answer = subject.run(recipe.case())

    assert answer.error is None
    assert answer.output is not None
    assert sorted(answer.gradients) == sorted([*recipe.case().parameters, "input", "h_0"])
    assert answer.dtypes == {"output": recipe.dtype, "h_n": recipe.dtype}
    assert subject.title == f"torch:{name}"
    assert subject.version().endswith(f" by {name}")


SAMPLE = (
    "test_precision.py::test_half_precision_is_within_its_bound[small-L1-tanh-bfloat16]",
    "test_unbatched.py::test_gradients_are_those_of_a_batch_of_one[small-L2-tanh-bi-unbatched-float32]",
    "test_packed.py::test_gradients_through_a_packed_batch[small-L1-tanh-float32]",
    "test_dropout.py::test_final_states_follow_from_undropped_states[small-L3-tanh-p0.5-train-float64]",
    "test_determinism.py::test_earlier_calls_leave_nothing_behind[other h_0-small-L1-tanh-float32]",
)
"""A check of each way to ask: in low precision, unbatched, packed, in training mode, and called before."""


@pytest.fixture(scope="module")
def trials() -> list[Planned]:
    """The checks of SAMPLE."""
    return [trial for trial in collect() if trial.id in SAMPLE]


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_route_is_the_layer_as_far_as_torch_lets_it(name: str, trials: list[Planned]) -> None:
    """A check by a route passes, or it fails as recorded, or the route does not claim what it asks."""
    subject = route(name)
    recorded = expected_of(subject.title, subject.version())
    outcomes, unlike, session = set(), {}, Session(subject)

    for trial in trials:
        known = [entry for entry in recorded if entry.expects(trial.id)]
        found = trial.outcome(session)
        outcome, as_recorded = found.word, not known or found.word in ("not claimed", "unsupported")
        if (difference := found.difference) is not None:
            outcome, as_recorded = difference, any(entry.explains(difference) for entry in known)
        outcomes.add(outcome)
        if not as_recorded:
            unlike[trial.id] = outcome

    assert unlike == {}
    assert len(SAMPLE) == len(trials)
    assert outcomes - {"not claimed"} != set()


def test_a_program_is_made_once_for_calls_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a route makes is called again, and not made again, for arguments of the same shapes."""
    made = []

    def plain(rnn: Any, arguments: tuple[Any, ...]) -> Any:
        made.append([tuple(t.shape) for t in arguments])
        return rnn

    monkeypatch.setitem(torch_routes.ROUTES, "functional", plain)
    case = Recipe().case()
    earlier = (Call(case.input, case.h_0), Call(case.input[1:], case.h_0))

    registry.load("torch:functional").run(case.derive("after two calls", earlier=earlier))

    assert made == [[(9, 3, 5), (1, 3, 7)], [(8, 3, 5), (1, 3, 7)]]


@pytest.mark.parametrize("route", NEEDS)
def test_a_route_says_what_it_needs(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a package that a route needs, a sentence says which, and how to install it."""
    monkeypatch.setitem(__import__("sys").modules, NEEDS[route][0], None)

    with pytest.raises(registry.SubjectError, match=f"torch:{route} needs .*: pip install"):
        registry.load(f"torch:{route}")


def test_tables_are_of_routes() -> None:
    """What is said of a route is said of one that there is."""
    assert {*UNCLAIMED, *DTYPES, *NEEDS, *EXPORTED} <= {*SUBJECTS}
    assert {*SCRIPTING, *OWNING} <= {*ROUTES}
