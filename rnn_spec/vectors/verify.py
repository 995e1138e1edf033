"""A subject, asked the vectors: within the bounds or not, in each dtype that it computes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.check import Check, NotClaimed
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.spec.catalogue import clauses
from rnn_spec.vectors.records import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.questions.records import Bound, Case
    from rnn_spec.vectors.records import File, Vector

NEUTRAL = clauses()["SHP-06"]  # every subject claims it


@dataclass(frozen=True)
class Asked:
    """A vector in one dtype, ready to be asked: its case, and what is expected by array; None: a refusal."""

    vector: Vector
    case: Case
    expected: dict[str, Bound] | None

    @classmethod
    def of(cls, vector: Vector) -> list[Asked]:
        """The vector in each dtype."""

        def bounds(dtype: str) -> dict[str, Bound] | None:
            found = vector.expected
            return None if found is None else {name: a.within(dtype) for name, a in found.arrays.items()}

        return [cls(vector, vector.case(dtype), bounds(dtype)) for dtype in DTYPES]

    def judge(self, subject: Any) -> float:
        """The worst error over its bound; Nonconformity, or NotClaimed where it is outside what is claimed.

        A subject that claims no gradients is asked for output and h_n alone.
        """
        check = Check(NEUTRAL, subject)
        if missing := set(self.vector.levels) - {"gradients"} - subject.levels:
            raise NotClaimed(f"not claimed: {', '.join(sorted(missing))}")
        case = check.claimed(self.case)
        moved = self.case.cotangents is not None and case is not self.case  # other cotangents than the stored
        if self.expected is None:
            observation = check.remember(case)
            if observation.unsupported:
                raise NotClaimed(f"not claimed: {observation.unsupported}")
            if observation.error is None:
                raise Nonconformity(f"accepted, and has to be refused: {self.vector.refused.sentence}")  # type: ignore[union-attr]
            return 0.0
        with np.errstate(all="ignore"):
            arrays = check.ask(case, shaped=False).arrays()
            for name, expected in self.expected.items():
                if name.startswith("grad ") and (
                    case.cotangents is None or moved or not check.claims.gives(name)
                ):
                    continue
                if name not in arrays:
                    raise Nonconformity(f"the answer has no {name}")
                check.within(name, arrays[name], expected)
        return check.headroom or 0.0


@dataclass
class Row:
    """What became of the vectors of one file, each in each dtype."""

    topic: str
    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    not_claimed: int = 0
    headroom: float = 0.0


def verify(subject: Any, files: Iterable[File]) -> Iterator[Row]:
    """A row for each file."""
    for file in files:
        row = Row(file.topic)
        for asked in (a for vector in file.vectors for a in Asked.of(vector)):
            try:
                row.headroom = max(row.headroom, asked.judge(subject))
                row.passed += 1
            except NotClaimed:
                row.not_claimed += 1
            except Nonconformity as e:
                row.failed[asked.case.id] = str(e)
        yield row
