"""Observed arrays against expected ones: how many elements differ, the worst, and the headroom.

A verdict here is never a matter of taste: an element conforms when it is within its bound, which
`spec.arithmetic` derives. Headroom is error / bound: 0.05 is comfortable, above 1 does not conform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rnn_spec.questions.records import Bound


class Nonconformity(AssertionError):
    """A check that does not hold; the message says what differs, and `array` in which array, if in one."""

    def __init__(self, message: str, array: str = "") -> None:
        super().__init__(message)
        self.array = array


@dataclass(frozen=True)
class Comparison:
    """One array against its expectation."""

    name: str
    differing: int
    size: int
    index: tuple[int, ...]
    got: float
    expected: float
    bound: float
    headroom: float

    @property
    def holds(self) -> bool:
        """Whether every element is within its bound."""
        return self.differing == 0

    def __str__(self) -> str:
        """The sentence of a failure: how many differ, and the worst one."""
        where = f"[{', '.join(map(str, self.index))}]"
        error = abs(self.got - self.expected)
        return (
            f"{self.name}: {self.differing} of {self.size} elements differ; the worst is {where}\n"
            f"  got {self.got!r}, expected {self.expected!r}\n"
            f"  error {error:.3g}, bound {self.bound:.3g}, headroom {self.headroom:.3g}"
        )


def compare(name: str, got: np.ndarray, expected: Bound) -> Comparison:
    """Compare `got` with `expected`, an array of the same shape; Nonconformity where it is not."""
    got = np.asarray(got)
    if got.shape != expected.value.shape:
        raise Nonconformity(f"{name}: shape {got.shape}, expected {expected.value.shape}", name)
    if got.dtype.kind not in "fiu":
        raise Nonconformity(f"{name}: holds {got.dtype}, expected real numbers", name)
    got = got.astype(np.float64)
    if got.size == 0:
        return Comparison(name, 0, 0, (), 0.0, 0.0, 0.0, 0.0)
    value, bound = expected.value, expected.error
    with np.errstate(all="ignore"):
        error = np.abs(got - value)
        ratio = error / bound
        # An expected infinity or NaN must be met exactly; an infinite bound takes anything.
        inside = (error <= bound) | (got == value) | (np.isnan(got) & np.isnan(value)) | np.isposinf(bound)
        ratio = np.where(inside, np.minimum(np.nan_to_num(ratio, nan=0.0), 1.0), ratio)
        ratio = np.where(inside | (ratio > 1), ratio, np.inf)
    index = np.unravel_index(int(np.argmax(ratio)), got.shape)
    return Comparison(
        name,
        int((~inside).sum()),
        got.size,
        tuple(int(i) for i in index),
        float(got[index]),
        float(value[index]),
        float(bound[index]),
        float(ratio[index]),
    )


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, arrays (NaN equal to NaN) and dicts of them (in order) included."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and np.array_equal(a, b, equal_nan=True)
    return bool(a == b or (a != a and b != b))


def comparisons(arrays: Mapping[str, np.ndarray], expected: Mapping[str, Bound]) -> Iterator[Comparison]:
    """Each expected array and what was answered; Nonconformity where one is missing, or of another shape."""
    for name, bound in expected.items():
        if name not in arrays:
            raise Nonconformity(f"the answer has no {name}", name)
        yield compare(name, arrays[name], bound)
