"""`rnn-spec history`: what a probe came to, release by release, and putting one on record."""

from __future__ import annotations

from pathlib import Path

import click

from rnn_spec.cli.base import CouldNotRun, in_checkout
from rnn_spec.gate import archive as archives
from rnn_spec.gate.history import told_in_turn
from rnn_spec.gate.recording import Recording, RecordingError
from rnn_spec.judge.known import matches
from rnn_spec.torch.probes import PROBES


@click.command()
@click.argument("probe", default="*")
@click.option("--all", "everything", is_flag=True, help="Probes that came to the same in every release, too.")
@click.option(
    "--add", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recording to put on record, in place of an earlier one of its release; repeatable.",
)  # fmt: skip
def history(probe: str, everything: bool, add: tuple[Path, ...]) -> None:
    """Show what PROBE came to in each release on record; * stands for anything, as in 'refuse/dropout-*'."""
    try:
        if add:
            in_checkout(archives.shipped())
        archive = archives.Archive.read()
        if add:
            made = [archives.neutral(Recording.read(path)) for path in add]
            kept = {release: archive.recording(release) for release in archive.order}
            archive = archives.Archive.of(kept | {archives.release_of(r): r for r in made})
            archive.write(archives.shipped())
    except RecordingError as e:
        raise CouldNotRun(str(e)) from e
    if add:
        click.echo(f"{len(archive.releases)} releases on record: {', '.join(archive.order)}")
        return
    found = [id for id in archive.probes if matches(id, probe)]
    if not found:
        raise CouldNotRun(f"no probe is called {probe!r}: areas are {', '.join(areas())}")
    for id in found:
        lines = list(told_in_turn(archive, id))
        if everything or len(lines) > 1 or len(found) == 1:
            click.secho(id, bold=True)
            click.echo(f"  {PROBES[id].sentence if id in PROBES else 'not asked any more'}")
            for releases, words in lines:
                click.echo(f"    {releases}: {words}")


def areas() -> list[str]:
    """The probes' areas, in the table's order."""
    return list(dict.fromkeys(probe.area for probe in PROBES.values()))
