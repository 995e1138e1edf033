"""`judge.compare`: an element conforms when it is within its bound, and no other rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnn_spec.judge.compare import Nonconformity, compare
from rnn_spec.questions.records import Bound

INF, NAN = np.inf, np.nan


def bound(value: Any, error: Any) -> Bound:
    """A Bound of float64 arrays."""
    value = np.asarray(value, np.float64)
    return Bound(value, np.broadcast_to(np.asarray(error, np.float64), value.shape))


@pytest.mark.parametrize(
    ("got", "value", "error", "headroom"),
    [
        (1.0, 1.0, 0.0, 0.0),
        (1.5, 1.0, 1.0, 0.5),
        (2.0, 1.0, 1.0, 1.0),
        (3.0, 1.0, 1.0, 2.0),
        (1.5, 1.0, 0.0, INF),
        (0.0, -0.0, 0.0, 0.0),
        (INF, INF, 0.0, 0.0),
        (-INF, INF, 0.0, INF),
        (1e308, INF, 0.0, INF),
        (NAN, NAN, 0.0, 0.0),
        (1.0, NAN, 0.0, INF),
        (NAN, 1.0, 0.5, INF),
        (INF, 1.0, 0.5, INF),
        (NAN, 1.0, INF, 0.0),
        (INF, 1.0, INF, 0.0),
        (5.0, 1.0, INF, 0.0),
        (5e-324, 0.0, 0.0, INF),
    ],
)
def test_headroom_is_error_over_bound(got: float, value: float, error: float, headroom: float) -> None:
    """Headroom is error / bound; infinity and NaN are met exactly; an infinite bound takes all."""
    found = compare("x", np.array([got]), bound([value], error))

    assert found.headroom == headroom
    assert found.holds == (headroom <= 1)


numbers = hnp.arrays(np.float64, 4, elements=st.floats(-4, 4))


@settings(derandomize=True, deadline=None, database=None)
@given(numbers, numbers, numbers)
def test_an_element_differs_just_when_its_error_is_above_its_bound(
    got: np.ndarray, value: np.ndarray, error: np.ndarray
) -> None:
    """The number of differing elements is that of errors above bounds, and it agrees with the headroom."""
    found = compare("x", got, bound(value, np.abs(error)))

    assert found.differing == (np.abs(got - value) > np.abs(error)).sum()
    assert found.holds == (found.headroom <= 1)


def test_the_worst_element_is_the_one_with_the_least_headroom() -> None:
    """The worst element is told with its index and its numbers, which need not have the largest error."""
    expected = bound([[1.0, 2.0], [3.0, 4.0]], [[9.0, 1.0], [1.0, 0.125]])

    found = compare("output", np.array([[8.0, 2.0], [3.5, 4.25]]), expected)

    assert (found.index, found.got, found.expected, found.bound) == ((1, 1), 4.25, 4.0, 0.125)
    assert str(found) == (
        "output: 1 of 4 elements differ; the worst is [1, 1]\n"
        "  got 4.25, expected 4.0\n"
        "  error 0.25, bound 0.125, headroom 2"
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_any_real_dtype_carries_the_numbers(dtype: str) -> None:
    """The numbers count, not the NumPy dtype that carries them."""
    found = compare("x", np.array([1, 2], dtype), bound([1.0, 2.0], 0.0))

    assert found.holds


def test_nothing_to_compare_holds() -> None:
    """An array of no elements that should have none conforms."""
    assert compare("x", np.zeros((0, 3)), bound(np.zeros((0, 3)), 0.0)).holds


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (np.zeros(3), "x: shape (3,), expected (2,)"),
        (np.zeros((2, 1)), "x: shape (2, 1), expected (2,)"),
        (np.float64(0), "x: shape (), expected (2,)"),
        (np.array(["0", "0"]), "x: holds <U1, expected real numbers"),
        (np.array([None, 0]), "x: holds object, expected real numbers"),
        (np.array([0j, 0]), "x: holds complex128, expected real numbers"),
        (np.array([True, False]), "x: holds bool, expected real numbers"),
        (None, "x: shape (), expected (2,)"),
    ],
    ids=str,
)
def test_what_is_no_array_of_the_right_shape_is_refused(got: Any, sentence: str) -> None:
    """A wrong shape or kind of element does not conform, and is never broadcast or converted."""
    with pytest.raises(Nonconformity) as raised:
        compare("x", got, bound([0.0, 0.0], 1.0))

    assert str(raised.value) == sentence
