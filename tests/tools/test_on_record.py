"""The matrix on record, and what is told by it: which fault's failed checks are most like a subject's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup import likeness, matrix, record
from rnn_spec.lineup.likeness import likeliest
from rnn_spec.lineup.matrix import Row
from rnn_spec.lineup.record import Record, places, ranges
from rnn_spec.suite import collect as trials
from rnn_spec.suite.planned import without_parameters

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from rnn_spec.suite.planned import Planned

AGAIN = ("relu-by-default", "repr-without-bias", "w_hh-transposed", "grad-biases-zero")
"""Faults that are asked anew, of what failed and of the tests beside it."""


@pytest.fixture(scope="module")
def suite() -> list[Planned]:
    """The suite's checks."""
    return trials.collect()


@pytest.fixture(scope="module")
def kept() -> Record:
    """What is on record."""
    return record.kept()


def test_it_is_of_every_fault_and_of_every_check(kept: Record, suite: list[Planned]) -> None:
    """What the suite asks today has been asked of every fault: else `rnn-spec faults --record` asks it."""
    assert list(kept.failed) == list(FAULTS), f"run {record.COMMAND}"
    assert Counter(kept.checks) == Counter(trial.id for trial in suite), f"run {record.COMMAND}"


def test_every_fault_is_killed_by_the_clause_that_it_names(kept: Record, suite: list[Planned]) -> None:
    """On record, too."""
    rows = [kept.row(FAULTS[name], suite) for name in kept.failed if name in FAULTS]

    assert [row.fault for row in rows if not row.killed] == []


@pytest.fixture(scope="module")
def asking() -> matrix.Matrix:
    """The suite, ready to be run on faults."""
    return matrix.Matrix()


@pytest.mark.parametrize("name", AGAIN)
def test_a_fault_that_is_asked_anew_fails_what_is_on_record(
    name: str, kept: Record, suite: list[Planned], asking: matrix.Matrix
) -> None:
    """The checks of some tests that fail, and of some that do not, come out as they stand there."""
    failing = dict.fromkeys(map(without_parameters, sorted(kept.failed[name])))
    passing = dict.fromkeys(trial.test for trial in suite if trial.test not in failing)
    tests = {*list(failing)[:3], *list(passing)[::40]}
    ids = {trial.id for trial in suite if trial.test in tests}

    row = asking.row(FAULTS[name], matrix.WHOLE, ids)

    assert set(row.failed) == kept.failed[name] & ids
    assert row.failed


def test_the_file_says_what_was_kept(kept: Record) -> None:
    """What is read is what was written."""
    assert kept.encoded() == record.PATH.read_bytes()


def test_of_numbers_the_first_of_each_test_is_kept(kept: Record) -> None:
    """However many of a test's checks were called, one after another: of a fault of the module, all."""
    both = ["test_a.py::test_a[x]", "test_a.py::test_a[y]", "test_a.py::test_b"]
    every = Record("", both, dict.fromkeys(AGAIN, frozenset(both)))

    failed = every.only(AGAIN, both, "").failed

    assert {name: set(ids) for name, ids in failed.items()} == {
        name: set(both if FAULTS[name].of == MODULE else both[::2]) for name in AGAIN
    }
    assert kept.only(FAULTS, kept.checks, kept.of) == kept


@pytest.mark.parametrize("numbers", [[], [0], [3, 4, 5, 9], [0, 2, 3]])
def test_places_are_written_as_ranges(numbers: list[int]) -> None:
    """Runs are joined, and read again as they were."""
    assert list(places(ranges(numbers))) == numbers


def recording(monkeypatch: pytest.MonkeyPatch, path: Path, old: Record, broken: list[str]) -> list[Any]:
    """Let `--record` begin with an old record, and ask nobody; what it wanted to ask comes back."""
    wanted: list[Any] = []
    path.write_bytes(old.encoded())

    def rows(names: list[str], _: int, extent: str, checks: Any) -> Iterator[Row]:
        for name, ids in zip(names, checks, strict=True):
            wanted.append((name, extent, ids))
            yield Row(
                name, FAULTS[name].clause, failed=sorted(ids & record.kept().failed[name]), broken=broken
            )

    stands = record.kept()
    monkeypatch.setattr(record, "PATH", path)
    monkeypatch.setattr(record, "kept", lambda: old if not wanted else stands)
    monkeypatch.setattr(matrix, "rows", rows)
    return wanted


def less(kept: Record) -> Record:
    """The record without its last fault and its last check."""
    *faults, _ = kept.failed
    return kept.only(faults, kept.checks[:-1], kept.of)


def test_what_is_not_on_record_is_asked_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: Record
) -> None:
    """A new check is called on every fault, a new fault is asked all; then the record is whole."""
    wanted = recording(monkeypatch, tmp_path / "matrix.jsonl", less(kept), [])

    done = CliRunner().invoke(main, ["faults", "--record"])

    assert done.exit_code == 0, done.output
    *old, (new, extent, ids) = wanted
    assert {name: set(ids) for name, _, ids in old} == {f: {kept.checks[-1]} for f in list(FAULTS)[:-1]}
    assert (new, extent, set(ids)) == (list(FAULTS)[-1], matrix.WHOLE, set(kept.checks))
    assert (tmp_path / "matrix.jsonl").read_bytes() == kept.encoded()


def test_nothing_is_kept_where_a_check_broke(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: Record
) -> None:
    """The old record stands, and one sentence says so."""
    recording(monkeypatch, tmp_path / "matrix.jsonl", less(kept), ["a check: KeyError: 1"])

    done = CliRunner().invoke(main, ["faults", "--record"])

    assert done.exit_code == 2
    assert "Error: a check broke on a fault: matrix.jsonl is left as it was" in done.output
    assert (tmp_path / "matrix.jsonl").read_bytes() == less(kept).encoded()


def test_a_part_is_not_recorded() -> None:
    """The record is of all faults: names, and options that ask a part, are refused."""
    for part in ("h_0-ignored", "--named", "--keep=rows.jsonl"):
        done = CliRunner().invoke(main, ["faults", "--record", part])

        assert done.exit_code == 2
        assert "--record is of all faults and every check" in done.output


def modules(kept: Record) -> list[str]:
    """The faults of torch.nn.RNN."""
    return [name for name in kept.failed if name in FAULTS and FAULTS[name].of == MODULE]


def told(failed: Collection[str], asked: Collection[str]) -> list[list[str]]:
    """The names of the faults that are named, those that fail alike together."""
    return [[fault.name for fault in likeness.faults] for likeness in likeliest(failed, asked)]


def test_a_fault_is_most_like_itself(kept: Record) -> None:
    """A subject that fails what a fault fails is told that fault, or those that fail the same."""
    for name in modules(kept):
        same = [other for other in modules(kept) if kept.failed[other] == kept.failed[name]]

        assert told(kept.failed[name], kept.checks) == ([same] if len(same) <= likeness.MOST else [])


def test_two_things_wrong_are_both_named(kept: Record) -> None:
    """What one fault leaves over is the other's; each is named in part."""
    names = ("repr-without-bias", "states-of-an-lstm")
    failed = kept.failed[names[0]] | kept.failed[names[1]]

    found = likeliest(failed, kept.checks)

    assert {fault.name for like in found for fault in like.faults} == set(names)
    assert all(str(like).startswith("by its failed checks in part like: ") for like in found)


def test_what_was_not_asked_is_not_counted(kept: Record) -> None:
    """A run of a part is compared with that part of the record."""
    asked = [check for check in kept.checks if "construction" in check]
    failed = kept.failed["relu-by-default"] & set(asked)

    (like,) = likeliest(failed, asked)

    assert [fault.name for fault in like.faults] == ["relu-by-default"]
    assert like.shared == like.failed == like.own == len(failed)


def test_the_sentence_says_how_many_checks_are_shared(kept: Record) -> None:
    """How many of how many fail with it, too, and how many more would have failed."""
    failing = sorted(kept.failed["no-bias-by-default"])
    other = next(check for check in kept.checks if check not in kept.failed["no-bias-by-default"])

    (like,) = likeliest([*failing[1:], other], kept.checks)

    shares = f"{len(failing) - 1} of the {len(failing)} failed checks looked at fail with it, too"
    sentence = FAULTS["no-bias-by-default"].sentence.rstrip(".")
    assert str(like) == (
        f"by its failed checks in part like: {sentence} (no-bias-by-default); "
        f"{shares}, and 1 more that did not"
    )


@pytest.mark.parametrize("name", ["w_hh-transposed", "h_0-ignored", "relu-softened", "lengths-ignored"])
def test_wrong_numbers_are_like_no_fault_of_the_module(name: str, kept: Record, suite: list[Planned]) -> None:
    """Every check of the tests that wrong numbers fail, as a subject without a name would: none is named."""
    failing = set(map(without_parameters, kept.failed[name]))

    assert told([trial.id for trial in suite if trial.test in failing], kept.checks) == []


def test_what_is_like_no_fault_is_told_none(kept: Record) -> None:
    """A tenth of all checks, whatever they ask, is the pattern of no fault; and nothing is none."""
    assert likeliest(kept.checks[::10], kept.checks) == []
    assert likeliest([], kept.checks) == []
    assert likeliest(["a check that is not on record"], ["a check that is not on record"]) == []
