"""`rnn-spec report` and `rnn-spec compare`, and what each run leaves for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rnn_spec import files
from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, elsewhere, end, to_be_written
from rnn_spec.questions.records import LEVELS
from rnn_spec.report import compare as comparing
from rnn_spec.report import gated, github, view
from rnn_spec.report.badge import badge
from rnn_spec.report.commands import results_of
from rnn_spec.report.junit import junit
from rnn_spec.report.page import page
from rnn_spec.report.summary import markdown
from rnn_spec.suite.results import Results, ResultsError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PAGE = "report.html"
HISTORY = "rnn_spec.gate.picture:history"
"""Who draws the history of the releases: an outer ring, known by its name alone."""
_results = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=_results)
@click.option(
    "-o", "out", type=_results, help=f"Where to write; a page is else {PAGE} beside the first FILE."
)
@click.option(
    "--markdown", "form", flag_value="markdown", help="A short Markdown summary in place of the page."
)
@click.option("--junit", "form", flag_value="junit", help="JUnit XML in place of the page.")
@click.option("--badge", "form", flag_value="badge", help="A badge, SVG, in place of the page.")
@click.option(
    "--page", "form", flag_value="page", default="page", help="A self-contained page (the default)."
)
@click.option("--level", type=click.Choice(LEVELS), help="The level that a badge is of, and not the whole.")
@click.option(
    "--history", is_flag=True, help="Show on the page which clause torch's releases hold since when."
)
@click.option("--gate", type=_results, help="Show on the page what `rnn-spec gate --json` has written here.")
def report(
    paths: tuple[Path, ...], out: Path | None, form: str, level: str | None, history: bool, gate: Path | None
) -> None:
    """Show each FILE, a results.json of `rnn-spec check`, several side by side: as one page, to be opened.

    A summary, JUnit XML and a badge are printed, unless -o names a file. The name of a subject, such as
    keras, stands for the results of it that come with rnn-spec; of these there is no JUnit XML.

    For example: rnn-spec report rnn-spec-results/results.json
    """
    also = history or gate
    if not paths and not (also and form == "page"):
        raise click.UsageError("name a FILE, --gate or --history")
    if (level and form != "badge") or (also and form != "page") or (form == "badge" and len(paths) != 1):
        raise click.UsageError(
            "--level is of a --badge, a badge of one FILE; --gate and --history are on a page"
        )
    if form == "page":
        told = elsewhere(HISTORY)() if history else None
        text = page([held(view.read, path) for path in paths], held(gated.read, gate) if gate else None, told)
    else:
        text = _text(paths, form, level or "")
    if out is None and form != "page":
        return click.echo(text, nl=False)
    place = out or (paths[0].parent if paths and paths[0].exists() else Path()) / PAGE
    to_be_written(place)
    files.write(place, text.encode())
    return click.echo(f"written: {place}")


def _text(paths: tuple[Path, ...], form: str, level: str) -> str:
    """What is to be shown in another form than a page."""
    if form == "junit":
        return junit([results_of(path) for path in paths])
    subjects = [held(view.read, path) for path in paths]
    return badge(subjects[0], level) if form == "badge" else markdown(subjects)


def held(read: Callable[[Path], T], path: Path) -> T:
    """What a file says, or the card of a subject by its name; CouldNotRun where neither says anything."""
    if read is view.read and not path.exists() and (found := view.cards()):
        if str(path) not in found:
            raise CouldNotRun(
                f"{path} is no file, and no card comes with rnn-spec of any but {', '.join(found)}"
            )
        path = found[str(path)]
    try:
        return read(path)
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
