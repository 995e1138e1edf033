"""The matrix on record: which checks fail on which named fault, as `rnn-spec faults --record` found it.

A file of the package, so that a subject of any framework can be compared with the faults of torch.nn.RNN
without torch. It is the whole matrix: of a fault of MODULE every check that fails, of all others the first
of each test (see `lineup.matrix`). What is asked anew, of a changed suite, is what the record does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from rnn_spec import files
from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup.matrix import Row
from rnn_spec.suite.planned import without_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.faults import Fault
    from rnn_spec.suite.planned import Planned

PATH = files.PACKAGE / "lineup" / "matrix.jsonl"
COMMAND = "rnn-spec faults --record"


class Made(msgspec.Struct, tag="made", forbid_unknown_fields=True):
    """The file's first line: the command that made it, and the torch that faults of MODULE change."""

    by: str
    of: str


class TestLine(msgspec.Struct, tag="test", forbid_unknown_fields=True):
    """A test, and what follows its name in the ids of its checks."""

    name: str
    checks: list[str]


class FaultLine(msgspec.Struct, tag="fault", forbid_unknown_fields=True):
    """A fault, and the places of the checks that fail on it among all of the file."""

    name: str
    failed: str


@dataclass
class Record:
    """The checks that were called, those that fail on each fault, and the torch that MODULE's change."""

    of: str = ""
    checks: list[str] = field(default_factory=list)
    failed: dict[str, frozenset[str]] = field(default_factory=dict)

    def lacking(self, fault: str, checks: Iterable[str]) -> frozenset[str]:
        """Those of these checks that have not been called on a fault."""
        return frozenset(checks).difference(self.checks if fault in self.failed else ())

    def only(self, faults: Iterable[str], checks: list[str], of: str) -> Record:
        """What is on record of these faults and checks, in this order, as of that torch."""
        kept: dict[str, frozenset[str]] = {}
        for name in faults:
            if name in self.failed:
                failed = [check for check in checks if check in self.failed[name]]
                kept[name] = frozenset(failed if FAULTS[name].of == MODULE else firsts(failed))
        return Record(of, checks, kept)

    def row(self, fault: Fault, suite: Iterable[Planned]) -> Row:
        """The row of a fault, of the suite's checks."""
        row = Row(fault.name, fault.clause)
        for trial in suite:
            if trial.id in self.failed[fault.name]:
                row.add(trial)
        return row

    def encoded(self) -> bytes:
        """The file."""
        tests: dict[str, TestLine] = {}
        for check in self.checks:
            name, bracket, parameters = check.partition("[")
            tests.setdefault(name, TestLine(name, [])).checks.append(bracket + parameters)
        place = {check: i for i, check in enumerate(flat(tests.values()))}
        faults = (FaultLine(f, ranges(sorted(place[id] for id in ids))) for f, ids in self.failed.items())
        lines = (Made(COMMAND, self.of), *tests.values(), *faults)
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


@cache
def kept() -> Record:
    """What is on record."""
    lines = [
        msgspec.json.decode(line, type=Made | TestLine | FaultLine) for line in PATH.read_bytes().splitlines()
    ]
    checks = list(flat(line for line in lines if isinstance(line, TestLine)))
    faults = (line for line in lines if isinstance(line, FaultLine))
    failed = {fault.name: frozenset(checks[i] for i in places(fault.failed)) for fault in faults}
    (made,) = (line for line in lines if isinstance(line, Made))
    return Record(made.of, checks, failed)


def flat(tests: Iterable[TestLine]) -> Iterator[str]:
    """The ids of all checks, in order."""
    return (test.name + check for test in tests for check in test.checks)


def firsts(checks: list[str]) -> Iterator[str]:
    """The first of each test."""
    return iter({without_parameters(check): check for check in reversed(checks)}.values())


def ranges(numbers: list[int]) -> str:
    """Rising numbers as text: ``3-5 9``."""
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def places(text: str) -> Iterator[int]:
    """The numbers that `ranges` wrote."""
    for run in text.split():
        first, _, last = run.partition("-")
        yield from range(int(first), int(last or first) + 1)
