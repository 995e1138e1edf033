"""Unbatched input: a sequence without a batch axis (area UNB)."""

from __future__ import annotations

from dataclasses import replace

from rnn_spec.questions.data import SIZES
from rnn_spec.questions.records import Cotangents
from rnn_spec.suite.marks import clause, named, standard

UNBATCHED = (
    "small-L1-tanh-unbatched-float32",
    "small-L2-tanh-bi-unbatched-float32",
    "small-L3-relu-bi-unbatched-float64",
    "odd-L1-tanh-nobias-unbatched-float32",
    "square-L2-relu-unbatched-float32",
    "long-L1-relu-bi-unbatched-noh0-float64",
)


@clause("UNB-01")
@standard(batched=False)
def test_output_has_no_batch_axis(case, check):
    """A 2-D input gives an output of shape (seq_len, D * hidden_size)."""
    size = SIZES[case.id.split("-")[0]]

    shape = check.ask(case).output.shape

    check.equal("output.shape", shape, (size.seq_len, case.config.num_directions * size.hidden_size))


@clause("UNB-01")
@named(*UNBATCHED)
def test_output_is_that_of_a_batch_of_one(case, check):
    """A 2-D input gives the output that the same sequence gives as a batch of one."""
    expected = check.ask(batch_of_one(case)).output[:, 0]

    check.agree("output", check.ask(case).output, expected, check.expect(case).arrays["output"])


@clause("UNB-01")
@named(*UNBATCHED)
def test_gradients_are_those_of_a_batch_of_one(case, check):
    """A 2-D input gives the gradients that the same sequence gives as a batch of one."""
    expected = dict(check.gradients(batch_of_one(case)))
    for name in {"input", "h_0"} & expected.keys():
        expected[name] = expected[name][:, 0]

    for name, got in check.gradients(case).items():
        check.agree(f"grad {name}", got, expected[name], check.expect(case).arrays[f"grad {name}"])


@clause("UNB-02")
@standard(batched=False)
def test_final_state_has_no_batch_axis(case, check):
    """For a 2-D input h_n has the shape (D * num_layers, hidden_size)."""
    c = case.config

    shape = check.ask(case).h_n.shape

    check.equal("h_n.shape", shape, (c.num_directions * c.num_layers, c.hidden_size))


@clause("UNB-02")
@named(*UNBATCHED)
def test_states_are_those_of_a_batch_of_one(case, check):
    """A 2-D h_0 gives the h_n that it gives as the h_0 of a batch of one."""
    expected = check.ask(batch_of_one(case)).h_n[:, 0]

    check.agree("h_n", check.ask(case).h_n, expected, check.expect(case).arrays["h_n"])


@clause("UNB-02")
@standard(batched=False, h_0=True)
def test_the_given_state_is_read(case, check):
    """For a 2-D input the 2-D h_0 is where the recurrence starts, in every layer and direction."""
    check.conforms(case, "output", "h_n")


@clause("UNB-03")
@named(*UNBATCHED)
def test_batch_first_has_no_effect_on_a_single_sequence(case, check):
    """For a 2-D input batch_first=True and batch_first=False give the same numbers."""
    batch_first = case.derive("batch_first", config=replace(case.config, batch_first=True))

    expected, bounds = check.ask(case).arrays(), check.expect(case).arrays

    for name, got in check.ask(batch_first).arrays().items():
        check.agree(name, got, expected[name], bounds[name])


def batch_of_one(case):
    """The same question with a batch axis of length one."""
    g = case.cotangents
    return case.derive(
        "batch of one",
        input=case.input[:, None],
        h_0=None if case.h_0 is None else case.h_0[:, None],
        cotangents=Cotangents(g.output[:, None], g.h_n[:, None]),
    )
