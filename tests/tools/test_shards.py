"""A run in shards is the run, and what does not make one is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.judge.verdict import Verdict
from rnn_spec.suite.results import Results
from rnn_spec.suite.shards import ShardError, merged

if TYPE_CHECKING:
    from pathlib import Path


def check(folder: Path, *arguments: str) -> Results:
    """A run's results."""
    done = CliRunner().invoke(main, ["check", *arguments, f"--results={folder}", "-q"])
    assert done.exit_code in (0, 1), done.output
    return Results.read(folder / "results.json")


def measured(results: Results) -> Results:
    """Results without what differs from run to run: how long it took, and where scripts were written."""
    verdicts = [replace(v, seconds=0, reproduction=None, message=v.clause) for v in results.verdicts]
    return replace(results, verdicts=verdicts)


@pytest.mark.parametrize("subject", ["spec", "fault:h_0-ignored"])
def test_the_shards_of_a_run_make_the_run(tmp_path: Path, subject: str) -> None:
    """What `merge` writes is what the run writes that was never parted, and so is its exit status."""
    some = ["--clause=HID", "--clause=SHP"]
    whole = check(tmp_path / "whole", subject, *some)
    shards = [check(tmp_path / f"{k}", subject, *some, f"--shard={k}/3") for k in (1, 2, 3)]

    paths = [str(tmp_path / f"{k}" / "results.json") for k in (3, 1, 2)]
    done = CliRunner().invoke(main, ["merge", *paths, f"--results={tmp_path / 'merged'}"])

    assert all(0 < len(shard.verdicts) < len(whole.verdicts) for shard in shards)
    assert all("shard" in shard.part for shard in shards)
    assert done.exit_code == (1 if subject.startswith("fault") else 0), done.output
    merged = Results.read(tmp_path / "merged" / "results.json")
    assert measured(merged) == measured(whole)


def shard(place: str, *checks: str, **changes: object) -> Results:
    """A shard with a passing check of each id."""
    found = Results("mine", title="mine", version="mine 1", complete=True, shard=place, levels=["cell"])
    found.verdicts = [Verdict(id, "REC-01", "passed") for id in checks]
    for name, value in changes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("shards", "sentence"),
    [
        ([shard("1/2", "a")], "shard 2/2 is missing"),
        ([shard("1/2", "a"), shard("1/2", "a")], "shard 1/2 is there twice: 0 and 1"),
        ([shard("1/2", "a"), shard("2/3", "b")], "the shards are of 2 and of 3"),
        ([shard("1/2", "a"), shard("", "b")], "1 is no shard of a run"),
        ([shard("1/2", "a"), shard("2/2", "a")], "two shards have asked a"),
        ([shard("1/2", "a"), shard("2/2", "b", version="mine 2")], "1 and 0 .* they differ in version"),
        ([shard("1/2", "a"), shard("2/2", "b", catalogue="0")], "1 and 0 .* they differ in catalogue"),
        ([shard("1/2", "a"), shard("2/2", "b", complete=False)], "1 did not come to its end"),
        ([], "there is nothing to merge"),
    ],
)
def test_what_makes_no_run_is_refused(shards: list[Results], sentence: str) -> None:
    """A missing or doubled shard, or one of another run, is an error that names it."""
    with pytest.raises(ShardError, match=f"^{sentence}"):
        merged({str(n): results for n, results in enumerate(shards)})


def test_a_whole_of_shards_owes_what_a_run_owes() -> None:
    """Fewer checks than are owed is a problem of the merged run, as it is of any."""
    owed = {"REC-01": 3}
    whole = merged({"x": shard("1/2", "a", owed=owed), "y": shard("2/2", "b", owed=owed)})

    assert not whole.part
    assert any(problem.startswith("REC-01 owes ") for problem in whole.problems)


def test_another_processor_is_told() -> None:
    """Shards from machines that differ in a fact are one run, which tells both."""
    facts = [{"processor": "AVX2", "threads": "1"}, {"processor": "AVX512", "threads": "1"}]

    whole = merged({"x": shard("1/2", "a", facts=facts[0]), "y": shard("2/2", "b", facts=facts[1])})

    assert whole.facts == {"processor": "AVX2 | AVX512", "threads": "1"}


@pytest.mark.parametrize("place", ["0/2", "3/2", "1", "a/b", "1/0", "1/9999999"])
def test_a_shard_that_is_none_is_refused(place: str) -> None:
    """K is from 1 to N."""
    done = CliRunner().invoke(main, ["check", "spec", f"--shard={place}"])

    assert done.exit_code == 2
    assert "a shard is K/N" in done.output
