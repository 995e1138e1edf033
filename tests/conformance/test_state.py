"""Module state: one law holds after whatever is done to a module (area STA)."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.module import numbers
from rnn_spec.judge.operations import CHANGED, COMPUTED, KEPT, OPERATIONS, call, file
from rnn_spec.judge.state import State, answering
from rnn_spec.suite.marks import clause, named

PLAIN, WHOLE = "small-L1-relu-float64", "small-L2-tanh-bi-float64"
COPIES = ("deepcopy", "pickle", "save and load", "copied after a call")
DTYPES = ("float64", "float32", "float16", "bfloat16")


# -- the law --------------------------------------------------------------------------------------


@clause("STA-01")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_forward_uses_current_parameters(case, operation, check):
    """After any state operation forward equals the forward of a fresh layer with the current parameters."""
    state = State(case, check)

    rnn = state.operate(OPERATIONS[operation])

    state.obeys(rnn)


@clause("STA-02")
@named(WHOLE)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_gradients_reach_the_users_tensors(case, operation, check):
    """After any state operation the gradients arrive at the tensors that the parameters are computed from."""
    state = State(case, check)

    rnn = state.operate(OPERATIONS[operation])

    state.learns(rnn)


# -- values that are known beforehand -------------------------------------------------------------


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("operation", CHANGED)
def test_changed_parameters_are_used_at_once(case, operation, check):
    """Parameters that were halved, in whatever way, are half in the forward pass that follows."""
    state = State(case, check)
    halves = case.derive(operation, parameters={name: p / 2 for name, p in case.parameters.items()})

    rnn = state.operate(CHANGED[operation])

    answers(state, rnn, halves)


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("operation", KEPT)
def test_what_changes_no_parameter_changes_no_answer(case, operation, check):
    """After an operation that leaves every parameter's value as it was the answer is what it was."""
    state = State(case, check)

    rnn = state.operate(KEPT[operation])

    answers(state, rnn, case)


@clause("STA-08")
@named(PLAIN)
@pytest.mark.parametrize("change", ["in place", "replaced"])
def test_tied_parameters_are_one(case, change, check):
    """A bias that is the other bias changes with it, and a gradient step of one is a step of both."""
    state = State(case, check)
    tied = {**case.parameters, "bias_hh_l0": case.parameters["bias_ih_l0"]}
    if change == "in place":
        tied |= dict.fromkeys(("bias_ih_l0", "bias_hh_l0"), tied["bias_ih_l0"] / 4)

    def tie(torch, rnn):
        rnn.bias_hh_l0 = rnn.bias_ih_l0
        call(torch, rnn)
        if change == "in place":
            with torch.no_grad():
                rnn.bias_ih_l0.div_(4)
        return rnn

    rnn = state.operate(tie)

    check.holds(rnn.bias_hh_l0 is rnn.bias_ih_l0, "the two biases are no longer one parameter")
    answers(state, rnn, case.derive(f"tied, {change}", parameters=tied))


@clause("STA-08")
@named(WHOLE)
@pytest.mark.parametrize("kind", ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_each_replaced_parameter_is_used(case, kind, check):
    """A parameter that alone is replaced, of any layer and direction, is the one that forward uses."""
    state = State(case, check)

    for name in [name for name in state.names if name.startswith(kind)]:
        value = np.roll(case.parameters[name], 1, axis=0)
        with answering("replacing a parameter"):
            setattr(state.rnn, name, state.torch.nn.Parameter(state.tensor(value)))
        replaced = case.derive(f"other {name}", parameters={**case.parameters, name: value})
        answers(state, state.rnn, replaced)
        with answering("replacing a parameter"):
            setattr(state.rnn, name, state.torch.nn.Parameter(state.tensor(case.parameters[name])))


@clause("STA-09")
@named(WHOLE)
@pytest.mark.parametrize("operation", COMPUTED)
def test_computed_parameters_are_used(case, operation, check):
    """A computed parameter is used with its current value, and a plain one beside it with its own."""
    state = State(case, check)

    rnn = state.operate(COMPUTED[operation])

    state.obeys(rnn)


@clause("STA-09")
@named(WHOLE)
@pytest.mark.parametrize("operation", ["parametrized", "parametrized, called and changed", "pruned"])
def test_computed_parameters_have_an_effect(case, operation, check):
    """Halving by a parametrization halves the parameter that forward uses; pruning makes half of it zero."""
    state = State(case, check)
    factor = {"parametrized": 0.5, "parametrized, called and changed": 0.25}.get(operation)

    rnn = state.operate(COMPUTED[operation])

    if factor:
        scaled = {name: p * factor for name, p in case.parameters.items()}
        answers(state, rnn, case.derive(operation, parameters=scaled))
    else:
        state.obeys(rnn)
        for name, value in state.values(rnn).items():
            zeros = np.count_nonzero(numbers(value) == 0)
            check.equal(f"zeros in {name}", zeros, round(value.numel() / 2))


@clause("STA-09")
@named(PLAIN)
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_normalised_weights_have_their_norm(case, kind, check):
    """What forward uses has rows of the given norm, spectral norm 1, or orthonormal rows."""
    state = State(case, check)

    rnn = state.operate(COMPUTED[kind])

    state.obeys(rnn)
    w = numbers(rnn.weight_hh_l0)
    if kind == "weight_norm":
        given = numbers(rnn.parametrizations.weight_hh_l0.original0)[:, 0]
        close(check, "the rows' norms", np.sqrt((w**2).sum(axis=1)), given)
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
    state = State(case, check)
    factor = 1 if operation in KEPT else 0.5

    rnn = state.operate(OPERATIONS[operation])

    with answering("state_dict"):
        found = {name: numbers(value) for name, value in rnn.state_dict().items()}
    check.equal("the keys of state_dict", list(found), state.names)
    for name, value in found.items():
        check.equal(name, value, case.parameters[name] * factor)


@clause("STA-03")
@named(PLAIN, WHOLE, "small-L2-tanh-bi-nobias-float64")
@pytest.mark.parametrize("how", ["directly", "assign", "through a file"])
def test_state_dict_restores_the_layer(case, how, check):
    """A new layer that loads the state_dict answers as the layer that it is of."""
    state = State(case, check)

    with answering("loading a state_dict"):
        saved = state.rnn.state_dict()
        if how.endswith("file"):
            saved = file(state.torch, saved, weights_only=True, map_location="cpu")
        other = State(case, check)
        other.torch.nn.init.constant_(other.rnn.weight_hh_l0, 0.5)
        result = other.rnn.load_state_dict(saved, assign=how == "assign")

    check.equal("missing and unexpected keys", (result.missing_keys, result.unexpected_keys), ([], []))
    answers(state, other.rnn, case)


@clause("STA-03")
@named(WHOLE)
def test_state_dict_shares_its_values_with_the_layer(case, check):
    """state_dict has the parameters' own memory, detached; with keep_vars the parameters themselves."""
    state = State(case, check)

    with answering("state_dict"):
        plain, kept = state.rnn.state_dict(), state.rnn.state_dict(keep_vars=True)
        own = dict(state.rnn.named_parameters())
        prefixed = list(state.rnn.state_dict(prefix="encoder."))

    check.equal("the keys of state_dict", [list(plain), list(kept)], [state.names, state.names])
    for name, parameter in own.items():
        check.holds(plain[name].data_ptr() == parameter.data_ptr(), f"{name} in state_dict is a copy")
        check.holds(not plain[name].requires_grad, f"{name} in state_dict is not detached")
        check.holds(kept[name] is parameter, f"{name} in state_dict(keep_vars=True) is not the parameter")
    check.equal("the keys under a prefix", prefixed, [f"encoder.{name}" for name in state.names])


@clause("STA-04")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape", "transposed"])
@pytest.mark.parametrize("name", ["weight_ih_l0", "bias_hh_l0"])
def test_strict_load_refuses_and_names_the_key(case, fault, name, check):
    """load_state_dict of a state that lacks a key, has another, or another shape, raises and names it."""
    state = State(case, check)
    with answering("state_dict"):
        valid = {key: value.clone() for key, value in state.rnn.state_dict().items()}
        state.rnn.load_state_dict(valid)  # the valid twin
    wrong = dict(valid)
    if fault == "missing":
        del wrong[name]
    elif fault == "unexpected":
        name = f"{name}7"
        wrong[name] = valid["bias_hh_l0"]
    else:
        value = valid[name]
        wrong[name] = value.t() if fault == "transposed" and value.ndim == 2 else value[:-1]

    error = None
    try:
        state.rnn.load_state_dict(wrong)
    except Exception as e:
        error = e

    check.holds(error is not None, f"load_state_dict took a state whose {name} is {fault}")
    check.equal("the exception's class", type(error).__name__, "RuntimeError")
    check.holds(name in str(error), f"the message does not name {name}: {error}")


@clause("STA-04")
@named(WHOLE)
def test_loading_without_strict_tells_the_keys(case, check):
    """With strict=False missing and unexpected keys are told, and everything else is loaded."""
    state = State(case, check)
    with answering("load_state_dict"):
        part = {name: value / 2 for name, value in state.rnn.state_dict().items()}
        part["elsewhere"] = part.pop("bias_hh_l0")
        result = state.rnn.load_state_dict(part, strict=False)

    check.equal("missing keys", list(result.missing_keys), ["bias_hh_l0"])
    check.equal("unexpected keys", list(result.unexpected_keys), ["elsewhere"])
    values = {name: p / (1 if name == "bias_hh_l0" else 2) for name, p in case.parameters.items()}
    answers(state, state.rnn, case.derive("loaded in part", parameters=values))


# -- copies ---------------------------------------------------------------------------------------


@clause("STA-05")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_answers_like_the_original(case, operation, check):
    """A copy is another module that gives the same forward, and has the original's configuration and mode."""
    state = State(case, check)

    rnn = state.operate(KEPT[operation])

    check.holds(rnn is not state.rnn, "the copy is the original")
    check.equal("repr of the copy", repr(rnn), repr(state.rnn))
    check.equal("the copy's training", rnn.training, state.rnn.training)
    answers(state, rnn, case)


@clause("STA-05")
@named(WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_shares_no_parameter(case, operation, check):
    """Changing a copy's parameters changes nothing in the original, and the other way round."""
    state = State(case, check)
    rnn = state.operate(KEPT[operation])
    torch = state.torch

    for changed, other in ((rnn, state.rnn), (state.rnn, rnn)):
        before = {name: numbers(value).copy() for name, value in state.values(other).items()}
        with answering("changing one of the two"), torch.no_grad():
            for parameter in changed.parameters():
                parameter.div_(2)
        for name, value in state.values(other).items():
            check.equal(f"{name} of the one that was left alone", numbers(value), before[name])
        state.obeys(changed)
        state.obeys(other)


@clause("STA-05")
@named(WHOLE)
@pytest.mark.parametrize("operation", COPIES)
def test_copy_of_a_frozen_or_tied_layer_is_one(case, operation, check):
    """A copy keeps which parameters are frozen, and which are one."""
    state = State(case, check)
    with answering("freezing and tying"):
        state.rnn.weight_hh_l0.requires_grad_(False)
        state.rnn.bias_hh_l1 = state.rnn.bias_ih_l1

    rnn = state.operate(KEPT[operation])

    check.holds(not rnn.weight_hh_l0.requires_grad, "the frozen weight is no longer frozen in the copy")
    check.holds(rnn.bias_hh_l1 is rnn.bias_ih_l1, "the tied biases are two in the copy")
    state.learns(rnn)


# -- dtype and device -----------------------------------------------------------------------------


@clause("STA-06")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["to(dtype)", "to(tensor)", "type", "through meta", "assign"])
def test_moving_to_a_dtype_moves_every_parameter(case, how, dtype, check):
    """Moving to a dtype casts every parameter, and forward then computes in it."""
    state = State(case, check)

    def move(torch, rnn):
        target = getattr(torch, dtype)
        if how == "to(dtype)":
            return rnn.to(dtype=target)
        if how == "to(tensor)":
            return rnn.to(torch.empty(0, dtype=target))
        if how == "type":
            return rnn.type(target)
        saved = {name: value.to(target) for name, value in rnn.state_dict().items()}
        if how == "assign":
            rnn.load_state_dict(saved, assign=True)
        else:
            rnn.to("meta").to(target).to_empty(device="cpu").load_state_dict(saved)
        return rnn

    rnn = state.operate(move)

    moved(state, rnn, dtype, "cpu")
    answers(state, rnn, case.derive(f"as {dtype}", dtype=dtype))


@clause("STA-06")
@named(PLAIN)
@pytest.mark.parametrize("method", ["double", "float", "half", "bfloat16"])
def test_named_moves_return_the_module(case, method, check):
    """double(), float(), half() and bfloat16() cast every parameter and return the module."""
    state = State(case, check)

    rnn = state.operate(lambda torch, rnn: getattr(rnn, method)())

    dtype = {"double": "float64", "float": "float32", "half": "float16"}.get(method, method)
    check.holds(rnn is state.rnn, f"{method}() does not return the module")
    moved(state, rnn, dtype, "cpu")
    answers(state, rnn, case.derive(f"as {dtype}", dtype=dtype))


@clause("STA-06")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("how", ["to", "constructor"])
def test_meta_module_has_shapes_and_no_values(case, how, check):
    """On the meta device every parameter is there, a call gives shapes, and to_empty brings it back."""
    state = State(case, check)

    with answering("going to the meta device"):
        rnn = state.rnn.to("meta") if how == "to" else state.build(device="meta").to(state.dtype).eval()
        shapes = [tuple(t.shape) for t in rnn(*(t.to("meta") for t in state.arguments()))]

    moved(state, rnn, case.dtype, "meta")
    check.equal("the shapes on meta", shapes, [a.value.shape for a in results(check, case)])
    with answering("coming back"):
        rnn.to_empty(device="cpu")
        rnn.load_state_dict({name: state.tensor(value) for name, value in case.parameters.items()})
    moved(state, rnn, case.dtype, "cpu")
    answers(state, rnn, case)


# -- train and eval -------------------------------------------------------------------------------


@clause("STA-07")
@named(WHOLE)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_train_and_eval_return_the_module_and_set_its_mode(case, mode, check):
    """train() and eval() set `training`, return the module, and change no parameter."""
    state = State(case, check)

    with answering(mode):
        state.rnn.train(mode != "train")
        returned = getattr(state.rnn, mode)()

    check.holds(returned is state.rnn, f"{mode}() does not return the module")
    check.equal("training", state.rnn.training, mode == "train")
    for name, value in state.values(state.rnn).items():
        check.equal(name, numbers(value), case.parameters[name])
    answers(state, state.rnn, case)


@clause("STA-07")
@named("small-L2-tanh-p1-float64", "small-L3-relu-bi-p1-float64")
def test_train_and_eval_switch_dropout(case, check):
    """With dropout=1 the layers above the first hear nothing in training mode, and all in evaluation."""
    state = State(case, check)
    training = case.derive("in training mode", training=True)

    for mode in (False, True, False):
        with answering("train"):
            state.rnn.train(mode)
        answers(state, state.rnn, training if mode else case)


# -- deletion -------------------------------------------------------------------------------------

DELETIONS = {
    "del": lambda torch, rnn, name: delattr(rnn, name),
    "set to None": lambda torch, rnn, name: setattr(rnn, name, None),
    "register_parameter of None": lambda torch, rnn, name: rnn.register_parameter(name, None),
    "del and move": lambda torch, rnn, name: (delattr(rnn, name), rnn.float().double()),
}


@clause("STA-10")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("how", DELETIONS)
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_deleted_weight_is_missed(case, how, name, check):
    """After a weight is deleted a call raises an error, and does not compute with the deleted one."""
    state = State(case, check)
    state.results(state.rnn, *state.arguments())  # the valid twin
    with answering("deleting a weight"):
        DELETIONS[how](state.torch, state.rnn, name)

    try:
        state.rnn(*state.arguments())
    except Exception:
        return
    check.holds(False, f"forward answers without {name}, as if it had not been deleted")


# -- hooks ----------------------------------------------------------------------------------------


@clause("STA-11")
@named(PLAIN, WHOLE)
def test_forward_hooks_see_each_call_once(case, check):
    """Forward hooks run once a call, with its arguments and its result; keyword arguments where asked for."""
    state = State(case, check)
    seen = []
    with answering("registering hooks"):
        state.rnn.register_forward_pre_hook(lambda module, args: seen.append(("before", module, args)))
        state.rnn.register_forward_hook(lambda module, args, out: seen.append(("after", module, args, out)))
    x, h_0 = state.arguments()

    for _ in range(2):
        seen.clear()
        result = state.results(state.rnn, x, h_0)
        check.equal("hooks that ran", [hook[0] for hook in seen], ["before", "after"])
        for hook in seen:
            check.holds(hook[1] is state.rnn, "a hook got another module")
            check.holds(len(hook[2]) == 2, f"a hook got {len(hook[2])} arguments, expected input and h_0")
            check.holds(hook[2][0] is x and hook[2][1] is h_0, "a hook got other arguments than the call")
        output = seen[-1][3]
        check.holds(output[0] is result[0] and output[1] is result[1], "a hook got another result")


@clause("STA-11")
@named(PLAIN)
def test_forward_hooks_may_change_what_they_see(case, check):
    """What a pre-hook returns is what forward gets, what a hook returns is what the caller gets."""
    state = State(case, check)
    with answering("registering hooks"):
        state.rnn.register_forward_pre_hook(lambda module, args: (args[0] / 2, *args[1:]))
        state.rnn.register_forward_hook(lambda module, args, out: (out[0] * 2, out[1]))

    output, h_n = state.results(state.rnn, *state.arguments())

    expected = results(check, case.derive("half the input", input=case.input / 2))
    check.within("output / 2", numbers(output) / 2, expected[0])
    check.within("h_n", numbers(h_n), expected[1])


@clause("STA-11")
@named(PLAIN, WHOLE)
def test_backward_hooks_see_each_backward_pass_once(case, check):
    """A full backward hook runs once a backward pass, with the gradients of input, h_0, output and h_n."""
    state = State(case, check)
    seen = []
    with answering("registering hooks"):
        state.rnn.register_full_backward_pre_hook(lambda module, out: seen.append(("before", out)))
        state.rnn.register_full_backward_hook(lambda module, into, out: seen.append(("after", out, into)))
    arguments = state.arguments()

    found = state.results(state.rnn, *arguments)
    with answering("backward"):
        state.torch.autograd.backward(found, state.cotangents(found))

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
    state = State(case, check)
    seen = []
    with answering("registering a hook"):
        handle = state.rnn.register_forward_hook(lambda *given: seen.append(given))
        state.rnn(*state.arguments())
        handle.remove()
        state.rnn(*state.arguments())

    check.equal("how often the hook ran", len(seen), 1)


# -- what they share ------------------------------------------------------------------------------


def results(check, case):
    """The expected output and h_n of `case`, by the spec alone."""
    expected = check.expect(case.derive("forward", cotangents=None)).arrays
    return expected["output"], expected["h_n"]


def answers(state, rnn, case):
    """The module answers what the spec says of `case`."""
    dtype = getattr(state.torch, case.dtype)
    with state.torch.no_grad():
        got = state.results(rnn, *state.arguments(dtype))
    for name, value, expected in zip(("output", "h_n"), got, results(state.check, case), strict=True):
        state.check.equal(f"{name}'s dtype", str(value.dtype), str(dtype))
        state.check.within(name, numbers(value), expected)


def moved(state, rnn, dtype, device):
    """Every parameter is a parameter of this dtype, on this device."""
    parameters = dict(rnn.named_parameters())
    state.check.equal("the parameters", list(parameters), state.names)
    for name, parameter in parameters.items():
        state.check.equal(f"{name}'s dtype", str(parameter.dtype), f"torch.{dtype}")
        state.check.equal(f"{name}'s device", parameter.device.type, device)
        state.check.holds(parameter.requires_grad, f"{name} no longer requires a gradient")


def close(check, name, got, expected):
    """Two arrays of numbers that were computed in float64 from each other agree to half its digits."""
    check.holds(np.abs(got - expected).max() < 2**-26, f"{name}: got {got}, expected {expected}")
