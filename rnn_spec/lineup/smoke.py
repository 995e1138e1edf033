"""The smoke stage: small cases that come first, and tell a wrong adapter from a wrong RNN.

An adapter that passes a matrix transposed, or a batch in another order, would fail four hundred checks,
none of which names it. So there is a table of what adapters get wrong: a `Mistake` is what an adapter
did to the case on its way in, and to the answer on its way out. If the answers to all of them are right
once a mistake is assumed, the adapter is wrong, and nothing else has been found to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.compare import Nonconformity, comparisons
from rnn_spec.judge.session import Session
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Bound, Case, Error, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rnn_spec.subjects.base import Subject

    Arrays = Mapping[str, Bound]


RECIPES = (
    "cell-L1-relu-nobias",
    "cell-L1-tanh",
    "small-L1-tanh",
    "small-L1-relu-noh0",
    "square-L1-tanh",
    "odd-L1-relu",
    "small-L2-tanh",
    "small-L1-tanh-bi",
    "small-L2-relu-bi",
)
"""A batch of sequences of different lengths comes beside them."""


def cases(subject: Subject) -> list[Case]:
    """The cases in the dtype that tells most, of those that the subject claims."""
    claims, free = subject.claims, ("dtype", "nonlinearity", "bias")
    cases = [Recipe.parse(f"{id}-float64").case() for id in RECIPES]
    cases.append(cases[2].derive("lengths", lengths=np.array([4, 9, 7])))
    asked = (claims.fit_case(replace(case, cotangents=None), free) for case in cases)
    return [case for case in asked if subject.unclaimed(case) is None]


@dataclass(frozen=True)
class Mistake:
    """What an adapter does wrong: to the case before it is run, and to the answer after."""

    name: str
    sentence: str
    before: Callable[[Case], Case] = lambda case: case
    after: Callable[[Case, str, np.ndarray], np.ndarray] = lambda _case, _name, array: array

    def then(self, other: Mistake) -> Mistake:
        """Both at once, this one nearer to the caller."""
        return Mistake(
            f"{self.name} and {other.name}",
            f"{self.sentence}; and {other.sentence}",
            lambda case: other.before(self.before(case)),
            lambda case, name, array: other.after(case, name, self.after(case, name, array)),
        )

    def expected(self, case: Case) -> Arrays:
        """What a right RNN behind an adapter with this mistake answers."""
        arrays = expect(self.before(case)).arrays
        return {
            name: Bound(*(self.after(case, name, part) for part in (bound.value, bound.error)))
            for name, bound in arrays.items()
        }


def parameters(
    change: Callable[[str, np.ndarray, Mapping[str, np.ndarray]], np.ndarray],
) -> Callable[[Case], Case]:
    """The case with every parameter changed; `change` takes its name, its array and all parameters."""

    def before(case: Case) -> Case:
        changed = {name: change(name, array, case.parameters) for name, array in case.parameters.items()}
        return replace(case, parameters=changed)

    return before


def _transposed(kind: str, name: str, array: np.ndarray, _: Any) -> np.ndarray:
    """Read as if it were stored transposed: the same numbers, in the order of the other layout."""
    return array.reshape(array.shape[::-1]).T if name.startswith(kind) else array


def _without(kind: str, name: str, array: np.ndarray, _: Any) -> np.ndarray:
    return array * 0 if name.startswith(kind) else array


def _twice(kind: str, other: str, name: str, array: np.ndarray, all_of_them: Any) -> np.ndarray:
    return all_of_them[name.replace(other, kind)] if name.startswith(other) else array


def _matrices_swapped(name: str, array: np.ndarray, all_of_them: Any) -> np.ndarray:
    swap = {"weight_ih": "weight_hh", "weight_hh": "weight_ih"}
    other = all_of_them[swap[name[:9]] + name[9:]] if name[:9] in swap else array
    return other if other.shape == array.shape else array


def _directions_swapped(name: str, array: np.ndarray, all_of_them: Any) -> np.ndarray:
    other = name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"
    return all_of_them.get(other, array)


def _input_batch_major(case: Case) -> Case:
    T, N, I = case.input.shape
    return replace(case, input=case.input.reshape(N, T, I).swapaxes(0, 1))


def _output_batch_major(case: Case, name: str, array: np.ndarray) -> np.ndarray:
    return array.swapaxes(0, 1).reshape(array.shape) if name == "output" else array


def _output_axes_swapped(_: Case, name: str, array: np.ndarray) -> np.ndarray:
    return array.swapaxes(0, 1) if name == "output" else array


def _h_n_axes_swapped(_: Case, name: str, array: np.ndarray) -> np.ndarray:
    return array.swapaxes(0, 1) if name == "h_n" else array


def _h_n_of_last_layer(case: Case, name: str, array: np.ndarray) -> np.ndarray:
    return array[-case.config.num_directions :] if name == "h_n" else array


def _directions_swapped_in_output(case: Case, name: str, array: np.ndarray) -> np.ndarray:
    H = case.config.hidden_size
    if not case.config.bidirectional:
        return array
    return np.roll(array, H, -1) if name == "output" else array[np.arange(len(array)) ^ 1]


def _sorted_by_length(case: Case, _: str, array: np.ndarray) -> np.ndarray:
    if case.lengths is None:
        return array
    return array[:, np.argsort(-case.lengths, kind="stable")]


def _states_batch_major(case: Case) -> Case:
    if case.h_0 is None:
        return case
    rows, N, H = case.h_0.shape
    return replace(case, h_0=case.h_0.reshape(N, rows, H).swapaxes(0, 1))


MISTAKES = (
    Mistake(
        "weight_ih-transposed",
        "weight_ih is read transposed; it is (hidden_size, input_size), row-major",
        parameters(partial(_transposed, "weight_ih")),
    ),
    Mistake(
        "weight_hh-transposed",
        "weight_hh is read transposed; its row j holds the weights into unit j",
        parameters(partial(_transposed, "weight_hh")),
    ),
    Mistake(
        "weights-transposed",
        "weight_ih and weight_hh are read transposed; both are (hidden_size, columns), row-major",
        parameters(partial(_transposed, "weight")),
    ),
    Mistake(
        "matrices-swapped",
        "weight_ih and weight_hh are exchanged wherever their shapes allow it",
        parameters(_matrices_swapped),
    ),
    Mistake(
        "no-bias_hh",
        "bias_hh is left out; where a layer has a single bias, it is bias_ih + bias_hh",
        parameters(partial(_without, "bias_hh")),
    ),
    Mistake(
        "no-bias_ih",
        "bias_ih is left out; where a layer has a single bias, it is bias_ih + bias_hh",
        parameters(partial(_without, "bias_ih")),
    ),
    Mistake("no-bias", "both biases are left out", parameters(partial(_without, "bias"))),
    Mistake(
        "bias_ih-twice",
        "bias_ih is given for both biases",
        parameters(partial(_twice, "bias_ih", "bias_hh")),
    ),
    Mistake(
        "bias_hh-twice",
        "bias_hh is given for both biases",
        parameters(partial(_twice, "bias_hh", "bias_ih")),
    ),
    Mistake(
        "directions-exchanged",
        "the reverse direction is given the forward direction's parameters, and the other way round",
        parameters(_directions_swapped),
    ),
    Mistake(
        "input-batch-major",
        "input is read as (batch, seq_len, input_size); it is (seq_len, batch, input_size)",
        _input_batch_major,
    ),
    Mistake(
        "output-batch-major",
        "output's numbers are written in the order (batch, seq_len, ...); it is (seq_len, batch, ...)",
        after=_output_batch_major,
    ),
    Mistake(
        "batch-major",
        "input is read, and output written, as (batch, seq_len, ...); both are (seq_len, batch, ...)",
        _input_batch_major,
        _output_batch_major,
    ),
    Mistake(
        "output-axes-exchanged",
        "output is (batch, seq_len, ...); it has to be (seq_len, batch, ...)",
        after=_output_axes_swapped,
    ),
    Mistake(
        "h_n-axes-exchanged",
        "h_n is (batch, layers, ...); it has to be (layers * directions, batch, hidden_size)",
        after=_h_n_axes_swapped,
    ),
    Mistake(
        "h_n-of-the-last-layer",
        "h_n holds the last layer only; it has to hold every layer and direction",
        after=_h_n_of_last_layer,
    ),
    Mistake("no-h_0", "h_0 is not passed on", lambda case: replace(case, h_0=None)),
    Mistake(
        "h_0-batch-major",
        "h_0 is read as (batch, layers, ...); it is (layers * directions, batch, hidden_size)",
        _states_batch_major,
    ),
    Mistake(
        "directions-exchanged-in-results",
        "the reverse direction comes first in output and h_n; it has to come second",
        after=_directions_swapped_in_output,
    ),
    Mistake(
        "batch-sorted-by-length",
        "the batch comes back sorted by length; it has to come back in the caller's order",
        after=_sorted_by_length,
    ),
    Mistake("no-lengths", "lengths are not passed on", lambda case: replace(case, lengths=None)),
)

DIGITS: tuple[tuple[float, Callable[[float], float], str], ...] = (
    (2.0**-24, lambda x: float(np.float32(x)), "computes or prints in float32 where float64 was asked for"),
    (1e-5, lambda x: float(f"{x:.7g}"), "prints numbers with 7 digits or fewer; 17 read back as they were"),
)
"""What a right answer loses on its way: relative error, how the numbers are rounded, and a sentence."""


@dataclass(frozen=True)
class Smoke:
    """What came of the smoke stage: how many cases were asked, what failed, and what is wrong."""

    asked: int
    failures: tuple[tuple[str, str], ...]
    mistakes: tuple[str, ...] = ()
    raised: Raised | None = None

    @property
    def adapter(self) -> bool:
        """Whether the adapter is wrong, so that nothing can be said of the RNN."""
        return bool(self.mistakes) or self.raised is not None

    def __str__(self) -> str:
        """A sentence, or a few."""
        right = f"smoke: {self.asked - len(self.failures)} of {self.asked} cases are right"
        if not self.asked:
            return "smoke: none of the small cases is claimed"
        if not self.failures:
            return right
        if self.raised:
            return f"{right}\n{self.raised}"
        first = "{}: {}".format(*self.failures[0]).replace("\n", ";")
        if self.mistakes:
            what = ", or ".join(self.mistakes)
            why = "the adapter is wrong (or the RNN, in just this way); this explains every answer"
            return f"{right}\n{why}: {what}"
        return f"{right}\nthe RNN is wrong: no mistake of an adapter that is known here explains {first}"


@dataclass(frozen=True)
class Raised:
    """An exception that is the adapter's: how it is known to be, the case that showed it, and the error."""

    why: str
    case: str
    error: Error

    def __str__(self) -> str:
        """A sentence, and the traceback where there is one."""
        return "\n".join(filter(None, (f"{self.why}: {self.case}: {self.error}", self.error.traceback)))


def ask(session: Session, asked: Sequence[Case]) -> Iterator[tuple[Case, Observation]]:
    """Each case with its answer, until the adapter is surely wrong."""
    for case in asked:
        answer = session.answer(case)
        yield case, answer
        if answer.error and answer.error.phase == "adapter":
            return


def raised_by_adapter(answered: Sequence[tuple[Case, Observation]]) -> Raised | None:
    """The exception that comes from the adapter's own lines, or from every case alike."""
    errors = [(case.id, answer.error) for case, answer in answered if answer.error]
    if not errors:
        return None
    own = [(id, error) for id, error in errors if error.own_line or error.phase == "adapter"]
    if own:
        return Raised("the adapter is wrong, in a line of its own", *own[0])
    if len(errors) < len(answered):
        return None
    if all(error.phase == "worker" for _, error in errors):
        return Raised("the adapter is wrong: it answers no case at all", *errors[0])
    if len({alike(error) for _, error in errors}) == 1:
        return Raised("the adapter is wrong, or runs no layer at all: every case ends alike", *errors[0])
    return None


def alike(error: Error) -> tuple[str, str, str]:
    """What two errors have in common that come of one mistake: all but the numbers in the message."""
    return error.phase, error.type, re.sub(r"[\d., ]+", " ", error.message)


def smoke(subject: Subject) -> Smoke:
    """Ask the cases."""
    if not (asked := cases(subject)):
        return Smoke(0, ())
    answered = list(ask(Session(subject), asked))
    answered = [(case, answer) for case, answer in answered if not answer.unsupported]
    failures = [
        (case.id, sentence) for case, answer in answered if (sentence := wrong(answer, expect(case).arrays))
    ]
    if not failures:
        return Smoke(len(answered), ())
    if raised := raised_by_adapter(answered):
        return Smoke(len(answered), tuple(failures), raised=raised)
    return Smoke(len(answered), tuple(failures), tuple(found(answered)))


def found(answered: Sequence[tuple[Case, Observation]]) -> list[str]:
    """The mistakes each of which explains every answer; else the pairs that do."""
    for loss, rounded, sentence in DIGITS:
        near = all(not wrong(answer, loose(expect(case).arrays, loss)) for case, answer in answered)
        numbers = [x for _, answer in answered for a in answer.arrays().values() for x in a.ravel()]
        if near and all(rounded(x) == x for x in numbers):
            return [f"it {sentence}"]
    one = [m.sentence for m in MISTAKES if explains(m, answered)]
    pairs = (a.then(b) for a, b in combinations(MISTAKES, 2))
    return one or [both.sentence for both in pairs if explains(both, answered)]


def explains(mistake: Mistake, answered: Sequence[tuple[Case, Observation]]) -> bool:
    """Whether a right RNN behind an adapter with this mistake answers so."""
    return all(not wrong(answer, mistake.expected(case)) for case, answer in answered)


def loose(arrays: Arrays, loss: float) -> Arrays:
    """The bounds, as numbers are that lose this much of themselves."""
    return {name: Bound(b.value, b.error + loss * np.abs(b.value)) for name, b in arrays.items()}


def wrong(answer: Observation, expected: Arrays) -> str:
    """What is wrong with an answer, or nothing."""
    if answer.error:
        return str(answer.error)
    try:
        return next((str(c) for c in comparisons(answer.arrays(), expected) if not c.holds), "")
    except Nonconformity as e:
        return str(e)
