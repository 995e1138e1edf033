"""``rnn-spec vectors``: check the test vectors, write them anew, verify a subject with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

import rnn_spec
from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, in_checkout, to_be_written
from rnn_spec.subjects.base import SubjectError, version_of
from rnn_spec.subjects.registry import load
from rnn_spec.vectors import make, records
from rnn_spec.vectors.lint import lint
from rnn_spec.vectors.records import VectorError
from rnn_spec.vectors.verify import Row, verify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.vectors.records import File

SHOWN = 3
"""Failures of one file that are shown in full."""

where = click.argument(
    "where", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)


@click.group()
def vectors() -> None:
    """Test vectors for an implementation in any language: JSON files, their schema and a reader.

    For example: rnn-spec vectors verify torch
    """


def _read(folder: Path | None) -> tuple[Path, list[File]]:
    folder = folder or records.folder()
    try:
        return folder, [records.read(path) for path in records.paths(folder)]
    except VectorError as e:
        raise CouldNotRun(str(e)) from e


@vectors.command()
@where
def check(where: Path | None) -> None:
    """Check the files of DIR: schema, ids, numbers, provenance, and that they discriminate.

    Exits with 0 if all is well, 1 if something is not, 2 if a file cannot be read.

    For example: rnn-spec vectors check
    """
    folder, files = _read(where)
    found = [*lint(files), *make.strays(folder, files)]
    for sentence in found:
        click.echo(sentence)
    count = sum(len(file.vectors) for file in files)
    click.echo(f"{count} vectors in {len(files)} files: {len(found) or 'nothing'} to complain of")
    end(FAILS if found else CONFORMS)


@vectors.command()
@where
def write(where: Path | None) -> None:
    """Make every file of DIR anew: computed in balls, linted, and verified by torch before it is written.

    For example: rnn-spec vectors write
    """
    folder = where or in_checkout(records.folder())
    to_be_written(folder / "schema.json")
    changed = make.write(made_anew(folder))
    click.echo(f"{folder}: " + (", ".join(path.name for path in changed) or "nothing") + " changed")


def made_anew(folder: Path) -> dict[Path, str]:
    """The texts of a folder's files, linted and verified by torch; CouldNotRun says what is not right."""
    torch = _subject("torch")
    release = version_of(torch, "torch")
    by = f"torch.nn.RNN of {release}: all arrays in float64 and float32, each element within its bound"
    try:
        files = make.every_file(make.provenance(f"rnn-spec {rnn_spec.__version__}", [by]))
        make.keep_ids(folder, files)
        rows = list(verify(torch, files.values()))
        wrong = [
            *lint(list(files.values())),
            *(f"{id}: {why}" for row in rows for id, why in row.failed.items()),
        ]
        if wrong:
            raise CouldNotRun(
                f"the vectors are left as they are: {wrong[0]}"
                + (f" (and {len(wrong) - 1} more)" * (len(wrong) > 1))
            )
        return make.texts(folder, files)
    except ImportError as e:
        raise CouldNotRun("vectors are computed by FLINT: pip install python-flint") from e
    except VectorError as e:
        raise CouldNotRun(str(e)) from e


@vectors.command("verify")
@click.argument("subject", default="torch")
@click.option(
    "--dir", "where", type=click.Path(file_okay=False, path_type=Path), help="Other vectors than ours."
)
def verify_command(subject: str, where: Path | None) -> None:
    """Compute the vectors' numbers again, and ask SUBJECT all of them, in float64 and in float32.

    Exits with 0 if all numbers are as they were and the subject's answers are within their bounds, 1 if
    not, 2 if it could not be run.

    For example: rnn-spec vectors verify torch
    """
    _, files = _read(where)
    under_test = _subject(subject)
    try:
        moved = [sentence for file in files for v in file.vectors for sentence in make.moved(v)]
    except ImportError:
        moved = []
        click.echo("the numbers are not computed again: that needs FLINT, pip install python-flint")
    try:
        version = version_of(under_test, subject)
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    rows = list(verify(under_test, files))
    for sentence in moved:
        click.echo(sentence)
    show(rows, Console())
    failed = sum(len(row.failed) for row in rows)
    if not sum(row.passed for row in rows) and not failed:
        raise CouldNotRun(f"{subject} claims nothing that the vectors ask")
    click.echo(f"{version}: {failed or 'none'} of the vectors failed")
    end(FAILS if failed or moved else CONFORMS)


def _subject(name: str) -> Any:
    try:
        return load(name)
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e


def show(rows: Iterable[Row], console: Console) -> None:
    """A line a file, and every failure."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("vectors", "passed", "failed", "not claimed", "worst headroom"):
        table.add_column(name, justify="left" if name == "vectors" else "right")
    for row in rows:
        failed = f"[bold red]{len(row.failed)}" if row.failed else "·"
        passed, not_claimed = (str(n or "·") for n in (row.passed, row.not_claimed))
        table.add_row(row.topic, passed, failed, not_claimed, f"{row.headroom:.2g}")
        for id, why in list(row.failed.items())[:SHOWN]:
            console.print(f"[bold]{id}[/bold] {why}", highlight=False)
        if len(row.failed) > SHOWN:
            console.print(f"... and {len(row.failed) - SHOWN} more of {row.topic}", highlight=False)
    console.print(table)
