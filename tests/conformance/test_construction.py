"""The constructor: order, names, defaults, attributes, repr, device and dtype (areas ARG and PAR)."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from rnn_spec.judge.refused import is_a, says
from rnn_spec.questions.attempts import (
    NEGATIVES,
    NUMPY_SIZES,
    SIGNATURE,
    SIZES,
    SURPLUS,
    constructing,
    numpy_size,
)
from rnn_spec.questions.attempts import PLAIN as PLAIN_SIZES
from rnn_spec.questions.records import Torch
from rnn_spec.suite.marks import clause

DEFAULTS = {
    "num_layers": 1, "nonlinearity": "tanh", "bias": True,
    "batch_first": False, "dropout": 0, "bidirectional": False,
}  # fmt: skip
OTHERS = {
    "input_size": 3, "hidden_size": 4, "num_layers": 2, "nonlinearity": "relu", "bias": False,
    "batch_first": True, "dropout": 1.0, "bidirectional": True,
}  # fmt: skip
"""A value of each argument that is not its default, and whose effect can be seen: dropout=1 drops all."""

PLAIN = {**OTHERS, **DEFAULTS, "num_layers": 2}
"""A layer of two layers, and everything else as it is by default."""

of_every_argument = pytest.mark.parametrize("argument", list(OTHERS))
of_every_option = pytest.mark.parametrize("option", list(DEFAULTS))


@clause("ARG-01")
@pytest.mark.parametrize("count", range(2, 9))
def test_positional_arguments_come_in_the_documented_order(count, check):
    """The first so many arguments by position make the layer that their names make."""
    layer = construct(check, tuple(OTHERS.values())[:count])

    names = list(OTHERS)[:count]
    expected = {**OTHERS, **DEFAULTS, **{name: OTHERS[name] for name in names}}
    check.equal("the layer", facts(check, layer), seen(expected))


@clause("ARG-02")
@of_every_argument
def test_each_argument_by_keyword(argument, check):
    """Each argument by keyword, all others as in a plain layer, has its effect and no other."""
    wanted = {**PLAIN, argument: {**OTHERS, "input_size": 5, "hidden_size": 6, "num_layers": 3}[argument]}
    given = {**wanted} if argument in ("input_size", "hidden_size") else {
        name: wanted[name] for name in ("input_size", "hidden_size", "num_layers", argument)
    }  # fmt: skip

    layer = construct(check, (), given)

    check.equal("the layer", facts(check, layer), seen(wanted))


@clause("ARG-02")
def test_all_arguments_by_keyword_in_any_order(check):
    """Keywords in the reverse order make the same layer."""
    layer = construct(check, (), dict(reversed(OTHERS.items())))

    check.equal("the layer", facts(check, layer), seen(OTHERS))


@clause("ARG-02")
@pytest.mark.parametrize("argument", ["device", "dtype"])
def test_device_and_dtype_by_keyword(argument, check):
    """device and dtype are taken by keyword, and None means the default."""
    for value in ({"device": "cpu", "dtype": Torch("float32")}[argument], None):
        layer = construct(check, (3, 4), {argument: value})

        check.equal("device and dtype", placed(layer), {("cpu", "torch.float32")})


@clause("ARG-03")
@of_every_option
def test_option_left_out_has_its_default(option, check):
    """An option left out has its default where every other one has another value."""
    given = {name: value for name, value in OTHERS.items() if name != option}
    if option == "num_layers":
        del given["dropout"]  # which one layer has no use for

    layer = construct(check, (), given)

    check.equal("the layer", facts(check, layer), seen({**OTHERS, **DEFAULTS, **given}))


@clause("ARG-03")
def test_all_options_left_out(check):
    """nn.RNN(3, 4) is one tanh layer with bias, one direction and time first."""
    layer = construct(check, (3, 4))

    check.equal("the layer", facts(check, layer), seen({**OTHERS, **DEFAULTS}))


@clause("ARG-03")
@pytest.mark.parametrize("argument", ["input_size", "hidden_size"])
def test_sizes_have_no_default(argument, check):
    """Without input_size, or without hidden_size, there is no layer."""
    given = {name: value for name, value in OTHERS.items() if name != argument}

    refused(check, constructing((), given), f"{argument} left out")


@clause("ARG-04")
@pytest.mark.parametrize("argument", SIGNATURE)
@pytest.mark.parametrize("how", ["other value", "same value"])
def test_argument_by_position_and_by_keyword_is_an_error(argument, how, check):
    """One argument given by position and by keyword is refused, also where both are the same."""
    wrong = NEGATIVES[f"twice-{argument}"].attempt
    construct(check, wrong.twin.positional, wrong.twin.keywords)

    keywords = wrong.keywords
    if how == "same value":
        keywords = {**keywords, argument: wrong.positional[-1]}
    refused(check, constructing(wrong.positional, keywords), f"{argument} given twice")


@clause("ARG-05")
@pytest.mark.parametrize("keyword", list(SURPLUS))
def test_unknown_keyword_is_an_error(keyword, check):
    """A keyword that is no argument is refused, proj_size and the names of forward's arguments included."""
    wrong = NEGATIVES[f"unknown-{keyword}"].attempt
    construct(check, wrong.twin.positional, wrong.twin.keywords)

    refused(check, constructing((), wrong.keywords), f"the keyword {keyword}")


@clause("ARG-05")
@pytest.mark.parametrize("value", [0, None])
def test_proj_size_that_asks_for_nothing_is_an_error(value, check):
    """proj_size is an argument of another layer, and is refused whatever its value."""
    construct(check, (3, 4))

    refused(check, constructing((3, 4), {"proj_size": value}), f"proj_size={value}")


@clause("ARG-06")
@of_every_argument
@pytest.mark.parametrize("how", ["position", "keyword", "default"])
def test_each_argument_is_an_attribute(argument, how, check):
    """Each argument is an attribute that holds the value in force, however it was given."""
    if how == "default":
        layer = construct(check, (3, 4))
    elif how == "position":
        layer = construct(check, tuple(OTHERS.values()))
    else:
        layer = construct(check, (), OTHERS)

    check.holds(argument in layer.attributes, f"there is no attribute {argument}")
    expected = {**OTHERS, **DEFAULTS} if how == "default" else OTHERS
    check.equal(argument, layer.attributes[argument].value, expected[argument])


@clause("ARG-06")
@pytest.mark.parametrize("argument", ["bias", "batch_first", "bidirectional", "num_layers"])
def test_attributes_have_the_type_of_the_argument(argument, check):
    """A switch is read as a bool, and a count as an int that is no bool."""
    shown = construct(check, (), OTHERS).attributes

    found = shown[argument].type if argument in shown else None
    check.equal(f"the type of {argument}", found, type(OTHERS[argument]).__name__)


@clause("ERR-10")
@pytest.mark.parametrize("dtype", NUMPY_SIZES)
@pytest.mark.parametrize("argument", SIZES)
def test_a_size_of_numpy_is_the_integer_or_a_type_error(argument, dtype, check):
    """A size that is NumPy's integer is refused by name with a TypeError, or makes the integer's layer."""
    found = check.attempt(numpy_size(argument, dtype))
    plain = check.attempt(
        replace(numpy_size(argument, dtype), id=f"numpy-{argument}~int", keywords=PLAIN_SIZES)
    )

    if found.error:
        check.holds(found.error.phase == "construct", f"refused in {found.error.phase}: {found.error}")
        is_a(check, found.error, "TypeError")
        says(check, found.error, **{f"name {argument}": rf"\b{argument}\b"})
    else:
        check.equal("the parameters", found.attempted.parameters, plain.attempted.parameters)
        check.equal("the shapes of the results", found.attempted.results, plain.attempted.results)


@clause("ARG-07")
@pytest.mark.parametrize("option", [name for name in DEFAULTS if name != "nonlinearity"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with all others"])
def test_repr_shows_what_differs_from_its_default(option, alone, check):
    """An option that differs from its default is in the repr, as name=value."""
    given = {"num_layers": 2, option: OTHERS[option]} if alone else OTHERS
    value = {"dropout": r"1(\.0)?"}.get(option, str(OTHERS[option]))

    text = construct(check, (3, 4), {k: v for k, v in given.items() if k in DEFAULTS}).repr

    check.holds(re.search(rf"\b{option}={value}(?![\w.])", text), f"the repr does not show {option}: {text}")


@clause("ARG-07")
@pytest.mark.parametrize("sizes", [(3, 4), (4, 3), (10, 20)], ids=lambda sizes: "x".join(map(str, sizes)))
def test_repr_shows_the_sizes(sizes, check):
    """The repr begins with the class's name and shows input_size, then hidden_size."""
    text = construct(check, sizes).repr

    found = re.match(r"\w+\((?:input_size=)?(\d+), (?:hidden_size=)?(\d+)", text)
    check.equal("the sizes in the repr", found and tuple(map(int, found.groups())), sizes)


@clause("ARG-08")
def test_repr_tells_relu_from_tanh(check):
    """The repr of a relu layer is another one than that of a tanh layer."""
    tanh, relu = (construct(check, (3, 4), {"nonlinearity": name}).repr for name in ("tanh", "relu"))

    check.holds(tanh != relu, f"both print as {relu}")


@clause("ARG-09")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_every_parameter_has_the_dtype_given(dtype, check):
    """dtype is that of every parameter of every layer and direction."""
    layer = construct(check, (3, 4, 2), {"bidirectional": True, "dtype": Torch(dtype)})

    check.equal("device and dtype", placed(layer), {("cpu", f"torch.{dtype}")})


@clause("ARG-09")
@pytest.mark.parametrize("given", [None, "float32"], ids=["left out", "given"])
def test_default_dtype_is_that_of_construction(given, check):
    """Without dtype every parameter has the default dtype in force; a given one goes before it."""
    keywords = {} if given is None else {"dtype": Torch(given)}

    layer = construct(check, (3, 4, 2), keywords, default_dtype="float64")

    check.equal("device and dtype", placed(layer), {("cpu", f"torch.{given or 'float64'}")})


@clause("ARG-09")
@pytest.mark.parametrize("how", ["argument", "context", "argument in another context"])
def test_every_parameter_is_on_the_device_given(how, check):
    """device is that of every parameter; without it the device in force at construction is."""
    if how == "argument":
        layer = construct(check, (3, 4, 2), {"bidirectional": True, "device": "meta"})
    else:
        keywords = {} if how == "context" else {"device": "cpu"}
        layer = construct(check, (3, 4, 2), keywords, device="meta")

    where = "cpu" if how.endswith("another context") else "meta"
    check.equal("device and dtype", placed(layer), {(where, "torch.float32")})


@clause("ARG-10")
@pytest.mark.parametrize("device", ["cpu", "meta", None])
def test_device_is_the_ninth_positional_argument(device, check):
    """The ninth argument by position is device."""
    layer = construct(check, (*PLAIN.values(), device))

    check.equal("device and dtype", placed(layer), {(device or "cpu", "torch.float32")})


@clause("ARG-10")
@pytest.mark.parametrize("device", ["cpu", None])
def test_dtype_is_the_tenth_positional_argument(device, check):
    """The tenth argument by position is dtype."""
    layer = construct(check, (*PLAIN.values(), device, Torch("float64")))

    check.equal("device and dtype", placed(layer), {("cpu", "torch.float64")})


@clause("ARG-10")
def test_device_number_is_no_other_option(check):
    """A ninth argument that is a number is a device: it changes no shape of a parameter."""
    plain = shapes(construct(check, tuple(PLAIN.values())))

    answer = check.attempt(constructing((*PLAIN.values(), 1)))

    found = plain if answer.error else shapes(answer.attempted)  # there need not be a device of that number
    check.equal("shapes of the parameters", found, plain)


@clause("ARG-10")
def test_there_is_no_eleventh_positional_argument(check):
    """Eleven arguments by position are refused."""
    construct(check, tuple(PLAIN.values()))

    refused(check, constructing((*PLAIN.values(), 0, "cpu", Torch("float32"))), "an eleventh argument")


@clause("PAR-09")
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "two directions"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_all_weights_holds_the_parameters(num_layers, bidirectional, bias, check):
    """all_weights has a list for each layer and direction, of the layer's own parameter objects."""
    cls, _ = check.module_class()  # which objects they are, only the layer itself can show
    layer = cls(3, 4, num_layers, bidirectional=bidirectional, bias=bias)

    directions = ("", "_reverse") if bidirectional else ("",)
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if bias else 2]
    expected = [
        [id(getattr(layer, f"{kind}_l{k}{suffix}", None)) for kind in kinds]
        for k, suffix in itertools.product(range(num_layers), directions)
    ]
    check.equal("the type of all_weights", type(layer.all_weights), list)
    check.equal("all_weights", [list(map(id, weights)) for weights in layer.all_weights], expected)


@clause("PAR-11")
@pytest.mark.parametrize("options", ["plain", "all"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_parameter_requires_a_gradient(options, dtype, check):
    """Every parameter is a leaf that requires a gradient, and has none yet."""
    given = {**(PLAIN if options == "plain" else {**OTHERS, "bias": True}), "dtype": Torch(dtype)}
    layer = construct(check, (), given)

    found = {name: (p.requires_grad, p.is_leaf, p.grad) for name, p in layer.parameters.items()}
    check.equal("parameters", found, dict.fromkeys(found, (True, True, False)))


def construct(check, positional, keywords=None, **around):
    """What the layer shows; Nonconformity if it is refused. Warnings are another check's."""
    answer = check.attempt(constructing(positional, keywords, **around))
    check.holds(answer.error is None, f"a valid construction was refused: {answer.error}")
    return answer.attempted


def refused(check, attempt, what):
    """The construction is refused, with whatever error."""
    answer = check.attempt(attempt)
    check.holds(answer.error, f"{what} was accepted: {answer.attempted and answer.attempted.repr}")


def shapes(layer):
    """The shapes of its parameters."""
    return {name: p.shape for name, p in layer.parameters.items()}


def placed(layer):
    """The devices and dtypes of its parameters."""
    return {(p.device, f"torch.{p.dtype}") for p in layer.parameters.values()}


def facts(check, layer):
    """What a layer is, by what it does: its arguments as its parameters and answers show them."""
    check.holds(layer.fails is None, f"a layer was made that refuses a valid call: {layer.fails}")
    found, does = shapes(layer), layer.does
    check.holds(does, "the answer does not tell what the layer does")
    axes = (len(found.get("weight_ih_l0", ())), len(does.output), len(does.h_n))
    check.equal("the numbers of axes of weight_ih_l0, output and h_n", axes, (2, 3, 3))
    hidden_size = does.h_n[-1]
    bidirectional = does.output[-1] == 2 * hidden_size
    dropped = {True: 0.0, False: 1.0 if does.silent else None}[does.alike]
    return {
        "input_size": found["weight_ih_l0"][1],
        "hidden_size": hidden_size,
        "num_layers": does.h_n[0] // (2 if bidirectional else 1),
        "nonlinearity": "relu" if does.above_1 else "tanh",
        "bias": "bias_ih_l0" in found,
        "batch_first": {2: True, 7: False}.get(does.h_n[1]),
        "dropout": dropped,
        "bidirectional": bidirectional,
    }


def seen(arguments):
    """What `facts` shows of a layer of these arguments."""
    return {**arguments, "dropout": arguments["dropout"] if arguments["num_layers"] > 1 else 0.0}
