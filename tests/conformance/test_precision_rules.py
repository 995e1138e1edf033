"""Which precisions mix, and which is in force: mixed dtypes, autocast and TF32 (area PRC)."""

from __future__ import annotations

import pytest

from rnn_spec.judge.contract import answers, done
from rnn_spec.judge.module import Module, answering, numbers
from rnn_spec.judge.refused import answer
from rnn_spec.judge.session import NotClaimed
from rnn_spec.questions.attempts import mixed
from rnn_spec.questions.expect import expect
from rnn_spec.questions.ragged import ragged
from rnn_spec.suite.marks import clause, named
from rnn_spec.torch.deeds import CHANGED, do

DTYPES = ("float64", "float32", "float16", "bfloat16")
HALF = ("float16", "bfloat16")
MIXES = [f"{layer} layer, {given} {what}" for layer in DTYPES for given in DTYPES if layer != given
         for what in ("input", "h_0")]  # fmt: skip


@clause("PRC-05")
@named("small-L1-tanh-float64", "small-L2-relu-bi-batch_first-float64")
@pytest.mark.parametrize("mix", MIXES)
def test_mixed_dtypes_are_refused(case, mix, check):
    """An input or h_0 of another dtype than the parameters' is refused, and the layer goes on working."""
    layer, _, given, what = mix.replace(",", "").split()
    check.claimed(case.derive(f"as {layer}", dtype=layer))

    found = answer(check, mixed(case, layer, given, what))

    check.holds(found.error, f"a {layer} layer took a {given} {what}")
    left = found.attempted and found.attempted.left
    check.holds(left, "the answer does not tell what is left behind")
    check.holds(left.again is None, f"the call after it was refused: {left.again}")
    check.equal("results of the call after it that differ", left.differs, ())


@clause("PRC-05")
@named("small-L1-tanh-float32")
@pytest.mark.parametrize("given", [dtype for dtype in DTYPES if dtype != "float32"])
def test_refusal_of_an_input_names_both_dtypes(case, given, check):
    """The message of a refused input names its dtype and the parameters'."""
    check.claimed(case)

    error = check.attempt(mixed(case, "float32", given, "input")).error

    said = "" if error is None else error.message
    for dtype in (given, "float32"):
        check.holds(f"torch.{dtype}" in said, f"the message does not name torch.{dtype}: {said or 'taken'}")


@clause("PRC-06")
@named("small-L1-relu-float32", "small-L2-tanh-bi-float32", "small-L1-tanh-batch_first-noh0-float32")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_autocast_computes_in_its_dtype(case, dtype, check):
    """Under autocast a float32 layer takes float32, and answers in the autocast dtype, within its bound."""
    lower = case.derive(f"under autocast to {dtype}", dtype=dtype)

    answers(check, done(lower, route="autocast"), lower)


@clause("PRC-06")
@named("small-L1-tanh-float32", "small-L2-relu-bi-batch_first-float32")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("mix", [f"{what} in {dtype}" for what in ("input", "h_0") for dtype in HALF])
@pytest.mark.parametrize("how", ["padded", "packed"])
def test_autocast_makes_other_dtypes_right(case, how, mix, dtype, check):
    """Under autocast an input or h_0 in float16 or bfloat16 is taken by a float32 layer, packed or not."""
    lower = case.derive(f"under autocast to {dtype}", dtype=dtype)

    given = ragged(lower, "unsorted") if how == "packed" else lower
    answers(check, done(given, route=f"autocast, {mix}"), given)


@clause("PRC-06")
@named("small-L1-relu-float32", "small-L2-tanh-bi-float32")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_autocast_gradients_are_float32(case, dtype, check):
    """Under autocast the gradients arrive at the float32 parameters in float32, within the lower bound."""
    state = Module(case, check)
    arguments = state.arguments()

    results = autocast(state, dtype, state.rnn, *arguments)
    with answering("backward"):
        state.torch.autograd.backward(results, state.cotangents(results))

    bounds = expect(case.derive("in low precision", dtype=dtype)).arrays
    leaves = dict(state.rnn.named_parameters()) | dict(zip(("input", "h_0"), arguments, strict=True))
    for name, leaf in leaves.items():
        check.holds(leaf.grad is not None, f"no gradient arrives at {name}")
        check.equal(f"the dtype of grad {name}", str(leaf.grad.dtype), "torch.float32")
        check.within(f"grad {name}", numbers(leaf.grad), bounds[f"grad {name}"])


@clause("EXE-01")
@named("small-L2-tanh-bi-float32")
@pytest.mark.parametrize("operation", ["in place", "replaced", "load_state_dict, assign"])
def test_autocast_uses_current_parameters(case, operation, check):
    """Parameters that change inside one autocast region, between calls, are used as they then are.

    What is changed in place is changed where autocast keeps no cast weights (cache_enabled=False): where it
    does, it uses them to the region's end, of this layer as of any other.
    """
    state = Module(case, check)
    halves = case.derive(
        "halves", dtype="bfloat16", parameters={k: p / 2 for k, p in case.parameters.items()}
    )
    torch, cached = state.torch, operation != "in place"
    region = torch.autocast(state.device, dtype=torch.bfloat16, cache_enabled=cached)

    with answering("the calls"), region, torch.no_grad():
        state.rnn(*state.arguments())
        do(state.rnn, CHANGED[operation])
        output, _ = state.rnn(*state.arguments())

    check.within("output", numbers(output), expected(halves, check)["output"])


@clause("PRC-06")
@named("small-L1-relu-float32")
def test_autocast_switched_off_computes_in_float32(case, check):
    """In a region where autocast is disabled, and after it, a float32 layer computes in float32."""
    state = Module(case, check)
    torch = state.torch

    autocast(state, "bfloat16", state.rnn, *state.arguments())
    with answering("forward"), torch.autocast(state.device, dtype=torch.bfloat16, enabled=False):
        disabled, _ = state.rnn(*state.arguments())
    after, _ = state.results(state.rnn, *state.arguments())

    for name, got in (("disabled", disabled), ("after", after)):
        check.equal(f"the dtype of output {name}", str(got.dtype), "torch.float32")
        check.within(f"output {name}", numbers(got), expected(case, check)["output"])


@clause("PRC-07")
@named("odd-L1-tanh-float32", "odd-L2-relu-bi-float32")
@pytest.mark.parametrize("tf32", [False, True], ids=["TF32 off", "TF32 on"])
def test_cuda_computes_in_the_arithmetic_chosen(case, tf32, check):
    """On CUDA float32 results are float32's with TF32 off, and those of rounded factors with it on."""
    _, torch = check.module_class()
    if not torch.cuda.is_available():
        raise NotClaimed("not here: CUDA, of which there is no device")
    state = Module(case, check)
    state.rnn.to("cuda")
    bounds = expected(case, check)
    if tf32:  # factors of 10 bits are between bfloat16's and float16's
        bounds = expected(case.derive("in low precision", dtype="bfloat16"), check)

    # flags() switches cuDNN off unless it is told to leave it on.
    with answering("forward"), torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32), torch.no_grad():
        before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, tf32
        try:
            results = state.rnn(*(t.to("cuda") for t in state.arguments()))
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    for name, got in zip(("output", "h_n"), results, strict=True):
        check.within(name, numbers(got), bounds[name])


def autocast(state, dtype, call, *arguments):
    """The results of a call under autocast; NotClaimed where a layer of that dtype would not be claimed."""
    state.check.claimed(state.case.derive("in low precision", dtype=dtype))
    with answering("forward"), state.torch.autocast(state.device, dtype=getattr(state.torch, dtype)):
        return state.results(call, *arguments)


def expected(case, check):
    """What the spec says of the forward pass."""
    return check.expect(case.derive(f"forward in {case.dtype}", cotangents=None)).arrays
