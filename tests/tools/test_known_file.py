"""`rnn-spec check --known FILE`: an implementer's own expected failures, strict both ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_spec.judge.known import KnownError, read
from rnn_spec.report.standings import Card
from rnn_spec.suite.results import Results
from tests.tools.examples import REFUSES_NAN

ROW = """
[[known]]
id = "no-nan"
checks = CHECKS
message = "MESSAGE"
happens = "A NaN is refused."
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a subject that refuses NaN, and what fails of it."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "mine.py").write_text(REFUSES_NAN)
    done = check(folder)
    assert done.returncode == 1, done.stdout
    failed = [v.check for v in results(folder).verdicts if v.outcome == "failed"]
    (folder / "failed.json").write_text(json.dumps(failed))
    return folder


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`rnn-spec check` in that folder."""
    command = [str(Path(sys.executable).with_name("rnn-spec")), "check", "mine:Mine", "--no-smoke"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def results(folder: Path) -> Results:
    """What the run left."""
    return Results.read(folder / "rnn-spec-results" / "results.json")


def known(folder: Path, more: str = "", message: str = "not a number", without: int = 0) -> str:
    """The path of a file of known failures: those that were seen but for the first few, and more."""
    failed = json.loads((folder / "failed.json").read_text())[without:]
    path = folder / "known.toml"
    path.write_text(ROW.replace("CHECKS", json.dumps(failed)).replace("MESSAGE", message) + more)
    return path.name


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_subject_that_fails_as_its_file_says_conforms(folder: Path, processes: str) -> None:
    """Exit status 0, its failures counted as known, and each with what differs."""
    done = check(folder, "--known", known(folder), "-n", processes)

    assert done.returncode == 0, done.stdout
    found = [v for v in results(folder).verdicts if v.outcome == "known"]
    assert {v.known for v in found} == {"no-nan"}
    assert all("not a number" in v.difference for v in found)
    assert f"{len(found)} fail as known" in done.stdout


def test_a_card_counts_what_a_file_expects_as_failures(folder: Path) -> None:
    """What its own people know of is no less a failure in CONFORMANCE.md."""
    check(folder)
    without = Card.of(results(folder))

    check(folder, "--known", known(folder))

    assert Card.of(results(folder)).failures == without.failures
    assert Card.of(results(folder)).levels == without.levels
    assert Card.of(results(folder)).clauses == without.clauses


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"without": 1}, "not a number"),
        ({"message": "another thing"}, "not a number"),
        (
            {"more": ROW.replace("no-nan", "a-nan").replace("CHECKS", '["test_recurrence.py::*"]')},
            "known failure 'a-nan' passes: take it out of known.toml",
        ),
        (
            {"more": ROW.replace("no-nan", "a-nan").replace("CHECKS", '["test_nothing.py::test_x[*"]')},
            "known failure 'a-nan': no check that ran is called 'test_nothing.py::test_x[*'",
        ),
        (
            {"more": ROW.replace("no-nan", "a-nan").replace("CHECKS", '["test_packed.py::*"]')},
            "known failure 'a-nan': no check that ran is called 'test_packed.py::*'",
        ),
    ],
    ids=["one is missing", "it fails otherwise", "it passes", "it is no check", "it is not claimed"],
)
def test_a_file_is_strict_both_ways(folder: Path, change: dict[str, str], sentence: str) -> None:
    """What fails and is not expected, fails otherwise, passes, or is not there, fails the run."""
    done = check(folder, "--known", known(folder, **change))  # type: ignore[arg-type]

    assert done.returncode == 1, done.stdout
    assert sentence in done.stdout


def test_a_row_for_another_subject_or_release_expects_nothing(folder: Path) -> None:
    """One file may serve several subjects: rows that name others are left out, neither met nor missed."""
    other = ROW.replace("no-nan", "a-nan").replace("CHECKS", '["*"]') + 'subject = "theirs*"\n'
    newer = ROW.replace("no-nan", "b-nan").replace("CHECKS", '["*"]') + 'releases = ">=7"\n'

    done = check(folder, "--known", known(folder, other + newer))

    assert done.returncode == 0, done.stdout


BAD = {
    "not there": (None, "bad.toml: "),
    "no TOML": ("[[known", "bad.toml: "),
    "not UTF-8": (b"\xff\xfe", "bad.toml: "),
    "another table": ("[[fault]]\nid = 'x'\n", "bad.toml: a known failure is a table [[known]]"),
    "no table": ("known = 3\n", "bad.toml: a known failure is a table [[known]]"),
    "a number in place of a row": ("known = [3]\n", "bad.toml: known failure 1: "),
    "no id": (ROW.replace('id = "no-nan"', ""), "bad.toml: known failure 1: it has no id"),
    "no message": (ROW.replace('message = "MESSAGE"', ""), "'no-nan': it has no message"),
    "no checks": (ROW.replace("checks = CHECKS", ""), "known failure 'no-nan': it has no checks"),
    "checks is a string": (ROW.replace("CHECKS", '"*"'), "known failure 'no-nan': Expected `array`"),
    "a field misspelt": (ROW + 'relaeses = ">=2"\n', "it has a field 'relaeses', which is none of"),
    "no expression": (ROW.replace("MESSAGE", "("), "'no-nan': message is no regular expression: "),
    "no version": (ROW + 'releases = "new"\n', "'no-nan': releases are no version specifier: "),
    "an id twice": (ROW + ROW, "bad.toml: two known failures have the id 'no-nan'"),
    "an id of ours": (
        ROW.replace("no-nan", "rnn-repr-hides-nonlinearity"),
        "bad.toml: two known failures have the id 'rnn-repr-hides-nonlinearity'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_with_the_place(tmp_path: Path, name: str) -> None:
    """What cannot be used says the file, the row, and what is wrong with it."""
    text, sentence = BAD[name]
    path = tmp_path / "bad.toml"
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text.replace("CHECKS", '["*"]'))

    with pytest.raises(KnownError) as raised:
        read(path)

    assert sentence in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "judge"])
def test_a_bad_file_is_refused_before_the_first_check(folder: Path, command: str) -> None:
    """Exit status 2, one sentence, no traceback, and nothing judged."""
    (folder / "bad.toml").write_text("[[known]]\nid = 'x'\n")
    program = str(Path(sys.executable).with_name("rnn-spec"))
    (folder / "lines.jsonl").write_text("")
    what = ["check", "mine:Mine"] if command == "check" else ["judge", "lines.jsonl", "--cases=lines.jsonl"]

    done = subprocess.run(
        [program, *what, "--known", "bad.toml"], cwd=folder, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == ["Error: bad.toml: known failure 'x': it has no checks"]
    assert done.stdout == ""
