"""Execution routes: the layer scripted, traced, compiled, exported or transformed is the layer (area EXE)."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_spec.judge.contract import answers, done, learns, obeys
from rnn_spec.judge.module import Module, answering, numbers
from rnn_spec.judge.session import NotClaimed
from rnn_spec.questions.records import Call
from rnn_spec.suite.marks import clause, named
from rnn_spec.torch.deeds import halves

PLAIN, WHOLE = "small-L1-relu-float64", "small-L2-tanh-bi-float64"
SHAPES = (
    PLAIN,
    WHOLE,
    "small-L2-relu-bi-unbatched-float32",
    "small-L3-tanh-nobias-batch_first-noh0-float32",
)
BEFORE = (
    "in place after a call",
    "replaced",
    "deleted and registered",
    "load_state_dict, assign",
    "functional_call",
    "torch.func.grad",
    "tied biases",
    "parametrized",
    "parametrized, called and changed",
)
AFTER = {
    "in place": "in place",
    "load_state_dict": "load_state_dict",
    "load_state_dict, assign": "load_state_dict, assign, alone",
    "data": "data alone",
    "replaced": "replaced alone",
}
"""The deed of each operation that calls nothing: what a route made is called with its own shapes."""
TAKEN = ("functional", "trace", "script", "compile", "export")
TAKE, LEAVE = "take the route", "leave the route"


# -- the law across the routes --------------------------------------------------------------------


@clause("EXE-01")
@named(PLAIN)
@pytest.mark.parametrize("operation", BEFORE)
@pytest.mark.parametrize("route", TAKEN)
def test_state_changed_before_the_route_is_taken(case, route, operation, check):
    """A module that was changed, and then traced or scripted, answers by the parameters that it shows."""
    obeys(check, done(case, operation, route=route))


@clause("EXE-01")
@named(PLAIN)
@pytest.mark.parametrize("operation", AFTER)
@pytest.mark.parametrize("route", TAKEN)
def test_state_changed_after_the_route_is_taken(case, route, operation, check):
    """What a route made, and was then changed, answers by the parameters that it shows."""
    obeys(check, done(case, TAKE, AFTER[operation], route=route))


@clause("EXE-01")
@named(WHOLE)
@pytest.mark.parametrize("route", TAKEN)
def test_the_route_leaves_the_layer_as_it_was(case, route, check):
    """Taking a route and calling what it made changes neither the layer's parameters nor its answers."""
    taken = (TAKE, Call(case.input, case.h_0), LEAVE)

    after = answers(check, done(case, *taken, route=route), case).after

    for name, value in case.parameters.items():
        check.equal(name, after[name], value)
    learns(check, done(case, *taken, route=route, learning=True))


# -- functional_call ------------------------------------------------------------------------------


@clause("EXE-02")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("given", ["all", "one"])
def test_functional_call_computes_with_what_it_is_given(case, given, check):
    """functional_call answers for the given parameters, and for the module's own where none is given."""
    halved = {name: p / 2 for name, p in case.parameters.items() if given == "all" or name == "weight_hh_l0"}
    like = case.derive(f"halves of {given}", parameters={**case.parameters, **halved})

    answers(check, done(case, route=f"functional_call, halves of {given}"), like)


@clause("EXE-02")
@named(PLAIN, WHOLE)
def test_functional_call_leaves_the_modules_own_in_place(case, check):
    """After functional_call the module has its own parameters, the very same, and answers with them."""
    module = Module(case, check)
    own = dict(module.rnn.named_parameters())

    with answering("functional_call"):
        module.torch.func.functional_call(module.rnn, halves(module.rnn), module.arguments())

    for name, parameter in module.rnn.named_parameters():
        check.holds(parameter is own[name], f"{name} is another tensor after functional_call")
        check.equal(name, numbers(parameter), case.parameters[name])
    output, h_n = module.results(module.rnn, *module.arguments())
    expected = check.expect(case).arrays
    check.within("output", numbers(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("EXE-02")
@named(PLAIN, WHOLE)
def test_func_grad_is_the_gradient_of_backward(case, check):
    """torch.func.grad of functional_call gives the derivatives, and nothing to the module's own .grad."""
    module = Module(case, check)
    x, h_0 = (t.detach() for t in module.arguments())
    torch = module.torch

    def loss(given):
        results = torch.func.functional_call(module.rnn, given, (x, h_0))
        return sum((r * g).sum() for r, g in zip(results, module.cotangents(results), strict=True))

    with answering("torch.func.grad"):
        found = torch.func.grad(loss)({name: p.detach() for name, p in module.rnn.named_parameters()})

    expected = check.expect(case).arrays
    for name, parameter in module.rnn.named_parameters():
        check.within(f"grad {name}", numbers(found[name]), expected[f"grad {name}"])
        check.holds(parameter.grad is None, f"{name}.grad is set by torch.func.grad")


# -- vmap -----------------------------------------------------------------------------------------


@clause("EXE-03")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("over", ["inputs", "parameters"])
def test_vmap_is_a_loop(case, over, check):
    """torch.vmap over inputs, or over stacked parameters, gives what a loop over them gives."""
    module = Module(case, check)
    torch = module.torch
    x, h_0 = (t.detach() for t in module.arguments())

    with answering("torch.vmap"), torch.no_grad():
        if over == "inputs":
            output, h_n = torch.vmap(module.rnn)(torch.stack([x, x / 2]), torch.stack([h_0, h_0 / 2]))
            other = case.derive("half the input", input=case.input / 2, h_0=case.h_0 / 2)
        else:
            stacked = {name: torch.stack([p, p / 2]) for name, p in module.rnn.named_parameters()}
            output, h_n = torch.vmap(lambda p: torch.func.functional_call(module.rnn, p, (x, h_0)))(stacked)
            other = case.derive("halves", parameters={name: p / 2 for name, p in case.parameters.items()})

    for index, looped in enumerate((case, other)):
        expected = check.expect(looped).arrays
        check.within(f"output of {index}", numbers(output[index]), expected["output"])
        check.within(f"h_n of {index}", numbers(h_n[index]), expected["h_n"])


@clause("EXE-03")
@named("small-L1-relu-float64", "small-L2-tanh-bi-float64", "small-L1-relu-noh0-float64")
def test_gradients_per_sample_add_up(case, check):
    """torch.vmap of torch.func.grad gives each sequence's own gradients, which add up to the batch's."""
    module = Module(case, check)
    torch = module.torch
    arguments = tuple(t.detach() for t in module.arguments())
    own = {name: p.detach() for name, p in module.rnn.named_parameters()}
    g_output, g_n = (module.tensor(a) for a in vars(case.cotangents).values())

    def loss(given, g_output, g_n, *arguments):
        output, h_n = torch.func.functional_call(module.rnn, given, arguments)
        return (output * g_output).sum() + (h_n * g_n).sum()

    with answering("torch.vmap of torch.func.grad"):
        rows = torch.vmap(torch.func.grad(loss), in_dims=(None, *[1] * (2 + len(arguments))))
        found = rows(own, g_output, g_n, *arguments)

    expected = check.expect(case).arrays
    for name in own:
        check.within(f"sum of grad {name}", numbers(found[name]).sum(axis=0), expected[f"grad {name}"])


# -- trace, script, compile, export ---------------------------------------------------------------


@clause("EXE-04")
@named(*SHAPES)
def test_trace_answers_like_eager(case, check):
    """A trace made with other numbers of the same shapes answers what the layer answers."""
    answers(check, done(case, route="trace of zeros"), case)


@clause("EXE-04")
@named(WHOLE)
def test_trace_learns_like_eager(case, check):
    """Gradients through a trace arrive at the layer's own parameters."""
    check.conforms(done(case, route="trace", learning=True), "grad *")


@clause("EXE-05")
@named(*SHAPES)
def test_script_answers_like_eager(case, check):
    """A scripted module that holds the layer answers what the layer answers."""
    answers(check, done(case, route="script"), case)


@clause("EXE-05")
@named(WHOLE)
def test_script_learns_like_eager(case, check):
    """Gradients through a scripted module arrive at the layer's own parameters."""
    check.conforms(done(case, route="script", learning=True), "grad *")


@clause("EXE-05")
@named("small-L2-tanh-bi-float64", "small-L1-relu-batch_first-float32")
def test_script_takes_packed_input(case, check):
    """A scripted module answers a PackedSequence with one, as the layer does."""
    steps = case.input.shape[1 if case.config.batch_first else 0]
    ragged = case.derive("of lengths 3, T and 1", lengths=np.array([3, steps, 1]))

    answers(check, done(ragged, route="script"), ragged)


@clause("EXE-05")
@named(PLAIN)
def test_script_of_the_layer_itself_can_be_called(case, check):
    """torch.jit.script of the layer gives a module that is called as the layer is."""
    answers(check, done(case, route="script of the layer itself"), case)


@clause("EXE-06")
@named(*SHAPES)
def test_compiled_answers_like_eager(case, check):
    """A compiled layer answers what the layer answers."""
    answers(check, done(case, route="compile"), case)


@clause("EXE-06")
@named(PLAIN, WHOLE)
def test_compiled_learns_like_eager(case, check):
    """Gradients through a compiled layer arrive at the layer's own parameters."""
    check.conforms(done(case, route="compile", learning=True), "grad *")


@clause("EXE-06")
@named(PLAIN)
@pytest.mark.parametrize("how", ["as it is", "allow_rnn"])
def test_compiled_in_one_graph_answers_like_eager(case, how, check):
    """The layer can be compiled with fullgraph=True, and then answers what the layer answers."""
    answers(check, done(case, route=f"compile in one graph, {how}"), case)


@clause("EXE-06")
@named("small-L2-tanh-p1-train-float64")
def test_compiled_in_one_graph_drops_out_like_eager(case, check):
    """In training mode a layer in one graph drops out between layers, as the layer does."""
    answers(check, done(case, route="compile in one graph, allow_rnn, aot_eager"), case)


@clause("EXE-07")
@named(*SHAPES)
def test_exported_answers_like_eager(case, check):
    """An exported program answers what the layer answers."""
    answers(check, done(case, route="export"), case)


@clause("EXE-07")
@named(PLAIN)
@pytest.mark.parametrize("left_open", ["batch", "length"])
def test_exported_with_a_size_left_open(case, left_open, check):
    """A program exported with the batch size or the length left open answers for others, too."""
    answers(check, done(case, route=f"export, {left_open} left open"), case)


# -- what is not everywhere -----------------------------------------------------------------------


@clause("EXE-08")
@named("small-L1-tanh-float32", "small-L2-relu-bi-float32")
@pytest.mark.parametrize("route", ["onnx", "onnx-traced"])
def test_onnx_answers_like_eager(case, route, check):
    """The layer exported to ONNX, by either exporter, answers in ONNX Runtime what the layer answers."""
    answers(check, done(case, route=route), case)


@clause("EXE-09")
@named("small-L1-tanh-float64", "small-L2-relu-bi-float64", "small-L2-tanh-bi-batch_first-noh0-float64")
def test_cuda_answers_like_the_cpu(case, check):
    """On a CUDA device the layer answers what the spec says, and learns as it does."""
    _, torch = check.module_class()
    if not torch.cuda.is_available():
        raise NotClaimed("not here: CUDA, of which there is no device")
    module = Module(case, check)
    arguments = [t.detach().to("cuda").requires_grad_() for t in module.arguments()]
    with answering("moving the layer"):
        leaves = {
            **dict(module.rnn.to("cuda").named_parameters()),
            **dict(zip(("input", "h_0"), arguments, strict=False)),
        }

    results = module.results(module.rnn, *arguments)
    with answering("backward"):
        found = torch.autograd.grad(results, list(leaves.values()), module.cotangents(results))

    answer = {**dict(zip(("output", "h_n"), results, strict=True)),
              **{f"grad {name}": g for name, g in zip(leaves, found, strict=True)}}  # fmt: skip
    for name, got in answer.items():
        check.within(name, numbers(got), check.expect(case).arrays[name])
