"""Every command's help has an example, and each example is a command line that is understood."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = re.compile(r"^ +(?:For example: )?(rnn-spec .*?)(?:   .*)?$", re.MULTILINE)
"""An example in a help: behind the words, or a line of its own; what stands far behind it explains it."""


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """The names of every command, and of those of groups."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = [(), *commands(main)]


def understood(line: str) -> bool:
    """Whether a command of ours takes these options; what they mean is not looked at."""
    words, command = shlex.split(line)[1:], cast("click.Command", main)
    context = click.Context(main)
    while isinstance(command, click.Group) and not (command.invoke_without_command and words[0][0] == "-"):
        found = command.get_command(context, words.pop(0)) if words else None
        if found is None:
            return False
        command = found
    try:
        command.make_parser(click.Context(command)).parse_args(list(words))
    except click.UsageError:
        return False
    return True


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_has_an_example_of_its_command(path: tuple[str, ...]) -> None:
    """With what is there one can begin: a line to be copied, of this very command, that is understood."""
    said = CliRunner().invoke(main, [*path, "--help"], terminal_width=100).output

    assert "For example: " in said or "For example:\n" in said
    examples = LINE.findall(said[said.index("For example:") - 2 :])
    assert examples
    assert f"rnn-spec {' '.join(path)}".strip() in examples[0]
    assert [line for line in examples if not understood(line)] == []


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"(?:^|[ `'/])(rnn-spec [a-z][^`\n]*)")
"""A command of ours in a page: from its name to the end of the line, or of the code that it is in."""


def shown(page: Path) -> list[str]:
    """The command lines that a page shows, in blocks and in sentences; of a chain the first."""
    text = re.sub(r"```(?!console).*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = "\n".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL))
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [
        line for part in (blocks, *(" ".join(span.split()) for span in spans)) for line in part.splitlines()
    ]
    found = [m[1] for line in lines if not line.lstrip().startswith("#") for m in SHOWN.finditer(line)]
    whole = [re.split(r"\s+#|&&|\s+>|\|", line)[0] for line in found]
    return [line.rstrip("'\")") if line.count("'") % 2 or line.count('"') % 2 else line for line in whole]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_commands_that_there_are(page: Path) -> None:
    """Each command of ours that a page names is one, with options that it has."""
    assert [line for line in shown(page) if not understood(line)] == []


def test_the_pages_show_commands() -> None:
    """What is looked for in pages is found there, and one that is none is seen."""
    assert sum(len(shown(page)) for page in PAGES) > len(PAGES)
    assert not understood("rnn-spec check torch --no-such-option")
    assert not understood("rnn-spec chekc torch")


def test_without_a_command_the_help_is_shown() -> None:
    """`rnn-spec` alone says what there is, each command with a whole sentence."""
    said = CliRunner().invoke(main, [], terminal_width=100).output

    assert "..." not in said[said.index("Commands:") :]
    assert "For example:" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    """What docs/guide.md tells a shell to evaluate completes our commands."""
    command = str(Path(sys.executable).with_name("rnn-spec"))
    environment = {**os.environ, "_RNN_SPEC_COMPLETE": f"{shell}_source"}
    source = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)

    asked = {**os.environ, "_RNN_SPEC_COMPLETE": f"{shell}_complete", "COMP_WORDS": "rnn-spec che",
             "COMP_CWORD": "1" if shell != "fish" else "che"}  # fmt: skip
    found = subprocess.run([command], env=asked, capture_output=True, text=True, check=False)

    assert source.returncode == 0, source.stderr
    assert "_RNN_SPEC_COMPLETE" in source.stdout
    assert found.returncode == 0, found.stderr
    assert "check" in found.stdout
    assert "checklist" in found.stdout
