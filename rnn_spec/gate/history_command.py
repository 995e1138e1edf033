"""`rnn-spec history`: what a question came to, release by release, and putting one on record."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnn_spec.cli.base import CouldNotRun, in_checkout
from rnn_spec.gate import archive as archives
from rnn_spec.gate.history import clause_in_turn, told_in_turn
from rnn_spec.gate.recording import Recording, RecordingError
from rnn_spec.judge.known import matches
from rnn_spec.spec.catalogue import clauses
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@click.command()
@click.argument("id_pattern", metavar="ID", default="*")
@click.option("--all", "everything", is_flag=True, help="What came to the same in every release, too.")
@click.option(
    "--add", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recording, or a part of one, to put on record; repeatable.",
)  # fmt: skip
def history(id_pattern: str, everything: bool, add: tuple[Path, ...]) -> None:
    """Show what ID came to in each release on record: a clause, an Attempt, an experiment; * is anything.

    For example: rnn-spec history ERR-10
    """
    try:
        if add:
            in_checkout(archives.shipped())
        archive = archives.Archive.read()
        if add:
            made = [archives.neutral(Recording.read(path)) for path in add]
            kept = {release: archive.recording(release) for release in archive.order}
            added = {archives.release_of(r.header): archives.put(kept, r) for r in made}
            archive = archives.Archive.of(kept | added)
            archive.write(archives.shipped())
    except RecordingError as e:
        raise CouldNotRun(str(e)) from e
    if add:
        click.echo(f"{len(archive.releases)} releases on record: {', '.join(archive.order)}")
        return
    found = {id: told for id, told in histories(archive).items() if matches(id, id_pattern)}
    if not found:
        raise CouldNotRun(
            f"no clause, question or experiment is called {id_pattern!r}: "
            f"areas of experiments are {', '.join(areas())}"
        )
    for id, (sentence, tell) in found.items():
        lines = list(tell())
        if everything or len(lines) > 1 or len(found) == 1:
            click.secho(id, bold=True)
            click.echo(f"  {sentence}")
            for releases, words in lines:
                click.echo(f"    {releases}: {words}")


def histories(archive: archives.Archive) -> dict[str, tuple[str, Callable[[], Iterator[tuple[str, str]]]]]:
    """By id of a clause, an Attempt or an experiment: what it is about, and what gives its history."""
    found: dict[str, tuple[str, Callable[[], Iterator[tuple[str, str]]]]] = {}
    for id in archive.clauses:
        text = clauses()[id].text if id in clauses() else "not a clause any more"
        found[id] = text, partial(clause_in_turn, archive, id)
    for id, run in archive.attempts.items():
        question = archives.value_at(archive.questions[id], archive.order[-1])
        found[id] = question.says if question else id, partial(told_in_turn, archive, run)
    for id, run in archive.experiments.items():
        sentence = EXPERIMENTS[id].sentence if id in EXPERIMENTS else "not asked any more"
        found[id] = sentence, partial(told_in_turn, archive, run)
    return found


def areas() -> list[str]:
    """The experiments' areas, in the table's order."""
    return list(dict.fromkeys(experiment.area for experiment in EXPERIMENTS.values()))
