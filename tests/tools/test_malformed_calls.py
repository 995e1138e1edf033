"""`questions.malformed`: a product and no list, whose ids tell the same call for ever."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.questions import malformed
from rnn_spec.questions.attempts import NEGATIVES
from rnn_spec.questions.malformed import BATCH, HIDDEN, INPUT, LAYOUTS, TIME, Setting
from rnn_spec.questions.records import DTYPES
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.marks import selected
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD = list(malformed.standard())
VALUES = {
    "num_layers": (1, 2, 3), "bidirectional": (False, True), "bias": (False, True),
    "nonlinearity": ("tanh", "relu"), "dtype": DTYPES,
}  # fmt: skip


def test_every_edit_is_in_every_layout() -> None:
    """What can be edited in some setting of a layout is edited in that layout."""
    possible = {(s.layout, edit) for s in malformed.settings(whole=True) for edit in malformed.edits(s)}

    assert possible == {(setting.layout, edit) for setting, edit in STANDARD}
    assert len(STANDARD) == len(possible) == len(malformed.calls())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_option_is_in_every_layout(layout: str) -> None:
    """Each layout has each value of each option."""
    found = [setting for setting, _ in STANDARD if setting.layout == layout]

    for name, values in VALUES.items():
        assert set(values) == {getattr(setting, name) for setting in found}, name


def test_the_exhaustive_ones_are_more_of_the_same() -> None:
    """They hold the standard ones, and every edit at every depth."""
    standard, exhaustive = malformed.calls(), malformed.calls(exhaustive=True)

    assert standard.keys() < exhaustive.keys()
    assert set(exhaustive) >= {
        malformed.named(setting, edit)
        for setting in malformed.settings(whole=False)
        for edit in malformed.edits(setting)
    }


def test_no_call_has_the_id_of_another() -> None:
    """An answer is remembered by the id of its attempt."""
    ids = [n.attempt.id for n in (*malformed.calls(exhaustive=True).values(), *NEGATIVES.values())]

    assert len(set(ids)) == len(ids)


def test_sizes_tell_the_axes_apart() -> None:
    """No two of them are one."""
    assert len({TIME, BATCH, INPUT, HIDDEN}) == 4


RULES: dict[str, Callable[[Setting], tuple[Any, Any, str]]] = {
    "as it is": lambda s: (s.input, s.h_0, ""),
    "longer": lambda s: ((TIME + 1, BATCH, INPUT), s.h_0, ""),
    "a batch too many": lambda s: ((TIME, BATCH + 1, INPUT), s.h_0, "ERR-03"),
    "another batch": lambda s: ((TIME, 2, INPUT), (1, 2, HIDDEN), ""),
    "unbatched": lambda s: ((TIME, INPUT), (1, HIDDEN), ""),
    "unbatched with a batch of states": lambda s: ((TIME, INPUT), s.h_0, "ERR-03"),
    "a feature too many": lambda s: ((TIME, BATCH, INPUT + 1), s.h_0, "ERR-02"),
    "no axis": lambda s: ((), s.h_0, "ERR-01"),
    "a second direction": lambda s: (s.input, (2, BATCH, HIDDEN), "ERR-03"),
}


@pytest.mark.parametrize("what", RULES)
def test_the_rule_is_the_documents(what: str) -> None:
    """What is refused, and by which clause, as nn.RNN's documentation has the shapes."""
    setting = Setting("time_major")
    input, h_0, clause = RULES[what](setting)

    assert malformed.rule(setting, input, h_0)[0] == clause


def test_every_clause_of_a_malformed_call_is_asked() -> None:
    """Each clause that refuses one has its calls, and fields that no call has are refused."""
    for clause in {n.clause for n in malformed.calls().values()}:
        assert clause in clauses()
        assert selected(malformed.calls(), {"clause": clause})
    with pytest.raises(ValueError, match="no negative has"):
        selected(malformed.calls(), {"clause": "ERR-99"})


@pytest.mark.parametrize("id", selected(malformed.calls(), {"clause": "ERR-02"}))
def test_a_wrong_last_axis_may_be_told_by_its_extent_alone(id: str) -> None:
    """Also where the number of axes is another than the layout's, but for what is packed without features."""
    negative = malformed.calls()[id]
    given = negative.value.arguments[0]

    message = f"the last axis of input has extent {given[-1]}, expected {INPUT}"

    patterns = (negative.names, negative.given, negative.expected)
    told = all(re.search(pattern, message) for pattern in patterns)
    assert told or (id.startswith("packed") and len(given) == 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_torch_answers_the_call_that_is_edited(layout: str) -> None:
    """A setting is a valid call: torch answers it, in shapes of that layout."""
    for setting, edit in itertools.islice((x for x in STANDARD if x[0].layout == layout), 5):
        made = malformed.edits(setting)[edit]()
        assert made.attempt.twin is not None
        answer = TorchSubject().attempt(made.attempt.twin)

        assert answer.error is None, malformed.named(setting, edit)
        assert answer.attempted is not None
        assert answer.attempted.results[1] == setting.h_0
