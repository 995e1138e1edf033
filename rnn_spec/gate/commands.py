"""``rnn-spec gate``: what changes for the user between two releases of torch."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from rnn_spec.cli.base import CONFORMS, FAILS, CouldNotRun, end, to_be_written
from rnn_spec.gate import accepted as acceptance
from rnn_spec.gate import report
from rnn_spec.gate.compare import VERDICTS, Change, compare
from rnn_spec.gate.recording import RecordingError
from rnn_spec.gate.report import Result
from rnn_spec.torch.probes import PROBES

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
def gate(
    source: str,
    target: str,
    recorded: bool,
    python: str | None,
    fail_on: list[str],
    model: Path | None,
    inputs: Path | None,
    prefix: str | None,
    nonlinearity: str | None,
    batch_first: bool | None,
    cuda: bool,
    accepted: Path | None,
    speed: bool,
    fresh: bool,
    markdown: Path | None,
    json_file: Path | None,
    annotate: bool,
) -> None:
    """Say what changes for you between two releases of torch.

    A and B are each a version (torch==2.13.0), a Python with torch in it (a path), or a recording (a file
    that rnn-spec record wrote). Exits with 0 if nothing fails the gate, 1 if something does, 2 if it could
    not be run.
    """
    of_model = {"--inputs": inputs, "--prefix": prefix, "--nonlinearity": nonlinearity,
                "--cuda": cuda or None, "--batch-first": batch_first}  # fmt: skip
    if not model and (idle := [name for name, value in of_model.items() if value is not None]):
        raise click.UsageError(f"{idle[0]} is about a --model, and none is given")
    to_be_written(markdown, json_file)
    from rnn_spec.gate import model as models
    from rnn_spec.gate import run
    from rnn_spec.gate.checkpoints import crossed
    from rnn_spec.gate.speed import measure

    err = Console(stderr=True)

    def say(line: str) -> None:
        err.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)

    try:
        entries = acceptance.read(accepted) if accepted else ()
        sides = run.ready((source, target), python, recorded, say)
        live = [str(side) for side in sides if isinstance(side, Path)]
        changes: list[Change] = []
        notes: list[str] = []
        if model:
            if len(live) < len(sides):
                raise RecordingError("--model needs two torches that run, and not recordings")
            given = models.load(inputs) if inputs else None
            options = models.Options(model, given, prefix, nonlinearity, batch_first, cuda)
            changes, notes = models.judge(live[0], live[1], options)
        a, b = run.recordings(sides, fresh, say)
        changes += compare(a, b, PROBES)
        if len(live) == len(sides):
            changes += crossed((live[0], a.header), (live[1], b.header))
        if speed and len(live) == len(sides):
            slower, ratios = measure(live[0], live[1], say=say)
            changes, notes = changes + slower, notes + ratios
        headers = a.header, b.header
        changes, problems = acceptance.apply(entries, changes, headers[0].version, headers[1].version)
        result = Result(*headers, changes, fail_on, problems, notes)
        report.show(result, Console())
        if markdown:
            report.write(markdown, report.markdown(result))
        if json_file:
            json_file.write_text(report.as_json(result) + "\n", encoding="utf-8")
    except (RecordingError, OSError) as e:
        said = f"{e.filename} cannot be written: {e.strerror}" if isinstance(e, OSError) else str(e)
        summary, annotation = report.not_run(said)
        if markdown and not isinstance(e, OSError):
            report.write(markdown, summary)
        if annotate:
            click.echo(annotation)
        raise CouldNotRun(said) from e
    for line in report.annotated(result) if annotate else ():
        click.echo(line)
    end(CONFORMS if result.passes else FAILS)
