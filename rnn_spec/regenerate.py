"""`rnn-spec regenerate`: everything in the repository that is derived from something else in it, in order.

Each row says what is derived, and gives the texts of its files by their place in a clone. A row may read
what the rows before it have written: the checklist names the vectors that show a clause.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from rnn_spec import files
from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, in_checkout
from rnn_spec.gate import history
from rnn_spec.gate.archive import Archive
from rnn_spec.questions import product
from rnn_spec.report import standings
from rnn_spec.report.commands import lines
from rnn_spec.suite import collect, recorder
from rnn_spec.vectors import records
from rnn_spec.vectors.commands import made_anew

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Texts = dict["Path", str]


def selection() -> Texts:
    """The standard selection of the product of flags."""
    return {product.STANDARD: "".join(f"{id}\n" for id in product.select())}


def owed() -> Texts:
    """How many checks each clause owes."""
    return {recorder.OWED: json.dumps(collect.counts(), indent=1) + "\n"}


def vectors() -> Texts:
    """The stored vectors, their schema and the list of their ids."""
    return made_anew(records.folder())


def checklist() -> Texts:
    """What a layer must do."""
    return {files.CHECKOUT / "docs" / "checklist.md": "\n".join(lines()) + "\n"}


def conformance() -> Texts:
    """Who conforms, from the committed results."""
    fixtures = standings.Fixtures.read(files.CHECKOUT / "fixtures" / "conformance")
    return {files.CHECKOUT / "docs" / "conformance.md": standings.markdown(fixtures)}


def changes() -> Texts:
    """What changed from release to release, from the recordings."""
    return {history.HISTORY: history.document(Archive.read())}


DERIVED: dict[str, Callable[[], Texts]] = {
    "selection": selection,
    "owed": owed,
    "vectors": vectors,
    "checklist": checklist,
    "conformance": conformance,
    "history": changes,
}
"""What is derived, in the order in which it is to be made."""


def stale(texts: Texts) -> list[Path]:
    """The files that do not hold what they should."""
    return [p for p, text in texts.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; say which files are stale, and exit with 1.")
def regenerate(names: tuple[str, ...], check: bool) -> None:
    """Make what is derived in a clone of the repository anew, in the right order: all, or NAMES.

    For example: rnn-spec regenerate --check
    """
    if unknown := [name for name in names if name not in DERIVED]:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(DERIVED)}")
    in_checkout(files.CHECKOUT)
    found: list[Path] = []
    for name in DERIVED:
        if names and name not in names:
            continue
        try:
            texts = DERIVED[name]()
        except (ValueError, ImportError) as e:
            raise CouldNotRun(f"{name} cannot be made: {' '.join(str(e).split())}") from e
        found += (old := stale(texts))
        for path in old:
            place = path.relative_to(files.CHECKOUT)
            click.echo(f"{place} is stale" if check else f"{place} is written")
            if not check:
                files.write(path, texts[path].encode())
    if not found:
        click.echo("nothing is stale")
    end(FAILS if check and found else CONFORMS)
