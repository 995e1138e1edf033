"""What failed, as one reads it: one refusal is one failure, and names the clauses that it stands for."""

from __future__ import annotations

from rnn_spec.judge.verdict import Verdict
from rnn_spec.report import failures
from rnn_spec.suite.results import Results

REFUSAL = "raised ValueError in construct: dropout has to be below 1"


def failed(check: str, clause: str, difference: str, traceback: str = "") -> Verdict:
    """A failed check."""
    return Verdict(
        check,
        clause,
        "failed",
        message=f"{clause}\n  {difference}",
        difference=difference,
        traceback=traceback,
    )


def results(*verdicts: Verdict) -> Results:
    """A run with these verdicts."""
    return Results("mine", verdicts=list(verdicts))


def test_one_refusal_is_one_failure_that_names_its_clauses() -> None:
    """Same phase, type and message, in many clauses: one text, the lowest level first, one traceback."""
    run = results(
        failed("a", "DRP-12", REFUSAL, "Traceback"),
        failed("b", "REC-04", REFUSAL, "Traceback"),
        failed("c", "SHP-01", REFUSAL, "Traceback"),
        failed("d", "REC-04", REFUSAL, "Traceback"),
    )

    (text,) = failures.texts(run)

    assert text.startswith("REC-04\n")
    assert "one refusal, of 4 checks of 3 clauses: REC-04, SHP-01, DRP-12" in text
    assert text.count("Traceback") == 1


def test_other_failures_are_told_clause_by_clause_lowest_level_first() -> None:
    """Numbers that differ are of their clause, even where they differ alike; so is a refusal of one."""
    run = results(
        failed("a", "DRP-12", "output: 3 of 4 elements differ"),
        failed("b", "DRP-12", REFUSAL),
        failed("c", "REC-01", "output: 3 of 4 elements differ"),
    )

    first, second = failures.texts(run)

    assert first == "REC-01\n  output: 3 of 4 elements differ"
    assert second.endswith("and 1 more checks of DRP-12")
