"""Module state: one law holds after whatever is done to a module (area STA)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.contract import answers, done, fact, learns, obeys
from rnn_spec.judge.module import Module, answering, numbers
from rnn_spec.judge.session import Unsupported
from rnn_spec.suite.marks import clause, named
from rnn_spec.torch.deeds import CHANGED, COMPUTED, KEPT, LAWFUL, LOWERED
from rnn_spec.torch.singles import COPIES, DELETIONS, FAULTS, MOVES

PLAIN, WHOLE = "small-L1-relu-float64", "small-L2-tanh-bi-float64"
DTYPES = ("float64", "float32", "float16", "bfloat16")


# -- the law --------------------------------------------------------------------------------------


@clause("STA-01")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("operation", LAWFUL)
def test_forward_uses_current_parameters(case, operation, check):
    """After any state operation forward is what the spec computes from the parameters that are shown."""
    check.claimed(case.derive("lowered", dtype=LOWERED.get(operation, case.dtype)))

    obeys(check, done(case, operation))


@clause("STA-02")
@named(WHOLE)
@pytest.mark.parametrize("operation", LAWFUL)
def test_gradients_reach_the_users_tensors(case, operation, check):
    """After any state operation the gradients arrive at the tensors that the parameters are computed from."""
    check.claimed(case.derive("lowered", dtype=LOWERED.get(operation, case.dtype)))

    learns(check, done(case, operation, learning=True))


# -- values that are known beforehand -------------------------------------------------------------


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("operation", CHANGED)
def test_changed_parameters_are_used_at_once(case, operation, check):
    """Parameters that were halved, in whatever way, are half in the forward pass that follows."""
    answers(check, done(case, operation), scaled(case, 0.5))


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("operation", KEPT)
def test_what_changes_no_parameter_changes_no_answer(case, operation, check):
    """After an operation that leaves every parameter's value as it was the answer is what it was."""
    answers(check, done(case, operation), case)


@clause("STA-08")
@named(PLAIN)
@pytest.mark.parametrize("change", ["in place", "replaced"])
def test_tied_parameters_are_one(case, change, check):
    """A bias that is the other bias changes with it, and a gradient step of one is a step of both."""
    deed = {"in place": "tied, called and a quarter", "replaced": "tied and called"}[change]
    bias = case.parameters["bias_ih_l0"] * (0.25 if change == "in place" else 1)
    tied = {**case.parameters, "bias_ih_l0": bias, "bias_hh_l0": bias}

    answer = answers(check, done(case, deed), case.derive(deed, parameters=tied))

    one = [sorted(leaf["is"]) for leaf in fact(answer, "leaves").values()]
    check.holds(["bias_hh_l0", "bias_ih_l0"] in one, "the two biases are no longer one parameter")


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("kind", ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_each_replaced_parameter_is_used(case, kind, check):
    """A parameter that alone is replaced, of any layer and direction, is the one that forward uses."""
    before = ()

    for name in [name for name in case.parameters if name.startswith(kind)]:
        values = {**case.parameters, name: np.roll(case.parameters[name], 1, axis=0)}
        asked = done(case, *before, f"roll {name}")
        answers(check, asked, case.derive(f"other {name}", parameters=values))
        before = (*before, f"roll {name}", "called", f"roll back {name}")


@clause("STA-09")
@named(WHOLE)
@pytest.mark.parametrize("operation", COMPUTED)
def test_computed_parameters_are_used(case, operation, check):
    """A computed parameter is used with its current value, and a plain one beside it with its own."""
    obeys(check, done(case, operation))


@clause("STA-09")
@named(WHOLE)
@pytest.mark.parametrize("operation", ["parametrized", "parametrized, called and changed", "pruned"])
def test_computed_parameters_have_an_effect(case, operation, check):
    """Halving by a parametrization halves the parameter that forward uses; pruning makes half of it zero."""
    factor = {"parametrized": 0.5, "parametrized, called and changed": 0.25}.get(operation)

    if factor:
        answers(check, done(case, operation), scaled(case, factor))
        return
    after = obeys(check, done(case, operation)).after
    for name, value in case.parameters.items():
        check.equal(f"zeros in {name}", np.count_nonzero(after[name] == 0), round(value.size / 2))


@clause("STA-09")
@named(PLAIN)
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_normalised_weights_have_their_norm(case, kind, check):
    """What forward uses has rows of the given norm, spectral norm 1, or orthonormal rows."""
    w = obeys(check, done(case, kind)).after["weight_hh_l0"]

    if kind == "weight_norm":  # the norms were halved
        given = np.linalg.norm(case.parameters["weight_hh_l0"], axis=1) / 2
        close(check, "the rows' norms", np.linalg.norm(w, axis=1), given)
    elif kind == "orthogonal":
        close(check, "W_hh's Gram matrix", w @ w.T, np.eye(len(w)))
    else:
        largest = np.linalg.norm(w, 2)
        check.holds(abs(largest - 1) < 0.25, f"the spectral norm is {largest}, and was estimated in 16 steps")


# -- state_dict -----------------------------------------------------------------------------------


@clause("STA-03")
@named(PLAIN, WHOLE, "small-L2-tanh-bi-nobias-float64")
@pytest.mark.parametrize("operation", ["called", "deepcopy", "through meta", "load_state_dict, assign"])
def test_state_dict_is_the_parameters(case, operation, check):
    """state_dict has the parameters, in their order and with their values, and nothing else."""
    answer = check.ask(done(case, operation, "state_dict"))

    check.equal("the keys of state_dict", fact(answer, "keys")[0], list(case.parameters))
    for name, value in scaled(case, 1 if operation in KEPT else 0.5).parameters.items():
        check.equal(name, np.array(fact(answer, "values").get(name, [])), value.reshape(-1))


@clause("STA-03")
@named(PLAIN, WHOLE, "small-L2-tanh-bi-nobias-float64")
@pytest.mark.parametrize("how", ["directly", "assign", "through a file"])
def test_state_dict_restores_the_layer(case, how, check):
    """A new layer that loads the state_dict answers as the layer that it is of."""
    answer = answers(check, done(case, f"restored {how}"), case)

    told = [fact(answer, keys) for keys in ("missing_keys", "unexpected_keys")]
    check.equal("missing and unexpected keys", told, [[], []])
    check.holds(not fact(answer, "itself"), "no new layer was made")


@clause("STA-03")
@named(WHOLE)
def test_state_dict_shares_its_values_with_the_layer(case, check):
    """state_dict has the parameters' own memory, detached; with keep_vars the parameters themselves."""
    answer, names = check.ask(done(case, "state_dict")), list(case.parameters)

    check.equal("the keys of state_dict, and with keep_vars", fact(answer, "keys"), (names, names))
    check.equal("what in state_dict is no copy", fact(answer, "shared"), names)
    check.equal("what in state_dict is detached", fact(answer, "detached"), names)
    check.equal("what state_dict(keep_vars=True) has itself", fact(answer, "themselves"), names)
    check.equal("the keys under a prefix", fact(answer, "prefixed"), [f"encoder.{name}" for name in names])


@clause("STA-04")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["weight_ih_l0", "bias_hh_l0"])
def test_strict_load_refuses_and_names_the_key(case, fault, name, check):
    """load_state_dict of a state that lacks a key, has another, or another shape, raises and names it."""
    answers(check, done(case, "load_state_dict of its own"), case)  # the valid twin

    error = refused(check, done(case, f"load with {name} {fault}"), "deed")

    key = f"{name}7" if fault == "unexpected" else name
    check.holds(error, f"load_state_dict took a state whose {name} is {fault}")
    check.equal("the exception's class", error.type, "RuntimeError")
    check.holds(key in error.message, f"the message does not name {key}: {error}")


@clause("STA-04")
@named(WHOLE)
def test_loading_without_strict_tells_the_keys(case, check):
    """With strict=False missing and unexpected keys are told, and everything else is loaded."""
    kept = {"bias_hh_l0": case.parameters["bias_hh_l0"]}
    halves = {**scaled(case, 0.5).parameters, **kept}

    answer = answers(check, done(case, "loaded in part"), case.derive("loaded in part", parameters=halves))

    check.equal("missing keys", fact(answer, "missing_keys"), ["bias_hh_l0"])
    check.equal("unexpected keys", fact(answer, "unexpected_keys"), ["elsewhere"])


# -- copies ---------------------------------------------------------------------------------------


@clause("STA-05")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_answers_like_the_original(case, operation, check):
    """A copy is another module that gives the same forward, and has the original's configuration and mode."""
    original = check.ask(done(case, "repr"))

    copy = answers(check, done(case, operation, "repr"), case)

    check.holds(not fact(copy, "itself"), "the copy is the original")
    for what in ("repr", "training"):
        check.equal(f"the copy's {what}", fact(copy, what), fact(original, what))


@clause("STA-05")
@named(WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_shares_no_parameter(case, operation, check):
    """Changing a copy's parameters changes nothing in the original, and the other way round."""
    for whose, left_alone in (("the copy changed", "original"), ("the original changed", "copy")):
        alone = answers(check, done(case, f"{operation}, {whose}"), case).after
        for name, value in case.parameters.items():
            check.equal(f"{name} of the {left_alone}, which was left alone", alone[name], value)

    answers(check, done(case, operation, "in place"), scaled(case, 0.5))
    answers(check, done(case, f"{operation}, the original changed", "in place"), scaled(case, 0.5))
    answers(check, done(case, f"{operation}, and the original changed"), scaled(case, 0.5))


@clause("STA-05")
@named(WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_of_a_frozen_or_tied_layer_is_one(case, operation, check):
    """A copy keeps which parameters are frozen, and which are one."""
    answer = learns(check, done(case, "frozen and tied", operation, learning=True))

    leaves = fact(answer, "leaves")
    check.holds(
        not leaves.get("weight_hh_l0", {}).get("learns", True),
        "the frozen weight is no longer frozen in the copy",
    )
    check.holds(["bias_hh_l1", "bias_ih_l1"] in [sorted(leaf["is"]) for leaf in leaves.values()],
                "the tied biases are two in the copy")  # fmt: skip


# -- dtype and device -----------------------------------------------------------------------------


@clause("STA-06")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", MOVES)
def test_moving_to_a_dtype_moves_every_parameter(case, how, dtype, check):
    """Moving to a dtype casts every parameter, and forward then computes in it."""
    lowered = check.claimed(case.derive(f"as {dtype}", dtype=dtype))

    answer = answers(check, done(case, f"{how} {dtype}"), lowered)

    moved(check, case, fact(answer, "leaves"), dtype)


@clause("STA-06")
@named(PLAIN)
@pytest.mark.parametrize("method", ["double", "float", "half", "bfloat16"])
def test_named_moves_return_the_module(case, method, check):
    """double(), float(), half() and bfloat16() cast every parameter and return the module."""
    dtype = {"double": "float64", "float": "float32", "half": "float16"}.get(method, method)
    lowered = check.claimed(case.derive(f"as {dtype}", dtype=dtype))

    answer = answers(check, done(case, f"{method}()"), lowered)

    check.holds(fact(answer, "itself"), f"{method}() does not return the module")
    moved(check, case, fact(answer, "leaves"), dtype)


@clause("STA-06")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("how", ["to", "constructor"])
def test_meta_module_has_shapes_and_no_values(case, how, check):
    """On the meta device every parameter is there, a call gives shapes, and to_empty brings it back."""
    c, (steps, batch) = case.config, (2, 3)  # the input that the deed gives
    shapes = [[steps, batch, c.num_directions * c.hidden_size],
              [c.num_layers * c.num_directions, batch, c.hidden_size]]  # fmt: skip

    answer = answers(check, done(case, {"to": "on meta and back", "constructor": "made on meta"}[how]), case)

    moved(check, case, fact(answer, "leaves on meta"), case.dtype, "meta")
    check.equal("the shapes on meta", fact(answer, "shapes on meta"), shapes)
    moved(check, case, fact(answer, "leaves"), case.dtype)


# -- train and eval -------------------------------------------------------------------------------


@clause("STA-07")
@named(WHOLE)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_train_and_eval_return_the_module_and_set_its_mode(case, mode, check):
    """train() and eval() set `training`, return the module, and change no parameter."""
    answer = answers(check, done(case, f"{mode}()"), case)

    check.holds(fact(answer, "itself"), f"{mode}() does not return the module")
    check.equal("training", fact(answer, "training"), mode == "train")
    for name, value in case.parameters.items():
        check.equal(name, answer.after[name], value)


@clause("STA-07")
@named("small-L2-tanh-p1-float64", "small-L3-relu-bi-p1-float64")
def test_train_and_eval_switch_dropout(case, check):
    """With dropout=1 the layers above the first hear nothing in training mode, and all in evaluation."""
    modes = ("train(False)", "called", "train(True)", "called", "train(False)")

    for end in (1, 3, 5):
        like = case.derive(f"in the mode of {modes[end - 1]}", training=modes[end - 1] == "train(True)")
        answers(check, done(case, *modes[:end]), like)


# -- deletion -------------------------------------------------------------------------------------


@clause("STA-10")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("how", DELETIONS)
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_deleted_weight_is_missed(case, how, name, check):
    """After a weight is deleted a call raises an error, and does not compute with the deleted one."""
    answers(check, done(case, "called"), case)  # the valid twin

    error = refused(check, done(case, "called", f"{how}: {name}"), "forward")

    check.holds(error, f"forward answers without {name}, as if it had not been deleted")


# -- hooks ----------------------------------------------------------------------------------------


@clause("STA-11")
@named(PLAIN, WHOLE)
def test_forward_hooks_see_each_call_once(case, check):
    """Forward hooks run once a call, with its arguments and its result; keyword arguments where asked for."""
    module = Module(case, check)
    seen = []
    with answering("registering hooks"):
        module.rnn.register_forward_pre_hook(lambda module, args: seen.append(("before", module, args)))
        module.rnn.register_forward_hook(lambda module, args, out: seen.append(("after", module, args, out)))
    x, h_0 = module.arguments()

    for _ in range(2):
        seen.clear()
        result = module.results(module.rnn, x, h_0)
        check.equal("hooks that ran", [hook[0] for hook in seen], ["before", "after"])
        for hook in seen:
            check.holds(hook[1] is module.rnn, "a hook got another module")
            check.holds(len(hook[2]) == 2, f"a hook got {len(hook[2])} arguments, expected input and h_0")
            check.holds(hook[2][0] is x and hook[2][1] is h_0, "a hook got other arguments than the call")
        output = seen[-1][3]
        check.holds(output[0] is result[0] and output[1] is result[1], "a hook got another result")


@clause("STA-11")
@named(PLAIN)
def test_forward_hooks_may_change_what_they_see(case, check):
    """What a pre-hook returns is what forward gets, what a hook returns is what the caller gets."""
    module = Module(case, check)
    with answering("registering hooks"):
        module.rnn.register_forward_pre_hook(lambda module, args: (args[0] / 2, *args[1:]))
        module.rnn.register_forward_hook(lambda module, args, out: (out[0] * 2, out[1]))

    output, h_n = module.results(module.rnn, *module.arguments())

    expected = check.expect(case.derive("half the input", input=case.input / 2, cotangents=None)).arrays
    check.within("output / 2", numbers(output) / 2, expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("STA-11")
@named(PLAIN, WHOLE)
def test_backward_hooks_see_each_backward_pass_once(case, check):
    """A full backward hook runs once a backward pass, with the gradients of input, h_0, output and h_n."""
    module = Module(case, check)
    seen = []
    with answering("registering hooks"):
        module.rnn.register_full_backward_pre_hook(lambda module, out: seen.append(("before", out)))
        module.rnn.register_full_backward_hook(lambda module, into, out: seen.append(("after", out, into)))
    arguments = module.arguments()

    found = module.results(module.rnn, *arguments)
    with answering("backward"):
        module.torch.autograd.backward(found, module.cotangents(found))

    check.equal("hooks that ran", [hook[0] for hook in seen], ["before", "after"])
    for hook in seen:
        for name, got, given in zip(("output", "h_n"), hook[1], vars(case.cotangents).values(), strict=True):
            check.equal(f"the hook's gradient of {name}", numbers(got), given)
    for name, got, argument in zip(("input", "h_0"), seen[-1][2], arguments, strict=True):
        check.equal(f"the hook's gradient of {name}", numbers(got), numbers(argument.grad))
        check.within(f"grad {name}", numbers(got), check.expect(case).arrays[f"grad {name}"])


@clause("STA-11")
@named(PLAIN)
def test_removed_hooks_run_no_more(case, check):
    """A hook that was removed runs no more."""
    module = Module(case, check)
    seen = []
    with answering("registering a hook"):
        handle = module.rnn.register_forward_hook(lambda *given: seen.append(given))
        module.rnn(*module.arguments())
        handle.remove()
        module.rnn(*module.arguments())

    check.equal("how often the hook ran", len(seen), 1)


# -- what they share ------------------------------------------------------------------------------


def scaled(case, factor):
    """The case with every parameter so many times as great."""
    values = {name: p * factor for name, p in case.parameters.items()}
    return case.derive(f"{factor} times", parameters=values)


def refused(check, case, phase):
    """What was raised in this phase, or None where the case was answered; in no other phase may it be."""
    try:
        check.ask(case)
    except Unsupported:
        raise
    except Nonconformity:
        if check.error is None or check.error.phase != phase:
            raise
        return check.error
    return None


def moved(check, case, leaves, dtype, device="cpu"):
    """Every parameter is a parameter of this dtype, on this device, that learns."""
    check.equal("the parameters", list(leaves), list(case.parameters))
    for name, leaf in leaves.items():
        check.equal(name, leaf, {"is": [name], "dtype": dtype, "device": device, "learns": True})


def close(check, name, got, expected):
    """Two arrays of numbers that were computed in float64 from each other agree to half its digits."""
    check.holds(np.abs(got - expected).max() < 2**-26, f"{name}: got {got}, expected {expected}")


# -- options that are set afterwards ------------------------------------------------------------

SET = {
    "nonlinearity": {"nonlinearity": "relu"}, "dropout": {"dropout": 1.0},
    "batch_first": {"batch_first": True},
}  # fmt: skip


@clause("ARG-06")
@pytest.mark.parametrize("option", SET)
@named("square-L2-tanh-train-float64")
def test_an_option_that_is_set_is_in_force(case, option, check):
    """An option that is set on a built layer is what the next call goes by, or cannot be set."""
    case = case.derive("square", h_0=None, cotangents=None)
    like = case.derive(f"built with {option}", config=replace(case.config, **SET[option]))
    changed = done(case, f"set {option}")

    found = check.session.answer(check.claimed(changed))

    if found.error is None or found.error.phase != "deed":
        answers(check, changed, like)
