"""Malformed calls of any sizes, by the suite's own rule (`questions.malformed`), and its wrong arguments."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from rnn_spec.explore import draw
from rnn_spec.judge.session import NotClaimed
from rnn_spec.questions import malformed
from rnn_spec.questions.attempts import NEGATIVES, REFUSED_BY, Negative, wrong
from rnn_spec.questions.malformed import LAYOUTS, Setting, named
from rnn_spec.questions.records import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Attempt

ARGUMENTS = {id: n for id, n in NEGATIVES.items() if n.kind == "value" and n.argument in REFUSED_BY}
"""Wrong values of the constructor's arguments, which are edits of any setting, too."""
TESTS = {
    "ERR-01": "wrong_number_of_axes_of_input", "ERR-02": "wrong_last_axis_of_input",
    "ERR-03": "h_0_that_does_not_fit", "ERR-04": "no_tensor", "PRC-05": "other_dtype_than_the_parameters",
    "PCK-13": "h_0_that_does_not_fit_a_packed_batch", "ERR-09": "class_of_the_refusal",
    "ERR-13": "message_of_the_refusal", "ERR-14": "refusal_leaves_everything_as_it_was",
}  # fmt: skip
"""The suite's tests of malformed calls, by clause."""
SIZES = ("batch", "seq_len", "input_size", "hidden_size")
"""What is drawn of any size; no batch where there is none."""


@dataclass(frozen=True)
class Edit(Setting):
    """A valid call, and what is wrong with the one that is made of it; the suite's sizes are the simplest."""

    what: str = "h_0 an axis before"

    @property
    def possible(self) -> bool:
        """Whether there is such a call, and this edit of it is one that has to be refused."""
        return self.consistent and (self.what in ARGUMENTS or self.what in malformed.made(self))

    @cached_property
    def negative(self) -> Negative:
        """The malformed call; one with a wrong constructor argument is the suite's but for its twin.

        That is called without h_0, as any number of states may be.
        """
        if self.what not in ARGUMENTS:
            return malformed.made(self)[self.what]()
        found = ARGUMENTS[self.what]
        twin = replace(self.twin, call=self.call(self.right["input"], None))
        keywords = {**twin.keywords, found.argument: found.value}
        return replace(found, attempt=wrong(named(self, self.what), twin, keywords=keywords))


@lru_cache(maxsize=1)
def of(attempt: Attempt) -> Edit:
    """What an attempt is, by its id and its valid twin; NotClaimed if it is none of these."""
    try:
        (given, _), keywords = attempt.twin.call, dict(attempt.twin.keywords)  # type: ignore[union-attr,misc]
        padded = given.arguments[0] if given.name == "pack_padded_sequence" else given
        shape = padded.arguments[0]
        axes = ("seq_len",) if len(shape) == 2 else ("seq_len", "batch")
        sizes = zip(axes[::-1] if keywords["batch_first"] else axes, shape[:-1], strict=True)
        layout = attempt.id.removeprefix("refuse/").partition("-")[0]
        edit = Edit(layout, dtype=attempt.dtype, **keywords, **dict(sizes))
        every = (*ARGUMENTS, *malformed.made(edit))
        return replace(edit, what=next(e for e in every if f"refuse/{named(edit, e)}" == attempt.id))
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as e:
        raise NotClaimed(f"{attempt.id} is no malformed call of this version") from e


@st.composite
def edits(pull: Any, claims: Claims) -> Edit:
    """Edits of calls within the claims."""
    layouts = LAYOUTS if "lengths" in claims.levels else LAYOUTS[:3]
    layout, kinds = draw.pick(pull, layouts), ("small", "tiny", "middle")
    sizes: dict[str, Any] = {n: draw.dimension(pull, 70, kinds) for n in SIZES[layout == "unbatched" :]}
    edit = Edit(
        layout,
        num_layers=draw.whole(pull, 1, 6),
        bidirectional=draw.chance(pull, 0.4),
        batch_first=layout == "batch_first" or (layout != "time_major" and draw.chance(pull, 0.4)),
        bias=not draw.chance(pull, 0.3),
        nonlinearity=draw.pick(pull, ("tanh", "relu")),
        dtype=claims.nearest("dtype", draw.pick(pull, ("float32", "float64") * 4 + DTYPES)),
        **sizes,
    )
    argument = draw.pick(pull, ("input", "h_0"))
    called = [what for what in malformed.made(edit) if what.startswith(argument)]
    return replace(edit, what=draw.pick(pull, [*ARGUMENTS] if draw.chance(pull, 0.15) else called))


def like(edit: Edit, clause: str) -> tuple[str, ...]:
    """The suite's check of such a call that is of this clause."""
    test = TESTS.get(clause)
    return (f"test_malformed.py::test_{test}[{named(edit, edit.what)}]",) if test else ()


def traits(edit: Edit) -> dict[str, str]:
    """What an edit shows of each axis."""
    return {f.name: str(getattr(edit, f.name)) for f in fields(edit) if f.name not in SIZES}


def simpler(edit: Edit) -> Iterator[Edit]:
    """The same edit where one thing is simpler, or the layout and which axis comes first."""
    simplest = vars(Edit())
    for name in (f.name for f in fields(edit) if f.name != "what"):
        too = ("batch_first",) * (name == "layout")
        other = replace(edit, **{each: simplest[each] for each in (name, *too)})
        if other != edit and other.possible:
            yield other
