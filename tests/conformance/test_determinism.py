"""Determinism and side effects: a call depends on what it is given, and changes nothing else (area DET)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.questions.records import Call
from rnn_spec.suite.marks import clause, named, standard

LIVES = (
    "small-L1-tanh-float32",
    "small-L2-relu-bi-noh0-float32",
    "small-L3-tanh-batch_first-noh0-float64",
    "small-L1-tanh-unbatched-noh0-float32",
    "odd-L2-tanh-noh0-float32",
)


@clause("DET-01")
@standard(dropout=0.0)
def test_same_call_gives_the_same_bits(case, check):
    """A second layer with the same parameters gives the same bits for the same call."""
    first = check.ask(case).arrays()

    for _ in range(2):
        for name, got in check.ask(case, again=True).arrays().items():
            check.equal(name, got, first[name])


@clause("DET-02")
@standard(training=False)
def test_evaluation_draws_nothing(case, check):
    """A call in evaluation mode draws nothing from the random generator."""
    drew = check.told("drew", check.ask(case).drew)

    check.holds(not drew, "the call drew from the random generator")


@clause("DET-02")
@standard(training=True, dropout=0.0)
def test_training_without_dropout_draws_nothing(case, check):
    """A call with dropout=0 draws nothing from the random generator in training mode either."""
    drew = check.told("drew", check.ask(case).drew)

    check.holds(not drew, "the call drew from the random generator")


@clause("DET-03")
@named(*LIVES)
def test_same_call_again_on_the_same_layer(case, check):
    """The second and third call of one layer give the bits of its first; that they were made is looked at."""
    call = Call(case.input, case.h_0, case.training)
    first = check.ask(case).arrays()

    for calls in ((call,), (call, call)):
        later = case.derive(f"after {len(calls)} calls", earlier=calls)
        for name, got in check.ask(later).arrays().items():
            check.equal(name, got, first[name])
        check.earlier(later)


@clause("DET-03")
@named(*LIVES)
@pytest.mark.parametrize(
    "how", ["other h_0", "longer", "shorter", "other batch", "more rows", "unbatched", "training"]
)
def test_earlier_calls_leave_nothing_behind(case, how, check):
    """A call of another shape, mode or state does not change a bit of the call that follows."""
    first = check.ask(case).arrays()

    later = case.derive(f"after a call: {how}", earlier=(other_call(case, how),))

    for name, got in check.ask(later).arrays().items():
        check.equal(name, got, first[name])
    check.earlier(later)


@clause("DET-04")
@standard()
@pytest.mark.parametrize("what", ["input", "h_0", "parameters"])
def test_call_leaves_what_it_is_given_unchanged(case, what, check):
    """A call and its backward pass leave in input, h_0 and every parameter the bits that were there."""
    after = check.told("after", check.ask(case).after)
    given = dict(case.parameters) if what == "parameters" else {what: getattr(case, what)}

    for name, value in given.items():
        if value is not None:
            check.equal(f"{name} after the call", after[name], value)


@clause("DET-05")
@standard()
def test_results_share_no_memory(case, check):
    """output and h_n share memory neither with each other nor with anything that the call was given."""
    aliases = check.told("aliases", check.ask(case).aliases)

    shared = [pair for pair in aliases if "output" in pair.split(", ") or "h_n" in pair.split(", ")]

    check.holds(not shared, f"memory is shared between {' and between '.join(shared)}")


def other_call(case, how):
    """A call before the one that is asked about, unlike it in one respect."""
    c, batched = case.config, case.batched
    batch_axis = 0 if c.batch_first else 1
    time_axis = 1 if c.batch_first and batched else 0
    plain = Call(case.input, case.h_0)
    states = (c.num_layers * c.num_directions, c.hidden_size)
    if how == "other h_0":
        batch = (case.input.shape[batch_axis],) if batched else ()
        return replace(plain, h_0=np.full((states[0], *batch, states[1]), 0.5))
    if how == "longer":
        return replace(plain, input=np.concatenate([case.input, case.input], axis=time_axis))
    if how == "shorter":
        return replace(plain, input=case.input.take([0], time_axis))
    if how == "other batch":
        one = case.input.take([0], batch_axis) if batched else case.input[:, None].swapaxes(0, 1 - batch_axis)
        return Call(one)
    if how == "more rows":
        given = case.input if batched else case.input[:, None].swapaxes(0, 1 - batch_axis)
        return Call(np.concatenate([given, given], axis=batch_axis))
    if how == "unbatched":
        return Call(case.input[:, 0] if batched else case.input * 0.5)
    return replace(plain, training=True)
