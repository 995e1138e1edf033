"""The test vectors: whole, right, discriminating, and readable with nothing but a JSON parser."""

from __future__ import annotations

import ast
import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup.faulty import faulty_spec
from rnn_spec.questions import reveal
from rnn_spec.questions.expect import answer
from rnn_spec.questions.records import Observation
from rnn_spec.questions.refusal import refusal
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.vectors import lint, make, records, scope
from rnn_spec.vectors.commands import vectors as command
from rnn_spec.vectors.questions import FLAGS, PURPOSE, QUESTIONS, UNSHOWN
from rnn_spec.vectors.verify import Asked, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

FOLDER = records.folder()
README = (FOLDER / "README.md").read_text(encoding="utf-8")
BUDGET = 2_000_000


def files() -> list[records.File]:
    """The files, read anew, so that a test may change them."""
    return [records.read(path) for path in records.paths(FOLDER)]


STORED = files()
ASKED = [asked for file in STORED for vector in file.vectors for asked in Asked.of(vector)]


def run(*arguments: str) -> Result:
    """Run ``rnn-spec vectors``."""
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The folder, copied."""
    return Path(shutil.copytree(FOLDER, tmp_path / "vectors"))


# -- the files are what they say ----------------------------------------------------------------------


def test_vectors_are_within_their_budget() -> None:
    """All that the folder holds is 2 MB at most."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) <= BUDGET


def test_writing_gives_the_same_bytes(copied: Path) -> None:
    """write changes nothing of what is checked in, and says so; check finds nothing to complain of."""
    done = run("write", str(copied))

    assert (done.exit_code, done.output) == (0, f"{copied}: nothing changed\n")
    for path in records.paths(FOLDER):
        assert path.read_bytes() == (copied / path.name).read_bytes()
    assert run("check", str(copied)).exit_code == 0


def test_every_byte_is_made_from_the_questions() -> None:
    """Into an empty folder the files come out as they are checked in, given their provenance."""
    made = make.every_file(STORED[0].provenance)

    assert {path.name for path in records.paths(FOLDER)} == set(made)
    for name, file in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == records.text(file)


@pytest.mark.parametrize("end", [-2.0, 2.0])
def test_another_processor_makes_the_same_bytes(end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that rounds each tanh otherwise, by as much as libraries do, and so every sum after it."""
    tanh = np.tanh
    monkeypatch.setattr(np, "tanh", lambda z: np.nextafter(np.nextafter(tanh(z), end), end))

    made = make.every_file(STORED[0].provenance)

    assert [name for name, file in made.items() if (FOLDER / name).read_text() != records.text(file)] == []


def test_a_bound_holds_what_is_expected_and_what_it_was_derived_at() -> None:
    """The real number is nearer to the reference's float64 value than half of the bound."""
    for vector in (v for file in STORED for v in file.vectors if v.expected):
        case = vector.case("float64")
        masks = reveal.masks(case, Observation())
        derived = answer(case, make.Bounding("float64"), masks)
        for name, bound in make.exact(case).items():
            b, finite = bound["float64"], np.isfinite(bound["float64"].value)
            off = np.abs(derived[name].rounded().value[finite] - b.value[finite])
            assert (off <= b.error[finite] / 2).all(), (vector.id, name)


def test_a_file_that_changes_gets_new_provenance(copied: Path) -> None:
    """write restores a file that was changed, and names it."""
    path = copied / "cell.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"topic": "cell"', '"topic": "cells"'), "utf-8")

    done = run("write", str(copied))

    assert f"{copied}: cell.json changed\n" == done.output
    assert records.read(path).provenance.computed_by.startswith("rnn-spec ")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "cell-tanh 0123456789abcdef",
            "cell-tanh would ask something else: an id keeps its meaning for ever",
        ),
        ("cell-old 0123456789abcdef", "cell-old would be gone: an id keeps its meaning for ever"),
    ],
)
def test_an_id_never_changes(copied: Path, line: str, sentence: str) -> None:
    """write refuses to drop an id of the list, or to give it another meaning, and writes nothing."""
    ids = (copied / "ids.txt").read_text(encoding="utf-8").splitlines()
    kept = [old for old in ids if old.split()[0] != line.split()[0]]
    (copied / "ids.txt").write_text("\n".join([line, *kept]) + "\n", "utf-8")
    before = (copied / "ids.txt").read_bytes()

    done = run("write", str(copied))

    assert done.exit_code == 2
    assert sentence in done.output
    assert before == (copied / "ids.txt").read_bytes()
    assert run("check", str(copied)).exit_code == 1


def test_ids_are_of_the_scheme_and_unique() -> None:
    """An id is its file's topic and words, joined by hyphens."""
    ids = [v.id for file in STORED for v in file.vectors]

    assert len(set(ids)) == len(ids) == len(QUESTIONS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9_]+)+", id) for id in ids)


def shortened(value: Any) -> Any:
    """JSON with the first numbers of each list alone: a validator in Python takes seconds for all of them."""
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v) for v in (value if value and isinstance(value[0], dict) else value[:20])]
    return value


def test_schema_is_that_of_the_types_and_holds_for_every_file() -> None:
    """schema.json is generated from the records, and a general validator finds every file valid."""
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)

    assert records.schema() == (FOLDER / "schema.json").read_text(encoding="utf-8")
    for path in records.paths(FOLDER):
        file = shortened(json.loads(path.read_text(encoding="utf-8")))
        assert list(validator.iter_errors(file)) == []
        assert not validator.is_valid({**file, "surplus": 1})
        file["vectors"][0]["input"]["data"][0] = "nan"
        assert not validator.is_valid(file)


@pytest.mark.parametrize("name", ["spec", "torch"])
def test_right_layers_pass_every_vector(name: str) -> None:
    """torch.nn.RNN and the spec in NumPy answer every vector within its bounds, in float64 and float32."""
    rows = list(verify(load(name), STORED))

    assert {row.topic: row.failed for row in rows} == {file.topic: {} for file in STORED}
    assert sum(row.passed for row in rows) == len(ASKED)
    assert all(row.headroom < 1 for row in rows)


def test_an_independent_model_in_other_arithmetic_gives_the_same_bits() -> None:
    """The README's layer, written without ours, gives every bit of cell and sequence in mpmath's numbers."""
    import mpmath

    mpmath.mp.prec = 200
    reader = load_reader()
    exact = mpmath.mpf
    own: dict[str, Any] = {"vectors": lambda levels: [], "wrong": None}
    own["nested"] = lambda a: np.array([exact(x) for x in reader["numbers"](a)], object).reshape(a["shape"])
    exec("from mpmath import tanh\n" + example().replace("from math import tanh", "").replace(
        "from read_vectors import nested, vectors, wrong", ""), own)  # fmt: skip
    compared = 0

    for vector in reader["vectors"]({"cell", "sequence"}):
        if {"NotANumber", "Infinite", "EmptyBatch"} & set(vector["flags"]):
            continue
        answer = own["rnn"](vector)
        for name in ("output", "h_n"):
            flat = [float(x) for x in np.array(answer[name], object).ravel()]
            assert reader["numbers"](vector["expected"][name]) == flat, vector["id"]
            compared += len(flat)
    assert compared > 4000


# -- numbers ------------------------------------------------------------------------------------------


@given(st.floats())
def test_hexadecimal_numbers_are_read_back_to_the_bit(x: float) -> None:
    """to_hex loses no bit, and Array.wrong finds nothing."""
    array = records.Array.of([x])

    assert np.array_equal([x], array.numbers, equal_nan=True)
    assert np.array_equal([x], [float.fromhex(array.hex[0])], equal_nan=True)
    assert array.wrong() is None


@given(st.floats(0, 1e300))
def test_a_bound_is_rounded_up_and_hardly(x: float) -> None:
    """round_up gives three digits, nothing below the number, and at most 1% above it."""
    up = records.round_up(x)

    assert x <= up <= max(x * 1.01, 5e-322)
    assert len(f"{up:.2e}") == len(f"{up:.2e}".replace("inf", ""))
    assert float(f"{up:.2e}") == up


def test_a_ball_too_wide_to_round_is_an_error() -> None:
    """Too few bits of working precision are refused, and never rounded on a guess."""
    case = next(q for q in QUESTIONS if q.id == "sequence-long").case()

    with pytest.raises(ValueError, match="need more bits"):
        make.exact(case, 54)


# -- the linter, each rule seen failing ---------------------------------------------------------------


def lints(id: str, change: Callable[[Any], None]) -> list[str]:
    """What the linter says of the vectors when `change` has been made to the vector of this id."""
    own = files()
    change(next(v for file in own for v in file.vectors if v.id == id))
    return lint.lint(own)


def put(name: str, make_: Callable[[np.ndarray], Any]) -> Callable[[Any], None]:
    """A parameter, input or h_0 replaced by what is made of its numbers."""

    def change(v: records.Vector) -> None:
        if name in v.parameters:
            v.parameters[name] = records.Array.of(make_(v.parameters[name].numbers))
        else:
            setattr(v, name, records.Array.of(make_(getattr(v, name).numbers)))

    return change


def expect(name: str, make_: Callable[[np.ndarray], Any]) -> Callable[[Any], None]:
    """An expected array replaced, with its bounds."""

    def change(v: records.Vector) -> None:
        assert v.expected is not None
        old = getattr(v.expected, name)
        setattr(v.expected, name, records.Expected.of(make_(old.numbers), bound=old.bound))

    return change


def field(**values: Any) -> Callable[[Any], None]:
    """Fields of the vector replaced."""

    def change(v: records.Vector) -> None:
        for name, value in values.items():
            setattr(v, name, value)

    return change


def share_weights(a: str, b: str) -> Callable[[Any], None]:
    """One parameter's numbers given to another, too."""

    def change(v: records.Vector) -> None:
        v.parameters[b] = v.parameters[a]

    return change


def no_cotangents(v: records.Vector) -> None:
    """Both cotangents zero."""
    assert v.cotangents is not None
    v.cotangents.output = records.Array.of(v.cotangents.output.numbers * 0)
    v.cotangents.h_n = records.Array.of(v.cotangents.h_n.numbers * 0)


TANH = "sequence-tanh"
UNLINTED: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "constant": (TANH, put("weight_hh_l0", lambda w: w * 0 + 0.1), "weight_hh_l0 is constant"),
    "constant bias": (TANH, put("bias_hh_l0", lambda b: b * 0 + 0.1), "bias_hh_l0 is constant"),
    "symmetric": (TANH, put("weight_hh_l0", lambda w: w + w.T), "weight_hh_l0 is symmetric"),
    "rows": (TANH, put("weight_ih_l0", lambda w: w[[0, 0, 2, 3, 4, 5]]), "weight_ih_l0 has equal rows"),
    "columns": (TANH, put("weight_ih_l0", lambda w: w[:, [0, 0, 2, 3, 4]]), "weight_ih_l0 has equal columns"),
    "biases": (TANH, share_weights("bias_hh_l0", "bias_ih_l0"), "bias_ih_l0 equals bias_hh"),
    "no bias": (TANH, put("bias_ih_l0", lambda b: b * 0), "bias_ih_l0 is zero"),
    "zero h_0": (TANH, put("h_0", lambda h: h * 0), "h_0 is zero: it can be ignored"),
    "equal h_0": (TANH, put("h_0", lambda h: h[:, [0, 0, 1]]), "h_0 has equal rows"),
    "palindrome": (TANH, put("input", lambda x: x + x[::-1]), "input is the same from its end"),
    "equal rows": (TANH, put("input", lambda x: x[:, [0, 0, 1]]), "input has equal rows"),
    "directions": (
        "bidirectional-tanh", share_weights("weight_hh_l0", "weight_hh_l0_reverse"),
        "weight_hh_l0 equals weight_hh_l0_reverse",
    ),
    "layers": ("stack-tanh", share_weights("weight_hh_l0", "weight_hh_l1"), "hh_l0 equals weight_hh_l1"),
    "sizes": ("stack-square", field(flags=["TwoBiases", "NonzeroState", "Stack"]), "I and H are equal, 5"),
    "full lengths": ("lengths-unsorted", field(lengths=[4, 4, 4]), "lengths are all as long as input"),
    "sorted lengths": ("lengths-unsorted", field(lengths=[4, 3, 1]), "lengths are sorted"),
    "no cotangents": (TANH, no_cotangents, "both cotangents are zero"),
    "saturated": (TANH, expect("output", lambda y: y * 0 + 0.999), "expected.output is saturated"),
    "nothing passes": ("sequence-relu", expect("output", lambda y: y * 0), "expected.output is zero"),
    "unknown clause": (TANH, field(clauses=["REC-99"]), "clauses has REC-99, which the catalogue has not"),
    "no clause": (TANH, field(clauses=[]), "clauses is empty"),
    "levels": (TANH, field(levels=["cell"]), "levels is ['cell'], the question needs"),
    "flags": (TANH, field(flags=["ManySteps"]), "flags is ['ManySteps'], the question shows"),
    "id": (TANH, field(id="cell-sequence"), "cell-sequence: an id begins with its file, sequence"),
    "same id": (TANH, field(id="sequence-relu"), "two vectors have one id"),
    "no answer": (TANH, field(expected=None), "it has either expected or refused"),
    "invalid": (TANH, field(lengths=[5, 1, 2]), "an answer is expected, but the call is invalid"),
    "no gradients": (TANH, lambda v: v.expected.gradients.clear(), "gradients are of [], expected of"),
    "valid": ("errors-lengths-of-0", field(lengths=[1, 1, 2]), "nothing of it is to be refused"),
    "other refusal": ("errors-lengths-of-0", field(lengths=[1, 9, 2]), "refused is not what is wrong"),
    "no twin": ("errors-lengths-of-0", field(twin="errors-lengths-negative"), "which is no valid vector"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNLINTED)
def test_the_linter_refuses(name: str) -> None:
    """What does not discriminate, or is not what it says, is refused in a sentence with vector and field."""
    id, change, sentence = UNLINTED[name]

    found = lints(id, change)

    assert [s for s in found if sentence in s], found


def test_the_linter_finds_nothing_in_the_vectors() -> None:
    """The vectors as they are pass every rule."""
    assert lint.lint(STORED) == []


def test_every_rule_of_the_linter_is_seen_failing() -> None:
    """The table above has a vector for each rule."""
    by_id, seen = {v.id: v for file in files() for v in file.vectors}, set()
    for id, change, sentence in UNLINTED.values():
        change(v := copy.deepcopy(by_id[id]))
        case = v.case()
        seen |= {rule for rule in lint.RULES if any(sentence in s for s in rule(case, v))}

    assert set(lint.RULES) == seen


def test_the_linter_holds_notes_and_provenance() -> None:
    """A note that no flag uses or that says something else, and a provenance with holes, are refused."""
    own = files()
    own[0].notes["Unused"] = records.Note("Nothing.", "Nothing.")
    own[1].notes["TwoBiases"] = records.Note("Nothing.", "Nothing.")
    own[2].provenance.verified_by.clear()
    own[3].provenance.bits = 53

    found = "\n".join(lint.lint(own))

    assert "notes are of" in found
    assert "the note of TwoBiases is not that of the flag" in found
    assert "the provenance does not say" in found
    assert "53 bits of working precision are too few" in found


def test_orphans_between_clause_and_vector_are_found() -> None:
    """A clause that no vector shows and no reason excuses, and one that is excused but shown, are refused."""
    own = [file for file in files() if file.topic != "lengths"]
    own[0].vectors[0].clauses.append("DET-01")

    found = lint.lint(own)

    assert any("no vector shows PCK-06" in s for s in found)
    assert "DET-01 is shown by a vector, and said to be shown by none" in found


def test_every_flag_is_used_and_has_a_note_of_sentences() -> None:
    """No flag is without a vector, and each says what it means and what failing it leads to."""
    assert set(FLAGS) == {flag for file in STORED for v in file.vectors for flag in v.flags}
    assert set(PURPOSE) <= set(FLAGS)
    for flag in FLAGS.values():
        for sentence in (flag.meaning, flag.consequence):
            assert sentence == " ".join(sentence.split())
            assert sentence.endswith(".")


# -- bad input ----------------------------------------------------------------------------------------


def broken(old: str, new: str) -> Callable[[str], str]:
    """The text with its first `old` replaced."""
    return lambda text: text.replace(old, new, 1)


def in_array(kind: str) -> Callable[[str], str]:
    """The text with cell-tanh's input changed."""

    def change(text: str) -> str:
        file = json.loads(text)
        array = file["vectors"][0]["input"]
        if kind == "NaN":
            array["data"][3], array["hex"][3] = "NaN", "nan"
        elif kind == "short":
            del array["data"][0]
        elif kind == "short hex":
            del array["hex"][0]
        elif kind == "other hex":
            array["hex"][1] = "0x1p0"
        elif kind == "no hex":
            array["hex"][1] = "1p"
        elif kind == "sign":
            array["shape"][0] = -1
        elif kind == "bound":
            file["vectors"][0]["expected"]["output"]["bound"]["float32"][0] = "Infinity"
        elif kind == "short bound":
            del file["vectors"][0]["expected"]["output"]["bound"]["float32"][0]
        return json.dumps(file)

    return change


BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "truncated": (lambda text: text[:5000], "truncated"),
    "empty": (lambda text: "", "truncated"),
    "no JSON": (lambda text: "{vectors}", "malformed"),
    "unknown field": (broken('"topic"', '"surplus": 1, "topic"'), "unknown field `surplus`"),
    "missing field": (broken('"topic": "cell",', ""), "missing required field `topic`"),
    "wrong type": (broken('"num_layers": 1', '"num_layers": "1"'), "$.vectors[0].config.num_layers"),
    "other format": (broken("rnn-spec-vectors-1", "rnn-spec-vectors-2"), "$.format"),
    "NaN": (in_array("NaN"), "cell-tanh: input: data[3] is NaN, and no flag says so"),
    "short data": (in_array("short"), "cell-tanh: input: data has 14 numbers, shape [1, 3, 5] asks for 15"),
    "short hex": (in_array("short hex"), "cell-tanh: input: hex has 14 numbers, data has 15"),
    "other hex": (in_array("other hex"), "cell-tanh: input: hex[1] is '0x1p0', data[1] is"),
    "no hex": (in_array("no hex"), "cell-tanh: input: hex[1] is '1p', data[1] is"),
    "negative size": (in_array("sign"), "cell-tanh: input: data has 15 numbers, shape [-1, 3, 5]"),
    "bound": (in_array("bound"), "cell-tanh: expected.output: bound.float32 holds a number that is"),
    "short bound": (in_array("short bound"), "cell-tanh: expected.output: bound.float32 has 17 numbers"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("what", ["check", "verify"])
def test_bad_input_gets_one_sentence_with_file_and_place(copied: Path, name: str, what: str) -> None:
    """A file that cannot be used ends the command with status 2 and one line that names file and place."""
    change, sentence = BAD[name]
    path = copied / "cell.json"
    path.write_text(change(path.read_text(encoding="utf-8")), "utf-8")

    done = run("check", str(copied)) if what == "check" else run("verify", "spec", "--dir", str(copied))

    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {path}: ")
    assert sentence in done.output
    assert done.output.count("\n") == 1


def test_a_folder_without_vectors_is_no_success(tmp_path: Path) -> None:
    """check and verify of an empty folder could not be run."""
    assert run("check", str(tmp_path)).exit_code == 2
    assert run("verify", "spec", "--dir", str(tmp_path)).exit_code == 2


# -- the command --------------------------------------------------------------------------------------


def test_check_says_what_is_wrong_and_exits_with_1(copied: Path) -> None:
    """A stray schema, an unlisted id and a clause that is not one are each named."""
    (copied / "schema.json").write_text("{}", "utf-8")
    ids = (copied / "ids.txt").read_text(encoding="utf-8")
    (copied / "ids.txt").write_text(ids.replace("cell-relu ", "cell-rely "), "utf-8")

    done = run("check", str(copied))

    assert done.exit_code == 1
    for sentence in (
        "schema.json: it is not the schema of the types",
        "ids.txt: cell-relu is not listed",
        "ids.txt: cell-rely is gone: an id is for ever",
    ):
        assert sentence in done.output


def test_verify_computes_the_numbers_again(copied: Path) -> None:
    """A number, or a bound, that its question does not compute to fails verify, whatever the subject says."""
    path = copied / "cell.json"
    file = json.loads(path.read_text(encoding="utf-8"))
    output, h_n = (file["vectors"][0]["expected"][name] for name in ("output", "h_n"))
    output["data"][0] = float(np.nextafter(output["data"][0], 1))
    output["hex"][0] = records.to_hex(output["data"][0])
    h_n["bound"]["float32"][0] *= 2
    path.write_text(json.dumps(file), "utf-8")

    done = run("verify", "spec", "--dir", str(copied))

    assert done.exit_code == 1
    assert "cell-tanh: output: the numbers are not those that its question computes to" in done.output
    assert "cell-tanh: h_n: the bounds are not those that are derived for it" in done.output


def test_verify_judges_any_subject() -> None:
    """A right subject exits with 0, a wrong one with 1 and its worst elements, an unknown one with 2."""
    right, wrong, none = (
        run("verify", "spec"),
        run("verify", "fault:w_hh-transposed"),
        run("verify", "nobody"),
    )

    assert (right.exit_code, wrong.exit_code, none.exit_code) == (0, 1, 2)
    assert "none of the vectors failed" in right.output
    assert "elements differ; the worst is" in wrong.output
    assert "no subject is called 'nobody'" in none.output


class Cell(SpecSubject):
    """The spec, claiming the cell and float32 alone."""

    name = "cell-only"
    levels = frozenset({"cell"})
    dtypes = ("float32",)  # type: ignore[assignment]


class Nothing(SpecSubject):
    """The spec, claiming nothing."""

    levels = frozenset()


class Accepting(SpecSubject):
    """The spec, refusing nothing."""

    def refuse(self, case: Any) -> None:
        """Refuse nothing."""

    def call(self, rnn: Any, config: Any, input: Any, h_0: Any, training: bool, lengths: Any = None) -> Any:
        """Answer zeros to everything."""
        return np.zeros(1), np.zeros(1), None

    def build(self, case: Any) -> Any:
        """A layer is not needed."""


def test_a_subject_is_asked_what_it_claims() -> None:
    """Vectors of other levels, or in another dtype, are not claimed; who claims nothing passes nothing."""
    rows = {row.topic: row for row in verify(Cell(), STORED)}

    assert rows["cell"].passed == rows["cell"].not_claimed == 18
    assert {row.passed for topic, row in rows.items() if topic != "cell"} == {0}
    assert sum(len(row.failed) for row in rows.values()) == 0
    assert not any(row.passed or row.failed for row in verify(Nothing(), STORED))


def test_accepting_an_invalid_call_fails_and_says_what_had_to_be_refused() -> None:
    """Every vector of errors.json with `refused` fails a layer that refuses nothing."""
    errors = next(file for file in STORED if file.topic == "errors")
    (row,) = verify(Accepting(), [errors])

    invalid = {asked.case.id for asked in ASKED if asked.vector.refused}
    assert invalid == {
        id for id, why in row.failed.items() if why.startswith("accepted, and has to be refused")
    }
    assert row.failed["errors-num_layers-0-float32"].endswith("num_layers is 1 or more, and not 0")


def test_an_invalid_call_is_one_edit_away_from_its_valid_twin() -> None:
    """Config, parameters, input, h_0 and lengths are the twin's, but for the argument that is refused."""
    by_id = {v.id: v for file in STORED for v in file.vectors}

    for v in by_id.values():
        if v.refused is None:
            continue
        twin = by_id[v.twin or ""]
        plain, other = (msgspec.to_builtins(x) for x in (v, twin))
        flat, other = ({**x.pop("config"), **x} for x in (plain, other))
        asked = ("parameters", "input", "h_0", "lengths", "training", *v.config.__struct_fields__)
        assert {v.refused.argument} == {name for name in asked if flat.get(name) != other.get(name)}
        assert refusal(twin.case()) is None


# -- the reader ---------------------------------------------------------------------------------------


def example() -> str:
    """The README's program."""
    (found,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    return str(found)


def load_reader(folder: Path = FOLDER) -> dict[str, Any]:
    """What read_vectors.py defines."""
    path = folder / "read_vectors.py"
    own: dict[str, Any] = {"__file__": str(path), "__name__": "read_vectors"}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), own)
    return own


def test_readme_example_passes_from_a_copied_folder(copied: Path) -> None:
    """The README's layer, run in a copy of the folder by a Python that has nothing else, prints its line."""
    (copied / "example.py").write_text(example(), "utf-8")

    done = subprocess.run(
        [sys.executable, "-S", "-E", "example.py"], cwd=copied, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert f"    {done.stdout}" in README
    assert len(example().splitlines()) < 40


def test_readme_says_how_many_there_are() -> None:
    """The README's count of vectors, its list of files and its rate are those of the folder."""
    assert [file.topic for file in STORED] == sorted(re.findall(r"^\| `(\w+)\.json`", README, re.MULTILINE))


def test_reader_is_python_3_6_and_short_and_imports_the_standard_library_alone() -> None:
    """read_vectors.py is parsed as Python 3.6, has under 120 lines, and imports nothing from elsewhere."""
    text = (FOLDER / "read_vectors.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))

    imports = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imports <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert len(text.splitlines()) < 120


def right_answer(reader: dict[str, Any], v: dict[str, Any]) -> dict[str, Any]:
    """What is expected, as nested lists."""
    expected = v["expected"]
    gradients = {name: reader["nested"](a) for name, a in expected.get("gradients", {}).items()}
    return {name: reader["nested"](expected[name]) for name in ("output", "h_n")} | {"gradients": gradients}


def test_reader_agrees_with_ours_on_every_number() -> None:
    """The reader's numbers, shaped, are those that rnn-spec reads, and the right answer has nothing wrong."""
    reader = load_reader()
    ours = {v.id: v for file in STORED for v in file.vectors}

    for v in reader["vectors"]():
        mine = ours.pop(v["id"])
        assert np.array_equal(
            mine.input.numbers, np.array(reader["nested"](v["input"])).reshape(mine.input.shape), True
        )
        if mine.expected is None:
            assert reader["wrong"](v, ValueError("refused")) == []
            continue
        for dtype in records.DTYPES:
            assert reader["wrong"](v, right_answer(reader, v), dtype) == []
    assert ours == {}


def test_reader_says_what_is_off_in_one_sentence() -> None:
    """The sentence has vector, array, index, got, expected, bound, and what the flag's note says."""
    reader = load_reader()
    by_id = {v["id"]: v for v in reader["vectors"]()}
    v, nan, refused = by_id["bidirectional-tanh"], by_id["sequence-tanh-nan"], by_id["errors-dropout-nan"]
    answer = right_answer(reader, v)
    answer["output"][1][2][3] += 0.5
    answer["gradients"]["bias_ih_l0"][4] = float("nan")
    plausible = right_answer(reader, nan)
    plausible["output"][2][1][3] = 0.25

    output, gradient = reader["wrong"](v, answer)

    place = (1 * 3 + 2) * 12 + 3
    expected, got = v["expected"]["output"], answer["output"][1][2][3]
    value, bound = expected["data"][place], expected["bound"]["float64"][place]
    sentence = f"bidirectional-tanh: output[1, 2, 3] is {got!r}, expected {value!r} within {bound} "
    assert output.startswith(sentence)
    assert v["notes"][v["flags"][-1]]["consequence"] in output
    assert "gradients.bias_ih_l0[4] is nan" in gradient
    assert "output[2, 1, 3] is 0.25, expected nan" in reader["wrong"](nan, plausible)[0]
    assert (
        "the shape [4, 3], expected [4, 3, 12]"
        in reader["wrong"](v, {"output": [[0.0] * 3] * 4, "h_n": answer["h_n"]})[0]
    )
    assert "accepted, but dropout is a probability" in reader["wrong"](refused, answer)[0]
    assert "refused, and it is valid" in reader["wrong"](v, None)[0]


def test_reader_compares_by_dtype() -> None:
    """An answer rounded to float32 is right in float32 and wrong in float64."""
    reader = load_reader()
    v = next(v for v in reader["vectors"]() if v["id"] == "sequence-tanh")
    rounded = {
        name: np.float32(value) for name, value in right_answer(reader, v).items() if name != "gradients"
    }

    assert reader["wrong"](v, rounded, "float32") == []
    assert len(reader["wrong"](v, rounded, "float64")) == 2


def test_reader_gives_what_a_layer_claims() -> None:
    """vectors(levels) yields those that need no other level, cotangents or not."""
    reader = load_reader()

    asked = {v["id"] for v in reader["vectors"]({"cell"})}

    assert asked == {v.id for file in STORED for v in file.vectors if set(v.levels) <= {"cell", "gradients"}}
    assert "cell-tanh" in asked


# -- how strong they are ------------------------------------------------------------------------------


def test_vectors_kill_every_fault_that_a_vector_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    """Compared within their bounds, the vectors alone kill all of the faults in scope."""
    right, killed, survived = SpecSubject(), [], []
    for fault in FAULTS.values():
        why = scope.unshown(fault, ASKED)
        if why is None:
            wrong = faulty_spec(fault)
            if scope.killed_by(wrong, ASKED, fault.clause):
                killed.append(fault.name)
                continue
            why = scope.shows_elsewhere(wrong, right)
        if why is None:
            survived.append(f"{fault.clause} {fault.name}")

    with capsys.disabled():
        print(f"\nvectors: {len(killed)} of {len(killed) + len(survived)} faults in scope killed", end=" ")
    assert survived == []
    numerical = [f for f in FAULTS.values() if f.of != MODULE]
    assert len(killed) > 0.8 * len(numerical)


def test_a_vector_shows_each_clause_that_it_names() -> None:
    """For each clause of a vector there is a fault of that clause which this very vector kills."""
    unshown = []
    for vector in (v for file in STORED for v in file.vectors if v.refused is None):
        asked = Asked.of(vector)
        for clause in vector.clauses:
            own = [f for f in FAULTS.values() if f.clause == clause and f.of != MODULE]
            if not any(scope.killed_by(faulty_spec(fault), asked) for fault in own):
                unshown.append(f"{vector.id} {clause}")

    assert unshown == []


def test_a_fault_that_standard_cases_show_is_never_excused() -> None:
    """The rule of scope excuses what only chance, width or words show, and nothing that numbers do."""
    right = SpecSubject()

    reasons = {
        name: scope.shows_elsewhere(faulty_spec(FAULTS[name]), right)
        for name in (
            "w_hh-transposed",
            "dropout-inactive",
            "unit-512-lost",
            "seq_len-0-refused-without-words",
        )
    }

    assert list(reasons.values()) == [None, scope.CHANCE, scope.SIZE, scope.WORDS]


def test_what_no_vector_shows_is_in_the_catalogue_with_a_reason() -> None:
    """UNSHOWN is of clauses below precision and torch_api, and every reason is a sentence's worth."""
    assert all(len(reason.split()) > 5 for reason in UNSHOWN.values())
    assert not set(UNSHOWN) & {clause for q in QUESTIONS for clause in q.clauses}
