"""Packed sequences: sequences of lengths of their own in one batch (area PCK)."""

from __future__ import annotations

import faulthandler
import json
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge import chance
from rnn_spec.judge.laws import derive, eye, furnish
from rnn_spec.judge.module import PACKINGS, Module, by_hand, numbers
from rnn_spec.judge.refused import answer, claimed
from rnn_spec.questions import reveal
from rnn_spec.questions.attempts import (
    DISORDERED,
    MALFORMED,
    RISING_AGAIN,
    WELL_FORMED,
    WRONG_AXES,
    WRONG_LENGTHS,
    WRONG_STATES,
    disordered,
    packed_by,
    packed_rows,
    packed_state,
    wrong_state,
)  # fmt: skip
from rnn_spec.questions.ragged import PATTERNS, alive, alone, ragged
from rnn_spec.suite.marks import clause, every, named, standard

LAWS = (
    "small-L1-tanh-float32",
    "small-L2-relu-bi-float64",
    "small-L3-tanh-bi-noh0-float32",
    "odd-L1-tanh-float32",
    "square-L1-tanh-bi-nobias-float64",
)
FORWARD = ("small-L1-tanh-float64", "small-L2-relu-float32", "odd-L1-tanh-float32")
EXACT = (
    "small-L1-relu-bi-nobias-float32",
    "odd-L1-relu-bi-nobias-float64",
    "square-L1-relu-bi-nobias-float32",
)
LAYOUTS = ("small-L1-tanh-float32", "small-L2-relu-bi-batch_first-float64", "small-L2-tanh-bi-noh0-float32")
DROPPING = (
    "small-L2-tanh-p0.5-train-float64",
    "small-L2-tanh-bi-nobias-p0.5-train-float32",
    "small-L3-relu-bi-batch_first-noh0-p0.5-train-float64",
    "odd-L2-relu-p0.5-train-float32",
)

FILLS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e30, "other": 1.5}

patterns = pytest.mark.parametrize("pattern", PATTERNS)
uneven = pytest.mark.parametrize("pattern", ["unsorted", "sorted", "rising", "tied"])


# -- outputs and states -------------------------------------------------------------------------


@clause("PCK-01")
@every(batched=True)
def test_outputs_of_a_packed_batch(case, check):
    """Every output up to its own sequence's end follows the recurrence, and after it there is none."""
    check.conforms(ragged(case, "unsorted"), "output")


@clause("PCK-01")
@patterns
@named(*LAWS)
def test_each_sequence_is_as_on_its_own(case, pattern, check):
    """Each sequence of a packed batch gives the output that it gives when it is run on its own."""
    packed = derive(ragged(case, pattern), "forward")

    answer, expected = check.ask(packed), check.expect(packed).arrays["output"]

    for row, length in list(enumerate(packed.lengths))[:4]:
        single = check.ask(alone(packed, row))
        own, bounds = answer.output[:length, [row]], expected[:length, [row]]
        check.agree(f"output of sequence {row}", own, single.output, bounds, bounds)


@clause("PCK-01")
@pytest.mark.parametrize("length", [1, 2, 5, 9])
@named("small-L1-tanh-float32", "small-L2-relu-bi-float64")
def test_a_packed_batch_of_one(case, length, check):
    """A packed batch of one sequence gives the output and h_n of that sequence without padding."""
    one = derive(
        case, f"one of {length}", input=case.input[:, :1], h_0=case.h_0[:, :1], lengths=np.array([length])
    )

    answer, single = check.ask(one), check.ask(alone(one, 0))

    bounds = check.expect(one).arrays
    check.agree("output", answer.output[:length], single.output, bounds["output"][:length])
    check.agree("h_n", answer.h_n, single.h_n, bounds["h_n"])


@clause("PCK-01")
@pytest.mark.parametrize("batch", [1, 2, 3, 16, 17, 33])
@named("batch-L1-tanh-float32")
def test_packed_batches_of_any_size(case, batch, check):
    """A packed batch of any size from 1 up gives each of its sequences the right outputs and states."""
    part = derive(case, f"batch of {batch}", input=case.input[:, :batch], h_0=case.h_0[:, :batch])

    check.conforms(ragged(part, "unsorted"), "output", "h_n")


@clause("PCK-03")
@standard(batched=True)
def test_final_states_of_a_packed_batch(case, check):
    """h_n of every layer and direction is the state at each sequence's own end."""
    check.conforms(ragged(case, "unsorted"), "h_n")


@clause("PCK-03")
@patterns
@named("small-L1-relu-bi-nobias-float32", "odd-L1-relu-nobias-float64")
def test_counting_layer_counts_each_sequences_steps(case, pattern, check):
    """A layer that adds 1/16 at every step ends, for each sequence, in a sixteenth of its length."""
    packed = ragged(case, pattern)
    ones = np.full(case.input.shape, 2.0**-4)
    first = lambda layer, direction, shape: np.eye(1, shape[1]) + np.zeros(shape)  # noqa: E731

    probe = furnish(packed, "counting", input=ones, weight_ih=first, weight_hh=eye)

    counts = np.asarray(packed.lengths)[:, None] / 16
    check.shows(probe, "h_n", np.zeros((*probe.h_0.shape[:2], case.config.hidden_size)) + counts)


@clause("PCK-03")
@uneven
@named(*FORWARD)
def test_final_states_are_the_outputs_at_each_sequences_end(case, pattern, check):
    """With one direction h_n of the last layer is, for each sequence, its output at its own last step."""
    packed = ragged(case, pattern)

    answer, expected = check.ask(packed), check.expect(packed).arrays

    last = (np.asarray(packed.lengths) - 1, np.arange(len(packed.lengths)))
    check.agree("h_n[-1]", answer.h_n[-1], answer.output[last], expected["h_n"][-1], expected["output"][last])


@clause("PCK-04")
@uneven
@named(*EXACT)
def test_final_states_are_in_the_callers_order(case, pattern, check):
    """A layer without memory, fed each row's own number, gives each row's number in h_n at its own place."""
    numbered = np.zeros(case.input.shape) + (1 + np.arange(case.input.shape[1])[:, None]) * 2.0**-6
    probe = furnish(ragged(case, pattern), "numbered rows", input=numbered, weight_ih=eye)

    width = min(case.config.input_size, case.config.hidden_size)
    expected = np.zeros(probe.h_0.shape)
    expected[..., :width] = numbered[0, :, :width]
    check.shows(probe, "h_n", expected)


@clause("PCK-04")
@uneven
@named(*LAWS)
def test_permuting_the_sequences_permutes_the_answers(case, pattern, check):
    """Permuting the sequences of a packed batch, their lengths and h_0 permutes output and h_n alike."""
    packed = derive(ragged(case, pattern), "forward")

    order = np.roll(np.arange(case.input.shape[1])[::-1], 1)
    answer, back = ask_permuted(check, packed, "permuted", order)

    check.same(packed, output=answer.output[:, back], h_n=answer.h_n[:, back])


@clause("PCK-05")
@uneven
@named(*EXACT)
def test_initial_states_are_in_the_callers_order(case, pattern, check):
    """A layer that keeps its state gives each row, at each of its steps, the h_0 of that row."""
    h_0 = abs(case.h_0)
    packed = ragged(case, pattern)

    probe = furnish(packed, "keeping", h_0=h_0, weight_hh=eye)

    kept = np.concatenate(list(h_0), axis=-1) * alive(packed)[..., None]
    check.shows(probe, "output", kept)


@clause("PCK-05")
@named(*(id for id in LAWS if "noh0" not in id))
def test_changing_one_row_of_h_0_changes_that_row_only(case, check):
    """Another h_0 for one sequence of a packed batch leaves every other sequence's answers as they were."""
    packed = derive(ragged(case, "unsorted"), "forward")
    rows = np.arange(case.input.shape[1])
    expected = check.expect(packed).arrays

    for row in (0, 1, len(rows) - 1):
        changed = case.h_0.copy()
        changed[:, row] *= -0.5
        answer = check.ask(derive(packed, f"other h_0 for row {row}", h_0=changed))

        check.within("output", answer.output[:, rows != row], expected["output"][:, rows != row])
        check.within("h_n", answer.h_n[:, rows != row], expected["h_n"][:, rows != row])
        moved = abs(answer.output[0, row] - expected["output"].value[0, row])
        check.holds((moved > 0).any(), f"the h_0 of row {row} does not reach the output of row {row}")


# -- the reverse direction ----------------------------------------------------------------------


@clause("PCK-06")
@patterns
@named(*EXACT)
def test_reverse_direction_counts_from_each_sequences_end(case, pattern, check):
    """In the reverse direction an adding layer has added to its h_0 one part for each step still to come."""
    packed, (T, _, _) = ragged(case, pattern), case.input.shape
    ones = np.full(case.input.shape, 2.0**-4)
    first = lambda layer, direction, shape: np.eye(1, shape[1]) + np.zeros(shape)  # noqa: E731
    h_0 = abs(case.h_0)

    probe = furnish(packed, "counting back", input=ones, h_0=h_0, weight_ih=first, weight_hh=eye)

    H, live = case.config.hidden_size, alive(packed)
    to_come = (np.asarray(packed.lengths) - np.arange(T)[:, None]) / 16
    states = (to_come[..., None] + h_0[1]) * live[..., None]
    check.shows(probe, "output", states, at=np.s_[..., H:])


@clause("PCK-06")
@patterns
@named("small-L1-tanh-bi-float64", "odd-L1-tanh-bi-float32", "square-L1-tanh-bi-nobias-float64")
def test_reverse_direction_is_forward_on_each_sequence_turned_round(case, pattern, check):
    """Turning each sequence round within its own length exchanges the two halves of output, turned."""
    packed = derive(ragged(case, pattern), "forward")
    H, lengths = case.config.hidden_size, np.asarray(packed.lengths)
    exchanged = {
        name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse": value
        for name, value in case.parameters.items()
    }
    mirrored = derive(
        packed, "mirrored", parameters=exchanged, input=turned(case.input, lengths), h_0=case.h_0[::-1]
    )

    answer = check.ask(mirrored)

    output = np.roll(turned(answer.output, lengths), H, axis=-1)
    check.same(packed, output=output, h_n=answer.h_n[::-1])


# -- padding ------------------------------------------------------------------------------------


@clause("PCK-07")
@pytest.mark.parametrize(
    "fill", [np.nan, np.inf, -np.inf, 1e30, 1.5], ids=["nan", "inf", "-inf", "huge", "other"]
)
@named("small-L1-tanh-float32", "small-L2-relu-bi-batch_first-float64", "small-L2-tanh-bi-noh0-float32")
def test_padding_does_not_matter(case, fill, check):
    """Whatever the padding holds, NaN included, no output, state or gradient is another."""
    packed = ragged(case, "unsorted")
    filled = packed.derive(
        f"padded with {fill}", input=np.where(alive(packed)[..., None], packed.input, fill)
    )

    for name, got in check.ask(filled).arrays().items():
        expected = check.expect(packed).arrays[name]
        check.agree(name, got, check.ask(packed).arrays()[name], expected)


@clause("PCK-07")
@standard(batched=True)
def test_padding_gets_no_gradient(case, check):
    """The gradient of the input is 0 at every step after a sequence's end, and output is 0 there."""
    packed = ragged(case, "unsorted")
    padding = ~alive(packed)

    gradient, output = check.gradients(packed)["input"], check.ask(packed).output

    check.equal("gradient of the padding", gradient[padding], np.zeros(gradient[padding].shape))
    check.equal("output after the end", output[padding], np.zeros(output[padding].shape))


@clause("PCK-07")
@named("small-L1-tanh-float32", "small-L2-relu-bi-float64")
def test_cotangent_of_the_padding_does_not_matter(case, check):
    """What is asked of the output after a sequence's end reaches no gradient."""
    packed = ragged(case, "unsorted")
    g = packed.cotangents
    loud = replace(g, output=np.where(alive(packed)[..., None], g.output, 64.0))

    gradients = check.gradients(packed.derive("loud padding", cotangents=loud))

    for name, got in gradients.items():
        expected = check.expect(packed).arrays[f"grad {name}"]
        check.agree(f"grad {name}", got, check.gradients(packed)[name], expected)


# -- the ways to pack ---------------------------------------------------------------------------


@clause("PCK-02")
@patterns
@named(*LAYOUTS)
def test_packed_output_is_packed_like_the_input(case, pattern, check):
    """output is a PackedSequence with the input's batch_sizes, sorted_indices and unsorted_indices."""
    module = Module(ragged(case, pattern), check)
    packings = ["unsorted", "sorted"] if falling(module.case.lengths) else ["unsorted"]

    for packed in map(module.packed, packings):
        output, _ = module(packed, *given(module))

        check.holds(
            isinstance(output, type(packed)), f"output is a {type(output).__name__}, not a PackedSequence"
        )
        for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            check.equal(f"output.{name}", listed(getattr(output, name)), listed(getattr(packed, name)))
        rows = (len(packed.data), case.config.num_directions * case.config.hidden_size)
        check.equal("output.data's shape", tuple(output.data.shape), rows)


@clause("PCK-08")
@pytest.mark.parametrize("batch_first", [False, True])
@named("small-L1-tanh-float32", "small-L2-relu-bi-float64", "square-L1-tanh-bi-nobias-float64")
def test_batch_first_has_no_effect_on_packed_input(case, batch_first, check):
    """A layer of either batch_first gives a packed batch the same packed output and h_n."""
    packed = ragged(case, "unsorted")
    module = Module(packed, check)
    other = Module(replace(packed, config=replace(case.config, batch_first=batch_first)), check)

    output, h_n = other(module.packed(), module.h_0)

    expected = check.expect(packed).arrays
    check.within("output", module.unpacked(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("PCK-09")
@pytest.mark.parametrize("pattern", ["sorted", "sorted with ties", "equal", "full", "ones"])
@named("small-L1-tanh-float32", "small-L2-relu-bi-batch_first-float64", "odd-L1-tanh-float32")
def test_enforce_sorted_makes_no_difference(case, pattern, check):
    """A batch by decreasing length gives the same answer with enforce_sorted=True and with False."""
    module = Module(ragged(case, pattern), check)
    expected = check.expect(derive(module.case, "forward")).arrays

    for how in ("sorted", "unsorted"):
        output, h_n = module(module.packed(how), module.h_0)

        check.within(f"output ({how})", module.unpacked(output), expected["output"])
        check.within(f"h_n ({how})", numbers(h_n), expected["h_n"])


@clause("PCK-09")
@pytest.mark.parametrize("pattern", ["unsorted", "tied", "rising"])
@named(*LAWS)
def test_sorting_by_length_changes_no_sequences_answer(case, pattern, check):
    """A batch that the caller has sorted by decreasing length gives each sequence what it gets unsorted."""
    packed = derive(ragged(case, pattern), "forward")

    order = np.argsort(-np.asarray(packed.lengths), kind="stable")
    answer, back = ask_permuted(check, packed, "sorted by length", order)

    check.same(packed, output=answer.output[:, back], h_n=answer.h_n[:, back])


@clause("PCK-10")
@pytest.mark.parametrize("how", [how for how in PACKINGS if how != "sorted"])
@named(*LAYOUTS)
def test_ways_to_pack_give_one_answer(case, how, check):
    """pack_padded_sequence, pack_sequence and fields made by hand give one output and one h_n."""
    module = Module(ragged(case, "tied"), check)
    expected = check.expect(derive(module.case, "forward")).arrays

    output, h_n = module(module.packed(how), *given(module))

    check.within("output", module.unpacked(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("PCK-10")
@named("small-L1-tanh-float32", "small-L2-relu-bi-float64")
def test_fields_made_by_hand_without_indices(case, check):
    """data and batch_sizes alone, of sequences by decreasing length, give what enforce_sorted=True gives."""
    module = Module(ragged(case, "sorted"), check)
    data, sizes = by_hand(module, range(case.input.shape[1]))

    output, h_n = module(module.torch.nn.utils.rnn.PackedSequence(data, sizes), module.h_0)

    expected = check.expect(derive(module.case, "forward")).arrays
    check.within("output", module.unpacked(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


# -- gradients ----------------------------------------------------------------------------------


@clause("PCK-11")
@standard(batched=True)
def test_gradients_through_a_packed_batch(case, check):
    """Every gradient through a packed batch is the derivative of the forward pass."""
    check.conforms(ragged(case, "unsorted"), "grad *")


@clause("PCK-11")
@uneven
@named("small-L1-tanh-float64", "small-L2-relu-bi-float32", "small-L3-tanh-bi-batch_first-noh0-float64")
def test_gradients_are_those_of_the_sequences_one_by_one(case, pattern, check):
    """The gradients of the parameters are sums over the sequences; input's and h_0's are each one's own."""
    packed = ragged(case, pattern)
    gradients, bounds = check.gradients(packed), check.expect(packed).arrays
    singles = [alone(packed, row) for row in range(len(packed.lengths))]

    parts = [check.gradients(single) for single in singles]

    shares = [check.expect(single).arrays for single in singles]
    for name in packed.parameters.keys() & gradients.keys():
        total = sum(np.asarray(part[name], np.float64) for part in parts)
        error = replace(bounds[f"grad {name}"], error=sum(share[f"grad {name}"].error for share in shares))
        check.agree(f"grad {name}", gradients[name], total, bounds[f"grad {name}"], error)
    for row, part in enumerate(parts):
        if "input" in part:
            own = row_of(packed, gradients["input"], row)
            bound = replace(
                bounds["grad input"],
                value=row_of(packed, bounds["grad input"].value, row),
                error=row_of(packed, bounds["grad input"].error, row),
            )
            check.agree(f"grad input of sequence {row}", own, part["input"], bound, bound)
        if "h_0" in part:
            bound = bounds["grad h_0"][:, [row]]
            check.agree(f"grad h_0 of sequence {row}", gradients["h_0"][:, [row]], part["h_0"], bound, bound)


# -- dropout ------------------------------------------------------------------------------------


@clause("PCK-12")
@uneven
@named(*DROPPING)
def test_dropout_on_packed_steps(case, pattern, check):
    """Under the masks that a packed call drew, every output, state and gradient follows."""
    check.conforms(ragged(case, pattern), "output", "h_n", "grad *")


@clause("PCK-12")
@named("small-L2-relu-bi-p0.5-train-float32", "odd-L2-tanh-p0.5-train-float64")
def test_final_states_of_a_packed_batch_are_not_dropped(case, check):
    """In training mode layer 0 ends each sequence in the state in which it ends it in evaluation mode."""
    training = derive(ragged(case, "unsorted"), "forward")
    evaluation = derive(training, "eval", training=False)
    D = case.config.num_directions

    h_n = check.ask(training).h_n

    expected = check.expect(evaluation).arrays["h_n"][:D]
    check.agree("h_n[:D]", h_n[:D], check.ask(evaluation).h_n[:D], expected)
    check.holds((h_n != 0).all(), "h_n has a 0 where no state can be 0")


@clause("PCK-12")
@named("odd-L2-relu-p0.5-train-float32", "odd-L2-tanh-bi-p0.5-train-float64")
def test_packed_steps_are_dropped_independently_at_the_rate_p(case, check):
    """Of the packed steps' elements a share of p is dropped, each independently of those beside it."""
    packed = derive(ragged(case, "unsorted"), "forward")
    live = alive(packed)

    (mask,) = reveal.masks(packed, check.ask(packed))

    check.holds(plausible(mask[live]), f"{mask[live].mean():.4f} of the elements are kept, expected 0.5")
    neighbours = {
        "time": (mask[:-1:2] == mask[1::2], live[1::2] & live[:-1:2]),
        "batch": (mask[:, :-1:2] == mask[:, 1::2], live[:, 1::2] & live[:, :-1:2]),
        "feature": (mask[..., :-1:2] == mask[..., 1::2], live),
    }
    for axis, (agree, both) in neighbours.items():
        part = agree[both]
        check.holds(plausible(part), f"{part.mean():.4f} of the neighbours in {axis} agree, expected 0.5")


@clause("PCK-12")
@named("small-L2-tanh-nobias-p1-train-float32", "small-L3-tanh-p1-train-float64")
def test_at_rate_one_packed_layers_read_zeros(case, check):
    """With p = 1 the layers above the first of a packed batch answer as if their W_ih were 0."""
    packed = derive(ragged(case, "unsorted"), "forward")
    cut = {
        name: value * (not name.startswith("weight_ih") or name.startswith("weight_ih_l0"))
        for name, value in case.parameters.items()
    }

    answer = check.ask(packed)

    check.same(derive(packed, "deaf", parameters=cut, training=False), output=answer.output, h_n=answer.h_n)


# -- refusals -----------------------------------------------------------------------------------

order = pytest.mark.parametrize("pattern", ["sorted", "unsorted"])
wrong_h_0 = pytest.mark.parametrize("wrong", [*WRONG_STATES, *WRONG_AXES])


@clause("PCK-13")
@order
@wrong_h_0
@named("small-L2-tanh-float32", "small-L1-relu-bi-float64")
def test_wrong_h_0_is_refused(case, pattern, wrong, check):
    """An h_0 of a wrong shape is refused for a packed batch, by the call that is given it."""
    error = of_wrong_h_0(case, pattern, wrong, check)

    shape = wrong_state(case, wrong)
    check.holds(
        error and error.phase == "forward", f"h_0 of shape {shape} is accepted for 3 packed sequences"
    )


@clause("ERR-09")
@order
@wrong_h_0
@named("small-L2-tanh-float32")
def test_refusal_of_wrong_h_0_for_packed_input(case, pattern, wrong, check):
    """An h_0 of a wrong shape for a packed batch, where it is refused, gets a RuntimeError or ValueError."""
    error = of_wrong_h_0(case, pattern, wrong, check)

    right = error is None or {error.type, *error.bases} & {"RuntimeError", "ValueError"}
    check.holds(right, f"refused with {error}")


@clause("ERR-13")
@order
@wrong_h_0
@named("small-L2-tanh-float32")
def test_message_for_wrong_h_0_for_packed_input(case, pattern, wrong, check):
    """The refusal of an h_0 for a packed batch names the shape that was given and the one expected."""
    error = of_wrong_h_0(case, pattern, wrong, check)

    told = error and error.message.replace("[", "(").replace("]", ")")
    for what, shape in (("given", wrong_state(case, wrong)), ("expected", case.h_0.shape)):
        text = ", ".join(map(str, shape))
        check.holds(
            error is None or f"({text}" in told, f"the message does not tell the {what} shape: {error}"
        )


@clause("PCK-14")
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("wrong", MALFORMED)
@named("small-L1-tanh-noh0-float32")
def test_malformed_batch_sizes_are_refused(case, wrong, bidirectional, check):
    """A PackedSequence with batch_sizes that cannot be is refused, though others of the same data are not."""
    for sizes in WELL_FORMED.values():
        answered(check, packed_rows(sizes, bidirectional=bidirectional))

    error = answer(check, packed_rows(MALFORMED[wrong], bidirectional=bidirectional)).error

    check.holds(error, f"batch_sizes {MALFORMED[wrong]} are accepted for 7 rows of data")


@clause("PCK-14")
@pytest.mark.parametrize("wrong", [*MALFORMED, "rising again"])
def test_malformed_batch_sizes_are_not_padded(wrong, check):
    """pad_packed_sequence refuses batch_sizes that cannot be, of which those that rise are asked apart."""
    _, torch = check.module_class()
    sizes = MALFORMED.get(wrong, RISING_AGAIN)

    came = (padding_apart if sizes != sorted(sizes, reverse=True) else padding)(torch, sizes)

    check.holds(padding(torch, WELL_FORMED["the same rows"]) == "taken", "valid batch_sizes are refused")
    check.holds(came == "refused", f"pad_packed_sequence of batch_sizes {sizes} for 7 rows: {came}")


@clause("PCK-14")
@order
@pytest.mark.parametrize("wrong", WRONG_LENGTHS)
def test_wrong_lengths_are_refused(wrong, pattern, check):
    """Lengths that cannot be those of the padded input are refused, by whatever packs or by the layer."""
    claimed(check, "lengths")

    error = answer(check, packed_by(WRONG_LENGTHS[wrong], ordered=pattern == "sorted")).error

    check.holds(error, f"lengths {WRONG_LENGTHS[wrong]} are accepted for 3 sequences of 5 steps")


@clause("PCK-15")
@pytest.mark.parametrize("wrong", DISORDERED)
@named("small-L1-tanh-float32")
def test_indices_that_are_no_permutation_are_refused(case, wrong, check):
    """A PackedSequence whose indices cannot be is refused, though permutations of the same data are not.

    Both fields are given: what torch makes of one alone depends on what memory happens to hold.
    """
    order, back = DISORDERED[wrong]

    error = answer(check, disordered(order, back)).error

    check.holds(error, f"sorted_indices {order} and unsorted_indices {back} are accepted for 3 sequences")


# -- helpers ------------------------------------------------------------------------------------


def ask_permuted(check, packed, how, order):
    """The answer to a ragged case with its rows in another order, and the order that takes them back."""
    h_0 = None if packed.h_0 is None else packed.h_0[:, order]
    permuted = derive(
        packed, f"rows {how}", input=packed.input[:, order], h_0=h_0, lengths=packed.lengths[order]
    )
    return check.ask(permuted), np.argsort(order)


def turned(x, lengths):
    """Each sequence of a time-major batch turned round within its own length."""
    result = np.array(x)
    for row, length in enumerate(lengths):
        result[:length, row] = x[:length, row][::-1]
    return result


def row_of(packed, x, row):
    """One row of input's gradient, up to the sequence's end, as a batch of one."""
    length = packed.lengths[row]
    return x[[row], :length] if packed.config.batch_first else x[:length, [row]]


def plausible(agree):
    """Whether so many of these independent events of probability 1/2 may be chance."""
    return chance.plausible(int(agree.sum()), agree.size, 0.5, looks=4)


def falling(lengths):
    """Whether the lengths never rise."""
    return bool((np.diff(lengths) <= 0).all())


def given(module):
    """The h_0 argument, if the case has one."""
    return () if module.h_0 is None else (module.h_0,)


def listed(field):
    """A field of a PackedSequence as a list, or None."""
    return None if field is None else field.tolist()


def padding(torch, sizes):
    """What comes of pad_packed_sequence of seven rows: taken, or refused."""
    rnn = torch.nn.utils.rnn
    packed = rnn.PackedSequence(torch.ones(7, 2), torch.tensor(sizes, dtype=torch.int64))
    try:
        rnn.pad_packed_sequence(packed)
    except Exception:  # whatever it raises
        return "refused"
    return "taken"


def padding_apart(torch, sizes):
    """The same of sizes that rise, in a forked process, which may die of them."""
    from rnn_spec.torch.attempted import apart  # which imports torch: the suite is collected without it

    def act():
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where the C library says what it dies of
        came = {padding(torch, sizes) for _ in range(100)}  # what is written may be noticed later
        return {"came": came.pop()}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads beside the fork
        told = json.loads(apart(act))
    return told.get("came") or told["error"]["message"]


def answered(check, attempt):
    """The attempt is valid, and is answered."""
    answer = check.attempt(attempt)
    check.holds(answer.error is None, f"a valid call was refused: {answer.error}")


def of_wrong_h_0(case, pattern, wrong, check):
    """The error of a packed batch with an h_0 that is wrong in this way, or None."""
    check.claimed(ragged(case, pattern))
    return answer(check, packed_state(case, pattern, wrong)).error
