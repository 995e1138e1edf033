"""Cases whose sequences have lengths of their own: packed batches, in torch's words.

`ragged` gives a batched case lengths. The input stays as it is, so that the padding is full of
numbers that must not matter, and so does the cotangent of output there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.records import Case


def _spread(T: int, N: int) -> np.ndarray:
    """Lengths from 1 to T, far apart for neighbours, each the same for ever."""
    return 1 + (np.arange(N) * max(T // 2 - 1, 1) + T // 2) % T


def _unsorted(T: int, N: int) -> np.ndarray:
    """1 and T first, so that sorting three sequences by length moves each of them to another place."""
    lengths = _spread(T, N)
    lengths[0] = 1
    lengths[min(1, N - 1)] = T
    return lengths


PATTERNS: dict[str, Callable[[int, int], np.ndarray]] = {
    "unsorted": _unsorted,
    "sorted": lambda T, N: np.sort(_unsorted(T, N))[::-1],
    "rising": lambda T, N: np.sort(_unsorted(T, N)),
    "tied": lambda T, N: np.where(np.arange(N) % 2, T, max(T // 2, 1)),  # runs of equal lengths, unsorted
    "sorted with ties": lambda T, N: np.where(np.arange(N) < (N + 1) // 2, T, max(T // 2, 1)),
    "equal": lambda T, N: np.full(N, max(T - 2, 1)),  # no sequence is as long as the padded input
    "full": lambda T, N: np.full(N, T),
    "ones": lambda T, N: np.ones(N, np.int64),
}
"""The lengths (N,) of a batch of N sequences, padded to T steps, by what is particular about them."""


def axes(case: Case) -> tuple[int, int]:
    """The places of time and batch among the axes of the case's input and output."""
    return (1, 0) if case.config.batch_first else (0, 1)


def ragged(case: Case, pattern: str) -> Case:
    """The case, batched, with lengths of this pattern."""
    time, batch = (case.input.shape[axis] for axis in axes(case))
    return case.derive(pattern, lengths=PATTERNS[pattern](time, batch))


def alone(case: Case, row: int) -> Case:
    """Sequence `row` of a ragged case as a batch of one, without padding."""
    time, batch = axes(case)
    length = int(case.lengths[row])  # type: ignore[index]

    def own(x: np.ndarray) -> np.ndarray:
        return x.take(range(length), time).take([row], batch)

    changes: dict[str, Any] = {"input": own(case.input), "lengths": None}
    if case.h_0 is not None:
        changes["h_0"] = case.h_0[:, [row]]
    if (g := case.cotangents) is not None:
        changes["cotangents"] = type(g)(own(g.output), g.h_n[:, [row]])
    return case.derive(f"sequence {row} alone", **changes)


def alive(case: Case) -> np.ndarray:
    """Whether each step of each row is before its sequence's end: in the layout of the case's input, bool."""
    time, batch = axes(case)
    found: np.ndarray = np.arange(case.input.shape[time])[:, None] < np.asarray(case.lengths)
    return found if time < batch else found.T
