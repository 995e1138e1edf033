"""What a run shows, on a terminal and elsewhere, and how it is told to show, to stop and to ask again."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rnn_spec.report.live import clause_of
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.collect import collect
from rnn_spec.suite.results import Results

if TYPE_CHECKING:
    from pathlib import Path

WRONG = "fault:h_0-ignored"
SOME = ("--clause", "HID-01", "--clause", "REC-02", "--clause", "REC-01")
"""Clauses of which that fault breaks the first two."""


def rnn_spec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``rnn-spec`` with these arguments in a folder, its output in pipes."""
    command = [sys.executable, "-m", "rnn_spec", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


def results(folder: Path) -> Results:
    """What the run in a folder has left."""
    return Results.read(folder / "rnn-spec-results" / "results.json")


def on_a_terminal(folder: Path, *arguments: str, **variables: str) -> str:
    """What ``rnn-spec`` writes to a terminal."""
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"TERM": "xterm", "COLUMNS": "100", **variables}
    command = [sys.executable, "-m", "rnn_spec", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            written += part
        process.wait(600)
    os.close(ours)
    return written.decode()


def test_every_test_has_its_clause_in_the_sources() -> None:
    """What is read from the sources is what pytest collects."""
    assert clause_of() == {check.test: check.clause for check in collect()}


def test_elsewhere_than_on_a_terminal_an_area_is_a_line_and_a_failing_clause_another(tmp_path: Path) -> None:
    """No letters, no table: the areas as they end, each failing clause once, and the verdict at the end."""
    done = rnn_spec(tmp_path, "check", WRONG, *SOME)

    lines = done.stdout.splitlines()
    found = results(tmp_path).verdicts
    of = {area: sum(v.clause.startswith(area) for v in found) for area in ("HID", "REC")}
    assert done.returncode == 1
    assert [line for line in lines if line.startswith(f"REC Recurrence: {of['REC']} checks: ")]
    assert [line for line in lines if line.startswith(f"HID Hidden state: {of['HID']} checks: ")]
    for id in ("HID-01", "REC-02"):
        assert lines.count(f"{id} fails: {clauses()[id].text}") == 1
    assert "REC-01 fails" not in done.stdout  # of W_ih, which no h_0 reaches
    assert "clauses checks passed failed" not in done.stdout
    assert not re.search(r"^[.Fxnu]{3}|\[100%\]", done.stdout, re.MULTILINE)
    verdict = next(n for n, line in enumerate(lines) if " does not conform: " in line)
    assert all(n < verdict for n, line in enumerate(lines) if line.startswith(("HID-01", "REC-02")))


def test_on_a_terminal_one_line_lives(tmp_path: Path) -> None:
    """It counts what is done of what is owed and what fails, names the area, and is gone at the end."""
    written = on_a_terminal(tmp_path, "check", WRONG, *SOME)

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    owed = len(results(tmp_path).verdicts)
    assert re.search(rf"\d+/{owed} checks .*(Hidden state|Recurrence) .*left", plain)
    assert "\x1b[2K" in written  # the line was wiped
    assert "HID-01 fails: " in plain
    assert "REC Recurrence: " not in plain
    assert "left" not in plain[plain.index(" does not conform: ") :]


def test_a_terminal_in_ci_is_none(tmp_path: Path) -> None:
    """A log keeps every picture of a line that lives: there it is a line an area."""
    written = on_a_terminal(tmp_path, "check", "spec", "--clause", "REC-01", CI="true")

    assert "REC Recurrence: " in written
    assert " left" not in written


def test_q_shows_the_verdict_alone_and_v_everything(tmp_path: Path) -> None:
    """-q: the verdict and where it lies. -v: the table of areas and every failure, too."""
    least = rnn_spec(tmp_path, "check", "spec", "-q", "--clause", "REC-01")
    most = rnn_spec(tmp_path, "check", "spec", "-v", "--clause", "REC-01")

    assert least.returncode == most.returncode == 0
    said = [line for line in least.stdout.splitlines() if line.strip()]
    assert said[0].startswith("spec ")
    assert "REC" not in "".join(said[:1])
    assert "area                 clauses checks passed" in most.stdout
    assert "REC Recurrence" in most.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_x_ends_at_the_first_failure(tmp_path: Path, processes: str) -> None:
    """The run is a part, says so, keeps what it has, and its verdict is that of the failure."""
    done = rnn_spec(tmp_path, "check", WRONG, "-x", "-n", processes, *SOME)

    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout
    assert "what came before failure 1" in said
    assert "!!!" not in done.stdout
    found = results(tmp_path)
    assert found.part
    failed = [v for v in found.verdicts if v.outcome == "failed"]
    assert 1 <= len(failed) <= 1 + int(processes)


def test_maxfail_that_is_not_reached_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    """A run that did not end early is no part because it might have."""
    done = rnn_spec(tmp_path, "check", "spec", "--maxfail", "3", "--clause", "REC-01")

    assert done.returncode == 0
    assert results(tmp_path).selected == ["REC-01"]


def test_lf_asks_what_failed_last_time_and_nothing_else(tmp_path: Path) -> None:
    """The same failures again, and the same verdict of them."""
    first = rnn_spec(tmp_path, "check", WRONG, *SOME)
    failed = {v.check for v in results(tmp_path).verdicts if v.outcome == "failed"}

    again = rnn_spec(tmp_path, "check", WRONG, "--lf")

    assert first.returncode == again.returncode == 1
    assert {v.check for v in results(tmp_path).verdicts} == failed
    assert "what failed last time" in " ".join(again.stdout.split())


def test_lf_without_a_failure_asks_nothing(tmp_path: Path) -> None:
    """No run, a run of somebody else, or one without a failure: a sentence, and exit status 2."""
    none = rnn_spec(tmp_path, "check", "spec", "--lf")
    rnn_spec(tmp_path, "check", "spec", "--clause", "REC-01")
    kept = results(tmp_path)
    passed, other = rnn_spec(tmp_path, "check", "spec", "--lf"), rnn_spec(tmp_path, "check", WRONG, "--lf")

    assert none.returncode == passed.returncode == other.returncode == 2
    assert "results.json cannot be read" in none.stderr
    assert "there is nothing to ask again" in passed.stderr
    assert "is of spec, and not of fault:h_0-ignored" in other.stderr
    assert results(tmp_path) == kept


def test_what_stands_after_two_dashes_is_pytests(tmp_path: Path) -> None:
    """-k narrows the run, which says so; what pytest does not know is refused with status 2."""
    done = rnn_spec(tmp_path, "check", "spec", "--clause", "REC", "--", "-k", "relu")
    strange = rnn_spec(tmp_path, "check", "spec", "--", "--no-such-option")

    assert done.returncode == 0, done.stdout
    assert results(tmp_path).selected == ["REC", "-k relu"]
    assert all("relu" in v.check for v in results(tmp_path).verdicts)
    assert strange.returncode == 2
    assert "--no-such-option" in strange.stderr
