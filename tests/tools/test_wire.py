"""`rnn_spec.far.wire`: every record goes through a line of JSON and comes back as it was."""

from __future__ import annotations

import copy
import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_spec.far import wire
from rnn_spec.judge.compare import same
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe, standard
from rnn_spec.questions.records import Call, Case, Error, Observation
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.torch import worker as torch_worker

NAMES = ("seq", "output", "h_n", "gradients", "dtypes", "error", "shape", "data", "input", "warnings", "drew")
CASE = Recipe.parse("small-L2-tanh-bi-float32").case()


def sent(message: Any) -> Any:
    """The message as the far end reads it."""
    return wire.decode(wire.encode(message), type(message))


@pytest.mark.parametrize("recipe", standard(), ids=str)
def test_case_and_answer_arrive_as_they_were_sent(recipe: Recipe) -> None:
    """No number changes, and nothing is lost."""
    case = recipe.case()
    answer = SpecSubject().run(case)

    arrived = sent(wire.RunRequest(7, case)).case
    answered = sent(wire.Answer(seq=7, **vars(answer))).observation()

    for name, value in vars(case).items():
        if name not in ("cotangents", "parameters"):
            assert same(getattr(arrived, name), value), name
    assert same(dict(arrived.parameters), dict(case.parameters))
    assert same(vars(arrived.cotangents), vars(case.cotangents))
    assert same(answered.arrays(), answer.arrays())
    assert (answered.dtypes, answered.drew) == (answer.dtypes, answer.drew)


def test_numbers_that_json_has_not_are_strings() -> None:
    """NaN and the infinities arrive, and so do the sign of zero and the smallest number."""
    odd = np.array([math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1])

    line = wire.encode(wire.Answer(seq=1, output=odd))

    assert json.loads(line)["output"]["data"][:3] == ["NaN", "Infinity", "-Infinity"]
    arrived = wire.decode(line, wire.Answer).output
    assert arrived is not None
    assert arrived.tobytes() == odd.tobytes()


def test_long_arrays_travel_as_base64_to_who_reads_it() -> None:
    """The same numbers, and every NaN the one that "NaN" is; short arrays are decimals."""
    odd = np.array([math.nan, -math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1] * 10).reshape(7, 10)
    case = replace(CASE, input=odd, h_0=np.zeros(wire.LONG - 1))

    line = wire.encode(wire.RunRequest(1, case), base64=True)
    far = torch_worker.read(json.loads(line)["case"])  # type: ignore[no-untyped-call]
    back = json.dumps({"seq": 1, "output": torch_worker.written(far["input"])}).encode()  # type: ignore[no-untyped-call]
    plainly = wire.decode(wire.encode(wire.Answer(seq=1, output=odd)), wire.Answer).output

    assert set(json.loads(line)["case"]["input"]) == {"shape", "base64"}
    assert set(json.loads(line)["case"]["h_0"]) == {"shape", "data"}
    assert same(wire.decode(line, wire.RunRequest).case.input, plainly)
    assert same(wire.decode(back, wire.Answer).output, plainly)
    definitions = wire.schema()["$defs"]
    jsonschema.validate(json.loads(back), {"$ref": "#/$defs/Answer", "$defs": definitions})


def test_the_worker_in_torch_answers_the_same_in_decimals() -> None:
    """Whoever sends it decimals is answered with the same numbers."""
    case = Recipe.parse("wide-L1-tanh-float32").case()
    lines = [wire.encode(wire.RunRequest(1, case), base64=base64) for base64 in (False, True)]
    out = io.StringIO()

    torch_worker.serve([line.decode() for line in lines], out)  # type: ignore[no-untyped-call]

    one, other = (wire.decode(line.encode(), wire.Answer) for line in out.getvalue().splitlines())
    assert len(lines[1]) < len(lines[0])
    assert same(one.arrays(), other.arrays())


def test_empty_array_keeps_its_shape() -> None:
    """A batch of none is (5, 0, 3)."""
    arrived = sent(wire.RunRequest(1, replace(CASE, input=np.zeros((5, 0, 3)))))

    assert arrived.case.input.shape == (5, 0, 3)


def test_earlier_calls_arrive() -> None:
    """The calls before the one that is asked about are part of the case."""
    arrived = sent(wire.RunRequest(1, replace(CASE, earlier=(Call(CASE.input, None, training=True),))))

    assert same(arrived.case.earlier[0].input, CASE.input)
    assert arrived.case.earlier[0].training


def test_messages_are_valid_by_the_schema() -> None:
    """What is sent in either direction is what the schema says."""
    schema = wire.schema()
    answer = wire.Answer(seq=1, **vars(SpecSubject().run(CASE)))
    hello = wire.Hello("x", "1", "C", ["cell"], ["float32"])
    refused = wire.Answer(seq=2, error=Error("forward", "ValueError", "no"))
    messages = (
        wire.HelloRequest(), wire.RunRequest(1, CASE), wire.ByeRequest(), hello, answer, refused,
        wire.Answer(seq=3, unsupported="no relu"),
    )  # fmt: skip

    for message in messages:
        part = {"$ref": f"#/$defs/{type(message).__name__}", "$defs": schema["$defs"]}
        jsonschema.validate(json.loads(wire.encode(message)), part)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": 1, "output": [1.0]},
        {"seq": 1, "output": {"shape": [-1], "data": []}},
        {"seq": 1, "output": {"shape": [1], "data": ["one"]}},
        {"seq": 1, "output": {"shape": [1], "base64": 1}},
        {"seq": 1, "output": {"shape": [1], "base64": "AAAAAAAA8D8=", "data": [1.0]}},
        {"seq": "1"},
        {"output": {"shape": [1], "data": [1]}},
    ],
)
def test_schema_and_reader_refuse_the_same(wrong: Any) -> None:
    """An answer that is not as it must be is refused by both."""
    schema = wire.schema()

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, {"$ref": "#/$defs/Answer", "$defs": schema["$defs"]})
    with pytest.raises(wire.WireError):
        wire.decode(json.dumps(wrong).encode(), wire.Answer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("?", "base64 is no base64"),
        ("AAAA", r"shape \(1,\) needs 8 bytes, base64 has 3"),
        (1, "is no base64"),
    ],
)
def test_base64_that_is_not_the_array_is_refused(text: object, said: str) -> None:
    """In a sentence that says what is wrong with it."""
    with pytest.raises(wire.WireError, match=said):
        wire.decode(json.dumps({"seq": 1, "output": {"shape": [1], "base64": text}}).encode(), wire.Answer)


def test_exception_of_a_subject_is_its_answer() -> None:
    """A worker goes on after a case that raises."""

    def run(_: Case) -> Observation:
        raise ValueError("no such nonlinearity")

    out = io.BytesIO()
    hello = wire.Hello("x", "1", "Python", ["cell"], ["float32"])
    requests = [wire.HelloRequest(), wire.RunRequest(4, CASE), wire.ByeRequest()]

    wire.serve(hello, run, [wire.encode(request) for request in requests], out)

    greeting, answer = out.getvalue().splitlines()
    assert wire.decode(greeting, wire.Hello) == hello
    assert wire.decode(answer, wire.Answer).error == Error("forward", "ValueError", "no such nonlinearity")


def test_what_a_call_wrote_into_its_arguments_is_told() -> None:
    """A subject that is served answers with the arrays that it has changed, and with no other."""

    def run(case: Case) -> Observation:
        case.input[0] += 1
        return replace(SpecSubject().run(case), after=None)

    case = copy.deepcopy(CASE)

    after = wire.answered(wire.RunRequest(1, case), run).after

    assert after is not None
    assert list(after) == ["input"]
    assert (after["input"][0] == CASE.input[0] + 1).all()


@pytest.mark.parametrize(
    "id", ["small-L2-tanh-bi-p0.5-train-float32", "square-L2-relu-bi-batch_first-float16"]
)
def test_torch_answers_over_the_wire_as_in_process(id: str) -> None:
    """The worker program in another Python gives the same numbers, facts and warnings, bit for bit."""
    case = Recipe.parse(id).case()

    there, here = (Session(load(name)).answer(case) for name in (f"torch@{sys.executable}", "torch"))

    assert same(there.arrays(), here.arrays())
    for name in ("dtypes", "aliases", "drew", "error", "warnings"):
        assert getattr(there, name) == getattr(here, name)
    assert there.after
    assert same(dict(there.after), dict(here.after or {}))


def test_torch_worker_sends_back_only_what_was_changed() -> None:
    """Of input, h_0 and parameters after the call those that hold other bits, the sign of zero included."""
    pytest.importorskip("torch")
    from rnn_spec.torch import worker as torch_worker

    case = {"input": np.zeros(2), "h_0": np.ones(1), "parameters": {"w": np.array([np.nan])}}
    after = {"input": -np.zeros(2, "f4"), "h_0": np.ones(1, "f4"), "w": np.array([np.nan], "f4")}

    changed: Any = torch_worker.changed

    assert list(changed(after, case)) == ["input"]


def test_torch_worker_keeps_prints_out_of_its_answers() -> None:
    """What a library prints goes to stderr."""
    program = Path(torch_worker.__file__)
    beside = f"import sys; sys.path.insert(0, {str(program.parent)!r})"  # as for any program
    code = f"{beside}; import runpy; print('hi'); runpy.run_path({str(program)!r}, run_name='__main__')"
    ran = subprocess.run(
        [sys.executable, "-c", code], input=b'{"op": "hello"}\n', capture_output=True, check=True
    )

    assert ran.stdout.startswith(b"hi\n{")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("NaN")
KEYS = st.sampled_from(NAMES) | st.text(max_size=4)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
def test_no_json_does_anything_but_be_read_or_refused(value: Any) -> None:
    """Whatever a worker says, it is an answer or a WireError."""
    try:
        answer = wire.decode(json.dumps(value).encode(), wire.Answer)
    except wire.WireError:
        return

    assert isinstance(answer.seq, int)


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_but_be_refused(line: bytes) -> None:
    """Rubbish is quoted, and not believed."""
    with pytest.raises(wire.WireError):
        wire.decode(line, wire.Answer)
