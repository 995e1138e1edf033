"""What a find behaves like: the named faults that reproduce the wrong answer, and the answers beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.explore import judged
from rnn_spec.faults import FAULTS, PLACES
from rnn_spec.faults.base import MODULE
from rnn_spec.judge.session import Session
from rnn_spec.lineup.faulty import faulty, faulty_module
from rnn_spec.lineup.suspects import Right, Suspect, differences, farthest
from rnn_spec.questions.records import Attempt
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.explore.judged import Find
    from rnn_spec.faults import Fault
    from rnn_spec.lineup.suspects import Answered
    from rnn_spec.questions.records import Case
    from rnn_spec.subjects.base import Subject

MOST = 4
"""How many faults are named."""


@np.errstate(all="ignore")
def sentences(find: Find, subject: Subject) -> list[str]:
    """The faults that answer as the subject does, to the question found and to those beside it."""
    faults = (FAULTS | PLACES).values()
    if isinstance(find.case, Attempt) or find.look is not None:  # there is no array that they have to give
        module = isinstance(find.case, Attempt)
        near = [f for f in faults if (f.of == MODULE if module else f.clause.startswith("DRP"))]
        found = [f for f in near if fails_alike(f, find)]
    else:
        right, session = Right(), Session(subject)
        answered = [a for case in (find.case, *beside(find.case)) if (a := right.answered(session, case))]
        if not answered or answered[0].conforms:
            return []
        ways = bool(find.case.deeds)  # which a module has, and the spec has not
        if ways and answers(TorchSubject(), answered):  # so would every fault that shows elsewhere
            return ["torch.nn.RNN, without a fault, answers so, too"]
        found = [f for f in faults if (f.of == MODULE) == ways and reproduces(f, answered, right)]
    if not found:
        return ["behaves like no named fault"]
    more = [f"{len(found) - MOST} more are not told apart"] * (len(found) > MOST)
    return [f"behaves as if: {f.sentence.rstrip('.')} ({f.name})" for f in found[:MOST]] + more


def fails_alike(fault: Fault, find: Find) -> bool:
    """Whether torch with a fault accepts the same, or the spec's masks show the same with it."""
    try:
        other = judged.find(Session(faulty(fault)), find.case, find.aspect)
    except Exception:  # a fault may not be able to answer what was found
        return False
    return other is not None and evidence(other) == evidence(find)


def evidence(find: Find) -> tuple[str, str]:
    """What is wrong where no array is: what was counted, or the sentence."""
    return find.kind, find.look.code if find.look else find.difference


def reproduces(fault: Fault, answered: list[Answered], right: Right) -> bool:
    """Whether the spec, or torch, with a fault gives all answers, the wrong one first."""
    try:
        if fault.of != MODULE:
            return all(map(Suspect((fault,), right).fits, answered))
        return answers(faulty_module(fault), answered)
    except Exception:  # a fault may not be able to answer what was found
        return False


def answers(subject: Subject, answered: list[Answered]) -> bool:
    """Whether another subject gives all answers."""
    other = Session(subject)
    return all(farthest(differences(a, other.answer(a.case), ())) <= 1 for a in answered)


def beside(case: Case) -> Iterator[Case]:
    """Questions one edit away, which tell faults apart; those that are not claimed are not asked."""
    c = case.config
    yield replace(case, id=f"{case.id}~relu", config=replace(c, nonlinearity="relu"))
    yield replace(case, id=f"{case.id}~tanh", config=replace(c, nonlinearity="tanh"))
    yield replace(case, id=f"{case.id}~eval", training=False)
    if case.h_0 is not None:
        yield replace(case, id=f"{case.id}~noh0", h_0=None)
    if case.lengths is not None:
        yield replace(case, id=f"{case.id}~padded", lengths=None)
    if case.deeds:
        yield replace(case, id=f"{case.id}~plainly", earlier=case.calls)
    if case.calls:
        yield replace(case, id=f"{case.id}~alone", earlier=case.deeds)
    for name, value in case.parameters.items():
        if value.any():
            yield replace(case, id=f"{case.id}~{name}", parameters={**case.parameters, name: value * 0.5})
