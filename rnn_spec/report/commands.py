"""For implementers: what must hold, clause by clause, in the order in which one would build it."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnn_spec.cli.base import CouldNotRun
from rnn_spec.faults import FAULTS
from rnn_spec.judge.known import known
from rnn_spec.questions.records import LEVELS
from rnn_spec.spec.catalogue import areas, clauses
from rnn_spec.suite import collect as trials
from rnn_spec.suite.results import Results, ResultsError
from rnn_spec.vectors import records as vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.spec.catalogue import Clause

SHOWS = 4
"""How many vectors a line of the checklist names."""
TITLES = {
    "cell": "one step of one layer",
    "sequence": "the recurrence over time",
    "stack": "several layers",
    "bidirectional": "both directions",
    "lengths": "sequences of different lengths",
    "gradients": "backpropagation",
    "dropout": "dropout between layers",
    "precision": "float16, bfloat16, and what mixes",
    "torch_api": "the layer as torch's Python class",
}
"""What each level is, in a few words."""
INTRODUCTION = """\
# What a recurrent layer must do

The clauses of `torch.nn.RNN`, level by level, in an order one can work in: each level needs those above
it only. Under each clause stands what goes wrong without it, and which [vectors](../fixtures/vectors) show
it. `rnn-spec explain CLAUSE` says more of one; `rnn-spec checklist --for rnn-spec-results/results.json`
ticks off what a layer passes. MUST: documented, or following from what is. SHOULD: relied on by users.
MAY: optional.
"""


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if value.upper() not in clauses() and value.upper() not in areas():
        raise click.BadParameter(f"no clause is called {value!r}; they are {_ranges()}")
    return value.upper()


def _ranges() -> str:
    sizes = Counter(clause.area for clause in clauses().values())
    return ", ".join(f"{area}-01 to {sizes[area]:02}" for area in areas())


@click.command()
@click.argument("name", metavar="CLAUSE", callback=_name)
def explain(name: str) -> None:
    """Say all that is known of CLAUSE: its text and source, its checks, vectors and faults.

    Of an area, such as REC, the clauses.

    For example: rnn-spec explain DIR-03
    """
    if name in clauses():
        return explain_clause(clauses()[name])
    for clause in clauses().values():
        if clause.area == name:
            click.echo(f"{clause.id} ({clause.force}) {clause.text}")
    return None


def explain_clause(clause: Clause) -> None:
    """Say all that is known of a clause."""
    click.secho(f"{clause.id} ({clause.force}, level {clause.level})", bold=True)
    click.echo(f"{clause.text}\n  source: {clause.source}\n  leads to: {clause.leads_to}")
    own = [trial for trial in trials.collect() if trial.clause == clause.id]
    counts = Counter(trial.test for trial in own)
    sentences = {trial.test: inspect.getdoc(trial.function) for trial in own}
    _list("checks", (f"{test} ({counts[test]}): {text}" for test, text in sentences.items()))
    _list("vectors", by_clause().get(clause.id, []))
    _list(
        "faults that it must catch",
        (f"{f.name}: {f.sentence}" for f in FAULTS.values() if f.clause == clause.id),
    )
    _list("known failures", (f"{k.subject}: {k.happens} ({k.id})" for k in known() if k.clause == clause.id))


def _list(title: str, lines: Iterator[str] | list[str]) -> None:
    found = list(lines)
    click.echo(f"  {title}: {len(found) or 'none'}")
    for line in found:
        click.echo(f"    {line}")


@click.command()
@click.option(
    "--for",
    "results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Tick off what these results.json say.",
)
def checklist(results: Path | None) -> None:
    """Print what a recurrent layer must do, level by level, as Markdown.

    For example: rnn-spec checklist --for rnn-spec-results/results.json
    """
    for line in lines(results_of(results) if results else None):
        click.echo(line)


def results_of(path: Path) -> Results:
    """The results in a file; CouldNotRun where it says nothing."""
    try:
        return Results.read(path)
    except OSError as e:
        raise CouldNotRun(f"{path} cannot be read: {e.strerror}") from e
    except ResultsError as e:
        raise CouldNotRun(str(e)) from e


def lines(results: Results | None = None) -> Iterator[str]:
    """The checklist; with results, ticked off, of a part of a run with the sentence that says so."""
    shown = by_clause()
    yield INTRODUCTION
    if results and results.part:
        yield f"**Not the whole suite:** {results.part}.\n"
    outcomes: dict[str, Counter[str]] = {}
    for verdict in results.verdicts if results else ():
        outcomes.setdefault(verdict.clause, Counter())[verdict.outcome] += 1
    for number, level in enumerate(LEVELS, 1):
        of_level = [clause for clause in clauses().values() if clause.level == level]
        yield f"## {number}. {level}: {TITLES[level]}\n"
        for clause in of_level:
            mark, note = tick(outcomes.get(clause.id, Counter()), results.levels if results else None, clause)
            yield f"- [{mark}] **{clause.id}** ({clause.force}) {clause.text}{note}\\"
            yield f"  *Otherwise:* {clause.leads_to}" + ("\\" if clause.id in shown else "")
            if ids := shown.get(clause.id):
                more = f" and {len(ids) - SHOWS} more" if len(ids) > SHOWS else ""
                yield f"  *Vectors:* {', '.join(f'`{id}`' for id in ids[:SHOWS])}{more}"
        yield ""


def tick(counts: Counter[str], claimed: list[str] | None, clause: Clause) -> tuple[str, str]:
    """A clause's box, and what is to be said beside it; `claimed` None: nobody was judged."""
    if claimed is None:
        return " ", ""
    judged = counts["failed"] + counts["passed"]
    if counts["failed"]:
        return " ", f" **{counts['failed']} of {judged} checks fail.**"
    if counts["unsupported"]:
        return " ", f" *{counts['unsupported']} of {judged + counts['unsupported']} checks are unsupported.*"
    if counts["passed"]:
        return "x", f" ({counts['known']} fail as known)" if counts["known"] else ""
    if counts["known"]:
        return " ", " *All checks fail as known.*"
    return " ", " *Not asked.*" if clause.level in claimed and not counts else " *Not claimed.*"


def by_clause() -> dict[str, list[str]]:
    """The ids of the vectors that show each clause."""
    found: dict[str, list[str]] = {}
    for path in vectors.paths(vectors.folder()):
        for vector in vectors.read(path).vectors:
            for clause in vector.clauses:
                found.setdefault(clause, []).append(vector.id)
    return found
