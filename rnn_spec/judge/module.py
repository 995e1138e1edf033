"""The torch.nn.Module under test, built from a Case, for checks of what only torch objects can show.

A padded tensor has no strides in a Case and a PackedSequence no fields, a hook is a function, and torch.func
takes one: checks that need them make the module itself, call it, and read what comes out as NumPy's arrays.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import NotClaimed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.records import Case


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


class Module:
    """The class under test as a layer with a case's parameters, and the case's own tensors."""

    def __init__(self, case: Case, check: Check) -> None:
        """Build the layer; NotClaimed for a subject that is no such class, or does not claim the case."""
        cls, self.torch = check.module_class()
        check.claimed(case)
        self.case, self.check, self.dtype = case, check, getattr(self.torch, case.dtype)
        self.device = getattr(check.subject, "device", "cpu")
        with answering("building the layer"):
            self.rnn = cls(**asdict(case.config)).to(device=self.device, dtype=self.dtype)
            self.rnn.train(case.training)
        with self.torch.no_grad():
            for name, parameter in self.rnn.named_parameters():
                parameter.copy_(self.tensor(case.parameters[name]))
        self.input = self.tensor(case.input)
        self.h_0 = None if case.h_0 is None else self.tensor(case.h_0)

    def tensor(self, array: np.ndarray) -> Any:
        """A tensor of the case's dtype, on the device under test."""
        return self.torch.tensor(np.ascontiguousarray(array), device=self.device, dtype=self.dtype)

    def __call__(self, *arguments: Any) -> Any:
        """Call the layer; Nonconformity if it raises, or answers with anything but a pair."""
        try:
            answer = self.rnn(*arguments)
            _, _ = answer
        except Exception as e:
            raise Nonconformity(f"raised {type(e).__name__} in forward: {' '.join(str(e).split())}") from e
        return answer

    def arguments(self) -> tuple[Any, ...]:
        """The case's input and h_0 as new leaves."""
        given = (self.input,) if self.h_0 is None else (self.input, self.h_0)
        return tuple(t.detach().clone().requires_grad_() for t in given)

    def results(self, call: Any, *arguments: Any) -> tuple[Any, Any]:
        """output and h_n of a call; Nonconformity where there are none."""
        with answering("forward"):
            output, h_n = call(*arguments)
        return output, h_n

    def cotangents(self, results: tuple[Any, Any]) -> list[Any]:
        """The case's cotangents of output and h_n, in the results' dtype and on their device."""
        given = vars(self.case.cotangents).values()
        return [self.tensor(a).to(r) for a, r in zip(given, results, strict=True)]

    # -- packed sequences ---------------------------------------------------------------------------

    def lengths(self) -> Any:
        """The case's lengths as torch wants them: int64, on the CPU."""
        return self.torch.tensor([int(n) for n in self.case.lengths])  # type: ignore[union-attr]

    def packed(self, how: str = "unsorted") -> Any:
        """The case's input as a PackedSequence, made in the way of PACKINGS that `how` names."""
        return PACKINGS[how](self)

    def sequences(self) -> list[Any]:
        """The case's sequences, each (its own length, I)."""
        rows = self.input if self.case.config.batch_first else self.input.transpose(0, 1)
        return [row[: int(n)] for row, n in zip(rows, self.lengths(), strict=True)]

    def unpacked(self, output: Any) -> np.ndarray:
        """A packed output padded with 0 to the layout of the case's output; Nonconformity if it is none."""
        batch_first, utils = self.case.config.batch_first, self.torch.nn.utils.rnn
        time = self.case.input.shape[1 if batch_first else 0]
        try:
            padded = utils.pad_packed_sequence(output, batch_first=batch_first, total_length=time)[0]
        except Exception as e:
            raise Nonconformity(f"output cannot be padded: {type(e).__name__}: {e}") from e
        return numbers(padded)


def numbers(tensor: Any) -> np.ndarray:
    """The tensor's numbers, exactly, as float64."""
    try:
        array: np.ndarray = tensor.detach().cpu().double().numpy()
    except Exception as e:
        raise Nonconformity(f"expected a tensor, got {type(tensor).__name__}") from e
    return array


def _padded(enforce_sorted: bool) -> Callable[[Module], Any]:
    def pack(module: Module) -> Any:
        return module.torch.nn.utils.rnn.pack_padded_sequence(
            module.input, module.lengths(), module.case.config.batch_first, enforce_sorted
        )

    return pack


def _listed(module: Module) -> Any:
    return module.torch.nn.utils.rnn.pack_sequence(module.sequences(), enforce_sorted=False)


def by_hand(module: Module, order: Sequence[int]) -> tuple[Any, Any]:
    """data and batch_sizes of the case's sequences, taken in this order, by decreasing length."""
    sequences = [module.sequences()[i] for i in order]
    data, sizes = [], []
    for t in range(len(sequences[0])):
        step = [s[t] for s in sequences if len(s) > t]
        data.append(module.torch.stack(step))
        sizes.append(len(step))
    return module.torch.cat(data), module.torch.tensor(sizes)


def _handmade(pair: bool, inverse: bool) -> Callable[[Module], Any]:
    def pack(module: Module) -> Any:
        # Of sequences of one length the last comes first, as torch's own functions would not have it.
        lengths = np.asarray(module.case.lengths)
        order = np.lexsort((np.arange(len(lengths)), lengths))[::-1]
        data, sizes = by_hand(module, order.tolist())
        indices: dict[str, Any] = {
            "sorted_indices": module.torch.tensor(order.tolist(), device=module.device)
        }
        if inverse:
            back = np.argsort(order).tolist()
            indices["unsorted_indices"] = module.torch.tensor(back, device=module.device)
        make = module.torch.nn.utils.rnn.PackedSequence
        return make((data, sizes), **indices) if pair else make(data, sizes, **indices)

    return pack


PACKINGS: dict[str, Callable[[Module], Any]] = {
    "unsorted": _padded(enforce_sorted=False),
    "sorted": _padded(enforce_sorted=True),
    "pack_sequence": _listed,
    "by hand": _handmade(pair=False, inverse=False),
    "by hand, both indices": _handmade(pair=False, inverse=True),
    "by hand, from a pair": _handmade(pair=True, inverse=False),
}
"""The documented ways to a PackedSequence; "sorted" needs a batch by decreasing length."""
