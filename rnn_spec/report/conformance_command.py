"""`rnn-spec conformance add`: the results of a run, as a committed card."""

from __future__ import annotations

from pathlib import Path

import click

from rnn_spec.cli.base import CouldNotRun
from rnn_spec.report import standings as report
from rnn_spec.suite.results import Results

FIXTURES = "fixtures/conformance"
_fixtures = click.option(
    "--fixtures", default=FIXTURES, show_default=True, type=click.Path(file_okay=False, path_type=Path),
    help="The folder of committed results.",
)  # fmt: skip


@click.group()
def conformance() -> None:
    """Who conforms: committed results (`rnn-spec regenerate conformance` makes the document of them).

    For example: rnn-spec conformance add rnn-spec-results/results.json
    """


@conformance.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@_fixtures
@click.option("--name", default="", help="The subject's name here, where it was judged as a worker.")
@click.option("--options", default="", help="What else the command said, such as --no-smoke.")
def add(results: Path, fixtures: Path, name: str, options: str) -> None:
    """Make a fixture of the RESULTS of a whole run.

    For example: rnn-spec conformance add rnn-spec-results/results.json
    """
    try:
        card = report.Card.of(Results.read(results), name, options)
    except (OSError, ValueError) as e:
        raise CouldNotRun(f"{results} cannot be made a fixture: {e}") from e
    click.echo(f"written: {report.write_card(card, fixtures)}")
