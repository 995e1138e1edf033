"""Exact tests of random masks: how likely a count is that is this far out, where all is as it should be.

Two distributions are all that is needed, and neither is approximated:

* K of n independent elements are dropped with probability p each: K is binomial.
* Of n disjoint pairs, A first elements and B second ones are dropped. Given these, and if the two are
  independent, the number of pairs that are both dropped is hypergeometric, whatever the rate is.

A tail is summed term by term from the count outwards, each term from the one before. A test that looks m
times divides its rate by m (union bound). `NEAR`: a count within four standard deviations is never so rare
that a test at a rate below 1e-8 would flag it, so that only the others are summed.
"""

from __future__ import annotations

from math import lgamma, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Ratio = Callable[[np.ndarray], np.ndarray]

NEAR = 4.0
"""Standard deviations within which no count is looked at more closely."""
NEGLIGIBLE = -60.0
"""The logarithm of a term, relative to the first, from which on the sum does not change."""

HUGE = 600.0
"""Likewise: from which on a sum is not gone on with."""


def binomial(k: int, n: int, p: float) -> float:
    """The probability of k successes in n trials, or fewer, or of k, or more: the smaller, doubled."""
    start = _choose(n, k) + k * log(p) + (n - k) * log1m(p)
    odds = log(p) - log1m(p)
    return _two_sided(
        start,
        _sum(lambda i: np.log(n - k - i) - np.log(k + i + 1) + odds, n - k),
        _sum(lambda i: np.log(k - i) - np.log(n - k + i + 1) - odds, k),
    )


def hypergeometric(k: int, n: int, first: int, second: int) -> float:
    """The same of k pairs, of n, that are marked in both, where `first` and `second` are in either."""
    least, most = max(0, first + second - n), min(first, second)
    rest = n - first - second
    start = _choose(first, k) + _choose(n - first, second - k) - _choose(n, second)
    up = _sum(lambda i: _logs(first - k - i, second - k - i, -(k + i + 1), -(rest + k + i + 1)), most - k)
    down = _sum(lambda i: _logs(k - i, rest + k - i, -(first - k + i + 1), -(second - k + i + 1)), k - least)
    return _two_sided(start, up, down)


def log1m(p: float) -> float:
    """log(1 - p)."""
    return float(np.log1p(-p))


def _choose(n: int, k: int) -> float:
    """The logarithm of n over k."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _logs(*factors: np.ndarray) -> np.ndarray:
    """The logarithm of a product; a negative factor is divided by."""
    return sum((np.log(f) if f[0] > 0 else -np.log(-f) for f in factors), np.zeros(factors[0].shape))


def _sum(ratio: Ratio, count: int) -> float:
    """1 and the terms after it, relative to it; ratio(i) is the logarithm of term i + 1 to term i."""
    total, at, last = 1.0, 0, 0.0
    while at < count and last > NEGLIGIBLE:
        more = min(1024, count - at)
        terms = last + np.cumsum(ratio(np.arange(at, at + more, dtype=np.float64)))
        if terms.max() > HUGE:  # towards the middle: this tail is most of everything
            return float("inf")
        total += float(np.exp(terms).sum())
        at, last = at + more, float(terms[-1])
    return total


def _two_sided(start: float, up: float, down: float) -> float:
    return min(1.0, 2 * float(np.exp(start + np.log(min(up, down)))))


def far_counts(counts: np.ndarray, n: np.ndarray, p: float) -> np.ndarray:
    """The places of the counts that are far enough out to be looked at: of n trials, at rate p."""
    return np.flatnonzero(np.abs(counts - n * p) > NEAR * np.sqrt(n * p * (1 - p)))


def far_pairs(k: int, n: int, first: int, second: int) -> bool:
    """The same of pairs."""
    if n < 2:
        return False
    spread = first * second / n * (n - first) / n * (n - second) / (n - 1)
    return bool(abs(k - first * second / n) > NEAR * np.sqrt(spread))


def detectable(n: int, p: float, rate: float, power: float) -> float:
    """The smallest change of p, upwards, that n trials flag with this power at this false-alarm rate."""
    low, high = int(n * p), n
    while high - low > 1:  # the least count that is flagged
        middle = (low + high) // 2
        low, high = (low, middle) if binomial(middle, n, p) < rate else (middle, high)
    least, most = p, 1 - 1e-12
    for _ in range(60):
        between = (least + most) / 2
        least, most = (least, between) if _at_least(high, n, between) > power else (between, most)
    return most - p


def _at_least(k: int, n: int, p: float) -> float:
    """The probability of k successes or more, where that is above a half."""
    if k > n * p:
        return 0.0
    start = _choose(n, k - 1) + (k - 1) * log(p) + (n - k + 1) * log1m(p)
    odds = log(p) - log1m(p)
    below = _sum(lambda i: np.log(k - 1 - i) - np.log(n - k + 2 + i) - odds, k - 1)
    return 1 - float(np.exp(start) * below)
