"""How long the search takes to find each fault of place: ``python -m rnn_spec.explore.places``.

A line of JSON for each, in fixtures/explore/places.jsonl: the fault, the seconds and the questions until it
was found, before it was made small, and what was found; null where it was not, in the time that there was.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import click

from rnn_spec import files
from rnn_spec.explore.named import sentences
from rnn_spec.explore.search import Search
from rnn_spec.faults import PLACES
from rnn_spec.judge.known import Expected
from rnn_spec.lineup.faulty import faulty
from rnn_spec.subjects.base import version_of
from rnn_spec.suite.launch import settled

FILE = files.CHECKOUT / "fixtures" / "explore" / "places.jsonl"
"""What was measured last."""


def measured(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """The search for one fault, to its first find."""
    with settled():
        subject = faulty(PLACES[name])
        run = Search(subject, Expected.of(subject, version_of(subject, name)), seed, seconds=seconds, most=1)
        begun = time.monotonic()
        found = next(run.run(), None)
        took = run.hit - begun if found else None
        row = {"fault": name, "seconds": took and round(took, 1), "questions": run.asked}
        if found:
            row |= {"clause": found.clause, "case": found.case.id, "named": named(name, found, subject)}
    return row


def named(name: str, found: Any, subject: Any) -> bool:
    """Whether the diagnosis names the fault."""
    return any(f"({name})" in sentence for sentence in sentences(found, subject))


@click.command()
@click.argument("names", nargs=-1)
@click.option("-n", "processes", default=2, type=click.IntRange(1), show_default=True, help="Processes.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True)
@click.option("--minutes", default=5.0, show_default=True, help="For each fault, at most.")
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Write what came of it here.")
def places(names: tuple[str, ...], processes: int, seed: int, minutes: float, keep: Path | None) -> None:
    """Search for each fault of place (all of them, or NAMES)."""
    chosen, rows = names or tuple(PLACES), []
    with settled(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for row in pool.map(partial(measured, seed=seed, seconds=60 * minutes), chosen):
            rows.append(row)
            click.echo(json.dumps(row))
            if keep:
                files.write(keep, merged(keep, rows).encode())
    click.echo(summary(rows))


def merged(path: Path, rows: list[dict[str, Any]]) -> str:
    """The lines of a file with these in place of those of the same faults, in the order of the faults."""
    old = map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
    held = {row["fault"]: row for row in (*old, *rows)}
    return "".join(json.dumps(held[name]) + "\n" for name in PLACES if name in held)


def summary(rows: list[dict[str, Any]]) -> str:
    """How many were found, in which median of seconds, and how many were named."""
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    middle = median(row["seconds"] if row["seconds"] is not None else float("inf") for row in rows)
    right = sum(bool(row.get("named")) for row in rows)
    return (
        f"{len(seconds)} of {len(rows)} found, in a median of {middle:.1f} s; {right} named by the diagnosis"
    )


if __name__ == "__main__":
    places()
