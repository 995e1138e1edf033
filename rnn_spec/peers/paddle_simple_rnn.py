"""PaddlePaddle: nn.SimpleRNN, a whole stack with torch's shapes and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.peers.peer import AS_TORCH, Answer, Gradients, Layer, Peer, Question, Weight
from rnn_spec.spec.model import KINDS

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config


class PaddleSubject(Peer):
    """paddle.nn.SimpleRNN on the CPU. It documents no way to be without biases: they are zero then."""

    name = "paddle"
    levels = frozenset({"cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "dropout"})
    declares = AS_TORCH
    layout = tuple(Weight(kind, (kind,)) for kind in KINDS)

    def __init__(self) -> None:
        """Import PaddlePaddle, on the CPU."""
        import paddle

        paddle.set_device("cpu")
        self.paddle = paddle

    def version(self) -> str:
        """PaddlePaddle's release."""
        return f"paddlepaddle {self.paddle.__version__}"

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Any:
        """The stack; its parameters are in torch's order."""
        self.paddle.set_default_dtype(dtype)
        rnn = self.paddle.nn.SimpleRNN(
            config.input_size,
            config.hidden_size,
            config.num_layers,
            direction="bidirect" if config.bidirectional else "forward",
            time_major=True,
            dropout=config.dropout,
            activation=config.nonlinearity,
        )
        zeros = np.zeros(config.hidden_size, dtype)
        arrays = [own.get(kind, zeros) for own in layers for kind in KINDS]
        for parameter, a in zip(rnn.parameters(), arrays, strict=True):
            parameter.set_value(np.ascontiguousarray(a))
        return rnn

    def seed(self, seed: int) -> None:
        """Seed PaddlePaddle's generator."""
        self.paddle.seed(seed)

    def answer(self, rnn: Any, question: Question) -> Answer:
        """Call the stack; paddle.grad differentiates.

        In evaluation mode nothing is kept for the gradient, and asking for it is an error: it is then that
        of a call in training mode without dropout.
        """
        rnn.train() if question.training else rnn.eval()
        leaves = [self.paddle.to_tensor(np.ascontiguousarray(question.input))]
        if question.h_0 is not None:
            leaves.append(self.paddle.to_tensor(question.h_0))
        for leaf in leaves:
            leaf.stop_gradient = False
        x, h_0 = leaves if len(leaves) == 2 else (*leaves, None)
        lengths = None if question.lengths is None else self.paddle.to_tensor(question.lengths)
        output, h_n = rnn(x, h_0, lengths)
        result = output.numpy(), h_n.numpy()
        if question.cotangents is None:
            return Answer(*result)
        if not question.training:
            rnn.train()
            dropout, rnn.dropout = rnn.dropout, 0.0
            output, h_n = rnn(x, h_0, lengths)
            rnn.dropout = dropout
        leaves += rnn.parameters()
        cotangents = [self.paddle.to_tensor(np.ascontiguousarray(g)) for g in question.cotangents]
        g_x, *g = (a.numpy() for a in self.paddle.grad([output, h_n], leaves, cotangents))
        g_h = None if h_0 is None else g.pop(0)
        own = [dict(zip(KINDS, g[i : i + 4], strict=True)) for i in range(0, len(g), 4)]
        return Answer(*result, Gradients(g_x, g_h, own))
