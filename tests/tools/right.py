"""Right variations of nn.RNN's arithmetic: each is another way to the same numbers, and no other layer.

`KERNELS` stand in for torch's own kernel, torch._VF.rnn_tanh and rnn_relu, under an nn.RNN that is otherwise
torch's; `LAYERS` are the spec as a subject with a step done in another order. Whoever accuses one of them
is wrong: the contract promises no order of summation, neither forward nor backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN
from rnn_spec.subjects.spec import SpecSubject

Weights = list[Tensor]
NUMPYS = (np.int64, np.int32, np.uint8)


def is_real(x: Any) -> bool:
    """Whether it is a tensor of real numbers, and not of batch sizes."""
    return isinstance(x, Tensor) and x.is_floating_point()


def each_real(given: Any, change: Any) -> list[Any]:
    """What a kernel is given, every tensor of real numbers changed."""
    return [[change(w) for w in x] if isinstance(x, list) else change(x) if is_real(x) else x for x in given]


class Kernel:
    """The operator under nn.RNN, of plain operations; a variation does one step of it otherwise."""

    def __call__(self, *given: Any) -> tuple[Tensor, Tensor]:
        """What torch._VF.rnn_tanh takes: input, perhaps batch_sizes, hx, weights, and the options."""
        if not torch.is_autocast_enabled("cpu"):
            hx, weights = given[1:3] if isinstance(given[2], list) else given[2:4]
            if len(found := {x.dtype for x in (given[0], hx, *weights) if isinstance(x, Tensor)}) > 1:
                raise RuntimeError(f"one dtype is due, and there are {found}")
            return self.run(*given)
        own = each_real(given, lambda x: x.to(torch.get_autocast_dtype("cpu")))
        with torch.autocast("cpu", enabled=False):
            return self.run(*own)

    def run(self, input: Tensor, *given: Any) -> tuple[Tensor, Tensor]:
        """The same, in the dtype that it is given."""
        if isinstance(given[1], list):
            hx, weights, bias, layers, p, training, both, batch_first = given
            steps = list((input.transpose(0, 1) if batch_first else input).unbind(0))
        else:
            sizes, hx, weights, bias, layers, p, training, both = given
            batch_first, steps = False, self.split(input, sizes.tolist())
        self.otherwise = self.chooses(input, training, p, batch_first)
        if not steps:
            raise RuntimeError("the sequence length is 0, and has to be 1 or more")
        if type(both) is not bool or type(layers) not in (int, *NUMPYS) or any(w is None for w in weights):
            raise TypeError(
                f"num_layers must be an int and bidirectional must be bool: got {layers!r}, a "
                f"{type(layers).__name__}, {both!r}, a {type(both).__name__}, and weights"
            )
        finals, each, directions = [], 4 if bias else 2, 2 if both else 1
        for layer in range(layers):
            if layer and training and p:
                steps = [functional.dropout(x, p, training) for x in steps]
            found = []
            for direction in range(directions):
                n = layer * directions + direction
                out, final = self.scan(steps, hx[n], weights[n * each : n * each + each], direction == 1)
                found.append(out)
                finals.append(final)
            steps = [torch.cat(parts, -1) for parts in zip(*found, strict=True)]
        h_n = torch.stack(finals)
        if input.dim() == 2:
            return torch.cat(steps), h_n
        return torch.stack(steps, 1 if batch_first else 0), h_n

    def split(self, data: Tensor, sizes: list[int]) -> list[Tensor]:
        """The rows of each step of a packed batch; RuntimeError where they cannot be that."""
        if not sizes or min(sizes) < 1 or sizes != sorted(sizes, reverse=True) or sum(sizes) != len(data):
            raise RuntimeError(f"batch_sizes {sizes} are not those of {len(data)} rows")
        return list(torch.split_with_sizes(data, sizes))

    def scan(self, steps: list[Tensor], h_0: Tensor, w: Weights, reverse: bool) -> Any:
        """One layer in one direction: its outputs, and the final state of each row."""
        terms, h = self.terms(steps, w), h_0[: steps[-1].shape[0]] if reverse else h_0
        outputs, ended = [], []
        for x in reversed(terms) if reverse else terms:
            rows = x.shape[0]
            if reverse and rows > h.shape[0]:
                h = torch.cat([h, h_0[h.shape[0] : rows]])
            elif rows < h.shape[0]:
                ended.append(h[rows:])
                h = h[:rows]
            h = self.cell(x, h, w)
            outputs.append(h)
        return outputs[::-1] if reverse else outputs, torch.cat([h, *ended[::-1]]) if ended else h

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        """What each step adds to the pre-activation."""
        return [self.linear(x, w[0]) + w[2] if len(w) > 2 else self.linear(x, w[0]) for x in steps]

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        """The new state, of what a step adds and the state before."""
        z = x + self.linear(h, w[1])
        return self.activation(z + w[3] if len(w) > 3 else z)

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        """The products of rows with a matrix: (rows, columns) and (units, columns) to (rows, units)."""
        return x @ w.t()

    def activation(self, z: Tensor) -> Tensor:
        """tanh or relu, as the kernel is made for."""
        return self.nonlinearity(z)

    nonlinearity: Any = None
    otherwise = False

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        """Whether this call is made in the other of two ways, where a kernel has two."""
        return False


class BiasesFirst(Kernel):
    """The two biases are added to each other beforehand."""

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        b = w[2] + w[3] if len(w) > 2 else 0
        return [self.linear(x, w[0]) + b for x in steps]

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        return self.activation(x + self.linear(h, w[1]))


class BiasesLast(Kernel):
    """Both products are added first, and then each bias."""

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        return [self.linear(x, w[0]) for x in steps]

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        z = self.linear(h, w[1]) + x
        return self.activation(z + w[3] + w[2] if len(w) > 2 else z)


class OneMatrix(BiasesFirst):
    """One product of [x, h] with [W_ih, W_hh]."""

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        return steps

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        z = self.linear(torch.cat([x, h], -1), torch.cat(w[:2], -1))
        return self.activation(z + (w[2] + w[3]) if len(w) > 2 else z)


class BiasesAsWeights(OneMatrix):
    """The biases are columns of the matrix, for an input of ones."""

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        ones = x.new_ones(*x.shape[:-1], len(w) - 2)
        rows = torch.cat([ones, x, h], -1)
        return self.activation(self.linear(rows, torch.cat([*(b[:, None] for b in w[2:]), w[0], w[1]], -1)))


class AllStepsAtOnce(Kernel):
    """One product for the inputs of all steps."""

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        found = super().terms([torch.cat(steps)], w)[0]
        return list(torch.split_with_sizes(found, [x.shape[0] for x in steps]))


class InChunks(AllStepsAtOnce):
    """One product for the inputs of every two steps."""

    def terms(self, steps: list[Tensor], w: Weights) -> list[Tensor]:
        pairs = [super(InChunks, self).terms(steps[t : t + 2], w) for t in range(0, len(steps), 2)]
        return [x for pair in pairs for x in pair]


class Transposed(Kernel):
    """The matrix comes first: (W x^T)^T."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return (w @ x.t()).t()


class RowByRow(Kernel):
    """Each row of the batch by itself."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return (w @ x[..., None])[..., 0]


class UnitByUnit(Kernel):
    """Each unit by itself."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return torch.stack([x @ unit for unit in w.unbind(0)], -1)


class BatchInHalves(Kernel):
    """Half of the batch, and then the other half."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        half = x.shape[0] // 2
        return torch.cat([x[:half] @ w.t(), x[half:] @ w.t()])


class Blocked(Kernel):
    """Sums of blocks of three products, which are added up."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        columns = range(0, x.shape[-1], 3)
        first, *others = (x[..., i : i + 3] @ w[:, i : i + 3].t() for i in columns)
        return sum(others, first)


class FromTheEnd(Kernel):
    """The products are added from the last to the first."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return x.flip(-1) @ w.flip(-1).t()


class Interleaved(Kernel):
    """The odd products are added up, then the even ones."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return x[..., 1::2] @ w[..., 1::2].t() + x[..., ::2] @ w[..., ::2].t()


class OneByOne(Kernel):
    """One product after another, without a matrix product."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        if x.shape[-1] > 40:  # what follows is slow
            return x @ w.t()
        first, *others = (x[..., i, None] * w[:, i] for i in range(x.shape[-1]))
        return sum(others, first)


class Broadcast(Kernel):
    """All products at once, and then a sum, which torch does in pairs."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return (x[..., None, :] * w).sum(-1)


class Einsum(Kernel):
    """By einsum."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return torch.einsum("bi,hi->bh", x, w)


class Fused(Kernel):
    """One operation for the sum and the product."""

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        return self.activation(torch.addmm(x + w[3] if len(w) > 3 else x, h, w[1].t()))


class ProductsInFloat64(Kernel):
    """Each matrix product in float64, and rounded."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return (x.double() @ w.double().t()).to(x.dtype)


class StepsInFloat64(Kernel):
    """Each step in float64, and its state rounded."""

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        return super().cell(x.double(), h.double(), [each.double() for each in w]).to(x.dtype)


class WhollyInFloat64(Kernel):
    """All of it in float64, and the results rounded."""

    def run(self, input: Tensor, *given: Any) -> tuple[Tensor, Tensor]:
        output, h_n = super().run(*each_real((input, *given), Tensor.double))
        return output.to(input.dtype), h_n.to(input.dtype)


class ByExponentials(Kernel):
    """tanh(z) as expm1(2z) / (expm1(2z) + 2), and relu(z) as a choice."""

    def activation(self, z: Tensor) -> Tensor:
        if self.nonlinearity is torch.relu:
            return torch.where(z <= 0, torch.zeros_like(z), z)
        wide = z.double()
        grown = torch.expm1(2 * wide.clamp(-30, 30))
        return torch.where(z.isnan(), z, (grown / (grown + 2)).to(z.dtype))


class OwnWeightsEachStep(Kernel):
    """A copy of W_hh for each step, so that the gradients of the steps meet in another order."""

    def cell(self, x: Tensor, h: Tensor, w: Weights) -> Tensor:
        return super().cell(x, h, [each.clone() for each in w])


class Backward(torch.autograd.Function):
    """A product whose gradients are added up in another order."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        return x @ w.t()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        return g.flip(-1) @ w.flip(0), (x.flip(0).t() @ g.flip(0)).t()

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, w_t: Tensor) -> Tensor:
        x, w = ctx.saved_tensors
        return x_t @ w.t() + x @ w_t.t()


class BackwardFromTheEnd(Kernel):
    """Gradients are added up from the last row and unit to the first."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return Backward.apply(x, w)  # type: ignore[no-untyped-call]


class LayerOfPermutedUnits(Kernel):
    """The units are computed in another order, and put back."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return (x @ w.flip(0).t()).flip(-1)


class LargestLast(Kernel):
    """The products are added in an order that depends on the numbers."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        order = x.detach().abs().sum(0).argsort()
        return x.index_select(-1, order) @ w.index_select(-1, order).t()


class TwoWays(Kernel):
    """Two orders of summation, of which one is chosen by call."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return x.flip(-1) @ w.flip(-1).t() if self.otherwise else x @ w.t()


class OtherwiseInTraining(TwoWays):
    """Another order in training mode."""

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        return training


class OtherwiseWithDropout(TwoWays):
    """Another order where dropout is not 0, whether it acts or not."""

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        return p > 0


class OtherwiseBatchFirst(TwoWays):
    """Another order where the batch comes first."""

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        return batch_first


class OtherwiseLearning(TwoWays):
    """Another order where gradients are recorded."""

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        return torch.is_grad_enabled()


class OtherwisePacked(TwoWays):
    """Another order for packed input."""

    def chooses(self, input: Tensor, training: bool, p: float, batch_first: bool) -> bool:
        return input.dim() == 2


class GradientsOneByOne(torch.autograd.Function):
    """A product whose weight gets its gradient from one row after another."""

    generate_vmap_rule = True
    forward, setup_context, jvp = Backward.forward, Backward.setup_context, Backward.jvp

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        total = sum((d[:, None] * row for d, row in zip(g.unbind(0), x.unbind(0), strict=True)), w * 0)
        return g @ w, total


class GradientsRowByRow(Kernel):
    """The gradients of the weights are added up from one row after another."""

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        return GradientsOneByOne.apply(x, w)  # type: ignore[no-untyped-call]


KERNELS = {
    kernel.__name__: kernel
    for kernel in (
        Kernel, BiasesFirst, BiasesLast, OneMatrix, BiasesAsWeights, AllStepsAtOnce, InChunks, Transposed,
        RowByRow, UnitByUnit, BatchInHalves, Blocked, FromTheEnd, Interleaved, OneByOne, Broadcast, Einsum,
        Fused, ProductsInFloat64, StepsInFloat64, WhollyInFloat64, ByExponentials, OwnWeightsEachStep,
        BackwardFromTheEnd, LayerOfPermutedUnits, LargestLast, OtherwiseInTraining, OtherwiseWithDropout,
        OtherwiseBatchFirst, OtherwiseLearning, OtherwisePacked, GradientsRowByRow,
    )
}  # fmt: skip


@contextmanager
def under_torch(kernel: type[Kernel]) -> Iterator[None]:
    """torch.nn.RNN computes with this kernel."""
    made: dict[str, Any] = {}
    for name, nonlinearity in (("rnn_tanh", torch.tanh), ("rnn_relu", torch.relu)):
        made[name] = kernel()
        made[name].nonlinearity = nonlinearity
    with mock.patch.multiple("torch._VF", create=True, **made):
        yield


# -- the spec as a subject --------------------------------------------------------------------------


def product(x: np.ndarray, w: np.ndarray, order: Any) -> np.ndarray:
    """x w^T, the products added up one by one in this order of the columns."""
    columns = list(range(x.shape[-1]))
    total = np.zeros((*x.shape[:-1], len(w)), x.dtype)
    for i in order(columns):
        total = total + x[..., i, None] * w[:, i]
    return total


class FromTheLast(RNN):
    """Products are added from the last to the first."""

    def cell(self, term: Any, h: Any, w: Any) -> Any:
        return self.activation(term + product(h, w.hh, reversed) + w.b_hh)


class BiasesBeforehand(RNN):
    """The biases are added to each other, and to the input's products."""

    def input_term(self, x: Any, w: Any) -> Any:
        return x @ w.ih.T + (w.b_ih + w.b_hh)

    def cell(self, term: Any, h: Any, w: Any) -> Any:
        return self.activation(term + h @ w.hh.T)


class StateFirst(RNN):
    """The state's products and its bias come first."""

    def cell(self, term: Any, h: Any, w: Any) -> Any:
        return self.activation((w.b_hh + h @ w.hh.T) + term)


class StepByStep(RNN):
    """The input's products are computed at each step."""

    def input_term(self, x: Any, w: Any) -> Any:
        return np.stack([np.stack([w.ih @ row for row in step]) if len(step) else step @ w.ih.T
                         for step in x]) + w.b_ih  # fmt: skip


class Wide(RNN):
    """Each step in NumPy's longest floats, and rounded."""

    def cell(self, term: Any, h: Any, w: Any) -> Any:
        wide = [a.astype(np.longdouble) for a in (term, h, w.hh.T, w.b_hh)]
        z = wide[0] + wide[1] @ wide[2] + wide[3]
        return self.activation(z).astype(term.dtype)


class TanhByExponentials(RNN):
    """tanh(z) as -expm1(-2z) / (expm1(-2z) + 2), of the magnitude of z."""

    def activation(self, z: Any) -> Any:
        if self.config.nonlinearity != "tanh":
            return super().activation(z)
        e = np.expm1(-2 * np.abs(z))
        return np.copysign(-e / (e + 2), z)


class StepsBackward(Adjoint):
    """The gradients of the weights are added up step by step, from the last to the first."""

    def parameters(self, tape: Any, delta: Any) -> Any:
        found: dict[str, Any] = {}
        for t in reversed(range(len(delta))):
            d, x, h = delta[t], tape.x[t], tape.before[t]
            part = {"weight_ih": d.T @ x, "weight_hh": d.T @ h}
            if self.config.bias:
                part |= {"bias_ih": d.sum(axis=0), "bias_hh": d[::-1].sum(axis=0)}
            found = {name: value + found.get(name, 0) for name, value in part.items()}
        return found


LAYERS = {
    name: type(name, (SpecSubject,), {"name": name, of: step})
    for of, steps in {
        "model": (FromTheLast, BiasesBeforehand, StateFirst, StepByStep, Wide, TanhByExponentials),
        "adjoint": (StepsBackward,),
    }.items()
    for step in steps
    for name in (step.__name__,)
}
"""Subjects, by name."""
