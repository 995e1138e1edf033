"""Tests of random masks, each with a false-alarm rate of at most FALSE_ALARM.

Two facts are enough, and neither is a rule of thumb:

* K successes in n independent trials of probability p. By Hoeffding's theorem (Probability
  inequalities for sums of bounded random variables, 1963, Theorem 1)
  P(K >= qn) <= exp(-n D(q, p)) for q >= p, and likewise below p, with the relative entropy
  D(q, p) = q ln(q/p) + (1 - q) ln((1 - q)/(1 - p)). So a correct implementation has
  n D(K/n, p) >= x with probability at most 2 exp(-x), for every n and p.
* Two independent masks of w elements, kept with probability q, are equal with probability
  (q^2 + (1 - q)^2)^w; that any two of m are, at most m (m - 1) / 2 times that (union bound).

A test that looks m times divides its rate by m (union bound). Over seeds; for one seed the answer
is always the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

FALSE_ALARM = 1e-9


def plausible(count: int, trials: int, probability: float, looks: int = 1) -> bool:
    """Whether `count` successes in `trials` may be chance, in a test that looks `looks` times."""
    q = count / trials
    entropy = _entropy(q, probability) + _entropy(1 - q, 1 - probability)
    return bool(2 * np.exp(-trials * entropy) >= FALSE_ALARM / looks)


def _entropy(q: float, p: float) -> float:
    return 0.0 if q == 0 else float(q * np.log(q / p))


def agreement(keep: float) -> float:
    """The probability that two independent elements, each kept with probability `keep`, agree."""
    return keep**2 + (1 - keep) ** 2


def slices(kept: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """All of a mask, then every slice of it along every axis, each with words that name it."""
    yield "the whole mask", kept
    for axis, length in enumerate(kept.shape):
        for i in range(length if length > 1 else 0):
            yield f"index {i} of axis {axis}", kept.take(i, axis)


def pairs(kept: np.ndarray, axis: int) -> Iterator[tuple[int, np.ndarray]]:
    """For every distance along the axis, whether elements that far apart agree; the pairs are disjoint."""
    length = kept.shape[axis]
    for lag in range(1, length):
        first = np.array([i for i in range(length - lag) if (i // lag) % 2 == 0])
        yield lag, kept.take(first, axis) == kept.take(first + lag, axis)


def repeated(kept: np.ndarray, keep: float) -> bool:
    """Whether two of the masks along the first axis are equal, where that is too rare to be chance."""
    masks = kept.reshape(len(kept), -1)
    if len(masks) ** 2 / 2 * agreement(keep) ** masks.shape[1] > FALSE_ALARM:
        raise ValueError(f"{masks.shape[1]} elements are too few to tell {len(masks)} masks apart")
    return len(np.unique(masks, axis=0)) < len(masks)
