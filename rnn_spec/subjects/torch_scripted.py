"""Modules in which torch.jit.script can call an nn.RNN, whose own forward is overloaded and has no one name.

The compiler reads the annotations, so they are not postponed. Only a route that scripts imports this.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


class Padded(torch.nn.Module):
    """A layer, called with a padded input."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn

    def forward(self, input: Tensor, h_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """output and h_n."""
        return self.rnn(input, h_0)


class Packed(torch.nn.Module):
    """A layer, called with a packed input."""

    def __init__(self, rnn: torch.nn.Module) -> None:
        """Take the layer in."""
        super().__init__()
        self.rnn = rnn

    def forward(self, input: PackedSequence, h_0: Tensor | None = None) -> tuple[PackedSequence, Tensor]:
        """output and h_n."""
        return self.rnn(input, h_0)
