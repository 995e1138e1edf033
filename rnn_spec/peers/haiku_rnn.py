"""dm-haiku: VanillaRNN, unrolled by dynamic_unroll."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnn_spec.peers.jax_peer import JaxPeer
from rnn_spec.peers.peer import Weight

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config


class HaikuSubject(JaxPeer):
    """haiku.VanillaRNN. It always has a bias: without one, both are zero."""

    name = "haiku"
    levels = JaxPeer.levels - {"lengths"}
    nonlinearities = ("relu",)
    declares = {  # noqa: RUF012  # read only
        "biases": "two",
        "layout": "both",
        "nonlinearities": "relu",
        "stacking": "adapter",
        "directions": "adapter",
    }
    layout = (
        Weight("linear.w", ("weight_ih",), "transposed"),
        Weight("linear.b", ("bias_ih",)),
        Weight("linear_1.w", ("weight_hh",), "transposed"),
        Weight("linear_1.b", ("bias_hh",)),
    )

    def __init__(self) -> None:
        """Import haiku."""
        super().__init__()
        import haiku

        self.haiku = haiku

    def version(self) -> str:
        """haiku's release, and JAX's."""
        return f"dm-haiku {self.haiku.__version__} on jax {self.jax.__version__}"

    def forward(self, config: Config, dtype: str, layers: Any, x: Any, h_0: Any, lengths: Any) -> Any:
        """Layer upon layer, direction beside direction."""
        D, finals = config.num_directions, []
        zeros = self.jax.numpy.zeros(config.hidden_size, dtype)

        def unroll(x: Any, state: Any, reverse: bool) -> Any:
            core = self.haiku.VanillaRNN(config.hidden_size)
            if state is None:
                state = core.initial_state(x.shape[1]).astype(dtype)
            return self.haiku.dynamic_unroll(core, x, state, reverse=reverse)

        run = self.haiku.without_apply_rng(self.haiku.transform(unroll)).apply
        for k in range(0, len(layers), D):
            outputs = []
            for direction, own in enumerate(layers[k : k + D]):
                parameters = {
                    f"vanilla_rnn/{part}": {"w": own[f"{part}.w"], "b": own.get(f"{part}.b", zeros)}
                    for part in ("linear", "linear_1")
                }
                state = None if h_0 is None else h_0[k + direction]
                output, final = run(parameters, x, state, direction == 1)
                outputs.append(output)
                finals.append(final)
            x = self.jax.numpy.concatenate(outputs, axis=-1)
        return x, self.jax.numpy.stack(finals)
