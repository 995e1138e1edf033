"""`spec.catalogue`: the normative catalogue is whole, and says what it must in the form that it must."""

from __future__ import annotations

import re
from itertools import groupby

import pytest

from rnn_spec.questions.claims import Claims
from rnn_spec.questions.records import LEVELS
from rnn_spec.spec.catalogue import Clause, areas, clauses


def ids(clause: Clause) -> str:
    """A clause's id, for parametrization."""
    return clause.id


every_clause = pytest.mark.parametrize("clause", clauses().values(), ids=ids)


def test_ids_are_unique_and_consecutive_within_each_area() -> None:
    """Each area's clauses are numbered 01, 02, ... in the file's order, and stand together."""
    numbered = [
        (area, [int(clause.id.partition("-")[2]) for clause in group])
        for area, group in groupby(clauses().values(), key=lambda clause: clause.area)
    ]

    assert len({area for area, _ in numbered}) == len(numbered)
    assert all(numbers == list(range(1, len(numbers) + 1)) for _, numbers in numbered)


def test_every_area_has_a_title_and_clauses_in_the_areas_order() -> None:
    """The areas of the clauses are the areas with titles, in one order."""
    used = list(dict.fromkeys(clause.area for clause in clauses().values()))

    assert used == list(areas())
    assert all(title and not title.endswith(".") for title in areas().values())


@every_clause
def test_a_clause_is_complete(clause: Clause) -> None:
    """A clause has an id of its form, a force, a level that a subject can claim, and a source."""
    assert re.fullmatch(r"[A-Z]{2,4}-\d\d", clause.id)
    assert clause.force in ("MUST", "SHOULD", "MAY")
    assert clause.level in LEVELS
    assert clause.source.strip() == clause.source != ""


@every_clause
def test_a_clause_is_one_sentence_and_says_what_failing_leads_to(clause: Clause) -> None:
    """text and leads_to begin with a capital or a name and end in a period; text is one sentence."""
    for sentence in (clause.text, clause.leads_to):
        assert sentence == " ".join(sentence.split())
        assert sentence.endswith(".")
        assert not sentence.endswith("..")
    assert not re.search(r"[a-z)]\. [A-Z]", clause.text)


def test_no_two_clauses_say_the_same() -> None:
    """Each fact is stated once."""
    texts = [clause.text for clause in clauses().values()]

    assert len(set(texts)) == len(texts)


def test_documented_facts_are_not_mays() -> None:
    """What rests on nothing documented says so, and is not a MUST."""
    undocumented = [clause for clause in clauses().values() if clause.source.startswith("undocumented")]

    assert undocumented
    assert [clause.id for clause in undocumented if clause.force == "MUST"] == []


@every_clause
def test_a_clause_needs_what_can_be_claimed(clause: Clause) -> None:
    """Whoever claims everything is asked it: a need with no such name would leave it unasked of everybody."""
    assert Claims().without(clause) is None
