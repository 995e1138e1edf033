"""Execution routes: torch.nn.RNN, not called but scripted, traced, compiled, exported ... and then called.

A route is a function of torch, a layer and the arguments of a call; it returns what is called instead of
the layer. Each is a subject, ``torch:NAME``, that runs the same cases as eager torch.
"""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

from rnn_spec.questions.records import LEVELS, Observation
from rnn_spec.subjects.base import Subject, SubjectError
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.records import Case

    Route = Callable[[Any, Any, tuple[Any, ...]], Callable[..., Any]]


def functional(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.func.functional_call, given the layer's own parameters."""
    return lambda *given: torch.func.functional_call(rnn, dict(rnn.named_parameters()), given)


def grad(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.func.grad of functional_call; what backward then asks for is what it gives."""
    names = [name for name, _ in rnn.named_parameters()]

    def call(first: Any, *state: Any) -> Any:
        def forward(values: Any) -> Any:
            given = (with_data(first, values[0]), *values[1 : 1 + len(state)])
            parameters = dict(zip(names, values[len(given) :], strict=True))
            output, h_n = torch.func.functional_call(rnn, parameters, given)
            return data(output), h_n

        class Transformed(torch.autograd.Function):  # type: ignore[misc]
            @staticmethod
            def forward(ctx: Any, *values: Any) -> Any:
                ctx.random = torch.get_rng_state()
                ctx.save_for_backward(*values)
                return forward(values)

            @staticmethod
            def backward(ctx: Any, g_output: Any, g_n: Any) -> Any:
                def loss(values: Any) -> Any:
                    output, h_n = forward(values)
                    return (output * g_output).sum() + (h_n * g_n).sum()

                with torch.random.fork_rng(devices=[]):  # dropout's masks are those of the forward pass
                    torch.set_rng_state(ctx.random)
                    return torch.func.grad(loss)(tuple(ctx.saved_tensors))

        output, h_n = Transformed.apply(data(first), *state, *rnn.parameters())
        return with_data(first, output), h_n

    return call


def vmap(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.vmap over the batch, of the layer called with one sequence; one that has no batch gets one."""

    def over(*dims: Any) -> Any:
        return torch.vmap(rnn, *dims, randomness="different")

    def call(*given: Any) -> Any:
        if given[0].dim() == 2:
            output, h_n = over(1, 1)(*(t.unsqueeze(1) for t in given))
            return output.squeeze(1), h_n.squeeze(1)
        batch = 0 if rnn.batch_first else 1
        return over((batch, 1)[: len(given)], (batch, 1))(*given)

    return call


def trace(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.jit.trace with the very arguments, detached."""
    return of_tensors(torch, rnn, arguments, lambda m, given: torch.jit.trace(m, given, check_trace=False))


def script(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.jit.script of a module that calls the layer."""
    from rnn_spec.torch import scripted as torch_scripted

    holding = torch_scripted.padded if isinstance(arguments[0], torch.Tensor) else torch_scripted.packed
    return torch.jit.script(holding(rnn))


def compile(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:  # noqa: A001  # torch's name
    """torch.compile as it comes, which calls the layer between its graphs; its backend generates no code."""
    torch.compiler.reset()
    return torch.compile(rnn, backend="aot_eager")


def export(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.export, and the program as a module."""
    return of_tensors(torch, rnn, arguments, lambda m, given: torch.export.export(m, given).module())


def autocast(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """A float32 layer called with float32 under autocast to the dtype of the arguments."""
    dtype = data(arguments[0]).dtype

    def call(*given: Any) -> Any:
        with torch.autocast(data(given[0]).device.type, dtype=dtype):
            return rnn(*(t.float() for t in given))

    return call


def onnx(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.onnx.export as it comes, by torch.export; run by ONNX Runtime."""
    return of_tensors(torch, rnn, arguments, lambda m, given: _onnx(torch, m, given, dynamo=True))


def onnx_traced(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.onnx.export by torch.jit.trace, which makes ONNX's operator RNN of it; run by ONNX Runtime."""
    return of_tensors(torch, rnn, arguments, lambda m, given: _onnx(torch, m, given, dynamo=False))


def _onnx(torch: Any, module: Any, example: tuple[Any, ...], dynamo: bool) -> Any:
    import onnxruntime

    buffer = io.BytesIO()
    with contextlib.redirect_stdout(None):  # the exporter tells of its progress
        torch.onnx.export(module, example, buffer, dynamo=dynamo)
    session = onnxruntime.InferenceSession(buffer.getvalue())
    inputs = [i.name for i in session.get_inputs()]

    def call(*given: Any) -> Any:
        arrays = [t.detach().numpy() for t in given]
        return tuple(map(torch.from_numpy, session.run(None, dict(zip(inputs, arrays, strict=True)))))

    return call


# -- packed sequences -------------------------------------------------------------------------------


def of_tensors(torch: Any, rnn: Any, arguments: tuple[Any, ...], make: Any) -> Any:
    """What `make` makes of the layer and its arguments, detached, on a route that takes tensors alone.

    A PackedSequence is made where one would deploy it: in a module that takes a padded input and lengths.
    """
    if isinstance(arguments[0], torch.Tensor):
        return make(rnn, tuple(t.detach() for t in arguments))
    from rnn_spec.torch import scripted as torch_scripted

    utils = torch.nn.utils.rnn

    def padded(packed: Any, *state: Any) -> tuple[Any, ...]:
        return (*utils.pad_packed_sequence(packed), *state)

    example = tuple(t.detach() for t in padded(*arguments))
    made = make(torch_scripted.ragged(rnn).train(rnn.training), example)

    def call(*given: Any) -> Any:
        arguments = padded(*given)
        output, h_n = made(*arguments)
        return utils.pack_padded_sequence(output, arguments[1], enforce_sorted=False), h_n

    return call


def data(x: Any) -> Any:
    """The tensor, or that with a PackedSequence's numbers."""
    return x[0] if isinstance(x, tuple) else x


def with_data(x: Any, data: Any) -> Any:
    """Like x, a tensor or a PackedSequence, with other numbers."""
    return x._replace(data=data) if hasattr(x, "_replace") else data


ROUTES: dict[str, Route] = {
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

UNCLAIMED: dict[str, set[str]] = {
    "vmap": {"lengths"},  # a batch in vmap has one length
    "onnx": {"gradients", "dropout", "precision"},  # the exporter leaves training mode, and makes float32
    "onnx-traced": {"gradients", "dropout", "precision"},
}
"""The levels that a route does not claim, and why."""

EXPORTED = ("onnx", "onnx-traced")
"""The routes that leave torch: they do not learn, drop nothing, and compute in one dtype."""

DTYPES = {"autocast": ("bfloat16", "float16"), **dict.fromkeys(EXPORTED, ("float32",))}
"""The dtypes of a route that does not compute in all of eager torch's."""

DIES = "ONNX Runtime dies of a batch of 0 (a floating point exception, seen in 1.32.0 with two layers)"
"""Why a batch of 0 is not asked of an exported layer: it would end the process."""

NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "onnx-traced": ("onnx", "onnxruntime")}
"""The packages that a route needs beside torch."""


class Routed:
    """What stands in for the layer: it is built and set as the layer is, and called by a route."""

    def __init__(self, make: Any, name: str, torch: Any, config: dict[str, Any]) -> None:
        """Make the layer."""
        self.name, self.torch, self.rnn = name, torch, make(**config)
        self.made: dict[Any, Callable[..., Any]] = {}

    def to(self, device: str, dtype: Any) -> Routed:
        """Move the layer; under autocast it stays in float32."""
        self.rnn.to(device=device, dtype=self.torch.float32 if self.name == "autocast" else dtype)
        return self

    def train(self, mode: bool) -> Routed:
        """Set the layer's mode."""
        self.rnn.train(mode)
        return self

    def named_parameters(self) -> Any:
        """The layer's."""
        return self.rnn.named_parameters()

    def __call__(self, *arguments: Any) -> Any:
        """Make the call by the route, which is taken once for each mode and each shape of arguments."""
        shapes = (self.rnn.training, *((type(a), data(a).shape) for a in arguments))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the routes deprecate each other
            if shapes not in self.made:
                self.made[shapes] = ROUTES[self.name](self.torch, self.rnn, arguments)
            return self.made[shapes](*arguments)


def find(how: str = "cpu") -> Subject:
    """torch.nn.RNN by one of ROUTES, or else on the device of that name."""
    if how in ROUTES:
        return RouteSubject(how)
    try:
        return TorchSubject(how)
    except RuntimeError as e:
        if "device string" not in str(e):
            raise
        said = textwrap.shorten(str(e), 130, placeholder=" ...")
        raise SubjectError(
            f"subject 'torch:{how}' cannot be made (RuntimeError: {said}); "
            f"torch's routes are {', '.join(ROUTES)}"
        ) from e


class RouteSubject(Subject):
    """torch.nn.RNN on one of ROUTES."""

    def __init__(self, route: str) -> None:
        """Import torch, and what else the route needs."""
        for package in NEEDS.get(route, ()):
            try:
                __import__(package)
            except ImportError as e:
                raise SubjectError(f"torch:{route} needs {package}: pip install {package}") from e
        self.route, self.eager = route, TorchSubject()
        self.dtypes = DTYPES.get(route, self.eager.dtypes)  # type: ignore[misc]
        self.levels = frozenset(LEVELS) - UNCLAIMED.get(route, set())  # type: ignore[misc]
        self.limits = (*self.eager.limits, *((DIES,) if route in EXPORTED else ()))  # type: ignore[misc]

    @property
    def title(self) -> str:
        """The name that reports use."""
        return f"torch:{self.route}"

    def version(self) -> str:
        """The torch release, and the route."""
        return f"{self.eager.version()} by {self.route}"

    def run(self, case: Case) -> Observation:
        """Answer one Case, by the route."""
        batch = case.input.shape[0 if case.config.batch_first else 1] if case.batched else 1
        if self.route in EXPORTED and batch == 0:
            return Observation(unsupported=DIES)
        torch, make = self.eager.worker.torch, self.eager.cls
        return self.eager.answer(case, lambda **config: Routed(make, self.route, torch, config))
