"""The gate's result, and its views: the terminal's, Markdown, JSON, and annotations for GitHub.

Each view shows causes, a line each, with the id by which it can be accepted; what only adds, and what no line
of the user's code can meet, is counted. The changes under a cause are shown on request, and all in the JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from rnn_spec.gate import causes as by_cause
from rnn_spec.gate.compare import VERDICTS, Change
from rnn_spec.gate.recording import Header
from rnn_spec.report import github
from rnn_spec.report.markdown import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from rnn_spec.gate.causes import Cause

PLACES = 5
"""How many lines of the user's code are shown for a cause."""
YOURS = "yours"
"""The word of --fail-on for: only what your code, or your model, can meet."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a gate found.

    `problems` fail it whatever their verdict: what was not answered, stale entries of accepted changes.
    `model` has a line for each of the user's layers. `notes` are facts that are no change. `code` says how
    many files of the user's were read, None if none was given. `since` has by a change's id the first
    release on record that shows it. `partial` says why not all was asked.
    """

    source: Header
    target: Header
    changes: list[Change]
    fail_on: list[str]
    problems: list[str] = []
    notes: list[str] = []
    code: int | None = None
    since: dict[str, str] = {}
    partial: str = ""
    model: list[str] = []

    def fails(self, change: Change) -> bool:
        """Whether this change fails the gate."""
        mine = YOURS not in self.fail_on or change.meets or change.id.startswith("model/")
        return bool(change.verdict in self.fail_on and mine and not change.accepted and not change.better)

    @property
    def causes(self) -> list[Cause]:
        """What the changes come of, those that concern the reader first."""
        named = self.changes if all(c.cause for c in self.changes) else by_cause.named(self.changes)
        return by_cause.causes(named, self.fails, lambda change: self.since.get(change.id, ""))

    def circumstances(self) -> list[str]:
        """What else differs between the two sides, and may be the reason."""
        a, b = self.source, self.target
        names = ("python", "numpy", "platform", "processor", "rnn_spec")
        pairs = [(name, getattr(a, name), getattr(b, name)) for name in names]
        pairs += [("build", a.version.partition("+")[2], b.version.partition("+")[2])]
        pairs += [(n, a.packages.get(n), b.packages.get(n)) for n in sorted({*a.packages} | {*b.packages})]
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
        return not self.failing and not self.problems and not self.partial

    @property
    def title(self) -> str:
        """Which release became which."""
        return f"{self.source.version} → {self.target.version}"

    @property
    def summary(self) -> str:
        """One sentence."""
        counts = [f"{n} {v}" for v in VERDICTS if (n := sum(c.verdict == v for c in self.changes))]
        what = f"{_count(self.changes, 'change')} ({', '.join(counts)})" if counts else "nothing changed"
        if self.partial:
            return f"{self.title}: {what} so far; {self.partial}"
        if self.passes:
            return f"{self.title}: {what}; the gate passes"
        causes = [cause for cause in self.causes if cause.fails]
        fails = [f"{len(self.failing)} of them, of {_count(causes, 'cause')}"] if causes else []
        fails += [_count(self.problems, "problem")] if self.problems else []
        fail = "fails" if not causes and len(self.problems) == 1 else "fail"
        return f"{self.title}: {what}; {' and '.join(fails)}, {fail} the gate"


def _count(things: list[Any], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


# -- what every view shows --------------------------------------------------------------------------


class Section(msgspec.Struct, frozen=True):
    """Causes under one heading; of those that are `folded` only the number is shown."""

    title: str
    causes: list[Cause]
    folded: bool = False


def sections(result: Result, *, everything: bool = False) -> list[Section]:
    """The causes by what they mean for the reader, each exactly once."""
    left = {
        "fails the gate": [],
        "told, and fails nothing": [],
        "accepted": [],
        "meets no line of your code": [],
        "only adds": [],
    }  # type: dict[str, list[Cause]]
    for cause in result.causes:
        model = any(id.startswith("model/") for id in cause.changes)
        met = result.code is None or cause.meets or model
        name = (
            "fails the gate" if cause.fails
            else "accepted" if cause.accepted
            else "only adds" if cause.better
            else "told, and fails nothing" if met
            else "meets no line of your code"
        )  # fmt: skip
        left[name].append(cause)
    folded = () if everything else ("meets no line of your code", "only adds")
    return [Section(title, found, title in folded) for title, found in left.items() if found]


def sign(cause: Cause) -> tuple[str, str]:
    """The sign before a line, and its style."""
    if cause.fails:
        return "✗", "bold red"
    if cause.accepted:
        return "=", "dim"
    return ("+", "green") if cause.better else ("·", "yellow")


def told(cause: Cause) -> str:
    """The line of a cause, with since when it is so."""
    return cause.line + (f" (since {cause.since})" if cause.since else "")


def beneath(cause: Cause) -> Iterator[tuple[str, str]]:
    """What is said below a cause, and its style: your lines, what to do, why it is accepted."""
    if cause.meets:
        more = f" and {len(cause.meets) - PLACES} more" if len(cause.meets) > PLACES else ""
        yield f"your lines: {', '.join(cause.meets[:PLACES])}{more}", "magenta"
    if cause.accepted:
        yield f"accepted: {cause.accepted}", "dim"
    elif cause.advice:
        yield f"→ {cause.advice}", "italic"


# -- the terminal -----------------------------------------------------------------------------------


def show(result: Result, console: Console, *, everything: bool = False) -> None:
    """Print it: causes with their ids and what to do, then notes, problems and the sentence."""

    def line(text: Text | str, style: str = "") -> None:
        console.print(text if isinstance(text, Text) else Text(text, style=style), soft_wrap=True)

    of = {change.id: change for change in result.changes}
    for words in result.model:
        line(words, "bold")
    for section in sections(result, everything=everything):
        if section.folded:
            line(f"{section.title}: {_folded(section)}")
            continue
        line(f"{section.title} ({len(section.causes)})", "bold")
        for cause in section.causes:
            mark, style = sign(cause)
            text = Text.assemble((f"  {mark} ", style), told(cause))
            text.append(f"  [{by_cause.ids(cause)}]", style="cyan")
            text.append(f"  {' '.join(cause.clauses)}" if cause.clauses else "", style="dim cyan")
            line(text)
            for words, style in beneath(cause):
                line(f"      {words}", style)
            for id in cause.changes if everything and len(cause.changes) > 1 else ():
                line(f"      - {of[id].verdict}: {of[id].line}  [{id}]", "dim")
    if result.changes:
        line("")
    for note in result.circumstances() + result.notes:
        line(note)
    for problem in result.problems:
        line(f"✗ {problem}", "bold red")
    line(result.summary, "bold green" if result.passes else "bold red")


def _folded(section: Section) -> str:
    count = sum(len(cause.changes) for cause in section.causes)
    return f"{count} change{'' if count == 1 else 's'} of {_count(section.causes, 'cause')}; --all shows them"


# -- Markdown ---------------------------------------------------------------------------------------


def markdown(result: Result) -> str:
    """The same for a step summary or a comment on a pull request; what is folded opens there."""
    lines = [
        f"## torch.nn.RNN: {result.title}",
        "",
        f"{'✅' if result.passes else '❌'} {escaped(result.summary)}",
        "",
    ]
    lines += [f"- **{escaped(words)}**" for words in result.model] + ([""] if result.model else [])
    for section in sections(result):
        summary = f"<summary><b>{section.title}</b> ({len(section.causes)})</summary>"
        lines += [f"<details{' open' * (section.title == 'fails the gate')}>", summary, ""]
        for cause in section.causes:
            lines += _in_markdown(result, cause)
        lines += ["", "</details>", ""]
    lines += [f"- {escaped(note)}" for note in result.circumstances() + result.notes]
    lines += [f"- ✗ {escaped(problem)}" for problem in result.problems]
    return "\n".join(lines) + "\n"


def _in_markdown(result: Result, cause: Cause) -> Iterator[str]:
    of = {change.id: change for change in result.changes}
    clause = "".join(f" `{id}`" for id in cause.clauses)
    yield f"- {escaped(f'{sign(cause)[0]} {told(cause)}')} {_code(by_cause.ids(cause))}{clause}"
    yield from (f"  - *{escaped(words)}*" for words, _ in beneath(cause))
    if len(cause.changes) > 1 and not cause.better:
        yield f"  - <details><summary>{_count(list(cause.changes), 'change')}</summary>"
        yield ""
        yield from (f"    - {of[id].verdict}: {escaped(of[id].line)} {_code(id)}" for id in cause.changes)
        yield ""
        yield "    </details>"


def _code(text: str) -> str:
    """As code, whatever is in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


# -- JSON and annotations ---------------------------------------------------------------------------


def as_json(result: Result) -> str:
    """The whole result as JSON: its changes with their lines, its causes, and the sentence."""
    whole: dict[str, Any] = msgspec.to_builtins(result)
    named = [
        c | {"line": change.line, "fails": result.fails(change)}
        for change, c in zip(result.changes, whole["changes"], strict=True)
    ]
    told = {"passes": result.passes, "summary": result.summary, "circumstances": result.circumstances()}
    whole |= {"changes": named, "causes": msgspec.to_builtins(result.causes)} | told
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode()


def annotated(result: Result) -> Iterator[str]:
    """Workflow commands, failing causes first, at the user's lines: errors fail the gate, others are notices.

    GitHub shows `github.SHOWN` of each kind in a step: the last of more says how many are left out.
    """
    found: dict[str, list[str]] = {"error": [], "notice": []}
    for level, title, said, place in _annotations(result):
        found[level].append(github.command(level, title, said, place))
    yield from github.limited(found, "the summary has all")


def not_run(sentence: str) -> tuple[str, str]:
    """What a gate that could not run leaves: a step summary, and an annotation."""
    summary = f"## torch.nn.RNN: the gate could not run\n\n❌ {escaped(sentence)}\n"
    return summary, github.command("error", "the gate could not run", sentence)


def _annotations(result: Result) -> Iterator[tuple[str, str, str, str]]:
    """Level, title, text and place of each."""
    yield from (("error", "the gate", problem, "") for problem in result.problems)
    for section in sections(result):
        for cause in () if section.folded or section.title == "accepted" else section.causes:
            level = "error" if cause.fails else "notice"
            title = f"{cause.verdict} {by_cause.ids(cause)}"
            said = told(cause) + (f"\n{cause.advice}" if cause.advice else "")
            yield level, title, said, cause.meets[0] if cause.meets else ""


def put(path: Path, text: str) -> None:
    """Make the file hold the text; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Add the text to a file, as a step summary wants it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
