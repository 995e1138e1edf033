"""The terminal's view of a run: a table by area, what was not asked, the failures, the standings."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from rnn_spec.report import failures as failures_of
from rnn_spec.spec.catalogue import areas, clauses
from rnn_spec.suite.standing import WORDS, conforms, sentence, standings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from rnn_spec.suite.results import Results

STANDINGS = dict(zip(WORDS, ("green", "yellow", "red", "yellow", "dim", "dim"), strict=True))
COLUMNS = {
    "clauses": "clauses", "checks": "checks", "passed": "passed", "failed": "failed", "known": "known",
    "unsupported": "no\nanswer", "not claimed": "not\nclaimed",
}  # fmt: skip
"""What is counted of an area, and its heading."""


FEW = 5
"""How many failures are shown in full, unless all are asked for: those that need the lowest levels."""


def show(results: Results, console: Console, much: str = "most", *, failures: bool = True) -> None:
    """Print the view, `much` of it as `report.live.SHOW` says; `failures=False` leaves their texts out.

    What one reads first stands last: the verdict, above it the standings, above them the failures.
    """
    if much == "most":
        console.print(by_area(results))
        if not results.part and (unasked := not_asked(results)):
            ids = ", ".join(ranges(unasked))
            console.print(
                Text.assemble(("not asked, for what they need is not claimed, or not here: ", "bold"), ids)
            )
        console.print()
    if failures and much != "least":
        show_failures(results, console, None if much == "most" else FEW)
    for problem in results.problems:
        console.print(problem, style="bold red", highlight=False, soft_wrap=True)
    if much != "least":
        for line in levels(results):
            console.print(line, soft_wrap=True)
        console.print()
    console.print(verdict(results))


def show_failures(results: Results, console: Console, most: int | None) -> None:
    """Print the failures, the first `most` of them in full, and the clauses of the others."""
    texts = list(failures_of.texts(results))
    for text in texts[:most]:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.print()
    if left := failures_of.groups(results)[len(texts[:most]) :]:
        ids = ", ".join(dict.fromkeys(v.clause for group in left for v in group))
        told = Text.assemble(("and more fails: ", "bold red"), ids, " (-v shows all of it)")
        console.print(told, soft_wrap=True)
        console.print()


def levels(results: Results) -> Iterator[Text]:
    """A line for each standing, with the levels of that standing; those in part with their numbers."""
    of = standings(results)
    for word, style in STANDINGS.items():
        if found := {level: standing for level, standing in of.items() if standing.word == word}:
            named = (level + str(standing).removeprefix(word) for level, standing in found.items())
            yield Text.assemble((f"{word}: ", f"bold {style}"), ", ".join(named))


def by_area(results: Results) -> Table:
    """One row an area: how many clauses and checks, what became of them, and the worst headroom."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    worst: dict[str, float] = {}
    for v in results.verdicts:
        area = clauses()[v.clause].area
        counts[area].update(("checks", v.outcome))
        if v.headroom is not None and v.outcome != "known":
            worst[area] = max(worst.get(area, 0.0), v.headroom)
    for clause in clauses().values():
        counts[clause.area]["clauses"] += 1
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("area", no_wrap=True)
    for heading in (*COLUMNS.values(), "worst\nheadroom"):
        table.add_column(heading, justify="right")
    for area, title in areas().items():
        row = counts[area]
        cells = [Text(str(row[name] or "·"), style=_style(name, row[name])) for name in COLUMNS]
        table.add_row(f"{area:3} {title}", *cells, _ratio(worst.get(area)))
    total = sum(counts.values(), Counter())
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in COLUMNS), _ratio(max(worst.values(), default=None)))
    return table


def not_asked(results: Results) -> list[str]:
    """The clauses of claimed levels of which no check was asked: what they are about is not claimed."""
    asked = {v.clause for v in results.verdicts if v.outcome != "not claimed"}
    return [id for id, clause in clauses().items() if clause.level in results.levels and id not in asked]


def ranges(ids: list[str]) -> list[str]:
    """The ids, each area's consecutive numbers as one range: ``ARG-01 to 10``."""
    runs: list[list[str]] = []
    for id in ids:
        area, number = id.split("-")
        follows = runs and runs[-1][-1] == f"{area}-{int(number) - 1:02}"
        runs[-1].append(id) if follows else runs.append([id])
    return [run[0] if len(run) == 1 else f"{run[0]} to {run[-1].partition('-')[2]}" for run in runs]


def verdict(results: Results) -> Text:
    """The sentence, in green where the whole conforms, red where it does not, yellow for less than that."""
    against = not conforms(results) or any(v.outcome == "broken" for v in results.verdicts)
    whole = not results.part and any(v.outcome == "passed" for v in results.verdicts)
    return Text(sentence(results), "bold red" if against else "bold green" if whole else "yellow")


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _style(name: str, count: int) -> str:
    return (
        {"failed": "bold red", "unsupported": "yellow", "not claimed": "yellow"}.get(name, "")
        if count
        else "dim"
    )
