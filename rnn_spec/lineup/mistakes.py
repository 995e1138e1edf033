"""What adapters get wrong, as faults of the spec: those that have a name, and what only an adapter does.

A mistake is a row: a sentence for the adapter's author, the names of faults that are the same thing, and
the steps that are wrong besides. What an adapter does to the parameters stands in `build`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import LAYER, MODEL, Fault, then
from rnn_spec.faults.packed import falling
from rnn_spec.spec.model import RNN
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.records import Case


@dataclass(frozen=True)
class Mistake:
    """What an adapter does wrong: a name, a sentence for its author, and the faults that it amounts to."""

    name: str
    sentence: str
    faults: tuple[Fault, ...]

    def and_then(self, other: Mistake) -> Mistake:
        """Both at once."""
        both = f"{self.sentence}; and {other.sentence}"
        return Mistake(f"{self.name} and {other.name}", both, self.faults + other.faults)

    @property
    def steps(self) -> set[tuple[str, str]]:
        """The steps that are wrong."""
        return {(fault.of, fault.step) for fault in self.faults}


MISTAKES: list[Mistake] = []


def mistake(name: str, sentence: str, *named: str, **steps: Any) -> None:
    """Register a mistake: that of the faults named, and of wrong steps by their names."""
    own = [
        Fault(
            name,
            "",
            sentence,
            LAYER if hasattr(SpecSubject, step) else MODEL,
            step,
            wrong.of(step) if isinstance(wrong, then) else wrong,
        )
        for step, wrong in steps.items()
    ]
    MISTAKES.append(Mistake(name, sentence, (*(FAULTS[fault] for fault in named), *own)))


def reading(change: Callable[..., Any]) -> Any:
    """A layer whose parameters are change(name, array, all of them)."""

    def build(self: SpecSubject, case: Case) -> RNN:
        given = case.parameters
        read = {name: change(name, array, given) for name, array in given.items()}
        return SpecSubject.build(self, replace(case, parameters=read))

    return build


def transposed(kind: str) -> Any:
    """Matrices read as if they were stored transposed: the same numbers, in the order of the other layout."""
    return reading(lambda name, a, _: a.reshape(a.shape[::-1]).T if name.startswith(kind) else a)


def other_matrix(name: str, array: Any, every: dict[str, Any]) -> Any:
    """W_ih for W_hh, and the other way round, where the shapes are the same."""
    swap = {"weight_ih": "weight_hh", "weight_hh": "weight_ih"}
    other = every[swap[name[:9]] + name[9:]] if name[:9] in swap else array
    return other if other.shape == array.shape else array


def batch_major_input(self: RNN, x: Any, input: Any) -> Any:
    """The numbers of a time-major input, taken to be in batch-major order."""
    return x.reshape(x.shape[1], x.shape[0], -1).swapaxes(0, 1)


def batch_major_output(self: RNN, output: Any, y: Any) -> Any:
    """The numbers of output in batch-major order, in the shape of the other."""
    return output.swapaxes(0, 1).reshape(output.shape)


def batch_major_state(self: RNN, h: Any, h_0: Any, batch: int) -> Any:
    """The numbers of h_0, taken to be in batch-major order."""
    return h.reshape(batch, -1, h.shape[-1]).swapaxes(0, 1)


def directions_exchanged(self: RNN, output: Any, h_n: Any, *_: Any) -> Any:
    """Results with the reverse direction first."""
    if not self.config.bidirectional:
        return output, h_n
    return np.roll(output, self.config.hidden_size, -1), h_n[np.arange(len(h_n)) ^ 1]


def sorted_by_length(self: RNN, output: Any, h_n: Any, input: Any, h_0: Any, lengths: Any, *_: Any) -> Any:
    """Results in the order of decreasing length."""
    return (output, h_n) if lengths is None else (output[:, falling(lengths)], h_n[:, falling(lengths)])


# A mistake is a row of a table.
# fmt: off

mistake("weight_ih-transposed", "weight_ih is read transposed; it is (hidden_size, input_size), row-major",
        build=transposed("weight_ih"))
mistake("weight_hh-transposed", "weight_hh is read transposed; its row j holds the weights into unit j",
        "w_hh-transposed")
mistake("weights-transposed",
        "weight_ih and weight_hh are read transposed; both are (hidden_size, columns), row-major",
        build=transposed("weight"))
mistake("matrices-swapped", "weight_ih and weight_hh are exchanged wherever their shapes allow it",
        build=reading(other_matrix))
mistake("no-bias_hh", "bias_hh is left out; where a layer has a single bias, it is bias_ih + bias_hh",
        "b_hh-dropped")
mistake("no-bias_ih", "bias_ih is left out; where a layer has a single bias, it is bias_ih + bias_hh",
        "b_ih-dropped")
mistake("no-bias", "both biases are left out", "b_hh-dropped", "b_ih-dropped")
mistake("bias_ih-twice", "bias_ih is given for both biases", "b_ih-for-b_hh")
mistake("bias_hh-twice", "bias_hh is given for both biases",
        build=reading(lambda name, a, every: every[name.replace("bias_ih", "bias_hh")]))
mistake("directions-exchanged",
        "the reverse direction is given the forward direction's parameters, and the other way round",
        "directions-exchange-weights")
mistake("input-batch-major",
        "input is read as (batch, seq_len, input_size); it is (seq_len, batch, input_size)",
        to_time_major=then(batch_major_input))
mistake("output-batch-major",
        "output's numbers are written in the order (batch, seq_len, ...); it is (seq_len, batch, ...)",
        from_time_major=then(batch_major_output))
mistake("batch-major",
        "input is read, and output written, as (batch, seq_len, ...); both are (seq_len, batch, ...)",
        to_time_major=then(batch_major_input), from_time_major=then(batch_major_output))
mistake("output-axes-exchanged", "output is (batch, seq_len, ...); it has to be (seq_len, batch, ...)",
        "output-batch-major")
mistake("h_n-axes-exchanged",
        "h_n is (batch, layers, ...); it has to be (layers * directions, batch, hidden_size)",
        "h_n-batch-major")
mistake("h_n-of-the-last-layer", "h_n holds the last layer only; it has to hold every layer and direction",
        "h_n-of-last-layer-alone")
mistake("no-h_0", "h_0 is not passed on", "h_0-ignored")
mistake("h_0-batch-major",
        "h_0 is read as (batch, layers, ...); it is (layers * directions, batch, hidden_size)",
        initial_state=then(batch_major_state))
mistake("directions-exchanged-in-results",
        "the reverse direction comes first in output and h_n; it has to come second",
        forward=then(directions_exchanged))
mistake("batch-sorted-by-length",
        "the batch comes back sorted by length; it has to come back in the caller's order",
        forward=then(sorted_by_length))
mistake("no-lengths", "lengths are not passed on",
        forward=lambda self, input, h_0, lengths, masks: RNN.forward(self, input, h_0, None, masks))
