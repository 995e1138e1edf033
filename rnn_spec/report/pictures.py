"""What a page shows as a picture, in numbers that a template turns into SVG: no colours, and no pixels."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.questions.records import DTYPES
from rnn_spec.spec.catalogue import areas, clauses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.judge.numbers import Numbers
    from rnn_spec.judge.verdict import Verdict

STEPS = (0.5, 1.0, 10.0, 1000.0)
"""Where the classes of a heat map's cells end, in units of the bound; the last class is whatever is above."""
CLASSES = ("up to ½ of the bound", "up to the bound", "up to 10 bounds", "up to 1000 bounds", "beyond")
PLANES = 12
"""Of how many batch rows a picture is shown, those that differ most."""
LOWEST, HIGHEST, PER_DECADE = -4, 3, 3
"""The headroom's axis: powers of ten, and bins in each. What is lower or higher is in the outermost bin."""


@dataclass(frozen=True)
class Plane:
    """A slice of an array: `paths` has an SVG path for each class of cells, and `over` how many are over."""

    label: str
    over: int
    width: int
    height: int
    paths: list[str]


@dataclass(frozen=True)
class HeatMap:
    """Where an array differs. `across` and `down` name a plane's axes, `by` what each plane is one of."""

    across: str
    down: str
    by: str
    planes: list[Plane]


def heat_map(numbers: Numbers | None) -> HeatMap | None:
    """The picture of a failure's numbers; None where they are of a few worst elements, or of no plane."""
    if numbers is None or numbers.at or not 1 <= len(numbers.shape) <= 3 or 0 in numbers.shape:
        return None
    errors = np.array([math.inf if e is None else e for e in numbers.errors]).reshape(numbers.shape)
    names = numbers.axes or [f"axis {i}" for i in range(errors.ndim)]
    axes = ["time", "feature"] if "time" in names else [names[-2], names[-1]] if errors.ndim > 1 else names
    axes = [a for a in axes if a in names] if len(axes) > 1 else axes
    rest = [i for i, name in enumerate(names) if name not in axes]
    planes = np.transpose(errors, [*rest, *(names.index(a) for a in axes)])
    by = names[rest[0]] if rest else ""
    planes = planes if rest else planes[None]
    order = sorted(range(len(planes)), key=lambda i: (-int((planes[i] > 1).sum()), i))[:PLANES]
    found = [
        _plane(f"{by} {i}".strip(), planes[i] if planes[i].ndim > 1 else planes[i][:, None]) for i in order
    ]
    return HeatMap(axes[0], axes[1] if len(axes) > 1 else "", by, found)


def _plane(label: str, errors: np.ndarray) -> Plane:
    """A plane, its first axis across; the cells of one class are one path, run by run."""
    kinds = np.searchsorted(STEPS, errors, side="left")
    paths = []
    for kind in range(len(CLASSES)):
        runs = []
        for y in range(errors.shape[1]):
            x = 0
            while x < errors.shape[0]:
                begin = x
                while x < errors.shape[0] and kinds[x, y] == kind:
                    x += 1
                if x > begin:
                    runs.append(f"M{begin} {y}h{x - begin}v1h-{x - begin}z")
                x += 1
        paths.append("".join(runs))
    return Plane(label, int((errors > 1).sum()), errors.shape[0], errors.shape[1], paths)


@dataclass(frozen=True)
class Strip:
    """The headrooms of one dtype or area: how many are exactly 0, how many in each bin, how many over 1."""

    name: str
    exact: int
    bins: list[int]
    over: int
    worst: float | None

    @property
    def count(self) -> int:
        """All of them."""
        return self.exact + sum(self.bins)


BINS = (HIGHEST - LOWEST) * PER_DECADE
EDGE = -LOWEST * PER_DECADE
"""The bin that begins at 1: it and what is right of it is out of bounds."""


def strips(verdicts: Iterable[Verdict]) -> tuple[list[Strip], list[Strip]]:
    """The distribution of headroom by dtype and by area, without what is known to fail."""
    by_dtype: dict[str, list[float]] = defaultdict(list)
    by_area: dict[str, list[float]] = defaultdict(list)
    for v in verdicts:
        room = None if v.outcome == "known" else v.headroom
        if room is None and v.numbers is not None:
            room = math.inf
        if room is None:
            continue
        by_area[clauses()[v.clause].area].append(room)
        if found := next((d for d in DTYPES if v.case and d in v.case.replace("~", "-").split("-")), None):
            by_dtype[found].append(room)
    return (
        [_strip(d, by_dtype[d]) for d in DTYPES if by_dtype[d]],
        [_strip(f"{id} {title}", by_area[id]) for id, title in areas().items() if by_area[id]],
    )


def _strip(name: str, rooms: list[float]) -> Strip:
    counts = Counter(bin_of(room) for room in rooms if room)
    worst = max(rooms)
    return Strip(
        name,
        sum(not room for room in rooms),
        [counts[i] for i in range(BINS)],
        sum(room > 1 for room in rooms),
        worst if math.isfinite(worst) else None,
    )


def bin_of(room: float) -> int:
    """The bin of a headroom above 0; exactly 1 is within the bound, and so left of the line."""
    if not math.isfinite(room):
        return BINS - 1
    place = math.ceil((math.log10(room) - LOWEST) * PER_DECADE - 1e-9) - 1
    return min(max(place, 0), BINS - 1)
