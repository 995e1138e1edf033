"""Attempts: plain values as JSON, what comes of an attempt, over the wire as in process."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_spec.far import wire
from rnn_spec.far.process import TorchWorker
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import Session, Unsupported
from rnn_spec.questions.attempts import NEGATIVES, constructing, ones
from rnn_spec.questions.claims import MODULE
from rnn_spec.questions.plain import EXACT, NUMPY, pack, packed, unpack
from rnn_spec.questions.records import TOKENS, Attempt, Attempted, Error, Observation, Torch
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import Subject
from rnn_spec.subjects.registry import load
from rnn_spec.suite import collect
from rnn_spec.torch import attempted
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

made: Any = attempted.made

NUMBERS = st.integers() | st.floats() | st.complex_numbers()
SCALARS = st.sampled_from([np.dtype(name) for name in NUMPY]).flatmap(
    lambda dtype: st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize).map(
        lambda bits: np.frombuffer(bits if dtype.kind != "b" else bytes([bits[0] % 2]), dtype)[0]
    )
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.binary(max_size=5) | SCALARS
ARRAYS = st.lists(st.floats(width=32), max_size=6).flatmap(
    lambda x: st.sampled_from([np.array(x, "float32"), np.array([x, x]), np.zeros((0, 3), bool)])
)
VALUES = st.recursive(
    LEAVES | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)
TORCH = st.builds(Torch, st.sampled_from(TOKENS), st.lists(VALUES, max_size=3).map(tuple))


def shown(x: Any) -> Any:
    """A value in such words that two values have the same only if they are alike in every bit and type."""
    if isinstance(x, list | tuple):
        return type(x).__name__, [shown(v) for v in x]
    if isinstance(x, Torch):
        return "torch", x.name, shown(x.arguments), x.dtype
    if isinstance(x, np.ndarray | np.generic):
        still_nan = np.where(np.isnan(x), 0, x) if x.dtype.kind == "f" else x
        nan = np.isnan(np.asarray(x, float)).tobytes()  # of which only that it is one is told
        return type(x).__name__, x.dtype, x.shape, still_nan.tobytes(), nan
    return type(x).__name__, repr(x)


@given(st.lists(VALUES | TORCH, max_size=3).map(tuple), st.dictionaries(st.text(max_size=5), VALUES | TORCH))
def test_an_attempt_arrives_exactly(positional: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Every plain value survives the wire with its type and all of its bits, and keywords their order."""
    attempt = Attempt("x", positional, keywords, call=positional, twin=Attempt("y", seed=3))

    line = wire.encode(wire.AttemptRequest(7, attempt))

    arrived = wire.decode(line, wire.AttemptRequest).attempt
    assert shown(arrived.positional) == shown(positional)
    assert [(k, shown(v)) for k, v in arrived.keywords.items()] == [
        (k, shown(v)) for k, v in keywords.items()
    ]
    assert shown(arrived.call) == shown(positional)
    assert arrived.twin is not None
    assert (arrived.id, arrived.twin.id, arrived.twin.seed) == ("x", "y", 3)


@given(VALUES)
def test_torch_makes_the_values_that_were_packed(value: Any) -> None:
    """What runs beside an old torch reads the same values, from what any JSON library hands on."""
    assert shown(made(json.loads(json.dumps(pack(value))))) == shown(value)


@settings(deadline=None, max_examples=25)
@given(VALUES | TORCH)
def test_every_value_is_valid_by_the_schema(value: Any) -> None:
    """The schema of the wire admits what is sent."""
    attempt = packed(Attempt("x", (value,)))

    REQUEST.validate({"op": "attempt", "seq": 1, "attempt": attempt})


REQUEST = jsonschema.Draft202012Validator({"$ref": "#/$defs/AttemptRequest", "$defs": wire.schema()["$defs"]})
BAD = [
    ({"list": [1]}, "is no plain value"),
    ({"float": "1"}, None),
    ({"float": "one"}, "is no float"),
    ({"float": 1.5}, "is no float"),
    ({"int": "2.0"}, "is no integer"),
    (2**70, "is no plain value"),
    (0.5, "is no plain value"),
    ({"bytes": "0"}, "pairs of hexadecimal digits"),
    ({"tuple": {}}, "is no list"),
    ({"complex": ["1.0"]}, "two parts"),
    ({"array": {"dtype": "object", "shape": [], "data": [1]}}, "dtype is 'object'"),
    ({"array": {"dtype": "int8", "shape": [2], "data": [1]}}, "does not fit"),
    ({"array": {"dtype": "int8", "shape": [1], "data": [{"float": "1.0"}]}}, "holds 1.0"),
    ({"torch": {"name": "load", "arguments": ["model.pt"]}}, "torch makes no 'load'"),
    ({"torch": {"name": "ones", "arguments": [], "dtype": "object"}}, "dtype is 'object'"),
    ({"float": "1.0", "int": "1"}, "is no plain value"),
]


@pytest.mark.parametrize(("value", "says"), BAD, ids=[json.dumps(value) for value, _ in BAD])
def test_what_is_no_value_is_refused_in_a_sentence(value: Any, says: str | None) -> None:
    """An attempt that the schema does not admit is refused, with what is wrong and where."""
    attempt = {"id": "x", "keywords": {"bias": value}}
    line = json.dumps({"op": "attempt", "seq": 1, "attempt": attempt}).encode()

    if says is None:
        assert wire.decode(line, wire.AttemptRequest).attempt.keywords["bias"] == 1
        return
    with pytest.raises(wire.WireError, match=says) as refused:
        wire.decode(line, wire.AttemptRequest)
    assert "$.attempt.keywords" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [np.int64(3), np.uint8(3), np.float64(0.5), np.bool_(True)])
def test_a_number_of_numpy_is_told_as_a_number_of_its_type(value: Any) -> None:
    """Whatever this NumPy shows of it: releases that are compared have others."""
    told = attempted.attribute(value)  # type: ignore[no-untyped-call]

    assert told == {"type": type(value).__name__, "value": value.item()}
    assert type(told["value"]) in (int, float, bool)


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array(["a"]), np.longdouble(1), {1}])
def test_what_cannot_be_packed_is_an_error(value: Any) -> None:
    """A test that puts something else into an attempt is told so."""
    with pytest.raises(TypeError, match="is no plain value"):
        pack(value)


def test_special_numbers_keep_sign_and_size() -> None:
    """NaN, infinities, the negative zero, the smallest number, and an integer of any length."""
    for value in (math.nan, math.inf, -math.inf, -0.0, 5e-324, 2**70, -EXACT, True, 1, 1.0):
        assert shown(unpack(pack(value))) == shown(value)


@pytest.fixture(scope="module")
def worker() -> Iterator[TorchWorker]:
    """torch in another process."""
    subject = TorchWorker(sys.executable)
    yield subject
    subject.close()


def plain(answer: Observation) -> Any:
    """An answer as it is told."""
    return json.loads(wire.encode(answer))


@pytest.mark.parametrize("id", [*list(NEGATIVES)[::23], "dropout-nan", "no_tensor-h_0-states_of_an_LSTM"])
def test_torch_answers_an_attempt_over_the_wire_as_in_process(id: str, worker: TorchWorker) -> None:
    """Error, bases, message, warnings, and what is left behind are the same."""
    attempt = NEGATIVES[id].attempt

    assert plain(worker.attempt(attempt)) == plain(TorchSubject().attempt(attempt))


def test_what_a_layer_shows_arrives(worker: TorchWorker) -> None:
    """Its repr, attributes, parameters, what it does, its warnings; and its values where they are asked."""
    attempt = constructing((3, 4), {"dropout": 0.5}, draws=3, seed=5)

    there, here = worker.attempt(attempt), TorchSubject().attempt(attempt)

    assert there.attempted == here.attempted
    assert there.attempted is not None
    assert there.attempted.does is not None
    assert there.attempted.attributes["dropout"].value == 0.5
    assert there.categories[0][0] == "UserWarning"
    assert there.after is not None
    assert here.after is not None
    assert here.after["weight_hh_l0"].shape == (3, 4, 4)
    assert (
        np.unique(here.after["weight_hh_l0"]).size == 3 * 4 * 4
    )  # as it was drawn, before it showed anything
    assert all(np.array_equal(there.after[name], value) for name, value in here.after.items())


def test_a_crash_is_an_answer(worker: TorchWorker) -> None:
    """An attempt apart runs in a process forked for it, whose death the worker survives."""
    apart: Any = attempted.apart

    killed = json.loads(apart(lambda: __import__("os").kill(__import__("os").getpid(), 9)))
    before = worker.process
    there = worker.attempt(replace(NEGATIVES["dropout-nan"].attempt, apart=True))

    assert killed["error"] == {"phase": "worker", "type": "crash", "message": "died of signal 9"}
    assert there.error is not None
    assert there.error.type == "ValueError"
    assert worker.process is before


DEADLY = """
import os, signal
import torch
from rnn_spec import TorchSubject

class Deadly(torch.nn.RNN):
    def forward(self, input, hx=None):
        if isinstance(input, tuple) and input.batch_sizes.tolist() == [9]:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().forward(input, hx)

class DeadlySubject(TorchSubject):
    module = Deadly
"""


def test_a_crash_in_this_process_is_an_answer_of_an_attempt_apart(tmp_path: Path) -> None:
    """A layer that dies of a packed batch does so in a process forked for it, here as in a worker."""
    (tmp_path / "deadly.py").write_text(DEADLY)
    asked = """
import deadly
import torch
from rnn_spec.questions.attempts import packed_rows
torch.set_num_threads(2)
torch.ones(1000, 1000) @ torch.ones(1000, 1000)
for sizes in ([9], [9, 9]):
    error = deadly.DeadlySubject().attempt(packed_rows(sizes, bidirectional=False)).error
    print(error.phase, error.type)
"""

    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.splitlines()) == (0, ["worker crash", "forward RuntimeError"])


class Answering(Subject):
    """A subject that says one thing to every attempt."""

    contract = ("attempts",)

    def __init__(self, answer: Any) -> None:
        """Keep it."""
        self.answer = answer

    def attempt(self, attempt: Attempt) -> Observation:
        """Say it, or raise it."""
        if isinstance(self.answer, BaseException):
            raise self.answer
        answer: Observation = self.answer
        return answer


@pytest.mark.parametrize(
    "answer",
    [
        Observation(),
        Observation(error=Error("worker", "crash", "died")),
        Observation(error=Error("tell", "TypeError", "no repr")),
        None,
    ],
    ids=["nothing", "crash", "not to be looked at", "None"],
)
def test_what_is_no_answer_is_a_verdict_on_the_subject(answer: Any) -> None:
    """A subject that tells nothing of an attempt, or dies of it, has failed, and has refused nothing."""
    check = Check(clauses()["ERR-05"], Session(Answering(answer)))

    with pytest.raises(Nonconformity):
        check.attempt(NEGATIVES["hidden_size-zero"].attempt)


def test_an_attempt_is_made_once() -> None:
    """Checks of one attempt share its answer, by its id."""

    class Counting(Answering):
        asked = 0

        def attempt(self, attempt: Attempt) -> Observation:
            self.asked += 1
            return Observation(attempted=Attempted())

    subject = Counting(None)
    session = Session(subject)

    for clause in ("ERR-05", "ERR-12"):
        Check(clauses()[clause], session).attempt(constructing((3, 4)))

    assert subject.asked == 1


def test_who_cannot_be_asked_is_unsupported_and_breaks_no_promise() -> None:
    """Whoever does not declare attempts is not asked any; an old worker would not know the request."""
    check = Check(clauses()["ERR-05"], Session(load("spec")))

    with pytest.raises(Unsupported, match=MODULE):
        check.attempt(constructing((3, 4)))


class Noting(Session):
    """A session that keeps each attempt that is asked in it, as it travels."""

    lines: ClassVar[dict[str, bytes]] = {}

    def attempt(self, attempt: Attempt) -> Observation:
        """Ask, unless another attempt has the id."""
        line = wire.encode(wire.AttemptRequest(1, attempt))
        assert self.lines.setdefault(attempt.id, line) == line, attempt.id
        return super().attempt(attempt)


def test_every_attempt_of_the_suite_has_an_id_of_its_own() -> None:
    """No two attempts that the suite makes have one id, and each arrives as it was sent."""
    session = Noting(TorchSubject())

    for planned in collect.collect():
        if clauses()[planned.clause].area in ("ARG", "ERR", "PAR", "INI") or "packed" in planned.test:
            assert planned.outcome(session).word != "broken"

    assert set(session.lines) > {n.attempt.id for n in NEGATIVES.values()}
    for line in session.lines.values():
        assert wire.encode(wire.decode(line, wire.AttemptRequest)) == line


DROPIN = '''
import torch
from rnn_spec.torch.eager import TorchSubject


class Layer(torch.nn.RNN):
    """Takes a num_layers of 0 for 1, and by position bias before nonlinearity."""

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, nonlinearity="tanh", *rest, **options
    ):
        super().__init__(input_size, hidden_size, num_layers or 1, nonlinearity, bias, *rest, **options)


class Wrong(TorchSubject):
    name = "wrong"
    module = Layer
'''


def test_a_wrong_class_behind_a_served_worker_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ERR and ARG clauses are asked over the wire of whatever class `rnn-spec serve` serves."""
    (tmp_path / "served_layer.py").write_text(DROPIN)
    monkeypatch.chdir(tmp_path)
    subject = load(f"worker:{sys.executable} -m rnn_spec serve served_layer:Wrong")
    session = Session(subject)
    failed = {
        planned.clause
        for planned in collect.collect()
        if planned.clause in ("ARG-01", "ARG-02", "ERR-05", "ERR-06")
        and planned.outcome(session).word == "failed"
    }

    assert failed == {"ARG-01", "ERR-05"}
    subject.close()


def test_ones_are_what_torch_makes() -> None:
    """A token is made where torch is."""
    assert made(pack(ones(2, 3))).shape == (2, 3)
    assert str(made(pack(Torch("full", ((2,), 0.5), "float64"))).dtype) == "torch.float64"
