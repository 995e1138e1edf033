"""The exact tests of masks: their tails are exact, and they see what the page says that they see."""

from __future__ import annotations

from fractions import Fraction
from math import comb, isclose
from pathlib import Path

import numpy as np
import pytest

from rnn_spec.explore import crowds, judged
from rnn_spec.explore.crowds import FALSE_ALARM, MOST, Crowd
from rnn_spec.judge import exact
from rnn_spec.judge.session import Session
from rnn_spec.subjects.spec import SpecSubject

ROOT = Path(__file__).parents[2]


def tail(terms: list[Fraction], k: int) -> float:
    """The smaller of both tails, doubled."""
    return float(min(1, 2 * min(sum(terms[: k + 1]), sum(terms[k:]))))


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (20, 0.25), (60, 0.5), (200, 0.03125), (64, 0.9375)])
def test_binomial_tails_are_exact(n: int, p: float) -> None:
    """Every count's, compared with rational arithmetic."""
    q = Fraction(p)
    terms = [comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]

    for k in range(n + 1):
        assert isclose(tail(terms, k), exact.binomial(k, n, p), rel_tol=1e-9)


@pytest.mark.parametrize(("n", "first", "second"), [(10, 3, 4), (40, 20, 20), (60, 55, 50), (30, 30, 7)])
def test_hypergeometric_tails_are_exact(n: int, first: int, second: int) -> None:
    """Every count's, compared with rational arithmetic."""
    least, most = max(0, first + second - n), min(first, second)
    terms = [Fraction(comb(first, k) * comb(n - first, second - k), comb(n, second)) for k in range(most + 1)]

    for k in range(least, most + 1):
        assert isclose(tail(terms, k), exact.hypergeometric(k, n, first, second), rel_tol=1e-9)


def test_what_is_near_is_never_flagged() -> None:
    """A count within `NEAR` standard deviations has a tail far above the rate of any look."""
    for n, p in ((10, 0.5), (100, 0.01), (16, 0.001), (5000, 0.3), (300, 0.97)):
        counts = np.arange(n + 1)
        near = sorted({*counts} - {*exact.far_counts(counts, np.full(n + 1, n), p)})
        assert min(exact.binomial(int(k), n, p) for k in near) > 1e-8


LOOKS = 100_000
CHANCES = (0.01, 0.1, 0.5)


def test_the_page_says_what_is_seen_with_which_power() -> None:
    """Each number of the table is what `detectable` computes."""
    rate = FALSE_ALARM / MOST / LOOKS
    page = (ROOT / "docs" / "explore.md").read_text(encoding="utf-8")

    for what, n in (("whole mask", 1 << 17), ("slice", 1 << 10)):
        seen = [exact.detectable(n, p, rate, 0.99) for p in CHANCES]
        row = f"| rate, {what} of {n:,} | " + " | ".join(f"{x:.2g}" for x in seen) + " |"
        assert row in page, row
    pairs = 1 << 16
    seen = [exact.detectable(pairs, p * p, rate, 0.99) / (p * (1 - p)) for p in CHANCES]
    row = f"| correlation, {pairs:,} pairs | " + " | ".join(f"{x:.2g}" for x in seen) + " |"
    assert row in page, row


class Wrong(SpecSubject):
    """The spec, with masks that are wrong in a way."""

    name = "wrong"
    how = ""

    def mask(self, shape: tuple[int, ...], p: float) -> np.ndarray:
        """What dropout keeps."""
        kept = super().mask(shape, p)
        if self.how == "rate":
            return kept & (self.random.random_sample(shape) >= 0.1)
        if self.how == "one feature" and shape[-1] > 8:
            kept[..., 8] = super().mask(shape[:-1], min(1.5 * p, 0.99))
        elif self.how == "rows":
            kept[:, 1::2] = kept[:, ::2][:, : kept[:, 1::2].shape[1]]
        elif self.how == "steps":
            kept[3:] = kept[:-3] if len(kept) > 3 else kept[3:]
        elif self.how == "memory":
            kept.reshape(-1)[:] = np.resize(kept.reshape(-1)[:1001], kept.size)
        elif self.how == "directions":
            kept[..., shape[-1] // 2 :] = kept[..., : shape[-1] - shape[-1] // 2][
                ..., -(shape[-1] // 2) or 1 :
            ]
        elif self.how == "end":
            kept.reshape(-1)[-64:] = True
        return kept


class OneMask(SpecSubject):
    """The spec, with one mask for every layer and every call."""

    name = "one mask"
    how = ""

    def mask(self, shape: tuple[int, ...], p: float) -> np.ndarray:
        """What dropout keeps, drawn once."""
        self.random = np.random.RandomState(1)
        return super().mask(shape, p)


WHOLE = Crowd(24, 32, 32, 0.5)
CASES = {
    "rate": (WHOLE, "DRP-06"),
    "one feature": (WHOLE, "DRP-06"),
    "rows": (WHOLE, "DRP-07"),
    "steps": (WHOLE, "DRP-07"),
    "memory": (WHOLE, "DRP-07"),
    "directions": (Crowd(24, 32, 16, 0.5, bidirectional=True), "DRP-07"),
    "end": (WHOLE, "DRP-06"),
}


@pytest.mark.parametrize("how", CASES)
def test_masks_that_are_wrong_are_told(how: str) -> None:
    """Rate and independence in every direction, and each under its clause."""
    crowd, clause = CASES[how]

    wrong = judged.find(Session(type(how, (Wrong,), {"how": how})()), crowd.case(), "masks")
    right = judged.find(Session(SpecSubject()), crowd.case(), "masks")

    assert right is None
    assert wrong is not None
    assert wrong.clause == clause, wrong.difference


@pytest.mark.parametrize(("crowd", "clause"), [(Crowd(9, 32, 32, num_layers=3), "DRP-06"),
                                               (Crowd(9, 32, 32, calls=1), "DRP-08")])  # fmt: skip
def test_one_mask_for_all_is_told(crowd: Crowd, clause: str) -> None:
    """Of two layers, by what the lower dropped where the upper kept; and of two calls."""
    wrong = judged.find(Session(OneMask()), crowd.case(), "masks")

    assert wrong is not None
    assert wrong.clause == clause, wrong.difference


@pytest.mark.parametrize("p", [2**-10, 0.3, 1 - 2**-10])
@pytest.mark.parametrize("num_layers", [2, 6])
def test_every_mask_is_read_where_it_is_seen(p: float, num_layers: int) -> None:
    """What is read is what was drawn, at any rate and below any layer."""
    drawn: list[np.ndarray] = []

    class Told(SpecSubject):
        def mask(self, shape: tuple[int, ...], p: float) -> np.ndarray:
            drawn.append(super().mask(shape, p))
            return drawn[-1]

    case = Crowd(5, 16, 16, p, num_layers=num_layers, bidirectional=True).case()
    found = crowds.dropped(case, np.asarray(Told().run(case.own()).output))

    assert len(found) == num_layers - 1
    for (gone, seen), kept in zip(found, drawn[::-1], strict=True):
        assert (gone == ~kept.reshape(gone.shape))[seen].all()
