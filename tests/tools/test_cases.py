"""The cases: their numbers, their ids, the product of flags and the standard selection of it."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_spec.judge.session import Session
from rnn_spec.questions import data, product
from rnn_spec.questions.product import FLAGS, TRIPLES, Recipe
from rnn_spec.questions.records import LEVELS, Call
from rnn_spec.spec.model import Config
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.questions.records import Case

GENERIC = [Recipe(size, 3, bidirectional=True) for size in data.SIZES]
REVEALING = [Recipe(size, 3, bidirectional=True, dropout=0.5, training=True) for size in data.SIZES]
FROZEN = {
    "small-L1-tanh-float32": "61c23a00369e2bac",
    "odd-L3-relu-bi-nobias-float64": "73e85db89481b4a4",
    "wide-L2-tanh-batch_first-bfloat16": "d54a2aa65357743b",
    "long-L1-relu-unbatched-noh0-float32": "ac8b52e7faa7c756",
    "small-L3-tanh-bi-p0.5-train-float32": "63323922cf06e1a1",
}


def arrays(case: Case) -> dict[str, np.ndarray]:
    """Every array of a case by name."""
    assert case.cotangents is not None
    found = {**case.parameters, "input": case.input, **vars(case.cotangents)}
    return found if case.h_0 is None else {**found, "h_0": case.h_0}


# -- the numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", GENERIC + REVEALING, ids=str)
def test_every_number_is_exact_in_every_dtype(recipe: Recipe) -> None:
    """Every number of a case is an integer of at most 8 bits times a power of two, in float16's range."""
    for name, array in arrays(recipe.case()).items():
        mantissa, _ = np.frexp(array)
        assert (mantissa * 2**8 % 1 == 0).all(), name
        assert (array.astype(np.float16) == array).all(), name


@pytest.mark.parametrize("recipe", GENERIC, ids=str)
def test_recurrent_weights_are_contractive(recipe: Recipe) -> None:
    """The largest absolute row sum is at most 0.6 (W_ih of layer 0: 1), and not needlessly small."""
    for name, weight in recipe.case().parameters.items():
        if name.startswith("weight"):
            limit = 1.0 if name.startswith("weight_ih_l0") else 0.6
            assert limit / 2 < np.abs(weight).sum(axis=1).max() <= limit, name


@pytest.mark.parametrize("recipe", GENERIC, ids=str)
def test_numbers_are_generic(recipe: Recipe) -> None:
    """No number is 0, no matrix is symmetric, no two rows, columns, biases or layers are equal."""
    case, one = recipe.case(), recipe.size == "one"

    for name, array in arrays(case).items():
        assert (array != 0).all(), name
        for axis in range(array.ndim):
            slices = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
            assert one or len(np.unique(slices, axis=0)) == len(slices) or slices.shape[1] == 1, (name, axis)
        if array.ndim == 2 and array.shape[0] == array.shape[1] and not one:
            assert (array != array.T).any(), name
    for name, array in case.parameters.items():
        if name.startswith("bias_ih"):
            assert (array != case.parameters[name.replace("ih", "hh")]).any(), name
    same_shape = itertools.combinations(case.parameters.items(), 2)
    assert all(a.shape != b.shape or one or (a != b).any() for (_, a), (_, b) in same_shape)


@pytest.mark.parametrize("recipe", GENERIC, ids=str)
def test_no_input_is_a_palindrome(recipe: Recipe) -> None:
    """Read backwards in time, every sequence of input is another one at every step but the middle."""
    x = recipe.case().input

    differs = (x != x[::-1]).any(axis=-1)

    middle = np.arange(len(x)) == (len(x) - 1) / 2
    assert differs[~middle].all()


def test_axes_tell_one_another_apart() -> None:
    """seq_len, batch, input_size and hidden_size are all different, but where they are equal on purpose."""
    for size in data.SIZES.values():
        axes = {size.seq_len, size.batch, size.input_size, size.hidden_size}
        assert len(axes) == (1 if size.name in ("square", "one") else 4), size.name


@pytest.mark.parametrize("size", ["small", "wide"])
def test_states_are_not_saturated(size: str) -> None:
    """tanh stays where its slope is not lost: no state is above 0.99, and most are below 0.9."""
    from rnn_spec.questions.expect import expect

    h = np.abs(expect(Recipe(size, 3, bidirectional=True).case()).arrays["output"].value)

    assert h.max() < 0.99
    assert (h < 0.9).mean() > 0.9


def test_a_layer_has_the_same_weights_in_every_case_of_its_size() -> None:
    """Laws between cases need no copying: layer 0 of three layers is the one layer of one."""
    one, three = Recipe(num_layers=1).case(), Recipe(num_layers=3).case()

    assert all(np.array_equal(value, three.parameters[name]) for name, value in one.parameters.items())


def test_layouts_hold_the_same_numbers() -> None:
    """batch_first and unbatched cases hold the numbers of the time-major case."""
    plain, first = Recipe().case(), Recipe(batch_first=True).case()
    alone = Recipe(batched=False, batch_first=True).case()

    assert np.array_equal(plain.input, first.input.swapaxes(0, 1))
    assert np.array_equal(plain.input[:, 0], alone.input)
    assert plain.h_0 is not None
    assert first.h_0 is not None
    assert alone.h_0 is not None
    assert np.array_equal(plain.h_0, first.h_0)
    assert np.array_equal(plain.h_0[:, 0], alone.h_0)


def test_revealing_parameters_are_positive_and_pass_the_layer_below_on() -> None:
    """With revealing weights nothing is negative, and above layer 0 W_ih is 3/4 of each half's identity."""
    config = Config(5, 7, 3, bidirectional=True)

    found = data.revealing_parameters("small", config)

    assert all((value >= 0).all() for value in found.values())
    assert np.array_equal(found["weight_ih_l1"], 0.75 * np.eye(7, 14))
    assert np.array_equal(found["weight_ih_l2_reverse"], 0.75 * np.eye(7, 14, 7))
    assert not found["weight_hh_l1"].any()
    assert found["weight_hh_l2"].all()


@pytest.mark.parametrize("id", FROZEN)
def test_data_never_changes(id: str) -> None:
    """A case's numbers are the same in every release: recorded answers and fixtures depend on it."""
    digest = hashlib.sha256()

    for name, array in sorted(arrays(Recipe.parse(id).case()).items()):
        digest.update(f"{name} {array.shape} ".encode() + array.astype("<f8").tobytes())

    assert digest.hexdigest()[:16] == FROZEN[id]


# -- the ids ----------------------------------------------------------------------------------------


recipes = st.builds(Recipe, **{name: st.sampled_from(values) for name, values in FLAGS.items()})


@settings(derandomize=True, deadline=None, database=None)
@given(recipes)
def test_an_id_names_its_recipe(recipe: Recipe) -> None:
    """Every recipe's id reads back as that recipe."""
    assert Recipe.parse(str(recipe)) == recipe


words = st.sampled_from(
    ["small", "L1", "L0", "L²", "tanh", "bi", "p", "p0.5", "p7", "p.", "float32", "train", ""]
)


def refusal(id: str) -> str | None:
    """What is said against an id, or None if it names a case."""
    try:
        Recipe.parse(id).case()
    except ValueError as e:
        return str(e)
    return None


@settings(derandomize=True, deadline=None, database=None)
@given(st.lists(words | st.text("pL1.²\n", max_size=4), max_size=6).map("-".join))
def test_a_bad_id_is_refused_in_one_sentence(id: str) -> None:
    """Text that is no id raises ValueError with a sentence that quotes it; any other is a case's own id."""
    sentence = refusal(id)

    assert sentence is None or sentence.startswith(f"case id {id!r}")
    assert sentence is None or len(sentence.splitlines()) == 1
    assert sentence is not None or str(Recipe.parse(id)) == id


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("huge-L1-tanh-float32", "sizes are small, cell"),
        ("small-L1-sin-float32", "'sin' is not a flag"),
        ("small-tanh-L1-float32", "did you mean small-L1-tanh-float32"),
        ("small-L1-tanh", "did you mean small-L1-tanh-float32"),
        ("small-L0-tanh-float32", "'L0' is not a flag"),
        ("small-L2-tanh-p1.5-float32", "'p1.5' is not a flag"),
    ],
)
def test_a_bad_id_is_told_what_is_known(id: str, hint: str) -> None:
    """The refusal of an id says what would have been one."""
    with pytest.raises(ValueError, match=hint):
        Recipe.parse(id)


@settings(derandomize=True, deadline=None, database=None)
@given(recipes)
def test_a_case_has_the_shapes_of_its_flags(recipe: Recipe) -> None:
    """Input, states and cotangents have the layout that batched, batch_first and bidirectional say."""
    case, size = recipe.case(), data.SIZES[recipe.size]
    T, N, D, H = size.seq_len, size.batch, 1 + recipe.bidirectional, size.hidden_size
    leading = ((N, T) if recipe.batch_first else (T, N)) if recipe.batched else (T,)
    states = (recipe.num_layers * D, N, H) if recipe.batched else (recipe.num_layers * D, H)

    assert case.input.shape == (*leading, size.input_size)
    assert (None if case.h_0 is None else case.h_0.shape) == (states if recipe.h_0 else None)
    assert case.cotangents is not None
    assert case.cotangents.output.shape == (*leading, D * H)
    assert case.cotangents.h_n.shape == states
    assert case.levels <= frozenset(LEVELS)
    assert (case.training, case.dtype, case.config.dropout) == (recipe.training, recipe.dtype, recipe.dropout)


# -- the selection ------------------------------------------------------------------------------------


def existing(names: tuple[str, ...], sizes: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """The values of these flags that some recipe of these sizes has that discriminates."""
    decide = ("size", "num_layers", "bidirectional", "batched", "dtype")
    values = [sizes if name == "size" else FLAGS[name] for name in decide]
    allowed = [dict(zip(decide, v, strict=True)) for v in itertools.product(*values)]
    allowed = [flags for flags in allowed if Recipe(**flags).discriminates]
    for combination in itertools.product(*(sizes if name == "size" else FLAGS[name] for name in names)):
        wanted = dict(zip(names, combination, strict=True))
        if any(all(flags.get(name, value) == value for name, value in wanted.items()) for flags in allowed):
            yield combination


@pytest.mark.parametrize("sizes", [tuple(data.SIZES), ("small",)], ids=["all sizes", "small"])
def test_standard_selection_has_every_pair_and_every_named_triple(sizes: tuple[str, ...]) -> None:
    """Every pair of flag values and every triple of TRIPLES that exists is in the standard selection."""
    selection = [r for r in product.standard() if r.size in sizes]

    for names in (*itertools.combinations(FLAGS, 2), *TRIPLES):
        shown = {tuple(getattr(r, name) for name in names) for r in selection}
        assert set(existing(names, sizes)) <= shown, names


def test_standard_cases_discriminate() -> None:
    """Every standard case is precise enough for its size, and none is there twice."""
    selection = product.standard()

    assert all(recipe.discriminates for recipe in selection)
    assert len(set(selection)) == len(selection)


@pytest.mark.slow
def test_standard_selection_is_the_one_that_select_makes() -> None:
    """standard.txt is what ``python -m rnn_spec.questions.product`` writes."""
    assert product.STANDARD.read_text().split() == product.select()


def test_full_product_is_all_of_it() -> None:
    """The full product has 4608 small cases, all different, and the standard ones of every other size."""
    full = list(product.full())

    small = [recipe for recipe in full if recipe.size == "small"]
    assert len(small) == len(set(small)) == 4608
    assert set(product.standard()) <= set(full)


def test_cover_is_no_larger_than_it_need_be() -> None:
    """Of candidates that show the same, the cover takes one."""
    pool = [Recipe(), Recipe(num_layers=2), Recipe()]

    assert len(product.cover(pool)) == 2


# -- what the spec reads of a case ------------------------------------------------------------------


def test_what_is_done_before_is_nothing_to_the_spec() -> None:
    """Of cases that differ in id, earlier calls, deeds, seed and route alone, one expectation is computed."""
    case = Recipe().case()
    session = Session(SpecSubject())

    others = [
        case.derive("again"),
        case.derive("seeded", seed=7),
        case.derive("before", earlier=("deepcopy", Call(case.input))),
        case.derive("by a route", route="script"),
    ]

    assert all(session.expected(other) is session.expected(case) for other in others)
    assert len({case.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_whatever_else_differs_is_read_by_the_spec() -> None:
    """Each other field of a case, and each of its arrays, has its say in `numbers`."""
    case = Recipe(num_layers=2, dropout=1.0).case()
    assert case.cotangents is not None
    more = {name: array + 1 for name, array in case.parameters.items()}
    changes: dict[str, Any] = {
        "config": replace(case.config, nonlinearity="relu"),
        "input": case.input + 1,
        "h_0": None,
        "lengths": np.array([1] * case.input.shape[1]),
        "training": True,
        "dtype": "float16",
        "cotangents": None,
    }

    told = [case.derive(name, **{name: value}) for name, value in changes.items()]
    told += [case.derive(name, parameters={**case.parameters, name: more[name]}) for name in more]
    told += [
        case.derive(n, cotangents=replace(case.cotangents, **{n: a + 1}))
        for n, a in vars(case.cotangents).items()
    ]

    assert len({case.numbers, *(one.numbers for one in told)}) == len(told) + 1
    untold = {"id", "parameters", "seed", "earlier", "route"}
    assert {*changes} | untold == {field.name for field in fields(case)}
