"""The contract of module state: one law for whatever is done to a module, and by whatever route it is called.

**Forward is what the spec computes from the parameters that the module shows**, and the gradients arrive at
the tensors that the user owns: those that are shown parameters get the spec's gradient, and those that
parameters are computed from what their derivatives make of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import numpy as np

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.questions.records import DTYPES, Bound
from rnn_spec.spec.arithmetic import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.records import Call, Case, Observation


def done(case: Case, *earlier: Call | str, route: str = "", learning: bool = False) -> Case:
    """`case` after these deeds and calls, by a route; with its cotangents if it is about learning."""
    how = [e if isinstance(e, str) else "a call" for e in earlier] + ([f"by {route}"] if route else [])
    cotangents = case.cotangents if learning else None
    how += [] if learning else ["forward"]
    return case.derive(", ".join(how), earlier=earlier, route=route, cotangents=cotangents)


def shown(check: Check, case: Case, answer: Observation) -> Case:
    """The plain case of the parameters that the module showed, in their dtype."""
    after = check.told("after", answer.after)
    parameters = {name: np.asarray(after[name], np.float64) for name in case.parameters}
    for name, value in parameters.items():
        check.same_shape(name, value, case.parameters[name])
    dtype = answer.dtypes.get(next(iter(parameters)), case.dtype)
    check.holds(dtype in DTYPES, f"the parameters are of {dtype}, which is none of {', '.join(DTYPES)}")
    return replace(case, id=f"{case.id}~as shown", parameters=parameters, dtype=dtype, earlier=(), route="")


def answers(check: Check, case: Case, like: Case) -> Observation:
    """The answer to `case` is what the spec says of another one, `like`, and of its dtype."""
    answer = check.ask(case)
    expected = check.expect(like.derive("forward", cotangents=None)).arrays
    for name in ("output", "h_n"):
        check.equal(f"{name}'s dtype", answer.dtypes.get(name), like.dtype)
        check.within(name, getattr(answer, name), expected[name])
    return answer


def obeys(check: Check, case: Case) -> Observation:
    """The law, forward."""
    answer = check.ask(case)
    expected = check.session.expected(replace(shown(check, case, answer), cotangents=None)).arrays
    for name in ("output", "h_n"):
        check.within(name, getattr(answer, name), expected[name])
    return answer


def learns(check: Check, case: Case) -> Observation:
    """The law, backward, of a case that a deed was done in."""
    answer = check.ask(case)
    like = shown(check, case, answer)
    expected = check.session.expected(like).arrays
    for name in ("input", "h_0"):
        if f"freeze {name}" in case.deeds:
            check.holds(name not in answer.gradients, f"{name} is frozen and got a gradient")
        elif f"grad {name}" in expected:
            arrived(check, name, answer, expected[f"grad {name}"])
    for name, leaf in fact(answer, "leaves").items():
        if not leaf["learns"]:
            check.holds(name not in answer.gradients, f"{name} is frozen and got a gradient")
        elif leaf["is"]:
            arrived(check, name, answer, total([known(expected, own) for own in leaf["is"]], like.dtype))
        else:
            derivatives = fact(answer, "derivatives")
            check.holds(name in derivatives, f"the answer does not tell the derivatives by {name}")
            arrived(check, name, answer, pulled(derivatives[name], expected, like.dtype))
    return answer


def known(expected: Mapping[str, Bound], name: str) -> Bound:
    """The expected gradient of a parameter; Nonconformity where an answer names another."""
    if f"grad {name}" not in expected:
        raise Nonconformity(f"the answer tells of a parameter {name!r}, which there is not")
    return expected[f"grad {name}"]


def arrived(check: Check, name: str, answer: Observation, bound: Bound) -> None:
    """One gradient is there, and within its bounds."""
    if name not in answer.gradients:
        raise Nonconformity(f"grad {name} did not arrive: it is None", f"grad {name}")
    check.within(f"grad {name}", answer.gradients[name], bound)


def total(bounds: list[Bound], dtype: str) -> Bound:
    """The gradient of what is several parameters at once: their sum, in any order, each being rounded."""
    if len(bounds) == 1:  # which is not rounded, and may have no bound
        return bounds[0]
    value, error = sum(b.value for b in bounds), sum(b.error for b in bounds)
    rounded = (len(bounds) - 1) * FORMATS[dtype].unit_roundoff * sum(abs(b.value) + b.error for b in bounds)
    return Bound(np.asarray(value), np.asarray(error + rounded))


def pulled(derivatives: Mapping[str, Any], expected: Mapping[str, Bound], dtype: str) -> Bound:
    """The gradient of what parameters are computed from, by their derivatives, to half a dtype's digits."""
    shape = derivatives["shape"]
    value, error = np.zeros(shape), np.zeros(shape)
    for name, rows in derivatives["of"].items():
        bound, width = known(expected, name), value.size
        if [len(row) for row in rows] != [width] * bound.value.size:
            raise Nonconformity(f"the derivatives of {name} are not {bound.value.size} rows of {width}")
        matrix = np.asarray(rows, np.float64)
        value += (bound.value.reshape(-1) @ matrix).reshape(shape)
        error += (bound.error.reshape(-1) @ np.abs(matrix)).reshape(shape)
        rounded = np.abs(matrix) + CANCELLED * HALF[dtype]  # what cancels leaves its rounding
        error += HALF[dtype] * (np.abs(bound.value.reshape(-1)) @ rounded).max()
    return Bound(value, error)


CANCELLED = 16
"""Twice as many of a dtype's units, of a derivative of about 1, may be left where one cancels."""
HALF = {"float64": 2.0**-26, "float32": 2.0**-12, "float16": 2.0**-6, "bfloat16": 2.0**-4}
"""Half of the digits of a dtype, as a relative error: what torch computes on the way is not ours to bound."""


Leaf = TypedDict("Leaf", {"is": list[str], "dtype": str, "device": str, "learns": bool})


class Derivatives(TypedDict):
    """Of a tensor: its shape, and the derivatives of parameters by it, a row for each of their elements."""

    shape: list[int]
    of: dict[str, list[list[float]]]


FACTS: dict[str, Any] = {
    "leaves": dict[str, Leaf],
    "derivatives": dict[str, Derivatives],
    "itself": bool,
    "training": bool,
    "repr": str,
    "keys": tuple[list[str], list[str]],
    "prefixed": list[str],
    "values": dict[str, list[float]],
    "shared": list[str],
    "detached": list[str],
    "themselves": list[str],
    "missing_keys": list[str],
    "unexpected_keys": list[str],
    "leaves on meta": dict[str, Leaf],
    "shapes on meta": list[list[int]],
}
"""What an answer to a case with deeds tells in `Observation.facts`; some of it by certain deeds alone."""


def fact(answer: Observation, name: str) -> Any:
    """A fact of an answer to a case with deeds; Nonconformity where it is not told, or wrongly."""
    if name not in answer.facts:
        raise Nonconformity(f"the answer does not tell its {name}")
    try:
        return msgspec.convert(answer.facts[name], FACTS[name])
    except msgspec.ValidationError as e:
        raise Nonconformity(f"the answer tells its {name} wrongly: {e}") from e
