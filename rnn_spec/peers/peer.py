"""What the subjects of other frameworks share: weight layouts as data, and the two layouts of a batch.

A peer says how its parameters are made of torch's in a table, and `layer`s are in its own terms: one
mapping of its own parameter names to arrays for each layer and direction, at index layer * D + direction.
The same table carries gradients back. NumPy is the language between the frameworks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from rnn_spec.questions.records import Observation
from rnn_spec.spec.model import parameter_suffix
from rnn_spec.subjects.base import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rnn_spec.questions.records import Case
    from rnn_spec.spec.model import Config

HOW: dict[str, tuple[Callable[..., np.ndarray], Callable[..., Sequence[np.ndarray]]]] = {
    "as it is": (lambda w: w, lambda g: [g]),
    "transposed": (lambda w: w.T, lambda g: [g.T]),
    "added": (lambda a, b: a + b, lambda g: [g, g]),  # a sum's gradient is that of each term
    "one after the other": (lambda a, b: np.concatenate([a, b]), lambda g: np.split(g, 2)),
}
"""How a peer's parameter is made of torch's, and how its gradient is made into theirs."""


class Weight(NamedTuple):
    """A parameter of one layer and direction: its name, the kinds of torch's that it is made of, and how."""

    name: str
    of: tuple[str, ...]
    how: str = "as it is"


AS_TORCH = {
    "biases": "two",
    "layout": "both",
    "nonlinearities": "both",
    "stacking": "framework",
    "directions": "framework",
    "padding": "zero",
}
"""What a layer declares that was made after torch's."""

Layer = dict[str, np.ndarray]
"""The parameters of one layer and direction, by the peer's own names."""


class Answer(NamedTuple):
    """What a peer computed, in its own layout; h_n is (L*D, N, H), gradients None if not asked for."""

    output: Any
    h_n: Any
    gradients: Gradients | None = None


class Gradients(NamedTuple):
    """Of input, in the peer's layout, of h_0 (L*D, N, H) or None, and of each layer's parameters."""

    input: Any
    h_0: Any
    layers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Question:
    """A call, in the peer's layout; every array is NumPy's in the case's dtype, lengths (N,) are int32."""

    input: np.ndarray
    h_0: np.ndarray | None = None
    lengths: np.ndarray | None = None
    training: bool = False
    cotangents: tuple[np.ndarray, np.ndarray] | None = None


class Peer(Subject):
    """A layer of another framework. A subclass has `layout`, `declares`, `build` and `answer`."""

    layout: ClassVar[tuple[Weight, ...]] = ()
    """Its parameters of one layer and direction."""

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Any:
        """The layer, or the stack of layers, with these parameters."""
        raise NotImplementedError

    def answer(self, network: Any, question: Question) -> Answer:
        """Call what `build` built."""
        raise NotImplementedError

    def seed(self, seed: int) -> None:
        """Seed what dropout draws from, where there is dropout."""

    def cannot(self, case: Case) -> str | None:
        """Why the framework cannot express this case, of the `limits` that it declares, or None."""
        return None

    def array(self, a: Any, dtype: str) -> np.ndarray:
        """A NumPy array of the case's numbers in its dtype."""
        if dtype == "bfloat16":
            import ml_dtypes

            return np.asarray(a, ml_dtypes.bfloat16)
        return np.asarray(a, dtype)

    def run(self, case: Case) -> Observation:
        """Answer one Case."""
        if reason := self.cannot(case):
            return Observation(unsupported=reason)
        layers = carried(self.layout, case.config, case.parameters)
        made = [{name: self.array(a, case.dtype) for name, a in layer.items()} for layer in layers]
        network = self.build(case.config, made, case.dtype)
        self.seed(case.seed)
        earlier = tuple(
            self.turned(_numbers(self.answer(network, self.ask(case, e.input, e.h_0, e.training)).output))
            for e in case.calls
        )
        alive = None  # (T, N, 1)
        if case.lengths is not None:
            alive = (np.arange(case.input.shape[0])[:, None] < case.lengths)[..., None]
        found = self.answer(network, self.asked(case, alive))
        dtypes = {"output": _dtype(found.output), "h_n": _dtype(found.h_n)}
        output, gradients = self.turned(_numbers(found.output)), {}
        if found.gradients is not None:
            gradients["input"] = self.turned(_numbers(found.gradients.input))
            if case.h_0 is not None:
                gradients["h_0"] = _numbers(found.gradients.h_0)
            own = [{name: _numbers(g) for name, g in layer.items()} for layer in found.gradients.layers]
            gradients |= returned(self.layout, case.config, own)
        if alive is not None and self.declares.get("padding") != "zero":
            output = np.where(alive, output, 0)
        return Observation(output, _numbers(found.h_n), gradients, dtypes, earlier=earlier)

    def asked(self, case: Case, alive: np.ndarray | None) -> Question:
        """The call that the case asks about."""
        question = self.ask(case, case.input, case.h_0, case.training)
        cotangents = None
        if (g := case.cotangents) is not None:
            # What is replaced by zeros afterwards has no gradient.
            kept = g.output if alive is None or self.declares["padding"] == "zero" else g.output * alive
            arrays = self.turned(kept), g.h_n
            cotangents = (self.array(arrays[0], case.dtype), self.array(arrays[1], case.dtype))
        lengths = None if case.lengths is None else np.asarray(case.lengths, np.int32)
        return Question(question.input, question.h_0, lengths, case.training, cotangents)

    def ask(self, case: Case, input: np.ndarray, h_0: np.ndarray | None, training: bool) -> Question:
        """A call without lengths."""
        state = None if h_0 is None else self.array(h_0, case.dtype)
        return Question(self.array(self.turned(input), case.dtype), state, None, training)

    def turned(self, a: np.ndarray) -> np.ndarray:
        """Between torch's (T, N, ...) and the peer's layout, either way."""
        return np.ascontiguousarray(a.swapaxes(0, 1)) if self.declares["layout"] == "batch" else a


def carried(layout: Sequence[Weight], config: Config, parameters: Mapping[str, np.ndarray]) -> list[Layer]:
    """torch's parameters by a peer's names: a mapping for each layer and direction. Without biases, none."""
    return [
        {
            name: HOW[how][0](*(parameters[f"{kind}{suffix}"] for kind in of))
            for name, of, how in layout
            if config.bias or not of[0].startswith("bias")
        }
        for suffix in _suffixes(config)
    ]


def returned(
    layout: Sequence[Weight], config: Config, gradients: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The gradients of a peer's parameters as those of torch's."""
    return {
        f"{kind}{suffix}": part
        for suffix, own in zip(_suffixes(config), gradients, strict=True)
        for name, of, how in layout
        if config.bias or not of[0].startswith("bias")
        for kind, part in zip(of, HOW[how][1](own[name]), strict=True)
    }


def _suffixes(config: Config) -> list[str]:
    return [
        parameter_suffix(layer, direction)
        for layer in range(config.num_layers)
        for direction in range(config.num_directions)
    ]


def _numbers(a: Any) -> np.ndarray:
    """NumPy's array of the same numbers; bfloat16, which NumPy lacks, as float32."""
    found = np.asarray(a)
    return found if found.dtype.kind in "fiu" else found.astype(np.float32)


def _dtype(a: Any) -> str:
    return str(getattr(a, "dtype", "")).rpartition(".")[2]
