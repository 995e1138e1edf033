"""Autograd: accumulation, frozen parameters, repeated, second and forward-mode derivatives (area GRD)."""

from __future__ import annotations

import pytest

from rnn_spec.judge.contract import done, fact, learns
from rnn_spec.judge.module import Module, answering, numbers
from rnn_spec.questions.records import Bound
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.suite.marks import clause, named

PLAIN, WHOLE = "small-L1-relu-float64", "small-L2-tanh-bi-float64"


@clause("GRD-07")
@named(PLAIN, WHOLE, "small-L1-tanh-batch_first-float32")
@pytest.mark.parametrize("passes", [2, 3])
def test_gradients_accumulate(case, passes, check):
    """A second and third backward pass add to the gradients that are there."""
    state = Module(case, check)
    bounds = check.expect(case).arrays

    for times in range(1, passes + 1):
        backward(state)
        for name, parameter in state.rnn.named_parameters():
            arrived(check, name, parameter.grad, accumulated(bounds, times, case.dtype))


@clause("GRD-07")
@named(PLAIN)
def test_gradients_are_added_to_what_the_user_stored(case, check):
    """What the user has put into .grad stays there, and the gradient is added to it."""
    state = Module(case, check)
    for parameter in state.rnn.parameters():
        parameter.grad = state.torch.full_like(parameter, 2.0)

    backward(state)

    bounds = accumulated(check.expect(case).arrays, 1, case.dtype, beside=2.0)
    for name, parameter in state.rnn.named_parameters():
        arrived(check, name, parameter.grad - 2, bounds)


@clause("GRD-09")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("kind", ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "input", "h_0"])
def test_frozen_tensors_get_no_gradient(case, kind, check):
    """What is frozen gets no gradient, and everything else the gradient that it gets otherwise."""
    answer = learns(check, done(case, f"freeze {kind}", learning=True))

    frozen = [name for name, leaf in fact(answer, "leaves").items() if not leaf["learns"]]
    check.equal("the frozen parameters", frozen, [name for name in case.parameters if name.startswith(kind)])


@clause("GRD-09")
@named(WHOLE)
def test_frozen_layer_passes_gradients_on(case, check):
    """A layer frozen as a whole gets no gradient, and passes it to its input; thawed it gets its own."""
    frozen = learns(check, done(case, "frozen", learning=True))
    thawed = learns(check, done(case, "thawed", learning=True))

    for answer, learning in ((frozen, False), (thawed, True)):
        told = {name: leaf["learns"] for name, leaf in fact(answer, "leaves").items()}
        check.equal("what learns", told, dict.fromkeys(case.parameters, learning))


@clause("GRD-10")
@named(PLAIN, WHOLE, "small-L2-relu-bi-unbatched-float32")
def test_retained_graph_gives_the_same_gradients_again(case, check):
    """A second backward pass through one call, with retain_graph, gives the same gradients."""
    state = Module(case, check)
    arguments = state.arguments()
    leaves = dict(state.rnn.named_parameters()) | dict(zip(("input", "h_0"), arguments, strict=True))
    results = state.results(state.rnn, *arguments)

    with answering("backward"):
        first, second = (
            state.torch.autograd.grad(
                results, list(leaves.values()), state.cotangents(results), retain_graph=again
            )
            for again in (True, False)
        )

    bounds = check.expect(case).arrays
    for name, one, two in zip(leaves, first, second, strict=True):
        arrived(check, name, one, bounds)
        arrived(check, name, two, bounds)
        check.agree(f"grad {name} again", numbers(two), numbers(one), bounds[f"grad {name}"])


@clause("GRD-10")
@named(WHOLE)
def test_losses_of_one_call_add_up(case, check):
    """Backward of output, then of h_n, through one call gives the sum of both."""
    state = Module(case, check)
    output, h_n = state.results(state.rnn, *state.arguments())
    g_output, g_n = state.cotangents((output, h_n))

    with answering("backward"):
        output.backward(g_output, retain_graph=True)
        h_n.backward(g_n)

    bounds = check.expect(case).arrays
    for name, parameter in state.rnn.named_parameters():
        arrived(check, name, parameter.grad, bounds)


@clause("GRD-10")
@named(PLAIN)
def test_graph_that_is_not_retained_is_gone(case, check):
    """Without retain_graph a second backward pass raises, and adds nothing."""
    state = Module(case, check)
    results = state.results(state.rnn, *state.arguments())
    cotangents = state.cotangents(results)
    with answering("backward"):
        state.torch.autograd.backward(results, cotangents)

    error = None
    try:
        state.torch.autograd.backward(results, cotangents)
    except RuntimeError as e:
        error = e

    check.holds(error, "a second backward pass without retain_graph did not raise")
    for name, parameter in state.rnn.named_parameters():
        arrived(check, name, parameter.grad, check.expect(case).arrays)


@clause("GRD-11")
@named("cell-L1-tanh-float64", "cell-L2-relu-bi-float64", "one-L2-tanh-float64")
def test_second_derivatives(case, check):
    """The gradients' own derivatives are those of finite differences, for input, h_0 and every parameter."""
    state = Module(case, check)
    torch, own = state.torch, dict(state.rnn.named_parameters())

    def forward(input, h_0, *values):
        given = dict(zip(own, values, strict=True))
        return torch.func.functional_call(state.rnn, given, (input, h_0))

    leaves = [*state.arguments(), *(p.detach().clone().requires_grad_() for p in own.values())]
    with answering("gradgradcheck"):
        right = torch.autograd.gradgradcheck(forward, leaves, fast_mode=True, raise_exception=False)

    check.holds(right, "second derivatives are not those of finite differences")


@clause("GRD-11")
@named("small-L1-tanh-float64")
def test_gradient_penalty_reaches_the_parameters(case, check):
    """A loss on the gradient of the input, in double backward, gives every weight a gradient."""
    state = Module(case, check)
    arguments = state.arguments()
    results = state.results(state.rnn, *arguments)

    with answering("double backward"):
        (g,) = state.torch.autograd.grad(results, arguments[:1], state.cotangents(results), create_graph=True)
        (g**2).sum().backward()

    check.within("grad input", numbers(g), check.expect(case).arrays["grad input"])
    for name, parameter in state.rnn.named_parameters():
        check.holds(parameter.grad is not None and parameter.grad.any(), f"the penalty does not reach {name}")


@clause("GRD-12")
@named(PLAIN, WHOLE, "small-L1-tanh-noh0-float64")
@pytest.mark.parametrize("how", ["torch.func.jvp", "forward_ad"])
def test_forward_mode_agrees_with_reverse_mode(case, how, check):
    """<cotangent, J tangent> is <J^T cotangent, tangent>, for tangents of input, h_0 and every parameter."""
    state = Module(case, check)
    torch, own = state.torch, dict(state.rnn.named_parameters())
    arguments = [t.detach() for t in state.arguments()]
    leaves = [*arguments, *(p.detach() for p in own.values())]
    names = [*("input", "h_0")[: len(arguments)], *own]

    def forward(*given):
        count = len(arguments)
        parameters = dict(zip(own, given[count:], strict=True))
        return torch.func.functional_call(state.rnn, parameters, tuple(given[:count]))

    bounds = check.expect(case).arrays
    for index, (name, leaf) in enumerate(zip(names, leaves, strict=True)):
        for at in (0, leaf.numel() // 2, leaf.numel() - 1):
            tangents = [torch.zeros_like(t) for t in leaves]
            tangents[index].view(-1)[at] = 1
            with answering(how):
                moved = directional(torch, how, forward, leaves, tangents)
            total = sum(
                (numbers(t) * numbers(g)).sum() for t, g in zip(moved, state.cotangents(moved), strict=True)
            )
            bound = bounds[f"grad {name}"]
            check.agree(
                f"the derivative along {name}'s element {at}", [total], bound.value.reshape(-1)[[at]],
                type(bound)(bound.value.reshape(-1)[[at]], bound.error.reshape(-1)[[at]] * 4),
            )  # fmt: skip


def directional(torch, how, forward, leaves, tangents):
    """The tangents of output and h_n."""
    if how == "torch.func.jvp":
        return torch.func.jvp(forward, tuple(leaves), tuple(tangents))[1]
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(leaf, t) for leaf, t in zip(leaves, tangents, strict=True)]
        return [forward_ad.unpack_dual(result).tangent for result in forward(*duals)]


def backward(state, arguments=None):
    """One call, and one backward pass with the case's cotangents."""
    results = state.results(state.rnn, *(arguments or state.arguments()))
    with answering("backward"):
        state.torch.autograd.backward(results, state.cotangents(results))


def accumulated(bounds, times, dtype, beside=0.0):
    """The bounds of gradients that are added so often to a number, each sum being rounded."""
    u = FORMATS[dtype].unit_roundoff
    return {
        name: Bound(b.value * times, times * (b.error + 2 * u * (times * abs(b.value) + beside)))
        for name, b in bounds.items()
    }


def arrived(check, name, got, bounds):
    """The gradient that arrived is that of the spec."""
    check.holds(got is not None, f"no gradient arrives at {name}")
    check.within(f"grad {name}", numbers(got), bounds[f"grad {name}"])
