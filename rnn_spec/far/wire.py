"""The protocol spoken with a subject in another process: JSON, a line each way, over stdin and stdout.

    -> {"op": "hello", "protocol": 1}
    <- {"name": "my-rnn", "version": "1.2", "language": "C++", "levels": ["cell"], "dtypes": ["float32"]}
    -> {"op": "run", "seq": 1, "case": {...}}
    <- {"seq": 1, "output": {"shape": [5, 2, 4], "data": [...]}, "h_n": {...}}
    -> {"op": "attempt", "seq": 2, "attempt": {...}}
    <- {"seq": 2, "error": {"phase": "construct", "type": "ValueError", "message": "..."}}
    -> {"op": "bye"}

A case is the record `Case`, an attempt the record `Attempt` (asked of those whose ``contract`` has it), and
an answer the record `Observation` with the ``seq`` it answers: what these say of shapes and of what may be
left out holds here. The values of an attempt are as `rnn_spec.questions.plain` says. An array is its shape
and its numbers in row-major order; a number that JSON has not is a string: "NaN", "Infinity", "-Infinity".
A worker may answer long arrays as the base64 of their little-endian float64, and is sent them so if its hello
says ``base64``: decimals of long and wide cases take most of a run.
The schema is generated from the records (`schema`), and what comes in is validated against the same.
"""

from __future__ import annotations

import math
from base64 import b64decode
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np

from rnn_spec.questions.blame import error_of, not_an_observation
from rnn_spec.questions.claims import CHOICES
from rnn_spec.questions.plain import packed, unpack, value_schema
from rnn_spec.questions.records import DTYPES, LEVELS, Attempt, Case, Observation, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

PROTOCOL = 1
LONG = 64
"""From how many numbers on an array goes as base64 to who reads it."""
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
Level = Literal[LEVELS]  # type: ignore[valid-type]
Dtype = Literal[DTYPES]  # type: ignore[valid-type]
Nonlinearity = Literal[CHOICES["nonlinearities"]]  # type: ignore[valid-type, name-defined]
State = Literal[CHOICES["h_0"]]  # type: ignore[valid-type, name-defined]
Gradient = Literal[CHOICES["gradients"]]  # type: ignore[valid-type, name-defined]
Cotangent = Literal[CHOICES["cotangents"]]  # type: ignore[valid-type, name-defined]
Told = Literal[CHOICES["tells"]]  # type: ignore[valid-type, name-defined]
Contract = Literal[CHOICES["contract"]]  # type: ignore[valid-type, name-defined]
T = TypeVar("T")


class WireError(ValueError):
    """A message that is not as the protocol says; one sentence that says what and where."""


@dataclass(frozen=True)
class HelloRequest:
    """Who are you? The first line that a worker reads."""

    op: Literal["hello"] = "hello"
    protocol: Literal[1] = 1


@dataclass(frozen=True, eq=False)
class RunRequest:
    """Answer this case, and give `seq` back."""

    seq: int
    case: Case
    op: Literal["run"] = "run"


@dataclass(frozen=True, eq=False)
class AttemptRequest:
    """Make this attempt, and give `seq` back."""

    seq: int
    attempt: Attempt
    op: Literal["attempt"] = "attempt"


@dataclass(frozen=True)
class ByeRequest:
    """There is nothing more to do: exit."""

    op: Literal["bye"] = "bye"


@dataclass(frozen=True)
class Hello:
    """What a worker says of itself: what is under test, and what it claims.

    `declares` says what a user of its results should know, by the keys of `Subject.declares`. Of the fields
    after it, those that are left out are as `Subject` has them: everything is claimed, but of `contract`
    nothing. `facts` are what it runs on and with: build, device, threads, precision settings. `base64` says
    that it reads long arrays as base64.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: str
    language: str
    levels: list[Level]
    dtypes: Annotated[list[Dtype], msgspec.Meta(min_length=1)]
    homepage: str = ""
    declares: dict[str, str] = field(default_factory=dict)
    nonlinearities: list[Nonlinearity] | None = None
    bias: list[bool] | None = None
    h_0: list[State] | None = None
    gradients: list[Gradient] | None = None
    cotangents: list[Cotangent] | None = None
    tells: list[Told] | None = None
    contract: list[Contract] | None = None
    limits: list[str] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    base64: bool = False

    def __str__(self) -> str:
        """Name, version and language, for reports."""
        return " ".join(filter(None, (self.name, self.version, f"({self.language})")))


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer(Observation):
    """An Observation, and which request it answers."""

    seq: int

    def observation(self) -> Observation:
        """The record that the judge knows."""
        return Observation(**{f.name: getattr(self, f.name) for f in fields(Observation)})


def encode(message: Any, *, base64: bool = False) -> bytes:
    """The message as one line of JSON, without its newline; long arrays as base64 where that is read."""
    return msgspec.json.encode(plain(message), enc_hook=_briefly if base64 else _array)


def decode(line: bytes, of: type[T]) -> T:
    """The message of this type that a line holds; WireError where it holds none."""
    try:
        read = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        hint = '; JSON has no NaN or Infinity, write "NaN", "Infinity"' if _bare(line) else ""
        raise WireError(f"not JSON ({_one_line(e)}{hint}): {excerpt(line)}") from e
    if isinstance(read, dict) and is_dataclass(of):
        known = {f.name for f in fields(of)}
        if unknown := [key for key in read if key not in known]:
            raise WireError(f"unknown field {unknown[0]!r}: {of.__name__} has {', '.join(sorted(known))}")
    try:
        message = msgspec.convert(read, of, dec_hook=_read)
    except (msgspec.ValidationError, OverflowError) as e:
        raise WireError(_one_line(e)) from e
    return replace(message, case=message.case.own()) if isinstance(message, RunRequest) else message


def schema() -> dict[str, Any]:
    """The JSON Schema of every message, by what it is called here."""
    requests = (HelloRequest, RunRequest, AttemptRequest, ByeRequest)
    refs, definitions = msgspec.json.schema_components(
        (*requests, Hello, Answer), schema_hook=_own_schema, ref_template="#/$defs/{name}"
    )
    definitions["Value"] = value_schema()
    for request in requests:
        definitions[request.__name__]["required"].append("op")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"rnn-spec wire protocol {PROTOCOL}",
        "oneOf": list(refs),
        "$defs": definitions,
    }


def serve(
    hello: Hello,
    run: Callable[[Case], Observation],
    lines: Iterable[bytes],
    out: IO[bytes],
    attempt: Callable[[Attempt], Observation] | None = None,
) -> None:
    """Be a worker: answer the requests of `lines` on `out` until ``bye`` or the end."""
    for line in lines:
        if not line.strip():
            continue
        op = msgspec.json.decode(line).get("op")
        if op == "bye":
            return
        answer: Hello | Answer = hello
        if op == "attempt" and attempt is not None:
            answer = attempted(decode(line, AttemptRequest), attempt)
        elif op != "hello":
            answer = answered(decode(line, RunRequest), run)
        out.write(encode(answer) + b"\n")
        out.flush()


def answered(request: RunRequest, run: Callable[[Case], Observation]) -> Answer:
    """The answer to a request, with what the call wrote into its arguments; an exception is one, too."""
    given = request.case.given
    before = {name: array.tobytes() for name, array in given.items()}
    observation = _caught(run, request.case)
    if observation.after is None and observation.output is not None:
        written = {name: array for name, array in given.items() if array.tobytes() != before[name]}
        observation = replace(observation, after=written)
    return Answer(seq=request.seq, **vars(observation))


def attempted(request: AttemptRequest, attempt: Callable[[Attempt], Observation]) -> Answer:
    """The answer to the request of an attempt; an exception is one, too."""
    return Answer(seq=request.seq, **vars(_caught(attempt, request.attempt)))


def _caught(ask: Callable[[Any], Observation], question: Case | Attempt) -> Observation:
    """What the subject answers, or has raised."""
    try:
        observation = ask(question)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # SystemExit, too
        return Observation(error=error_of(e, ask))
    if not isinstance(observation, Observation):
        return Observation(error=not_an_observation(observation))
    return observation


def plain(x: Any) -> Any:
    """Dataclasses as dicts, without what is left at its default of None or of no text."""
    if isinstance(x, Attempt):
        return packed(x)
    if is_dataclass(x) and not isinstance(x, type):
        held = ((f, getattr(x, f.name)) for f in fields(x))
        return {
            f.name: plain(v)
            for f, v in held
            if v is not None and not (isinstance(v, str) and v == f.default == "")
        }
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    return [plain(value) for value in x] if isinstance(x, (list, tuple)) else x


def _array(x: Any) -> Any:
    """An array as its shape and numbers."""
    if not isinstance(x, np.ndarray | np.generic):
        x = np.asarray(x)
    numbers = x.astype(np.float64).ravel() if x.dtype.kind == "f" else x.ravel()
    data = numbers.tolist()
    if x.dtype.kind == "f" and not np.isfinite(numbers).all():
        names = {math.inf: "Infinity", -math.inf: "-Infinity"}
        data = [n if math.isfinite(n) else names.get(n, "NaN") for n in data]
    return {"shape": list(x.shape), "data": data}


def _briefly(x: Any) -> Any:
    """An array, a long one as the base64 of its numbers."""
    if np.size(x) < LONG:
        return _array(x)
    return {"shape": list(np.shape(x)), "base64": np.asarray(x, "<f8").tobytes()}  # which is base64 in JSON


def _read(of: type, x: Any) -> Any:
    """An array or a plain value that came in; ValueError says what is wrong with it."""
    if of not in (np.ndarray, Value):
        raise NotImplementedError(of)
    return array(x) if of is np.ndarray else unpack(x)


def array(x: Any) -> np.ndarray:
    """The array that its shape and numbers are of; ValueError says what is wrong with them."""
    if not isinstance(x, dict) or set(x) not in ({"shape", "data"}, {"shape", "base64"}):
        raise ValueError('an array is {"shape": [...], "data": [...]}')
    shape = x["shape"]
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"shape is a list of integers of 0 or more, not {excerpt(repr(shape).encode())}")
    return _of_base64(shape, x["base64"]) if "base64" in x else _of_numbers(shape, x["data"])


def _of_base64(shape: list[int], text: Any) -> np.ndarray:
    """The array of these bytes; every NaN is the one that "NaN" is."""
    try:
        held = b64decode(text, validate=True)
    except (TypeError, ValueError) as e:
        raise ValueError(f"base64 is no base64: {_one_line(e)}") from e
    if len(held) != 8 * math.prod(shape):
        raise ValueError(f"shape {tuple(shape)} needs {8 * math.prod(shape)} bytes, base64 has {len(held)}")
    found = np.frombuffer(held, "<f8").astype(np.float64).reshape(shape)
    found[np.isnan(found)] = math.nan
    return found


def _of_numbers(shape: list[int], data: Any) -> np.ndarray:
    """The array of these numbers."""
    if not isinstance(data, list):
        raise ValueError("data is a flat list of numbers in row-major order")
    if len(data) != math.prod(shape):
        raise ValueError(f"shape {tuple(shape)} needs {math.prod(shape)} numbers, data has {len(data)}")
    if not set(map(type, data)) <= {int, float}:
        data = [n if type(n) in (int, float) else _number(i, n) for i, n in enumerate(data)]
    return np.array(data, np.float64).reshape(shape)


def _number(index: int, x: Any) -> float:
    if isinstance(x, str) and x in SPECIAL:
        return SPECIAL[x]
    hint = ': write "NaN"' if x is None else ""
    raise ValueError(f"data[{index}] is {excerpt(repr(x).encode())}, not a number{hint}")


def _own_schema(of: type) -> dict[str, Any]:
    if of is Value:
        return {"$ref": "#/$defs/Value"}
    if of is not np.ndarray:
        raise NotImplementedError(of)
    number = {"anyOf": [{"type": "number"}, {"enum": list(SPECIAL)}]}
    sizes = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    return {
        "type": "object",
        "title": "Array",
        "description": "Numbers in row-major order; base64 is of little-endian float64.",
        "properties": {
            "shape": sizes,
            "data": {"type": "array", "items": number},
            "base64": {
                "type": "string",
                "contentEncoding": "base64",
                "description": "Of float64, little-endian.",
            },
        },
        "oneOf": [{"required": ["shape", "data"]}, {"required": ["shape", "base64"]}],
        "additionalProperties": False,
    }


def _bare(line: bytes) -> bool:
    return any(word in line for word in (b"NaN", b"Infinity", b"nan", b"inf"))


def _one_line(e: Exception) -> str:
    return " ".join(str(e).split())


def excerpt(line: bytes, size: int = 80) -> str:
    """The beginning of a line, to be quoted."""
    text = line[:size].decode("utf-8", "replace")
    return repr(text) + ("..." if len(line) > size else "")
