"""Modules in which torch.jit.script can call an nn.RNN, whose own forward is overloaded and has no one name.

Each is of a class of its own: the compiler keeps what it began of a class that it could not read, and refuses
the next layer for that alone. It reads the annotations, so they are not postponed, and are written as torch
2.0's compiler knows them. Only a route that scripts imports this.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Holding(torch.nn.Module):
    """A module that holds a layer."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn


def padded(rnn: torch.nn.Module) -> torch.nn.Module:
    """A layer, called with a padded input."""

    class Padded(Holding):
        def forward(self, input: Tensor, h_0: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
            return self.rnn(input, h_0)

    return Padded(rnn)


def packed(rnn: torch.nn.Module) -> torch.nn.Module:
    """A layer, called with a packed input."""

    class Packed(Holding):
        def forward(
            self, input: PackedSequence, h_0: Optional[Tensor] = None
        ) -> Tuple[PackedSequence, Tensor]:
            return self.rnn(input, h_0)

    return Packed(rnn)


def ragged(rnn: torch.nn.Module) -> torch.nn.Module:
    """A layer, called with padded sequences (T, N, I) and their lengths, packs them and pads its output."""

    class Ragged(Holding):
        def forward(
            self, input: Tensor, lengths: Tensor, h_0: Optional[Tensor] = None
        ) -> Tuple[Tensor, Tensor]:
            packed = pack_padded_sequence(input, lengths, enforce_sorted=False)
            output, h_n = self.rnn(packed, h_0)
            return pad_packed_sequence(output)[0], h_n

    return Ragged(rnn)
