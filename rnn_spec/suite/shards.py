"""A run in shards: parts K of N, asked anywhere, that make one run when they are merged."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING

import msgspec

from rnn_spec.suite.recorder import shortfalls, unshown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnn_spec.judge.known import Known
    from rnn_spec.suite.results import Results

OWN = ("shard", "complete", "facts", "diagnoses", "problems", "verdicts")
"""What of a shard's results is its own; in all else the shards of one run are alike."""


class ShardError(ValueError):
    """Results that do not make one run; a sentence that says which, and why."""


def merged(shards: Mapping[str, Results], own: tuple[Known, ...] = ()) -> Results:
    """The run that the shards are parts of, by the names of their files; ShardError where they are no run.

    `own` are the failures that the subject's own people expect of it, as they were in the runs.
    """
    if not shards:
        raise ShardError("there is nothing to merge")
    (first_name, first), *others = shards.items()
    _all_there({name: results.shard for name, results in shards.items()})
    for name, results in shards.items():
        if not results.complete:
            raise ShardError(f"{name} did not come to its end")
    for name, results in others:
        for f in fields(first):
            if f.name not in OWN and getattr(first, f.name) != getattr(results, f.name):
                raise ShardError(f"{name} and {first_name} are no shards of one run: they differ in {f.name}")
    whole = msgspec.convert(msgspec.to_builtins(first), type(first))
    for results in shards.values():
        for name, fact in results.facts.items():  # another machine may have another processor
            told = whole.facts.setdefault(name, fact)
            whole.facts[name] = told if fact in told.split(" | ") else f"{told} | {fact}"
    whole.shard, whole.diagnoses, whole.problems = "", [], []
    whole.verdicts = sorted((v for r in shards.values() for v in r.verdicts), key=lambda v: v.check)
    twice = [check for check, n in Counter(v.check for v in whole.verdicts).items() if n > 1]
    if twice:
        raise ShardError(f"two shards have asked {twice[0]}")
    if not whole.part:
        whole.problems = [*shortfalls(whole), *unshown(whole, own)]
    return whole


def _all_there(shards: Mapping[str, str]) -> None:
    """ShardError where a file is no shard, one is missing, or one is there twice."""
    if none := next((name for name, shard in shards.items() if not shard), None):
        raise ShardError(f"{none} is no shard of a run (rnn-spec check --shard K/N)")
    counts = {shard.partition("/")[2] for shard in shards.values()}
    if len(counts) > 1:
        raise ShardError(f"the shards are of {' and of '.join(sorted(counts, key=int))}")
    (of,) = counts
    places: dict[str, list[str]] = {f"{k}/{of}": [] for k in range(1, int(of) + 1)}
    for name, shard in shards.items():
        places[shard].append(name)
    for shard, names in places.items():
        if not names:
            raise ShardError(f"shard {shard} is missing")
        if len(names) > 1:
            raise ShardError(f"shard {shard} is there twice: {' and '.join(names)}")
