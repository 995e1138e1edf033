"""What is derived is what is checked in; `rnn-spec regenerate` makes it, and says which file is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rnn_spec import files, regenerate
from rnn_spec.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CHECKED_IN = [name for name in regenerate.DERIVED if name != "vectors"]
"""What no other test holds to its source: test_vectors makes the vectors anew."""


@pytest.mark.parametrize("name", CHECKED_IN)
def test_what_is_checked_in_is_what_is_derived(name: str) -> None:
    """Each file holds what it is made of today."""
    stale = [str(path) for path in regenerate.stale(regenerate.DERIVED[name]())]

    assert stale == [], f"rnn-spec regenerate {name}"


@pytest.fixture
def derived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which one file is derived, and stale, and the next is made of it."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "tests" / "conformance").mkdir(parents=True)
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)
    rows = {
        "first": lambda: {first: "new"},
        "second": lambda: {second: f"of {first.read_text() if first.exists() else 'nothing'}"},
    }
    monkeypatch.setattr(regenerate, "DERIVED", rows)
    return tmp_path


def test_each_is_made_after_what_it_is_made_of(derived: Path) -> None:
    """Every stale file is written and named; then nothing is stale."""
    done = CliRunner().invoke(main, ["regenerate"])

    assert (done.exit_code, done.output) == (0, "first.txt is written\nsecond.txt is written\n")
    assert (derived / "second.txt").read_text() == "of new"
    assert CliRunner().invoke(main, ["regenerate"]).output == "nothing is stale\n"


def test_check_names_what_is_stale_and_writes_nothing(derived: Path) -> None:
    """The status is 1, and 0 where nothing is stale."""
    done = CliRunner().invoke(main, ["regenerate", "--check"])

    assert (done.exit_code, done.output) == (1, "first.txt is stale\nsecond.txt is stale\n")
    assert not (derived / "first.txt").exists()
    CliRunner().invoke(main, ["regenerate"])
    assert CliRunner().invoke(main, ["regenerate", "--check"]).exit_code == 0
