"""A failure can be had again: the subject that failed is asked the same, judged by the same bounds."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rnn_spec.cli import main
from rnn_spec.far import wire
from rnn_spec.questions.product import Recipe
from rnn_spec.report import question
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.derived import case_of

FAULT = "fault:w_hh-transposed"


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [*arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a subject has failed REC-02 and DET-03, and raised."""
    folder = tmp_path_factory.mktemp("failed")
    assert run("check", FAULT, "--clause=REC-02", f"--results={folder}").exit_code == 1
    return folder


def test_failure_of_a_subject_is_asked_of_it_again(results: Path) -> None:
    """The command that the failure names ends with 1, in the same words; one that is right ends with 0."""
    (verdict, *_) = (
        v for v in json.loads((results / "results.json").read_text())["verdicts"] if v["outcome"] == "failed"
    )
    file = verdict["reproduction"]
    assert f"rnn-spec check {FAULT} --question {shlex.quote(file)}" in verdict["message"]

    again = run("check", "--question", file)
    right = run("check", "spec", "--question", file)

    assert again.exit_code == 1, again.output
    assert verdict["difference"] in "\n".join(line.removeprefix("  ") for line in again.output.splitlines())
    assert right.exit_code == 0, right.output
    assert "spec conforms to REC-02, case " in right.output


def test_question_is_the_wires_case_and_the_expectation(results: Path) -> None:
    """Whoever reads JSON can ask it: the case is that of a request."""
    file = next((results / "reproductions").iterdir())
    asked = question.read(file)

    assert asked.subject == FAULT
    assert asked.bound is not None
    assert asked.case is not None
    assert wire.decode(wire.encode(wire.RunRequest(1, asked.case)), wire.RunRequest).case.id == asked.case.id
    assert asked.array in ("output", "h_n")


def test_check_that_compares_two_answers_is_called_again(tmp_path: Path) -> None:
    """Where no stored number says what is right, the check itself does."""
    name = "fault:earlier-calls-not-made"
    run("check", name, "--clause=DET-03", f"--results={tmp_path}")
    file = next((tmp_path / "reproductions").iterdir())

    assert question.read(file).bound is None
    assert run("check", name, "--question", str(file)).exit_code == 1
    assert run("check", "spec", "--question", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON"),
        ("{}", "missing required field"),
        ("[]", "Expected `object`"),
        (None, "cannot be read"),
    ],
)
def test_file_that_is_no_question_is_one_sentence(tmp_path: Path, text: str | None, sentence: str) -> None:
    """Status 2, and what is wrong with it."""
    file = tmp_path / "q.json"
    if text is not None:
        file.write_text(text)

    refused = run("check", "spec", "--question", str(file))

    assert refused.exit_code == 2
    assert sentence in " ".join(refused.output.split())
    assert "Traceback" not in refused.output


def test_old_reproductions_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """A run that conforms leaves none behind; a file that is not ours stays."""
    folder = tmp_path / "reproductions"
    run("check", FAULT, "--clause=REC-02", f"--results={tmp_path}")
    assert list(folder.iterdir())
    (folder / "REC-02-notes.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    for file in folder.iterdir():
        os.utime(file, (1, 1))

    run("check", "spec", "--clause=REC-02", f"--results={tmp_path}")

    assert sorted(file.name for file in folder.iterdir()) == ["REC-02-notes.json", "notes.txt"]


DERIVED = "long-L1-relu-bi-nobias-float64~adding"


def test_derived_case_is_had_by_its_id() -> None:
    """It is the one that a check derives, and not the one it is derived from."""
    found = case_of(DERIVED, SpecSubject())

    assert found.id == DERIVED
    assert (found.input != Recipe.parse(DERIVED.partition("~")[0]).case().input).any()


def test_derived_case_is_printed_and_an_unknown_one_is_one_sentence() -> None:
    """`rnn-spec case` takes every id that a report shows."""
    shown = run("case", DERIVED, "--subject", "spec")
    refused = run("case", "small-L1-tanh-float32~x~y", "--subject", "spec")

    assert shown.exit_code == 0, shown.output
    assert DERIVED in shown.output
    assert refused.exit_code == 2
    assert "no check derives a case 'small-L1-tanh-float32~x~y'" in refused.output
