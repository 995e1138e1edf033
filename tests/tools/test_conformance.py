"""Tests of who conforms: cards made of results, findings, docs/conformance.md and its command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.records import LEVELS
from rnn_spec.report import standings as conformance
from rnn_spec.suite.results import TELLING, Results

if TYPE_CHECKING:
    from rnn_spec.judge.known import Known

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fixtures" / "conformance"
FIXTURES = conformance.Fixtures.read(FOLDER)
CARDS = {card.subject: card for card in FIXTURES.cards}


def results(**changes: object) -> Results:
    """A whole run with one check of each outcome, of clauses of three levels."""
    verdicts = [
        Verdict("a", "REC-01", "passed", headroom=0.5),
        Verdict("b", "REC-01", "failed", headroom=2.0, difference="one\ntwo\nthree\nfour"),
        Verdict("c", "STK-01", "passed"),
        Verdict("d", "STK-02", "known"),
        Verdict("e", "PCK-01", "not claimed"),
    ]
    found = Results("mine:x", "mine 1", complete=True, levels=["cell", "stack"], verdicts=verdicts)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_a_card_counts_by_level_and_keeps_the_failures() -> None:
    """A level conforms, does not, or is not claimed; a failure keeps the first lines of what differs."""
    card = conformance.Card.of(results())

    assert card.says("cell") == "✗ 1/2"
    assert card.says("stack") == "✓ 1 ≈ 1"
    assert card.says("lengths") == "·"
    assert card.says("gradients") == "·"
    assert card.failures == [conformance.Failure("b", "REC-01", "one\ntwo\nthree", 2.0)]
    assert card.clauses["REC-01"] == {"failed": 1, "passed": 1}
    assert "PCK-01" not in card.clauses


@pytest.mark.parametrize("said", ["output: 1 differ", "another"], ids=["told", "not told"])
def test_of_many_failures_of_a_clause_a_card_keeps_the_numbers_of_the_first(
    said: str, tmp_path: Path
) -> None:
    """A card stays small, and says of each check whether it failed, and in what."""
    failed = [
        Verdict(
            f"test_a.py::test_b[{i}]", "REC-01", "known", headroom=2.0,
            difference=f"{said} {i}\ngot\nerror", known="onnx-reference-ignores-sequence-lens",
        )
        for i in range(TELLING + 2)
    ]  # fmt: skip

    card = conformance.read_card(
        conformance.write_card(conformance.Card.of(results(verdicts=failed)), tmp_path)
    )

    assert [f.check for f in card.failures] == [v.check for v in failed]
    assert [f.difference for f in card.failures] == [
        f"{said} {i}" + "\ngot\nerror" * (i < TELLING or said == "another") for i in range(TELLING + 2)
    ]


@pytest.mark.parametrize(
    "changes", [{"complete": False}, {"problems": ["REC-01 owes 3 checks"]}, {"levels": []}], ids=str
)
def test_a_run_that_is_not_whole_makes_no_card(changes: dict[str, object]) -> None:
    """An interrupted run, one with problems, or one that does not say what is claimed, is refused."""
    with pytest.raises(ValueError, match="the run of mine:x is not whole"):
        conformance.Card.of(results(**changes))


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading is the identity."""
    card = conformance.Card.of(results(), "other:name", "--no-smoke")

    path = conformance.write_card(card, tmp_path)

    assert path.name == "other-name.json"
    assert conformance.read_card(path) == card
    assert card.command == "rnn-spec check mine:x --no-smoke"


@pytest.mark.parametrize("text", ["", "[]", '{"subject": 1}', "{"], ids=str)
def test_a_bad_fixture_is_one_sentence(text: str, tmp_path: Path) -> None:
    """What is no card is refused, by name."""
    path = tmp_path / "bad.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"bad\.json is not a conformance fixture") as raised:
        conformance.read_card(path)
    assert len(str(raised.value).splitlines()) == 1


def test_the_document_has_a_column_for_each_level() -> None:
    """The table's columns are the levels that there are, and its rows the subjects."""
    lines = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8").splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| subject | `cell`"))
    rows = [line.split(" | ") for line in lines[head + 2 : head + 2 + len(CARDS)]]

    assert lines[head].strip("| ").split(" | ")[1:] == [f"`{level}`" for level in LEVELS]
    assert [row[0].strip("| `†") for row in rows] == list(CARDS)


@pytest.mark.parametrize("subject", CARDS)
def test_every_failure_is_explained_and_small(subject: str) -> None:
    """Each failure of a committed card has a finding, and the card stays below 30 KB."""
    card = CARDS[subject]

    assert FIXTURES.unexplained(card) == []
    assert (FOLDER / f"{subject.replace(':', '-')}.json").stat().st_size < 30_000
    assert set(card.levels) == set(LEVELS)
    assert sum(len(f) for finding, f in FIXTURES.of(card)) >= len(card.failures)


@pytest.mark.parametrize("finding", FIXTURES.findings, ids=lambda f: f.id)
def test_every_finding_explains_what_was_seen(finding: Known) -> None:
    """A finding is of subjects with results, explains failures if it names checks, and has its script."""
    script = finding.reproduction
    cards = [card for card in FIXTURES.cards if finding.applies(card.subject, card.version)]
    assert cards
    for card in cards:
        assert bool(conformance.explained(card, finding)) == bool(finding.checks)
    assert len(script.splitlines()) <= 40
    assert "expected" in script


def test_results_become_a_fixture_and_the_document(tmp_path: Path) -> None:
    """`conformance add` makes a card, which the document then has."""
    results().write(tmp_path / "results.json")
    folder = f"--fixtures={tmp_path}"

    added = CliRunner().invoke(main, ["conformance", "add", str(tmp_path / "results.json"), folder])
    (tmp_path / "results.json").unlink()

    assert added.exit_code == 0, added.output
    text = conformance.markdown(conformance.Fixtures.read(tmp_path))
    assert "| `mine:x` | ✗ 1/2 |" in text


@pytest.mark.parametrize("suite", ["0123456789ab", ""], ids=["another's", "unknown"])
def test_a_row_of_another_suite_than_torchs_is_marked(suite: str) -> None:
    """Rows are compared where one suite judged them; a mark and a sentence say where it did not."""
    cards = [
        replace(conformance.Card.of(results()), subject=subject, catalogue=catalogue)
        for subject, catalogue in [("mine", suite), ("same", "ba9876543210"), ("torch", "ba9876543210")]
    ]

    marked = conformance.markdown(conformance.Fixtures(cards, []))
    equal = conformance.markdown(conformance.Fixtures(cards[1:], []))

    assert "| `mine` † | ✗ 1/2 |" in marked
    assert "| `same` | ✗ 1/2 |" in marked
    assert "† Judged by another suite than `torch` was" in marked
    assert "†" not in equal


def test_a_card_says_which_suite_made_it() -> None:
    """The digest of a run's clauses and checks goes into its card."""
    assert conformance.Card.of(results(catalogue="0123456789ab")).catalogue == "0123456789ab"


@pytest.mark.parametrize("text", ["", "{}", "[1]"], ids=str)
def test_what_is_no_results_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    """`conformance add` of something else exits with 2 and says what it was given."""
    path = tmp_path / "results.json"
    path.write_text(text)

    done = CliRunner().invoke(main, ["conformance", "add", str(path), f"--fixtures={tmp_path}"])

    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {path} cannot be made a fixture: ")
    assert len(done.output.splitlines()) == 1
