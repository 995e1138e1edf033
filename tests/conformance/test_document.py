"""The document and nn.RNN's docstring, sentence by sentence: what they print is what happens.

The document's examples draw random numbers; these have generic ones of the same shapes. What it
compares with ``==`` is compared bit for bit.
"""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.laws import part
from rnn_spec.questions import data
from rnn_spec.questions.records import Case
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause

batch_size, seq_len, feature_size, n_hidden = 3, 5, 10, 2  # the document's own names and sizes


def example(name, *, dtype="float32", h_0=None, training=False, hidden_size=n_hidden, **options):
    """An example of the document: nn.RNN(10, hidden_size, **options), called with x and h0."""
    config = Config(feature_size, hidden_size, **options)
    x = data.dyadic("document/x", (seq_len, batch_size, feature_size), 6)
    return Case(
        id=f"document-{name}-{dtype}",
        config=config,
        parameters=data.parameters("document", config),
        input=x.swapaxes(0, 1) if config.batch_first else x,
        h_0=data.states("document", config, batch_size) if h_0 is None else h_0,
        training=training,
        dtype=dtype,
    )


def first(dtype="float32"):
    """rnn = nn.RNN(10, n_hidden)."""
    return example("first", dtype=dtype)


def stacked(dtype="float32"):
    """rnn = nn.RNN(10, n_hidden, num_layers)."""
    return example("num_layers", dtype=dtype, num_layers=3)


def two_ways(dtype="float32"):
    """rnn = nn.RNN(10, n_hidden, bidirectional=True), with h0 = torch.zeros(2, batch_size, n_hidden)."""
    h0 = np.zeros((2, batch_size, n_hidden))
    return example("bidirectional", dtype=dtype, bidirectional=True, h_0=h0)


def docstring(**options):
    """The docstring's own rnn = nn.RNN(10, 20, 2)."""
    return example("-".join(["docstring", *options]), hidden_size=20, num_layers=2, **options)


# -- the list of arguments ----------------------------------------------------------------------


@clause("STK-01")
def test_second_layer_takes_in_the_outputs_of_the_first(check):
    """num_layers=2 stacks two RNNs, the second taking in the outputs of the first."""
    stack = check.fit(example("two-layers", num_layers=2))
    first = check.ask(part(stack, range(1), (0,), "first RNN"))
    outputs = first.output.astype(np.float64)

    second = check.ask(part(stack, range(1, 2), (0,), "second RNN", input=outputs))

    check.same(stack, output=second.output, h_n=np.concatenate([first.h_n, second.h_n]))


@clause("NLN-01")
def test_default_nonlinearity_is_tanh(check):
    """nonlinearity is 'tanh' by default."""
    check.conforms(check.fit(first(), "dtype", "bias"), "output", "h_n")


@clause("NLN-04")
def test_nonlinearity_can_be_relu(check):
    """nonlinearity can be 'relu'."""
    check.conforms(check.fit(example("relu", nonlinearity="relu"), "dtype", "bias"), "output", "h_n")


@clause("BIA-01")
def test_without_bias_the_layer_uses_no_bias_weights(check):
    """With bias=False the layer does not use bias weights b_ih and b_hh."""
    case = check.fit(example("no-bias", bias=False), "dtype", "nonlinearity")

    check.conforms(case, "output", "h_n")
    check.equal("parameters", sorted(check.parameters(case)), ["weight_hh_l0", "weight_ih_l0"])


@clause("BF-01")
def test_batch_first_provides_batch_seq_feature(check):
    """With batch_first=True input and output are (batch, seq, feature)."""
    answer = check.ask(check.fit(example("batch_first", batch_first=True)), shaped=False)

    check.equal("output.shape", answer.output.shape, (batch_size, seq_len, n_hidden))


@clause("DRP-10")
def test_dropout_is_on_the_outputs_of_each_layer_but_the_last(check):
    """dropout acts between layers, and in evaluation mode not at all."""
    case = check.fit(example("dropout", num_layers=3, dropout=1.0))

    answer = check.ask(case)

    check.same(check.fit(stacked()), output=answer.output, h_n=answer.h_n)


@clause("DRP-01")
def test_dropout_of_everything_silences_what_is_between_layers(check):
    """With dropout=1 in training mode each layer above the first reads zeros."""
    check.conforms(check.fit(example("training", num_layers=3, dropout=1.0, training=True)), "output", "h_n")


@clause("DIR-06")
def test_bidirectional_becomes_a_bidirectional_rnn(check):
    """With bidirectional=True a second direction reads the sequence from its end."""
    check.conforms(check.fit(two_ways()), "output", "h_n")


# -- 示例, the first example ----------------------------------------------------------------------


@clause("SHP-03")
def test_first_example_prints_its_shapes(check):
    """output.shape is (5, 3, 2) and hidden_state.shape is (1, 3, 2)."""
    answer = check.ask(check.fit(first()), shaped=False)

    check.equal("output.shape", answer.output.shape, (5, 3, 2))
    check.equal("hidden_state.shape", answer.h_n.shape, (1, 3, 2))


@clause("HID-06")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hidden_state_is_the_output_of_the_last_time_step(dtype, check):
    """output[-1] == hidden_state is True in every element."""
    answer = check.ask(check.fit(first(dtype)))

    check.equal("output[-1]", answer.output[-1][None], answer.h_n)


@clause("SHP-06")
def test_sequence_and_state_are_returned_directly(check):
    """output, the whole sequence, and hidden_state are returned, with no options that say so."""
    answer = check.ask(check.fit(first()), shaped=False)

    check.equal("number of steps in output", len(answer.output), seq_len)
    check.equal("number of entries in hidden_state", len(answer.h_n), 1)


# -- num_layers -----------------------------------------------------------------------------------


@clause("SHP-04")
def test_num_layers_example_prints_its_shapes(check):
    """With num_layers=3 output.shape is (5, 3, 2) and hidden_state.shape is (3, 3, 2)."""
    answer = check.ask(check.fit(stacked()), shaped=False)

    check.equal("output.shape", answer.output.shape, (5, 3, 2))
    check.equal("hidden_state.shape", answer.h_n.shape, (3, 3, 2))


@clause("HID-07")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hidden_state_of_the_last_layer_is_the_output_of_the_last_time_step(dtype, check):
    """output[-1] == hidden_state[-1] is True in every element, with three layers."""
    answer = check.ask(check.fit(stacked(dtype)))

    check.equal("output[-1]", answer.output[-1], answer.h_n[-1])


@clause("STK-04")
def test_hidden_layers_are_as_wide_as_the_output(check):
    """The layers in between have as many units as the last one."""
    answer = check.ask(check.fit(stacked()), shaped=False)

    check.equal("units of each layer", [state.shape for state in answer.h_n], [(batch_size, n_hidden)] * 3)


@clause("PAR-03")
def test_weight_ih_of_the_first_layer_is_hidden_size_by_input_size(check):
    """rnn.weight_ih_l0.shape is (2, 10)."""
    check.equal("rnn.weight_ih_l0.shape", check.parameters(check.fit(stacked())).get("weight_ih_l0"), (2, 10))


@clause("PAR-04")
@pytest.mark.parametrize("layer", [1, 2])
def test_weight_ih_of_the_other_layers_is_square(layer, check):
    """rnn.weight_ih_l1.shape and rnn.weight_ih_l2.shape are (2, 2)."""
    name = f"weight_ih_l{layer}"

    check.equal(f"rnn.{name}.shape", check.parameters(check.fit(stacked())).get(name), (2, 2))


@clause("PAR-05")
@pytest.mark.parametrize("name", ["weight_ih_l1", "weight_ih_l1_reverse"])
def test_weight_ih_above_the_first_layer_is_wider_with_two_directions(name, check):
    """What the document leaves out: with two directions the weight_ih above layer 0 are (2, 4)."""
    case = check.fit(example("two-ways-stacked", num_layers=2, bidirectional=True))

    check.equal(f"rnn.{name}.shape", check.parameters(case).get(name), (2, 4))


@clause("PAR-06")
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_weight_hh_is_hidden_size_by_hidden_size(layer, check):
    """rnn.weight_hh_l0.shape, rnn.weight_hh_l1.shape and rnn.weight_hh_l2.shape are (2, 2)."""
    name = f"weight_hh_l{layer}"

    check.equal(f"rnn.{name}.shape", check.parameters(check.fit(stacked())).get(name), (2, 2))


# -- bidirectional --------------------------------------------------------------------------------


@clause("SHP-05")
def test_bidirectional_example_prints_its_shapes(check):
    """With two directions output.shape is (5, 3, 4) and hidden_state.shape is (2, 3, 2)."""
    answer = check.ask(check.fit(two_ways()), shaped=False)

    check.equal("output.shape", answer.output.shape, (5, 3, 4))
    check.equal("hidden_state.shape", answer.h_n.shape, (2, 3, 2))


@clause("DIR-05")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hidden_state_is_the_two_ends_of_output(dtype, check):
    """hidden_state == torch.cat((h3_left, h3_right)).view(2, -1, n_hidden) is True in every element."""
    answer = check.ask(check.fit(two_ways(dtype)))

    h3_left = answer.output[-1, :, :n_hidden]
    h3_right = answer.output[0, :, n_hidden:]
    check.equal("hidden_state", answer.h_n, np.concatenate((h3_left, h3_right)).reshape(2, -1, n_hidden))


# -- nn.RNN's docstring ---------------------------------------------------------------------------


@clause("SHP-01")
def test_docstring_example_gives_the_documented_output(check):
    """nn.RNN(10, 20, 2) on an input of (5, 3, 10) gives an output of (5, 3, 20)."""
    check.equal("output.shape", check.ask(check.fit(docstring()), shaped=False).output.shape, (5, 3, 20))


@clause("SHP-02")
def test_docstring_example_gives_the_documented_final_states(check):
    """nn.RNN(10, 20, 2) with an h0 of (2, 3, 20) gives an hn of (2, 3, 20)."""
    check.equal("hn.shape", check.ask(check.fit(docstring()), shaped=False).h_n.shape, (2, 3, 20))


@clause("REC-04")
@pytest.mark.parametrize("batch_first", [False, True])
def test_docstring_loop_is_the_forward_pass(batch_first, check):
    """The loop over steps and layers that nn.RNN's docstring prints gives output and h_n."""
    case = check.fit(docstring(batch_first=True) if batch_first else docstring(), "dtype")

    output, h_t = forward(case.parameters, case.config.num_layers, case.input, case.h_0, batch_first)

    check.same(case, output=output, h_n=h_t)


def forward(params, num_layers, x, hx, batch_first=False):
    """The docstring's loop, line by line, for a given hx."""
    if batch_first:
        x = x.swapaxes(0, 1)
    seq_len = x.shape[0]
    h_t_minus_1 = hx.copy()
    h_t = hx.copy()
    output = []
    for t in range(seq_len):
        for layer in range(num_layers):
            input_t = x[t] if layer == 0 else h_t[layer - 1]
            h_t[layer] = np.tanh(
                input_t @ params[f"weight_ih_l{layer}"].T
                + h_t_minus_1[layer] @ params[f"weight_hh_l{layer}"].T
                + params[f"bias_hh_l{layer}"]
                + params[f"bias_ih_l{layer}"]
            )
        output.append(h_t[-1].copy())
        h_t_minus_1 = h_t.copy()
    output = np.stack(output)
    if batch_first:
        output = output.swapaxes(0, 1)
    return output, h_t
