"""``rnn-spec gate``: what changes for the user between two releases of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, to_be_written
from rnn_spec.gate import report
from rnn_spec.gate.compare import VERDICTS
from rnn_spec.gate.recording import RecordingError
from rnn_spec.gate.run import Options, run

FILE = click.Path(dir_okay=False, path_type=Path)
DEFAULT = ",".join(name for name, verdict in VERDICTS.items() if verdict.fails)


def _verdicts(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    chosen = [word.strip() for word in value.split(",") if word.strip()]
    if not chosen:
        raise click.BadParameter("it names no verdict, so that nothing could fail")
    if unknown := [word for word in chosen if word not in VERDICTS]:
        raise click.BadParameter(f"no verdict is called {unknown[0]!r}; they are {', '.join(VERDICTS)}")
    return chosen


@click.command()
@click.option("--from", "source", required=True, metavar="A", help="The release you have.")
@click.option("--to", "target", required=True, metavar="B", help="The release you would have.")
@click.option("--recorded", is_flag=True, help="Take versions from the recordings that ship: nothing runs.")
@click.option(
    "--python", metavar="PATH", help="The Python to install a release with: old ones need old ones."
)
@click.option(
    "--fail-on", default=DEFAULT, show_default=True, callback=_verdicts, help="Verdicts that fail the gate."
)
@click.option("--model", type=FILE, help="Your own state_dict: the same weights and inputs under both.")
@click.option("--inputs", type=FILE, help="A .npy file of inputs for it; generic ones without.")
@click.option("--prefix", help="Which recurrent layer of the model, by what comes before weight_ih_l0.")
@click.option("--nonlinearity", type=click.Choice(["tanh", "relu"]), help="The model's; weights do not tell.")
@click.option("--batch-first/--time-first", default=None, help="How the inputs are laid out.")
@click.option("--cuda", is_flag=True, help="Run the model on the GPU.")
@click.option("--accepted", type=FILE, help="A TOML file of accepted changes: id, verdict, reason.")
@click.option("--speed/--no-speed", default=True, help="Time both; they have to be live.")
@click.option("--fresh", is_flag=True, help="Record anew, and not from what was kept.")
@click.option("--markdown", type=FILE, help="Add the report to this file as Markdown, for a step summary.")
@click.option("--json", "json_file", type=FILE, help="Write the whole result to this file as JSON.")
@click.option("--annotate", is_flag=True, help="Print an annotation for GitHub for each change.")
def gate(markdown: Path | None, json_file: Path | None, annotate: bool, **given: Any) -> None:
    """Say what changes for you between two releases of torch.

    A and B are each a version (torch==2.13.0), a Python with torch in it (a path), or a recording (a file
    that rnn-spec record wrote). Exits with 0 if nothing fails the gate, 1 if something does, 2 if it could
    not be run.

    For example: rnn-spec gate --from 2.2.2 --to 2.3.1 --recorded
    """
    options = Options(**given)
    of_model = {
        "--inputs": options.inputs,
        "--prefix": options.prefix,
        "--nonlinearity": options.nonlinearity,
        "--cuda": options.cuda or None,
        "--batch-first": options.batch_first,
    }
    if not options.model and (idle := [name for name, value in of_model.items() if value is not None]):
        raise click.UsageError(f"{idle[0]} is about a --model, and none is given")
    to_be_written(markdown, json_file)
    err = Console(stderr=True)

    def say(line: str) -> None:
        err.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)

    try:
        result = run(options, say)
        report.show(result, Console())
        if markdown:
            report.write(markdown, report.markdown(result))
        if json_file:
            json_file.write_text(report.as_json(result) + "\n", encoding="utf-8")
    except (RecordingError, OSError) as e:
        raise not_run(e, markdown, annotate) from e
    for line in report.annotated(result) if annotate else ():
        click.echo(line)
    end(CONFORMS if result.passes else FAILS)


def not_run(e: RecordingError | OSError, markdown: Path | None, annotate: bool) -> CouldNotRun:
    """Why the gate could not be run, said in every view that was asked for."""
    said = f"{e.filename} cannot be written: {e.strerror}" if isinstance(e, OSError) else str(e)
    summary, annotation = report.not_run(said)
    if markdown and not isinstance(e, OSError):
        report.write(markdown, summary)
    if annotate:
        click.echo(annotation)
    return CouldNotRun(said)
