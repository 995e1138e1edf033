"""Invalid calls: refused, when, with which error, in which words, and what is left behind (area ERR).

Every negative is one edit away from a valid call, its twin, which is run first and has to pass.
"""

from __future__ import annotations

import re
import warnings

import pytest

from rnn_spec.questions.attempts import NEGATIVES, Torch
from rnn_spec.suite.marks import clause


def on(**wanted):
    """Run the test on every negative with these fields (a tuple: any of them), by its id."""
    fields = {name: value if isinstance(value, tuple) else (value,) for name, value in wanted.items()}
    ids = [id for id, n in NEGATIVES.items() if all(getattr(n, k) in v for k, v in fields.items())]
    return pytest.mark.parametrize("negative", ids, ids=ids)


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
    _, error = refusal(check, negative)

    is_a(check, error, ValueError)


@clause("ERR-09")
@on(kind="shape")
def test_wrong_shape_is_a_runtime_error_or_a_value_error(negative, check):
    """A tensor of a wrong shape is refused with a RuntimeError or a ValueError."""
    _, error = refusal(check, negative)

    is_a(check, error, RuntimeError, ValueError)


@clause("ERR-10")
@on(clause="ERR-10")
def test_wrong_type_is_a_type_error(negative, check):
    """A constructor argument of a wrong type is refused with a TypeError."""
    _, error = refusal(check, negative)

    is_a(check, error, TypeError)


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
    positional, keywords = EFFECTLESS[how]

    _, found = constructed(check, positional, keywords)

    texts = [str(w.message) for w in found if issubclass(w.category, UserWarning)]
    check.holds(texts, "no UserWarning")
    check.holds(
        any("dropout" in text and "num_layers" in text for text in texts), f"none names both: {texts}"
    )


@clause("ERR-11")
@effectless
def test_dropout_with_one_layer_builds_the_layer(how, check):
    """The warning is no error: the layer is there, and works."""
    _, torch = check.module_class()
    positional, keywords = EFFECTLESS[how]

    layer, _ = constructed(check, positional, keywords)

    answer, error = quietly(lambda: layer(torch.ones(5, 6, 3)))
    check.holds(error is None, f"the layer refuses a valid call: {error!r}")
    check.equal("output's leading axes", tuple(answer[0].shape[:2]), (5, 6))


@clause("ERR-11")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_no_warning_without_reason(num_layers, check):
    """No dropout with one layer, and dropout with two, are built without a warning."""
    keywords = {"num_layers": num_layers, "dropout": 0.0 if num_layers == 1 else 0.5}

    _, found = constructed(check, (3, 4), keywords)

    check.equal("warnings", [str(w.message) for w in found], [])


@clause("ERR-11")
def test_every_place_that_builds_such_a_layer_is_warned(check):
    """Under Python's default filter, once a place, a second place that builds such a layer is warned, too."""
    cls, _ = check.module_class()

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        cls(3, 4, dropout=0.5)
        cls(3, 4, dropout=0.5)

    check.equal("places warned", len(found), 2)


@clause("ERR-12")
@on()
def test_refused_where_the_argument_is_given(negative, check):
    """The constructor refuses its own arguments, and the call its input and h_0."""
    phase, error = refusal(check, negative)

    expected = NEGATIVES[negative].phase
    check.holds(phase == expected, f"refused in {phase}, not in {expected}: {error!r}")


@clause("ERR-13")
@on()
def test_message_names_the_argument(negative, check):
    """The message names the argument that is wrong, under the name that the caller knows."""
    _, error = refusal(check, negative)

    says(check, error, NEGATIVES[negative].names, f"name {NEGATIVES[negative].argument}")


@clause("ERR-13")
@on(kind=("value", "type", "shape"))
def test_message_shows_what_was_given(negative, check):
    """The message shows the wrong value, type or shape, as the caller gave it."""
    _, error = refusal(check, negative)

    says(check, error, NEGATIVES[negative].given, f"show what was given, {shown(negative)}")


@clause("ERR-13")
@on()
def test_message_says_what_is_expected(negative, check):
    """The message says what would have been right."""
    _, error = refusal(check, negative)

    says(check, error, NEGATIVES[negative].expected, "say what is expected")


@clause("ERR-14")
@on(phase="forward")
def test_refused_call_leaves_the_parameters(negative, check):
    """A refused call leaves every parameter the object it was, with its bits and its gradient."""
    layer, refuse = layer_and_refusal(check, negative)
    before = {name: (p, p.detach().clone(), p.requires_grad, p.grad) for name, p in layer.named_parameters()}

    refuse()

    after = dict(layer.named_parameters())
    check.equal("names of the parameters", list(after), list(before))
    for name, (parameter, bits, requires_grad, grad) in before.items():
        check.holds(after[name] is parameter, f"{name} is another object")
        check.equal(name, after[name].detach().numpy(), bits.numpy())
        check.equal(
            f"{name}'s gradient", (after[name].requires_grad, after[name].grad), (requires_grad, grad)
        )


@clause("ERR-14")
@on(phase="forward")
def test_refused_call_leaves_the_mode(negative, check):
    """A refused call leaves the layer in training or evaluation mode, as it was, and gradients recorded."""
    _, torch = check.module_class()
    for mode in (True, False):
        layer, refuse = layer_and_refusal(check, negative)
        layer.train(mode)

        refuse()

        check.equal("training", layer.training, mode)
        check.equal("gradients are recorded", torch.is_grad_enabled(), True)


@clause("ERR-14")
@on()
def test_refused_call_draws_nothing(negative, check):
    """A refused constructor call and a refused call of a layer leave the random generator as it was."""
    _, torch = check.module_class()
    _, refuse = layer_and_refusal(check, negative)
    before = torch.random.get_rng_state()

    refuse()

    check.holds(torch.equal(before, torch.random.get_rng_state()), "the random generator was advanced")


@clause("ERR-14")
@on(phase="forward")
def test_next_valid_call_succeeds(negative, check):
    """After a refused call the valid one gives the bits that it gave before."""
    layer, refuse = layer_and_refusal(check, negative)
    _, torch = check.module_class()
    input, h_0 = made(torch, (NEGATIVES[negative].twin.input, NEGATIVES[negative].twin.h_0))
    before = [a.detach().numpy() for a in layer(input, h_0)]

    refuse()

    after, error = quietly(lambda: layer(input, h_0))
    check.holds(error is None, f"the valid call was refused: {error!r}")
    for name, got, expected in zip(("output", "h_n"), after, before, strict=True):
        check.equal(name, got.detach().numpy(), expected)


@clause("ERR-14")
@on(phase="construct")
def test_next_valid_construction_succeeds(negative, check):
    """After a refused constructor call the valid one gives the bits that its seed gives."""
    cls, torch = check.module_class()
    twin = NEGATIVES[negative].twin

    def build():
        torch.manual_seed(5)
        return cls(*made(torch, twin.positional), **made(torch, twin.keywords))

    _, refuse = layer_and_refusal(check, negative)
    before = quietly(build)[0].state_dict()

    refuse()

    after, error = quietly(build)
    check.holds(error is None, f"the valid construction was refused: {error!r}")
    for name, got in after.state_dict().items():
        check.equal(name, got.numpy(), before[name].numpy())


def quietly(call):
    """What a call gives and None, or None and what it raised; warnings are another check's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except Exception as e:  # whatever it is, it refuses
            return None, e


def made(torch, value):
    """A value of the table with everything of torch's made."""
    if isinstance(value, Torch):
        return value.make(torch)
    if type(value) in (list, tuple):
        return type(value)(made(torch, v) for v in value)
    return {k: made(torch, v) for k, v in value.items()} if isinstance(value, dict) else value


def outcome(cls, torch, attempt):
    """Where and with what an attempt was refused, or None and None."""
    layer, error = quietly(lambda: cls(*made(torch, attempt.positional), **made(torch, attempt.keywords)))
    if error is not None:
        return "construct", error
    _, error = quietly(lambda: layer(*made(torch, (attempt.input, attempt.h_0))))
    return (None if error is None else "forward"), error


def refusal(check, negative):
    """The phase and the error of the wrong call; Nonconformity if its twin is refused, or it is not."""
    cls, torch = check.module_class()
    wrong = NEGATIVES[negative]

    _, error = outcome(cls, torch, wrong.twin)
    check.holds(error is None, f"the valid twin was refused: {error!r}")
    phase, error = outcome(cls, torch, wrong.wrong)
    check.holds(error is not None, f"not refused: {shown(negative)}")
    return phase, error


def layer_and_refusal(check, negative):
    """A layer of the twin, which has answered the valid call, and a function that makes the wrong call."""
    refusal(check, negative)
    cls, torch = check.module_class()
    n = NEGATIVES[negative]
    layer, _ = quietly(lambda: cls(*made(torch, n.twin.positional), **made(torch, n.twin.keywords)).eval())
    if n.phase == "construct":
        return layer, lambda: outcome(cls, torch, n.wrong)
    arguments = made(torch, (n.wrong.input, n.wrong.h_0))
    return layer, lambda: quietly(lambda: layer(*arguments))


def shown(negative):
    """The wrong argument, for a message."""
    n = NEGATIVES[negative]
    return f"{n.argument}={n.wrong_value!r}"


def is_a(check, error, *classes):
    """The error is of one of the classes."""
    names = " or a ".join(c.__name__ for c in classes)
    check.holds(isinstance(error, classes), f"not a {names}: {error!r}")


def says(check, error, pattern, what):
    """The error's message has the pattern; `what` says what that means."""
    message = " ".join(str(error).split())
    check.holds(
        re.search(pattern, message), f"the message does not {what}: {type(error).__name__}: {message}"
    )


def constructed(check, positional, keywords):
    """A layer, and the warnings that its construction gave; Nonconformity if it was refused."""
    cls, _ = check.module_class()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            layer = cls(*positional, **keywords)
        except Exception as e:
            layer = check.holds(False, f"refused: {e!r}")
    return layer, found
