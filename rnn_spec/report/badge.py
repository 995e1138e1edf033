"""A badge: what a subject is, at a level or as a whole, in an SVG small enough for a README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_spec.report.page import environment
from rnn_spec.report.view import STANDS

if TYPE_CHECKING:
    from rnn_spec.report.view import Judged

COLOURS = {
    "conforms": "#14713a",
    "does not conform": "#b3261e",
    "not claimed": "#59626f",
    "not judged": "#59626f",
}
"""By standing; what is in part is amber."""
AMBER = "#8a5a00"
CHARACTER = 6.6
"""Pixels that a character takes at 11 pixels, on the average of a sentence."""


def badge(judged: Judged, level: str = "") -> str:
    """The badge of a level, or of the whole verdict; it says *conforms* where the run says so, only."""
    if level:
        standing = judged.levels[level]
        word, said = standing.word, str(standing)
    else:
        word = said = judged.word
    title = " ".join(filter(None, ("nn.RNN", level)))
    said = f"{STANDS.get(word, '◐')} {said}"
    widths = [round(len(text) * CHARACTER) + 12 for text in (title, said)]
    text: str = environment().get_template("badge.svg").render(
        title=title, said=said, left=widths[0], right=widths[1], colour=COLOURS.get(word, AMBER),
        whose=judged.version,
    )  # fmt: skip
    return text
