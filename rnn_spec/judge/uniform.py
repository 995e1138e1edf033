"""Tests of draws that ought to be independent and uniform on [-bound, bound].

Each has a false-alarm rate of at most FALSE_ALARM, divided by the number of times that the check looks
(union bound), and rests on one exact fact:

* no draw is outside, but for one rounding of the bound;
* the Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (The tight constant in the
  Dvoretzky-Kiefer-Wolfowitz inequality, 1990): P(sup |F_n - F| > e) <= 2 exp(-2 n e^2);
* none of n draws is above q * bound with probability ((1 + q) / 2)^n, and likewise below;
* Hoeffding's inequality (Probability inequalities for sums of bounded random variables, 1963,
  Theorem 2): the mean of n independent products of two independent draws has
  P(|mean| >= t * bound^2) <= 2 exp(-n t^2 / 2).

Over seeds; for one seed the answer is always the same.
"""

from __future__ import annotations

import numpy as np

from rnn_spec.judge.chance import FALSE_ALARM


def misfit(draws: np.ndarray, bound: float, looks: int) -> str | None:
    """Why `draws` are not independent draws from U(-bound, bound), in words; None if they may be."""
    x, n = np.sort(draws.ravel().astype(np.float64)) / bound, draws.size
    if abs(x).max() > 1 + 2.0**-23:
        return f"{abs(x).max() * bound:.6g} is outside of the interval up to {bound:.6g}"
    steps, uniform = np.arange(n + 1) / n, (x + 1) / 2
    distance = max((steps[1:] - uniform).max(), (uniform - steps[:-1]).max()) - 2.0**-22  # float32's grid
    if distance > 0 and 2 * np.exp(-2 * n * distance**2) < FALSE_ALARM / looks:
        return f"the distribution of {n} draws is {distance:.3f} off (mean {x.mean():+.3f} bounds)"
    for end, reach in (("largest", x[-1]), ("smallest", -x[0])):
        if n * np.log((1 + reach) / 2) < np.log(FALSE_ALARM / looks / 2):
            return f"the {end} of {n} draws has {reach:.4f} of the magnitude that it may have"
    return None


def related(first: np.ndarray, second: np.ndarray, bound: float, looks: int) -> str | None:
    """Why the pairs of `first` and `second` are not pairs of independent draws; None if they may be.

    The pairs themselves have to be disjoint, so that their products are independent.
    """
    x, y = (np.ravel(a).astype(np.float64) / bound for a in (first, second))
    mean = float((x * y).mean())
    if 2 * np.exp(-x.size * mean**2 / 2) < FALSE_ALARM / looks:
        return f"{x.size} pairs of draws have the correlation {3 * mean:+.2f}"
    return None
