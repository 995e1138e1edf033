"""`rnn-spec checklist` and `explain`: every clause in order, and what stands behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.records import LEVELS
from rnn_spec.report.commands import lines
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.results import Results

ROOT = Path(__file__).parents[2]


def test_every_clause_stands_once_under_its_level() -> None:
    """The levels come in the order in which an implementer would reach them."""
    text = "\n".join(lines())
    sections = re.split(r"^## \d\. (\w+):.*$", text, flags=re.MULTILINE)[1:]

    listed = {
        level: re.findall(r"\*\*(\w+-\d+)\*\*", body)
        for level, body in zip(sections[::2], sections[1::2], strict=True)
    }

    assert tuple(listed) == LEVELS
    for level, ids in listed.items():
        assert ids == [clause.id for clause in clauses().values() if clause.level == level]


def test_results_tick_clauses_off(tmp_path: Path) -> None:
    """A clause is ticked if a check of it passed and none failed."""
    results = Results("mine", "mine 1")
    outcomes = {
        "REC-01": ["passed"],
        "REC-02": ["passed", "failed"],
        "REC-03": ["not claimed"],
        "REC-04": ["known", "passed"],
    }
    results.verdicts = [
        Verdict(f"t[{id}{i}]", id, o)
        for id, all_of_them in outcomes.items()
        for i, o in enumerate(all_of_them)
    ]
    results.write(tmp_path / "results.json")

    said = CliRunner().invoke(main, ["checklist", "--for", str(tmp_path / "results.json")]).output

    assert "- [x] **REC-01** (MUST)" in said
    assert re.search(r"- \[ \] \*\*REC-02\*\*.*\*\*1 of 2 checks fail\.\*\*", said)
    assert re.search(r"- \[ \] \*\*REC-03\*\*.*\*Not claimed\.\*", said)
    assert re.search(r"- \[x\] \*\*REC-04\*\*.*\(1 fail as known\)", said)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file"),
        ("{}", "missing required field `subject`"),
        ("[", "is not what"),
    ],
)
def test_results_that_cannot_be_read_are_one_sentence(
    content: str | None, sentence: str, tmp_path: Path
) -> None:
    """It names the file, and the status is 2."""
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)

    said = CliRunner().invoke(main, ["checklist", "--for", str(path)])

    assert said.exit_code == 2
    assert sentence in said.output


def test_explained_clause_has_text_source_checks_vectors_and_faults() -> None:
    """DIR-03 is the flip of the reverse output."""
    said = CliRunner().invoke(main, ["explain", "dir-03"]).output

    assert said.startswith("DIR-03 (MUST, level bidirectional)")
    assert "source: " in said
    assert re.search(r"test_bidirectional\.py::\w+ \(\d+\): ", said)
    assert "reverse-output-not-flipped: " in said
    assert re.search(r"vectors: \d+", said)


def test_unknown_clause_is_one_sentence() -> None:
    """It says which there are."""
    said = CliRunner().invoke(main, ["explain", "REC-99"])

    assert said.exit_code == 2
    last = [id for id, clause in clauses().items() if clause.area == "REC"][-1]
    assert f"REC-01 to {last.removeprefix('REC-')}" in said.output
