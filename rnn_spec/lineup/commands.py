"""`rnn-spec faults`; and what `rnn-spec check` does before and after: the smoke stage, the diagnosis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from rnn_spec import files
from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, in_checkout, to_be_written
from rnn_spec.faults import FAULTS
from rnn_spec.faults.base import MODULE
from rnn_spec.lineup.faulty import find_fault
from rnn_spec.lineup.smoke import smoke
from rnn_spec.subjects.base import SubjectError, version_of
from rnn_spec.subjects.registry import load
from rnn_spec.suite.results import Results


def begin(subject: str, skip_smoke: bool) -> None:
    """Make the subject, then the smoke stage: say what came of it, and end where the adapter is wrong."""
    try:
        under_test = load(subject)
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    found = None if skip_smoke else smoke(under_test)
    under_test.close()  # the suite makes its own
    if found is None:
        return
    click.secho(str(found), bold=True, err=found.adapter)
    if found.adapter:
        raise CouldNotRun("nothing can be said of the RNN behind it; --no-smoke judges it all the same")


def diagnose(path: Path) -> None:
    """Print, and keep with the results, what a subject behaves like that fails a check, a SHOULD's, too."""
    from rnn_spec.lineup import diagnosis

    results = Results.read(path)
    failed = [v.check for v in results.verdicts if v.outcome == "failed"]
    if not failed:
        return
    asked = {v.check for v in results.verdicts if v.outcome in ("passed", "failed")}
    results.diagnoses = diagnosis.sentences(load(results.subject), failed, asked)
    results.write(path)
    for sentence in results.diagnoses:
        click.secho(f"diagnosis: {sentence}", bold=True)


@click.command()
@click.argument("names", nargs=-1)
@click.option("-n", "processes", default=2, type=click.IntRange(1), show_default=True, help="Processes.")
@click.option("--named", is_flag=True, help="Only the clause that a fault names, until a check fails.")
@click.option("--whole", is_flag=True, help="Every check, and not one of each test; many minutes.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="FILE",
              help="Write what became of each fault to FILE, a line of JSON for each.")  # fmt: skip
@click.option(
    "--record",
    is_flag=True,
    help="In a clone: ask what is not on record in rnn_spec/lineup (all with --whole), and keep it.",
)
def faults(
    names: tuple[str, ...], processes: int, named: bool, whole: bool, keep: Path | None, record: bool
) -> None:
    """Run the suite on named faults (all of them, or NAMES): which clause kills which.

    Exits with 1 if one survives the clause that names it.

    For example: rnn-spec faults w_hh-transposed
    """
    from rnn_spec.lineup import matrix
    from rnn_spec.suite import collect as trials

    if record and (names or named or keep):
        raise click.UsageError("--record is of all faults and every check: give it with --whole, or alone")
    try:
        chosen = [find_fault(name).name for name in names or FAULTS]
        if any(find_fault(name).of == MODULE for name in chosen):
            load("torch")
    except SubjectError as e:
        raise CouldNotRun(str(e)) from e
    if record:
        end(on_record(processes, whole))
    to_be_written(keep)
    extent = matrix.NAMED if named else matrix.WHOLE if whole or names else matrix.BRIEF
    console, found = Console(), []
    with Progress(console=console, transient=True) as progress:
        for row in progress.track(matrix.rows(chosen, processes, extent), total=len(chosen)):
            matrix.show(row, console)
            found.append(row)
            if keep:
                files.write(keep, "".join(map(matrix.kept, found)).encode())
    matrix.conclude(found, console, () if named or names else {t.test for t in trials.collect()})
    end(CONFORMS if all(row.killed for row in found) else FAILS)


def on_record(processes: int, whole: bool) -> int:
    """Ask what is not on record, keep it, and say what the record shows of the suite: the exit status.

    The record is written when all has been asked, and no check broke; until then the old one stands.
    """
    from rnn_spec.lineup import matrix, record
    from rnn_spec.suite import collect as trials

    path, suite = in_checkout(record.PATH), trials.collect()
    old = record.Record() if whole or not path.exists() else record.kept()
    new = old.only(FAULTS, [trial.id for trial in suite], version_of(load("torch"), "torch"))
    lacking = {fault: ids for fault in FAULTS if (ids := old.lacking(fault, new.checks))}
    console, broken = Console(), False
    rows = matrix.rows(list(lacking), processes, matrix.WHOLE, lacking.values())
    with Progress(console=console, transient=True) as progress:
        for row in progress.track(rows, total=len(lacking)):
            new.failed[row.fault] = new.failed.get(row.fault, frozenset()) | set(row.failed)
            matrix.show(
                replace(new.row(FAULTS[row.fault], suite), broken=row.broken, seconds=row.seconds), console
            )
            broken |= bool(row.broken)
    if broken:
        raise CouldNotRun(f"a check broke on a fault: {path.name} is left as it was")
    new = new.only(FAULTS, new.checks, new.of)  # in their order
    files.write(path, new.encoded())
    found = [new.row(FAULTS[name], suite) for name in new.failed]
    matrix.conclude(found, console, {trial.test for trial in suite})
    return CONFORMS if all(row.killed for row in found) else FAILS
