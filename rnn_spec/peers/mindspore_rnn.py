"""MindSpore: nn.RNN, a whole stack with torch's shapes and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.peers.peer import AS_TORCH, Answer, Gradients, Layer, Peer, Question, Weight
from rnn_spec.spec.model import KINDS, parameter_suffix

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case
    from rnn_spec.spec.model import Config


class MindSporeSubject(Peer):
    """mindspore.nn.RNN on the CPU, in PyNative mode. Its input is float32 or float16."""

    name = "mindspore"
    levels = frozenset(
        {"cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "dropout", "precision"}
    )
    dtypes = ("float32", "float16")
    declares = AS_TORCH
    limits = ("dropout is less than 1",)
    layout = tuple(Weight(kind, (kind,)) for kind in KINDS)

    def __init__(self) -> None:
        """Import MindSpore, on the CPU."""
        import mindspore

        mindspore.set_device("CPU")
        self.mindspore = mindspore

    def version(self) -> str:
        """MindSpore's release."""
        return f"mindspore {self.mindspore.__version__}"

    def cannot(self, case: Case) -> str | None:
        """Dropout of everything is refused by the constructor, as documented."""
        return self.limits[0] if case.config.dropout == 1 else None

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Any:
        """The stack, with its parameters."""
        rnn = self.mindspore.nn.RNN(
            config.input_size,
            config.hidden_size,
            config.num_layers,
            nonlinearity=config.nonlinearity,
            has_bias=config.bias,
            dropout=float(config.dropout),
            bidirectional=config.bidirectional,
            dtype=getattr(self.mindspore, dtype),
        )
        own = {parameter.name: parameter for parameter in rnn.trainable_params()}
        weights = []
        for k, layer in enumerate(layers):
            suffix = parameter_suffix(k // config.num_directions, k % config.num_directions)
            for kind, a in layer.items():
                parameter = own[f"{kind}{suffix}"]
                parameter.set_data(self.mindspore.Tensor(np.ascontiguousarray(a)))
                weights.append(parameter)
        return config, rnn, weights

    def seed(self, seed: int) -> None:
        """Seed MindSpore's generators."""
        self.mindspore.set_seed(seed)

    def answer(self, network: Any, question: Question) -> Answer:
        """Call the stack; mindspore.value_and_grad differentiates."""
        config, rnn, weights = network
        rnn.set_train(question.training)
        tensor = self.mindspore.Tensor
        leaves = [tensor(np.ascontiguousarray(question.input))]
        if question.h_0 is not None:
            leaves.append(tensor(np.ascontiguousarray(question.h_0)))
        lengths = None if question.lengths is None else tensor(question.lengths)

        def forward(x: Any, h_0: Any = None) -> Any:
            return rnn(x, h_0, lengths)

        if question.cotangents is None:
            output, h_n = forward(*leaves)
            return Answer(output.asnumpy(), h_n.asnumpy())
        g_y, g_n = (tensor(np.ascontiguousarray(g)) for g in question.cotangents)

        def product(*leaves: Any) -> Any:
            output, h_n = forward(*leaves)
            return (output * g_y).sum() + (h_n * g_n).sum(), output, h_n

        pull = self.mindspore.value_and_grad(product, tuple(range(len(leaves))), weights, has_aux=True)
        (_, output, h_n), (inputs, found) = pull(*leaves)
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)  # one comes on its own
        g = [a.asnumpy() for a in found]
        kinds = KINDS[: 4 if config.bias else 2]
        own = [dict(zip(kinds, g[i : i + len(kinds)], strict=True)) for i in range(0, len(g), len(kinds))]
        g_h = inputs[1].asnumpy() if len(leaves) == 2 else None
        return Answer(output.asnumpy(), h_n.asnumpy(), Gradients(inputs[0].asnumpy(), g_h, own))
