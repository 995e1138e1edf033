"""What is said of a subject is said of what was asked: of a part in part, and of the rest nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import Session, Unsupported
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.claims import CHOICES, MODULE, Claims
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Observation
from rnn_spec.report.commands import lines
from rnn_spec.report.standings import Card
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import Subject, SubjectError
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.planned import Planned
from rnn_spec.suite.results import Results
from rnn_spec.suite.standing import conforms, sentence, standings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSED = Verdict("a", "REC-04", "passed", level="sequence")


def run(*verdicts: Verdict, complete: bool = True, selected: tuple[str, ...] = (), **claims: Any) -> Results:
    """A run of somebody who claims cell and sequence that came to these verdicts."""
    found = Results("mine", "mine 1", complete=complete, selected=[*selected], owed={"REC-04": len(verdicts)})
    told = Claims(frozenset({"cell", "sequence"}), ("float64",), **claims).told()
    found.introduce(declares={}, expects=[], facts={}, **told)
    found.verdicts = [*verdicts]
    return found


def failing(clause: str, level: str = "sequence") -> Verdict:
    """A check that failed."""
    return Verdict("f", clause, "failed", message="it differs", difference="it differs", level=level)


def unsupported(why: str) -> Verdict:
    """A check whose question was not answered."""
    return Verdict("u", "REC-04", "unsupported", message=why, level="sequence")


def test_a_level_of_which_all_was_asked_and_passed_conforms() -> None:
    """And one that is claimed and of which no check ran was not judged."""
    found = standings(run(PASSED))

    assert (found["sequence"].word, found["cell"].word, found["stack"].word) == (
        "conforms", "not judged", "not claimed",
    )  # fmt: skip
    assert sentence(run(PASSED)) == "mine 1 conforms: 1 checks passed"


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"selected": ("BIA",)}, "1 of 1 checks were asked, those of BIA"),
        ({"complete": False}, "the run was interrupted after 1 of 1 checks"),
    ],
)
def test_a_part_of_a_run_says_nothing_of_the_rest(part: dict[str, Any], why: str) -> None:
    """A level is asked in part, nothing conforms, no card is made of it, and the checklist says so."""
    results = run(PASSED, **part)

    assert str(standings(results)["sequence"]) == "asked in part (1 of 1)"
    assert sentence(results).endswith(f"nothing is said of the rest: {why}")
    assert "conforms" not in sentence(results)
    with pytest.raises(ValueError, match=f"is not whole: {why}"):
        Card.of(results)
    text = "\n".join(lines(results))
    assert f"**Not the whole suite:** {why}." in text
    assert "*Not asked.*" in text
    assert "- [x] **REC-04**" in text


def test_what_a_subject_does_not_answer_within_its_claims_breaks_a_promise() -> None:
    """The level conforms in part, with numbers, and the run does not pass."""
    results = run(PASSED, unsupported("too large"))

    assert str(standings(results)["sequence"]) == "conforms in part (1 of 2)"
    assert not conforms(results)
    assert "does not conform as it claims" in sentence(results)
    assert Card.of(results).says("sequence") == "◐ 1/2"


@pytest.mark.parametrize("why", ["too large", MODULE])
def test_a_limit_that_is_declared_breaks_none(why: str) -> None:
    """The level conforms in part, and the run passes; whoever has no Python class breaks no promise."""
    results = run(PASSED, unsupported(why), limits=("too large",))

    assert str(standings(results)["sequence"]) == "conforms in part (1 of 2)"
    assert conforms(results)
    assert sentence(results) == "mine 1 conforms in part: 1 checks passed, 1 could not be answered"


def test_a_failing_should_is_said_beside() -> None:
    """It turns no level and, alone, no run; but of whom failures are known, it has to be among them."""
    results = run(PASSED, failing("EDG-02"))

    assert str(standings(results)["sequence"]) == "conforms (1 checks of a SHOULD fail)"
    assert conforms(results)
    assert sentence(results) == "mine 1 conforms: 1 checks passed, 1 fail that a SHOULD asks for"
    results.expects = ["some-other"]
    assert not conforms(results)
    assert not conforms(run(PASSED, failing("REC-04")))


def test_a_level_that_only_fails_does_not_conform_however_well_that_is_known() -> None:
    """The run passes, for it is as expected; the level is not said to conform."""
    results = run(Verdict("k", "REC-04", "known", level="sequence", known="refused"))

    assert standings(results)["sequence"].word == "does not conform"
    assert conforms(results)
    assert sentence(results) == "mine 1: all 1 checks that were judged fail as known"


def test_a_check_that_broke_judges_nobody() -> None:
    """Its run says that it could not judge."""
    results = run(PASSED, Verdict("b", "REC-04", "broken"))

    assert sentence(results) == "mine 1 could not be judged: 1 checks broke, and say nothing of it"


# -- what a check counts for ------------------------------------------------------------------------------


class NoBackward(SpecSubject):
    """It says of every gradient that it cannot give it."""

    def run(self, case: object) -> Observation:
        """Answer forward only."""
        if case.cotangents is not None:  # type: ignore[attr-defined]
            return Observation(unsupported="no gradient of a stack")
        return super().run(case)  # type: ignore[arg-type]


def test_a_gradient_that_cannot_be_given_takes_nothing_from_the_forward_checks() -> None:
    """A check that looks forward is asked without; one that looks at gradients is unsupported."""
    recipe = Recipe.parse("small-L1-tanh-float64")

    def ask(clause: str, test: Callable[..., object]) -> None:
        planned = Planned("t", clause, test, {"case": recipe}, ("case", "check"))
        planned.run(Check(clauses()[clause], Session(NoBackward())))

    ask("REC-04", lambda case, check: check.conforms(case, "output"))
    for clause in ("GRD-01", "PRC-01"):
        with pytest.raises(Unsupported, match=r"^no gradient of a stack$"):
            ask(clause, lambda case, check: check.conforms(case, "grad input"))


def test_a_missing_gradient_is_wrong_only_if_it_is_claimed() -> None:
    """Whoever claims no gradient of h_0 gives none, and is asked for the others."""
    case = Recipe.parse("small-L1-tanh-float64").case()

    class Without(SpecSubject):
        def run(self, case: object) -> Observation:
            answer = super().run(case)  # type: ignore[arg-type]
            return replace(answer, gradients={n: g for n, g in answer.gradients.items() if n != "h_0"})

    class Claimed(Without):
        gradients = ("input", "parameters")

    with pytest.raises(Nonconformity, match="the answer has no grad h_0") as error:
        Check(clauses()["GRD-06"], Session(Without())).conforms(case, "grad *")
    assert error.value.array == "grad h_0"
    Check(clauses()["GRD-06"], Session(Claimed())).conforms(case, "grad *")


# -- claims ------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a level misspelt": ({"levels": frozenset({"cell", "sequnce"})}, "levels has 'sequnce': there are"),
    "levels as a text": ({"levels": "cell"}, "levels is 'cell': it has to be a tuple or a set"),
    "no level": ({"levels": frozenset()}, "levels is empty"),
    "no cell": ({"levels": frozenset({"sequence"})}, "levels lacks 'cell'"),
    "a dtype misspelt": ({"dtypes": ("float80",)}, "dtypes has 'float80': there are float64, "),
    "dtypes as a text": ({"dtypes": "float64"}, "dtypes is 'float64': it has to be a tuple or a set"),
    "no dtype": ({"dtypes": ()}, "dtypes is empty"),
    "a number": ({"dtypes": 64}, "dtypes is 64: it has to be a tuple or a set"),
    "half without precision": (
        {"levels": frozenset({"cell"}), "dtypes": ("float16",)}, "float16 cannot be asked without it",
    ),
    "a nonlinearity misspelt": ({"nonlinearities": ("TANH",)}, "nonlinearities has 'TANH': there are"),
    "bias as a word": ({"bias": ("yes",)}, "bias has 'yes': there are True, False"),
    "no state": ({"h_0": ("absent",)}, "h_0 has to have 'given'"),
    "a gradient misspelt": ({"gradients": ("h0",)}, "gradients has 'h0': there are input, h_0, parameters"),
    "no gradients": ({"gradients": ()}, "gradients is empty"),
    "a fact misspelt": ({"tells": ("shapes",)}, "tells has 'shapes'"),
    "a limit as a text": ({"limits": "too large"}, "limits is 'too large': it has to be a tuple of reasons"),
}  # fmt: skip


@pytest.mark.parametrize("how", WRONG)
def test_claims_that_cannot_be_are_refused_in_a_sentence(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked, and with the word that is wrong."""
    attributes, said = WRONG[how]
    made = type("Mine", (Subject,), dict(attributes))
    monkeypatch.setattr(sys.modules[__name__], "Mine", made, raising=False)

    with pytest.raises(SubjectError) as error:
        load(f"{__name__}:Mine")

    assert said in str(error.value)


def test_a_list_is_as_good_as_a_set() -> None:
    """Of levels and of dtypes."""
    made = type("Mine", (Subject,), {"levels": ["cell"], "dtypes": ["float64"]})

    assert made().claims.problem() is None


@pytest.mark.parametrize("kind", [kind for kind in CHOICES if kind != "tells"])
def test_what_is_claimed_whole_is_not_told(kind: str) -> None:
    """A report has levels and dtypes, and of the others what is less than everything."""
    assert (kind in Claims().told()) == (kind in ("levels", "dtypes"))
    narrow: dict[str, Any] = {kind: CHOICES[kind][:1]}
    assert kind in Claims(**narrow).told()


# -- the command -------------------------------------------------------------------------------------------

LAYERS = """
from dataclasses import replace
import numpy as np
from rnn_spec import Observation
from rnn_spec.subjects.spec import SpecSubject

class Small(SpecSubject):
    levels, dtypes, name = frozenset({"cell", "sequence"}), ("float64",), "small"

    def run(self, case):
        if case.config.hidden_size > 6:
            return Observation(unsupported="more than 6 units")
        return super().run(case)

class Declared(Small):
    limits = ("more than 6 units",)

class Ones(SpecSubject):
    levels, dtypes, name = frozenset({"cell", "sequence"}), ("float64",), "ones"

    def run(self, case):
        shape = (case.config.num_layers, case.input.shape[1], case.config.hidden_size)
        return super().run(replace(case, h_0=np.ones(shape)) if case.h_0 is None else case)

class Slipped(SpecSubject):
    levels, name = frozenset({"cell", "sequence", "gradients"}), "slipped"

    def run(self, case):
        answer = super().run(case)
        off = {n: g * (1 + (n == "weight_hh_l0") / 64) for n, g in answer.gradients.items()}
        return replace(answer, gradients=off)
"""


def check(folder: Path, *arguments: str) -> tuple[int, str, Results]:
    """The status, output and results of `rnn-spec check`."""
    (folder / "layers.py").write_text(LAYERS)
    command = [sys.executable, "-m", "rnn_spec", "check", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"}
    )
    return (
        done.returncode,
        done.stdout + done.stderr,
        Results.read(folder / "rnn-spec-results" / "results.json"),
    )


def test_zeros_that_are_ones_do_not_conform_in_float64_alone(tmp_path: Path) -> None:
    """A layer that starts from ones where h_0 is absent is found, however little it claims."""
    status, said, _ = check(tmp_path, "layers:Ones")

    assert status == 1
    assert "does not conform: sequence" in said
    assert "HID-04" in said


@pytest.mark.parametrize(("name", "status"), [("Small", 1), ("Declared", 0)])
def test_a_layer_that_answers_in_part_conforms_in_part(tmp_path: Path, name: str, status: int) -> None:
    """And passes only if that limit was declared."""
    found, said, results = check(tmp_path, f"layers:{name}")

    assert found == status
    assert "conforms in part: cell (" in said
    assert results.owed == {
        id: sum(v.clause == id for v in results.verdicts) for id in {v.clause for v in results.verdicts}
    }


def test_a_wrong_gradient_is_held_against_gradients(tmp_path: Path) -> None:
    """Whatever clause found it; the forward pass conforms."""
    status, said, _ = check(tmp_path, "layers:Slipped")

    assert status == 1
    assert "does not conform: gradients\n" in said
    assert "conforms: cell, sequence\n" in said


def test_whoever_claims_less_than_is_required_fails(tmp_path: Path) -> None:
    """With the level in a sentence; what it does claim is judged."""
    status, said, results = check(tmp_path, "layers:Declared", "--require", "sequence", "--require", "stack")

    assert status == 1
    assert results.problems == []
    assert "conforms in part: cell (" in said
    assert "stack is required, and layers:Declared does not claim it" in said


def test_a_clause_alone_is_a_part_and_results_say_so(tmp_path: Path) -> None:
    """What was selected, owed and run is in results.json; the status is of what was asked."""
    status, said, results = check(tmp_path, "spec", "--clause", "BIA", "--clause", "REC-01")

    assert status == 0
    assert results.selected == ["BIA", "REC-01"]
    assert sum(results.owed.values()) > len(results.verdicts)
    assert "conforms:" not in said
    assert (
        msgspec.json.decode((tmp_path / "rnn-spec-results" / "results.json").read_bytes())["complete"] is True
    )


def test_a_run_that_was_answered_nothing_is_no_green_run(tmp_path: Path) -> None:
    """A subject that has nothing to answer with, such as no Python class, is not judged: the status is 2."""
    status, said, results = check(tmp_path, "spec", "--clause", "INI")

    assert status == 2
    assert {"unsupported"} == {v.outcome for v in results.verdicts}
    assert "nothing was judged" in said


def test_a_torch_dtype_that_stops_working_fails(tmp_path: Path) -> None:
    """It is claimed by release and device, and not found by trying."""
    pytest.importorskip("torch")
    (tmp_path / "broken.py").write_text(
        "import torch\nfrom rnn_spec.torch.eager import TorchSubject\n"
        "class Broken(torch.nn.RNN):\n"
        "    def forward(self, input, hx=None):\n"
        "        if getattr(input, 'dtype', None) == torch.float64:\n"
        "            raise RuntimeError('no float64 here')\n"
        "        return super().forward(input, hx)\n"
        "class Mine(TorchSubject):\n    module = Broken\n"
    )

    status, said, results = check(tmp_path, "broken:Mine", "--clause", "REC")

    assert status == 1
    assert "no float64 here" in said
    assert "float64" in results.dtypes
