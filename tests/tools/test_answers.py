"""Files in place of pipes: what a worker would read is written, and what it would answer is judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.far import wire
from rnn_spec.far.answers import AnswersSubject, save
from rnn_spec.judge.compare import same
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import LEVELS
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = [Recipe.parse(f"{id}-float64").case() for id in ("small-L1-tanh", "small-L2-relu-bi")]
HELLO = wire.Hello("mine", "1.0", "Python", list(LEVELS), ["float64", "float32"])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two cases, and the spec's answers to them."""
    asked, answered = tmp_path / "cases.jsonl", tmp_path / "answers.jsonl"
    save(CASES, asked)
    with asked.open("rb") as lines, answered.open("wb") as out:
        wire.serve(HELLO, SpecSubject().run, lines, out)
    return asked, answered


def subject(files: tuple[Path, Path]) -> AnswersSubject:
    """What lies in the files."""
    return AnswersSubject(f"{files[1]}@{files[0]}")


def test_answer_in_a_file_is_the_subjects(files: tuple[Path, Path]) -> None:
    """Each case finds its own answer, whatever it is called."""
    for case in CASES:
        answer = subject(files).run(case.derive("renamed"))

        assert answer.arrays().keys() == SpecSubject().run(case).arrays().keys()
        assert same(answer.output, SpecSubject().run(case).output)


def test_two_cases_may_ask_the_same(tmp_path: Path) -> None:
    """The first layer of a stack of three and of a stack of six is one question, under two names."""
    asked, answered = tmp_path / "cases.jsonl", tmp_path / "answers.jsonl"
    first = CASES[0].derive("first", cotangents=None)
    save([first, first.derive("again")], asked)
    with asked.open("rb") as lines, answered.open("wb") as out:
        wire.serve(HELLO, SpecSubject().run, lines, out)

    assert subject((asked, answered)).run(first).output is not None


def test_case_without_cotangents_is_answered_by_its_twin_with_them(files: tuple[Path, Path]) -> None:
    """Whoever claims no gradients is asked without cotangents."""
    assert subject(files).run(CASES[0].derive("forward", cotangents=None)).output is not None


def test_cases_may_be_written_anew(files: tuple[Path, Path]) -> None:
    """A file of cases is read as JSON: another order of keys, and spaces, change nothing."""
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    files[0].write_text("".join(json.dumps(dict(sorted(line.items()))) + "\n" for line in lines))

    assert subject(files).run(CASES[1]).output is not None


def test_line_of_cases_that_is_no_request_is_named(files: tuple[Path, Path]) -> None:
    """What is no JSON object in the file of cases is said with the file and line."""
    files[0].write_bytes(files[0].read_bytes() + b"{broken\n")

    with pytest.raises(SubjectError, match=r"cases\.jsonl, line 5: not JSON"):
        subject(files)


def test_case_that_is_not_in_the_file_is_not_claimed(files: tuple[Path, Path]) -> None:
    """It is neither right nor wrong."""
    assert subject(files).run(Recipe.parse("odd-L1-tanh-float64").case()).unsupported


def test_case_without_an_answer_fails(files: tuple[Path, Path]) -> None:
    """A program that ended early has not answered."""
    files[1].write_bytes(b"".join(files[1].read_bytes().splitlines(keepends=True)[:2]))

    error = subject(files).run(CASES[1]).error

    assert error is not None
    assert (error.phase, error.type) == ("worker", "missing")


def test_answer_that_is_not_as_the_protocol_says_fails_its_case_alone(files: tuple[Path, Path]) -> None:
    """The line is named."""
    hello, first, second = files[1].read_bytes().splitlines()
    broken = json.loads(first) | {"output": {"shape": [2], "data": [1]}}
    files[1].write_bytes(b"\n".join((hello, json.dumps(broken).encode(), second)))

    first_answer, second_answer = (subject(files).run(case) for case in CASES)

    assert first_answer.error is not None
    assert "line 2: shape (2,) needs 2 numbers" in first_answer.error.message
    assert second_answer.output is not None


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda lines: [], "is empty: its first line is the answer to hello"),
        (lambda lines: lines[1:], "line 1: unknown field"),
        (lambda lines: [*lines, b'{"seq": 99}'], "line 4: .* has no case with seq 99"),
        (lambda lines: [*lines, lines[1]], "line 4: answers seq 1 once more"),
        (lambda lines: [*lines[:2], lines[2][:100]], "line 3: not JSON"),
    ],
)
def test_file_that_cannot_be_read_as_answers_is_one_sentence(
    files: tuple[Path, Path], spoil: Callable[[list[bytes]], list[bytes]], sentence: str
) -> None:
    """It names the file and the line."""
    files[1].write_bytes(b"\n".join(spoil(files[1].read_bytes().splitlines())))

    with pytest.raises(SubjectError, match=sentence):
        subject(files)


def test_commands_take_a_layer_from_cases_to_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cases`, the program on the file, `judge`; the same verdict as over pipes, and one for no such file."""
    monkeypatch.chdir(tmp_path)
    wanted = ["--clause", "REC", "--clause", "HID-06"]
    assert "cases in cases.jsonl" in CliRunner().invoke(main, ["cases", "cases.jsonl", *wanted]).output
    with Path("cases.jsonl").open("rb") as lines, Path("answers.jsonl").open("wb") as out:
        wire.serve(HELLO, SpecSubject().run, lines, out)

    judged = CliRunner().invoke(main, ["judge", "answers.jsonl", "--cases", "cases.jsonl"])
    missing = CliRunner().invoke(main, ["judge", "none.jsonl", "--cases", "cases.jsonl"])

    verdicts = json.loads(Path("rnn-spec-results/results.json").read_text())["verdicts"]
    passed = {v["clause"] for v in verdicts if v["outcome"] == "passed"}
    assert judged.exit_code == 0, judged.output
    assert {"REC-01", "REC-04", "REC-11", "HID-06"} <= passed
    assert missing.exit_code == 2
    assert "'none.jsonl' does not exist" in missing.output


def test_served_subject_answers_as_in_process(tmp_path: Path) -> None:
    """`rnn-spec serve` makes a worker of any subject, and keeps what it prints out of its answers."""
    from rnn_spec.subjects.registry import load

    served = load(f"worker:{sys.executable} -m rnn_spec serve spec")

    assert served.levels == SpecSubject().levels
    assert same(served.run(CASES[1]).output, SpecSubject().run(CASES[1]).output)
