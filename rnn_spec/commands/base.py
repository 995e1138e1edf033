"""What every command needs: how it says that it could not run, and how it reads a clause's name."""

from __future__ import annotations

from pathlib import Path

import click

from rnn_spec.judge.known import KnownError, read
from rnn_spec.spec.catalogue import areas, clauses

CONFORMS, FAILS, COULD_NOT_RUN = 0, 1, 2


class CouldNotRun(click.ClickException):
    """One sentence that says what could not be done, and exit status 2."""

    exit_code = COULD_NOT_RUN


def known_clauses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, each a clause or an area; BadParameter for any other."""
    for value in values:
        if value not in clauses() and value not in areas():
            raise click.BadParameter(f"no clause or area is called {value!r}; areas are {', '.join(areas())}")
    return values


def _known_failures(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """The path of a file of known failures that can be used; CouldNotRun says why one cannot."""
    try:
        if path:
            read(path)
    except KnownError as e:
        raise CouldNotRun(str(e)) from e
    return path


expected_failures = click.option(
    "--known", "known_file", type=click.Path(path_type=Path), callback=_known_failures, metavar="FILE",
    help="The subject's own expected failures, rows as in `rnn-spec known`; strict both ways.",
)  # fmt: skip
