"""`assert_conforms`: judge one torch.nn.RNN of yours, with its own weights, on one input of yours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.judge.compare import Nonconformity, compare
from rnn_spec.judge.stepwise import walk
from rnn_spec.judge.verdict import explain
from rnn_spec.questions.records import Bound
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.spec.catalogue import clauses
from rnn_spec.spec.model import Config

if TYPE_CHECKING:
    import torch


def assert_conforms(module: torch.nn.RNN, input: Any, hx: torch.Tensor | None = None) -> float:
    """Call `module(input, hx)` and check every step of the answer, from the answer's own previous step.

    `module` is any torch.nn.RNN, of any size, weights, dtype and device, in evaluation mode or
    without dropout; `input` a tensor (T, N, I), (N, T, I) if batch_first, (T, I) unbatched, or a
    PackedSequence; `hx` as torch takes it. Returns the headroom, the worst error / bound: at most
    1, and far below it for a healthy layer.

    The inputs of the layers above the first are what an nn.RNN of only the layers below answers, so
    with several layers this relies on torch computing these as it does inside the whole stack.

    Raises Nonconformity (an AssertionError) with the clause and the worst element where the module
    does not conform, ValueError where it cannot be judged, and whatever the call itself raises.
    """
    import torch

    dtype = _judgeable(module)
    config = Config(
        module.input_size, module.hidden_size, module.num_layers, module.nonlinearity, bool(module.bias),
        bidirectional=module.bidirectional,
    )  # fmt: skip
    with torch.no_grad():
        answer, h_n = module(input, hx)
    layout = _Layout(module, input)
    x, output = layout.time_major(input), layout.time_major(answer)
    L, D, batch = config.num_layers, config.num_directions, x.shape[1]
    h_0 = np.zeros((L * D, batch, config.hidden_size)) if hx is None else _numbers(hx)
    h_0, finals = (h.reshape(L, D, batch, config.hidden_size) for h in (h_0, _numbers(h_n)))
    parameters = {name: _numbers(p) for name, p in module.named_parameters()}

    def lower(count: int) -> np.ndarray:
        if count == L:
            return output
        return layout.time_major(_lower(module, count)(input, _first(hx, count * D))[0])

    walked = walk(config, parameters, dtype, x, lower, h_0, finals, layout.lengths)
    return max(_judge(name, got, expected) for name, got, expected in walked)


def _judgeable(module: Any) -> str:
    """The dtype of a module that can be judged; ValueError says why one cannot."""
    import torch

    if not isinstance(module, torch.nn.RNN):
        raise ValueError(f"a {type(module).__name__} is no torch.nn.RNN, which is what is judged")
    if module.training and module.dropout and module.num_layers > 1:
        raise ValueError(
            "the module is in training mode with dropout, which is random: call module.eval() first"
        )
    dtype = str(next(iter(module.parameters())).dtype).removeprefix("torch.")
    if dtype not in FORMATS:
        raise ValueError(f"the module's parameters are {dtype}; what can be judged is {', '.join(FORMATS)}")
    return dtype


class _Layout:
    """How the caller's input and the module's output become (T, N, features) in NumPy."""

    def __init__(self, module: Any, input: Any) -> None:
        """Read the sequences' lengths from `input`."""
        from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

        self.packed, self.pad = isinstance(input, PackedSequence), pad_packed_sequence
        self.batch_first = module.batch_first
        if self.packed:
            self.lengths = np.asarray(pad_packed_sequence(input)[1])
        else:
            time, batch = self.time_major(input).shape[:2]
            self.lengths = np.full(batch, time)

    def time_major(self, x: Any) -> np.ndarray:
        """(T, N, features)."""
        if self.packed:
            return _numbers(self.pad(x)[0])
        array = _numbers(x)
        if array.ndim == 2:
            return array[:, None]
        return array.swapaxes(0, 1) if self.batch_first else array


def _numbers(t: torch.Tensor) -> np.ndarray:
    array: np.ndarray = t.detach().cpu().double().numpy()
    return array


def _first(hx: torch.Tensor | None, count: int) -> torch.Tensor | None:
    return None if hx is None else hx[:count]


def _lower(module: torch.nn.RNN, count: int) -> Any:
    """An nn.RNN of the first `count` layers of the module, with the module's own parameters."""
    import torch

    own = dict(module.named_parameters())
    first = next(iter(own.values()))
    lower = torch.nn.RNN(
        module.input_size, module.hidden_size, count, module.nonlinearity, module.bias,
        module.batch_first, bidirectional=module.bidirectional, device=first.device, dtype=first.dtype,
    )  # fmt: skip
    lower.load_state_dict({name: own[name] for name in lower.state_dict()})
    return lower.requires_grad_(False)


def _judge(name: str, got: np.ndarray, expected: Bound) -> float:
    comparison, clause = compare(name, got, expected), "HID-08" if name.startswith("h_n") else "REC-05"
    if not comparison.holds:
        raise Nonconformity("\n" + explain(clauses()[clause], None, str(comparison), None))
    return comparison.headroom
