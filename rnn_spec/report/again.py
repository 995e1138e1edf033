"""One question again: `rnn-spec check SUBJECT --question FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, elsewhere
from rnn_spec.far import wire
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import NotClaimed, Session, WrongAdapter
from rnn_spec.report import question
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.registry import load
from rnn_spec.suite import collect as trials

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.report.question import Question
    from rnn_spec.subjects.base import Subject


EXPLORED = "explore::"
"""So begins the id of a check that is the search's."""


def ask_again(subject: str | None, path: Path) -> int:
    """Ask what the file asks, of a subject or else of the one that failed: the exit status."""
    try:
        asked = question.read(path)
        found = load(subject or asked.subject)
    except OSError as e:
        raise CouldNotRun(f"{path} cannot be read: {e.strerror}") from e
    except wire.WireError as e:
        raise CouldNotRun(f"{path} is not a question that `rnn-spec check` has written: {e}") from e
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    return settle(asked, found)


def settle(asked: Question, subject: Subject) -> int:
    """Judge, say what comes of it, and give the exit status."""
    place = f"{asked.clause}, case {asked.asked.id}"
    try:
        judge(asked, subject)
    except NotClaimed as e:
        raise CouldNotRun(f"{place}: {e}") from e
    except WrongAdapter as e:
        raise CouldNotRun(f"the adapter is wrong: at the case {asked.asked.id} it {e}") from e
    except Nonconformity as e:
        click.secho(f"{subject.title} does not conform to {place}", fg="red", bold=True)
        click.echo(f"  {clauses()[asked.clause].text}")
        click.echo("\n".join(f"  {line}" for line in str(e).splitlines()))
        return FAILS
    finally:
        subject.close()
    click.secho(f"{subject.title} conforms to {place}", fg="green", bold=True)
    return CONFORMS


def judge(asked: Question, subject: Subject) -> None:
    """By the bounds in the file; where there are none, by the check itself. Raises as a check does."""
    session = Session(subject)
    if asked.check.startswith(EXPLORED):  # found by the search, which judges by more than one array
        return elsewhere("rnn_spec.explore.finds:judge")(asked, session)
    if (bound := asked.bound) is None:
        found = next((t for t in trials.collect(subject.claims) if t.id == asked.check), None)
        if found is None:
            raise CouldNotRun(f"this rnn-spec has no check {asked.check!r}")
        return found.run(Check(clauses()[found.clause], session))
    check, case = Check(clauses()[asked.clause], session), asked.case
    if case is None:
        raise CouldNotRun("bounds are of a case's arrays, and there is no case")
    arrays = check.ask(case, shaped=False).arrays()
    check.holds(asked.array in arrays, f"the answer has no {asked.array}")
    return check.within(str(asked.array), arrays[str(asked.array)], bound)
