"""What every command needs: its exit status, how it says that it could not run, how it reads a clause's name.

An exit status is a verdict: 0 conforms or done, 1 does not conform, 2 could not be judged. A command ends
with `end`, or has done what it does; whatever else leaves it, a foreign SystemExit included, is 2.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rnn_spec import files
from rnn_spec.cli.streams import lost, unfailing
from rnn_spec.judge.known import KnownError, read
from rnn_spec.spec.catalogue import areas, clauses
from rnn_spec.subjects.base import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFORMS, FAILS, COULD_NOT_RUN = 0, 1, 2
MOST, LONGEST = 1024, 1_000_000
"""How many processes, and how many seconds for a case, are no mistyping."""
TRACEBACK = "RNN_SPEC_TRACEBACK"
"""The environment's variable that shows the traceback of what nobody foresaw."""


class CouldNotRun(click.ClickException):
    """One sentence that says what could not be done, and exit status 2."""

    exit_code = COULD_NOT_RUN


def end(status: int) -> NoReturn:
    """End the command with this verdict."""
    raise click.exceptions.Exit(status)


def kept() -> None:
    """The command's verdict lies in a file: it stands, even if what is printed is lost."""
    click.get_current_context().find_root().meta["kept"] = True


def elsewhere(name: str) -> Any:
    """What an outer ring has by this name, ``module:attribute``: the inner one does not import it."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Entry(click.Group):
    """The one place where what became of a command turns into an exit status.

    `elsewhere` has commands by name that stand in another module, which is imported when one is wanted.
    """

    def __init__(self, *args: Any, elsewhere: Mapping[str, str], **attributes: Any) -> None:
        """Import nothing yet."""
        super().__init__(*args, **attributes)
        self.elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in order."""
        return sorted({*super().list_commands(ctx), *self.elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in self.elsewhere:
            return super().get_command(ctx, cmd_name)
        found: click.Command = elsewhere(self.elsewhere[cmd_name])
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command with its whole first sentence."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=200))
                    for name, command in commands.items()
                    if command
                ]
            )

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and end the process with 0, 1 or 2, or return that where not standalone."""
        self.kept = False
        with unfailing(), no_way_out():
            status = self.status(*args, **extra)
            gone = lost(sys.stdout)
        if gone and not self.kept:
            status = COULD_NOT_RUN
        if gone:
            click.echo(f"Error: what was printed could not be written: {gone}", err=True)
        lost(sys.stderr)
        if standalone_mode:
            sys.exit(status)
        return status

    def status(self, *args: Any, **extra: Any) -> int:
        """What became of the command: 0, 1 or 2."""
        try:
            status = super().main(*args, **extra, standalone_mode=False)  # type: ignore[call-overload]
            return {None: CONFORMS, CONFORMS: CONFORMS, FAILS: FAILS}.get(status, COULD_NOT_RUN)
        except click.ClickException as e:
            e.show()
        except (click.Abort, KeyboardInterrupt):
            for end_all in ENDINGS:
                end_all()
            click.echo("Error: interrupted", err=True)
        except SystemExit as e:  # click's own, when it completes a command line for a shell
            return COULD_NOT_RUN if e.code else CONFORMS
        except BaseException as e:
            unforeseen(e)
        return COULD_NOT_RUN

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what it returns is no status, and neither is what others call sys.exit with."""
        try:
            super().invoke(ctx)
        except SystemExit as e:
            raise CouldNotRun(f"something called sys.exit({e.code!r}) before there was a verdict") from e
        finally:
            self.kept = ctx.meta.get("kept", False)


def unforeseen(e: BaseException) -> None:
    """Say what nobody foresaw in one sentence, with its traceback where that is wanted."""
    if os.environ.get(TRACEBACK):
        click.echo("".join(traceback.format_exception(e)), err=True, nl=False)
    said = " ".join(f"{type(e).__name__}: {e}".split())
    if isinstance(e, OSError) and e.filename:
        said = f"{e.filename}: {e.strerror}"
    click.echo(f"Error: that could not be done ({said}); {TRACEBACK}=1 shows where", err=True)


@contextmanager
def no_way_out() -> Iterator[None]:
    """os._exit raises SystemExit in this process, as sys.exit does; in those it forks it is as it was.

    So a subject in our process cannot end it with a status of its own choosing.
    """
    own, leave = os.getpid(), os._exit

    def refused(status: int) -> None:
        if os.getpid() != own:
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refused  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave


def known_clauses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, each a clause or an area, in capitals; BadParameter for any other."""
    for value in values:
        if value.upper() not in clauses() and value.upper() not in areas():
            raise click.BadParameter(f"no clause or area is called {value!r}; areas are {', '.join(areas())}")
    return tuple(value.upper() for value in values)


def known_count(_: click.Context, __: click.Parameter, value: str) -> str:
    """A number of processes, or auto."""
    if value != "auto" and not (value.isascii() and value.isdecimal() and int(value) <= MOST):
        raise click.BadParameter(f"-n takes a number from 0 to {MOST}, or auto, not {value!r}")
    return value if value == "auto" else str(int(value))


def known_shard(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A shard ``K/N``, with K from 1 to N."""
    number, _, of = (value or "1/1").partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= MOST):
        raise click.BadParameter(f"a shard is K/N, with K from 1 to N and N at most {MOST}, not {value!r}")
    return value and f"{int(number)}/{int(of)}"


def known_seconds(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """A time that can be waited for."""
    if value is not None and not 0 < value <= LONGEST:
        raise click.BadParameter(f"seconds are a number above 0, of at most {LONGEST}, not {value:g}")
    return value


class WithMore(click.Command):
    """A command that keeps what stands after ``--`` for another program, in the context's `meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the rest away."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta["more"] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say that there may be more."""
        return [*super().collect_usage_pieces(ctx), "[-- PYTEST ARGUMENTS]"]


def to_be_written(*paths: Path | None) -> None:
    """Files that will be written, of those that are named; CouldNotRun before any work where one cannot."""
    for path in filter(None, paths):
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "Is a directory")
            if path.exists():
                with path.open("ab"):
                    pass
            files.try_folder(path.parent)
        except OSError as e:
            raise CouldNotRun(f"{path} cannot be written: {e.strerror}") from e


def in_checkout(path: Path) -> Path:
    """A file or folder of the repository that is to be made anew; CouldNotRun where we are installed."""
    root = files.CHECKOUT
    if not (root / "pyproject.toml").is_file() or not (root / "tests" / "conformance").is_dir():
        raise CouldNotRun(f"{path.name} belongs to rnn-spec's repository: it is made anew in a clone of that")
    return path


def _known_failures(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """The path of a file of known failures that can be used; CouldNotRun says why one cannot."""
    try:
        if path:
            read(path)
    except KnownError as e:
        raise CouldNotRun(str(e)) from e
    return path


expected_failures = click.option(
    "--known", "known_file", type=click.Path(path_type=Path), callback=_known_failures, metavar="FILE",
    help="The subject's own expected failures, rows as in `rnn-spec known`; strict both ways.",
)  # fmt: skip
