"""Keras: SimpleRNN and Bidirectional, stacked, on one of its backends: torch, JAX, TensorFlow (tf.keras)."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rnn_spec.peers.jax_peer import JaxPeer
from rnn_spec.peers.jax_peer import Network as Parameters
from rnn_spec.peers.peer import Answer, Gradients, Layer, Peer, Question, Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.spec.model import Config


class KerasSubject(Peer):
    """Keras on one backend, told to give zeros in the padding, where by default it repeats the last output.

    Its operations take float64 for float32 on every backend but TensorFlow (keras-team/keras#23704).
    """

    levels = frozenset({"cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "precision"})
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float16", "bfloat16")
    declares: ClassVar[dict[str, str]] = {
        "biases": "one",
        "layout": "batch",
        "nonlinearities": "both",
        "stacking": "adapter",
        "directions": "framework",
        "padding": "zero",
    }
    layout = (
        Weight("kernel", ("weight_ih",), "transposed"),
        Weight("recurrent_kernel", ("weight_hh",), "transposed"),
        Weight("bias", ("bias_ih", "bias_hh"), "added"),
    )
    backend: ClassVar[str]

    def __init__(self) -> None:
        """Import Keras on this backend; Keras has one in a process."""
        os.environ["KERAS_BACKEND"] = self.backend
        import keras

        if keras.backend.backend() != self.backend:
            raise ImportError(f"Keras is already in use on {keras.backend.backend()}")
        self.keras = keras
        super().__init__()

    def version(self) -> str:
        """Keras's release, and its backend's."""
        from importlib import import_module

        return f"keras {self.keras.__version__} on {self.backend} {import_module(self.backend).__version__}"

    def make(self, config: Config, dtype: str) -> list[Any]:
        """The stack, its parameters yet to be set."""
        width, found = config.input_size, []
        for _ in range(config.num_layers):
            layer = self.keras.layers.SimpleRNN(
                config.hidden_size,
                activation=config.nonlinearity,
                use_bias=config.bias,
                return_sequences=True,
                return_state=True,
                zero_output_for_mask=True,
                recurrent_initializer="zeros",  # the default's QR factors are not there for 16 bits
                dtype=dtype,
            )
            if config.bidirectional:
                layer = self.keras.layers.Bidirectional(layer, dtype=dtype)
            layer.build((None, None, width))
            width = config.num_directions * config.hidden_size
            found.append(layer)
        return found

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Any:
        """The stack with its parameters: the forward layer's, then the backward layer's."""
        stack, D = self.make(config, dtype), config.num_directions
        for k, layer in enumerate(stack):
            layer.set_weights([a for own in layers[k * D : k * D + D] for a in own.values()])
        return config, stack

    def through(self, config: Config, calls: Sequence[Any], x: Any, h_0: Any, lengths: Any) -> Any:
        """(output, h_n): each layer called with the states of its own directions, and the mask."""
        D, finals = config.num_directions, []
        mask = None
        if lengths is not None:
            steps = self.keras.ops.arange(x.shape[1], dtype="int32")
            mask = steps[None] < self.keras.ops.convert_to_tensor(lengths)[:, None]
        for k, call in enumerate(calls):
            states = None if h_0 is None else [h_0[k * D + direction] for direction in range(D)]
            x, *own = call(x, initial_state=states, mask=mask)
            finals += own
        return x, self.keras.ops.stack(finals)

    def answer(self, network: Any, question: Question) -> Answer:
        """Call the stack; differentiate as the backend does."""
        config, stack = network
        weights = [variable.value for layer in stack for variable in layer.trainable_variables]
        x = self.leaf(question.input)
        h_0 = None if question.h_0 is None else self.leaf(question.h_0)
        leaves = [x, *([] if h_0 is None else [h_0]), *weights]

        def forward() -> Any:
            return self.through(config, stack, x, h_0, question.lengths)

        result, found = self.pull(forward, leaves, question.cotangents)
        numbers = self.keras.ops.convert_to_numpy
        output, h_n = (numbers(a) for a in result)
        if found is None:
            return Answer(output, h_n)
        g = [numbers(a) for a in found]
        own, names = g[len(leaves) - len(weights) :], [w.name for w in self.layout][: 3 if config.bias else 2]
        per = [dict(zip(names, own[i : i + len(names)], strict=True)) for i in range(0, len(own), len(names))]
        return Answer(output, h_n, Gradients(g[0], None if h_0 is None else g[1], per))

    def leaf(self, a: np.ndarray) -> Any:
        """A tensor of the backend that gradients can be asked for."""
        return self.keras.ops.convert_to_tensor(a)

    def pull(self, forward: Any, leaves: list[Any], cotangents: Any) -> Any:
        """(What `forward` gives, the gradients of the leaves or None)."""
        raise NotImplementedError


class KerasTorchSubject(KerasSubject):
    """Keras on torch."""

    name, backend = "keras", "torch"

    def leaf(self, a: np.ndarray) -> Any:
        """A tensor that requires its gradient."""
        return super().leaf(a).detach().clone().requires_grad_()

    def pull(self, forward: Any, leaves: list[Any], cotangents: Any) -> Any:
        """By torch.autograd."""
        import torch

        result = forward()
        if cotangents is None:
            return result, None
        given = [self.keras.ops.convert_to_tensor(g) for g in cotangents]
        return result, torch.autograd.grad(result, leaves, given, materialize_grads=True)


class KerasTensorFlowSubject(KerasSubject):
    """Keras on TensorFlow: tf.keras."""

    name, backend = "keras:tensorflow", "tensorflow"
    dtypes = ("float64", *KerasSubject.dtypes)

    def pull(self, forward: Any, leaves: list[Any], cotangents: Any) -> Any:
        """By tf.GradientTape."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            for leaf in leaves:
                tape.watch(leaf)
            result = forward()
        if cotangents is None:
            return result, None
        zero = tf.UnconnectedGradients.ZERO
        return result, tape.gradient(result, leaves, list(cotangents), unconnected_gradients=zero)


class KerasJaxSubject(KerasSubject, JaxPeer):
    """Keras on JAX: stateless_call, compiled."""

    name, backend = "keras:jax", "jax"
    answer = JaxPeer.answer

    def __init__(self) -> None:
        """Import Keras and JAX; a stack is made once for each configuration."""
        super().__init__()
        self.made = cache(self.make)

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Parameters:
        """The stack, made here and not while it is traced, and the parameters beside it."""
        self.made(config, dtype)
        return Parameters(config, dtype, layers)

    def forward(self, config: Config, dtype: str, layers: Any, x: Any, h_0: Any, lengths: Any) -> Any:
        """The stack as a function of its parameters."""
        D = config.num_directions

        def stateless(layer: Any, own: Any) -> Any:
            weights = [a for one in own for a in (one[w.name] for w in self.layout if w.name in one)]
            states = [variable.value for variable in layer.non_trainable_variables]
            return lambda x, **given: layer.stateless_call(weights, states, x, **given)[0]

        stack = self.made(config, dtype)
        calls = [stateless(layer, layers[k * D : k * D + D]) for k, layer in enumerate(stack)]
        return self.through(config, calls, x, h_0, lengths)


BACKENDS = {"torch": KerasTorchSubject, "jax": KerasJaxSubject, "tensorflow": KerasTensorFlowSubject}


def find(backend: str = "torch") -> KerasSubject:
    """``keras`` is Keras on torch, ``keras:jax`` and ``keras:tensorflow`` on these."""
    if backend not in BACKENDS:
        raise ValueError(f"Keras has no backend {backend!r} here: known are {', '.join(BACKENDS)}")
    return BACKENDS[backend]()
