"""Record what a torch release does: everything that runs in it runs in processes of its own Python.

The release may do to them what it likes. A process that dies, hangs or says what cannot be read is ended and
started again, and what it was asked has that for its answer.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from contextlib import closing, nullcontext
from hashlib import sha256
from itertools import zip_longest
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rnn_spec.far import wire
from rnn_spec.far.process import TorchWorker, beside
from rnn_spec.gate import generic
from rnn_spec.gate.program import Program, Refusal
from rnn_spec.gate.recording import (
    Arrays,
    Bits,
    Fact,
    Header,
    Question,
    Raised,
    Recording,
    RecordingError,
    Standing,
    Warned,
)
from rnn_spec.judge.compare import Nonconformity, compare
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.questions import product
from rnn_spec.questions.records import Attempt, Case, Error
from rnn_spec.subjects.base import SubjectError
from rnn_spec.suite.collect import collect
from rnn_spec.torch import experiments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rnn_spec.gate.progress import Part
    from rnn_spec.questions.records import Expectation, Observation
    from rnn_spec.suite.planned import Planned


TOGETHER = 40
"""How many experiments are asked for at once."""


class Asking(Session):
    """A session that keeps which clauses ask which question.

    Sessions that run side by side share what is expected: by `turn`, one of them computes it.
    """

    def __init__(self, subject: Any, expectations: dict[str, Expectation], turn: Lock) -> None:
        """Nothing has been asked."""
        super().__init__(subject, expectations)
        self.turn = turn
        self.asked: dict[str, Case | Attempt] = {}
        self.clause = ""
        self.clauses = defaultdict[str, set[str]](set)

    def keep(self, question: Case | Attempt) -> None:
        """Keep a question, and the clause that asks it."""
        self.asked.setdefault(question.id, question)
        if self.clause:
            self.clauses[question.id].add(self.clause)

    def answer(self, case: Case, *, again: bool = False) -> Observation:
        """Answer a Case, and keep it."""
        self.keep(case)
        return super().answer(case, again=again)

    def expected(self, case: Case, observation: Observation | None = None) -> Expectation:
        """What the spec says, computed by the first that wants it."""
        with self.turn:
            return super().expected(case, observation)

    def attempt(self, attempt: Attempt) -> Observation:
        """Make an Attempt, and keep it."""
        self.keep(attempt)
        return super().attempt(attempt)


class Suite:
    """The suite's questions and checks, asked of one release or of several side by side.

    What the spec expects of a case is the same whoever is asked: it is computed once, for all of them.
    """

    def __init__(self) -> None:
        """Nothing is collected before the first release is asked."""
        self.planned: list[Planned] = []
        self.expectations: dict[str, Expectation] = {}
        self.turn = Lock()

    def checks(self) -> list[Planned]:
        """The checks, collected once."""
        with self.turn:
            self.planned = self.planned or collect()
        return self.planned

    def ask(self, header: Header, python: str, part: Part | None = None) -> Recording:
        """A recording without experiments; RecordingError if there is none."""
        with np.errstate(all="ignore"):
            worker = started(python, header.version)
            try:
                session = Asking(worker, self.expectations, self.turn)
                standings = judge(told(self.checks(), part), session)
                session.clause = ""
                for recipe in product.standard():
                    session.asked.setdefault(str(recipe), recipe.case())
                found = dict(sorted(session.asked.items()))
                cases = {
                    id: arrays(session, q)
                    for id, q in found.items()
                    if isinstance(q, Case) and (q.deeds or q.route or "~" not in id)
                } | {id: arrays(session, case) for id, case in generic.cases().items()}
                attempts = {id: fact(session.attempt(q)) for id, q in found.items() if isinstance(q, Attempt)}
            finally:
                worker.close()
        lost = [a.error for a in cases.values() if a.error and a.error.phase == "worker"]
        if lost and len(lost) == sum(a.absent is None for a in cases.values()):
            raise RecordingError(f"the torch of {python} answers no case: {lost[0].message}")
        questions = {
            id: Question(tuple(sorted(session.clauses[id])), str(q) if isinstance(q, Attempt) else "")
            for id, q in found.items()
            if id in cases or id in attempts
        }
        return Recording(header, {}, attempts, cases, questions, standings)


def record(
    python: str,
    header: Header,
    tell: Callable[[str], None] = print,
    suite: Suite | None = None,
    part: Part | None = None,
    growing: dict[str, Fact] | None = None,
    program: Program | None = None,
) -> Recording:
    """What the torch of a Python, which `header` describes, does; RecordingError where it cannot be asked.

    `tell` is given a line at the beginning, `part` each step; releases that are recorded side by side share
    a `suite`. `growing` gets each experiment's fact as it comes. `program` is one that runs in this Python.
    """
    tell(
        f"{header.version}, Python {header.python}: the suite, and {len(experiments.EXPERIMENTS)} experiments"
    )
    suite = suite or Suite()
    with beside(2) as pool:
        asked = pool.submit(suite.ask, header, python, part)
        pool.submit(suite.checks)  # while torch is imported
        found = dict(sorted(experiment(program or python, part=part, growing=growing)))
        return msgspec.structs.replace(asked.result(), experiments=found).whole()


def part(python: str, header: Header, wanted: Callable[[str], bool]) -> Recording:
    """A recording of those experiments and generic cases whose ids are wanted, to be added to a whole."""
    facts = dict(sorted(experiment(python, filter(wanted, experiments.EXPERIMENTS))))
    asked = {id: case for id, case in generic.cases().items() if wanted(id)}
    worker = started(python, header.version)
    try:
        session = Session(worker)
        return Recording(header, facts, cases={id: arrays(session, case) for id, case in asked.items()})
    finally:
        worker.close()


def described(program: Program, subject: str, command: str) -> tuple[Header, str]:
    """Which release it is, by its own word, and what tells this build of it from another at its place."""
    try:
        said = program.hello
    except Refusal as e:
        raise RecordingError(f"the torch of {program.python} says no hello: {e}") from e
    told = said.version, said.python, said.numpy, said.platform, said.processor
    return Header(subject, *told, command=command, packages=said.packages), said.build


def describe(python: str, subject: str, command: str) -> Header:
    """Which release it is, by its own word."""
    with closing(Program(python)) as program:
        return described(program, subject, command)[0]


def experiment(
    python: str | Program,
    ids: Iterable[str] = tuple(experiments.EXPERIMENTS),
    part: Part | None = None,
    growing: dict[str, Fact] | None = None,
) -> list[tuple[str, Fact]]:
    """The facts of these experiments, asked of a Program, or of one that is started in this Python.

    First those that need no more than torch, then the heavy ones, together as long as none leaves a trace; at
    last those of routes, each alone, for what is compiled does.
    """
    ids, kept = list(ids), {} if growing is None else growing
    if part:
        part.expect(len(ids))
    table = experiments.EXPERIMENTS
    light = [id for id in ids if not table[id].heavy]
    heavy = [id for id in ids if table[id].heavy and not table[id].alone]
    alone = [id for id in ids if table[id].alone]
    with nullcontext(python) if isinstance(python, Program) else closing(Program(python)) as program:
        for some, count in ((light, TOGETHER), (heavy, TOGETHER), (alone, 1)):
            left = some
            while left:
                found = program.facts(left[:count])
                kept.update(zip(left, found, strict=False))
                left = left[len(found) :]
                if part:
                    part.step(len(found))
    return [(id, kept[id]) for id in light + heavy + alone]


def started(python: str, version: str) -> TorchWorker:
    """The worker in this Python; RecordingError where it does not start, or has another torch."""
    try:
        worker = TorchWorker(python)
    except SubjectError as e:
        raise RecordingError(str(e)) from e
    if not (met := worker.version()).startswith(version):
        worker.close()
        raise RecordingError(f"the suite met {met}, and the experiments {version}, in {python}")
    return worker


def told(planned: list[Planned], part: Part | None) -> Iterator[Planned]:
    """The checks, each a step."""
    if part:
        part.expect(len(planned))
    for check in planned:
        yield check
        if part:
            part.step()


def judge(planned: Iterable[Planned], session: Asking) -> dict[str, Standing]:
    """By clause, what became of its checks."""
    passed, failed = Counter[str](), defaultdict[str, list[str]](list)
    unjudged = defaultdict[str, dict[str, list[str]]](dict)
    for check in planned:
        session.clause = check.clause
        outcome = check.outcome(session)
        if outcome.word == "broken":
            what = f"{type(outcome.error).__name__}: {outcome.error}"
            raise RecordingError(f"the check {check.id} broke: {what}")
        if outcome.word == "failed":
            failed[check.clause].append(check.id)
        elif outcome.word == "passed":
            passed[check.clause] += 1
        else:
            unjudged[check.clause].setdefault(str(outcome.error), []).append(check.id)
    return {
        id: Standing(
            passed[id],
            tuple(sorted(failed[id])),
            {why: tuple(sorted(ids)) for why, ids in sorted(unjudged[id].items())},
        )
        for id in sorted({*passed, *failed, *unjudged})
    }


def fact(observation: Observation) -> Fact:
    """What came of an Attempt: what the layer shows, or the refusal and what it left behind."""
    if observation.unsupported:
        return Fact(absent=observation.unsupported)
    error, shows = observation.error, None
    if observation.attempted is not None:
        shows = cleaned({k: v for k, v in wire.plain(observation.attempted).items() if v not in ({}, [], "")})
    raised = error and Raised(error.type, experiments.clean(error.message), error.phase)  # type: ignore[no-untyped-call]
    warned = tuple(
        Warned(kinds[0] if kinds else "Warning", experiments.clean(text))  # type: ignore[no-untyped-call]
        for kinds, text in zip_longest(observation.categories, observation.warnings, fillvalue=())
    )
    return Fact(shows, raised or None, warnings=warned)


def cleaned(x: Any) -> Any:
    """Plain data, every text of it as it is on every machine."""
    if isinstance(x, str):
        return experiments.clean(x)  # type: ignore[no-untyped-call]
    if isinstance(x, dict):
        return {key: cleaned(value) for key, value in x.items()}
    return [cleaned(value) for value in x] if isinstance(x, list) else x


def arrays(session: Session, case: Case) -> Arrays:
    """What came of a case: each array's bits, and its headroom where the spec bounds it."""
    try:
        case = session.claimed(case)
        observation = session.answer(case)
    except NotClaimed as e:
        return Arrays(absent=str(e))
    if observation.unsupported:
        return Arrays(absent=observation.unsupported)
    if (error := observation.error) is not None:
        message = experiments.clean(error.message)  # type: ignore[no-untyped-call]
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
