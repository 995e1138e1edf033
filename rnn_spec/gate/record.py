"""Record what a torch release does: everything that runs in it runs in processes of its own Python.

The release may do to them what it likes. A process that dies, hangs or says what cannot be read is ended and
started again, and what it was asked has that for its answer.
"""

from __future__ import annotations

import json
import math
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rnn_spec.far import wire
from rnn_spec.far.process import Failure, Process, TorchWorker, beside
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Recording, RecordingError
from rnn_spec.judge.compare import Nonconformity, compare
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.questions import product
from rnn_spec.questions.records import Error
from rnn_spec.subjects.base import SubjectError
from rnn_spec.suite.collect import collect
from rnn_spec.torch import probes as torch_probes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rnn_spec.questions.records import Case, Expectation
    from rnn_spec.suite.planned import Planned

DEADLINE = torch_probes.SECONDS + 15.0
"""Seconds until a probe's process is given up that should have ended itself."""
PATIENCE = 5
"""How many requests in a row may end a process before no more are made: each may take DEADLINE seconds."""
LARGEST = 1 << 20
"""Bytes that a fact may have."""


class Probing:
    """The program of probes in one Python, started again when it has died."""

    def __init__(self, python: str, *arguments: str, deadline: float = DEADLINE) -> None:
        """Start it when it is first asked."""
        self.command = [python, torch_probes.__file__, *arguments]
        self.deadline = deadline
        self.process: Process | None = None
        self.failed = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; Failure, after which the process is gone, where there is none."""
        if self.process is None:
            try:
                self.process = Process(self.command)
            except OSError as e:
                raise RecordingError(f"{self.command[0]} cannot be started: {e.strerror}") from e
        line = b""
        try:
            line = self.process.exchange(json.dumps(request).encode(), self.deadline, LARGEST)
            return msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            self.close()
            raise Failure("rubbish", f"answers no JSON object: {wire.excerpt(line)}") from e
        except Failure:
            self.close()
            raise

    def fact(self, request: dict[str, Any]) -> Fact:
        """What a request comes to; whatever becomes of the process is a fact."""
        if self.failed == PATIENCE:
            return Fact(died=f"not asked: {PATIENCE} requests in a row ended the process")
        try:
            answer = self.ask(request)
        except Failure as e:
            self.failed += 1
            return Fact(died=str(e).partition(";")[0])
        self.failed = 0
        try:
            return msgspec.convert(answer, Fact)
        except msgspec.ValidationError as e:
            return Fact(died=f"answers what is no fact: {' '.join(str(e).split())}")

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            process, self.process = self.process, None
            process.requests.put(b'{"op": "bye"}\n')
            process.end(0.5)


class Suite:
    """The standard cases and all checks, asked of one release after another.

    What the spec expects of a case is the same whoever is asked: it is computed once, for all of them.
    """

    def __init__(self) -> None:
        """Nothing is collected before the first release is asked."""
        self.trials: list[Planned] = []
        self.expectations: dict[str, Expectation] = {}
        self.turn = Lock()

    def ask(self, header: Header, python: str) -> Recording:
        """A recording without probes: cases, and checks by clause; RecordingError if there is none."""
        with self.turn, np.errstate(all="ignore"):
            worker = started(python, header.version)
            try:
                session = Session(worker, self.expectations)
                cases = {str(recipe): arrays(session, recipe.case()) for recipe in product.standard()}
                lost = [a.error for a in cases.values() if a.error and a.error.phase == "worker"]
                if len(lost) == len(cases):
                    raise RecordingError(f"the torch of {python} answers no case: {lost[0].message}")
                self.trials = self.trials or collect()
                failing, passed = judge(self.trials, session)
            finally:
                worker.close()
        return Recording(header, {}, dict(sorted(cases.items())), failing, passed)


def record(
    python: str, header: Header, tell: Callable[[str], None] = print, suite: Suite | None = None
) -> Recording:
    """What the torch of a Python, which `header` describes, does; RecordingError where it cannot be asked.

    `tell` is given a line now and then; releases that are recorded side by side share a `suite`.
    """
    tell(f"{header.version}, Python {header.python}: the suite, and {len(torch_probes.PROBES)} probes")
    with beside(1) as pool:
        asked = pool.submit((suite or Suite()).ask, header, python)
        probes = dict(sorted(probe(python)))
        return msgspec.structs.replace(asked.result(), probes=probes)


def describe(python: str, subject: str, command: str) -> Header:
    """Which release it is, by its own word."""
    probing = Probing(python)
    try:
        return msgspec.convert(
            {"subject": subject, "command": command, **probing.ask({"op": "hello"})}, Header
        )
    except Failure as e:
        raise RecordingError(f"{python} has no torch that says hello: {e}") from e
    except msgspec.ValidationError as e:
        raise RecordingError(f"{python} says hello not as it must: {e}") from e
    finally:
        probing.close()


def probe(python: str, ids: Iterable[str] = tuple(torch_probes.PROBES)) -> list[tuple[str, Fact]]:
    """The facts of these probes, in two processes: the probes that need more of torch have their own."""
    ids = list(ids)
    heavy = [id for id in ids if torch_probes.PROBES[id].heavy]
    light = [id for id in ids if not torch_probes.PROBES[id].heavy]

    def facts(some: list[str], *arguments: str) -> list[tuple[str, Fact]]:
        probing = Probing(python, *arguments)
        try:
            return [(id, probing.fact({"op": "probe", "id": id})) for id in some]
        finally:
            probing.close()

    with beside(1) as pool:
        other = pool.submit(facts, heavy, "--heavy")
        return facts(light) + other.result()


def started(python: str, version: str) -> TorchWorker:
    """The worker in this Python; RecordingError where it does not start, or has another torch."""
    try:
        worker = TorchWorker(python)
    except SubjectError as e:
        raise RecordingError(str(e)) from e
    if not (met := worker.version()).startswith(version):
        worker.close()
        raise RecordingError(f"the suite met {met}, and the probes {version}, in {python}")
    return worker


def judge(trials: Iterable[Planned], session: Session) -> tuple[dict[str, list[str]], dict[str, int]]:
    """By clause, the checks that fail and how many pass, of all that a worker can be asked."""
    failing: dict[str, list[str]] = {}
    passed: dict[str, int] = {}
    for trial in trials:
        outcome = trial.outcome(session)
        if outcome.word == "broken":
            raise RecordingError(
                f"the check {trial.id} broke: {type(outcome.error).__name__}: {outcome.error}"
            )
        if outcome.word == "failed":
            failing.setdefault(trial.clause, []).append(trial.id)
        elif outcome.word == "passed":
            passed[trial.clause] = passed.get(trial.clause, 0) + 1
    return {id: sorted(ids) for id, ids in failing.items()}, passed


def arrays(session: Session, case: Case) -> Arrays:
    """What came of a case: each array's bits, and its headroom where the spec bounds it."""
    try:
        case = session.claimed(case)
        observation = session.answer(case)
    except NotClaimed as e:
        return Arrays(absent=str(e))
    if (error := observation.error) is not None:
        message = torch_probes.clean(error.message)  # type: ignore[no-untyped-call]
        return Arrays(error=Error(error.phase, error.type, message))
    dtypes = observation.dtypes or {}
    try:
        bounds = session.expected(case, observation).arrays
    except Nonconformity:
        bounds = {}  # masks that cannot be read from such an answer
    found = {}
    for name, array in observation.arrays().items():
        try:
            headroom = compare(name, array, bounds[name]).headroom if name in bounds else None
        except Nonconformity:  # another shape
            headroom = None
        known = headroom is not None and math.isfinite(headroom)
        found[name] = Bits(
            bits(array, dtypes.get(name, case.dtype)),
            np.shape(array),
            float(f"{headroom:.3g}") if known else None,
        )
    return Arrays(found)


def bits(array: np.ndarray, dtype: str) -> str:
    """16 hexadecimal digits that stand for dtype, shape and elements, bit for bit."""
    own = np.ascontiguousarray(array, "<f4" if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<"))
    return sha256(f"{dtype} {own.shape}".encode() + own.tobytes()).hexdigest()[:16]
