"""Execution routes: torch.nn.RNN, not called but scripted, traced, compiled, exported ... and then called.

A route is a function of torch, a layer and the arguments of a call; it returns what is called instead of
the layer. Each is a subject, ``torch:NAME``, that runs the same cases as eager torch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from rnn_spec.cases.records import LEVELS
from rnn_spec.subjects.base import Subject
from rnn_spec.subjects.torch_eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.cases.records import Case, Observation

    Route = Callable[[Any, Any, tuple[Any, ...]], Callable[..., Any]]


def functional(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.func.functional_call, given the layer's own parameters."""
    return lambda *given: torch.func.functional_call(rnn, dict(rnn.named_parameters()), given)


def grad(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.func.grad of functional_call; what backward then asks for is what it gives."""
    names = [name for name, _ in rnn.named_parameters()]

    def forward(given: Any, values: Any) -> Any:
        return torch.func.functional_call(rnn, dict(zip(names, values, strict=True)), given)

    class Transformed(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, count: int, *leaves: Any) -> Any:
            ctx.count = count
            ctx.save_for_backward(*leaves)
            return forward(leaves[:count], leaves[count:])

        @staticmethod
        def backward(ctx: Any, g_output: Any, g_n: Any) -> Any:
            def loss(leaves: Any) -> Any:
                output, h_n = forward(leaves[: ctx.count], leaves[ctx.count :])
                return (output * g_output).sum() + (h_n * g_n).sum()

            return None, *torch.func.grad(loss)(tuple(ctx.saved_tensors))

    return lambda *given: Transformed.apply(len(given), *given, *rnn.parameters())


def vmap(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.vmap over the batch, of the layer called with one sequence; one that has no batch gets one."""

    def call(*given: Any) -> Any:
        if given[0].dim() == 2:
            output, h_n = torch.vmap(rnn, in_dims=1, out_dims=1)(*(t.unsqueeze(1) for t in given))
            return output.squeeze(1), h_n.squeeze(1)
        batch = 0 if rnn.batch_first else 1
        return torch.vmap(rnn, in_dims=(batch, 1)[: len(given)], out_dims=(batch, 1))(*given)

    return call


def trace(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.jit.trace with the very arguments, detached."""
    return torch.jit.trace(rnn, tuple(t.detach() for t in arguments), check_trace=False)


def script(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.jit.script of a module that calls the layer."""
    from rnn_spec.subjects import torch_scripted

    padded = isinstance(arguments[0], torch.Tensor)
    return torch.jit.script(torch_scripted.Padded(rnn) if padded else torch_scripted.Packed(rnn))


def compile(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:  # noqa: A001  # torch's name
    """torch.compile with the backend that captures and differentiates, and generates no code."""
    torch.compiler.reset()
    return torch.compile(rnn, backend="aot_eager")


def export(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.export, and the program as a module."""
    return torch.export.export(rnn, tuple(t.detach() for t in arguments)).module()


def autocast(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """A float32 layer called with float32 under autocast to the dtype of the arguments."""
    dtype = arguments[0].data.dtype  # a PackedSequence has data, too

    def call(*given: Any) -> Any:
        with torch.autocast(given[0].data.device.type, dtype=dtype):
            return rnn(*(t.float() for t in given))

    return call


def onnx(torch: Any, rnn: Any, arguments: tuple[Any, ...]) -> Any:
    """torch.onnx.export, run by ONNX Runtime."""
    import io

    import onnxruntime

    buffer = io.BytesIO()
    torch.onnx.export(rnn, tuple(t.detach() for t in arguments), buffer, dynamo=False)
    session = onnxruntime.InferenceSession(buffer.getvalue())
    inputs = [i.name for i in session.get_inputs()]

    def call(*given: Any) -> Any:
        arrays = [t.detach().numpy() for t in given]
        return tuple(map(torch.from_numpy, session.run(None, dict(zip(inputs, arrays, strict=True)))))

    return call


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
}

UNCLAIMED: dict[str, set[str]] = {
    "grad": {"lengths", "dropout"},  # a PackedSequence is no tensor; masks would be drawn twice
    "vmap": {"lengths", "dropout"},  # a batch in vmap has one length, and one stream of random numbers
    "trace": {"lengths", "dropout"},  # a trace takes tensors, and keeps the mode that it was made in
    "export": {"lengths", "dropout"},
    "onnx": {"lengths", "dropout", "gradients"},
}
"""The levels that a route does not claim, and why."""

DTYPES = {"autocast": ("bfloat16", "float16"), "onnx": ("float32",)}
"""The dtypes of a route that does not compute in all of eager torch's."""

NEEDS = {"onnx": ("onnx", "onnxruntime")}
"""The packages that a route needs beside torch."""


class Routed:
    """What stands in for the layer: it is built and set as the layer is, and called by a route."""

    def __init__(self, make: Any, name: str, torch: Any, config: dict[str, Any]) -> None:
        """Make the layer."""
        self.name, self.torch, self.rnn = name, torch, make(**config)

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
        """Take the route, and make the call."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the routes deprecate each other
            return ROUTES[self.name](self.torch, self.rnn, arguments)(*arguments)


class RouteSubject(Subject):
    """torch.nn.RNN on one of ROUTES."""

    def __init__(self, route: str) -> None:
        """Import torch, and what else the route needs."""
        for package in NEEDS.get(route, ()):
            try:
                __import__(package)
            except ImportError as e:
                raise RouteError(f"torch:{route} needs {package}: pip install {package}") from e
        self.route, self.eager = route, TorchSubject()
        self.dtypes = DTYPES.get(route, TorchSubject.dtypes)  # type: ignore[misc]
        self.levels = frozenset(LEVELS) - UNCLAIMED.get(route, set())  # type: ignore[misc]

    @property
    def title(self) -> str:
        """The name that reports use."""
        return f"torch:{self.route}"

    def version(self) -> str:
        """The torch release, and the route."""
        return f"{self.eager.version()} by {self.route}"

    def run(self, case: Case) -> Observation:
        """Answer one Case, by the route."""
        torch, make = self.eager.worker.torch, self.eager.cls
        return self.eager.answer(case, lambda **config: Routed(make, self.route, torch, config))


class RouteError(Exception):
    """A route that cannot be taken; the message is one sentence that says what to install."""
