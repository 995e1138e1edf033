"""Execution routes: torch.nn.RNN, not called but scripted, traced, compiled, exported ... and then called.

A route is a function of a layer and the arguments of a call; it returns what is called instead of the layer.
A Case names one in `route`; each of `SUBJECTS` is a subject, too, ``torch:NAME``, that runs the same cases as
eager torch. Python 3.6 syntax; torch is imported where it is used, so that the names can be read without it.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import warnings

if __package__:
    from rnn_spec.torch.needs import need
else:  # beside a worker that another Python runs
    from needs import need


def functional(rnn, arguments):
    """torch.func.functional_call, given the layer's own parameters."""
    call = need("torch.func.functional_call")
    return lambda *given: call(rnn, dict(rnn.named_parameters()), given)


def with_halves(*names):
    """torch.func.functional_call, given halves of these parameters, or of all."""

    def route(rnn, arguments):
        call, own = need("torch.func.functional_call"), dict(rnn.named_parameters())
        halves = {name: p.detach() / 2 for name, p in own.items() if name in (names or own)}
        return lambda *given: call(rnn, halves, given)

    return route


def grad(rnn, arguments):
    """torch.func.grad of functional_call; what backward then asks for is what it gives."""
    torch, call = need("torch"), need("torch.func.functional_call")
    names = [name for name, _ in rnn.named_parameters()]

    def run(first, *state):
        def forward(values):
            given = (with_data(first, values[0]), *values[1 : 1 + len(state)])
            output, h_n = call(rnn, dict(zip(names, values[len(given) :])), given)
            return data(output), h_n

        class Transformed(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *values):
                ctx.random = torch.get_rng_state()
                ctx.save_for_backward(*values)
                return forward(values)

            @staticmethod
            def backward(ctx, g_output, g_n):
                def loss(values):
                    output, h_n = forward(values)
                    return (output * g_output).sum() + (h_n * g_n).sum()

                with torch.random.fork_rng(devices=[]):  # dropout's masks are those of the forward pass
                    torch.set_rng_state(ctx.random)
                    return torch.func.grad(loss)(tuple(ctx.saved_tensors))

        output, h_n = Transformed.apply(data(first), *state, *rnn.parameters())
        return with_data(first, output), h_n

    return run


def vmap(rnn, arguments):
    """torch.vmap over the batch, of the layer called with one sequence; one that has no batch gets one."""

    def over(*dims):
        return need("torch.vmap")(rnn, *dims, randomness="different")

    def call(*given):
        if given[0].dim() == 2:
            output, h_n = over(1, 1)(*(t.unsqueeze(1) for t in given))
            return output.squeeze(1), h_n.squeeze(1)
        batch = 0 if rnn.batch_first else 1
        return over((batch, 1)[: len(given)], (batch, 1))(*given)

    return call


def trace(rnn, arguments):
    """torch.jit.trace with the very arguments, detached."""
    return of_tensors(rnn, arguments, traced)


def trace_of_zeros(rnn, arguments):
    """torch.jit.trace with zeros in the shapes of the arguments."""
    return traced(rnn, tuple(need("torch.zeros_like")(t) for t in arguments))


def traced(module, given):
    """A module as torch.jit.trace makes it."""
    return need("torch.jit.trace")(module, given, check_trace=False)


def script(rnn, arguments):
    """torch.jit.script of a module that calls the layer."""
    holding = scripted().padded if isinstance(arguments[0], need("torch.Tensor")) else scripted().packed
    return need("torch.jit.script")(holding(rnn))


def script_itself(rnn, arguments):
    """torch.jit.script of the layer."""
    return need("torch.jit.script")(rnn)


def compile(rnn, arguments):  # noqa: A001  # torch's name
    """torch.compile as it comes, which calls the layer between its graphs; its backend generates no code."""
    return compiled(rnn, backend="aot_eager")


def compiled(rnn, **how):
    """A compiled layer, whatever was compiled before."""
    make = need("torch.compile")
    need("torch._dynamo").reset()
    return make(rnn, **how)


def one_graph(allowed, backend):
    """torch.compile without a break of the graph, with torch's word that an RNN may be in one or without."""

    def route(rnn, arguments):
        made = compiled(rnn, backend=backend, fullgraph=True)
        if not allowed:
            return made
        need("torch._dynamo.config.allow_rnn")

        def call(*given):
            with need("torch._dynamo.config").patch(allow_rnn=True):
                return made(*given)

        return call

    return route


def export(rnn, arguments):
    """torch.export, and the program as a module."""
    make = need("torch.export.export")
    return of_tensors(rnn, arguments, lambda m, given: make(m, given).module())


def left_open(name):
    """torch.export with the batch size or the length left open, made with twice as much of it."""
    axis = 1 if name == "batch" else 0

    def route(rnn, arguments):
        size, x, states = need("torch.export.Dim")(name), arguments[0].detach(), arguments[1].detach()
        double = need("torch.cat")
        example = (double([x, x], axis), double([states, states], 1) if name == "batch" else states)
        shapes = {"input": {axis: size}, "hx": {1: size} if name == "batch" else None}
        return need("torch.export.export")(rnn, example, dynamic_shapes=shapes).module()

    return route


def autocast(rnn, arguments, **dtypes):
    """A float32 layer called under autocast to the arguments' dtype, with float32 or as `dtypes` say."""
    lower, region = data(arguments[0]).dtype, need("torch.autocast")

    def call(*given):
        named = zip(("input", "h_0"), given)
        own = [t.to(need("torch." + dtypes.get(name, "float32"))) for name, t in named]
        with region(data(given[0]).device.type, dtype=lower):
            return rnn(*own)

    return call


def onnx(rnn, arguments):
    """torch.onnx.export as it comes, by torch.export; run by ONNX Runtime."""
    return of_tensors(rnn, arguments, lambda m, given: in_onnx(m, given, dynamo=True))


def onnx_traced(rnn, arguments):
    """torch.onnx.export by torch.jit.trace, which makes ONNX's operator RNN of it; run by ONNX Runtime."""
    return of_tensors(rnn, arguments, lambda m, given: in_onnx(m, given, dynamo=False))


def in_onnx(module, example, dynamo):
    """A module exported to ONNX, as ONNX Runtime runs it."""
    onnxruntime, torch, buffer = importlib.import_module("onnxruntime"), need("torch"), io.BytesIO()
    with contextlib.redirect_stdout(None):  # the exporter tells of its progress
        torch.onnx.export(module, example, buffer, dynamo=dynamo)
    session = onnxruntime.InferenceSession(buffer.getvalue())
    inputs = [i.name for i in session.get_inputs()]

    def call(*given):
        arrays = dict(zip(inputs, (t.detach().numpy() for t in given)))
        return tuple(map(torch.from_numpy, session.run(None, arrays)))

    return call


# -- what they share --------------------------------------------------------------------------------


def scripted():
    """The modules in which a layer is scripted."""
    return importlib.import_module("rnn_spec.torch.scripted" if __package__ else "scripted")


@functools.lru_cache(maxsize=None)
def has_source(cls):
    """Whether the source of a class can be read, for that is what torch.jit.script does."""
    try:
        inspect.getsource(cls)
    except (OSError, TypeError):
        return False
    return True


def of_tensors(rnn, arguments, make):
    """What `make` makes of the layer and its arguments, detached, on a route that takes tensors alone.

    A PackedSequence is made where one would deploy it: in a module that takes a padded input and lengths.
    """
    if isinstance(arguments[0], need("torch.Tensor")):
        return make(rnn, tuple(t.detach() for t in arguments))
    utils = need("torch.nn.utils.rnn")

    def padded(packed, *state):
        return tuple(utils.pad_packed_sequence(packed)) + state

    example = tuple(t.detach() for t in padded(*arguments))
    made = make(scripted().ragged(rnn).train(rnn.training), example)

    def call(*given):
        arguments = padded(*given)
        output, h_n = made(*arguments)
        return utils.pack_padded_sequence(output, arguments[1], enforce_sorted=False), h_n

    return call


def data(x):
    """The tensor, or that with a PackedSequence's numbers."""
    return x[0] if isinstance(x, tuple) else x


def with_data(x, data):
    """Like x, a tensor or a PackedSequence, with other numbers."""
    return x._replace(data=data) if hasattr(x, "_replace") else data


# -- the table --------------------------------------------------------------------------------------

SUBJECTS = {
    "functional": functional,
    "grad": grad,
    "vmap": vmap,
    "trace": trace,
    "script": script,
    "compile": compile,
    "export": export,
    "autocast": autocast,
    "onnx": onnx,
    "onnx-traced": onnx_traced,
}
"""The routes that are subjects, too."""
ROUTES = dict(SUBJECTS, **{
    "functional_call, halves of all": with_halves(),
    "functional_call, halves of one": with_halves("weight_hh_l0"),
    "autocast, input in float16": functools.partial(autocast, input="float16"),
    "autocast, input in bfloat16": functools.partial(autocast, input="bfloat16"),
    "autocast, h_0 in float16": functools.partial(autocast, h_0="float16"),
    "autocast, h_0 in bfloat16": functools.partial(autocast, h_0="bfloat16"),
    "trace of zeros": trace_of_zeros,
    "script of the layer itself": script_itself,
    "compile in one graph, as it is": one_graph(False, "eager"),
    "compile in one graph, allow_rnn": one_graph(True, "eager"),
    "compile in one graph, allow_rnn, aot_eager": one_graph(True, "aot_eager"),
    "export, batch left open": left_open("batch"),
    "export, length left open": left_open("length"),
})  # fmt: skip

UNCLAIMED = {
    "vmap": {"lengths"},  # a batch in vmap has one length
    "onnx": {"gradients", "dropout", "precision"},  # the exporter leaves training mode, and makes float32
    "onnx-traced": {"gradients", "dropout", "precision"},
}
"""The levels that a route does not claim, and why."""

EXPORTED = ("onnx", "onnx-traced")
"""The routes that leave torch: they do not learn, drop nothing, and compute in one dtype."""

DTYPES = dict(dict.fromkeys(EXPORTED, ("float32",)), autocast=("bfloat16", "float16"))
"""The dtypes of a route that does not compute in all of eager torch's."""

DIES = "ONNX Runtime dies of a batch of 0 (a floating point exception, seen in 1.32.0 with two layers)"
"""Why a batch of 0 is not asked of an exported layer: it would end the process."""

NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "onnx-traced": ("onnx", "onnxruntime")}
"""The packages that a route needs beside torch."""
MISSING = "not here: ONNX, which needs {0}: pip install {0}"
"""Why a route that needs a package is not taken without it."""
UNREADABLE = "not here: scripting, which reads the class's source"
"""Why a layer is not scripted whose class is in no file."""


def lacking(name, cls):
    """Why a route cannot be taken here, with a layer of this class, or None."""
    for package in NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            return MISSING.format(package)
    return UNREADABLE if name in SCRIPTING and not has_source(cls) else None


def limits(cls):
    """Why routes cannot be taken here, with a layer of this class."""
    reasons = (lacking(name, cls) for name in ROUTES)
    return [reason for reason in dict.fromkeys(reasons) if reason]


class Route:
    """A route as it is taken: once for each mode and each shape of the arguments."""

    def __init__(self, name):
        """Take none yet."""
        self.take, self.name, self.made = ROUTES[name], name, {}

    def of(self, rnn, arguments):
        """What is called in place of the layer, for such arguments."""
        shapes = (rnn.training, *((type(a), data(a).shape) for a in arguments))
        if shapes not in self.made:
            self.made[shapes] = self.take(rnn, arguments)
        return self.made[shapes]

    def call(self, rnn, arguments):
        """Make a call."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the routes deprecate each other
            return self.of(rnn, arguments)(*arguments)

    def owner(self, rnn, arguments):
        """The module whose parameters count once the route is taken: the layer, or what was made of it."""
        made = self.of(rnn, arguments)
        return rnn if self.name not in OWNING else made.rnn if self.name == "script" else made


SCRIPTING = ("script", "script of the layer itself")
"""The routes that read the source of the class."""
OWNING = ("trace", "script", "export")
"""The routes that make a module with parameters of its own, which may be other ones than the layer's."""
