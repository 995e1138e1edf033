"""`rnn-spec merge`: the shards of a run made whole."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from rnn_spec.cli import told
from rnn_spec.cli.base import (
    CONFORMS,
    COULD_NOT_RUN,
    FAILS,
    CouldNotRun,
    end,
    expected_failures,
    to_be_written,
)
from rnn_spec.judge.known import read
from rnn_spec.report import table
from rnn_spec.report.commands import results_of
from rnn_spec.suite.plugin import RESULTS
from rnn_spec.suite.shards import ShardError, merged
from rnn_spec.suite.standing import conforms


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS...")
@click.option("--results", default=RESULTS, type=click.Path(file_okay=False), help="Folder for results.json.")
@expected_failures
def merge(files: tuple[Path, ...], results: str, known_file: Path | None) -> None:
    """Make one run of its shards' RESULTS, each written by `rnn-spec check SUBJECT --shard K/N`.

    What is written, said and returned is as of a run that was never parted. A shard that is missing, there
    twice, or of another run is refused.

    For example: rnn-spec merge shard-*/results.json
    """
    path = Path(results, "results.json")
    to_be_written(path)
    try:
        whole = merged({str(f): results_of(f) for f in files}, read(known_file) if known_file else ())
    except ShardError as e:
        raise CouldNotRun(str(e)) from e
    if len(whole.verdicts) == sum(v.outcome in ("not claimed", "unsupported") for v in whole.verdicts):
        raise CouldNotRun(f"nothing was judged of {whole.subject}")
    whole.write(path)
    table.show(whole, console := Console(), "some")
    console.print(f"results: {path}", highlight=False, soft_wrap=True)
    broken, good = any(v.outcome == "broken" for v in whole.verdicts), conforms(whole)
    told(path.parent, judged=not broken)
    end(COULD_NOT_RUN if broken else CONFORMS if good else FAILS)
