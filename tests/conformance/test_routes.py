"""Execution routes: the layer scripted, traced, compiled, exported or transformed is the layer (area EXE)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect

import pytest

from rnn_spec.judge.module import numbers
from rnn_spec.judge.operations import OPERATIONS, halves
from rnn_spec.judge.session import NotClaimed
from rnn_spec.judge.state import State, answering
from rnn_spec.suite.marks import clause, named
from rnn_spec.torch.routes import NEEDS, ROUTES

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
AFTER = ("in place", "load_state_dict", "load_state_dict, assign", "data", "replaced")
TAKEN = ("functional", "trace", "script", "compile", "export")


# -- the law across the routes --------------------------------------------------------------------


@clause("EXE-01")
@named(PLAIN)
@pytest.mark.parametrize("operation", BEFORE)
@pytest.mark.parametrize("route", TAKEN)
def test_state_changed_before_the_route_is_taken(case, route, operation, check):
    """A module that was changed, and then traced or scripted, answers as a fresh one with its parameters."""
    state = State(case, check)
    rnn = state.operate(OPERATIONS[operation])

    call = take(state, route, rnn)

    state.obeys(rnn, call)


@clause("EXE-01")
@named(PLAIN)
@pytest.mark.parametrize("operation", AFTER)
@pytest.mark.parametrize("route", TAKEN)
def test_state_changed_after_the_route_is_taken(case, route, operation, check):
    """What a route made, and was then changed, answers as a fresh layer with the parameters it shows."""
    state = State(case, check)
    call = take(state, route, state.rnn)
    owner = {"functional": state.rnn, "compile": state.rnn, "script": getattr(call, "rnn", None)}.get(
        route, call
    )

    with answering("the operation"):
        AFTERWARDS[operation](state.torch, owner)

    state.obeys(owner, call)


@clause("EXE-01")
@named(WHOLE)
@pytest.mark.parametrize("route", TAKEN)
def test_the_route_leaves_the_layer_as_it_was(case, route, check):
    """Taking a route and calling what it made changes neither the layer's parameters nor its answers."""
    state = State(case, check)

    state.results(take(state, route, state.rnn), *state.arguments())

    for name, value in state.values(state.rnn).items():
        check.equal(name, numbers(value), case.parameters[name])
    answers(state, state.rnn)
    state.learns(state.rnn)


# -- functional_call ------------------------------------------------------------------------------


@clause("EXE-02")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("given", ["all", "one"])
def test_functional_call_computes_with_what_it_is_given(case, given, check):
    """functional_call answers for the given parameters, and for the module's own where none is given."""
    state = State(case, check)
    which = state.names if given == "all" else ["weight_hh_l0"]
    values = {name: p / 2 if name in which else p for name, p in case.parameters.items()}

    with answering("functional_call"):
        replaced = {name: state.tensor(values[name]) for name in which}
        output, h_n = state.torch.func.functional_call(state.rnn, replaced, state.arguments())

    expected = check.expect(case.derive(f"halves of {given}", parameters=values)).arrays
    check.within("output", numbers(output), expected["output"])
    check.within("h_n", numbers(h_n), expected["h_n"])


@clause("EXE-02")
@named(PLAIN, WHOLE)
def test_functional_call_leaves_the_modules_own_in_place(case, check):
    """After functional_call the module has its own parameters, the very same, and answers with them."""
    state = State(case, check)
    own = dict(state.rnn.named_parameters())

    with answering("functional_call"):
        state.torch.func.functional_call(state.rnn, halves(state.torch, state.rnn), state.arguments())

    for name, parameter in state.rnn.named_parameters():
        check.holds(parameter is own[name], f"{name} is another tensor after functional_call")
        check.equal(name, numbers(parameter), case.parameters[name])
    answers(state, state.rnn)


@clause("EXE-02")
@named(PLAIN, WHOLE)
def test_func_grad_is_the_gradient_of_backward(case, check):
    """torch.func.grad of functional_call gives the derivatives, and nothing to the module's own .grad."""
    state = State(case, check)
    x, h_0 = (t.detach() for t in state.arguments())
    torch = state.torch

    def loss(given):
        results = torch.func.functional_call(state.rnn, given, (x, h_0))
        return sum((r * g).sum() for r, g in zip(results, state.cotangents(results), strict=True))

    with answering("torch.func.grad"):
        found = torch.func.grad(loss)({name: p.detach() for name, p in state.rnn.named_parameters()})

    expected = check.expect(case).arrays
    for name, parameter in state.rnn.named_parameters():
        check.within(f"grad {name}", numbers(found[name]), expected[f"grad {name}"])
        check.holds(parameter.grad is None, f"{name}.grad is set by torch.func.grad")


# -- vmap -----------------------------------------------------------------------------------------


@clause("EXE-03")
@named(PLAIN, WHOLE)
@pytest.mark.parametrize("over", ["inputs", "parameters"])
def test_vmap_is_a_loop(case, over, check):
    """torch.vmap over inputs, or over stacked parameters, gives what a loop over them gives."""
    state = State(case, check)
    torch = state.torch
    x, h_0 = (t.detach() for t in state.arguments())

    with answering("torch.vmap"), torch.no_grad():
        if over == "inputs":
            output, h_n = torch.vmap(state.rnn)(torch.stack([x, x / 2]), torch.stack([h_0, h_0 / 2]))
            other = case.derive("half the input", input=case.input / 2, h_0=case.h_0 / 2)
        else:
            stacked = {name: torch.stack([p, p / 2]) for name, p in state.rnn.named_parameters()}
            output, h_n = torch.vmap(lambda p: torch.func.functional_call(state.rnn, p, (x, h_0)))(stacked)
            other = case.derive("halves", parameters={name: p / 2 for name, p in case.parameters.items()})

    for index, looped in enumerate((case, other)):
        expected = check.expect(looped).arrays
        check.within(f"output of {index}", numbers(output[index]), expected["output"])
        check.within(f"h_n of {index}", numbers(h_n[index]), expected["h_n"])


@clause("EXE-03")
@named("small-L1-relu-float64", "small-L2-tanh-bi-float64", "small-L1-relu-noh0-float64")
def test_gradients_per_sample_add_up(case, check):
    """torch.vmap of torch.func.grad gives each sequence's own gradients, which add up to the batch's."""
    state = State(case, check)
    torch = state.torch
    arguments = tuple(t.detach() for t in state.arguments())
    own = {name: p.detach() for name, p in state.rnn.named_parameters()}
    g_output, g_n = (state.tensor(a) for a in vars(case.cotangents).values())

    def loss(given, g_output, g_n, *arguments):
        output, h_n = torch.func.functional_call(state.rnn, given, arguments)
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
    state = State(case, check)
    with answering("torch.jit.trace"):
        zeros = tuple(state.torch.zeros_like(t) for t in state.arguments())
        call = state.torch.jit.trace(state.rnn, zeros)

    answers(state, call)


@clause("EXE-04")
@named(WHOLE)
def test_trace_learns_like_eager(case, check):
    """Gradients through a trace arrive at the layer's own parameters."""
    state = State(case, check)

    call = take(state, "trace", state.rnn)

    state.learns(state.rnn, call)


@clause("EXE-05")
@named(*SHAPES)
def test_script_answers_like_eager(case, check):
    """A scripted module that holds the layer answers what the layer answers."""
    state = State(case, check)

    call = take(state, "script", state.rnn)

    answers(state, call)


@clause("EXE-05")
@named(WHOLE)
def test_script_learns_like_eager(case, check):
    """Gradients through a scripted module arrive at the layer's own parameters."""
    state = State(case, check)

    call = take(state, "script", state.rnn)

    state.learns(state.rnn, call)


@clause("EXE-05")
@named("small-L2-tanh-bi-float64", "small-L1-relu-batch_first-float32")
def test_script_takes_packed_input(case, check):
    """A scripted module answers a PackedSequence with one, as the layer does."""
    state = State(case, check)
    utils = state.torch.nn.utils.rnn
    lengths = state.torch.tensor([3, case.input.shape[1 if case.config.batch_first else 0], 1])
    with answering("packing"):
        packed = utils.pack_padded_sequence(
            state.input, lengths, case.config.batch_first, enforce_sorted=False
        )
        expected = state.rnn(packed, state.h_0)

    call = take(state, "script", state.rnn, (packed, state.h_0))
    got = state.results(call, packed, state.h_0)

    bounds = check.expect(
        case.derive("of lengths 3, T and 1", lengths=lengths.numpy(), cotangents=None)
    ).arrays
    padded = [
        utils.pad_packed_sequence(o, batch_first=case.config.batch_first)[0] for o in (got[0], expected[0])
    ]
    check.agree("output", *map(numbers, padded), bounds["output"])
    check.agree("h_n", numbers(got[1]), numbers(expected[1]), bounds["h_n"])


@clause("EXE-05")
@named(PLAIN)
def test_script_of_the_layer_itself_can_be_called(case, check):
    """torch.jit.script of the layer gives a module that is called as the layer is."""
    state = State(case, check)
    scriptable(state)
    with answering("torch.jit.script"):
        call = state.torch.jit.script(state.rnn)

    answers(state, call)


@clause("EXE-06")
@named(*SHAPES)
def test_compiled_answers_like_eager(case, check):
    """A compiled layer answers what the layer answers."""
    state = State(case, check)

    call = take(state, "compile", state.rnn)

    answers(state, call)


@clause("EXE-06")
@named(PLAIN, WHOLE)
def test_compiled_learns_like_eager(case, check):
    """Gradients through a compiled layer arrive at the layer's own parameters."""
    state = State(case, check)

    call = take(state, "compile", state.rnn)

    state.learns(state.rnn, call)


@clause("EXE-06")
@named(PLAIN)
@pytest.mark.parametrize("allowed", [False, True], ids=["as it is", "allow_rnn"])
def test_compiled_in_one_graph_answers_like_eager(case, allowed, check):
    """The layer can be compiled with fullgraph=True, and then answers what the layer answers."""
    state = State(case, check)

    with answering("torch.compile"), allowing_rnn(allowed):
        answers(state, in_one_graph(state, backend="eager"))


@clause("EXE-06")
@named("small-L2-tanh-p1-train-float64")
def test_compiled_in_one_graph_drops_out_like_eager(case, check):
    """In training mode a layer in one graph drops out between layers, as the layer does."""
    state = State(case, check)

    with answering("torch.compile"), allowing_rnn():
        answers(state, in_one_graph(state, backend="aot_eager"))


@clause("EXE-07")
@named(*SHAPES)
def test_exported_answers_like_eager(case, check):
    """An exported program answers what the layer answers."""
    state = State(case, check)

    call = take(state, "export", state.rnn)

    answers(state, call)


@clause("EXE-07")
@named(PLAIN)
@pytest.mark.parametrize("left_open", ["batch", "length"])
def test_exported_with_a_size_left_open(case, left_open, check):
    """A program exported with the batch size or the length left open answers for others, too."""
    state = State(case, check)
    torch = state.torch
    x, h_0 = (t.detach() for t in state.arguments())
    with answering("torch.export"):
        size = torch.export.Dim(left_open)
    shapes = (
        {"input": {1: size}, "hx": {1: size}} if left_open == "batch" else {"input": {0: size}, "hx": None}
    )
    rows, steps = (slice(2), slice(None)) if left_open == "batch" else (slice(None), slice(4))

    with answering("torch.export"):
        program = torch.export.export(state.rnn, (x, h_0), dynamic_shapes=shapes)

    output, h_n = state.results(program.module(), x[steps, rows], h_0[:, rows])
    part = case.derive(
        f"other {left_open}", input=case.input[steps, rows], h_0=case.h_0[:, rows], cotangents=None
    )
    check.within("output", numbers(output), check.expect(part).arrays["output"])
    check.within("h_n", numbers(h_n), check.expect(part).arrays["h_n"])


# -- what is not everywhere -----------------------------------------------------------------------


@clause("EXE-08")
@named("small-L1-tanh-float32", "small-L2-relu-bi-float32")
@pytest.mark.parametrize("route", ["onnx", "onnx-traced"])
def test_onnx_answers_like_eager(case, route, check):
    """The layer exported to ONNX, by either exporter, answers in ONNX Runtime what the layer answers."""
    state = State(case, check)
    for package in NEEDS[route]:
        if importlib.util.find_spec(package) is None:
            raise NotClaimed(f"not here: ONNX, which needs {package}: pip install {package}")

    call = take(state, route, state.rnn)

    answers(state, call)


@clause("EXE-09")
@named("small-L1-tanh-float64", "small-L2-relu-bi-float64", "small-L2-tanh-bi-batch_first-noh0-float64")
def test_cuda_answers_like_the_cpu(case, check):
    """On a CUDA device the layer answers what the spec says, and learns as it does."""
    _, torch = check.module_class()
    if not torch.cuda.is_available():
        raise NotClaimed("not here: CUDA, of which there is no device")
    state = State(case, check)

    state.operate(lambda torch, rnn: rnn.to("cuda"))
    arguments = [t.detach().to("cuda").requires_grad_() for t in state.arguments()]

    output, h_n = state.results(state.rnn, *arguments)
    parameters, inputs = state.gradients(state.rnn, *arguments)
    gradients = {**parameters, **dict(zip(("input", "h_0"), inputs, strict=False))}
    answer = {"output": output, "h_n": h_n, **{f"grad {name}": g for name, g in gradients.items()}}

    for name, got in answer.items():
        check.within(name, numbers(got), check.expect(case).arrays[name])


# -- what they share ------------------------------------------------------------------------------


def take(state, route, rnn, arguments=None):
    """What a route makes of a layer; NotClaimed for a class that it cannot read."""
    if route == "script":
        scriptable(state)
    with answering(f"torch:{route}"):
        return ROUTES[route](state.torch, rnn, arguments or state.arguments())


def scriptable(state):
    """NotClaimed for a class whose source cannot be read, for that is what torch.jit.script does."""
    try:
        inspect.getsource(state.cls)
    except (OSError, TypeError) as e:
        raise NotClaimed("not here: scripting, which reads the class's source") from e


def answers(state, call):
    """What is called answers the case as the spec says."""
    with state.torch.no_grad():
        results = state.results(call, *state.arguments())
    expected = state.check.expect(state.case).arrays
    for name, got in zip(("output", "h_n"), results, strict=True):
        state.check.within(name, numbers(got), expected[name])


def in_one_graph(state, backend):
    """The layer, compiled without a break of the graph."""
    state.torch.compiler.reset()
    return state.torch.compile(state.rnn, backend=backend, fullgraph=True)


def allowing_rnn(allowed=True):
    """Where torch.compile may put the layer into a graph, which it does not do of itself."""
    return importlib.import_module("torch._dynamo.config").patch(allow_rnn=allowed)


def each(change):
    """An operation that does something to each parameter that a module shows."""

    def act(torch, module):
        for name, parameter in list(module.named_parameters()):
            change(torch, module, name, parameter)

    return act


def halved(module):
    """Half of each parameter that a module shows."""
    return {name: p.detach() / 2 for name, p in module.named_parameters()}


AFTERWARDS = {
    "in place": each(lambda torch, module, name, p: p.data.div_(2)),
    "data": each(lambda torch, module, name, p: setattr(p, "data", p.data / 2)),
    "replaced": each(
        lambda torch, module, name, p: setattr(module, name, torch.nn.Parameter(p.detach() / 2))
    ),
    "load_state_dict": lambda torch, module: module.load_state_dict(halved(module)),
    "load_state_dict, assign": lambda torch, module: module.load_state_dict(halved(module), assign=True),
}
