"""`cases.reveal`: the masks that a layer drew are read from its answer alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rnn_spec.judge.compare import compare
from rnn_spec.questions import reveal
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import DTYPES, Observation
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case
    from rnn_spec.spec.model import RNN, Config


class Recording(SpecSubject):
    """The spec as a subject that remembers the masks it drew."""

    drawn: list[np.ndarray]

    def call(self, rnn: RNN, config: Config, *arguments: Any, **more: Any) -> Any:
        """Call the layer, and keep its masks."""
        answer = super().call(rnn, config, *arguments, **more)
        self.drawn = answer[2] or []
        return answer


LAYOUTS = {"time-major": {}, "batch_first": {"batch_first": True}, "unbatched": {"batched": False}}


def recipe(size: str = "small", **flags: Any) -> Recipe:
    """A recipe in which dropout acts with p = 0.5."""
    return Recipe(size, **{"dropout": 0.5, "training": True, **flags})


def read_right(case: Case, found: list[np.ndarray] | None, drawn: list[np.ndarray]) -> bool:
    """Whether the masks are the drawn ones wherever the answer shows them."""
    assert found is not None
    assert len(found) == len(drawn) == case.config.num_layers - 1
    if not case.config.bias:  # what was dropped is 0, whichever mask dropped it
        return np.array_equal(np.logical_and.reduce(found), np.logical_and.reduce(drawn))
    shown = [np.logical_and.reduce([np.ones_like(m), *drawn[i + 1 :]]) for i, m in enumerate(drawn)]
    return all(np.array_equal(f[s], d[s]) for f, d, s in zip(found, drawn, shown, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("num_layers", [2, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_are_recovered_exactly(
    dtype: str, num_layers: int, nonlinearity: str, bidirectional: bool, layout: str
) -> None:
    """Every element of every mask that an answer shows is read from it, with and without bias and h_0.

    A dropped element hides the one of the mask below it, and, without bias, of the mask above it.
    """
    flags: dict[str, Any] = {"num_layers": num_layers, "nonlinearity": nonlinearity, "dtype": dtype,
                             "bidirectional": bidirectional, **LAYOUTS[layout]}  # fmt: skip
    for bias, h_0 in itertools.product((True, False), repeat=2):
        subject, case = Recording(), recipe(bias=bias, h_0=h_0, **flags).case()

        found = reveal.masks(case, subject.run(case))

        assert read_right(case, found, subject.drawn)


@pytest.mark.parametrize("size", ["cell", "odd", "batch", "square", "one", "long"])
def test_masks_are_recovered_at_every_size(size: str) -> None:
    """What holds for the small size holds for the others, in float32."""
    subject, case = Recording(), recipe(size, num_layers=3, bidirectional=True).case()

    found = reveal.masks(case, subject.run(case))

    assert read_right(case, found, subject.drawn)


@pytest.mark.parametrize("num_layers", [2, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("seed", range(3))
def test_what_a_hidden_element_may_change_is_not_expected(
    num_layers: int, nonlinearity: str, bias: bool, seed: int
) -> None:
    """Under the masks that were read, every array that is expected is within its bound, gradients too."""
    case = recipe(num_layers=num_layers, nonlinearity=nonlinearity, bias=bias, bidirectional=True).case()
    case = case.derive("seed", seed=seed)
    answer = SpecSubject().run(case)

    expected = expect(case, reveal.masks(case, answer)).arrays

    assert not expected.keys() & reveal.hidden(case)
    for name, bound in expected.items():
        found = compare(name, answer.arrays()[name], bound)
        assert found.holds, str(found)


def test_hidden_arrays_are_the_middle_layers_weights() -> None:
    """Only three layers hide anything, and only the gradients of the middle one's two weights."""
    hidden = [reveal.hidden(recipe(num_layers=n).case()) for n in (1, 2, 3)]

    assert hidden[:2] == [set(), set()]
    assert {"grad weight_ih_l1", "grad weight_hh_l1"} <= hidden[2]
    assert all("_l1" in name for name in hidden[2])


def test_everything_dropped_needs_no_reading() -> None:
    """With p = 1 the masks are all zero, whatever the answer."""
    case = recipe(num_layers=3, dropout=1.0).case()

    found = reveal.masks(case, Observation())

    assert found is not None
    assert not np.any(found)


@pytest.mark.parametrize("flags", [{"training": False}, {"num_layers": 1}, {"dropout": 0.0}], ids=str)
def test_no_masks_where_dropout_does_not_act(flags: dict[str, Any]) -> None:
    """In eval mode, with one layer or with p = 0, there is no mask."""
    case = recipe(**{"num_layers": 2, **flags}).case()

    assert reveal.masks(case, Observation()) is None


def wrong(case: Case, kind: str) -> Observation:
    """An answer of the wrong shape or with no numbers in it."""
    shape = reveal.output_shape(case)
    h_n = np.zeros((2, 3, 7))
    return {
        "short": Observation(np.zeros(shape[1:]), h_n),
        "nothing": Observation(),
        "no h_n": Observation(np.zeros(shape)),
        "NaN": Observation(np.full(shape, np.nan), h_n),
        "infinite": Observation(np.full(shape, np.inf), h_n),
    }[kind]


@pytest.mark.parametrize("kind", ["short", "nothing", "no h_n", "NaN", "infinite"])
def test_a_hopeless_answer_is_no_error_of_ours(kind: str) -> None:
    """An answer of the wrong shape explains nothing, and one of NaN anything; neither raises."""
    case = recipe(num_layers=2).case()

    found = reveal.masks(case, wrong(case, kind))

    assert (found is None) == (kind in ("short", "nothing", "no h_n"))
