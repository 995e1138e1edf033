"""One question again: `rnn-spec check SUBJECT --question FILE`, and a derived case by its id."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from rnn_spec import trials, wire
from rnn_spec.cases.product import Recipe
from rnn_spec.commands.base import CONFORMS, FAILS, CouldNotRun
from rnn_spec.faulty import find_subject
from rnn_spec.judge.check import Check, Memory, NotClaimed, WrongAdapter
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.report import question
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.cases.records import Case
    from rnn_spec.report.question import Question
    from rnn_spec.subjects.base import Subject


def ask_again(subject: str | None, path: Path) -> int:
    """Ask what the file asks, of a subject or else of the one that failed: the exit status."""
    try:
        asked = question.read(path)
        found = find_subject(subject or asked.subject)
    except OSError as e:
        raise CouldNotRun(f"{path} cannot be read: {e.strerror}") from e
    except wire.WireError as e:
        raise CouldNotRun(f"{path} is not a question that `rnn-spec check` has written: {e}") from e
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    return settle(asked, found)


def settle(asked: Question, subject: Subject) -> int:
    """Judge, say what comes of it, and give the exit status."""
    place = f"{asked.clause}, case {asked.case.id}"
    try:
        judge(asked, subject)
    except NotClaimed as e:
        raise CouldNotRun(f"{place}: {e}") from e
    except WrongAdapter as e:
        raise CouldNotRun(f"the adapter is wrong: at the case {asked.case.id} it {e}") from e
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
    if (bound := asked.bound) is None:
        found = next((t for t in trials.collect(subject.claims) if t.id == asked.check), None)
        if found is None:
            raise CouldNotRun(f"this rnn-spec has no check {asked.check!r}")
        return found.judge(subject)
    check = Check(clauses()[asked.clause], subject)
    arrays = check.ask(asked.case, shaped=False).arrays()
    check.holds(asked.array in arrays, f"the answer has no {asked.array}")
    return check.within(str(asked.array), arrays[str(asked.array)], bound)


def case_of(id: str, subject: Subject) -> Case:
    """The case of an id: a recipe's, or one that a check derives when it judges the subject, or the spec."""
    base, derived, _ = id.partition("~")
    recipe = Recipe.parse(base)
    if not derived:
        return recipe.case()
    everything = trials.collect(subject.claims)
    near = [trial for trial in everything if base in trial.id]
    for judged, checks in ((subject, near), (SpecSubject(), near), (SpecSubject(), everything)):
        watch, memory = trials.Watch(judged), Memory()
        for trial in checks:
            with contextlib.suppress(NotClaimed, Nonconformity):
                trial.judge(watch, memory)
            if id in watch.asked:
                return watch.asked[id]
    raise ValueError(f"no check derives a case {id!r} from {base}, as this subject answers and is asked")
