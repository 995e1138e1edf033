"""Layers that run on JAX: a pure function of parameters, input and state, compiled, with jax.vjp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rnn_spec.peers.peer import Answer, Gradients, Layer, Peer, Question

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config


class Network(NamedTuple):
    """What makes a function, and what it is called with."""

    config: Config
    dtype: str
    layers: list[Layer]


class JaxPeer(Peer):
    """A layer on JAX; a subclass has `forward`."""

    levels = frozenset({"cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "precision"})
    dtypes: ClassVar[tuple[str, ...]] = ("float64", "float32", "float16", "bfloat16")

    def __init__(self) -> None:
        """Import jax, and let it compute in float64."""
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax
        self.compiled = jax.jit(self.evaluate, static_argnums=(0, 1))

    def forward(self, config: Config, dtype: str, layers: Any, x: Any, h_0: Any, lengths: Any) -> Any:
        """(output, h_n) of arrays of JAX; h_0 and lengths may be None."""
        raise NotImplementedError

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Network:
        """Nothing but the parameters: the function is compiled for each configuration and shape."""
        return Network(config, dtype, layers)

    def answer(self, network: Network, question: Question) -> Answer:
        """Call the compiled function."""
        leaves = (network.layers, question.input, question.h_0)
        result, found = self.compiled(
            network.config, network.dtype, leaves, question.lengths, question.cotangents
        )
        gradients = None
        if found is not None:
            layers, input, h_0 = found
            gradients = Gradients(input, h_0, layers)
        return Answer(result[0], result[1], gradients)

    def evaluate(self, config: Config, dtype: str, leaves: Any, lengths: Any, cotangents: Any) -> Any:
        """((output, h_n), the gradients of the leaves or None)."""

        def forward(leaves: Any) -> Any:
            layers, x, h_0 = leaves
            return self.forward(config, dtype, layers, x, h_0, lengths)

        if cotangents is None:
            return forward(leaves), None
        result, pull = self.jax.vjp(forward, leaves)
        return result, pull(cotangents)[0]

    def activation(self, config: Config) -> Any:
        """JAX's function of that name."""
        return {"tanh": self.jax.numpy.tanh, "relu": self.jax.nn.relu}[config.nonlinearity]
