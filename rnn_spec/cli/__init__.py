"""The `rnn-spec` command: a thin layer over pytest with the project's plugin."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections import Counter
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest
from rich import box
from rich.console import Console
from rich.table import Table

import rnn_spec
from rnn_spec.cli.base import (
    CONFORMS,
    COULD_NOT_RUN,
    FAILS,
    CouldNotRun,
    Entry,
    WithMore,
    elsewhere,
    end,
    expected_failures,
    kept,
    known_clauses,
    known_count,
    known_seconds,
    known_shard,
    to_be_written,
    unforeseen,
)
from rnn_spec.cli.base import (
    in_checkout as in_checkout,
)
from rnn_spec.judge.compare import Nonconformity, compare
from rnn_spec.judge.known import MATTERS, matches
from rnn_spec.judge.known import known as known_failures
from rnn_spec.judge.session import Session
from rnn_spec.questions.records import LEVELS, Case
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.registry import SubjectError, load
from rnn_spec.suite import collect, launch, recorder
from rnn_spec.suite.derived import case_of
from rnn_spec.suite.plugin import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

UNDER_OUR_ROOF = ("torch", "spec", "fault")
"""The subjects whose adapter is ours, and tested: they need no smoke stage."""
WORTH = 2000
"""How many checks a process has to have for itself to be worth its start."""


ELSEWHERE = {
    "cases": "rnn_spec.far.commands:cases",
    "checklist": "rnn_spec.report.commands:checklist",
    "compare": "rnn_spec.report.views_command:compare",
    "conformance": "rnn_spec.report.conformance_command:conformance",
    "explain": "rnn_spec.report.commands:explain",
    "explore": "rnn_spec.explore.command:explore",
    "faults": "rnn_spec.lineup.commands:faults",
    "gate": "rnn_spec.gate.commands:gate",
    "history": "rnn_spec.gate.history_command:history",
    "merge": "rnn_spec.report.merge_command:merge",
    "model": "rnn_spec.gate.commands:model",
    "new-subject": "rnn_spec.far.commands:new_subject",
    "record": "rnn_spec.gate.record_command:record",
    "regenerate": "rnn_spec.regenerate:regenerate",
    "report": "rnn_spec.report.views_command:report",
    "schema": "rnn_spec.far.commands:schema",
    "serve": "rnn_spec.far.commands:serve",
    "site": "rnn_spec.site:site",
    "vectors": "rnn_spec.vectors.commands:vectors",
}
"""The commands of the outer rings, each imported when it is called."""


ABOUT = """\
Say in code that runs what torch.nn.RNN is, and judge anything that claims to be it.

\b
For example:
  rnn-spec check                              torch.nn.RNN itself
  rnn-spec new-subject my_rnn                 a layer of your own: a skeleton,
  rnn-spec check my_rnn.worker:Layer          and its verdict
  rnn-spec gate --from 2.2.2 --to 2.3.1 --recorded    before you upgrade torch
"""


@click.group(
    cls=Entry, help=ABOUT, elsewhere=ELSEWHERE, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(rnn_spec.__version__)
def main() -> None:
    """Say in code that runs what torch.nn.RNN is, and judge anything that claims to be it."""


@main.command(cls=WithMore)
@click.argument("subject", default="torch")
@click.option(
    "--clause", "wanted", multiple=True, callback=known_clauses, help="Only this clause or area; repeatable."
)
@click.option("--exhaustive", is_flag=True, help="The full product of flags, thousands of cases.")
@click.option("-n", "processes", default="0", metavar="N", callback=known_count,
              help="Processes: a number, or auto.")  # fmt: skip
@click.option("--results", default=RESULTS, type=click.Path(file_okay=False), help="Folder for results.json.")
@click.option("--deadline", type=float, envvar="RNN_SPEC_DEADLINE", callback=known_seconds,
              help="Seconds that a case may take.")  # fmt: skip
@click.option("--require", "required", multiple=True, type=click.Choice(LEVELS),
              help="Fail whoever does not claim this level; repeatable.")  # fmt: skip
@click.option("-x", "maxfail", flag_value=1, type=int, help="End at the first failure.")
@click.option("--maxfail", "maxfail", type=click.IntRange(1), metavar="N", help="End at failure N.")
@click.option("--lf", "failed_last", is_flag=True, help="Only what failed last time, by results.json.")
@click.option("--shard", callback=known_shard, metavar="K/N",
              help="Only part K of N; `rnn-spec merge` makes a whole of them.")  # fmt: skip
@click.option("-q", "show", flag_value="least", help="Show the verdict alone.")
@click.option("-v", "show", flag_value="most", help="Show every failure, and what became of each area.")
@click.option("--no-smoke", "skip_smoke", is_flag=True, help="Leave out the small cases that come first.")
@expected_failures
@click.option("--question", type=click.Path(dir_okay=False, path_type=Path), help="Ask this failure again.")
@click.pass_context
def check(
    context: click.Context,
    subject: str,
    wanted: tuple[str, ...],
    exhaustive: bool,
    processes: str,
    results: str,
    deadline: float | None,
    required: tuple[str, ...],
    maxfail: int | None,
    failed_last: bool,
    shard: str | None,
    show: str | None,
    skip_smoke: bool,
    known_file: Path | None,
    question: Path | None,
) -> None:
    """Judge SUBJECT: torch (the default), torch:DEVICE, or your own.

    Your own is package.module:attribute, or 'worker:COMMAND' in any language. Small cases come first,
    to tell a wrong adapter from a wrong RNN. What stands after -- goes to pytest, such as -- -k relu. Exits
    with 0 if it conforms, 1 if it does not, 2 if it could not be run.

    For example: rnn-spec check my_rnn.worker:Layer --require sequence -x
    """
    if deadline is not None:
        os.environ["RNN_SPEC_DEADLINE"] = str(deadline)
    if question is not None:
        given = context.get_parameter_source("subject") != click.core.ParameterSource.DEFAULT
        end(elsewhere("rnn_spec.report.again:ask_again")(subject if given else None, question))
    if not results:
        raise click.BadParameter("--results names no folder")
    to_be_written(Path(results, "results.json"))
    with launch.settled():
        skipped = skip_smoke or subject.partition(":")[0] in UNDER_OUR_ROOF
        elsewhere("rnn_spec.lineup.commands:begin")(subject, skipped)
    if processes == "auto":
        processes = str(worthwhile(wanted, exhaustive))
    arguments = [f"--subject={subject}", f"--results={results}", *(f"--clause={id}" for id in wanted)]
    arguments += [f"--known={known_file}"] if known_file else []
    arguments += [f"--require={level}" for level in required]
    arguments += ["--exhaustive"] if exhaustive else []
    arguments += [f"--maxfail={maxfail}"] if maxfail else []
    arguments += [f"--shard={shard}"] if shard else []
    arguments += [f"--show={show or 'some'}", *context.meta.get("more", ())]
    arguments += [f"-n{processes}"] if processes != "0" else []
    watch = Keeping()
    with last_failed(Path(results, "results.json"), subject) if failed_last else nullcontext() as chosen:
        code = launch.run_suite([*arguments, *([f"--lf-of={chosen}"] if chosen else [])], [watch])
    if watch.kept:
        told(Path(results), judged=code in (CONFORMS, FAILS))
    end(code if code in (CONFORMS, FAILS) else COULD_NOT_RUN)


def told(folder: Path, *, judged: bool) -> None:
    """After a run whose results are kept: what the subject behaves like if a check fails, and the page."""
    kept()
    after = [("rnn_spec.lineup.commands:diagnose", folder / "results.json")] if judged else []
    for name, path in (*after, ("rnn_spec.report.views_command:leave", folder)):
        try:
            elsewhere(name)(path)
        except Exception as e:  # the verdict stands without
            unforeseen(e)


@contextmanager
def last_failed(path: Path, subject: str) -> Iterator[Path]:
    """A file of the ids of the checks that failed in the last run; CouldNotRun where none did."""
    results = elsewhere("rnn_spec.report.commands:results_of")(path)
    if results.subject != subject:
        raise CouldNotRun(f"--lf: {path} is of {results.subject}, and not of {subject}")
    failed = [v.check for v in results.verdicts if v.outcome in ("failed", "broken")]
    if not failed:
        raise CouldNotRun(f"--lf: nothing failed in {path}: there is nothing to ask again")
    with TemporaryDirectory() as folder:
        ids = Path(folder, "ids")
        ids.write_text("\n".join(failed), encoding="utf-8")
        yield ids


class Keeping:
    """A plugin that sees whether results.json could be kept."""

    kept = False

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Ask the recorder, when all is written."""
        recorder = config.pluginmanager.get_plugin("rnn-spec-recorder")
        self.kept = recorder is not None and recorder.unkept == ""


def worthwhile(wanted: tuple[str, ...], exhaustive: bool) -> int:
    """How many processes a run is worth: each has a framework to import, and questions to compute anew."""
    owed = recorder.checked_in()["exhaustive" if exhaustive else "standard"]
    checks = sum(n for id, n in owed.items() if not wanted or {id, clauses()[id].area} & set(wanted))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = min(cores, checks // WORTH)
    return found if found > 1 else 0


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--cases", "asked", required=True, type=click.Path(exists=True, dir_okay=False),
              help="The file that `rnn-spec cases` wrote.")  # fmt: skip
@click.option("--results", default=RESULTS, type=click.Path(file_okay=False), help="Folder for results.json.")
@expected_failures
@click.pass_context
def judge(context: click.Context, file: str, asked: str, results: str, known_file: Path | None) -> None:
    """Judge the answers in FILE, one a line, the answer to hello first; see `rnn-spec cases`.

    For example: rnn-spec judge answers.jsonl --cases cases.jsonl
    """
    context.invoke(check, subject=f"answers:{file}@{asked}", results=results, known_file=known_file)


@main.command()
@click.argument("id")
@click.option("--subject", default="torch", help="Whose answer to show.")
@click.option("--full", is_flag=True, help="Every element of every array.")
def case(id: str, subject: str, full: bool) -> None:
    """Print the case ID, its expectation, and what a subject answers.

    For example: rnn-spec case small-L1-tanh-bi-float32 torch
    """
    try:
        under_test, console = load(subject), Console()
        question = case_of(id, under_test)
        with np.printoptions(threshold=sys.maxsize if full else 40, edgeitems=2, linewidth=console.width):
            show_case(question, Session(under_test), console)
    except (ValueError, SubjectError) as e:
        raise CouldNotRun(str(e)) from e


def show_case(case: Case, session: Session, console: Console) -> None:
    """The question, then each array: where it is worst, and expected, bound and answered numbers."""
    case = session.claimed(case)
    console.print(f"[bold]{case.id}[/bold]", highlight=False)
    console.print(
        f"{case.config}\ntraining={case.training}, dtype={case.dtype}, seed={case.seed}", highlight=False
    )
    for name, array in case.given.items():
        console.print(f"[bold]{name}[/bold] {array.shape}\n{array}", highlight=False)
    observation = session.answer(case)
    if problem := observation.error or observation.unsupported:
        console.print(f"[bold red]the subject raised {problem}[/bold red]", highlight=False)
        return
    answer = observation.arrays()
    table = Table("array", "differing", "worst at", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("expected", "bound", "answered", "headroom"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, expected in session.expected(case, observation).arrays.items():
        got = answer.get(name)
        console.print(f"[bold]{name}[/bold] {expected.value.shape}", highlight=False)
        console.print(
            f"expected\n{expected.value}\nbound\n{expected.error}\nanswered\n{got}", highlight=False
        )
        try:
            c = compare(name, got if got is not None else np.zeros(0), expected)
        except Nonconformity as e:
            table.add_row(name, "all", "", "", "", str(e))
            continue
        numbers = f"{c.expected:.8g}", f"{c.bound:.2g}", f"{c.got:.8g}", f"{c.headroom:.2g}"
        table.add_row(name, f"{c.differing}/{c.size}", str(list(c.index)), *numbers)
    console.print(table)


@main.command()
@click.argument("subject", default="torch")
@click.option("--id", "only", help="Only the known failure of this id.")
@click.option("--matters", "how", multiple=True, type=click.Choice([*MATTERS]),
              help="Only what matters so much; repeatable.")  # fmt: skip
@click.option("--unreported", is_flag=True, help="Only what is not reported yet.")
@click.option("--reproduction", is_flag=True, help="Print the reproductions, too.")
@click.option("--report", is_flag=True, help="Print each as a text to be filed, in Markdown, if it has one.")
def known(
    subject: str, only: str | None, how: tuple[str, ...], unreported: bool, reproduction: bool, report: bool
) -> None:
    """List what SUBJECT is known to get wrong, the gravest first: what happens, since when, where.

    For example: rnn-spec known torch --matters result --reproduction
    """
    rows = [k for k in known_failures() if matches(subject, k.subject) and only in (None, k.id)]
    rows = [k for k in rows if (not how or k.matters in how) and (not unreported or k.issue == "unreported")]
    rows = [k for k in rows if k.title or not report]
    if not rows:
        narrowed = f" by the id {only!r}" if only else " of that kind" if how or unreported or report else ""
        raise CouldNotRun(f"nothing is known of {subject!r}{narrowed}")
    rows.sort(key=lambda k: list(MATTERS).index(k.matters))
    if report:
        click.echo("\n".join(k.report() for k in rows), nl=False)
        return
    for k in rows:
        whose = f"; {k.whose}'s and not {subject}'s" if k.whose else ""
        releases = k.releases or f"seen in {k.seen}"
        click.secho(f"{k.id}", bold=True, nl=False)
        click.echo(f": {MATTERS[k.matters]}{whose}")
        click.echo(f"  {k.clause} {clauses()[k.clause].text}" if k.clause else "  no check shows it")
        click.echo(f"  {k.happens}")
        click.echo(f"  {releases}; since {k.since}; {k.issue}")
        if reproduction:
            click.echo(textwrap.indent(k.reproduction.strip(), "    "))
    counted = Counter[str](k.matters for k in rows)
    told = ", ".join(f"{counted[word]} {sentence}" for word, sentence in MATTERS.items() if counted[word])
    click.echo(f"\n{len(rows)} known failures of {subject}: {told}")


@main.command()
def owed() -> None:
    """Print how many checks each clause owes in a standard and in an exhaustive run.

    For example: rnn-spec owed
    """
    click.echo(json.dumps(collect.counts(), indent=1))
