"""Every sentence of the gate is said of the change that it is about, and not of one that is like it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rnn_spec.gate import accepted, signatures
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.causes import causes, named, row_of, rows
from rnn_spec.gate.compare import VERDICTS, Change, compare
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Raised, Recording, RecordingError, Standing
from rnn_spec.gate.report import Result, sections
from rnn_spec.questions.records import Error
from rnn_spec.torch.experiments import EXPERIMENTS

A, B = Header("torch", "torch 2.13.0"), Header("torch", "torch 2.15.0")


def change(verdict: str, id: str, says: str, **more: Any) -> Change:
    """A change of which this is said."""
    return Change(verdict, id, id, says, **more)


def fails(of: Change) -> bool:
    """Whether it fails a gate that is told nothing else."""
    return VERDICTS[of.verdict].fails and not of.better


RAISES = "was accepted, now TypeError 'no'"
SAID: dict[str, tuple[Change, Change]] = {
    "fourth-positional-argument": (
        change("behaviour", "construct/fourth-positional-bool", "was accepted, now ValueError \"Unknown nonlinearity 'False'.\""),
        change("behaviour", "refuse/nonlinearity-int", "was accepted, now ValueError \"Unknown nonlinearity 'False'.\""),
    ),
    "weights-only-default": (
        change("checkpoints", "checkpoint/1.6.0-module", "was accepted, now UnpicklingError 'Weights only load failed.'"),
        change("checkpoints", "checkpoint/1.6.0-module", "was accepted, now AttributeError 'no _flat_weights'"),
    ),
    "weights-only-warning": (
        change("warnings", "checkpoint/map_location", "now warns: FutureWarning 'You are using `torch.load` with `weights_only=False`'"),
        change("warnings", "checkpoint/map_location", "now warns: FutureWarning 'torch.load is slow'"),
    ),
    "export-refused": (
        change("routes", "route/export-strict", "was accepted, now ValueError 'were assigned during export'"),
        change("routes", "route/export-strict", "was ValueError 'no', now accepted"),
    ),
    "model-is-not-read": (
        change("checkpoints", "model/read", "is not read"),
        change("checkpoints", "checkpoint/mmap", "is not read"),
    ),
    "model-moved-unbounded": (
        change("numerics", "model/gradients", "moved; nothing bounds it for such weights"),
        change("numerics", "model/gradients", "moved; the worst error is 0.1 of its bound"),
    ),
    "model-moved": (
        change("numerics", "model/output", "moved"), change("beyond", "model/output", "moved"),
    ),
    "model-wrong": (change("beyond", "model/output", "moved"), change("numerics", "model/output", "moved")),
    "model-raises": (
        change("behaviour", "model/error", "was computed, now RuntimeError"),
        change("behaviour", "forward/hx-None", "was computed, now RuntimeError"),
    ),
    "dies": (
        change("behaviour", "forward/hx-None", "was accepted, now death (SIGSEGV)"),
        change("behaviour", "forward/hx-None", "was death (SIGSEGV), now accepted"),
    ),
    "route-new": (
        change("routes", "route/fx", "was RuntimeError 'no', now accepted"),
        change("routes", "route/fx", "was accepted, now RuntimeError 'no'"),
    ),
    "compiled": (
        change("routes", "route/compile-dynamic", "was accepted, now Unsupported 'no'"),
        change("routes", "route/fx", "was accepted, now Unsupported 'no'"),
    ),
    "scripted": (
        change("routes", "route/script-repr", RAISES), change("routes", "route/fx", RAISES),
    ),
    "routed": (change("routes", "route/fx", RAISES), change("behaviour", "forward/hx-None", RAISES)),
    "refused": (
        change("behaviour", "refuse/bias-int", RAISES), change("behaviour", "forward/hx-None", RAISES),
    ),
    "not-refused": (
        change("behaviour", "refuse/bias-int", "was TypeError 'no', now accepted"),
        change("behaviour", "forward/input-str", "was TypeError 'no', now accepted"),
    ),
    "numpy-sizes": (
        change("behaviour", "construct/numpy-input_size", "was accepted, now TypeError 'input_size should be of type int, got: int64'"),
        change("behaviour", "refuse/input_size-float", "was accepted, now TypeError 'input_size should be of type int, got: float'"),
    ),
    "dtype-refusal": (
        change("behaviour", "precision/int-input", "was RuntimeError 'mat1 and mat2 must have the same dtype', now ValueError 'input must have the type torch.float32'"),
        change("behaviour", "precision/int-input", "was accepted, now ValueError 'input must have the type torch.float32'"),
    ),
    "another-refusal": (
        change("behaviour", "forward/input-str", "was TypeError 'no', now ValueError 'no'"),
        change("behaviour", "forward/input-str", RAISES),
    ),
    "newly-absent": (
        change("behaviour", "forward/named-input", "was 1, now absent (torch.Tensor.refine_names)"),
        change("behaviour", "forward/named-input", "was absent (torch.Tensor.refine_names), now 1"),
    ),
    "newly-there": (
        change("behaviour", "forward/named-input", "was absent (torch.Tensor.refine_names), now 1"),
        change("behaviour", "forward/named-input", "was 1, now absent (torch.Tensor.refine_names)"),
    ),
    "default-batch-first": (
        change("behaviour", "construct/defaults", "batch_first was false, now true"),
        change("behaviour", "construct/defaults", "training was true, now false"),
    ),
    "default-nonlinearity": (
        change("behaviour", "construct/defaults", "mode was RNN_TANH, now RNN_RELU"),
        change("behaviour", "construct/defaults", "mode was RNN_TANH, now TANH"),
    ),
    "works": (
        change("behaviour", "forward/input-str", "was TypeError 'no', now accepted"),
        change("behaviour", "forward/input-str", RAISES),
    ),
    "compile-method": (
        change("behaviour", "state/compiled-attribute", "was false, now true"),
        change("behaviour", "state/compiled-attribute", "was true, now false"),
    ),
    "raises": (
        change("behaviour", "forward/hx-None", RAISES),
        change("behaviour", "forward/hx-None", "was [1], now [2]"),
    ),
    "shape": (
        change("behaviour", "small-L1-tanh-float32", "output was (5, 2, 4), now (2, 5, 4)"),
        change("behaviour", "layout/defaults", "contiguous was true, now false"),
    ),
    "another-value": (
        change("behaviour", "layout/defaults", "contiguous was true, now false"),
        change("behaviour", "layout/defaults", RAISES),
    ),
    "module-refused": (
        change("checkpoints", "checkpoint/1.6.0-module", "was accepted, now AttributeError 'no'"),
        change("checkpoints", "checkpoint/1.6.0-module", "law was 1, now 2"),
    ),
    "state-refused": (
        change("checkpoints", "checkpoint/1.6.0-state_dict", "was accepted, now RuntimeError 'Missing key(s)'"),
        change("checkpoints", "checkpoint/1.6.0-state_dict", "law was 1, now 2"),
    ),
    "checkpoints": (
        change("checkpoints", "checkpoint/mmap", "was 1, now 2"),
        change("checkpoints", "checkpoint/1.6.0-module", "was accepted, now AttributeError 'no'"),
    ),
    "deprecated": (
        change("warnings", "construct/defaults", "now warns: FutureWarning 'nn.RNN will be removed in 3.0'"),
        change("warnings", "construct/defaults", "now warns: UserWarning 'slow'"),
    ),
    "warns": (
        change("warnings", "construct/defaults", "now warns: UserWarning 'slow'"),
        change("wording", "construct/defaults", "UserWarning was 'slow', now 'slower'"),
    ),
    "warning-class": (
        change("wording", "autograd/jvp", "warns by another class: FutureWarning, was DeprecationWarning"),
        change("wording", "autograd/jvp", "UserWarning was 'a', now 'b'"),
    ),
    "annotations": (
        change("wording", "annotation/RNN", "x was int, now float"),
        change("wording", "signature/RNN", "x was int, now float"),
    ),
    "message": (
        change("wording", "refuse/bias-int", "was TypeError 'a', now TypeError 'b'"),
        change("wording", "refuse/bias-int", "was Unsure 'a', now Unsure 'b'"),
    ),
    "warning-gone": (
        change("wording", "construct/defaults", "no longer warns: UserWarnings 'a'"),
        change("wording", "construct/defaults", "warned"),
    ),
    "wording": (
        change("wording", "route/script", "was Error 'a', now Error 'b'".replace("Error", "Mistake")),
        change("wording", "route/script", "was TypeError 'a', now TypeError 'b'"),
    ),
    "seeded-parameters": (
        change("streams", "init/seeded-small", "was a, now b"), change("streams", "dropout/rand", "was a, now b"),
    ),
    "seeded-dropout": (
        change("streams", "dropout/mask-0.5", "was a, now b"), change("streams", "init/cell", "was a, now b"),
    ),
    "moved-unbounded": (
        change("numerics", "small", "output moved; the worst error is 0.1 of its bound, was 0.1, and nothing bounds all of them"),
        change("numerics", "small", "output moved; the worst error is 0.1 of its bound, was 0.1"),
    ),
    "moved": (
        change("numerics", "small", "output moved; the worst error is 0.1 of its bound, was 0.1"),
        change("numerics", "small", "output moved; the worst error is 9 of its bound, was 9, out of its bound before, too"),
    ),
    "beyond": (change("beyond", "small", "output moved"), change("numerics", "small", "output moved")),
    "slower": (change("speed", "speed/small-forward", "2 times"), change("numerics", "small", "moved")),
}  # fmt: skip
"""By cause, a change that it is said of, and one that it must not be said of."""


def test_every_cause_has_its_change() -> None:
    """A sentence that no test plants is no sentence of the gate."""
    assert list(SAID) == [row.id for row in rows()]
    assert all(set(row.verdicts) <= set(VERDICTS) for row in rows())


@pytest.mark.parametrize("id", SAID)
def test_a_cause_is_said_of_what_it_is_about_alone(id: str) -> None:
    """The first row that fits a change is its cause."""
    about, other = (row_of(each) for each in SAID[id])

    assert about is not None
    assert about.id == id
    assert other is None or other.id != id


SIGNATURES = [
    (["x"], ["x", "assign=False"], "takes assign, too", "", True),
    (["x"], ["x", "(keyword) mmap=None"], "takes mmap, too", "", True),
    (["args"], ["args=None"], "args need not be given", "", True),
    (["self", "input", "hx=None"], ["self", "input", "state=None"], "an argument has another name: state, was hx",
     "Pass it by position, or by its new name: state.", False),
    (["(keyword) weights_only=False"], ["(keyword) weights_only=None"],
     "weights_only is None unless it is given, was False",
     "Say what you want: weights_only=False is what it was.", False),
    (["x", "bias=True"], ["x"], "no longer takes bias", "Do not pass it any more.", False),
    (["x", "a=1", "b=2"], ["x", "b=2", "a=1"], "the arguments by position are x, b, a, were x, a, b",
     "Pass a, and what comes after it, by keyword.", False),
    (["x"], ["x", "y"], "y must be given now", "Pass y.", False),
    (["*args"], ["**kwargs"], "no longer takes *args", "Do not pass it any more.", False),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "says", "advice", "adds"), SIGNATURES)
def test_a_signature_says_what_a_caller_has_to_do(
    before: list[str], after: list[str], says: str, advice: str, adds: bool
) -> None:
    """What only adds breaks no call; for the rest the advice is one that works."""
    told = signatures.compare(before, after)

    assert (told.says, told.advice, told.adds) == (says, advice, adds)


def test_what_a_renamed_argument_breaks_is_one_cause_with_it() -> None:
    """The signature, and each call that names the argument by its old name."""
    found = compare(
        Recording(A, {
            "signature/RNN.forward": Fact(["self", "input", "hx=None"]),
            "forward/hx-by-keyword": Fact(1),
            "forward/both-by-keyword": Fact(1),
            "forward/input-by-keyword": Fact(1),
        }),
        Recording(B, {
            "signature/RNN.forward": Fact(["self", "input", "state=None"]),
            "forward/hx-by-keyword": raised("forward() got an unexpected keyword argument 'hx'"),
            "forward/both-by-keyword": raised("forward() got an unexpected keyword argument 'hx'"),
            "forward/input-by-keyword": raised("forward() got an unexpected keyword argument 'input'"),
        }),
        EXPERIMENTS,
    )  # fmt: skip

    causes = {c.id: c for c in Result(A, B, found, ["behaviour"]).causes}

    assert set(causes) == {"argument-hx", "forward/input-by-keyword"}
    assert len(causes["argument-hx"].changes) == 3
    assert "another name: state, was hx: 3 changes" in causes["argument-hx"].line
    assert causes["argument-hx"].advice == "Pass it by position, or by its new name: state."


def raised(message: str, kind: str = "TypeError") -> Fact:
    """A fact that is an exception."""
    return Fact(raised=Raised(kind, message))


@pytest.mark.parametrize(
    ("id", "before", "after", "adds"),
    [
        ("construct/public-names", Fact(["a"]), Fact(["a", "b"]), True),
        ("construct/public-names", Fact(["a", "b"]), Fact(["a"]), False),
        ("state/keys", Fact(["a"]), Fact(["a", "b"]), False),
        ("precision/int-input", raised("no", "RuntimeError"), raised("no", "NotImplementedError"), True),
        ("precision/int-input", raised("no", "NotImplementedError"), raised("no", "RuntimeError"), False),
        ("precision/int-input", raised("no"), raised("no", "ValueError"), False),
        ("forward/input-str", raised("no"), Fact(1), True),
        ("forward/input-str", raised("no"), Fact("TypeError: no"), False),
        ("forward/input-str", Fact(1), raised("no"), False),
        ("refuse/bias-int", raised("no"), Fact(1), False),
        ("forward/named-input", Fact(absent="torch.x"), raised("no"), True),
        ("forward/input-str", raised("no"), Fact(died="SIGSEGV"), False),
    ],
)
def test_what_only_adds_fails_nothing(id: str, before: Fact, after: Fact, adds: bool) -> None:
    """A name more, an exception that whoever caught the old one catches, what was refused and works."""
    (found,) = compare(Recording(A, {id: before}), Recording(B, {id: after}), EXPERIMENTS)

    assert found.better is adds


def test_a_missing_package_is_not_told_as_torchs_change() -> None:
    """It is no difference whether a side has onnx: nobody asked torch."""
    one, other = (
        Recording(A, {"route/onnx": Fact(absent="the package onnx")}),
        Recording(B, {"route/onnx": Fact(1)}),
    )

    assert compare(one, other, EXPERIMENTS) == compare(other, one, EXPERIMENTS) == []


def test_a_newly_failing_clause_is_explained_by_what_is_known_of_torch_in_that_release() -> None:
    """A known failure of another subject, or of torch under vmap, is no reason; what failing leads to is said."""
    check = "test_recurrence.py::test_step[small-L1-relu-float32]"
    clause = {"NLN-01": Standing(3)}, {"NLN-01": Standing(2, (check,))}

    (found,) = compare(Recording(A, clauses=clause[0]), Recording(B, clauses=clause[1]), EXPERIMENTS)

    assert found.advice
    assert "vmap" not in found.advice


def test_cases_that_newly_raise_are_told_so() -> None:
    """And not as newly answered, however many there are."""
    arrays = Arrays({"output": Bits("00", (1,), 0.1)})
    error = Arrays(error=Error("forward", "ValueError", "no"))
    cases = [f"small-L{n}-tanh-float32" for n in range(1, 9)]
    found = compare(
        Recording(A, cases=dict.fromkeys(cases, arrays)),
        Recording(B, cases=dict.fromkeys(cases, error)),
        EXPERIMENTS,
    )

    (cause,) = Result(A, B, found, ["behaviour"]).causes

    assert "was computed, now ValueError 'no' in forward: 8 changes" in cause.line
    assert cause.fails


def test_numbers_that_nothing_bounds_are_not_said_to_be_right() -> None:
    """An array without a bound, or one that was out of it before, is no matter of the bound."""
    known, unknown, wild = (
        Arrays({"output": Bits(b, (1,), h)}) for b, h in (("a", 0.1), ("b", None), ("c", 3.0))
    )
    moved, other = Arrays({"output": Bits("d", (1,), 0.1)}), Arrays({"output": Bits("e", (1,), 3.0)})

    def cause(one: Arrays, two: Arrays) -> str:
        found = compare(Recording(A, cases={"small": one}), Recording(B, cases={"small": two}), EXPERIMENTS)
        return Result(A, B, found, []).causes[0].id

    assert cause(known, moved) == "moved"
    assert cause(unknown, Arrays({"output": Bits("f", (1,))})) == "moved-unbounded"
    assert cause(wild, other) == "moved-unbounded"
    assert cause(known, wild) == "beyond"


def test_causes_come_in_the_order_in_which_they_concern_the_reader() -> None:
    """Your model, your code, wrong numbers, what newly raises, the rest; what fails nothing after all that."""
    changes = [
        change("wording", "annotation/RNN", "x was int, now float"),
        change("behaviour", "layout/defaults", "contiguous was true, now false"),
        change("behaviour", "forward/hx-None", RAISES),
        change("beyond", "small-L1-tanh-float32", "output moved"),
        change("behaviour", "state/getstate", "was 1, now 2", meets=("a.py:1",)),
        change("numerics", "model/output", "moved"),
        change("behaviour", "forward/input-str", "was TypeError 'no', now accepted", better=True),
    ]

    found = causes(named(changes), fails)

    assert [cause.changes[0] for cause in found] == [
        "model/output", "state/getstate", "small-L1-tanh-float32", "forward/hx-None", "layout/defaults",
        "annotation/RNN", "forward/input-str",
    ]  # fmt: skip


def test_a_report_has_each_change_once_and_each_line_its_id() -> None:
    """Between every two neighbours on record, whatever is folded."""
    archive = Archive.read()
    for first, last in zip(archive.order, archive.order[1:], strict=False):
        a, b = archive.recording(first), archive.recording(last)
        result = Result(a.header, b.header, named(compare(a, b, EXPERIMENTS)), ["behaviour", "conformance"])

        told = [id for section in sections(result) for cause in section.causes for id in cause.changes]

        assert sorted(told) == sorted(c.id for c in result.changes)
        assert all(cause.line for section in sections(result) for cause in section.causes)


def test_what_is_written_to_be_accepted_is_accepted_when_reasons_are_given(tmp_path: Any) -> None:
    """Without a reason it is refused; with one, nothing of that step fails, and of another step all does."""
    archive = Archive.read()
    a, b = archive.recording("2.2.2"), archive.recording("2.3.1")
    changes = named(compare(a, b, EXPERIMENTS))
    result = Result(a.header, b.header, changes, [v for v in VERDICTS if VERDICTS[v].fails])
    text = accepted.written([c for c in result.causes if c.fails], a.header.version, b.header.version)
    (tmp_path / "empty.toml").write_text(text)
    (tmp_path / "full.toml").write_text(text.replace('reason = ""', 'reason = "we looked"'))

    entries = accepted.read(tmp_path / "full.toml")
    marked, idle = accepted.apply(entries, changes, a.header.version, b.header.version)

    assert result.failing
    assert idle == []
    assert msgspec.structs.replace(result, changes=marked).passes
    with pytest.raises(RecordingError, match="has no reason"):
        accepted.read(tmp_path / "empty.toml")
    unmarked, _ = accepted.apply(entries, changes, "torch 2.2.2", "torch 2.15.0")
    assert not msgspec.structs.replace(result, changes=unmarked).passes


def test_a_default_that_is_about_to_change_is_not_said_to_have_changed() -> None:
    """torch 2.4 gave load's weights_only the default None, which is False with a warning; 2.6 made it True."""
    told = change("behaviour", "signature/load", "weights_only is None unless it is given, was False")

    row = row_of(told)

    assert row is not None
    assert row.id == "weights-only-warning"
