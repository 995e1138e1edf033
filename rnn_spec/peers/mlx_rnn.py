"""MLX: nn.RNN, one layer and one direction; the adapter stacks them, and runs the reverse direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.peers.peer import Answer, Gradients, Layer, Peer, Question, Weight

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config


class MlxSubject(Peer):
    """mlx.nn.RNN. It returns every state and no final one: that is the last, or the first in reverse."""

    name = "mlx"
    levels = frozenset({"cell", "sequence", "stack", "bidirectional", "gradients", "precision"})
    dtypes = ("float32", "float16", "bfloat16")
    declares = {  # noqa: RUF012  # read only
        "biases": "one",
        "layout": "batch",
        "nonlinearities": "both",
        "stacking": "adapter",
        "directions": "adapter",
    }
    layout = (
        Weight("Wxh", ("weight_ih",)),
        Weight("Whh", ("weight_hh",)),
        Weight("bias", ("bias_ih", "bias_hh"), "added"),
    )

    def __init__(self) -> None:
        """Import MLX, on the CPU."""
        import mlx.core
        import mlx.nn

        self.core, self.nn = mlx.core, mlx.nn
        self.core.set_default_device(self.core.cpu)

    def version(self) -> str:
        """MLX's release."""
        return f"mlx {self.core.__version__}"

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Any:
        """The layers, and their parameters."""
        activation = {"tanh": self.nn.tanh, "relu": self.nn.relu}[config.nonlinearity]
        rnns = [
            self.nn.RNN(own["Wxh"].shape[1], config.hidden_size, config.bias, activation) for own in layers
        ]
        return config, rnns, [{name: self.given(a) for name, a in own.items()} for own in layers]

    def given(self, a: np.ndarray) -> Any:
        """MLX's array of the same numbers and dtype; its bfloat16 comes by way of float32, exactly."""
        name = a.dtype.name
        wide = np.ascontiguousarray(a, np.float32) if name == "bfloat16" else np.ascontiguousarray(a)
        return self.core.array(wide).astype(getattr(self.core, name))

    def answer(self, network: Any, question: Question) -> Answer:
        """Call the layers; mlx.core.vjp differentiates."""
        config, rnns, parameters = network
        names = [list(own) for own in parameters]
        flat = [a for own in parameters for a in own.values()]
        # A leaf for each state: the gradient of indexing an array without elements ends the process.
        leaves = [self.given(a) for a in (question.input, *(() if question.h_0 is None else question.h_0))]
        count = len(leaves)

        def forward(*leaves: Any) -> Any:
            rest = iter(leaves[count:])
            for rnn, own in zip(rnns, names, strict=True):
                rnn.update({name: next(rest) for name in own})
            return self.through(config, rnns, leaves[0], leaves[1:count] or None)

        if question.cotangents is None:
            output, h_n = forward(*leaves, *flat)
            return Answer(Tagged(output), Tagged(h_n))
        cotangents = [self.given(g) for g in question.cotangents]
        (output, h_n), found = self.core.vjp(forward, [*leaves, *flat], cotangents)
        rest = iter(found[count:])
        own = [{name: Tagged(next(rest)) for name in layer} for layer in names]
        h_0 = None if question.h_0 is None else np.stack([np.asarray(Tagged(g)) for g in found[1:count]])
        return Answer(Tagged(output), Tagged(h_n), Gradients(Tagged(found[0]), h_0, own))

    def through(self, config: Config, rnns: Any, x: Any, h_0: Any) -> Any:
        """(output, h_n): layer upon layer, direction beside direction."""
        D, finals = config.num_directions, []
        for k in range(0, len(rnns), D):
            outputs = []
            for direction, rnn in enumerate(rnns[k : k + D]):
                way = slice(None, None, -1) if direction else slice(None)
                output = rnn(x[:, way], None if h_0 is None else h_0[k + direction])
                finals.append(output[:, -1])
                outputs.append(output[:, way])
            x = self.core.concatenate(outputs, axis=-1)
        return x, self.core.stack(finals)


class Tagged:
    """An MLX array that NumPy can read: bfloat16 as float32, and still called by its own dtype."""

    def __init__(self, a: Any) -> None:
        """Keep the array."""
        self.a, self.dtype = a, a.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        """Its numbers, exactly."""
        import mlx.core

        return np.array(self.a.astype(mlx.core.float32) if self.dtype == mlx.core.bfloat16 else self.a)
