"""``rnn-spec gate``: what changes for the user between two releases of torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from rnn_spec.cli.base import CONFORMS, COULD_NOT_RUN, FAILS, CouldNotRun, end, to_be_written
from rnn_spec.gate import accepted, environments, report
from rnn_spec.gate import model as models
from rnn_spec.gate.compare import VERDICTS
from rnn_spec.gate.recording import RecordingError
from rnn_spec.gate.run import Options, comes_to, run

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = click.Path(dir_okay=False, path_type=Path)
DEFAULT = ",".join(name for name, verdict in VERDICTS.items() if verdict.fails)


OF_A_MODEL = (
    click.option("--inputs", type=FILE, help="A .npy file of inputs for it; generic ones without."),
    click.option("--outputs", type=FILE, help="A .npy file of the outputs that you have of these inputs."),
    click.option("--prefix", help="One of its layers, by what comes before weight_ih_l0; all without."),
    click.option("--nonlinearity", type=click.Choice(["tanh", "relu"]), help="The model's; both without."),
    click.option("--batch-first/--time-first", default=None, help="How the inputs are laid out."),
    click.option("--cuda", is_flag=True, help="Run the model on the GPU."),
    click.option("--trust", is_flag=True, help="Unpickle the checkpoint: whoever wrote it may run any code."),
)
"""What a user says of a model, beside its file."""


def of_a_model(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes what is said of a model."""
    for option in reversed(OF_A_MODEL):
        command = option(command)
    return command


def _verdicts(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    chosen = [word.strip() for word in value.split(",") if word.strip()]
    if not chosen:
        raise click.BadParameter("it names no verdict, so that nothing could fail")
    if unknown := [word for word in chosen if word not in (*VERDICTS, report.YOURS)]:
        raise click.BadParameter(f"no verdict is called {unknown[0]!r}; they are {', '.join(VERDICTS)}")
    return chosen if chosen != [report.YOURS] else [*DEFAULT.split(","), report.YOURS]


@click.group(invoke_without_command=True)
@click.option("--from", "source", metavar="A", help="The release you have.")
@click.option("--to", "target", metavar="B", help="The release you would have.")
@click.option("--recorded", is_flag=True, help="Take versions from the record alone: nothing runs.")
@click.option("--live", is_flag=True, help="Install and ask versions, even those that are on record.")
@click.option("--python", metavar="PATH", help="The Python to install releases with; one that fits without.")
@click.option("--python-from", metavar="PATH", help="The same, of A alone.")
@click.option("--python-to", metavar="PATH", help="The same, of B alone.")
@click.option(
    "--fail-on",
    default=DEFAULT,
    show_default=True,
    callback=_verdicts,
    help="Verdicts that fail the gate; yours: of these only what your --code or --model meets.",
)
@click.option("--model", type=FILE, help="Your own checkpoint: the same weights and inputs under both.")
@of_a_model
@click.option("--accepted", type=FILE, help="A TOML file of accepted changes: id, verdict, reason.")
@click.option(
    "--code",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Your sources, files or folders: which lines can meet a change? Repeatable; nothing of it is run.",
)
@click.option(
    "--write-accepted", type=FILE, help="Write a file that accepts what fails, with reasons to fill in."
)
@click.option("--all", "everything", is_flag=True, help="Show every change, and not only what they come of.")
@click.option("--speed/--no-speed", default=False, help="Time both, last; they have to be live.")
@click.option("--fresh", is_flag=True, help="Record anew, and not from what was kept.")
@click.option("--markdown", type=FILE, help="Add the report to this file as Markdown, for a step summary.")
@click.option("--json", "json_file", type=FILE, help="Write the whole result to this file as JSON.")
@click.option("--page", "page_file", type=FILE, help="Write the report to this file as a page, to be opened.")
@click.option("--annotate", is_flag=True, help="Print an annotation for GitHub for each change.")
def gate(
    markdown: Path | None,
    json_file: Path | None,
    page_file: Path | None,
    write_accepted: Path | None,
    annotate: bool,
    everything: bool,
    **given: Any,
) -> None:
    """Say what changes for you between two releases of torch.

    A and B are each a version (torch==2.13.0, 'torch~=2.2'), a file with a requirement of torch
    (requirements.txt, pyproject.toml), a Python with torch in it (a path), or a recording. A version that
    is on record is taken from there, and any other installed and asked. Exits with 0 if both sides answered
    everything and nothing fails the gate, 1 if something does, 2 if it could not be run, or was stopped.

    For example: rnn-spec gate --from 2.2.2 --to 2.3.1 --code src
    """
    if click.get_current_context().invoked_subcommand:
        return
    for name, value in (("--from", given["source"]), ("--to", given["target"])):
        if value is None:
            raise click.UsageError(f"Missing option '{name}'")
        if not value.strip():
            raise click.UsageError(f"{name} names no release, no Python with torch in it, and no recording")
    options = Options(**given)
    of_model = {
        "--inputs": options.inputs,
        "--outputs": options.outputs,
        "--trust": options.trust or None,
        "--prefix": options.prefix,
        "--nonlinearity": options.nonlinearity,
        "--cuda": options.cuda or None,
        "--batch-first": options.batch_first,
    }
    if not options.model and (idle := [name for name, value in of_model.items() if value is not None]):
        raise click.UsageError(f"{idle[0]} is about a --model, and none is given")
    if report.YOURS in options.fail_on and not (options.code or options.model):
        raise click.UsageError("--fail-on yours needs your --code, or your --model")
    to_be_written(markdown, json_file, page_file, write_accepted)
    err = Console(stderr=True)

    def say(line: str) -> None:
        err.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)

    try:
        result = run(options, say)
        report.show(result, Console(), everything=everything)
        if markdown:
            report.write(markdown, report.markdown(result))
        if json_file:
            report.put(json_file, report.as_json(result) + "\n")
        if page_file:
            from rnn_spec.report import gated
            from rnn_spec.report.page import page

            report.put(page_file, page([], gated.of(report.as_json(result).encode()), None))
        if write_accepted:
            failing = [cause for cause in result.causes if cause.fails]
            text = accepted.written(failing, result.source.version, result.target.version)
            report.put(write_accepted, text)
    except (RecordingError, OSError) as e:
        raise not_run(e, markdown, annotate) from e
    for line in report.annotated(result) if annotate else ():
        click.echo(line)
    end(COULD_NOT_RUN if result.partial else CONFORMS if result.passes else FAILS)


@gate.command()
@click.argument("sides", nargs=-1, required=True)
@click.option("--recorded", is_flag=True, help="Of the releases on record alone: pip is not asked.")
def which(sides: tuple[str, ...], recorded: bool) -> None:
    """Say what each of SIDES, as --from and --to take them, comes to: of a range, the release by pip.

    For example: rnn-spec gate which 'torch>=2.2,<2.4' requirements.txt
    """
    try:
        for side in sides:
            click.echo(comes_to(side, recorded=recorded))
    except RecordingError as e:
        raise CouldNotRun(str(e)) from e


@gate.command()
@click.option("--clear", is_flag=True, help="Remove all of it.")
def cache(clear: bool) -> None:
    """List what gates have kept: environments with torch in them, and recordings, each with its size.

    For example: rnn-spec gate cache
    """
    found = environments.kept()
    for thing in found:
        click.echo(f"{thing.size / 1e6:9.1f} MB  {thing.path.name}  {thing.what}")
    total = sum(thing.size for thing in found)
    if clear:
        environments.clear()
    click.echo(f"{total / 1e6:9.1f} MB in {environments.root()}" + (", removed" if clear else ""))


def not_run(e: RecordingError | OSError, markdown: Path | None, annotate: bool) -> CouldNotRun:
    """Why the gate could not be run, said in every view that was asked for."""
    said = str(e)
    if isinstance(e, OSError):
        said = f"{e.filename}: {e.strerror}" if e.filename else str(e.strerror)
    summary, annotation = report.not_run(said)
    if markdown and not isinstance(e, OSError):
        report.write(markdown, summary)
    if annotate:
        click.echo(annotation)
    return CouldNotRun(said)


@click.command()
@click.argument("file", type=FILE)
@click.option("--python", metavar="PATH", default=sys.executable, help="The Python whose torch runs it.")
@of_a_model
def model(file: Path, python: str, inputs: Path | None, outputs: Path | None, **given: Any) -> None:
    """Judge the nn.RNNs of your own checkpoint FILE under one torch: each step by its bound, and gradients.

    A state_dict, or what holds one; safetensors; with --trust a whole module. Exits with 0 if all is within
    the bounds, 1 if something is not, 2 if it could not be run.

    For example: rnn-spec model model.pt
    """
    try:
        x, y = (models.load(path) if path else None for path in (inputs, outputs))
        told = models.judge([python], models.Options(path=file, inputs=x, outputs=y, **given))
    except RecordingError as e:
        raise CouldNotRun(str(e)) from e
    for line in told.lines:
        click.echo(line)
    end(FAILS if told.changes else CONFORMS)
