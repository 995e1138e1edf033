"""`rnn-spec report` and `rnn-spec compare`, and what each run leaves for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnn_spec import files
from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, to_be_written
from rnn_spec.report import compare as comparing
from rnn_spec.report import github, view
from rnn_spec.report.commands import results_of
from rnn_spec.report.junit import junit
from rnn_spec.report.page import page
from rnn_spec.report.summary import markdown
from rnn_spec.suite.results import Results, ResultsError

if TYPE_CHECKING:
    from rnn_spec.report.view import Judged

PAGE = "report.html"
_results = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=_results)
@click.option(
    "-o", "out", type=_results, help=f"Where to write; a page is else {PAGE} beside the first FILE."
)
@click.option(
    "--markdown", "form", flag_value="markdown", help="A short Markdown summary in place of the page."
)
@click.option("--junit", "form", flag_value="junit", help="JUnit XML in place of the page.")
@click.option(
    "--page", "form", flag_value="page", default="page", help="A self-contained page (the default)."
)
def report(paths: tuple[Path, ...], out: Path | None, form: str) -> None:
    """Show each FILE, a results.json of `rnn-spec check`, several side by side: as one page, to be opened.

    A summary and JUnit XML are printed, unless -o names a file. A committed card of results is a FILE, too,
    but for JUnit XML.

    For example: rnn-spec report rnn-spec-results/results.json
    """
    if form == "junit":
        text = junit([results_of(path) for path in paths])
    else:
        subjects = [judged(path) for path in paths]
        text = markdown(subjects) if form == "markdown" else page(subjects)
    if out is None and form != "page":
        return click.echo(text, nl=False)
    place = out or paths[0].parent / PAGE
    to_be_written(place)
    files.write(place, text.encode())
    return click.echo(f"written: {place}")


def judged(path: Path) -> Judged:
    """What a file says; CouldNotRun where it says nothing."""
    try:
        return view.read(path)
    except OSError as e:
        raise CouldNotRun(f"{path} cannot be read: {e.strerror}") from e
    except ResultsError as e:
        raise CouldNotRun(str(e)) from e


@click.command()
@click.argument("a", type=_results)
@click.argument("b", type=_results)
def compare(a: Path, b: Path) -> None:
    """Say what differs from A to B, each a results.json: what newly fails, newly passes, moved.

    Of two subjects, two commits, two machines. Exits with 1 if a check fails in B that did not in A.

    For example: rnn-spec compare before/results.json after/results.json
    """
    found = comparing.compared(results_of(a), results_of(b))
    for line in comparing.lines(found):
        click.echo(line)
    end(FAILS if found.newly_fails else CONFORMS)


def leave(folder: Path) -> None:
    """The page beside a run's results.json; where GitHub's variables say so, summary and annotations, too."""
    seen = view.of_results(Results.read(folder / "results.json"), folder)
    files.write(folder / PAGE, page([seen]).encode())
    click.echo(f"page: {folder / PAGE}")
    if github.watches():
        for line in github.annotated(seen):
            click.echo(line)
    if (summary := github.summary_file()) is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(markdown([seen]))
