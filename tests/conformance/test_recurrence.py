"""The recurrence: its terms, its order in time, and what it does not depend on (area REC)."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.laws import derive, eye, furnish, shift
from rnn_spec.judge.stepwise import step_bounds
from rnn_spec.questions.product import sized
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause, every, named, pinned

ONE_STEP = (
    "cell-L1-relu-nobias-float32",
    "square-L1-relu-nobias-float32",
    "odd-L1-relu-nobias-float32",
    "wide-L1-relu-nobias-float64",
)
FORWARD = (
    "small-L1-tanh-float64",
    "small-L2-tanh-float32",
    "odd-L1-relu-float32",
    "odd-L3-relu-float32",
    "batch-L1-tanh-float32",
    "long-L1-tanh-float64",
    "wide-L1-tanh-float32",
    "square-L2-relu-nobias-float64",
)
AROUND = [n + d for n in (16, 32, 48, 64, 96, 128) for d in (-1, 0, 1)]
"""Where kernels change their path: at multiples of what a vector or a tile holds, and one to either side."""


@clause("REC-01")
@named(*ONE_STEP)
def test_unit_vectors_show_weight_ih(case, check):
    """The j-th unit vector as input makes the pre-activations column j of weight_ih."""
    shows_weight_ih(case, check)


@clause("REC-02")
@named(*ONE_STEP)
def test_unit_vectors_show_weight_hh(case, check):
    """The j-th unit vector as previous state makes the pre-activations column j of weight_hh."""
    shows_weight_hh(case, check)


@clause("REC-01")
@pytest.mark.parametrize("input_size", [2, *AROUND, 255, 256, 257, 511, 512, 513])
def test_weight_ih_of_any_number_of_features(input_size, check):
    """The unit vectors of any number of features show each column of weight_ih, and nothing else acts."""
    config = Config(input_size, 5, 1, "relu", bias=False)

    shows_weight_ih(check.fit(sized(f"{input_size} features", config, 1, 1)), check)


@clause("REC-02")
@pytest.mark.parametrize("hidden_size", [2, 8, 9, *AROUND])
def test_weight_hh_of_any_number_of_units(hidden_size, check):
    """The unit vectors of any number of units show each column of weight_hh, and nothing else acts."""
    config = Config(5, hidden_size, 1, "relu", bias=False)

    shows_weight_hh(check.fit(sized(f"{hidden_size} units", config, 1, 1)), check)


@clause("REC-03")
@pinned("bias")
@named("cell-L1-relu-float32", "small-L1-relu-float32", "odd-L1-relu-float32", "wide-L1-relu-float64")
def test_both_biases_are_added_once_at_every_step(case, check):
    """With zero weights a relu layer answers with bias_ih + bias_hh at every time step."""
    b_ih, b_hh = abs(case.parameters["bias_ih_l0"]), abs(case.parameters["bias_hh_l0"])
    probe = furnish(case, "biases only", bias_ih=lambda *_: b_ih, bias_hh=lambda *_: b_hh)

    T, N = case.input.shape[:2]
    check.shows(probe, "output", np.zeros((T, N, 1)) + (b_ih + b_hh))


@clause("REC-04")
@every()
def test_output_follows_from_the_four_terms(case, check):
    """Every output is the nonlinearity of the sum of the four terms, at every step and in every unit."""
    check.conforms(case, "output")


@clause("REC-04")
@named("cell-L1-tanh-float32", "small-L2-relu-bi-float64")
def test_tiny_numbers_count_beside_all_four_terms(case, check):
    """An input and h_0 of 2^-20 of their size leave every term in the sum."""
    tiny = case.derive("tiny", input=np.ldexp(case.input, -20), h_0=np.ldexp(case.h_0, -20))

    check.conforms(tiny, "output", "h_n", "grad *")


@clause("REC-05")
@named("small-L1-relu-nobias-float32", "odd-L1-relu-nobias-float64", "long-L1-relu-nobias-float32")
def test_state_moves_on_step_by_step(case, check):
    """A recurrent matrix that shifts by one unit moves the state on by one unit at every step."""
    first = abs(case.h_0)
    probe = furnish(case, "shifting", h_0=first, weight_hh=shift)

    moved = [np.roll(first[0], t + 1, axis=-1) for t in range(case.input.shape[0])]
    check.shows(probe, "output", np.stack(moved))


@clause("REC-05")
@named("small-L1-tanh-float64", "odd-L1-relu-float32", "long-L1-tanh-bi-float32", "wide-L1-tanh-float32")
def test_each_state_follows_from_the_subjects_own_previous_one(case, check):
    """Each state is one step of the recurrence away from the one that the layer itself returned before."""
    answer = check.ask(case)

    T, N = case.input.shape[:2]
    own = answer.output.astype(np.float64)
    steps = step_bounds(case.config, case.parameters, case.dtype, 0, case.input, own, case.h_0, np.full(N, T))
    check.within("output", answer.output, steps)


@clause("REC-06")
@named("small-L1-relu-nobias-float32", "odd-L2-relu-nobias-float64", "square-L1-relu-nobias-float32")
def test_memoryless_layer_echoes_each_step(case, check):
    """Without recurrent weights a relu layer with identity weight_ih echoes each step at its own time."""
    probe = furnish(case, "echo", weight_ih=eye)

    echo = np.zeros((*case.input.shape[:2], case.config.hidden_size))
    width = min(case.config.input_size, case.config.hidden_size)
    echo[..., :width] = np.maximum(case.input[..., :width], 0)
    check.shows(probe, "output", echo)


@clause("REC-07")
@named(*FORWARD)
def test_later_inputs_do_not_reach_earlier_outputs(case, check):
    """Changing the input from a time step on leaves every output before it as it was."""
    T = case.input.shape[0]
    start = T - max(T // 3, 1)
    changed = case.input.copy()
    changed[start:] = 4 - changed[start:]

    answer = check.ask(derive(case, f"changed from step {start}", input=changed))

    expected = check.expect(case).arrays["output"]
    check.within("output before the change", answer.output[:start], expected[:start])


@clause("REC-08")
@pytest.mark.parametrize("kept", [0, 1])
@named(*FORWARD)
def test_rows_do_not_reach_each_other(case, kept, check):
    """Changing every other row of input and h_0 leaves the rows between them as they were."""
    changed, h_0 = case.input.copy(), case.h_0.copy()
    changed[:, 1 - kept :: 2] = 4 - changed[:, 1 - kept :: 2]
    h_0[:, 1 - kept :: 2] *= -0.5

    answer = check.ask(derive(case, f"changed all rows but {kept}::2", input=changed, h_0=h_0))

    expected = check.expect(case).arrays
    check.within("output", answer.output[:, kept::2], expected["output"][:, kept::2])
    check.within("h_n", answer.h_n[:, kept::2], expected["h_n"][:, kept::2])


@clause("REC-08")
@pytest.mark.parametrize("batch", [2, 8, 9, *AROUND])
def test_any_number_of_rows_answers_as_its_halves(batch, check):
    """A batch of any number of rows answers as its two halves do, each asked alone."""
    case = check.fit(sized(f"{batch} rows", Config(3, 5), 3, batch))
    rows = slice(batch // 2), slice(batch // 2, batch)

    halves = [
        check.ask(derive(case, f"half {i}", input=case.input[:, half], h_0=case.h_0[:, half]))
        for i, half in enumerate(rows)
    ]

    outputs, finals = [half.output for half in halves], [half.h_n for half in halves]
    check.same(case, output=np.concatenate(outputs, axis=1), h_n=np.concatenate(finals, axis=1))


@clause("REC-09")
@named(*FORWARD)
def test_permuting_rows_permutes_answers(case, check):
    """Permuting the batch rows of input and h_0 permutes output and h_n alike."""
    order = np.roll(np.arange(case.input.shape[1])[::-1], 1)
    permuted = derive(case, "rows permuted", input=case.input[:, order], h_0=case.h_0[:, order])

    answer = check.ask(permuted)

    back = np.argsort(order)
    check.same(case, output=answer.output[:, back], h_n=answer.h_n[:, back])


@clause("REC-10")
@pytest.mark.parametrize("first", [1, 5])
@named(
    "small-L1-tanh-float64", "odd-L1-relu-float32", "long-L1-relu-nobias-float32", "square-L1-tanh-float64"
)
def test_sequence_may_be_split_in_time(case, first, check):
    """Running a sequence in two calls, h_n of the first as h_0 of the second, is running it in one."""
    start = check.ask(derive(case, f"first {first}", input=case.input[:first]))
    carried = start.h_n.astype(np.float64)

    rest = check.ask(derive(case, f"after {first}", input=case.input[first:], h_0=carried))

    check.same(case, output=np.concatenate([start.output, rest.output]), h_n=rest.h_n)


@clause("REC-11")
@named("cell-L1-tanh-float32", "small-L1-relu-float64", "odd-L1-tanh-float32", "wide-L1-tanh-nobias-float64")
def test_permuting_hidden_units_permutes_answers(case, check):
    """Permuting the hidden units of parameters and h_0 permutes the features of output and h_n alike."""
    order = np.roll(np.arange(case.config.hidden_size)[::-1], 1)
    parameters = {name: value[order] for name, value in case.parameters.items()}
    parameters["weight_hh_l0"] = parameters["weight_hh_l0"][:, order]
    permuted = derive(case, "units permuted", parameters=parameters, h_0=case.h_0[..., order])

    answer = check.ask(permuted)

    back = np.argsort(order)
    check.same(case, output=answer.output[..., back], h_n=answer.h_n[..., back])


@clause("REC-12")
@pytest.mark.parametrize("seq_len", [1, 2, 3, 7, 8, 9, *AROUND, 255, 256, 257])
@named("long-L1-relu-float32", "long-L2-tanh-float64")
def test_every_length_follows_the_recurrence(case, seq_len, check):
    """A sequence of any length from 1 up is right at every step, and its h_n is of its own last step."""
    check.conforms(derive(case, f"{seq_len} steps", input=case.input[:seq_len]), "output", "h_n")


def shows_weight_ih(case, check):
    """Unit vectors as the rows of one input, to a layer in which nothing else acts, show weight_ih."""
    positive = abs(case.parameters["weight_ih_l0"])
    units = np.eye(case.config.input_size)[None]

    probe = furnish(case, "unit inputs", input=units, weight_ih=lambda *_: positive)

    check.shows(probe, "output", positive.T[None])


def shows_weight_hh(case, check):
    """Unit vectors as the rows of h_0, of a layer in which nothing else acts, show weight_hh."""
    I, H = case.config.input_size, case.config.hidden_size
    positive = abs(case.parameters["weight_hh_l0"])

    probe = furnish(
        case, "unit states", input=np.zeros((1, H, I)), h_0=np.eye(H)[None], weight_hh=lambda *_: positive
    )

    check.shows(probe, "output", positive.T[None])
