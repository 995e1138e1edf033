"""`rnn-spec conformance`: results into committed fixtures, and fixtures into CONFORMANCE.md."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from rnn_spec.cli.base import CouldNotRun, to_be_written
from rnn_spec.report import standings as report
from rnn_spec.suite.results import Results

FIXTURES = "fixtures/conformance"
_fixtures = click.option(
    "--fixtures", default=FIXTURES, show_default=True, type=click.Path(file_okay=False, path_type=Path),
    help="The folder of committed results.",
)  # fmt: skip


@click.group()
def conformance() -> None:
    """Who conforms: committed results, and the document made from them."""


@conformance.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@_fixtures
@click.option("--name", default="", help="The subject's name here, where it was judged as a worker.")
@click.option("--options", default="", help="What else the command said, such as --no-smoke.")
def add(results: Path, fixtures: Path, name: str, options: str) -> None:
    """Make a fixture of the RESULTS of a whole run."""
    try:
        card = report.Card.of(Results.read(results), name, options)
    except (OSError, ValueError, msgspec.DecodeError) as e:
        raise CouldNotRun(f"{results} cannot be made a fixture: {e}") from e
    click.echo(f"written: {report.write_card(card, fixtures)}")


@conformance.command()
@_fixtures
@click.option("--to", default="CONFORMANCE.md", show_default=True, type=click.Path(path_type=Path))
def write(fixtures: Path, to: Path) -> None:
    """Write the document from the fixtures."""
    to_be_written(to)
    try:
        text = report.markdown(report.Fixtures.read(fixtures))
    except ValueError as e:
        raise CouldNotRun(str(e)) from e
    to.write_text(text, encoding="utf-8")
    click.echo(f"written: {to}")
