"""A case by its id: a recipe's, or one that a check derives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite import collect as trials

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case
    from rnn_spec.subjects.base import Subject


def case_of(id: str, subject: Subject) -> Case:
    """The case of an id: a recipe's, or one that a check derives when it judges the subject, or the spec."""
    base, derived, _ = id.partition("~")
    recipe = Recipe.parse(base)
    if not derived:
        return recipe.case()
    everything = trials.collect(subject.claims)
    near = [trial for trial in everything if base in trial.id]
    for judged, checks in ((subject, near), (SpecSubject(), near), (SpecSubject(), everything)):
        watch = trials.Watch(judged)
        session = Session(watch)
        for trial in checks:
            trial.outcome(session)
            if id in watch.asked:
                return watch.asked[id]
    raise ValueError(f"no check derives a case {id!r} from {base}, as this subject answers and is asked")
