"""torch.nn.RNN and keras.layers.SimpleRNN side by side: the same weights, and each difference between them.

Needs torch and Keras, on the torch backend, and so is not collected by a run of the project's tests:
`tox -e keras-mapping`, or `pytest tests/peers` where both are installed.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import pytest
import torch

from rnn_spec.judge.compare import compare
from rnn_spec.peers.keras_simple_rnn import KerasSubject
from rnn_spec.peers.peer import carried
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe


def both(id, **options):
    """The case of this id, torch's layer with its parameters, and Keras's stack with the same."""
    case = Recipe.parse(id).case()
    c = case.config
    rnn = torch.nn.RNN(c.input_size, c.hidden_size, c.num_layers, c.nonlinearity)
    rnn.load_state_dict({name: torch.tensor(a).float() for name, a in case.parameters.items()})
    layers = []
    for own in carried(KerasSubject.layout, c, case.parameters):
        layer = keras.layers.SimpleRNN(c.hidden_size, c.nonlinearity, **options)
        layer.build((None, None, len(own["kernel"])))
        layer.set_weights(list(own.values()))
        layers.append(layer)
    return case, rnn, layers, torch.tensor(case.input).float()


def within(case, **arrays):
    """Each array is within the bound of what the spec says of the case."""
    expected = expect(case).arrays
    for name, got in arrays.items():
        assert compare(name, got.detach().numpy(), expected[name]).holds, name


IDS = ["small-L1-tanh-noh0-float32", "square-L1-relu-noh0-float32", "odd-L1-tanh-noh0-float32"]


@pytest.mark.parametrize("id", IDS)
def test_torch_is_time_major_and_keras_batch_major(id):
    """The same input, (T, N, I) for torch and (N, T, I) for Keras, gives the same numbers, transposed."""
    case, rnn, [layer], x = both(id, return_sequences=True)

    theirs = layer(x.swapaxes(0, 1))

    assert theirs.shape == (x.shape[1], x.shape[0], rnn.hidden_size)
    within(case, output=rnn(x)[0])
    within(case, output=theirs.swapaxes(0, 1))


@pytest.mark.parametrize("id", IDS)
def test_torch_reads_keras_input_with_batch_first(id):
    """With batch_first=True torch takes what Keras takes, and gives what Keras gives."""
    case, rnn, [layer], x = both(id, return_sequences=True)
    first = torch.nn.RNN(rnn.input_size, rnn.hidden_size, nonlinearity=rnn.nonlinearity, batch_first=True)
    first.load_state_dict(rnn.state_dict())

    ours, theirs = first(x.swapaxes(0, 1))[0], layer(x.swapaxes(0, 1))

    assert ours.shape == theirs.shape
    within(case, output=ours.swapaxes(0, 1))
    within(case, output=theirs.swapaxes(0, 1))


def test_keras_reads_an_input_of_equal_axes_as_batch_major():
    """Where T == N nothing tells the layouts apart, and Keras reads torch's input as another batch."""
    case, _, [layer], x = both("square-L1-tanh-noh0-float32", return_sequences=True)

    with pytest.raises(AssertionError):
        within(case, output=layer(x))


@pytest.mark.parametrize(("sequences", "state"), [(False, False), (False, True), (True, False), (True, True)])
def test_torch_returns_both_and_keras_what_it_is_told(sequences, state):
    """torch always gives (output, h_n); Keras one of them, or both, by return_sequences and return_state."""
    options = {"return_sequences": sequences, "return_state": state}
    case, rnn, [layer], x = both("small-L1-tanh-noh0-float32", **options)
    output, h_n = rnn(x)
    within(case, output=output, h_n=h_n)

    theirs = layer(x.swapaxes(0, 1))

    first, *final = theirs if state else [theirs]
    if sequences:
        within(case, output=first.swapaxes(0, 1))
    else:  # the last output, (N, H), which is the final state without torch's first axis
        within(case, h_n=first[None])
    assert len(final) == state
    for h in final:
        within(case, h_n=h[None])


@pytest.mark.parametrize("id", ["small-L2-tanh-noh0-float32", "small-L3-relu-noh0-float32"])
def test_torch_stacks_by_num_layers_and_keras_by_layers(id):
    """num_layers=L is L SimpleRNNs in a Sequential, each with return_sequences=True."""
    case, rnn, layers, x = both(id, return_sequences=True)

    theirs = keras.Sequential(layers)(x.swapaxes(0, 1))

    within(case, output=rnn(x)[0])
    within(case, output=theirs.swapaxes(0, 1))


def test_a_stack_in_keras_needs_every_step_of_the_layers_below():
    """Without return_sequences a layer gives its last output only, which has no time axis, and is refused."""
    _, _, layers, x = both("small-L2-tanh-noh0-float32")

    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layers[1](layers[0](x.swapaxes(0, 1)))


@pytest.mark.parametrize("id", ["small-L2-tanh-noh0-float32"])
def test_keras_gives_one_layers_state_and_torch_every_layers(id):
    """torch's h_n holds each layer's state; in Keras each layer has its own return_state."""
    case, rnn, layers, x = both(id, return_sequences=True, return_state=True)

    y, finals = x.swapaxes(0, 1), []
    for layer in layers:
        y, final = layer(y)
        finals.append(final)

    within(case, h_n=rnn(x)[1])
    within(case, h_n=torch.stack(finals), output=y.swapaxes(0, 1))


def test_the_two_biases_of_torch_are_one_in_keras():
    """Keras's bias is the sum of torch's two: either alone gives other numbers."""
    case, rnn, [layer], x = both("small-L1-tanh-noh0-float32", return_sequences=True)
    own = carried(KerasSubject.layout, case.config, case.parameters)[0]

    for name in ("bias_ih_l0", "bias_hh_l0"):
        layer.set_weights([own["kernel"], own["recurrent_kernel"], case.parameters[name]])
        with pytest.raises(AssertionError):
            within(case, output=layer(x.swapaxes(0, 1)).swapaxes(0, 1))
    layer.set_weights(list(own.values()))
    within(case, output=layer(x.swapaxes(0, 1)).swapaxes(0, 1))
    assert rnn.bias_ih_l0.shape == rnn.bias_hh_l0.shape == layer.cell.bias.shape
