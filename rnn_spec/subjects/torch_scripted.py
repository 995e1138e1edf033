"""Modules in which torch.jit.script can call an nn.RNN, whose own forward is overloaded and has no one name.

The compiler reads the annotations, so they are not postponed, and are written as torch 2.0's compiler knows
them. Only a route that scripts imports this.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Padded(torch.nn.Module):
    """A layer, called with a padded input."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn

    def forward(self, input: Tensor, h_0: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """output and h_n."""
        return self.rnn(input, h_0)


class Packed(torch.nn.Module):
    """A layer, called with a packed input."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn

    def forward(self, input: PackedSequence, h_0: Optional[Tensor] = None) -> Tuple[PackedSequence, Tensor]:
        """output and h_n."""
        return self.rnn(input, h_0)


class Ragged(torch.nn.Module):
    """A layer, called with padded sequences (T, N, I) and their lengths, packs them and pads its output."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn

    def forward(self, input: Tensor, lengths: Tensor, h_0: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """output and h_n."""
        packed = pack_padded_sequence(input, lengths, enforce_sorted=False)
        output, h_n = self.rnn(packed, h_0)
        return pad_packed_sequence(output)[0], h_n
