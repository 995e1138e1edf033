"""A subject, asked the vectors: within the bounds or not, in each dtype that it computes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.compare import Nonconformity, comparisons
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.vectors.records import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.questions.records import Bound, Case
    from rnn_spec.vectors.records import File, Vector


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
        session = Session(subject)
        if missing := set(self.vector.levels) - {"gradients"} - subject.levels:
            raise NotClaimed(f"not claimed: {', '.join(sorted(missing))}")
        case = session.claimed(self.case)
        observation = session.answer(case)
        if observation.unsupported:
            raise NotClaimed(f"not claimed: {observation.unsupported}")
        if self.expected is None:
            if observation.error is None:
                raise Nonconformity(f"accepted, and has to be refused: {self.vector.refused.sentence}")  # type: ignore[union-attr]
            return 0.0
        if observation.error is not None:
            raise Nonconformity(f"raised {observation.error}")
        moved = self.case.cotangents is not None and case is not self.case  # other cotangents than the stored
        expected = {
            name: bound
            for name, bound in self.expected.items()
            if not name.startswith("grad ")
            or not (case.cotangents is None or moved or not session.claims.gives(name))
        }
        with np.errstate(all="ignore"):
            found = [*comparisons(observation.arrays(), expected)]
        for comparison in found:
            if not comparison.holds:
                raise Nonconformity(str(comparison), comparison.name)
        return max((comparison.headroom for comparison in found), default=0.0)


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
