"""{{name}} under rnn-spec.

Judge it:

    rnn-spec check {{name}}.worker:Layer

`run` holds a toy RNN, so that the skeleton passes from the first minute. Put your own layer in its
place, then claim more levels: stack, bidirectional, lengths, gradients, dropout, precision.
A layer that may crash is judged in a process of its own: 'worker:rnn-spec serve {{name}}.worker:Layer'
"""

from __future__ import annotations

import numpy as np

from rnn_spec import Case, Observation, Subject


class Layer(Subject):
    """One layer, one direction: h_t = act(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh)."""

    name = "{{name}}"
    levels = frozenset({"cell", "sequence"})
    dtypes = ("float64", "float32")

    def __init__(self) -> None:
        """Import your framework here, so that it is imported only when it is under test."""

    def version(self) -> str:
        """Name your framework's version, too: results are kept with it."""
        return "{{name}} 0.1"

    def run(self, case: Case) -> Observation:
        """Answer one case: input (T, N, I), h_0 (1, N, H) or None, parameters by nn.RNN's names.

        A backward pass that fails leaves what the forward pass gave to be judged, if you answer
        Observation(output, h_n, error=Error("backward", "TypeError", "what is wrong")).
        """
        p = {name: array.astype(case.dtype) for name, array in case.parameters.items()}
        earlier = tuple(self.forward(case, p, e.input, e.h_0)[0] for e in case.calls)  # on the same layer
        output, h_n = self.forward(case, p, case.input, case.h_0)
        dtypes = {"output": str(output.dtype), "h_n": str(h_n.dtype)}
        return Observation(output, h_n, dtypes=dtypes, earlier=earlier)

    def forward(
        self, case: Case, p: dict[str, np.ndarray], input: np.ndarray, h_0: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """One call of the layer: output (T, N, H) and h_n (1, N, H)."""
        act = np.tanh if case.config.nonlinearity == "tanh" else lambda z: np.maximum(z, 0)
        bias = p["bias_ih_l0"] + p["bias_hh_l0"] if case.config.bias else 0
        h = np.zeros((input.shape[1], case.config.hidden_size), case.dtype)
        if h_0 is not None:
            h = h_0[0].astype(case.dtype)
        output = []
        with np.errstate(all="ignore"):  # some cases hold infinities and NaN
            for x in input.astype(case.dtype):
                h = act(x @ p["weight_ih_l0"].T + bias + h @ p["weight_hh_l0"].T)
                output.append(h)
        return np.stack(output), h[None]
