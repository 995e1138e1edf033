"""Dropout between layers: where it acts, what it scales, and how it draws (area DRP).

In a *crowd* the masks are in plain sight: above layer 0 every W_ih is the identity, every W_hh is
0, and all is positive, so that relu passes on what dropout kept, scaled, and 0 for the rest. Random
tests alarm falsely at most once in 1e9 seeds (`judge.chance` has the derivation).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge import chance
from rnn_spec.judge.laws import derive, furnish
from rnn_spec.questions import data
from rnn_spec.questions.expect import expect
from rnn_spec.questions.records import Call, Case
from rnn_spec.spec.model import Config
from rnn_spec.suite.marks import clause, named, pinned, standard

rates = pytest.mark.parametrize("p", [0.25, 0.5, 0.75])
all_rates = pytest.mark.parametrize("p", [1 / 128, 0.25, 19 / 64, 0.5, 21 / 32, 0.75, 63 / 64])
MIDDLE = 0.5  # the bias of a crowd's layer between the first and the last

REVEALING = (
    "small-L2-tanh-p0.5-train-float64",
    "small-L2-tanh-bi-nobias-p0.5-train-float32",
    "small-L3-relu-bi-batch_first-noh0-p0.5-train-float64",
    "small-L3-tanh-unbatched-p0.5-train-float32",
    "cell-L3-tanh-bi-p0.5-train-float64",
    "odd-L2-relu-p0.5-train-float32",
)


def crowd(p: float, num_layers: int = 2, bidirectional: bool = False, read=(0, 1), **changes) -> Case:
    """A training-mode case with 102,400 elements in each mask, all of them in plain sight.

    `read` is, for each direction, that of the layer below whose units it reads.
    """
    T, N, I, H = 40, 40, 5, 32 if bidirectional else 64
    config = Config(I, H, num_layers, "relu", dropout=p, bidirectional=bidirectional)
    input = data.dyadic("crowd/input", (T, N, I), 6, signed=False)
    id = f"crowd-L{num_layers}-D{config.num_directions}-p{p:g}" + f"-both-{read[0]}" * (read[0] == read[1])
    plain = Case(id, config, {}, input, training=True, seed=1)

    def weight_ih(layer: int, direction: int, shape: tuple[int, ...]) -> np.ndarray:
        if layer:
            return np.eye(H, shape[1], read[direction] * H)
        return data.contraction(data.dyadic(f"crowd/{direction}", shape, 8, signed=False), 1.0)

    def bias_ih(layer: int, direction: int, shape: tuple[int, ...]) -> float:
        return 0.25 if layer == 0 else MIDDLE if layer < num_layers - 1 else 0.0

    return replace(furnish(plain, "in sight", weight_ih=weight_ih, bias_ih=bias_ih), **changes)


def kept(case: Case, check) -> np.ndarray:
    """What the last of a crowd's masks kept, (T, N, D, H)."""
    output = check.ask(case).output
    T, N, _ = case.input.shape
    D, H = case.config.num_directions, case.config.hidden_size
    check.same_shape("output", output, np.empty((T, N, D * H)))
    return np.asarray(output != 0).reshape(T, N, D, H)


def with_middle(case: Case) -> float:
    """What the last layer of a crowd answers, at most, where it reads the middle layer's bias alone."""
    act = np.tanh if case.config.nonlinearity == "tanh" else float
    return float(act(1.125 * act(MIDDLE) / (1 - case.config.dropout)))


def agree_by_chance(what: str, agree: np.ndarray, keep: float, check, looks: int) -> None:
    """Masks agree as often as independent ones do."""
    expected = chance.agreement(keep)
    check.holds(
        chance.plausible(int(agree.sum()), agree.size, expected, looks),
        f"{what} agree in {agree.mean():.4f} of {agree.size} elements; independent ones, in {expected:.4f}",
    )


@clause("DRP-01")
@named(*REVEALING)
def test_each_layer_reads_the_dropped_out_output_of_the_one_below(case, check):
    """In training mode each layer above the first reads what a mask kept, scaled, of the one below."""
    check.conforms(case, "output", "h_n")


@clause("DRP-01")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_dropout_acts_below_every_layer_but_the_first(bidirectional, check):
    """With three layers both the first and the second layer's outputs lose elements, and keep some."""
    case = check.fit(crowd(0.5, 3, bidirectional), "dtype", "nonlinearity")

    upper = kept(case, check)
    lower = check.ask(case).output.reshape(upper.shape)[upper] > with_middle(case)

    check.holds(upper.any() and not upper.all(), "layer 2 reads layer 1 with all or nothing dropped")
    check.holds(lower.any() and not lower.all(), "layer 1 reads layer 0 with all or nothing dropped")


@clause("DRP-02")
@named("small-L2-tanh-bi-p0.5-train-float64", "odd-L3-relu-p0.5-train-float32")
def test_first_layers_input_is_not_dropped(case, check):
    """In training mode layer 0, without recurrence, ends in the state that all of its last input makes."""
    weights = {name: value * (not name.startswith("weight_hh")) for name, value in case.parameters.items()}
    training = derive(case, "no recurrence", parameters=weights)
    evaluation = derive(training, "eval", training=False)
    D = case.config.num_directions

    expected = check.expect(evaluation).arrays["h_n"][:D]

    check.agree("h_n[:D]", check.ask(training).h_n[:D], check.ask(evaluation).h_n[:D], expected)


@clause("DRP-02")
@named(*REVEALING[:2], "odd-L2-relu-p0.5-train-float32")
def test_last_layers_output_is_not_dropped(case, check):
    """In training mode the last output of each direction is its final state, with nothing dropped."""
    answer, H, D = check.ask(case), case.config.hidden_size, case.config.num_directions

    expected = check.expect(case).arrays
    output, h_n = expected["output"], expected["h_n"]
    check.agree("output[-1]", answer.output[-1, :, :H], answer.h_n[-D], output[-1, :, :H], h_n[-D])
    if case.config.bidirectional:
        check.agree("output[0]", answer.output[0, :, H:], answer.h_n[-1], output[0, :, H:], h_n[-1])
    check.holds((answer.output != 0).all(), "an output is 0 where no state can be")


@clause("DRP-03")
@named("small-L2-tanh-bi-p0.5-train-float64", "odd-L3-relu-p0.5-train-float32")
def test_recurrence_is_not_dropped(case, check):
    """Layers that read nothing but their own state carry it on in training mode as in evaluation mode."""
    weights = {name: value * (not name.startswith("weight_ih")) for name, value in case.parameters.items()}
    training = derive(case, "no input", parameters=weights)
    evaluation = derive(training, "eval", training=False)

    expected = check.expect(evaluation).arrays

    for name, got in check.ask(training).arrays().items():
        check.agree(name, got, check.ask(evaluation).arrays()[name], expected[name])


@clause("DRP-04")
@pinned("bias")
@named("small-L2-relu-bi-p0.5-train-float32", "small-L3-relu-p0.5-train-float64")
def test_final_states_are_not_dropped(case, check):
    """Dropout leaves no zero in h_n, and layer 0 ends in the state in which it ends in evaluation mode."""
    evaluation = derive(case, "eval", training=False)
    D = case.config.num_directions

    h_n = check.ask(case).h_n

    check.holds((h_n != 0).all(), "h_n has a 0 where no state can be 0")
    expected = check.expect(evaluation).arrays["h_n"][:D]
    check.agree("h_n[:D]", h_n[:D], check.ask(evaluation).h_n[:D], expected)


@clause("DRP-04")
@standard(dropout=0.5, training=True, num_layers=(2, 3))
def test_final_states_follow_from_undropped_states(case, check):
    """h_n of each layer is the state that follows from the undropped state before."""
    check.conforms(case, "h_n")


@clause("DRP-05")
@all_rates
@pytest.mark.parametrize("bidirectional", [False, True])
def test_kept_elements_are_scaled(p, bidirectional, check):
    """An element that dropout keeps is passed on times 1 / (1 - p)."""
    case = check.fit(crowd(p, bidirectional=bidirectional))

    output = check.ask(case).output
    expected = expect(case, [output != 0]).arrays["output"]

    check.holds((output != 0).any(), "dropout kept nothing")
    check.within("output", output, expected)


@clause("DRP-06")
@all_rates
def test_elements_are_dropped_at_the_rate_p(p, check):
    """The share of kept elements is 1 - p, of all and of every time step, batch row and feature."""
    mask = kept(check.fit(crowd(p)), check)

    for name, part in chance.slices(mask):
        check.holds(
            chance.plausible(int(part.sum()), part.size, 1 - p, looks=1 + sum(mask.shape)),
            f"{part.mean():.4f} of the {part.size} elements of {name} are kept, expected {1 - p:.4f}",
        )


@clause("DRP-07")
@rates
@pytest.mark.parametrize("axis", ["time", "batch", "direction", "feature"])
def test_masks_are_independent_along(axis, p, check):
    """Elements of one mask are dropped independently of the elements at any distance along the axis."""
    number = ("time", "batch", "direction", "feature").index(axis)

    mask = kept(check.fit(crowd(p, bidirectional=axis == "direction")), check)

    for lag, agree in chance.pairs(mask, number):
        what = f"elements that are {lag} apart along the {axis} axis"
        agree_by_chance(what, agree, 1 - p, check, looks=mask.shape[number] - 1)


@clause("DRP-07")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_mask_of_a_time_step_row_or_direction_is_used_twice(bidirectional, check):
    """No two of the masks of a time step, batch row and direction are equal, wherever they lie."""
    p = 0.5
    mask = kept(check.fit(crowd(p, bidirectional=bidirectional)), check)

    # 1,600 masks of 64 elements; of two directions, 80 masks of 1,280 (time and direction).
    T, N, D, H = mask.shape
    rows = mask.reshape(T * N, H) if D == 1 else mask.transpose(0, 2, 1, 3).reshape(T * D, N * H)

    check.holds(not chance.repeated(rows, 1 - p), "two of the masks are equal")


@clause("DRP-07")
@rates
@pytest.mark.parametrize("num_layers", [3, 4])
def test_masks_of_two_layers_are_independent(num_layers, p, check):
    """What is dropped below one layer says nothing about what is dropped below the next."""
    case = check.fit(crowd(p, num_layers), "dtype", "nonlinearity")

    upper = kept(case, check)
    # The lower mask shows where the upper one kept: MIDDLE alone, or MIDDLE and what the layer below it said.
    lower = check.ask(case).output.reshape(upper.shape)[upper] > with_middle(case)

    check.holds(lower.size, "dropout kept nothing")
    check.holds(
        chance.plausible(int(lower.sum()), lower.size, 1 - p),
        f"{lower.mean():.4f} of the elements that the last layer kept were kept by the one below it, "
        f"expected {1 - p:.4f}",
    )


@clause("DRP-08")
@rates
def test_every_call_draws_new_masks(p, check):
    """The masks of a second call are independent of those of the first."""
    case = check.fit(crowd(p))
    call = Call(case.input, case.h_0, training=True)
    second = derive(case, "second call", earlier=(call,))
    third = derive(case, "third call", earlier=(call, call))

    masks = [kept(c, check) for c in (case, second, third)]

    for i, j in ((0, 1), (1, 2), (0, 2)):
        agree_by_chance(
            f"the masks of calls {i + 1} and {j + 1}", masks[i] == masks[j], 1 - p, check, looks=3
        )


@clause("DRP-09")
@named(*REVEALING)
def test_same_seed_gives_the_same_masks(case, check):
    """A second layer that is made, seeded and called in the same way gives the same answer."""
    first, bounds = check.ask(case).arrays(), check.expect(case).arrays

    again = check.ask(case, again=True).arrays()

    for name, bound in bounds.items():
        check.agree(name, again[name], first[name], bound)


@clause("DRP-09")
@rates
def test_another_seed_gives_other_masks(p, check):
    """The masks under two seeds are independent."""
    case = check.fit(crowd(p))
    other = derive(case, "seed 2", seed=2)

    agree = kept(case, check) == kept(other, check)

    agree_by_chance("the masks under two seeds", agree, 1 - p, check, looks=1)


@clause("DRP-10")
@standard(training=False, dropout=(0.5, 1.0))
def test_evaluation_mode_ignores_dropout(case, check):
    """In evaluation mode every number is that of dropout=0, within the bound: dropout is the identity."""
    without = case.derive("p0", config=replace(case.config, dropout=0.0))

    expected, bounds = check.ask(without).arrays(), check.expect(without).arrays

    for name, got in check.ask(case).arrays().items():
        check.agree(name, got, expected[name], bounds[name])


@clause("DRP-11")
@standard(training=True, dropout=0.0)
def test_without_dropout_training_mode_is_evaluation_mode(case, check):
    """With dropout=0 training mode gives every number that evaluation mode gives, within the bound.

    Not bit for bit: a kernel that keeps what the gradient needs may add up in another order.
    """
    evaluation = case.derive("eval", training=False)

    expected, bounds = check.ask(evaluation).arrays(), check.expect(evaluation).arrays

    for name, got in check.ask(case).arrays().items():
        check.agree(name, got, expected[name], bounds[name])


@clause("DRP-12")
@standard(training=True, dropout=1.0, num_layers=(2, 3))
def test_at_rate_one_layers_read_exact_zeros(case, check):
    """With p = 1 the layers above the first answer as if their W_ih were 0."""
    cut = {
        name: value * (not name.startswith("weight_ih") or name.startswith("weight_ih_l0"))
        for name, value in case.parameters.items()
    }
    deaf = derive(case, "deaf", parameters=cut, training=False)

    answer = check.ask(case)

    check.same(deaf, output=answer.output, h_n=answer.h_n)


@clause("DRP-12")
@standard(training=True, dropout=1.0, num_layers=(2, 3))
def test_at_rate_one_no_gradient_passes_down(case, check):
    """With p = 1 the gradients of output are exact zeros for what lies below the dropout, and all finite."""
    cotangents = replace(case.cotangents, h_n=np.zeros(case.cotangents.h_n.shape))
    last = f"_l{case.config.num_layers - 1}"

    gradients = check.gradients(case.derive("output only", cotangents=cotangents))

    for name, got in gradients.items():
        check.holds(np.isfinite(got).all(), f"the gradient of {name} is not finite")
        if name != "h_0" and (last not in name or name.startswith("weight_ih")):
            check.equal(f"grad {name}", got, np.zeros(got.shape))


@clause("DRP-13")
@standard(num_layers=1, dropout=(0.5, 1.0))
def test_one_layer_ignores_dropout(case, check):
    """With one layer every number is that of dropout=0, in training mode too."""
    training = case.derive("train", training=True)
    without = case.derive("p0", config=replace(case.config, dropout=0.0), training=False)

    expected, bounds = check.ask(without).arrays(), check.expect(without).arrays

    for name, got in check.ask(training).arrays().items():
        check.agree(name, got, expected[name], bounds[name])


@clause("DRP-14")
@rates
@pytest.mark.parametrize("read", [0, 1], ids=["forward", "reverse"])
def test_both_directions_read_one_mask(read, p, check):
    """What is dropped of a layer's output is dropped for both directions of the layer above."""
    forward, reverse = np.moveaxis(
        kept(check.fit(crowd(p, bidirectional=True, read=(read, read))), check), 2, 0
    )

    apart = int((forward != reverse).sum())
    check.holds(not apart, f"{apart} of {forward.size} elements are dropped for one direction alone")
