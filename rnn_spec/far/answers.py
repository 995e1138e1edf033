"""A subject whose answers lie in a file: the wire protocol, saved, for who cannot be spoken to over pipes.

``rnn-spec cases`` writes the requests that a worker would read, one a line; whatever reads them writes
the answers that a worker would write; ``rnn-spec judge`` judges these. A case that is not in the file of
cases (it is made from an earlier answer, or was left out) is not claimed; a case of that file that has no
answer fails. Attempts are not in such files: who can make them has Python, and can be a worker.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_spec.far import wire
from rnn_spec.far.process import Introduced
from rnn_spec.questions.records import Error, Observation
from rnn_spec.subjects.base import SubjectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.questions.records import Case


class AnswersSubject(Introduced):
    """``answers:ANSWERS@CASES``: two files of JSON lines."""

    def __init__(self, paths: str = "") -> None:
        """Read both; SubjectError with the file and line of what is not as the protocol says."""
        answers, cases = split(paths)
        self.path = answers
        self.seqs: dict[bytes, int] = {}
        known: set[int] = set()
        for request in _requests(cases):
            known.add(request.seq)  # two cases may ask the same, each of its own size: either answer will do
            self.seqs[digest(request.case)] = request.seq
            # Whoever claims no gradients is asked the same without cotangents, and answers it all the same.
            self.seqs.setdefault(digest(replace(request.case, cotangents=None)), request.seq)
        self.answers: dict[int, Observation] = {}
        hello: wire.Hello | None = None
        for number, line in _lines(answers):
            if hello is None:
                hello = _decode(answers, number, line, wire.Hello)
                continue
            try:
                answer = wire.decode(line, wire.Answer)
            except wire.WireError as e:
                seq = _seq(line)
                if seq is None:
                    raise SubjectError(f"{answers}, line {number}: {e}") from e
                answer = wire.Answer(seq=seq, error=Error("worker", "rubbish", f"line {number}: {e}"))
            if answer.seq not in known:
                raise SubjectError(f"{answers}, line {number}: {cases} has no case with seq {answer.seq}")
            if answer.seq in self.answers:
                raise SubjectError(f"{answers}, line {number}: answers seq {answer.seq} once more")
            self.answers[answer.seq] = answer.observation()
        if hello is None:
            raise SubjectError(f"{answers} is empty: its first line is the answer to hello")
        self.introduce(hello)
        self.limits = (*self.limits, LEFT_OUT)  # type: ignore[misc]
        self.contract = tuple(c for c in self.contract if c != "attempts")  # type: ignore[misc]

    def run(self, case: Case) -> Observation:
        """The answer in the file."""
        seq = self.seqs.get(digest(case))
        if seq is None:
            return Observation(unsupported=LEFT_OUT)
        missing = Observation(error=Error("worker", "missing", f"{self.path} has no answer with seq {seq}"))
        return self.answers.get(seq, missing)


LEFT_OUT = "a case that is not in the file of cases"
"""Why a file of answers does not answer: `rnn-spec cases` leaves large cases out, unless told not to."""


def split(paths: str) -> tuple[str, str]:
    """The two paths, of which either may have an @ in it, as Jenkins's folders have."""
    parts = paths.split("@")
    pairs = [("@".join(parts[:i]), "@".join(parts[i:])) for i in range(1, len(parts))]
    if not pairs or not all(pairs[0]):
        raise SubjectError(f"answers:{paths} does not name two files: it is answers:ANSWERS@CASES")
    return next((pair for pair in pairs if all(Path(path).is_file() for path in pair)), pairs[0])


def digest(case: Case) -> bytes:
    """What is asked, whatever it is called, in few bytes."""
    return hashlib.sha256(wire.encode(replace(case, id=""))).digest()


def save(cases: Iterable[Case], path: Path) -> int:
    """Write the requests for these cases, to be read by a worker; how many they are."""
    count = 0
    with path.open("wb") as file:
        file.write(wire.encode(wire.HelloRequest()) + b"\n")
        for count, case in enumerate(cases, 1):
            file.write(wire.encode(wire.RunRequest(count, case)) + b"\n")
        file.write(wire.encode(wire.ByeRequest()) + b"\n")
    return count


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    try:
        with Path(path).open("rb") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except OSError as e:
        raise SubjectError(f"{path} cannot be read: {e.strerror}") from e


def _requests(path: str) -> Iterator[wire.RunRequest]:
    for number, line in _lines(path):
        if _decode(path, number, line, dict).get("op") == "run":
            yield _decode(path, number, line, wire.RunRequest)


def _decode(path: str, number: int, line: bytes, of: type[wire.T]) -> wire.T:
    try:
        return wire.decode(line, of)
    except wire.WireError as e:
        raise SubjectError(f"{path}, line {number}: {e}") from e


def _seq(line: bytes) -> int | None:
    """The number of the case that a line answers, if it says so at all."""
    try:
        found = wire.decode(line, dict).get("seq")
    except wire.WireError:
        return None
    return found if type(found) is int else None
