"""What is on record is stored once, reads back as it was recorded, and is what docs/history.md tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from packaging.version import Version

from rnn_spec.cli import main
from rnn_spec.gate.archive import Archive, fold, shipped, value_at
from rnn_spec.gate.history import HISTORY, links, runs, since
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Recording, RecordingError, readable
from rnn_spec.judge.known import Known, known
from rnn_spec.questions.product import standard
from rnn_spec.torch.probes import PROBES

if TYPE_CHECKING:
    from pathlib import Path

RECORDINGS = {
    "2.9.1": Recording(
        Header("torch", "torch 2.9.1"), {"a/same": Fact(1), "a/gone": Fact("x"), "a/kind": Fact(1)},
        {"case": Arrays({"output": Bits("0" * 16, (2,))})}, {"ERR-01": ["t[1]", "t[2]"]}, {"ERR-01": 3},
    ),
    "2.10.0": Recording(
        Header("torch", "torch 2.10.0"), {"a/same": Fact(1), "a/kind": Fact(True)},
        {"case": Arrays({"output": Bits("1" * 16, (2,))})}, {"ERR-01": ["t[2]"]}, {"ERR-01": 4},
    ),
    "2.11.0": Recording(
        Header("torch", "torch 2.11.0"), {"a/same": Fact(1), "a/gone": Fact("x"), "a/kind": Fact(1.0)},
        {"case": Arrays({"output": Bits("1" * 16, (2,))})}, {}, {"ERR-01": 5},
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

    assert {"2.9.1": Fact(1)} == archive.probes["a/same"]
    assert {"2.9.1": Fact("x"), "2.10.0": None, "2.11.0": Fact("x")} == archive.probes["a/gone"]
    assert (archive.failing["ERR-01"]) == {
        "t[1]": {"2.9.1": True, "2.10.0": None},
        "t[2]": {"2.9.1": True, "2.11.0": None},
    }


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
    (tmp_path / "passed.json").write_text('{"ERR-01": {"2.9.1": "three"}}')

    with pytest.raises(RecordingError, match=r"passed\.json is not a recording: Expected `int"):
        Archive.read(tmp_path)


def test_the_runs_of_a_probe_name_their_releases() -> None:
    """Runs of equal facts are one line, from the first release to the last."""
    archive = Archive.of(RECORDINGS)

    assert [("2.9.1 to 2.11.0", Fact(1))] == runs(archive, "a/same")
    assert [("2.9.1", Fact("x")), ("2.10.0", None), ("2.11.0", Fact("x"))] == runs(archive, "a/gone")


# -- what ships ---------------------------------------------------------------------------------------


def test_eight_years_are_on_record() -> None:
    """At least 15 releases from 1.0.0 to 2.15.0 ship, among them the one that the document describes."""
    order = Archive.read().order

    assert len(order) >= 15
    assert (order[0], order[-1]) == ("1.0.0", "2.15.0")
    assert "1.6.0" in order
    assert set(range(16)) == {Version(r).minor for r in order if Version(r).major == 2}


def test_what_ships_is_small_and_says_nothing_of_a_machine() -> None:
    """All of it is at most 3 MB, and no path of the machine is in it."""
    files = list(shipped().iterdir())

    assert sum(path.stat().st_size for path in files) <= 3_000_000
    for path in files:
        assert not re.search(rb"(?<![\w:/.])/(work|home|root|tmp|usr|opt)/", path.read_bytes()), path


def test_what_ships_is_as_it_is_written(tmp_path: Path) -> None:
    """Every recording, taken out and put in again, gives the same files, byte for byte."""
    archive = Archive.read()

    Archive.of({release: archive.recording(release) for release in archive.order}).write(tmp_path)

    for path in shipped().iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_every_recording_answers_every_probe() -> None:
    """Each release was asked each probe that there is, and each standard case."""
    archive, cases = Archive.read(), {str(recipe) for recipe in standard()}

    for release in archive.order:
        recording = archive.recording(release)
        assert PROBES.keys() == recording.probes.keys(), release
        assert cases == recording.cases.keys(), release


def test_every_link_is_of_a_change() -> None:
    """Each pull request, by PyTorch's address, is linked from a change in docs/history.md."""
    text = HISTORY.read_text(encoding="utf-8")
    for link in links():
        assert re.fullmatch(r"https://github\.com/pytorch/pytorch/pull/\d+", link.url)
        assert f"({link.url})" in text


def test_history_shows_a_probe_by_release() -> None:
    """One probe is shown whether it changed or not, a pattern only where something did."""
    one = CliRunner().invoke(main, ["history", "construct/repr-defaults"])
    some = CliRunner().invoke(main, ["history", "construct/repr-*"])
    none = CliRunner().invoke(main, ["history", "no/such"])

    assert "1.0.0 to 2.15.0: RNN(3, 4)" in one.output
    assert "construct/repr-defaults" not in some.output
    assert none.exit_code == 2
    assert "no probe is called 'no/such'" in none.output


@pytest.mark.parametrize("entry", [k for k in known() if k.probe], ids=lambda entry: entry.id)
def test_a_known_failure_is_known_since_the_recordings_show_it(entry: Known) -> None:
    """`since` is the first release on record in which the probe shows it, and `releases` begins there."""
    archive = Archive.read()

    first = since(archive, entry.probe, entry.shows)

    assert entry.since == first
    assert not first or archive.order[0] == first or f">={first.rpartition('.')[0]}" == entry.releases


def test_since_is_the_first_of_the_last_releases() -> None:
    """What was so once, and is so again, is so since the last time that it began."""
    archive = Archive.of(RECORDINGS)

    assert [since(archive, *row) for row in (("a/same", "1"), ("a/gone", "x"), ("a/same", "2"))] == [
        "2.9.1",
        "2.11.0",
        "",
    ]
