"""Invalid calls: refused, when, with which error, in which words, and what is left behind (area ERR).

Every negative is one edit away from a valid call, its twin, which is run first and has to pass.
"""

from __future__ import annotations

import warnings

import pytest

from rnn_spec.judge.refused import is_a, left_behind, one_line, refusal, says, shown
from rnn_spec.questions.attempts import NEGATIVES, constructing, ones
from rnn_spec.suite.marks import clause, selected


def on(**wanted):
    """Run the test on every negative with these fields (a tuple: any of them), by its id."""
    found = selected(NEGATIVES, wanted)
    return pytest.mark.parametrize("negative", list(found.values()), ids=list(found))


@clause("ERR-01")
@on(clause="ERR-01")
def test_input_of_a_wrong_number_of_axes_is_refused(negative, check):
    """An input that is neither 2-D nor 3-D is refused."""
    refusal(check, negative)


@clause("ERR-02")
@on(clause="ERR-02")
def test_input_of_a_wrong_last_axis_is_refused(negative, check):
    """An input whose last axis is not input_size is refused, one of size 1 included."""
    refusal(check, negative)


@clause("ERR-03")
@on(clause="ERR-03")
def test_initial_state_of_a_wrong_shape_is_refused(negative, check):
    """An h_0 that does not fit in layers, batch, hidden size or number of axes is refused."""
    refusal(check, negative)


@clause("ERR-04")
@on(clause="ERR-04")
def test_what_is_no_tensor_is_refused(negative, check):
    """An input or h_0 that is not a tensor is refused, a tuple of states included."""
    refusal(check, negative)


@clause("ERR-05")
@on(clause="ERR-05")
def test_size_of_zero_or_less_is_refused(negative, check):
    """A size or layer count of zero or less is refused."""
    refusal(check, negative)


@clause("ERR-06")
@on(clause="ERR-06")
def test_unknown_nonlinearity_is_refused(negative, check):
    """A nonlinearity is 'tanh' or 'relu', to the letter."""
    refusal(check, negative)


@clause("ERR-07")
@on(clause="ERR-07")
def test_dropout_that_is_no_probability_is_refused(negative, check):
    """A dropout below 0, above 1 or NaN is refused."""
    refusal(check, negative)


@clause("ERR-08")
@on(kind="value")
def test_wrong_value_is_a_value_error(negative, check):
    """A constructor argument of a wrong value is refused with a ValueError."""
    error = refusal(check, negative)

    is_a(check, error, "ValueError")


@clause("ERR-09")
@on(kind="shape")
def test_wrong_shape_is_a_runtime_error_or_a_value_error(negative, check):
    """A tensor of a wrong shape is refused with a RuntimeError or a ValueError."""
    error = refusal(check, negative)

    is_a(check, error, "RuntimeError", "ValueError")


@clause("ERR-10")
@on(clause="ERR-10")
def test_wrong_type_is_a_type_error(negative, check):
    """A constructor argument of a wrong type is refused with a TypeError."""
    error = refusal(check, negative)

    is_a(check, error, "TypeError")


EFFECTLESS = {
    "keyword": ((3, 4), {"dropout": 0.5}),
    "position": ((3, 4, 1, "tanh", True, False, 0.5), {}),
    "both directions": ((3, 4), {"dropout": 0.5, "bidirectional": True}),
    "everything dropped": ((3, 4, 1), {"dropout": 1.0}),
    "int": ((3, 4, 1), {"dropout": 1}),
    "hardly any": ((3, 4, 1), {"dropout": 1e-6}),
}
effectless = pytest.mark.parametrize("how", list(EFFECTLESS))


@clause("ERR-11")
@effectless
def test_dropout_with_one_layer_warns(how, check):
    """A non-zero dropout with one layer gives a UserWarning that names dropout and num_layers."""
    found = called(check, *EFFECTLESS[how])

    texts = [text for text, of in zip(found.warnings, found.categories, strict=False) if "UserWarning" in of]
    check.holds(texts, "no UserWarning")
    check.holds(
        any("dropout" in text and "num_layers" in text for text in texts), f"none names both: {texts}"
    )


@clause("ERR-11")
@effectless
def test_dropout_with_one_layer_builds_the_layer(how, check):
    """The warning is no error: the layer is there, and works."""
    found = called(check, *EFFECTLESS[how])

    check.equal("output's leading axes", [r[:2] for r in found.attempted.results[:1]], [(5, 6)])


@clause("ERR-11")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_no_warning_without_reason(num_layers, check):
    """No dropout with one layer, and dropout with two, are built without a warning."""
    keywords = {"num_layers": num_layers, "dropout": 0.0 if num_layers == 1 else 0.5}

    found = called(check, (3, 4), keywords)

    check.equal("warnings", found.warnings, ())


@clause("ERR-11")
def test_every_place_that_builds_such_a_layer_is_warned(check):
    """Under Python's default filter, once a place, a second place that builds such a layer is warned, too."""
    cls, _ = check.module_class()  # a place is a line of the program that builds the layer

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        cls(3, 4, dropout=0.5)
        cls(3, 4, dropout=0.5)

    check.equal("places warned", len(found), 2)


@clause("ERR-12")
@on()
def test_refused_where_the_argument_is_given(negative, check):
    """The constructor refuses its own arguments, and the call its input and h_0."""
    error = refusal(check, negative)

    expected = negative.phase
    check.holds(error.phase == expected, f"refused in {error.phase}, not in {expected}: {one_line(error)}")


@clause("ERR-13")
@on()
def test_message_names_the_argument(negative, check):
    """The message names the argument that is wrong, under the name that the caller knows."""
    error = refusal(check, negative)

    says(check, error, **{f"name {negative.argument}": negative.names})


@clause("ERR-13")
@on(kind=("value", "type", "shape"))
def test_message_shows_what_was_given(negative, check):
    """The message shows the wrong value, type or shape, as the caller gave it."""
    error = refusal(check, negative)

    says(check, error, **{f"show what was given, {shown(negative)}": negative.given})


@clause("ERR-13")
@on()
def test_message_says_what_is_expected(negative, check):
    """The message says what would have been right."""
    error = refusal(check, negative)

    says(check, error, **{"say what is expected": negative.expected})


@clause("ERR-14")
@on(phase="forward")
def test_refused_call_leaves_the_parameters(negative, check):
    """A refused call leaves every parameter the object it was, with its bits and its gradient."""
    left = left_behind(check, negative)

    check.equal("parameters that are other objects", left.objects, ())
    check.equal("parameters that hold other bits", left.bits, ())
    check.equal("parameters that have another gradient", left.gradients, ())


@clause("ERR-14")
@on(phase="forward")
def test_refused_call_leaves_the_mode(negative, check):
    """A refused call leaves the layer in training or evaluation mode, as it was, and gradients recorded."""
    left = left_behind(check, negative)

    check.holds(not left.mode, "the layer is in another mode")
    check.holds(left.recorded, "gradients are recorded no more")


@clause("ERR-14")
@on()
def test_refused_call_draws_nothing(negative, check):
    """A refused constructor call and a refused call of a layer leave the random generator as it was."""
    left = left_behind(check, negative)

    check.holds(not left.drew, "the random generator was advanced")


@clause("ERR-14")
@on(phase="forward")
def test_next_valid_call_succeeds(negative, check):
    """After a refused call the valid one gives the bits that it gave before."""
    left = left_behind(check, negative)

    check.holds(left.again is None, f"the valid call was refused: {left.again}")
    check.equal("results that differ", left.differs, ())


@clause("ERR-14")
@on(phase="construct")
def test_next_valid_construction_succeeds(negative, check):
    """After a refused constructor call the valid one gives the bits that its seed gives."""
    left = left_behind(check, negative)

    check.holds(left.again is None, f"the valid construction was refused: {left.again}")
    check.equal("parameters that differ", left.differs, ())


def called(check, positional, keywords):
    """The answer to a construction and a valid call; Nonconformity if either was refused."""
    answer = check.attempt(constructing(positional, keywords, call=(ones(5, 6, 3),)))
    check.holds(answer.error is None, f"refused: {answer.error}")
    return answer
