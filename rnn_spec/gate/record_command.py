"""`rnn-spec record`: what a torch release does, put on record."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnn_spec.cli.base import CouldNotRun, to_be_written
from rnn_spec.gate.archive import Archive, release_of
from rnn_spec.gate.progress import Progress
from rnn_spec.gate.record import describe, part
from rnn_spec.gate.record import record as make
from rnn_spec.gate.recording import RecordingError
from rnn_spec.judge.known import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.gate.recording import Header


@click.command()
@click.argument("subject", default="torch")
@click.option("-o", "--output", "path", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="These experiments and generic cases; repeatable.")
@click.option("--new", is_flag=True, help="Those that this release has not been asked yet.")
def record(subject: str, path: Path, only: tuple[str, ...], new: bool) -> None:
    """Record what SUBJECT does: torch, or torch@PYTHON, the torch of another Python.

    What it answers to the suite's questions, which checks fail, and the experiments beside, in one file.
    About a minute. With --only or --new it is a part, which `rnn-spec history --add` puts to the whole.

    For example: rnn-spec record torch -o torch.json
    """
    to_be_written(path)
    try:
        python = python_of(subject)
        header = describe(python, subject, f"rnn-spec record {subject} -o {path}")
        if only or new:
            recording = part(python, header, chosen(header, only, new))
        else:
            with Progress(click.echo, every=15.0) as progress:
                recording = make(python, header, click.echo, part=progress.part(header.version))
        recording.write(path)
    except RecordingError as e:
        raise CouldNotRun(str(e)) from e
    except OSError as e:
        raise CouldNotRun(f"{path} cannot be written: {e.strerror}") from e
    standings = recording.clauses.values()
    passed, failed = sum(s.passed for s in standings), sum(len(s.failed) for s in standings)
    answers = len(recording.attempts) + len(recording.cases)
    click.echo(
        f"{recording.header.version}: {answers} questions, {len(recording.experiments)} experiments, "
        f"{passed} checks passed and {failed} failed, in {path}"
    )


def chosen(header: Header, only: tuple[str, ...], new: bool) -> Callable[[str], bool]:
    """Whether a question is one of these patterns, or has not been asked of the release that is on record."""
    held: set[str] = set()
    if new:
        found = Archive.read().recording(release_of(header))
        held = {*found.experiments, *found.cases}
    return lambda id: (new and id not in held) or any(matches(id, pattern) for pattern in only)


def python_of(subject: str) -> str:
    """The Python that a subject of the torch family runs in."""
    name, _, python = subject.partition("@")
    if name != "torch":
        raise CouldNotRun(f"only torch is recorded, not {subject!r}: give torch or torch@PYTHON")
    if python and shutil.which(python) is None:
        raise CouldNotRun(f"{python!r} is not a program that can be run")
    return python or sys.executable
