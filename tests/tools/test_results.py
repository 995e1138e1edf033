"""results.json: what it holds, its schema, and how one that is truncated or contradicts itself is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.cli import main
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.numbers import LARGEST, Numbers, numbers
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Bound
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import Subject, facts_of
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.results import TELLING, Results, ResultsError, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASE = Recipe.parse("small-L1-tanh-float32").case()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results.json of a faulty subject's checks of one area, as plain values."""
    folder = tmp_path_factory.mktemp("results")
    command = ["check", "fault:reverse-final-recomputed", "--clause", "DIR", "--results", str(folder)]
    assert main(command, standalone_mode=False) == 1
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_a_run_holds_to_the_schema_that_is_printed(
    kept: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it; and the schema that the command prints is the one that files are read by."""
    pytest.importorskip("jsonschema").validate(kept, schema())

    assert main(["schema", "results"], standalone_mode=False) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema()))


def test_a_run_says_what_it_ran_on_and_how_long_each_check_took(kept: dict[str, Any]) -> None:
    """Catalogue, seed, the subject's own facts, seconds."""
    assert kept["facts"]["numpy"] == np.__version__
    assert len(kept["catalogue"]) == 12
    assert kept["seed"] == CASE.seed
    assert all(v["seconds"] > 0 for v in kept["verdicts"])


def test_of_failures_at_numbers_the_first_of_each_clause_tell_them(kept: dict[str, Any]) -> None:
    """Those that a reader looks at; the others would make the file large."""
    told = [v for v in kept["verdicts"] if v["numbers"]]

    assert told
    assert {v["outcome"] for v in told} == {"failed"}
    for clause in {v["clause"] for v in told}:
        assert sum(v["clause"] == clause for v in told) <= TELLING


def compared(got: np.ndarray, value: np.ndarray, error: float) -> Numbers | None:
    """What is told of an output that was compared with these values and this bound."""
    check = Check(clauses()["REC-01"], Session(SpecSubject()))
    check.case = CASE
    try:
        check.within("output", got, Bound(value, np.full(value.shape, error)))
    except Nonconformity:
        return numbers(check)
    return numbers(check)


def test_the_numbers_are_the_elements_in_units_of_their_bounds() -> None:
    """An element that is off by three bounds has the error 3, at its own index; NaN is infinitely far off."""
    value = np.zeros((9, 3, 7))
    got = value.copy()
    got[4, 1, 2], got[5, 0, 0] = 3e-6, np.nan

    found = compared(got, value, 1e-6)

    assert found is not None
    assert found.axes == ["time", "batch", "feature"]
    assert found.differing == 2
    assert [(e.index, e.got, e.error) for e in found.worst[:2]] == [
        ([5, 0, 0], "nan", None),
        ([4, 1, 2], "3e-06", 3.0),
    ]
    assert found.errors[(4 * 3 + 1) * 7 + 2] == 3.0
    assert found.at == []


def test_of_a_large_array_the_worst_elements_are_told() -> None:
    """As many as LARGEST, each with its place."""
    value = np.zeros((1000, 3, 7))
    got = value.copy()
    got[700, 2, 6] = 5.0

    found = compared(got, value, 1.0)

    assert found is not None
    assert len(found.errors) == len(found.at) == LARGEST
    assert (found.at[0], found.errors[0]) == ((700 * 3 + 2) * 7 + 6, 5.0)


def test_what_holds_has_no_numbers() -> None:
    """Of a comparison within its bounds nothing is kept."""
    assert compared(np.ones(3), np.ones(3), 0.0) is None


def _numbers_of(kept: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(v for v in kept["verdicts"] if v["numbers"])
    return found


def _whole(kept: dict[str, Any]) -> None:
    kept.update(complete=True, selected=[], problems=[])


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a field is missing": (lambda k: k.pop("facts"), "it has no facts"),
    "a field is unknown": (lambda k: k.update(colour="red"), "it has 'colour', which is none of its fields"),
    "nobody judged": (lambda k: k.update(verdicts=[]), "it judged nobody"),
    "a type": (lambda k: k.update(complete="yes"), "Expected `bool`, got `str` - at `$.complete`"),
    "a level": (lambda k: k["levels"].append("speed"), "`levels` has 'speed': there are cell, sequence"),
    "a clause": (lambda k: k["verdicts"][2].update(clause="XXX-01"), "`verdicts[2]` ("),
    "an outcome": (lambda k: k["verdicts"][0].update(outcome="fine"), "- at `$.verdicts[0].outcome`"),
    "twice": (lambda k: k["verdicts"].append(k["verdicts"][0]), "it has the check twice, at 0 and"),
    "an owed clause": (
        lambda k: k["owed"].update({"XXX-01": 1}),
        "`owed` names 'XXX-01', which is no clause",
    ),
    "owed and done": (_whole, "checks of ARG-01, and 0 have a verdict"),
    "a headroom": (
        lambda k: next(v for v in k["verdicts"] if v["outcome"] == "passed").update(headroom=2.0),
        "it passed with headroom 2, which is above 1",
    ),
    "errors": (lambda k: _numbers_of(k)["numbers"]["errors"].pop(), "errors, of"),
    "numbers of what passed": (
        lambda k: _numbers_of(k).update(outcome="known"),
        "it has the numbers of a failure, and its outcome is 'known'",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), WRONG.values(), ids=WRONG)
def test_what_contradicts_itself_is_refused_with_the_place(
    kept: dict[str, Any], tmp_path: Path, spoil: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    """One sentence, of whatever reads it."""
    content = json.loads(json.dumps(kept))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    assert Results.read(path).verdicts  # before it is spoilt
    spoil(content)
    path.write_text(json.dumps(content))

    with pytest.raises(ResultsError) as refused:
        Results.read(path)

    assert str(path) in str(refused.value)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_what_is_truncated_is_refused_by_the_command(
    kept: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """Exit status 2, and one sentence."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(kept)[:size])

    assert main(["checklist", "--for", str(path)], standalone_mode=False) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {path} is not what `rnn-spec check` writes: ")
    assert said.count("\n") == 1


def test_a_subject_that_cannot_say_what_it_runs_on_is_judged_all_the_same() -> None:
    """That it cannot is said in place of the facts."""

    class Mute(Subject):
        def facts(self) -> dict[str, str]:
            raise RuntimeError("no driver")

    assert facts_of(Mute()) == {"facts": "not told (RuntimeError: no driver)"}
