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


def page(subjects: Sequence[Judged], gate: Any = None, history: Any = None) -> str:
    """The page of these subjects, of a gate's result and of a history, of each as far as it is there."""
    named = " · ".join(s.name for s in subjects) or "torch.nn.RNN through the releases of torch"
    title = subjects[0].says if len(subjects) == 1 else named
    by_level = {level: [c for c in clauses().values() if c.level == level] for level in LEVELS}
    levels = ("level", [(level, level) for level in LEVELS])
    area = ("area", [(id, f"{id} {name}") for id, name in areas().items()])
    force = ("force", [(f, f) for f in FORCES])
    flags = dict.fromkeys(f for s in subjects for of in s.flags.values() for f in of)
    choices = dict([
        ("verdict", [(word, f"{sign} {word}") for word, sign in SIGNS.items()]), force, levels, area,
        ("flag", [(f, f) for f in flags]),
    ])  # fmt: skip
    text: str = environment().get_template("page.html").render(
        title=title, subjects=subjects, gate=gate, history=history, rnn_spec=rnn_spec.__version__,
        signs=SIGNS, stands=STANDS, clauses=clauses(), titles=TITLES, by_level=by_level, choices=choices,
        side=side_by_side(subjects), matters=MATTERS, listed=LISTED, planes=PLANES, classes=CLASSES,
        side_choices=dict([("differs", [("yes", "differs"), ("no", "the same")]), force, levels, area]),
        bins=BINS, edge=EDGE, lowest=LOWEST, highest=HIGHEST, per=PER_DECADE,
    )  # fmt: skip
    return text


def side_by_side(subjects: Sequence[Judged]) -> list[tuple[Any, list[str], bool]]:
    """Each clause that somebody was asked, what it came to for each, whether that differs: those first."""
    found = []
    for id, clause in clauses().items():
        words = [s.outcome(id) for s in subjects]
        if asked := {word for word in words if word != "not claimed"}:
            found.append((clause, words, len(asked) > 1))
    return sorted(found, key=lambda row: not row[2])
