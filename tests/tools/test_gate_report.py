"""The gate's report where GitHub shows it: Markdown read as meant, annotations that fit, a refusal told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate.compare import Change
from rnn_spec.gate.recording import Header
from rnn_spec.gate.report import Result, annotated, markdown
from rnn_spec.report.github import SHOWN
from rnn_spec.report.markdown import escaped
from rnn_spec.subjects import registry

A, B = Header("torch", "torch 2.1.0"), Header("torch", "torch 2.2.0")


def changes(count: int, verdict: str = "behaviour", *, better: bool = False) -> list[Change]:
    """Changes of a cause each."""
    return [
        Change(verdict, f"x/{n}", f"Title {n}", f"was {n}, now other", better=better, cause=f"x/{n}")
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("+ new", r"\+ new"),
        ("- gone", r"\- gone"),
        ("1. first", r"1\. first"),
        ("a + b", "a + b"),
        ("a|b <c> [d](e) @f", r"a\|b \<c\> \[d\](e) \@f"),
        ("-1 is a number", "-1 is a number"),
    ],
)
def test_text_is_text_in_markdown(text: str, read: str) -> None:
    """A sign of a list at the start is no list, and nothing else is read as Markdown."""
    assert escaped(text) == read


def test_a_new_thing_keeps_its_plus_in_the_step_summary() -> None:
    """`- + x` would be a list in a list, and the sign gone."""
    text = markdown(Result(A, B, changes(1, better=True), ["behaviour"]))

    assert "\n- \\+ Title 0: was 0, now other `x/0`\n" in text


def test_annotations_are_as_many_as_github_shows_and_say_what_is_left_out() -> None:
    """Ten of a kind: the tenth says how many more there are."""
    told = [msgspec.structs.replace(c, id=f"y/{c.id}", cause=f"y/{c.id}") for c in changes(SHOWN, "wording")]
    many = Result(A, B, changes(14) + told, ["behaviour"])

    lines = list(annotated(many))

    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == SHOWN
    assert errors[-1].startswith("::error title=and 5 more::")
    assert sum(line.startswith("::notice ") for line in lines) == SHOWN


def test_a_stale_entry_is_no_change_that_fails() -> None:
    """Changes and entries of the file are counted each for themselves."""
    result = Result(A, B, changes(2), ["behaviour"], ["accepted is 'x', but no such change is there"])

    assert result.summary.endswith(
        "2 changes (2 behaviour); 2 of them, of 2 causes and 1 problem, fail the gate"
    )
    assert not result.passes


def test_a_gate_that_could_not_run_says_so_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step's summary and an annotation have the sentence, as the log has."""
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(
        main, ["gate", "--from", "9.9.9", "--to", "2.3.1", "--recorded", "--markdown", "s.md", "--annotate"]
    )

    assert done.exit_code == 2
    assert "::error title=the gate could not run::" in done.stdout
    assert "the gate could not run" in Path("s.md").read_text(encoding="utf-8")
    assert "9.9.9" in Path("s.md").read_text(encoding="utf-8")


def test_a_device_that_is_not_there_is_not_taken_for_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes are named to whoever misspells one, and to nobody else."""

    def without(*_: object) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr("rnn_spec.torch.eager.TorchSubject", without)

    with pytest.raises(registry.SubjectError, match="CUDA") as told:
        registry.load("torch:cuda")

    assert "routes" not in str(told.value)
