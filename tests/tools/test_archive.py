"""What is on record is stored once, reads back as it was recorded, and is what docs/history.md tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner
from packaging.version import Version

from rnn_spec.cli import main
from rnn_spec.gate import generic
from rnn_spec.gate.archive import Archive, fold, put, shipped, value_at
from rnn_spec.gate.history import HISTORY, failing, links, runs, since
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Recording, RecordingError, Standing, readable
from rnn_spec.judge.known import Known, known, matches
from rnn_spec.questions.product import standard
from rnn_spec.suite.recorder import checked_in
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from pathlib import Path

RECORDINGS = {
    "2.9.1": Recording(
        Header("torch", "torch 2.9.1"), {"a/same": Fact(1), "a/gone": Fact("x"), "a/kind": Fact(1)},
        cases={"case": Arrays({"output": Bits("0" * 16, (2,))})},
        clauses={"ERR-01": Standing(3, ("t[1]", "t[2]"))},
    ),
    "2.10.0": Recording(
        Header("torch", "torch 2.10.0"), {"a/same": Fact(1), "a/kind": Fact(True)},
        cases={"case": Arrays({"output": Bits("1" * 16, (2,))})},
        clauses={"ERR-01": Standing(4, ("t[2]",))},
    ),
    "2.11.0": Recording(
        Header("torch", "torch 2.11.0"), {"a/same": Fact(1), "a/gone": Fact("x"), "a/kind": Fact(1.0)},
        cases={"case": Arrays({"output": Bits("1" * 16, (2,))})}, clauses={"ERR-01": Standing(5)},
    ),
}  # fmt: skip


def test_recordings_read_back_as_they_were(tmp_path: Path) -> None:
    """Each recording that goes into the files comes out of them equal, to the last byte."""
    Archive.of(RECORDINGS).write(tmp_path)

    archive = Archive.read(tmp_path)

    assert list(RECORDINGS) == archive.order
    for release, recording in RECORDINGS.items():
        assert readable(recording) == readable(archive.recording(release))


def test_a_fact_is_stored_where_it_begins() -> None:
    """What holds in several releases in a row is stored once."""
    archive = Archive.of(RECORDINGS)

    assert {"2.9.1": Fact(1)} == archive.experiments["a/same"]
    assert {"2.9.1": Fact("x"), "2.10.0": None, "2.11.0": Fact("x")} == archive.experiments["a/gone"]
    assert list(archive.clauses["ERR-01"]) == list(RECORDINGS)


def test_a_run_begins_where_a_value_does() -> None:
    """A key that is new in a release has no value before it."""
    run = fold({"1.0.0": {}, "1.4.0": {"a": 1}})["a"]

    assert [value_at(run, r) for r in ("0.4.0", "1.0.0", "1.4.0", "2.0.1")] == [None, None, 1, 1]


def test_a_release_that_is_not_on_record_is_refused() -> None:
    """The refusal names the releases that are."""
    with pytest.raises(RecordingError, match=r"torch 0\.4\.1 is not on record: 2\.9\.1, 2\.10\.0, 2\.11\.0"):
        Archive.of(RECORDINGS).recording("0.4.1")


def test_files_that_are_not_as_they_must_be_are_refused(tmp_path: Path) -> None:
    """A file that is no part of an archive is named, with the place."""
    Archive.of(RECORDINGS).write(tmp_path)
    (tmp_path / "clauses.json").write_text('{"ERR-01": {"2.9.1": "three"}}')

    with pytest.raises(RecordingError, match=r"clauses\.json is not a recording: Expected `object"):
        Archive.read(tmp_path)


def test_the_runs_of_an_experiment_name_their_releases() -> None:
    """Runs of equal facts are one line, from the first release to the last."""
    archive = Archive.of(RECORDINGS)

    assert [("2.9.1 to 2.11.0", Fact(1))] == runs(archive, archive.experiments["a/same"])
    assert [("2.9.1", Fact("x")), ("2.10.0", None), ("2.11.0", Fact("x"))] == runs(
        archive, archive.experiments["a/gone"]
    )


# -- what ships ---------------------------------------------------------------------------------------


def test_eight_years_are_on_record() -> None:
    """At least 15 releases from 1.0.0 to 2.15.0 ship, among them the one that the document describes."""
    order = Archive.read().order

    assert len(order) >= 15
    assert (order[0], order[-1]) == ("1.0.0", "2.15.0")
    assert "1.6.0" in order
    assert set(range(16)) == {Version(r).minor for r in order if Version(r).major == 2}


def test_what_ships_is_small_and_says_nothing_of_a_machine() -> None:
    """All of it is at most 5 MB, and no path of the machine is in it."""
    files = list(shipped().iterdir())

    assert sum(path.stat().st_size for path in files) <= 5_000_000
    for path in files:
        assert not re.search(rb"(?<![\w:/.])/(work|home|root|tmp|usr|opt)/", path.read_bytes()), path


def test_what_ships_is_as_it_is_written(tmp_path: Path) -> None:
    """Every recording, taken out and put in again, gives the same files, byte for byte."""
    archive = Archive.read()

    Archive.of({release: archive.recording(release) for release in archive.order}).write(tmp_path)

    for path in shipped().iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


NOT_YET: frozenset[str] = frozenset()
"""Experiments and generic cases that no release on record was asked: `rnn-spec record --new` asks them."""


def test_every_recording_answers_every_question() -> None:
    """Each release was asked what every other was, but for what is not on record yet, which none was.

    A check that is newer than the recordings fails no gate, and needs no release to be recorded again.
    """
    archive, owed = Archive.read(), checked_in()["standard"]
    asked = {*EXPERIMENTS, *generic.cases()}
    cases = {str(recipe) for recipe in standard()}

    assert asked >= NOT_YET
    for release in archive.order:
        recording = archive.recording(release)
        assert {*recording.experiments, *(asked & recording.cases.keys())} == asked - NOT_YET, release
        assert cases <= recording.cases.keys(), release
        assert all(standing.owed <= owed[id] for id, standing in recording.clauses.items()), release


def test_a_part_is_put_to_the_whole_of_its_release() -> None:
    """What it answers is added, and what is not asked any more goes; another machine's is refused."""
    kept = {n: Archive.read().recording(n) for n in ("2.13.0", "2.15.0")}
    whole = kept["2.13.0"]
    left = {id: fact for id, fact in whole.experiments.items() if id != "construct/subclass"}
    lacking = msgspec.structs.replace(whole, experiments=left | {"a/gone": Fact(1)})
    header = msgspec.structs.replace(whole.header, packages={"onnx": "1.19"})
    part = Recording(header, {"construct/subclass": whole.experiments["construct/subclass"]})

    added = put({"2.13.0": lacking}, part)

    assert added.experiments == {id: whole.experiments[id] for id in whole.experiments if id in EXPERIMENTS}
    assert (added.header.packages, added.clauses) == ({"onnx": "1.19"}, whole.clauses)
    other = msgspec.structs.replace(part, header=msgspec.structs.replace(header, numpy="0.1"))
    with pytest.raises(RecordingError, match=r"on record with numpy .*, and not with 0\.1"):
        put(kept, other)
    with pytest.raises(RecordingError, match="no whole is on record"):
        put({}, part)
    assert put({}, whole) is whole


def test_every_link_is_of_a_change() -> None:
    """Each pull request, by PyTorch's address, is linked from a change in docs/history.md."""
    text = HISTORY.read_text(encoding="utf-8")
    for link in links():
        assert re.fullmatch(r"https://github\.com/pytorch/pytorch/pull/\d+", link.url)
        assert f"({link.url})" in text


def test_history_shows_a_probe_by_release() -> None:
    """One probe is shown whether it changed or not, a pattern only where something did."""
    one = CliRunner().invoke(main, ["history", "construct/subclass"])
    some = CliRunner().invoke(main, ["history", "construct/sub*"])
    clause = CliRunner().invoke(main, ["history", "REC-01"])
    none = CliRunner().invoke(main, ["history", "no/such"])

    assert "1.0.0 to 2.15.0: Mine(3, 4)" in one.output
    assert "construct/subclass" not in some.output.replace(one.output, "")
    assert "1.0.0" in clause.output
    assert "holds" in clause.output
    assert none.exit_code == 2
    assert "no clause, question or experiment is called 'no/such'" in none.output


OF_TORCH = [k for k in known() if k.subject == "torch" and k.since != "unknown"]


@pytest.mark.parametrize("entry", OF_TORCH, ids=lambda entry: entry.id)
def test_a_known_failure_is_in_every_recording_that_it_is_expected_in(entry: Known) -> None:
    """Each of its checks fails, or cannot be asked, in each release that the entry is about.

    One whose checks are all newer than the recordings is known since unknown.
    """
    archive = Archive.read()
    recordings = [(release, archive.recording(release)) for release in archive.order]

    expected = [(n, r) for n, r in recordings if entry.applies("torch", f"torch {n}")]
    for release, recording in expected:
        standings = recording.clauses.values()
        seen = {id for standing in standings for id in (*standing.failed, *standing.open)}
        for pattern in {*entry.checks} - {*entry.newer}:
            assert any(matches(id, pattern) for id in seen), f"{pattern} passes in {release}"
    assert entry.since in ("unknown", *archive.order)


def test_since_is_the_first_of_the_last_releases() -> None:
    """What was so once, and is so again, is so since the last time that it began."""
    archive = Archive.of(RECORDINGS)

    assert [since(archive, failing([check])) for check in ("t[1]", "t[2]", "t[*]")] == ["", "", ""]
    assert since(archive, lambda recording: recording.clauses["ERR-01"].holds) == "2.11.0"
    assert since(archive, lambda recording: "a/gone" in recording.experiments) == "2.11.0"
    assert since(archive, lambda recording: True) == "2.9.1"
