"""The gate passes only where both sides answered every question: each way to a green without answers, red."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate import run, unanswered
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.recording import Arrays, Fact, Header, Raised, Recording, Standing
from rnn_spec.questions.records import Error

if TYPE_CHECKING:
    from pathlib import Path


@cache
def on_record(release: str = "2.15.0") -> Recording:
    """A release on record."""
    return Archive.read().recording(release)


def without(recording: Recording, **parts: Any) -> Recording:
    """The recording with these parts in place of its own; what a part's questions were is left out, too."""
    return msgspec.structs.replace(recording, **parts)


def half(held: dict[str, Any]) -> dict[str, Any]:
    """Every other one."""
    return dict(list(held.items())[::2])


def headed(recording: Recording, **fields: Any) -> Recording:
    """The recording with these fields of its header."""
    return without(recording, header=msgspec.structs.replace(recording.header, **fields))


WHOLE = on_record()
NOTHING = Recording(Header("torch", "torch 2.15.0"))
FEWER = {id: Standing(s.passed // 2, s.failed, s.unjudged) for id, s in WHOLE.clauses.items()}
CUT = {
    "nothing": (NOTHING, ["experiments", "checks", "attempts", "cases"]),
    "one fact": (
        without(NOTHING, experiments={"construct/bases": Fact(1)}),
        ["experiments", "checks", "attempts", "cases"],
    ),
    "half of the experiments": (without(WHOLE, experiments=half(WHOLE.experiments)), ["experiments"]),
    "experiments alone": (without(NOTHING, experiments=WHOLE.experiments), ["checks", "attempts", "cases"]),
    "no experiment": (without(WHOLE, experiments={}), ["experiments"]),
    "no verdict of the suite": (without(WHOLE, clauses={}), ["checks"]),
    "half of the clauses": (without(WHOLE, clauses=half(WHOLE.clauses)), ["checks"]),
    "fewer checks of each clause": (without(WHOLE, clauses=FEWER), ["checks"]),
    "no attempt": (without(WHOLE, attempts={}), ["attempts"]),
    "half of the attempts": (without(WHOLE, attempts=half(WHOLE.attempts)), ["attempts"]),
    "no case": (without(WHOLE, cases={}), ["cases"]),
    "half of the cases": (without(WHOLE, cases=half(WHOLE.cases)), ["cases"]),
    "verdicts alone": (without(NOTHING, clauses=WHOLE.clauses), ["experiments", "attempts", "cases"]),
}
"""Recordings that are not whole, and the kinds of questions that each has no answer to."""


@pytest.mark.parametrize("name", CUT)
def test_a_recording_that_is_cut_is_no_pass(name: str) -> None:
    """Either side, or both alike, so that nothing differs; it is said how many of which kinds are missing."""
    cut, kinds = CUT[name]
    for sides in ((cut, WHOLE), (WHOLE, cut), (cut, cut)):
        line, *_ = unanswered.problems(*sides)

        assert line.startswith("torch 2.15.0")
        assert re.findall(r"\d+ of \d+ (\w+) \(", line)[: len(kinds)] == kinds
        assert line.endswith("; record it anew, and whole")


@pytest.mark.parametrize("name", ["nothing", "one fact"])
def test_a_gate_without_answers_fails(tmp_path: Path, name: str) -> None:
    """Whatever is to fail it, and however little has changed."""
    CUT[name][0].write(tmp_path / "cut.json")
    for sides in (("2.15.0", "cut.json"), ("cut.json", "cut.json")):
        a, b = (str(tmp_path / side) if side == "cut.json" else side for side in sides)
        done = CliRunner().invoke(main, ["gate", "--from", a, "--to", b, "--fail-on", "speed"])

        assert done.exit_code == 1, done.output
        assert "torch 2.15.0 left unanswered: " in done.output
        assert "the gate passes" not in done.output


def test_what_is_whole_passes() -> None:
    """Every release on record, beside the newest, and what is recorded today."""
    made = WHOLE.whole()

    for release in Archive.read().order:
        assert unanswered.problems(on_record(release), WHOLE) == []
    assert unanswered.problems(made, WHOLE) == []
    assert made.header.asked == WHOLE.counts()


def test_a_recording_is_measured_by_what_it_says_that_was_asked() -> None:
    """One of an older rnn-spec may lack what is newer, if it was whole; and one that is cut does not pass."""
    fewer = headed(without(WHOLE, experiments=half(WHOLE.experiments)), rnn_spec="0.0.1").whole()
    cut = without(fewer, experiments=half(fewer.experiments))
    today = headed(fewer, rnn_spec=WHOLE.header.rnn_spec)
    n = len(fewer.experiments)

    assert unanswered.problems(fewer, WHOLE) == []
    assert unanswered.problems(headed(fewer, asked={}), WHOLE) != []  # it does not say that it was whole
    assert unanswered.problems(today, WHOLE) != []
    (said,) = unanswered.problems(cut, WHOLE)
    assert f" left unanswered: {n - len(cut.experiments)} of {n} experiments; record it anew" in said


def test_sides_that_share_nothing_were_not_compared() -> None:
    """Whatever each says of itself."""
    old = headed(NOTHING, rnn_spec="0.0.1", asked={"experiments": 0})

    assert unanswered.problems(WHOLE, old) == [
        "the two sides share no experiment and no attempt and no case and no clause"
    ]


WORDS = "it was given up, after 3 starts in a row that failed"


@pytest.mark.parametrize(
    "parts",
    [
        {"experiments": {"construct/bases": Fact(died=WORDS)}},
        {"attempts": {"RNN(3, 4)": Fact(raised=Raised("crash", WORDS, "worker"))}},
        {"cases": {"small-L1-tanh-float32": Arrays(error=Error("worker", "crash", WORDS))}},
    ],
)
def test_a_side_that_was_given_up_is_no_pass(parts: dict[str, Any]) -> None:
    """Both sides alike, so that nothing differs; a death is an answer."""
    ((kind, answers),) = parts.items()
    silent = without(WHOLE, **{kind: getattr(WHOLE, kind) | answers})
    dead = {id: Fact(died="SIGSEGV") for id in WHOLE.experiments}

    assert unanswered.problems(WHOLE, silent) == [
        f"{WHOLE.header.version} left 1 question unanswered: {WORDS}"
    ]
    assert unanswered.problems(WHOLE, without(WHOLE, experiments=dead)) == []


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        ((True, False), "A lacks onnx"),
        ((False, True), "B lacks onnx"),
        ((True, True), "both sides lack onnx"),
    ],
)
def test_what_is_not_compared_is_told_of_the_side_that_lacks_the_package(
    lack: tuple[bool, bool], said: str
) -> None:
    """And of both where both lack it; of neither nothing."""
    facts = {True: Fact(absent="the package onnx"), False: Fact(1)}
    a, b = (Recording(Header("torch", n), {"route/onnx": facts[x]}) for n, x in zip("AB", lack, strict=True))
    here = Recording(Header("torch", "C"), {"route/onnx": Fact(1)})

    assert run.lacking(a, b) == f"1 questions are not compared: {said}"
    assert run.lacking(here, here) == ""
