"""A linter of vectors: it refuses what does not discriminate, each time with a sentence.

Constant, symmetric or saturated data is answered rightly by layers that are wrong: ONNX's six vectors of
RNN pass with W_hh transposed, b_hh dropped, h_0 ignored or the reverse output left unflipped.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.questions.records import LEVELS
from rnn_spec.questions.refusal import refusal
from rnn_spec.spec.catalogue import clauses
from rnn_spec.spec.model import parameter_suffix
from rnn_spec.vectors.questions import FLAGS, UNSHOWN, flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rnn_spec.questions.records import Case
    from rnn_spec.vectors.records import File, Vector

SATURATED, SHARE = 0.99, 0.5  # tanh says nothing from here on; at most this share of states may be


def lint(files: list[File]) -> list[str]:
    """What is wrong with the vectors, a sentence each."""
    found = [s for file in files for s in _file(file)]
    vectors = [v for file in files for v in file.vectors]
    by_id = {v.id: v for v in vectors}
    if len(by_id) < len(vectors):
        found.append("two vectors have one id")
    for v in vectors:
        found += [f"{v.id}: {s}" for s in (*_claims(v), *_answer(v, by_id))]
        if v.refused is None:
            case = v.case()
            found += [f"{v.id}: {s}" for rule in RULES for s in rule(case, v)]
    return found + _orphans(vectors)


def _file(file: File) -> Iterator[str]:
    used = {flag for v in file.vectors for flag in v.flags}
    if used != set(file.notes):
        yield f"{file.topic}: notes are of {sorted(file.notes)}, flags are {sorted(used)}"
    for name, note in file.notes.items():
        flag = FLAGS.get(name)
        if flag is None or (note.meaning, note.consequence) != (flag.meaning, flag.consequence):
            yield f"{file.topic}: the note of {name} is not that of the flag"
    for v in file.vectors:
        if not v.id.startswith(f"{file.topic}-"):
            yield f"{v.id}: an id begins with its file, {file.topic}"
    made = file.provenance
    if not (made.computed_by and made.model and made.arithmetic and made.rounding and made.verified_by):
        yield f"{file.topic}: the provenance does not say what computed the numbers and what agrees with them"
    if made.bits < 113:
        yield f"{file.topic}: {made.bits} bits of working precision are too few to round to 53 correctly"


def _claims(v: Vector) -> Iterator[str]:
    case = v.case()
    if unknown := set(v.clauses) - set(clauses()):
        yield f"clauses has {unknown.pop()}, which the catalogue has not"
    if not v.clauses:
        yield "clauses is empty"
    expected = case.levels | ({"torch_api"} if v.refused else set())
    if v.levels != [level for level in LEVELS if level in expected]:
        yield f"levels is {v.levels}, the question needs {sorted(expected)}"
    if v.flags != (right := flags(case, v.flags)):
        yield f"flags is {v.flags}, the question shows {right}"


def _answer(v: Vector, by_id: dict[str, Vector]) -> Iterator[str]:
    case, twin = v.case(), by_id.get(v.twin or "")
    if (v.expected is None) == (v.refused is None):
        yield "it has either expected or refused"
    if v.expected is not None:
        if v.twin is not None or (found := refusal(case)):
            yield f"an answer is expected, but the call is invalid: {'' if v.twin else found.sentence}"  # type: ignore[union-attr]
        wanted = set() if v.cotangents is None else {"input", *v.parameters} | ({"h_0"} if v.h_0 else set())
        if set(v.expected.gradients) != wanted:
            yield f"gradients are of {sorted(v.expected.gradients)}, expected of {sorted(wanted)}"
        shapes = {"input": v.input.shape, "h_0": v.h_0.shape if v.h_0 else [],
                  **{name: a.shape for name, a in v.parameters.items()}}  # fmt: skip
        yield from (f"expected.gradients.{name}: shape {g.shape}, expected {shapes.get(name)}"
                    for name, g in v.expected.gradients.items() if g.shape != shapes.get(name))  # fmt: skip
    if v.refused is not None:
        if (found := refusal(case)) is None:
            yield "nothing of it is to be refused"
        elif (found.argument, found.kind, found.phase, found.sentence) != (
            v.refused.argument, v.refused.kind, v.refused.phase, v.refused.sentence,
        ):  # fmt: skip
            yield f"refused is not what is wrong with it: {found.sentence}"
        if twin is None or twin.refused is not None:
            yield f"twin is {v.twin}, which is no valid vector"


def _orphans(vectors: list[Vector]) -> list[str]:
    shown = {clause for v in vectors for clause in v.clauses}
    found = [f"{id} is shown by a vector, and said to be shown by none" for id in UNSHOWN if id in shown]
    levels = set(LEVELS) - {"precision", "torch_api"}
    owed = [c for c in clauses().values() if c.level in levels and c.id not in UNSHOWN]
    return found + [f"no vector shows {c.id}: {c.text}" for c in owed if c.id not in shown]


# -- what does not discriminate -----------------------------------------------------------------------


def _matrices(case: Case, v: Vector) -> Iterator[str]:
    for name, w in case.parameters.items():
        if {"EveryBit", "ReluAtZero"} & set(v.flags) or min(w.shape) < 2:
            continue
        if (w == w.flat[0]).all():
            yield f"parameters.{name} is constant: its elements can be exchanged"
        elif w.ndim == 2:
            if len(np.unique(w, axis=0)) < len(w):
                yield f"parameters.{name} has equal rows: its units can be exchanged"
            if len(np.unique(w, axis=1).T) < w.shape[1]:
                yield f"parameters.{name} has equal columns: what it reads can be exchanged"
            if w.shape[0] == w.shape[1] and (w == w.T).all():
                yield f"parameters.{name} is symmetric: it can be transposed"


def _biases(case: Case, v: Vector) -> Iterator[str]:
    for name, b in case.parameters.items():
        if name.startswith("bias_ih"):
            other = case.parameters[name.replace("bias_ih", "bias_hh")]
            if (b == other).all():
                yield f"parameters.{name} equals bias_hh: one can be added for the other"
        if name.startswith("bias") and not b.any():
            yield f"parameters.{name} is zero: it can be dropped"


def _own_weights(case: Case, v: Vector) -> Iterator[str]:
    c = case.config
    places = [parameter_suffix(k, d) for k in range(c.num_layers) for d in range(c.num_directions)]
    for (a, b), kind in (
        (pair, kind) for pair in combinations(places, 2) for kind in ("weight_hh", "weight_ih")
    ):
        if np.array_equal(case.parameters[f"{kind}{a}"], case.parameters[f"{kind}{b}"]):
            yield f"parameters.{kind}{a} equals {kind}{b}: layers or directions can be exchanged"


def _state(case: Case, v: Vector) -> Iterator[str]:
    h = case.h_0
    if h is None or h.size == 0:
        return
    if not h.any():
        yield "h_0 is zero: it can be ignored"
    rows = h.reshape(-1, h.shape[-1])
    if len(np.unique(rows, axis=0)) < len(rows):
        yield "h_0 has equal rows: rows, layers or directions can be exchanged"


def _input(case: Case, v: Vector) -> Iterator[str]:
    x = case.input.swapaxes(0, 1) if case.config.batch_first and case.batched else case.input
    if x.size == 0:
        return
    if len(x) > 1 and np.array_equal(x, x[::-1], equal_nan=True):
        yield "input is the same from its end: it can be read in reverse"
    if x.ndim == 3 and x.shape[1] > 1 and len(np.unique(x.swapaxes(0, 1), axis=0)) < x.shape[1]:
        yield "input has equal rows: sequences can be exchanged"


def _sizes(case: Case, v: Vector) -> Iterator[str]:
    axes = dict(
        zip("TNIH", (*case.input.shape[:2], case.config.input_size, case.config.hidden_size), strict=True)
    )
    if not case.batched:
        del axes["N"]
    if {"EqualSizes", "SizeOne"} & set(v.flags):
        return
    for a, b in combinations(axes, 2):
        if axes[a] == axes[b]:
            yield f"{a} and {b} are equal, {axes[a]}: one axis can be taken for the other"


def _lengths(case: Case, v: Vector) -> Iterator[str]:
    n = case.lengths
    if n is None or len(n) < 2:
        return
    time = case.input.shape[1 if case.config.batch_first else 0]
    if (n == time).all():
        yield "lengths are all as long as input: they can be ignored"
    if (np.diff(n) <= 0).all() and "SortedLengths" not in v.flags:
        yield "lengths are sorted: the order of the batch can be lost"


def _cotangents(case: Case, v: Vector) -> Iterator[str]:
    g = case.cotangents
    if g is not None and g.output.size and not (g.output.any() or g.h_n.any()):
        yield "both cotangents are zero: every gradient is"


def _saturated(case: Case, v: Vector) -> Iterator[str]:
    if v.expected is None or {"Saturated", "Infinite"} & set(v.flags):
        return
    h = np.abs(v.expected.output.numbers)
    h = h[np.isfinite(h)]
    if case.config.nonlinearity == "tanh" and h.size and (h > SATURATED).mean() > SHARE:
        yield "expected.output is saturated: tanh has no slope there, so that nothing else shows"
    if case.config.nonlinearity == "relu" and h.size and not h.any():
        yield "expected.output is zero: relu passes nothing"


RULES: tuple[Callable[[Case, Vector], Iterator[str]], ...] = (
    _matrices, _biases, _own_weights, _state, _input, _sizes, _lengths, _cotangents, _saturated,
)  # fmt: skip
