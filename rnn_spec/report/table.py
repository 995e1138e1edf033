"""The terminal's view of a run: a table by area, the failures, what is not yet checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from rnn_spec.cases.records import LEVELS
from rnn_spec.report import failures as failures_of
from rnn_spec.spec.catalogue import areas, clauses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from rnn_spec.report.results import Results

STANDINGS = {"conforms": "green", "does not conform": "red", "not claimed": "yellow", "not judged": "dim"}
COLUMNS = ("clauses", "checks", "passed", "failed", "known", "not claimed", "not yet checked")


def show(results: Results, console: Console, *, failures: bool = True) -> None:
    """Print the whole view; `failures=False` leaves their texts out."""
    console.print(by_area(results))
    if unchecked := not_yet_checked(results):
        console.print(Text.assemble(("not yet checked: ", "bold"), ", ".join(ranges(unchecked))))
    if failures:
        for text in failures_of.texts(results):
            console.print()
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    for problem in results.problems:
        console.print(problem, style="bold red", highlight=False, soft_wrap=True)
    console.print()
    for line in levels(results):
        console.print(line, soft_wrap=True)
    console.print()
    console.print(verdict(results))


def standing(results: Results) -> dict[str, str]:
    """Each level's standing, by the checks that needed it; not judged: claimed, and no check of it ran."""
    idle = {level: "not judged" if level in results.levels else "not claimed" for level in LEVELS}
    return {
        level: "does not conform" if n["failed"] else "conforms" if n["passed"] else idle[level]
        for level, n in results.by_level().items()
    }


def levels(results: Results) -> Iterator[Text]:
    """A line for each standing, with the levels of that standing."""
    of = standing(results)
    for word, style in STANDINGS.items():
        if found := [level for level, is_ in of.items() if is_ == word]:
            yield Text.assemble((f"{word}: ", f"bold {style}"), ", ".join(found))


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
    for id in not_yet_checked(results):
        counts[clauses()[id].area]["not yet checked"] += 1
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("area", no_wrap=True)
    for name in (*COLUMNS, "worst headroom"):
        table.add_column("\n".join(name.rsplit(" ", 1)), justify="right")
    for area, title in areas().items():
        row = counts[area]
        cells = [Text(str(row[name] or "·"), style=_style(name, row[name])) for name in COLUMNS]
        table.add_row(f"{area:3} {title}", *cells, _ratio(worst.get(area)))
    total = sum(counts.values(), Counter())
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in COLUMNS), _ratio(max(worst.values(), default=None)))
    return table


def not_yet_checked(results: Results) -> list[str]:
    """The clauses that no check of this run names."""
    return [id for id in clauses() if id not in {v.clause for v in results.verdicts}]


def name_of(results: Results) -> str:
    """The subject with its version, where it tells one."""
    return results.version or results.subject


def ranges(ids: list[str]) -> list[str]:
    """The ids, each area's consecutive numbers as one range: ``ARG-01 to 10``."""
    runs: list[list[str]] = []
    for id in ids:
        area, number = id.split("-")
        follows = runs and runs[-1][-1] == f"{area}-{int(number) - 1:02}"
        runs[-1].append(id) if follows else runs.append([id])
    return [run[0] if len(run) == 1 else f"{run[0]} to {run[-1].partition('-')[2]}" for run in runs]


def verdict(results: Results) -> Text:
    """One sentence: conforms or not, and on what ground."""
    outcomes = Counter(v.outcome for v in results.verdicts)
    name = name_of(results)
    if not results.complete:
        return Text(f"{name}: the run was interrupted after {len(results.verdicts)} checks", "yellow")
    if outcomes["failed"]:
        clause_count = len({v.clause for v in results.verdicts if v.outcome == "failed"})
        return Text(
            f"{name} does not conform: {outcomes['failed']} of "
            f"{outcomes['passed'] + outcomes['failed']} checks fail, of {clause_count} clauses",
            "bold red",
        )
    if results.problems:
        return Text(f"{name}: the run is not whole, {len(results.problems)} problems", "bold red")
    if not outcomes["passed"] and outcomes["known"]:
        return Text(f"{name}: all {outcomes['known']} checks that were judged fail as known", "yellow")
    if not outcomes["passed"]:
        return Text(f"{name}: nothing was judged", "bold red")
    known = f", {outcomes['known']} fail as known" if outcomes["known"] else ""
    return Text(f"{name} conforms: {outcomes['passed']} checks passed{known}", "bold green")


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _style(name: str, count: int) -> str:
    return (
        {"failed": "bold red", "not claimed": "yellow", "not yet checked": "dim"}.get(name, "")
        if count
        else "dim"
    )
