"""The page: one self-contained HTML file of one result or several, of the gate's, of the releases' history.

All that it shows is there without scripts; these filter and copy. No network, no framework: the styles and
the script stand in the file.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2

import rnn_spec
from rnn_spec.judge.known import MATTERS
from rnn_spec.questions.records import LEVELS
from rnn_spec.report.commands import TITLES
from rnn_spec.report.pictures import BINS, CLASSES, EDGE, HIGHEST, LOWEST, PER_DECADE, PLANES
from rnn_spec.report.view import LISTED, SIGNS, STANDS
from rnn_spec.spec.catalogue import areas, clauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.report.gated import Gated
    from rnn_spec.report.view import Judged

FORCES = ("MUST", "SHOULD", "MAY")


@cache
def environment() -> jinja2.Environment:
    """The templates, which escape whatever they are given, and refuse a name that is not there."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("rnn_spec.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    env.filters.update(short=short, brief=lambda text: short(float(text)), product=math.prod)
    env.filters["standing_word"] = lambda judged, level: judged.levels[level].word
    return env


def short(x: float) -> str:
    """A number in three digits."""
    return f"{x:.3g}"


def shared() -> dict[str, Any]:
    """What every template may show: signs, clauses, titles, the pictures' axes."""
    return {
        "rnn_spec": rnn_spec.__version__, "signs": SIGNS, "stands": STANDS, "clauses": clauses(),
        "titles": TITLES, "matters": MATTERS, "listed": LISTED, "planes": PLANES, "classes": CLASSES,
        "bins": BINS, "edge": EDGE, "lowest": LOWEST, "highest": HIGHEST, "per": PER_DECADE, "root": "",
        "by_level": {level: [c for c in clauses().values() if c.level == level] for level in LEVELS},
        "choices": {}, "side_choices": {}, "side": [],
    }  # fmt: skip


def page(subjects: Sequence[Judged], gate: Gated | None = None, history: Any = None) -> str:
    """The page of these subjects, of a gate's result and of a history, of each as far as it is there."""
    also = f"torch.nn.RNN: {gate.title}" if gate else "torch.nn.RNN through the releases of torch"
    named = " · ".join(s.name for s in subjects) or also
    title = subjects[0].says if len(subjects) == 1 else named
    verdict = {"verdict": [(word, f"{sign} {word}") for word, sign in SIGNS.items()]}
    flags = dict.fromkeys(f for s in subjects for of in s.flags.values() for f in of)
    choices = verdict | kinds() | {"flag": [(f, f) for f in flags]}
    text: str = environment().get_template("page.html").render(
        **shared() | {
            "title": title, "subjects": subjects, "gate": gate, "history": history, "choices": choices,
            "side": side_by_side(subjects),
            "side_choices": {"differs": [("yes", "differs"), ("no", "the same")]} | kinds(),
        }
    )  # fmt: skip
    return text


def kinds() -> dict[str, list[tuple[str, str]]]:
    """What clauses are filtered by, whoever is judged: each value, and what is shown for it."""
    return {
        "force": [(f, f) for f in FORCES],
        "level": [(level, level) for level in LEVELS],
        "area": [(id, f"{id} {name}") for id, name in areas().items()],
    }


def side_by_side(subjects: Sequence[Judged]) -> list[tuple[Any, list[str], bool]]:
    """Each clause that somebody was asked, what it came to for each, whether that differs: those first."""
    found = []
    for id, clause in clauses().items():
        words = [s.outcome(id) for s in subjects]
        if asked := {word for word in words if word != "not claimed"}:
            found.append((clause, words, len(asked) > 1))
    return sorted(found, key=lambda row: not row[2])
