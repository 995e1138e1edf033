"""For implementers in any language: serve a subject, save cases and judge answers, begin a new subject."""

from __future__ import annotations

import importlib.metadata
import keyword
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np

from rnn_spec.cli.base import CouldNotRun, known_clauses, to_be_written
from rnn_spec.far import answers, wire
from rnn_spec.judge.session import Session
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.base import SubjectError, facts_of, version_of
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite import collect as trials
from rnn_spec.suite import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.questions.records import Case

LARGEST = 100_000
"""Bytes of JSON above which a case is left out of a file, unless all are asked for."""


@click.command()
@click.argument("subject")
def serve(subject: str) -> None:
    """Make SUBJECT a worker: answer the wire protocol's requests on stdin, so that a crash is its own.

    For example: rnn-spec check 'worker:rnn-spec serve my_layer:MyRNN'
    """
    own = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr, and not between the answers
    try:
        under_test = load(subject)
        version = version_of(under_test, subject)
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    claimed: dict[str, Any] = under_test.claims.told()
    declares = dict(under_test.declares)
    facts = facts_of(under_test)
    hello = wire.Hello(under_test.title, version, "Python", declares=declares, facts=facts, **claimed)
    with os.fdopen(own, "wb") as out:
        wire.serve(hello, under_test.run, sys.stdin.buffer, out, under_test.attempt)


SCHEMAS = {"wire": wire.schema, "results": results.schema}


@click.command()
@click.argument("what", type=click.Choice([*SCHEMAS]), default="wire")
def schema(what: str) -> None:
    """Print the JSON Schema of the wire protocol (the default), or of results.json.

    For example: rnn-spec schema results
    """
    click.echo(msgspec.json.format(msgspec.json.encode(SCHEMAS[what]()), indent=1))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--clause", "wanted", multiple=True, callback=known_clauses, help="Only what this clause asks.")
@click.option("--all", "everything", is_flag=True, help="Large cases, too: 100 MB.")
def cases(file: Path, wanted: tuple[str, ...], everything: bool) -> None:
    """Write the suite's cases to FILE, as a worker would read them, one a line.

    Run your program on it anyhow you like, then: rnn-spec judge ANSWERS --cases FILE

    For example: rnn-spec cases cases.jsonl --clause REC
    """
    to_be_written(file)
    limit = sys.maxsize if everything else LARGEST
    try:
        count = answers.save((c for c in suite_cases(wanted) if len(wire.encode(c)) <= limit), file)
    except OSError as e:
        raise CouldNotRun(f"{file} cannot be written: {e.strerror}") from e
    click.echo(f"{count} cases in {file}; each line is a request, hello comes first and bye last")


def suite_cases(wanted: tuple[str, ...]) -> Iterator[Case]:
    """Every case that the checks ask of a right subject, but for those made from its own answers."""
    return (case for case in asked(wanted).values() if exact(case.input) and exact(case.h_0))


def asked(wanted: tuple[str, ...]) -> dict[str, Case]:
    """Every case that the checks of these clauses and areas (or all) ask of a right subject, by its id."""
    watch = trials.Watch(SpecSubject())
    session = Session(watch)
    for trial in trials.collect():
        if not wanted or {trial.clause, clauses()[trial.clause].area} & set(wanted):
            trial.outcome(session)
    return watch.asked


def exact(array: np.ndarray | None) -> bool:
    """Whether every number is exact in bfloat16, as all numbers are that come from no answer."""
    numbers = np.zeros(0) if array is None else array[np.isfinite(array)]
    return bool((np.frexp(numbers)[0] * 256 % 1 == 0).all())


TEMPLATES = Path(__file__).with_name("templates")
LANGUAGES = {
    "python": "rnn-spec check {name}.worker:Layer",
    "python-worker": "rnn-spec check 'worker:python3 {name}/worker.py'",
    "c++": "g++ -std=c++17 -O2 -o {name}/worker {name}/worker.cpp && rnn-spec check worker:{name}/worker",
    "javascript": "rnn-spec check 'worker:node {name}/worker.mjs'",
}
"""The languages that there are skeletons in, and how each is judged; python-worker: any Python from 3.6."""


def taken(name: str) -> bool:
    """Whether a module of this name is Python's own, or comes with an installed package."""
    return name in sys.stdlib_module_names or name in importlib.metadata.packages_distributions()


@click.command("new-subject")
@click.argument("name")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default="python", show_default=True)
def new_subject(name: str, language: str) -> None:
    """Begin a subject: a folder NAME with a worker around a toy RNN, to be replaced by your own layer.

    For example: rnn-spec new-subject my_rnn --language c++
    """
    if not name.isidentifier():
        raise CouldNotRun(f"{name!r} is not a name for a folder and a module: letters, digits and _ only")
    folder = Path(name)
    if not folder.exists() and (keyword.iskeyword(name) or taken(name)):
        raise CouldNotRun(f"{name!r} is Python's or another package's: a module of that name is not yours")
    sources = [path for path in (TEMPLATES / language.replace("c++", "cpp")).iterdir() if path.is_file()]
    try:
        folder.mkdir()
        for source in sources:
            text = source.read_text(encoding="utf-8").replace("{{name}}", name)
            (folder / source.name).write_text(text, encoding="utf-8")
    except FileExistsError as e:
        raise CouldNotRun(f"{name} is already there: nothing was written") from e
    except OSError as e:
        raise CouldNotRun(f"{name} cannot be written: {e.strerror}") from e
    click.echo(f"written: {', '.join(sorted(str(path) for path in folder.iterdir()))}")
    click.echo(f"now: {LANGUAGES[language].format(name=name)}")
