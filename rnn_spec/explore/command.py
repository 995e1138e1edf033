"""`rnn-spec explore SUBJECT`: search for a question that the subject answers wrongly."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table

from rnn_spec.cli.base import (
    CONFORMS,
    FAILS,
    CouldNotRun,
    end,
    expected_failures,
    kept,
    known_seconds,
    to_be_written,
)
from rnn_spec.judge.known import Expected, read
from rnn_spec.subjects.base import SubjectError, version_of
from rnn_spec.subjects.registry import load
from rnn_spec.suite import launch
from rnn_spec.suite.plugin import RESULTS

if TYPE_CHECKING:
    from rnn_spec.explore.search import Search
    from rnn_spec.subjects.base import Subject

MINUTES = 1.0
"""How long a run takes that is not told."""
SEEDS = 1 << 32
CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
"""How many kernels oneDNN and torch keep, which make one for each shape: more than a question has steps of.

Left alone they keep 1024 each, in a gigabyte, of shapes that are not asked again.
"""


@click.command()
@click.argument("subject", default="torch")
@click.option(
    "--minutes", type=click.FloatRange(0, 1e6, min_open=True), help=f"How long to search; {MINUTES:g}."
)
@click.option("--examples", type=click.IntRange(1), help="How many questions to ask, in place of a time.")
@click.option("--seed", type=click.IntRange(0), help="The same seed asks the same; a new one, unless given.")
@click.option("--first", is_flag=True, help="End with the first find.")
@click.option("--finds", type=click.IntRange(1), help="How many different finds to tell, at most; 10.")
@click.option("--results", default=RESULTS, type=click.Path(file_okay=False, path_type=Path),
              help="Folder in which finds are kept, and asked first.")  # fmt: skip
@click.option("--deadline", type=float, envvar="RNN_SPEC_DEADLINE", callback=known_seconds,
              help="Seconds that a question may take.")  # fmt: skip
@expected_failures
def explore(
    subject: str,
    minutes: float | None,
    examples: int | None,
    seed: int | None,
    first: bool,
    finds: int | None,
    results: Path,
    deadline: float | None,
    known_file: Path | None,
) -> None:
    """Search for a question that SUBJECT answers wrongly, beyond the cases of the suite.

    Questions are drawn within what it claims, and judged as the suite judges. What is found is made small,
    kept, and asked first the next time. Exits with 0 if nothing was found, or what is of a SHOULD alone, 1 if
    something else was, 2 if it could not be searched.

    For example: rnn-spec explore my_rnn.worker:Layer --minutes 5
    """
    if deadline is not None:
        os.environ["RNN_SPEC_DEADLINE"] = str(deadline)
    to_be_written(results / "finds" / "find.json")
    console = Console(highlight=False, soft_wrap=True)
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    limit = float("inf") if examples and minutes is None else 60 * (minutes or MINUTES)
    with launch.settled(**CACHES):
        try:
            under_test = load(subject)
            version = version_of(under_test, subject)
        except SubjectError as e:
            raise CouldNotRun(str(e)) from e
        try:
            own = read(known_file) if known_file else ()
            expected, most = Expected.of(under_test, version, own), 1 if first else finds
            run = searching(under_test, expected, seed, limit, examples, most)
            console.print(f"{version}, seed {seed}")
            found = search(run, subject, version, results, console)
        finally:
            under_test.close()
    conclude(run, version, console)
    end(FAILS if found else CONFORMS)


def searching(
    subject: Subject, expected: Expected, seed: int, seconds: float, examples: int | None, most: int | None
) -> Search:
    """The search; CouldNotRun where Hypothesis is not there."""
    try:
        from rnn_spec.explore.search import MOST, Search
    except ImportError as e:
        raise CouldNotRun(f"exploring needs Hypothesis ({e}): pip install 'rnn-spec[explore]'") from e
    return Search(subject, expected, seed, examples or float("inf"), seconds, most or MOST)


def search(run: Search, subject: str, version: str, results: Path, console: Console) -> bool:
    """Ask what was found before, then search: whether anything is wrong that must not be."""
    from rnn_spec.explore import finds, named

    wrong = False
    for path, asked in finds.kept(results, subject):
        find = finds.again(asked, run.subject)
        console.print(f"kept from before, {'and still so' if find else 'and no longer so'}: {path}")
        if find:
            run.kept.add((find.kind, find.case.id))
            wrong = wrong or find.breaks
    if run.kept and run.most == 1:
        return wrong
    for find in run.run():
        when = f"after {run.asked:,} questions and {time.monotonic() - run.begun:.1f} s"
        of = "" if find.breaks else ", a SHOULD"
        console.print(f"[bold red]found[/bold red] {when}: {find.clause}{of}, case {find.case.id}")
        for line in find.difference.splitlines():
            console.print(f"  {line}", markup=False)
        for path in finds.keep(find, subject, version, run.subject, results):
            kept()
            told = finds.command(path, subject) if path.suffix == ".json" else f"python {path}"
            console.print(f"  {told}", markup=False)
        for sentence in named.sentences(find, run.subject):
            console.print(f"  diagnosis: {sentence}", markup=False)
    return wrong or any(find.breaks for find in run.finds)


def conclude(run: Search, version: str, console: Console) -> None:
    """The table of what was drawn, and the last line."""
    table = Table(box=box.SIMPLE_HEAD, title="what was asked", title_justify="left")
    for name in ("kind", "of", "how often"):
        table.add_column(name)
    rows: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (kind, trait, value), count in run.covered.items():
        rows.setdefault((kind, trait), []).append((count, value))
    for (kind, trait), values in rows.items():
        table.add_row(kind, trait, ", ".join(f"{value} ({count:,})" for count, value in sorted(values)[::-1]))
    Console(highlight=False).print(table)
    for id, count in run.known.most_common():
        console.print(f"known: {id}, {count:,} times")
    if run.same:
        console.print(
            f"{run.same:,} more questions fail as one that is told, and have all that is left of it"
        )
    seconds = time.monotonic() - run.begun
    said = f"{len(run.finds)} found" if run.finds else "nothing found"
    if beside := sum(not find.breaks for find in run.finds):
        said += ", of a SHOULD" if beside == len(run.finds) else f", {beside} of them of a SHOULD"
    if len(run.finds) >= run.most:
        said += ", and no more are looked for"
    console.print(f"{version}: {said} in {run.asked:,} questions, {seconds:.0f} s; seed {run.seed}")
