"""The one law of module state, and what it is held to.

Whatever was done to a module: **forward equals the forward of a fresh layer that was given the
module's own current parameters**, and the gradients arrive at the tensors that the parameters are, or
are computed from. It holds on every execution route, so `obeys` takes what is called apart from the
module whose parameters count.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.module import Module, numbers
from rnn_spec.judge.session import NotClaimed
from rnn_spec.questions.expect import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.records import Bound, Case


@contextmanager
def answering(what: str) -> Iterator[None]:
    """What a module raises in here is its answer, and a Nonconformity; warnings are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Nonconformity, NotClaimed):
        raise
    except Exception as e:
        raise Nonconformity(f"{what} raised {type(e).__name__}: {' '.join(str(e).split())}") from e


class State(Module):
    """A module of the class under test, in evaluation mode, and the law for whatever became of it."""

    def __init__(self, case: Case, check: Check) -> None:
        """Build the layer with the case's parameters; NotClaimed for a subject that is no torch.nn.Module."""
        self.check = check
        with answering("building the layer"):
            super().__init__(case, check)
        self.cls, self.names = type(self.rnn), list(case.parameters)

    def build(self, **how: Any) -> Any:
        """A new layer of the class under test, of the case's configuration."""
        return self.cls(**asdict(self.case.config), **how)

    def operate(self, act: Callable[[Any, Any], Any]) -> Any:
        """The module that a state operation, called with torch and the layer, makes of the layer."""
        with answering("the operation"):
            return act(self.torch, self.rnn)

    def arguments(self, dtype: Any = None) -> tuple[Any, ...]:
        """The case's input and h_0 as new leaves, in a dtype or the case's own."""
        given = (self.input,) if self.h_0 is None else (self.input, self.h_0)
        return tuple(t.detach().clone().to(dtype or self.dtype).requires_grad_() for t in given)

    def values(self, rnn: Any) -> dict[str, Any]:
        """The module's own current parameters, as it shows them: computed ones as computed now."""
        with answering("reading the parameters"):
            return {name: getattr(rnn, name) for name in self.names}

    def fresh(self, values: Mapping[str, Any]) -> Any:
        """A new layer of the class under test that is given these parameters."""
        first = next(iter(values.values()))
        with answering("building a fresh layer"):
            layer = self.build().to(device=first.device, dtype=first.dtype).eval()
            with self.torch.no_grad():
                for name, parameter in layer.named_parameters():
                    parameter.copy_(values[name])
        return layer

    def bounds(
        self, values: Mapping[str, Any], dtype: str | None = None, *, gradients: bool = False
    ) -> Mapping[str, Bound]:
        """What the spec says of the case with these parameters, in their dtype or another, with bounds."""
        arrays = {name: numbers(value) for name, value in values.items()}
        dtype = dtype or str(next(iter(values.values())).dtype).removeprefix("torch.")
        cotangents = self.case.cotangents if gradients else None
        return expect(replace(self.case, parameters=arrays, dtype=dtype, cotangents=cotangents)).arrays

    def results(self, call: Any, *arguments: Any) -> tuple[Any, Any]:
        """output and h_n of a call; Nonconformity where there are none."""
        with answering("forward"):
            output, h_n = call(*arguments)
        return output, h_n

    def obeys(self, rnn: Any, call: Any = None, dtype: str | None = None) -> None:
        """The law, forward: what is called (the module itself unless given) answers as a fresh layer."""
        arguments = self.arguments(next(iter(self.values(rnn).values())).dtype)
        with self.torch.no_grad():
            got = self.results(rnn if call is None else call, *arguments)
            values = self.values(rnn)
            expected = self.results(self.fresh(values), *arguments)
        bounds = self.bounds(values, dtype)
        for name, mine, other in zip(("output", "h_n"), got, expected, strict=True):
            self.check.agree(name, numbers(mine), numbers(other), bounds[name])

    def learns(self, rnn: Any, call: Any = None) -> None:
        """The law, backward: every tensor that the user owns gets the gradient of a fresh layer."""
        values = self.values(rnn)
        arguments = self.arguments(next(iter(values.values())).dtype)
        leaves = dict(rnn.named_parameters())
        for leaf in leaves.values():
            leaf.grad = None
        results = self.results(rnn if call is None else call, *arguments)
        with answering("backward"):
            self.torch.autograd.backward(results, self.cotangents(results), retain_graph=True)
        values = self.values(rnn)
        expected, inputs = self.gradients(self.fresh(values), *self.arguments(arguments[0].dtype))
        bounds = self.bounds(values, gradients=True)
        for name, got, other in zip(("input", "h_0"), arguments, inputs, strict=False):
            self.arrived(f"grad {name}", got.grad, other, bounds[f"grad {name}"])
        for leaf_name, leaf in leaves.items():
            own = [name for name, value in values.items() if value is leaf]
            if not leaf.requires_grad:
                self.check.holds(leaf.grad is None, f"{leaf_name} is frozen and got a gradient")
            elif len(own) == 1:
                self.arrived(f"grad {leaf_name}", leaf.grad, expected[own[0]], bounds[f"grad {own[0]}"])
            else:
                self.computed(leaf_name, leaf, values, expected)

    def computed(
        self, leaf_name: str, leaf: Any, values: Mapping[str, Any], expected: Mapping[str, Any]
    ) -> None:
        """A leaf that parameters are computed from, or that is several: its gradient bit for bit."""
        shown = {name: value for name, value in values.items() if value.requires_grad}
        with answering("the gradient of the computed parameters"):
            cotangents = [expected[name] for name in shown]
            (other,) = self.torch.autograd.grad(
                list(shown.values()), [leaf], cotangents, retain_graph=True, allow_unused=True
            )
        self.arrived(f"grad {leaf_name}", leaf.grad, other)

    def arrived(self, name: str, got: Any, expected: Any, bounds: Bound | None = None) -> None:
        """One gradient is there, and is what it should be: within bounds, or equal where none are given."""
        self.check.holds(got is not None or expected is None, f"{name} did not arrive: it is None")
        self.check.holds(got is None or expected is not None, f"{name} arrived and should not")
        if expected is None:
            return
        if bounds is None:
            self.check.equal(name, numbers(got), numbers(expected))
        else:
            self.check.agree(name, numbers(got), numbers(expected), bounds)

    def cotangents(self, results: tuple[Any, Any]) -> list[Any]:
        """The case's cotangents of output and h_n, in the results' dtype and on their device."""
        given = self.case.cotangents
        arrays: list[np.ndarray] = [given.output, given.h_n]  # type: ignore[union-attr]
        return [self.tensor(a).to(r) for a, r in zip(arrays, results, strict=True)]

    def gradients(self, layer: Any, *arguments: Any) -> tuple[dict[str, Any], list[Any]]:
        """The gradients of a plain layer's parameters by name, and those of the arguments."""
        parameters = dict(layer.named_parameters())
        results = self.results(layer, *arguments)
        with answering("backward"):
            found = self.torch.autograd.grad(
                results, [*parameters.values(), *arguments], self.cotangents(results)
            )
        return dict(zip(parameters, found, strict=False)), list(found[len(parameters) :])
