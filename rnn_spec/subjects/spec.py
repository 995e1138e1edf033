"""The spec itself as a subject: a small recurrent layer in NumPy. With a fault in it, a wrong one.

Computes in NumPy's float32 for the dtypes of 32 bits and fewer, in float64 otherwise, and rounds
its results once to the case's dtype.
"""

from __future__ import annotations

import platform
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rnn_spec.questions.expect import pulled_back
from rnn_spec.questions.records import Observation
from rnn_spec.questions.refusal import refusal
from rnn_spec.spec.arithmetic import FORMATS, PlainArithmetic
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN
from rnn_spec.subjects.base import Subject

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case
    from rnn_spec.spec.model import Config


class SpecSubject(Subject):
    """A layer object's life, step by step: build, seed, call, differentiate, answer."""

    name = "spec"
    dtypes = ("float64", "float32", "float16", "bfloat16")
    model: ClassVar[type[RNN]] = RNN
    adjoint: ClassVar[type[Adjoint]] = Adjoint
    drawn: list[np.ndarray] | None = None
    """The masks to drop by, where another layer has drawn them; None: draw."""

    def version(self) -> str:
        """NumPy's, for it does the arithmetic."""
        return f"{self.name} (NumPy {np.__version__})"

    def facts(self) -> dict[str, str]:
        """NumPy's version, and where it runs."""
        return {"numpy": np.__version__, "device": "cpu", "platform": platform.platform()}

    def run(self, case: Case) -> Observation:
        """Answer one Case."""
        self.random = np.random.RandomState(case.seed)
        self.refuse(case)
        rnn = self.build(case)
        earlier = self.precede(rnn, case)
        before = self.place()
        output, h_n, masks = self.call(rnn, case.config, case.input, case.h_0, case.training, case.lengths)
        drew = before != self.place()
        gradients = pulled_back(case, self.adjoint(rnn), masks) if case.cotangents else {}
        held = {**case.given, "output": output, "h_n": h_n}
        return Observation(
            output=self.rounded(output, case.dtype),
            h_n=self.rounded(h_n, case.dtype),
            gradients={name: self.rounded(value, case.dtype) for name, value in gradients.items()},
            dtypes={"output": self.dtype(case), "h_n": self.dtype(case)},
            parameters=self.shapes(case.config),
            aliases=tuple(
                f"{a}, {b}" for a, b in combinations(held, 2) if np.may_share_memory(held[a], held[b])
            ),
            drew=drew,
            earlier=tuple(self.rounded(output, case.dtype) for output in earlier),
        )

    def precede(self, rnn: RNN, case: Case) -> list[np.ndarray]:
        """Make the earlier calls: their outputs."""
        return [self.call(rnn, case.config, e.input, e.h_0, e.training)[0].copy() for e in case.calls]

    def place(self) -> tuple[Any, ...]:
        """Where the random generator is in its sequence."""
        state: Any = self.random.get_state()
        return state[1].tobytes(), state[2]

    def refuse(self, case: Case) -> None:
        """Raise for an invalid case; `call` is what refuses an empty sequence."""
        found = refusal(case)
        if found is not None and found.kind != "empty":
            raise ValueError(found.sentence)

    def build(self, case: Case) -> RNN:
        """The layer, with the case's parameters."""
        return self.model(case.config, case.parameters, self.arithmetic(case.dtype))

    def call(
        self, rnn: RNN, config: Config, input: np.ndarray, h_0: Any, training: bool, lengths: Any = None
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray] | None]:
        """Call the layer: (output, h_n, the masks it drew)."""
        time, batch = self.axes(config, input)
        if time == 0:
            raise ValueError("input has sequence length 0: a sequence has 1 step or more")
        masks = None
        if training and config.dropout > 0:
            width = config.num_directions * config.hidden_size
            shape = (time, batch, width)
            masks = self.drawn or [self.mask(shape, config.dropout) for _ in range(config.num_layers - 1)]
        return (*rnn.forward(input, h_0, lengths, masks), masks)

    def axes(self, config: Config, input: np.ndarray) -> tuple[int, int]:
        """(T, N) of an input in the config's layout."""
        if input.ndim == 2:
            return input.shape[0], 1
        return (input.shape[1], input.shape[0]) if config.batch_first else input.shape[:2]

    def mask(self, shape: tuple[int, ...], p: float) -> np.ndarray:
        """What dropout keeps of one layer's output (T, N, D*H): each element with probability 1 - p."""
        return self.random.random_sample(shape) >= p

    def arithmetic(self, dtype: str) -> PlainArithmetic:
        """What the layer computes in."""
        return PlainArithmetic("float64" if dtype == "float64" else "float32")

    def rounded(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """The results in the case's dtype: nearest, ties to even."""
        if dtype != "bfloat16":
            return x.astype(dtype)
        scale = 2.0 ** (np.frexp(x)[1] - FORMATS["bfloat16"].precision).astype(np.float64)
        return np.where(np.isfinite(x), np.round(x / scale) * scale, x)

    def dtype(self, case: Case) -> str:
        """The results' dtype."""
        return case.dtype

    def shapes(self, config: Config) -> dict[str, tuple[int, ...]]:
        """The layer's own parameters."""
        return config.parameter_shapes()
