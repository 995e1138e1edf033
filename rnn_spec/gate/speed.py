"""How much slower or faster: both torches called by turns in one run, and A beside itself to know the noise.

Each round times A, a second process of A, and B, in an order that changes. The ratio B / A is reported with
its spread, from the 10th to the 90th percentile of the rounds; it is a change only where that spread lies
outside that of A's second process to its first: what the machine does to equal programs is no change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn_spec.gate.compare import Change
from rnn_spec.gate.program import Program, Time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS, SECONDS = 15, 0.03
LEAST = 1.1
"""The least ratio that is worth a decision: below it another build or another day makes as much."""
SIZES = {
    "small": {"input_size": 8, "hidden_size": 16, "num_layers": 1, "seq_len": 20, "batch": 4},
    "middle": {"input_size": 64, "hidden_size": 128, "num_layers": 2, "seq_len": 50, "batch": 16},
    "wide": {"input_size": 256, "hidden_size": 512, "num_layers": 1, "seq_len": 20, "batch": 32},
}


class Ratio(NamedTuple):
    """Seconds of B over seconds of A: the rounds' median, 10th and 90th percentile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: np.ndarray) -> Ratio:
        """The three of these rounds."""
        return cls(*(float(np.percentile(ratios, q)) for q in (50, 10, 90)))

    def __str__(self) -> str:
        """As a report shows it."""
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"

    def beyond(self, noise: Ratio) -> bool:
        """Whether all of this spread is slower, or all of it faster, than the noise's, and by LEAST."""
        return self.low > max(LEAST, noise.high) or self.high < min(1 / LEAST, noise.low)


def measure(
    a: Path | str, b: Path | str, sizes: dict[str, dict[str, int]] = SIZES, say: Callable[[str], None] = print
) -> tuple[list[Change], list[str]]:
    """The changes of speed, and a note of every ratio."""
    workers: list[Program] = []
    changes, notes = [], []
    try:
        workers.extend(Program(python) for python in (a, a, b))
        for name, size in sizes.items():
            for backward in (False, True):
                what = f"{name} {'forward and backward' if backward else 'forward'}"
                say(f"timing {what}")
                ratio, noise, seconds = _ratios(workers, size, backward)
                says = (
                    f"{ratio} times the time of before, which was {seconds * 1e6:.0f} µs a call; "
                    f"a second process of it takes {noise}"
                )
                if ratio.beyond(noise):
                    id = f"speed/{what.replace(' ', '-')}"
                    changes.append(Change("speed", id, what, says, better=ratio.median < 1))
                else:
                    notes.append(f"speed, {what}: {says}")
    finally:
        for worker in workers:
            worker.close()
    return changes, notes


def _ratios(workers: list[Program], size: dict[str, int], backward: bool) -> tuple[Ratio, Ratio, float]:
    """B / A, A's second process / A, and the seconds of A."""
    taken = np.empty((ROUNDS, len(workers)))
    for i in range(ROUNDS):
        for j in np.roll(np.arange(len(workers)), i):
            request = {"op": "time", "size": size, "backward": backward, "seconds": SECONDS}
            taken[i, j] = workers[j].ask(Time, **request).call
    first, again, other = taken.T
    return Ratio.of(other / first), Ratio.of(again / first), float(np.median(first))
