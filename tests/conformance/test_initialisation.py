"""What a new layer's parameters are: the distribution, reset_parameters and seeds (area INI).

The layers are drawn one after another from one seed; false alarms are as rare as `judge.uniform` says.
"""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest

from rnn_spec.judge import uniform
from rnn_spec.questions.attempts import constructing
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause

LAYERS = {
    "one layer": {},
    "both directions": {"num_layers": 2, "bidirectional": True},
    "deep relu": {"num_layers": 3, "nonlinearity": "relu"},
    "no bias": {"num_layers": 2, "bias": False, "batch_first": True},
    "wide input": {"input_size": 70},
    "float64": {"bidirectional": True, "dtype": "float64"},
}
SIZES = {"input_size": 9, "hidden_size": 36}
DRAWN = 48  # layers, so that even a bias has 1,728 draws

of_every_layer = pytest.mark.parametrize("layers", list(LAYERS))


@clause("INI-01")
@of_every_layer
def test_every_parameter_is_uniform(layers, check):
    """Each parameter is spread evenly over the interval from -1/sqrt(H) to 1/sqrt(H), biases included."""
    found = draws(check, layers)

    for name, values in found.items():
        wrong = uniform.misfit(values, BOUND, looks=3 * len(found))
        check.holds(wrong is None, f"{name}: {wrong}")


@clause("INI-01")
@of_every_layer
def test_parameters_are_independent_of_each_other(layers, check):
    """No parameter of a layer goes with another one of it: other directions, layers, weights and biases."""
    found = draws(check, layers)

    pairs = list(itertools.combinations(found, 2))
    for a, b in pairs:
        size = min(found[a][0].size, found[b][0].size)
        first, second = (found[n].reshape(DRAWN, -1)[:, :size] for n in (a, b))
        wrong = uniform.related(first, second, BOUND, len(pairs))
        check.holds(wrong is None, f"{a} and {b}: {wrong}")


@clause("INI-01")
@of_every_layer
def test_elements_of_a_parameter_are_independent(layers, check):
    """Neighbouring rows, neighbouring columns, and a square matrix and its transpose are independent."""
    found = draws(check, layers)

    for name, values in found.items():
        for axis in range(1, values.ndim):
            even = values.shape[axis] // 2 * 2
            first, second = (values.take(range(i, even, 2), axis) for i in (0, 1))
            wrong = uniform.related(first, second, BOUND, looks=3 * len(found))
            check.holds(wrong is None, f"neighbours of {name} along axis {axis - 1}: {wrong}")
        if name.startswith("weight_hh"):
            upper = np.triu_indices(values.shape[1], 1)
            wrong = uniform.related(
                values[:, *upper], values.swapaxes(1, 2)[:, *upper], BOUND, looks=3 * len(found)
            )
            check.holds(wrong is None, f"{name} and its transpose: {wrong}")


@clause("INI-01")
@of_every_layer
def test_layers_are_independent_of_each_other(layers, check):
    """A layer's parameters do not go with those of the layer that was made before it."""
    found = draws(check, layers)

    for name, values in found.items():
        wrong = uniform.related(values[0::2], values[1::2], BOUND, looks=len(found))
        check.holds(wrong is None, f"{name} of two layers: {wrong}")


@clause("INI-01")
@pytest.mark.parametrize("hidden_size", [1, 2, 7, 100])
def test_interval_depends_on_hidden_size_alone(hidden_size, check):
    """The interval is the same for every input_size, and follows hidden_size."""
    for input_size in (1, 50):
        options = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": 2}
        for name, values in drawn(check, options, -(-200 // hidden_size), seed=3).items():
            wrong = uniform.misfit(values, 1 / math.sqrt(hidden_size), looks=16)
            check.holds(wrong is None, f"{name} with input_size {input_size}: {wrong}")


@clause("INI-02")
@of_every_layer
def test_reset_parameters_draws_every_parameter_again(layers, check):
    """After reset_parameters every parameter has a new layer's distribution, whatever it held before."""
    found = draws(check, layers, reset=True)

    for name, values in found.items():
        wrong = uniform.misfit(values, BOUND, looks=3 * len(found))
        check.holds(wrong is None, f"{name}: {wrong}")


@clause("INI-02")
@of_every_layer
def test_reset_parameters_is_independent_of_the_values_before(layers, check):
    """The values after reset_parameters do not go with those before it."""
    before, after = draws(check, layers), draws(check, layers, reset=True, trained=False)

    for name, values in after.items():
        wrong = uniform.related(values, before[name], BOUND, looks=len(after))
        check.holds(wrong is None, f"{name} before and after: {wrong}")


@clause("INI-02")
@of_every_layer
def test_reset_parameters_works_in_place(layers, check):
    """reset_parameters leaves the objects and their memory, so that an optimizer goes on with them."""
    layer = make(check, layers)  # which objects they are, only the layer itself can show
    before = {name: (p, p.data_ptr(), p.requires_grad) for name, p in layer.named_parameters()}

    layer.reset_parameters()

    after = dict(layer.named_parameters())
    check.equal("names of the parameters", list(after), list(before))
    for name, (parameter, pointer, requires_grad) in before.items():
        check.holds(after[name] is parameter, f"{name} is another object")
        check.equal(f"the memory of {name}", after[name].data_ptr(), pointer)
        check.equal(f"whether {name} requires a gradient", after[name].requires_grad, requires_grad)


@clause("INI-03")
@of_every_layer
def test_same_seed_gives_the_same_bits(layers, check):
    """Two layers made after the same seed with the same arguments have the same parameters, bit for bit."""
    options = {**SIZES, **LAYERS[layers]}

    first, second = drawn(check, options, 1, seed=11), drawn(check, options, 2, seed=11)

    for name, values in second.items():
        check.equal(name, values[:1], first[name])


@clause("INI-03")
@of_every_layer
def test_same_seed_resets_to_the_same_bits(layers, check):
    """reset_parameters after the same seed gives the same parameters, whatever they were before."""
    _, torch = check.module_class()
    first, second = make(check, layers), make(check, layers)

    for layer in (first, second):
        torch.manual_seed(12)
        layer.reset_parameters()

    for name, values in parameters(second).items():
        check.equal(name, values, parameters(first)[name])


BOUND = 1 / math.sqrt(SIZES["hidden_size"])


def make(check, layers):
    """A layer of these options, whose reset_parameters can be called."""
    cls, torch = check.module_class()
    options = {**SIZES, **LAYERS[layers]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning is another check's
        return cls(**{**options, "dtype": getattr(torch, options.get("dtype", "float32"))})


def parameters(layer):
    """Its parameters as arrays."""
    return {name: p.detach().numpy().copy() for name, p in layer.named_parameters()}


def draws(check, layers, *, reset=False, trained=True):
    """The parameters of many layers, stacked; with `reset` after reset_parameters, `trained` in between."""
    if not reset:
        return drawn(check, {**SIZES, **LAYERS[layers]}, DRAWN, seed=7)
    _, torch = check.module_class()
    torch.manual_seed(7)
    made = [make(check, layers) for _ in range(DRAWN)]
    for layer in made:
        for parameter in layer.parameters() if trained else ():
            parameter.detach().add_(3)
        layer.reset_parameters()
    arrays = [parameters(layer) for layer in made]
    return {name: np.array([a[name] for a in arrays]) for name in arrays[0]}


def drawn(check, options, count, seed):
    """The parameters of so many layers that are made one after another from a seed, stacked."""
    flags = {name: value for name, value in options.items() if name != "dtype"}
    around = {"default_dtype": options["dtype"]} if "dtype" in options else {}
    answer = check.attempt(constructing((), flags, draws=count, seed=seed, **around))
    check.holds(answer.error is None, f"a valid construction was refused: {answer.error}")
    values = check.told("after", answer.after)
    shapes = {name: (count, *shape) for name, shape in Config(**flags).parameter_shapes().items()}
    check.equal("shapes of the parameters", {name: np.shape(x) for name, x in values.items()}, shapes)
    return values
