"""A drawn question, judged: the aspects of an answer, each a function of a Check, as a conformance test is.

What an answer has to be is the spec's bound; every step of each layer is also checked from the answer's own
step before, where the bound that is carried through time may say nothing. What needs no oracle has a law.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.explore import crowds, edits
from rnn_spec.judge import refused, stepwise
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.contract import learns, obeys
from rnn_spec.judge.session import NotClaimed, Unsupported
from rnn_spec.questions.ragged import axes
from rnn_spec.questions.records import Attempt, Bound
from rnn_spec.spec.catalogue import clauses
from rnn_spec.torch.deeds import LAWFUL
from rnn_spec.torch.ways import LAYOUTS, WAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rnn_spec.explore.crowds import Look
    from rnn_spec.explore.edits import Edit
    from rnn_spec.judge.session import Session
    from rnn_spec.questions.attempts import Negative
    from rnn_spec.questions.records import Case

PREFIX = "explore"
"""The module in the ids of these checks: ``explore::numbers[T1-N1-...]``."""
FIRST = "REC-04"
"""The clause of a check until it is known what differs: everybody claims it."""


@dataclass(frozen=True)
class Find:
    """What is wrong with an answer: which aspect, the clause, the sentence, and of what kind it is.

    `look` is what was counted, where masks are not what chance makes of them.
    """

    aspect: str
    clause: str
    difference: str
    kind: str
    check: Check = field(compare=False)
    case: Case | Attempt = field(compare=False)
    look: Look | None = field(default=None, compare=False)

    @property
    def known_by(self) -> tuple[str, ...]:
        """The ids of the checks by which it is recognised, if it is known."""
        return (self.id, *ASPECTS[self.aspect].like(self.case))

    @property
    def breaks(self) -> bool:
        """Whether a promise is broken: a SHOULD is told, and fails nobody."""
        return clauses()[self.clause].force == "MUST"

    @property
    def id(self) -> str:
        """The id of the check."""
        return f"{PREFIX}::{self.aspect}[{self.case.id}]"


def numbers(check: Check, case: Case) -> None:
    """Output, h_n and every gradient are the spec's, within the bound."""
    check.conforms(case, "output", "h_n", "grad *")


def steps(check: Check, case: Case) -> None:
    """Every step of each layer follows from the answer's own step before, and h_n from its last.

    Of a stack so where the bound that is carried through it says little. What a layer has read is then the
    answer of the stack below, asked alone, which is taken for what it is there if h_n is, to the last bit.
    """
    c, whole = case.config, check.ask(case)
    if c.num_layers > 1 and np.nanmax(check.expect(case).arrays["output"].error) < LOOSE:
        raise NotClaimed("the bound that is carried says enough")
    x, h_n = time_major(case, case.input), np.asarray(whole.h_n)
    time, batch = x.shape[:2]
    lengths = np.full(batch, time) if case.lengths is None else np.asarray(case.lengths)
    h_0 = np.zeros(h_n.shape) if case.h_0 is None else case.h_0
    first, last = (h.reshape(c.num_layers, c.num_directions, batch, c.hidden_size) for h in (h_0, h_n))

    def lower(layers: int) -> np.ndarray:
        answer, ends = check.ask(stack(case, layers)), layers * c.num_directions
        if not np.array_equal(np.asarray(answer.h_n), h_n[:ends], equal_nan=True):
            raise NotClaimed("a stack answers in other bits than it does within a higher one")
        return time_major(case, np.asarray(answer.output, np.float64))

    try:
        walked = stepwise.walk(c, case.parameters, case.dtype, x, lower, first, last, lengths)
        for name, got, due in walked:
            if name.startswith("output"):
                y, value, error = (time_major(case, a, back=True) for a in (got, due.value, due.error))
                check.within("output", y, Bound(value, error))
            else:
                check.within(name, got, due)
    except stepwise.TooCoarse as e:
        raise NotClaimed(str(e)) from e


LOOSE = 1e-3
"""From which error on a carried bound says little."""


def stack(case: Case, layers: int) -> Case:
    """The same of the first layers alone."""
    if layers == case.config.num_layers:
        return case
    config = replace(case.config, num_layers=layers)
    return case.derive(
        f"of {layers} layers",
        config=config,
        parameters={name: case.parameters[name] for name in config.parameter_shapes()},
        h_0=None if case.h_0 is None else case.h_0[: layers * config.num_directions],
        cotangents=None,
    )


def time_major(case: Case, x: np.ndarray, *, back: bool = False) -> np.ndarray:
    """(T, N, features), of an input or an output; or `back` to how the case has it."""
    if case.batched:
        return x.swapaxes(0, 1) if case.config.batch_first else x
    return x[:, 0] if back else x[:, None]


def facts(check: Check, case: Case) -> None:
    """What an answer tells beside its numbers: dtypes, shapes, what was written into, shared, or drawn."""
    answer = check.ask(case)
    for name in ("output", "h_n"):
        check.equal(f"{name}'s dtype", answer.dtypes.get(name, case.dtype), case.dtype)
    if answer.parameters is not None:
        shapes = {name: tuple(shape) for name, shape in answer.parameters.items()}
        check.equal("the shapes of the parameters", shapes, case.config.parameter_shapes())
    for name, held in (answer.after or {}).items():
        if name in case.given:
            check.equal(f"{name} after the call", np.asarray(held, np.float64), case.given[name])
    check.equal("what shares memory", tuple(answer.aliases or ()), ())
    check.holds(case.dropping or not answer.drew, "the call drew random numbers, and drops nothing")


def earlier(check: Check, case: Case) -> None:
    """The earlier calls were made, and answered as they have to be."""
    check.earlier(case)


def again(check: Check, case: Case) -> None:
    """The same question has the same answer, bit for bit."""
    first, second = check.ask(case).arrays(), check.ask(case, again=True).arrays()
    for name, got in second.items():
        check.equal(name, got, first[name])


def state(check: Check, case: Case) -> None:
    """Forward is what the spec makes of the parameters that are shown, and gradients arrive where they may.

    So after whatever was done to the layer, and where some of the tensors are frozen.
    """
    obeys(check, case)
    if case.cotangents is not None:
        learns(check, case)


@dataclass(frozen=True)
class Aspect:
    """How an answer is looked at, of which questions, and which clause speaks of what differs.

    `like` are the ids of checks of the suite that would fail just so, by which what is known is recognised;
    `about` says of what sort a failure is that no array shows.
    """

    judge: Callable[[Check, Any], None]
    of: Callable[[Any], bool]
    clause: Callable[[Any, str], Iterator[str]]
    like: Callable[[Any], tuple[str, ...]] = lambda question: ()
    about: Callable[[Any], str] = lambda question: "facts"


BY_ROUTE = {
    "functional": "EXE-02", "grad": "EXE-02", "vmap": "EXE-03", "trace": "EXE-04", "script": "EXE-05",
}  # fmt: skip


def spoken_of(case: Case, array: str) -> Iterator[str]:
    """The clauses that speak of an array of the answer, the most telling first."""
    if case.route:
        yield BY_ROUTE[case.route]
    kind, _, name = array.partition(" ")
    if kind == "grad":
        yield from ("PCK-11",) * (case.lengths is not None) + ("GRD-13",) * case.dropping
        yield {"input": "GRD-01", "h_0": "GRD-02"}.get(name, "GRD-03")
    if any(deed in LAYOUTS for deed in case.deeds):
        yield "EDG-09"
    if case.calls:
        yield "DET-03"
    if case.lengths is not None:
        yield "PCK-12" if case.dropping else "PCK-03" if array == "h_n" else "PCK-01"
    if case.dropping:
        yield "DRP-04" if array == "h_n" else "DRP-01"
    if case.config.bidirectional:
        yield "HID-08" if array == "h_n" else "DIR-01"
    if case.config.num_layers > 1:
        yield "HID-05" if array == "h_n" else "STK-01"
    yield FIRST


def always(*ids: str) -> Callable[[Case, str], Iterator[str]]:
    """The same clauses, whatever differs."""
    return lambda case, array: iter((*ids, FIRST))


def told(case: Case, array: str) -> Iterator[str]:
    """The clauses of what is told beside numbers."""
    yield {"output's dtype": "PRC-04", "h_n's dtype": "PRC-04", "the shapes of the parameters": "PAR-10",
           "what shares memory": "DET-05", "": "DET-02"}.get(array, "DET-04")  # fmt: skip
    yield FIRST


def obeyed(case: Case, array: str) -> Iterator[str]:
    """The clauses of what is done to a layer, and of what is frozen."""
    if any(deed.startswith("freeze ") for deed in case.deeds):
        yield "GRD-09"
    yield "STA-02" if array.startswith("grad") else "STA-01"


HELD = ("copy", "parametrized and back")
"""Deeds after which a weight is held elsewhere: by the layer that was copied, or by the graph of a call."""


def done(case: Case) -> tuple[str, ...]:
    """The check of each deed done to the layer; after those of HELD swapping is refused as loading is."""
    test, deeds = "test_state.py::test_forward_uses_current_parameters", list(case.deeds)
    first = next((place for place, deed in enumerate(deeds) if deed in HELD), len(deeds))
    refused = any("by swapping" in deed for deed in deeds[first:])
    deeds += ["load_state_dict by swapping"] * refused
    return tuple(f"{test}[{deed}-{PREFIX}]" for deed in deeds if deed in LAWFUL)


def changed(case: Case) -> bool:
    """Whether something was done to the layer, or frozen, and not to the call alone."""
    return any(deed not in WAYS for deed in case.deeds)


def settled(case: Case) -> bool:
    """Whether something was done to the layer, and its parameters can be shown as the call saw them.

    In training mode spectral_norm estimates anew whenever the weight is read, to be shown, too.
    """
    return changed(case) and not (case.training and "spectral_norm" in case.deeds)


def asked_plainly(case: Case) -> bool:
    """Whether the answer is that of the case's own parameters, and every gradient is to arrive."""
    return not changed(case)


def walked(case: Case) -> bool:
    """Whether every step of the answer can be looked at from the one before, and need be."""
    several = case.config.num_layers == 1 or (
        not case.calls and not case.dropping and case.cotangents is None
    )
    return asked_plainly(case) and several and axes_of(case)[0] > 1


def shown_earlier(case: Case) -> bool:
    """Whether the earlier calls' answers can be told: where some dropped, the weights have to show what."""
    p, dropped = case.config.dropout, any(call.training for call in case.calls) and case.config.num_layers > 1
    return bool(case.calls) and not case.deeds and (case.training or not dropped or p in (0, 1))


def axes_of(case: Case) -> tuple[int, int]:
    """Steps and rows of the input."""
    if not case.batched:
        return len(case.input), 1
    time, batch = axes(case)
    return case.input.shape[time], case.input.shape[batch]


PLAIN = {
    "numbers": Aspect(numbers, asked_plainly, spoken_of),
    "state": Aspect(state, settled, obeyed, done),
    "steps": Aspect(steps, walked, always("REC-05")),
    "facts": Aspect(facts, lambda case: asked_plainly(case) and not case.route, told),
    "earlier": Aspect(earlier, shown_earlier, always("DET-03")),
    "again": Aspect(
        again,
        lambda case: not (case.dropping or changed(case) or case.route) and case.input.size < 2000,
        always("DET-01"),
    ),
}
"""What is looked at in the answer to a plain question, in this order."""


def malformed(
    judge: Callable[[Check, Negative], Any], of: Callable[[Negative], bool], clause: str = ""
) -> Aspect:
    """An aspect of a malformed call, of this clause; of the one that says that it is refused, if none is."""

    def of_clause(edit: Edit) -> str:
        return clause or edit.negative.clause

    def about(edit: Edit) -> str:
        return f"{edit.negative.argument}'s {edit.negative.kind}" if clause else edit.what

    return Aspect(
        lambda check, attempt: judge(check, replace(edits.of(attempt).negative, attempt=attempt)),
        lambda attempt: of(edits.of(attempt).negative),
        lambda attempt, array: iter((of_clause(edits.of(attempt)), "ERR-03")),
        lambda attempt: edits.like(edit := edits.of(attempt), of_clause(edit)),
        lambda attempt: about(edits.of(attempt)),
    )


REFUSED = {
    "refused": malformed(refused.refusal, lambda negative: True),
    "place": malformed(refused.where_it_is_given, lambda negative: True, "ERR-12"),
    "left": malformed(refused.and_no_more, lambda negative: negative.phase == "forward", "ERR-14"),
    "class": malformed(refused.by_its_class, lambda negative: negative.kind in ("shape", "dtype"), "ERR-09"),
    "words": malformed(refused.in_words, lambda negative: negative.phase == "forward", "ERR-13"),
}
"""What is looked at of an attempt that has to be refused, in this order."""
ASPECTS = {**PLAIN, **REFUSED, "masks": Aspect(crowds.judge, lambda case: True, crowds.clause)}
"""Every aspect by its name: of a crowd the masks alone are judged."""


def find(session: Session, case: Case | Attempt, *names: str) -> Find | None:
    """What is first wrong with the answer to a case, in these aspects or all of its kind; None if nothing."""
    for name in names or (REFUSED if isinstance(case, Attempt) else PLAIN):
        aspect, check = ASPECTS[name], Check(clauses()[FIRST], session)
        try:
            if aspect.of(case):
                aspect.judge(check, case)
        except Unsupported as e:
            if not session.claims.declared(str(e)):
                return found(name, check, case, f"unsupported: {e}", "")
        except NotClaimed:
            continue
        except Nonconformity as e:
            return replace(found(name, check, case, str(e), e.array), look=getattr(e, "look", None))
    return None


def found(name: str, check: Check, case: Case | Attempt, difference: str, array: str) -> Find:
    """What is wrong, under the first clause that the subject is held to."""
    spoken = (clauses()[id] for id in ASPECTS[name].clause(case, array))
    check.clause = next(clause for clause in spoken if check.claims.without(clause) is None)
    error = check.error
    if error is not None:
        kind = f"raised {error.type} in {error.phase}"
    elif array.startswith("grad"):
        kind = "gradient"
    else:
        forward = name == "numbers" or array in ("output", "h_n")
        kind = "forward" if forward else array or ASPECTS[name].about(case)
    return Find(name, check.clause.id, difference, f"{name}: {kind}", check, case)
