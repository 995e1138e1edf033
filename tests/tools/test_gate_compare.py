"""Every difference of two recordings is one change, under the right verdict, in words."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_spec.gate import accepted
from rnn_spec.gate import compare as gate_compare
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.compare import VERDICTS, compare, elsewhere
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
from rnn_spec.gate.signatures import spelt
from rnn_spec.judge.known import known
from rnn_spec.questions.records import Error
from rnn_spec.torch import experiments

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.gate.compare import Change

HEADER = Header("torch", "torch 2.13.0")
EXPERIMENTS: Any = {
    "refuse/input_size-0": SimpleNamespace(sentence="input_size=0.", kind="behaviour", clause="ERR-01"),
    "annotation/RNN": SimpleNamespace(sentence="Annotations.", kind="annotation", clause=None),
    "init/seeded": SimpleNamespace(sentence="Seeded parameters.", kind="stream", clause=None),
    "checkpoint/1.6.0": SimpleNamespace(sentence="A file of 1.6.0.", kind="checkpoint", clause=None),
    "route/export": SimpleNamespace(sentence="torch.export.", kind="route", clause=None),
}
SMALL, RANDOM = "small-L1-tanh-float32", "small-L2-tanh-p0.5-train-float32"


def recording(**parts: Any) -> Recording:
    """A recording with these parts and nothing else."""
    return Recording(HEADER, **parts)


def probe_change(id: str, a: Fact, b: Fact) -> Change:
    """The one change between two recordings that differ in this probe."""
    (change,) = compare(recording(experiments={id: a}), recording(experiments={id: b}), EXPERIMENTS)
    return change


def raised(kind: str, message: str) -> Fact:
    """A fact that is an exception."""
    return Fact(raised=Raised(kind, message))


GREATER = raised("ValueError", "input_size must be greater than zero")
PLANTED = [
    ("refuse/input_size-0", Fact(), GREATER, "behaviour",
     "input_size=0: was accepted, now ValueError 'input_size must be greater than zero'"),
    ("refuse/input_size-0", GREATER, Fact("RNN(0, 4)"), "behaviour",
     "input_size=0: was ValueError 'input_size must be greater than zero', now accepted: RNN(0, 4)"),
    ("refuse/input_size-0", raised("TypeError", "no"), raised("ValueError", "no"), "behaviour",
     "input_size=0: was TypeError 'no', now ValueError 'no'"),
    ("refuse/input_size-0", raised("ValueError", "a"), raised("ValueError", "b"), "wording",
     "input_size=0: was ValueError 'a', now ValueError 'b'"),
    ("refuse/input_size-0", Fact(1), Fact(2), "behaviour", "input_size=0: was 1, now 2"),
    ("refuse/input_size-0", Fact(1), Fact(True), "behaviour", "input_size=0: was 1, now true"),
    ("refuse/input_size-0", Fact(0.0), Fact(-0.0), "behaviour", "input_size=0: was 0.0, now -0.0"),
    ("refuse/input_size-0", Fact({"a": 1, "b": 2}), Fact({"a": 1, "c": 2}), "behaviour",
     "input_size=0: b is gone: it was 2; c is new: 2"),
    ("refuse/input_size-0", Fact(["ValueError: a"]), Fact(["ValueError: b"]), "wording",
     'input_size=0: was ["ValueError: a"], now ["ValueError: b"]'),
    ("refuse/input_size-0", Fact(["ValueError: a"]), Fact(["TypeError: a"]), "behaviour",
     'input_size=0: was ["ValueError: a"], now ["TypeError: a"]'),
    ("refuse/input_size-0", Fact(1), Fact(1, warnings=(Warned("UserWarning", "w"),)), "warnings",
     "input_size=0: now warns: UserWarning 'w'"),
    ("refuse/input_size-0", Fact(1, warnings=(Warned("UserWarning", "w"),)), Fact(1), "wording",
     "input_size=0: no longer warns: UserWarning 'w'"),
    ("refuse/input_size-0", Fact(1, warnings=(Warned("UserWarning", "w"),)),
     Fact(1, warnings=(Warned("UserWarning", "v"),)), "wording",
     "input_size=0: UserWarning was 'w', now 'v'"),
    ("refuse/input_size-0", Fact(1, warnings=(Warned("UserWarning", "w"),)),
     Fact(1, warnings=(Warned("FutureWarning", "w"),)), "wording",
     "input_size=0: warns by another class: FutureWarning, was UserWarning"),
    ("route/export", Fact(1), Fact(1, warnings=(Warned("UserWarning", "w"),)), "routes",
     "torch.export: now warns: UserWarning 'w'"),
    ("refuse/input_size-0", Fact(1), Fact(2, warnings=(Warned("UserWarning", "w"),)), "behaviour",
     "input_size=0: was 1, now 2; now warns: UserWarning 'w'"),
    ("route/export", Fact(1), Fact(died="SIGSEGV"), "behaviour", "torch.export: was 1, now death (SIGSEGV)"),
    ("route/export", Fact(absent="torch.export"), Fact(1), "routes",
     "torch.export: was absent (torch.export), now 1"),
    ("route/export", Fact(1), GREATER, "routes",
     "torch.export: was accepted, now ValueError 'input_size must be greater than zero'"),
    ("init/seeded", Fact("00ff"), Fact("ff00"), "streams", "Seeded parameters: was 00ff, now ff00"),
    ("init/seeded", Fact("00ff"), GREATER, "behaviour",
     "Seeded parameters: was accepted, now ValueError 'input_size must be greater than zero'"),
    ("annotation/RNN", Fact({"x": "int"}), Fact({"x": "float"}), "wording",
     "Annotations: x was int, now float"),
    ("checkpoint/1.6.0", Fact("read"), raised("UnpicklingError", "no"), "checkpoints",
     "A file of 1.6.0: was accepted, now UnpicklingError 'no'"),
    ("checkpoint/1.6.0", Fact("read"), Fact("read in part"), "checkpoints",
     "A file of 1.6.0: was read, now read in part"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "a", "b", "verdict", "line"), PLANTED)
def test_a_probe_that_changed_is_told_under_its_verdict(
    id: str, a: Fact, b: Fact, verdict: str, line: str
) -> None:
    """The verdict is by the kind of probe and of change; the line says what was, and what is."""
    change = probe_change(id, a, b)

    assert (verdict, line) == (change.verdict, change.line)
    assert change.clause == EXPERIMENTS[id].clause


def test_a_probe_that_only_one_of_them_has_is_told() -> None:
    """Recordings of two versions of rnn-spec may differ in what was asked."""
    (new,) = compare(recording(), recording(experiments={"area/new": Fact(3)}), EXPERIMENTS)
    (old,) = compare(recording(experiments={"area/new": Fact(3)}), recording(), EXPERIMENTS)

    assert new.line == "area/new: was not asked, now 3"
    assert old.line == "area/new: 3, is not asked any more"


def test_a_question_that_one_side_was_never_asked_fails_no_gate() -> None:
    """An experiment, a case or a clause that only one recording has is told, whatever came of it."""
    asked = recording(
        experiments={"area/new": Fact(raised=Raised("TypeError", "no"))},
        cases={SMALL: Arrays(error=Error("forward", "RuntimeError", "no"))},
        clauses={"REC-01": Standing(3, ("test_recurrence.py::test",))},
    )

    new, old = compare(recording(), asked, EXPERIMENTS), compare(asked, recording(), EXPERIMENTS)

    assert {change.id for change in new} == {change.id for change in old} == {"area/new", SMALL, "REC-01"}
    assert [change.id for change in new if not change.better] == []
    assert [change.id for change in old if not change.better] == []


MADE = {"repr": "RNN(3, 4)"}
FAILING = MADE | {"fails": {"type": "RuntimeError", "message": "not for 'Half'", "phase": "forward"}}
CALLED = MADE | {"does": {"output": [2, 7, 8]}}


@pytest.mark.parametrize(
    ("a", "b", "better", "says"),
    [
        (FAILING, CALLED, True, "was RuntimeError \"not for 'Half'\" in forward, now answered"),
        (FAILING, CALLED | {"repr": "RNN()"}, False, "does output is new: [2,7,8]"),
        (CALLED, FAILING, False, "does output is gone"),
    ],
)
def test_calls_that_newly_answer_only_add(a: Any, b: Any, better: bool, says: str) -> None:
    """A layer that was made, and whose calls failed, is none that anybody relies on."""
    change = probe_change("refuse/input_size-0", Fact(a), Fact(b))

    assert (change.verdict, change.better) == ("behaviour", better)
    assert says in change.says


ARRAYS = {"output": Bits("00", (5, 2, 4), 0.03), "h_n": Bits("01", (1, 2, 4), 0.02)}


PROCESSORS = [("AuthenticAMD 23 49 avx2 fma", False), ("GenuineIntel 6 85 avx512f", True), ("", True)]


@pytest.mark.parametrize(("other", "told"), PROCESSORS, ids=["another", "the same", "not told"])
def test_bits_are_compared_on_one_processor(other: str, told: bool) -> None:
    """On another, another order of sums is no change of torch, unless it leaves the bound."""
    here = msgspec.structs.replace(HEADER, processor="GenuineIntel 6 85 avx512f")
    ids, after = (SMALL, RANDOM, "wrong"), (0.2, 0.3, 3.0)
    a = Recording(here, cases=dict.fromkeys(ids, moved(0.1)))
    arrays = (Arrays({**ARRAYS, "output": Bits("aa", (5, 2, 4), x)}) for x in after)
    b = Recording(msgspec.structs.replace(HEADER, processor=other), cases=dict(zip(ids, arrays, strict=True)))

    found = {c.id: c.verdict for c in compare(a, b, EXPERIMENTS)}

    within = {SMALL: "numerics", RANDOM: "streams"}
    assert found == {"wrong": "beyond"} | (within if told else {})
    said = "the numbers of 2 cases moved within the bound, as on another processor they do"
    assert elsewhere(a, b) == ("" if told else said)


def moved(headroom: float | None, shape: tuple[int, ...] = (5, 2, 4)) -> Arrays:
    """ARRAYS, with another output."""
    return Arrays({**ARRAYS, "output": Bits("ff", shape, headroom)})


@pytest.mark.parametrize(
    ("id", "b", "verdict", "said"),
    [
        (SMALL, moved(0.05), "numerics", "output moved; the worst error is 0.05 of its bound, was 0.03"),
        (SMALL, moved(1.5), "beyond", "output moved; the worst error is 1.5 of its bound, was 0.03"),
        (SMALL, moved(None), "beyond", "the worst error is not known of its bound, was 0.03"),
        (RANDOM, moved(0.05), "streams", f"case {RANDOM}: output moved"),
        (RANDOM, moved(1.5), "beyond", "the worst error is 1.5 of its bound"),
        (SMALL, moved(0.05, (2, 5, 4)), "behaviour", "output was (5, 2, 4), now (2, 5, 4)"),
        (SMALL, Arrays({"output": ARRAYS["output"]}), "behaviour", "h_n was (1, 2, 4), now not there"),
        (
            SMALL,
            Arrays(error=Error("forward", "RuntimeError", "no")),
            "behaviour",
            "was computed, now RuntimeError 'no' in forward",
        ),
        (
            SMALL,
            Arrays({**ARRAYS, "output": Bits("00", (5, 2, 4), 0.3)}),
            "numerics",
            "judged by another bound",
        ),
    ],
)
def test_a_case_that_changed_is_told_under_its_verdict(id: str, b: Arrays, verdict: str, said: str) -> None:
    """Within the bound, beyond it, another random stream, another shape, an error."""
    (change,) = compare(recording(cases={id: Arrays(ARRAYS)}), recording(cases={id: b}), EXPERIMENTS)

    assert change.verdict == verdict
    assert said in change.line


def test_what_was_absent_and_is_there_fails_no_gate() -> None:
    """A probe, a case, a gradient: nothing that ran before can depend on it; the way back is not better.

    Nor can anything depend on what is new, and raises or dies.
    """
    absent, there = Arrays(absent="float16"), Arrays(ARRAYS)
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            {"experiments": {"refuse/input_size-0": Fact(absent="torch.x")}},
            {"experiments": {"refuse/input_size-0": Fact(1)}},
        ),
        (
            {"experiments": {"refuse/input_size-0": Fact(absent="torch.x")}},
            {"experiments": {"refuse/input_size-0": Fact(raised=Raised("RuntimeError", "no"))}},
        ),
        (
            {"experiments": {"refuse/input_size-0": Fact(absent="torch.x")}},
            {"experiments": {"refuse/input_size-0": Fact(died="SIGSEGV")}},
        ),
        ({"cases": {SMALL: absent}}, {"cases": {SMALL: there}}),
        (
            {"cases": {SMALL: absent}},
            {"cases": {SMALL: Arrays(error=Error("forward", "RuntimeError", "no"))}},
        ),
        ({"cases": {SMALL: Arrays()}}, {"cases": {SMALL: Arrays(error=Error("forward", "TypeError", "no"))}}),
        ({"cases": {SMALL: Arrays({"output": ARRAYS["output"]})}}, {"cases": {SMALL: there}}),
    ]

    for before, after in pairs:
        (new,) = compare(recording(**before), recording(**after), EXPERIMENTS)
        (gone,) = compare(recording(**after), recording(**before), EXPERIMENTS)
        assert (new.verdict, new.better) == ("behaviour", True), new
        assert (gone.verdict, gone.better) == ("behaviour", False), gone


def test_a_reason_that_an_older_recording_does_not_hold_fails_nothing() -> None:
    """Of a case that a torch has not the means for, an older rnn-spec kept only that it came to nothing."""
    kept, unkept, other = Arrays(absent="torch.vmap"), Arrays(), Arrays(absent="torch.compile")

    for before, after in [(unkept, kept), (kept, unkept)]:
        (change,) = compare(recording(cases={SMALL: before}), recording(cases={SMALL: after}), EXPERIMENTS)
        assert (change.verdict, change.better) == ("wording", True)
    (change,) = compare(recording(cases={SMALL: kept}), recording(cases={SMALL: other}), EXPERIMENTS)
    assert (change.verdict, change.better) == ("wording", False)
    assert change.says == "was absent (torch.vmap), now absent (torch.compile)"


def test_another_message_of_a_case_is_wording() -> None:
    """The same class in the same phase says the same."""
    a, b = (Arrays(error=Error("forward", "RuntimeError", message)) for message in ("one", "two"))

    (change,) = compare(recording(cases={SMALL: a}), recording(cases={SMALL: b}), EXPERIMENTS)

    assert change.verdict == "wording"


def test_a_clause_that_newly_fails_says_which_checks() -> None:
    """conformance: the checks, and what failing the clause leads to; one that only newly passes is better."""
    a, b, mended, fewer, first = (
        recording(clauses={"ERR-01": standing})
        for standing in (
            Standing(3, ("t::a",), {"not here": ("t::d",)}),
            Standing(2, ("t::b", "t::c"), {"not here": ("t::d",)}),
            Standing(4, (), {"not here": ("t::d",)}),
            Standing(2, ("t::a",), {"not here": ("t::d",), "no more": ("t::b",)}),
            Standing(3, ("t::a", "t::d")),
        )
    )

    (worse,) = compare(a, b, EXPERIMENTS)
    (better,) = compare(a, mended, EXPERIMENTS)
    (lost,) = compare(a, fewer, EXPERIMENTS)
    (judged,) = compare(a, first, EXPERIMENTS)

    assert {change.verdict for change in (worse, better, lost, judged)} == {"conformance"}
    assert worse.says == "2 checks newly fail: t::b, t::c; 1 check no longer fails: t::a"
    assert worse.advice
    assert better.says == "1 check no longer fails: t::a; it is fulfilled from here on"
    assert lost.says == "1 check is not judged any more: t::b (no more)"
    assert judged.says == "1 check fails that had not been judged: t::d"
    assert [c.better for c in (worse, better, lost, judged)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("clause", "check", "verdict"),
    [
        ("ERR-13", "test_errors.py::test_message_shows_what_was_given[input_size-zero]", "wording"),
        ("ERR-13", "test_errors.py::test_message_that_nobody_knows", "conformance"),
        (
            "EXE-07",
            "test_routes.py::test_exported_answers_like_eager[small-L2-tanh-bi-float64]",
            "conformance",
        ),
    ],
    ids=["words", "unknown", "a result"],
)
def test_newly_failing_checks_of_which_only_words_are_known_to_matter_are_wording(
    clause: str, check: str, verdict: str
) -> None:
    """Else a clause that newly fails fails the gate, whatever it is about."""
    a, b = (
        Recording(HEADER, clauses={clause: standing}) for standing in (Standing(1), Standing(0, (check,)))
    )

    (change,) = compare(a, b, EXPERIMENTS)

    assert (change.verdict, change.better) == (verdict, False)


@pytest.mark.parametrize(
    ("failed", "verdict", "better"),
    [(("t::a",), "behaviour", False), ((), "conformance", True), (("t::b",), "behaviour", False)],
    ids=["indifferent", "towards", "and away"],
)
def test_a_change_that_brings_torch_into_conformance_is_shown_as_such(
    failed: tuple[str, ...], verdict: str, better: bool
) -> None:
    """Where a clause that asks the question is mended, and none broken, its new answer is no warning."""
    asked = {"refuse/bias": Question(("ERR-10",), "RNN(3, 4, bias=1)")}
    before = recording(
        attempts={"refuse/bias": Fact(1)}, questions=asked, clauses={"ERR-10": Standing(1, ("t::a",))}
    )
    after = recording(
        attempts={"refuse/bias": raised("TypeError", "no")},
        questions=asked,
        clauses={"ERR-10": Standing(2, failed)},
    )

    change = next(c for c in compare(before, after, EXPERIMENTS) if c.id == "refuse/bias")

    assert (change.verdict, change.better, change.clause) == (verdict, better, "ERR-10")
    assert change.line == "RNN(3, 4, bias=1): was accepted, now TypeError 'no'"


TEXT = st.text("abc", max_size=3)
MAYBE = st.none() | TEXT
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 1) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
FACT = st.builds(
    Fact, VALUE, st.none() | st.builds(Raised, TEXT, TEXT), MAYBE, MAYBE,
    st.lists(st.builds(Warned, TEXT, TEXT), max_size=2).map(tuple),
)  # fmt: skip
BITS = st.builds(Bits, TEXT, st.tuples(st.integers(0, 2)), st.none() | st.floats(0, 2))
ERROR = st.none() | st.builds(Error, TEXT, TEXT, TEXT)
ARRAY = st.builds(Arrays, st.dictionaries(TEXT, BITS, max_size=2), ERROR, MAYBE)
CLAUSE = st.sampled_from(["ERR-01", "ERR-02", "XXX-01"])
CHECKS = st.lists(TEXT, max_size=2, unique=True).map(tuple)
RECORDING = st.builds(
    Recording,
    st.just(HEADER),
    st.dictionaries(st.sampled_from([*EXPERIMENTS, "other/x"]), FACT),
    st.dictionaries(st.sampled_from(["RNN(3, 4)", "refuse/x"]), FACT),
    st.dictionaries(st.sampled_from([SMALL, RANDOM, "no case"]), ARRAY),
    st.dictionaries(
        st.sampled_from(["RNN(3, 4)", "refuse/x", SMALL]), st.builds(Question, st.tuples(CLAUSE), TEXT)
    ),
    st.dictionaries(CLAUSE, st.builds(Standing, st.integers(0, 2), CHECKS, st.dictionaries(TEXT, CHECKS))),
)


@settings(deadline=None)
@given(RECORDING, RECORDING)
def test_every_difference_is_in_exactly_one_change(a: Recording, b: Recording) -> None:
    """What differs is told once, what does not is not told, and the way back is as long."""

    def differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
        encode = msgspec.json.Encoder(order="sorted").encode
        return [k for k in {*one, *other} if encode(one.get(k)) != encode(other.get(k))]

    parts = ("experiments", "attempts", "cases", "clauses")
    expected = [id for part in parts for id in differ(getattr(a, part), getattr(b, part))]

    changes = compare(a, b, EXPERIMENTS)

    assert sorted(expected) == sorted(change.id for change in changes)
    assert sorted(expected) == sorted(change.id for change in compare(b, a, EXPERIMENTS))
    assert all(change.verdict in VERDICTS and change.line for change in changes)
    assert compare(a, a, EXPERIMENTS) == []


def meant(fact: Fact) -> Any:
    """What annotations mean, however they are spelt."""
    return {n: spelt(x) for n, x in fact.value.items()} if isinstance(fact.value, dict) else fact


@pytest.mark.parametrize("pair", [*itertools.pairwise(Archive.read().order)], ids="-".join)
def test_every_change_between_neighbours_on_record_is_told(pair: tuple[str, str]) -> None:
    """The facts that differ are the changes, no more and no fewer, and each line shows a difference.

    But for annotations that are spelt another way.
    """
    a, b = (Archive.read().recording(release) for release in pair)
    parts = [(getattr(a, part), getattr(b, part)) for part in ("experiments", "attempts", "cases")]
    differ = [
        id
        for one, other in parts
        for id in {*one, *other}
        if one.get(id) != other.get(id) and "the package " not in f"{one.get(id)}{other.get(id)}"
        if not id.startswith("annotation/") or meant(one[id]) != meant(other[id])
    ]

    changes = compare(a, b, experiments.EXPERIMENTS)

    told = [c for c in changes if c.id != c.clause]
    assert sorted(differ) == sorted(c.id for c in told)
    for change in told:
        was, _, now = change.says.partition(", now ")
        assert was.removeprefix("was ") != now, change


def test_what_differs_late_in_a_long_message_is_shown() -> None:
    """The beginning that both share is left out."""
    a, b = (raised("RuntimeError", "x" * 300 + end) for end in ("one", "two"))

    line = probe_change("refuse/input_size-0", a, b).line

    assert "one', now RuntimeError" in line
    assert line.endswith("two'")


FILE = """
[[accepted]]
id = "refuse/*"
verdict = "behaviour"
reason = "we check sizes ourselves"
from = "<2.14"

[[accepted]]
id = "init/*"
verdict = "streams"
reason = "nothing is seeded"
to = ">=3"
"""


def test_an_accepted_change_has_its_reason_and_an_entry_without_one_is_told(tmp_path: Path) -> None:
    """Strict both ways: what matches nothing is named, unless it is about other releases."""
    (tmp_path / "a.toml").write_text(FILE)
    entries = accepted.read(tmp_path / "a.toml")
    change = probe_change("refuse/input_size-0", Fact(), GREATER)

    marked, idle = accepted.apply(entries, [change], "torch 2.13.0+cpu", "2.15.0")
    _, both_idle = accepted.apply(entries, [], "2.13.0", "3.0.0")
    wording, _ = accepted.apply(
        entries, [msgspec.structs.replace(change, verdict="wording")], "2.13.0", "3.0"
    )

    assert [c.accepted for c in marked] == ["we check sizes ourselves"]
    assert idle == []
    assert len(both_idle) == 2
    assert both_idle[0] == "accepted is 'refuse/*' (behaviour), but no such change is there"
    assert wording[0].accepted is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[accepted]]\nid = 'a'\nverdict = 'behaviour'", "missing required field `reason`"),
        ("[[accepted]]\nid = 'a'\nverdict = 'x'\nreason = 'r'", "'x' is no verdict; they are conformance"),
        ("[[accepted]]\nid = 'a'\nverdict = 'speed'\nreason = ' '", "'a' has no reason"),
        ("[[accepted]]\nid = 'a'\nverdict = 'speed'\nreason = 'r'\nfrom = 'old'", "Invalid specifier: 'old'"),
        ("[[acepted]]\nid = 'a'", "unknown field `acepted`"),
        ("[[", "does not say which changes are accepted"),
    ],
)
def test_a_wrong_file_of_accepted_changes_is_refused_in_a_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    """What is missing, unknown or unreadable is named."""
    (tmp_path / "a.toml").write_text(text)

    with pytest.raises(RecordingError, match="does not say which changes are accepted") as refused:
        accepted.read(tmp_path / "a.toml")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Optional[dict[str, Any]]", "dict[str, Any] | None"),
        ("Union[Tensor, list[Tensor]]", "list[Tensor] | Tensor"),
        ("Optional[Union[str, tuple[int, Optional[int]]]]", "tuple[int, int | None] | str | None"),
        (
            "Union[Callable[[Tensor, str], Tensor], str, None]",
            "Optional[str | Callable[[Tensor, str], Tensor]]",
        ),
        ("int", "int"),
        ("", ""),
    ],
)
def test_an_annotation_in_another_spelling_is_no_change(was: str, now: str) -> None:
    """Optional and Union, however deep, and the order of a union's members."""
    id = "annotation/load"
    a, b, other = (
        recording(experiments={id: Fact({"f": text})}) for text in (was, now, "dict[str, list[Any]] | None")
    )

    assert compare(a, b, experiments.EXPERIMENTS) == compare(b, a, experiments.EXPERIMENTS) == []
    (change,) = compare(a, other, experiments.EXPERIMENTS)
    assert change.verdict == "wording"


@pytest.mark.parametrize("text", ["Optional[int", "list]]", "a | | b", "[", "Literal['a', 'b']"])
def test_an_annotation_that_is_odd_is_left_as_it_is_told(text: str) -> None:
    """It is compared, and nothing raises."""
    a, b = (recording(experiments={"annotation/load": Fact({"f": x})}) for x in (text, text + "x"))

    assert compare(a, a, experiments.EXPERIMENTS) == []
    assert len(compare(a, b, experiments.EXPERIMENTS)) == 1


OLDER, LARGER = Standing(1), Standing(1, ("t[new]",))
NEW = replace(known()[0], checks=("t[new]",), newer=("t[new]",))


@pytest.mark.parametrize(
    ("a", "b", "better", "says"),
    [
        (OLDER, LARGER, True, "1 check fails that had not been judged: t[new]"),
        (Standing(2), LARGER, False, "1 check newly fails: t[new]"),  # as many checks: it was asked
        (
            Standing(1),
            Standing(1, ("t[1]",)),
            False,
            "1 check newly fails: t[1]",
        ),  # nothing says that it is known
        (Standing(1), Standing(1, (), {"why": ("t[1]",)}), True, "1 checks pass, 1 did"),
        (
            Standing(2),
            Standing(1, (), {"why": ("t[1]", "t[2]")}),
            False,
            "2 checks are not judged any more: t[1]",
        ),
        (
            Standing(1, ("t[1]",)),
            Standing(2, (), {"why": ("t[1]",)}),
            False,
            "1 check is not judged any more: t[1]",
        ),
    ],
)
def test_a_check_that_is_newer_than_a_record_is_no_news_of_torch(
    monkeypatch: pytest.MonkeyPatch, a: Standing, b: Standing, better: bool, says: str
) -> None:
    """What torch is known to fail in both releases has not newly failed where one record was not asked it."""
    monkeypatch.setattr(gate_compare, "expected_of", lambda *of: [NEW])

    (change,) = compare(recording(clauses={"ARG-06": a}), recording(clauses={"ARG-06": b}), EXPERIMENTS)

    assert change.better == better
    assert says in change.says
