"""Where the numbers of a failed comparison differ, small enough to be kept: enough for a picture of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from rnn_spec.judge.check import Check
    from rnn_spec.questions.records import Case

WORST = 8
"""How many elements are told in full."""
LARGEST = 2048
"""Of how many elements the error is told; of a larger array, of the worst ones."""


@dataclass(frozen=True)
class Element:
    """One element: where it is, what was answered, expected and allowed, each as Python writes a float.

    `error` is in units of the bound, so above 1 does not conform; None where it is no finite number.
    """

    index: list[int]
    got: str
    expected: str
    bound: str
    error: float | None


@dataclass(frozen=True)
class Numbers:
    """An array that is out of its bound. `question` is what was asked, in plain values and shapes.

    `axes` are the names of the array's axes, as far as they have one. `errors` are in units of the bound, in
    row-major order: of all elements, or of those whose flat indices `at` has, the worst first. None stands
    for an error that is no finite number.
    """

    array: str
    shape: list[Annotated[int, msgspec.Meta(ge=0)]]
    axes: list[str]
    question: dict[str, Any]
    differing: int
    worst: list[Element]
    errors: list[float | None]
    at: list[int] = field(default_factory=list)


def numbers(check: Check) -> Numbers | None:
    """Where a check's worst comparison differs; None where it compared nothing that is out of its bound."""
    if check.worst is None or check.worst.holds or check.case is None or check.bound is None:
        return None
    got = np.asarray(check.got, np.float64)
    value, bound = (
        np.broadcast_to(np.asarray(x, np.float64), got.shape) for x in (check.bound.value, check.bound.error)
    )
    ratio = ratios(got, value, bound).ravel()
    order = np.argsort(-ratio, kind="stable")
    kept = np.arange(ratio.size) if ratio.size <= LARGEST else order[:LARGEST]
    return Numbers(
        check.worst.name,
        list(got.shape),
        axes(check.worst.name, check.case, got.ndim),
        told(check.case),
        check.worst.differing,
        [_element(int(i), got, value, bound, ratio) for i in order[:WORST]],
        [_short(ratio[i]) for i in kept],
        [] if ratio.size <= LARGEST else [int(i) for i in kept],
    )


def ratios(got: np.ndarray, value: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """The error of each element in units of its bound: 0 where both are equal, infinite where one is none."""
    with np.errstate(all="ignore"):
        error = np.abs(got - value)
        equal = (got == value) | (np.isnan(got) & np.isnan(value)) | np.isposinf(bound)
        ratio = np.where(equal, 0.0, error / bound)
    return np.where(np.isnan(ratio), np.inf, ratio)


def axes(name: str, case: Case, ndim: int) -> list[str]:
    """The names of an array's axes, in the layout of its case; none where it is another array's."""
    name = name.removeprefix("grad ")
    sequence = ["batch", "time"] if case.config.batch_first else ["time", "batch"]
    if name in ("output", "input"):
        found = [*(sequence if case.batched else ["time"]), "feature"]
    elif name in ("h_n", "h_0"):
        found = ["layer", *(["batch"] if case.batched else []), "feature"]
    else:
        found = ["row", "column"] if name.startswith("weight") else ["row"] if name.startswith("bias") else []
    return found if len(found) == ndim else []


def told(case: Case) -> dict[str, Any]:
    """What a case asks, in plain values: configuration, mode, dtype, shapes, and what was done before."""
    lengths = {} if case.lengths is None else {"lengths": case.lengths.tolist()}
    done = [e if isinstance(e, str) else "a call" for e in case.earlier]
    return {
        **asdict(case.config),
        "dtype": case.dtype,
        "training": case.training,
        "seed": case.seed,
        "input": list(case.input.shape),
        "h_0": None if case.h_0 is None else list(case.h_0.shape),
        **lengths,
        **({"earlier": done} if done else {}),
        **({"route": case.route} if case.route else {}),
        "gradients": case.cotangents is not None,
    }


def _element(i: int, got: np.ndarray, value: np.ndarray, bound: np.ndarray, ratio: np.ndarray) -> Element:
    index = np.unravel_index(i, got.shape)
    answered, expected, allowed = (repr(float(x[index])) for x in (got, value, bound))
    return Element([int(n) for n in index], answered, expected, allowed, _short(ratio[i]))


def _short(x: Any) -> float | None:
    return float(f"{x:.3g}") if np.isfinite(x) else None
