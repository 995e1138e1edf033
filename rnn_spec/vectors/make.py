"""From a question to its vector: the model and its adjoint in balls, each element rounded once.

The expectation is the real numbers' float64 nearest to them; a ball that is too wide to tell is an error.
A bound is what `BoundedArithmetic` derives at float64 values of this machine, whose library and processor
round in their own way. It holds at the real numbers, too: with R what its terms in v allow the reference,
and D what those in u alone allow anybody, at the real numbers, each step keeps dx >= D + R. So |x^ - x| <=
D < dx, and to round x once more, v |x|, is within R. The values of here are in no bound but by some parts
in 2^-52 of it: its three digits are the same on every machine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rnn_spec import files
from rnn_spec.questions import reveal
from rnn_spec.questions.expect import answer
from rnn_spec.questions.records import LEVELS, Bound, Case, Observation
from rnn_spec.questions.refusal import refusal
from rnn_spec.spec.arithmetic import FORMATS, Bounded, BoundedArithmetic, HighPrecision
from rnn_spec.vectors import records
from rnn_spec.vectors.questions import FLAGS, QUESTIONS, Question, flags, one_term, topics
from rnn_spec.vectors.records import DTYPES, FORMAT, IDS, SCHEMA, VectorError

BITS = 160


class Bounding(BoundedArithmetic):
    """Bounds for numbers that need not be exact in the format, and that know when relu's argument is 0.

    A number is rounded to nearest on its way in. A pre-activation is exactly 0 where all of its terms are:
    its error is then what underflow may lose and nothing else, for a vector's numbers are 0 or far above.
    """

    def array(self, x: np.ndarray) -> Bounded:
        """The numbers, off by u of themselves where the format has not all of their bits."""
        x = np.asarray(x, np.float64)
        exact = ~np.isfinite(x) | (x == x.astype(self.format.name))
        u = self.format.unit_roundoff
        return Bounded(x, 0.0 if exact.all() else np.where(exact, 0.0, u * np.abs(x)), self.format)

    def relu_slope(self, h: Bounded) -> Bounded:
        """The slope, known to be 0 where every term is 0."""
        found, h = super().relu_slope(h), h.rounded()
        nothing = (h.value == 0) & (h.error < 2.0**12 * self.format.underflow)
        return Bounded(found.value, np.where(nothing, 0.0, found.error), self.format)


@np.errstate(over="ignore", invalid="ignore")
def exact(case: Case, bits: int = BITS) -> dict[str, dict[str, Bound]]:
    """Every expected array, correctly rounded, with its bounds by dtype; ValueError where it is unproven."""
    high = HighPrecision(bits)
    masks = reveal.masks(case, Observation())
    balls = answer(case, high, masks)
    bounded = {dtype: answer(case, Bounding(dtype), masks) for dtype in DTYPES}
    found: dict[str, dict[str, Bound]] = {}
    for name, ball in balls.items():
        by_dtype = {dtype: arrays[name].rounded() for dtype, arrays in bounded.items()}
        near = by_dtype["float64"].value
        value = nearest(high, high.array(ball), near)
        found[name] = {}
        for dtype, b in by_dtype.items():
            error = np.broadcast_to(b.error, value.shape)
            if one_term(case):  # nothing but the conversion to the format rounds
                error = np.where(value == value.astype(dtype), 0.0, FORMATS[dtype].unit_roundoff * abs(value))
            found[name][dtype] = Bound(value, error)
    return found


def nearest(high: HighPrecision, ball: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The correctly rounded numbers; infinities, NaN and what they lead to are IEEE 754's, hence `near`'s."""
    odd = ~np.isfinite(near) | ~np.array([x.is_finite() for x in ball.ravel()], bool).reshape(ball.shape)
    unproven = odd & np.isfinite(near) & (np.abs(near) != 1) & (near != 0)  # the limits of tanh and relu
    if unproven.any():
        raise ValueError(f"{unproven.sum()} numbers come of infinity, and are not its limits")
    value = near.copy()
    value[~odd] = high.nearest(ball[~odd]) if (~odd).any() else 0.0
    return value + 0.0  # no negative zero: a sum has one or not by its order


def vector(question: Question) -> records.Vector:
    """The vector of a question."""
    case, refused = question.case(), None
    found = refusal(case)
    if (found is None) != (question.twin is None):
        raise VectorError(
            f"{question.id}: " + ("nothing of it is refused" if found is None else found.sentence)
        )
    if found is not None:
        refused = records.Refused(found.argument, found.kind, found.phase, found.sentence)  # type: ignore[arg-type]
    g, take = case.cotangents, records.Array.of
    c = {name: value for name, value in vars(case.config).items() if name != "dropout"}
    return records.Vector(
        id=case.id,
        clauses=sorted(question.clauses),
        levels=[level for level in LEVELS if level in levels(case)],
        flags=flags(case, question.purpose),
        config=records.Configuration(**c, dropout=take(case.config.dropout).data[0]),
        training=case.training,
        parameters={name: take(value) for name, value in case.parameters.items()},
        input=take(case.input),
        h_0=None if case.h_0 is None else take(case.h_0),
        lengths=None if case.lengths is None else [int(n) for n in case.lengths],
        cotangents=None if g is None else records.Gradients(take(g.output), take(g.h_n)),
        expected=None if refused else expects(case),
        refused=refused,
        twin=question.twin,
    )


def levels(case: Case) -> frozenset[str]:
    """What a subject must claim; that an invalid call is refused is a part of torch_api."""
    return frozenset({"torch_api"}) | case.levels if refusal(case) else case.levels


def expects(case: Case) -> records.Expects:
    """The expected arrays of a valid case."""

    def written(by_dtype: dict[str, Bound]) -> Any:
        bounds = {d: [records.round_up(e) for e in b.error.ravel().tolist()] for d, b in by_dtype.items()}
        return records.Expected.of(by_dtype["float64"].value, bound=records.Bounds(**bounds))  # type: ignore[arg-type]

    arrays = {name: written(by_dtype) for name, by_dtype in exact(case).items()}
    gradients = {name.removeprefix("grad "): a for name, a in arrays.items() if name.startswith("grad ")}
    return records.Expects(output=arrays["output"], h_n=arrays["h_n"], gradients=gradients)


def provenance(computed_by: str, verified_by: list[str]) -> records.Provenance:
    """Who computed the numbers, here and now: this program, FLINT, and those who agree with them."""
    import flint

    return records.Provenance(
        computed_by=computed_by,
        model="rnn_spec/spec/model.py and its adjoint, rnn_spec/spec/gradient.py",
        arithmetic=f"balls of FLINT {flint.__FLINT_VERSION__} (python-flint {flint.__version__})",
        bits=BITS,
        rounding="to nearest, ties to even, to float64: each ball proves it",
        verified_by=verified_by,
    )


def every_file(made: records.Provenance) -> dict[str, records.File]:
    """Every file by its name, made anew."""
    found = {}
    for topic in topics():
        vectors = [vector(q) for q in QUESTIONS if q.id.partition("-")[0] == topic]
        used = {flag for v in vectors for flag in v.flags}
        notes = {name: records.Note(f.meaning, f.consequence) for name, f in FLAGS.items() if name in used}
        found[f"{topic}.json"] = records.File(
            format=FORMAT, topic=topic, provenance=made, notes=notes, vectors=vectors
        )
    return found


def ids(made: list[records.File]) -> str:
    """A line a vector: its id, and a digest of the question that the id means for ever."""
    return "".join(f"{v.id} {digest(v)}\n" for file in made for v in file.vectors)


def digest(v: records.Vector) -> str:
    """A digest of everything that a vector asks."""
    config = {name: getattr(v.config, name) for name in v.config.__struct_fields__}
    values: list[Any] = [
        sorted({**config, "dropout": float(v.config.dropout)}.items()),
        v.training,
        v.lengths,
    ]
    values += [
        (place, a.shape, a.hex) for place, a in v.arrays().items() if not place.startswith("expected.")
    ]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def moved(v: records.Vector) -> list[str]:
    """What of a vector is not what its own question computes to, a sentence an array."""
    if v.expected is None:
        return []
    again, found = expects(v.case()).arrays, []
    for name, old in v.expected.arrays.items():
        new = again[name]
        if (old.shape, old.data, old.hex) != (new.shape, new.data, new.hex):
            found.append(f"{v.id}: {name}: the numbers are not those that its question computes to")
        elif (old.bound.float64, old.bound.float32) != (new.bound.float64, new.bound.float32):
            found.append(f"{v.id}: {name}: the bounds are not those that are derived for it")
    return found


def strays(where: Path, read: list[records.File]) -> list[str]:
    """What of a folder's list of ids and schema does not fit its files."""
    listed = dict(line.split() for line in read_ids(where))
    meant = dict(line.split() for line in ids(read).splitlines())
    found = [f"{IDS}: {id} is gone: an id is for ever" for id in listed if id not in meant]
    found += [f"{IDS}: {id} is not listed" for id in meant if id not in listed]
    found += [f"{id}: it asks something else than {IDS} says that it does"
              for id in meant if id in listed and meant[id] != listed[id]]  # fmt: skip
    path = where / SCHEMA
    if not path.is_file() or path.read_text(encoding="utf-8") != records.schema():
        found.append(f"{SCHEMA}: it is not the schema of the types")
    return found


def texts(where: Path, made: dict[str, records.File]) -> dict[Path, str]:
    """The files of a folder, its schema and its list of ids, as they are to be written.

    A file that comes out the same stays as it is, provenance included: it says what computed these very
    bytes. VectorError where an id would change (`keep_ids`).
    """
    keep_ids(where, made)
    found = {where / SCHEMA: records.schema(), where / IDS: ids(list(made.values()))}
    for name, file in made.items():
        path = where / name
        old = records.read(path).provenance if path.is_file() else file.provenance
        same = records.text(msgspec.structs.replace(file, provenance=old))
        unchanged = path.is_file() and path.read_text(encoding="utf-8") == same
        found[path] = same if unchanged else records.text(file)
    return found


def write(written: dict[Path, str]) -> list[Path]:
    """Write the texts; return the files that changed."""
    old = {p: p.read_text(encoding="utf-8") if p.is_file() else None for p in written}
    changed = [path for path, text in written.items() if text != old[path]]
    for path in changed:
        files.write(path, written[path].encode())
    return changed


def keep_ids(where: Path, made: dict[str, records.File]) -> None:
    """VectorError where an id of the folder's list would vanish or change its meaning."""
    new = dict(line.split() for line in ids(list(made.values())).splitlines())
    for id, meaning in (line.split() for line in read_ids(where)):
        if new.get(id) != meaning:
            what = "would ask something else" if id in new else "would be gone"
            raise VectorError(f"{where / IDS}: {id} {what}: an id keeps its meaning for ever")


def read_ids(where: Path) -> list[str]:
    """The lines of the list of ids; none where there is no list yet."""
    path = where / IDS
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
