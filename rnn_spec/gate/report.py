"""The gate's result, and its views: the terminal's, Markdown, JSON, and annotations for GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from rnn_spec.gate.compare import VERDICTS, Change, headroom
from rnn_spec.gate.recording import Header
from rnn_spec.report.markdown import escaped

SHOWN = 10
"""How many annotations of a kind GitHub shows in a step."""
FEW = 3
"""More cases than this that moved under one verdict are told in one line."""


class Result(msgspec.Struct, frozen=True):
    """What a gate found: `problems` fail it whatever their verdict, `notes` are facts that are no change."""

    source: Header
    target: Header
    changes: list[Change]
    fail_on: list[str]
    problems: list[str] = []
    notes: list[str] = []

    def fails(self, change: Change) -> bool:
        """Whether this change fails the gate."""
        return change.verdict in self.fail_on and not change.accepted and not change.better

    def circumstances(self) -> list[str]:
        """What else differs between the two sides, and may be the reason."""
        a, b = self.source, self.target
        names = ("python", "numpy", "platform", "rnn_spec")
        pairs = [(name, getattr(a, name), getattr(b, name)) for name in names]
        pairs += [("build", a.version.partition("+")[2], b.version.partition("+")[2])]
        return [
            f"{name} differs, too: {x or 'not told'}, then {y or 'not told'}"
            for name, x, y in pairs
            if x != y
        ]

    @property
    def failing(self) -> list[Change]:
        """The changes that fail the gate."""
        return [change for change in self.changes if self.fails(change)]

    @property
    def passes(self) -> bool:
        """Whether nothing fails the gate."""
        return not self.failing and not self.problems

    @property
    def title(self) -> str:
        """Which release became which."""
        return f"{self.source.version} → {self.target.version}"

    @property
    def summary(self) -> str:
        """One sentence."""
        counts = [f"{n} {v}" for v in VERDICTS if (n := sum(c.verdict == v for c in self.changes))]
        what = f"{len(self.changes)} changes ({', '.join(counts)})" if counts else "nothing changed"
        fails = f"{len(self.failing)} of them fail the gate"
        if self.problems:
            n = len(self.problems)
            fails += f", and so does {n} stale entry" if n == 1 else f", and so do {n} stale entries"
        return f"{self.title}: {what}; " + ("the gate passes" if self.passes else fails)


def groups(result: Result) -> Iterator[tuple[str, list[tuple[str | None, list[Change]]]]]:
    """By verdict, in their order: the changes that share a piece of advice, with it."""
    for verdict in VERDICTS:
        own = condensed([c for c in result.changes if c.verdict == verdict])
        if own:
            own.sort(key=lambda c: (not result.fails(c), c.advice or ""))
            yield verdict, [(said, list(cs)) for said, cs in groupby(own, lambda c: c.advice)]


def condensed(changes: list[Change]) -> list[Change]:
    """The same in fewer lines: many questions of which it says the same, many cases that moved."""
    found: dict[Any, list[Change]] = {}
    for c in changes:
        said, clause = ("moved" if c.headroom and c.title.startswith("case ") else c.says), c.clause
        if c.verdict == "conformance" and re.fullmatch(r"\d+ checks pass, \d+ did", said):
            said, clause = re.sub(r"\d+", "N", said), None
        elif c.better and c.title.startswith("case "):
            said = "there"
        found.setdefault((said, clause, c.advice, c.better, c.accepted), []).append(c)
    return [c for same in found.values() for c in (same if len(same) <= FEW else [_together(same)])]


def _together(same: list[Change]) -> Change:
    """Many changes as one."""
    first, count = same[0], len(same)
    if first.headroom is None:
        names = f"({', '.join(c.id for c in same[:FEW])} and {count - FEW} more)"
        if first.verdict == "conformance":
            says = f"{'more' if first.better else 'fewer'} checks pass, and none newly fails"
            return msgspec.structs.replace(first, title=f"{count} clauses {names}", says=says, clause=None)
        if first.title.startswith("case "):
            says = "newly answered, or with arrays that were not there before"
            return msgspec.structs.replace(first, title=f"{count} cases {names}", says=says)
        return msgspec.structs.replace(first, title=f"{count} questions {names}")
    was, now = (max((h[i] or 0.0 for c in same if (h := c.headroom)), default=None) for i in (0, 1))
    worst = max(same, key=lambda c: (c.headroom or (0, 0))[1] or 0.0)
    return msgspec.structs.replace(
        first, title=f"{count} cases moved", says=f"{headroom(was, now)}; worst {worst.id}"
    )


def mark(result: Result, change: Change) -> tuple[str, str]:
    """The sign before a line, and its style."""
    if change.accepted:
        return "=", "dim"
    if result.fails(change):
        return "✗", "bold red"
    return ("+", "green") if change.better else ("·", "yellow")


def show(result: Result, console: Console) -> None:
    """Print it: a block for each verdict, its lines with their clause, what to do, then the sentence."""
    for verdict, blocks in groups(result):
        count = sum(c.verdict == verdict for c in result.changes)
        console.print(Text(f"{verdict} ({count}): {VERDICTS[verdict].title}", style="bold"))
        for said, changes in blocks:
            for change in changes:
                sign, style = mark(result, change)
                text = Text.assemble(("  " + sign + " ", style), change.line)
                text.append(f"  {change.clause}" if change.clause else "", style="cyan")
                text.append(f"  accepted: {change.accepted}" if change.accepted else "", style="dim")
                console.print(text, soft_wrap=True)
            if said:
                console.print(Text(f"    → {said}", style="italic"), soft_wrap=True)
        console.print()
    for note in result.circumstances() + result.notes:
        console.print(Text(note), soft_wrap=True)
    for problem in result.problems:
        console.print(Text(f"✗ {problem}", style="bold red"), soft_wrap=True)
    console.print(Text(result.summary, style="bold green" if result.passes else "bold red"), soft_wrap=True)


def markdown(result: Result) -> str:
    """The same for a step summary or a comment on a pull request."""
    lines = [
        f"## torch.nn.RNN: {result.title}",
        "",
        f"{'✅' if result.passes else '❌'} {result.summary}",
        "",
    ]
    for verdict, blocks in groups(result):
        count = sum(c.verdict == verdict for c in result.changes)
        summary = f"<summary><b>{verdict}</b> ({count}): {VERDICTS[verdict].title}</summary>"
        lines += [f"<details{' open' * (verdict in result.fail_on)}>", summary, ""]
        for said, changes in blocks:
            for change in changes:
                clause = f" `{change.clause}`" if change.clause else ""
                accepted = f" (accepted: {escaped(change.accepted)})" if change.accepted else ""
                sign = mark(result, change)[0]
                lines.append(f"- {escaped(f'{sign} {change.line}')}{clause}{accepted}")
            lines += [f"  - *{escaped(said)}*"] if said else []
        lines += ["", "</details>", ""]
    lines += [f"- {escaped(note)}" for note in result.circumstances() + result.notes] + [
        f"- ✗ {escaped(p)}" for p in result.problems
    ]
    return "\n".join(lines) + "\n"


def as_json(result: Result) -> str:
    """The whole result as JSON, with the sentence."""
    whole: dict[str, Any] = msgspec.to_builtins(result)
    for change, told in zip(result.changes, whole["changes"], strict=True):
        told["line"] = change.line
    whole |= {"passes": result.passes, "summary": result.summary}
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode()


def annotated(result: Result) -> Iterator[str]:
    """Workflow commands, failing changes first: errors fail the gate, the rest are notices.

    GitHub shows SHOWN of each kind in a step: the last of more says how many are left out.
    """
    found: dict[str, list[str]] = {"error": [], "notice": []}
    for level, title, said in _annotations(result):
        found[level].append(f"::{level} title={_command(title, ':,')}::{_command(said)}")
    for level, lines in found.items():
        left = len(lines) - SHOWN
        yield from lines if left <= 0 else lines[: SHOWN - 1]
        if left > 0:
            yield f"::{level} title=and {left + 1} more::GitHub shows {SHOWN} a step; the summary has all"


def not_run(sentence: str) -> tuple[str, str]:
    """What a gate that could not run leaves: a step summary, and an annotation."""
    summary = f"## torch.nn.RNN: the gate could not run\n\n❌ {escaped(sentence)}\n"
    return summary, f"::error title=the gate could not run::{_command(sentence)}"


def _annotations(result: Result) -> Iterator[tuple[str, str, str]]:
    """Level, title and text of each."""
    yield from (("error", "accepted changes", problem) for problem in result.problems)
    condensed_changes = [c for _, blocks in groups(result) for _, cs in blocks for c in cs]
    for change in sorted(condensed_changes, key=lambda c: not result.fails(c)):
        if not change.accepted:
            level = "error" if result.fails(change) else "notice"
            title = f"{change.verdict}" + (f" {change.clause}" if change.clause else "")
            said = change.line + (f"\n{change.advice}" if change.advice else "")
            yield level, title, said


def _command(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + also else c for c in text)


def write(path: Path, text: str) -> None:
    """Add the text to a file, as a step summary wants it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
