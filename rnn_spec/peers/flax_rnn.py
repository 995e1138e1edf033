"""Flax: nnx.RNN and linen.RNN over their SimpleCell, with their Bidirectional."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from rnn_spec.peers.jax_peer import JaxPeer
from rnn_spec.peers.peer import Weight

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config

TRAITS = {
    "biases": "one",
    "layout": "both",
    "nonlinearities": "both",
    "stacking": "adapter",
    "directions": "framework",
    "padding": "running",
}


class FlaxSubject(JaxPeer):
    """flax.nnx. SimpleCell always has a bias: without one, it is zero."""

    name = "flax"
    declares: ClassVar[dict[str, str]] = TRAITS
    layout = (
        Weight("dense_i.kernel", ("weight_ih",), "transposed"),
        Weight("dense_h.kernel", ("weight_hh",), "transposed"),
        Weight("dense_i.bias", ("bias_ih", "bias_hh"), "added"),
    )

    def __init__(self) -> None:
        """Import Flax."""
        super().__init__()
        from flax import nnx

        self.nnx = nnx

    def version(self) -> str:
        """Flax's release, and JAX's."""
        return f"{self.name} {version('flax')} on jax {self.jax.__version__}"

    def cell(self, config: Config, dtype: str, own: Any) -> Any:
        """An nnx.RNN with these parameters, by way of its initialisers."""
        zeros = self.jax.nn.initializers.zeros
        given = {name: (lambda *_, value=value: value) for name, value in own.items()}
        cell = self.nnx.SimpleCell(
            own["dense_i.kernel"].shape[0],
            config.hidden_size,
            activation_fn=self.activation(config),
            kernel_init=given["dense_i.kernel"],
            recurrent_kernel_init=given["dense_h.kernel"],
            bias_init=given.get("dense_i.bias", zeros),
            dtype=dtype,
            param_dtype=dtype,
            rngs=self.nnx.Rngs(0),
        )
        return self.nnx.RNN(cell, time_major=True, return_carry=True)

    def forward(self, config: Config, dtype: str, layers: Any, x: Any, h_0: Any, lengths: Any) -> Any:
        """Layer upon layer."""
        D, finals = config.num_directions, []
        for k in range(0, len(layers), D):
            cells = [self.cell(config, dtype, own) for own in layers[k : k + D]]
            states = None if h_0 is None else tuple(h_0[k : k + D])
            if D == 2:
                both = self.nnx.Bidirectional(*cells, time_major=True, return_carry=True)
                final, x = both(x, initial_carry=states, seq_lengths=lengths)
                finals += final
            else:
                final, x = cells[0](x, initial_carry=states and states[0], seq_lengths=lengths)
                finals.append(final)
        return x, self.jax.numpy.stack(finals)


class LinenSubject(FlaxSubject):
    """flax.linen. SimpleCell always has a bias: without one, it is zero."""

    name = "flax:linen"
    layout = (
        Weight("i.kernel", ("weight_ih",), "transposed"),
        Weight("h.kernel", ("weight_hh",), "transposed"),
        Weight("i.bias", ("bias_ih", "bias_hh"), "added"),
    )

    def __init__(self) -> None:
        """Import linen."""
        super().__init__()
        from flax import linen

        self.linen = linen

    def forward(self, config: Config, dtype: str, layers: Any, x: Any, h_0: Any, lengths: Any) -> Any:
        """Layer upon layer."""
        D, finals = config.num_directions, []
        zeros = self.jax.numpy.zeros(config.hidden_size, dtype)

        def make() -> Any:
            cell = self.linen.SimpleCell(
                config.hidden_size, activation_fn=self.activation(config), dtype=dtype, param_dtype=dtype
            )
            return self.linen.RNN(cell, time_major=True, return_carry=True)

        for k in range(0, len(layers), D):
            parameters = [
                {"cell": {"i": {"kernel": own["i.kernel"], "bias": own.get("i.bias", zeros)},
                          "h": {"kernel": own["h.kernel"]}}}
                for own in layers[k : k + D]
            ]  # fmt: skip
            states = None if h_0 is None else tuple(h_0[k : k + D])
            if D == 2:
                both = self.linen.Bidirectional(make(), make(), time_major=True, return_carry=True)
                own = {"params": dict(zip(("forward_rnn", "backward_rnn"), parameters, strict=True))}
                final, x = both.apply(own, x, initial_carry=states, seq_lengths=lengths)
                finals += final
            else:
                own = {"params": parameters[0]}
                final, x = make().apply(own, x, initial_carry=states and states[0], seq_lengths=lengths)
                finals.append(final)
        return x, self.jax.numpy.stack(finals)


def find(api: str = "nnx") -> FlaxSubject:
    """``flax`` is nnx, and ``flax:linen`` linen."""
    found = {"nnx": FlaxSubject, "linen": LinenSubject}.get(api)
    if found is None:
        raise ValueError(f"flax has no {api!r}: it is flax, or flax:linen")
    return found()
