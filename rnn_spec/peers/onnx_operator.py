"""ONNX's operator RNN: one graph, a node a layer, given to ONNX Runtime, ONNX's own evaluator or OpenVINO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from rnn_spec.peers.peer import Answer, Layer, Peer, Question, Weight

if TYPE_CHECKING:
    from rnn_spec.spec.model import Config

OPSET = 14  # the newest RNN that all three know


class Network(NamedTuple):
    """What is known before a call: a graph is built for the shapes and inputs of each."""

    config: Config
    layers: list[Layer]


class OperatorSubject(Peer):
    """What runs a graph of RNN nodes; a subclass is one of its runtimes."""

    levels = frozenset({"cell", "sequence", "stack", "bidirectional", "lengths"})
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)
    declares: ClassVar[dict[str, str]] = {
        "biases": "two",
        "layout": "time",
        "nonlinearities": "both",
        "stacking": "adapter",
        "directions": "framework",
        "padding": "zero",
    }
    layout = (
        Weight("W", ("weight_ih",)),
        Weight("R", ("weight_hh",)),
        Weight("B", ("bias_ih", "bias_hh"), "one after the other"),
    )

    def __init__(self) -> None:
        """Import onnx, which builds the graph."""
        import onnx

        self.onnx = onnx

    def build(self, config: Config, layers: list[Layer], dtype: str) -> Network:
        """Keep the parameters until a call says which inputs there are."""
        return Network(config, layers)

    def answer(self, network: Network, question: Question) -> Answer:
        """Build the graph, run it, and join the layers' final states."""
        given = {"X": question.input}
        if question.lengths is not None:
            given["lengths"] = question.lengths
        if question.h_0 is not None:
            given["h_0"] = question.h_0
        output, *finals = self.compute(self.graph(network, given), given)
        return Answer(output, np.concatenate(finals))

    def compute(self, model: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The results of a model."""
        raise NotImplementedError

    def graph(self, network: Network, given: dict[str, np.ndarray]) -> Any:
        """The model: X (T, N, I), and if given lengths (N,) and h_0 (L*D, N, H); results output, h_n0 ..."""
        helper, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        config, layers = network
        D, H, (T, N, _) = config.num_directions, config.hidden_size, given["X"].shape
        kind = helper.np_dtype_to_tensor_dtype(given["X"].dtype)
        constants = {"width": np.array([T, N, D * H]), "one each": np.full(config.num_layers, D)}
        nodes, x = [], "X"
        states = [f"h_0{layer}" if "h_0" in given else "" for layer in range(config.num_layers)]
        if "h_0" in given:
            nodes.append(helper.make_node("Split", ["h_0", "one each"], states, axis=0))
        for layer, state in enumerate(states):
            own = layers[layer * D : layer * D + D]
            constants |= {f"{name}{layer}": np.stack([w[name] for w in own]) for name in own[0]}
            inputs = [x, f"W{layer}", f"R{layer}", f"B{layer}" if "B" in own[0] else ""]
            inputs += ["lengths" if "lengths" in given else "", state]
            nodes += [
                helper.make_node(
                    "RNN",
                    inputs,
                    [f"Y{layer}", f"h_n{layer}"],
                    hidden_size=H,
                    direction="bidirectional" if D == 2 else "forward",
                    activations=[{"tanh": "Tanh", "relu": "Relu"}[config.nonlinearity]] * D,
                ),
                helper.make_node("Transpose", [f"Y{layer}"], [f"y{layer}"], perm=[0, 2, 1, 3]),
                helper.make_node("Reshape", [f"y{layer}", "width"], [f"x{layer}"], allowzero=1),
            ]
            x = f"x{layer}"
        value = helper.make_tensor_value_info
        results = [value(x, kind, (T, N, D * H))]
        results += [value(f"h_n{layer}", kind, (D, N, H)) for layer in range(config.num_layers)]
        types = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in given.items()}
        graph = helper.make_graph(
            nodes,
            "rnn",
            [value(name, types[name], a.shape) for name, a in given.items()],
            results,
            [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)


class OnnxRuntimeSubject(OperatorSubject):
    """ONNX Runtime on the CPU. Its kernel computes in float32, and casts for float16."""

    name = "onnxruntime"
    levels = OperatorSubject.levels | {"precision"}
    dtypes = ("float32", "float16")

    def __init__(self) -> None:
        """Import ONNX Runtime."""
        super().__init__()
        import onnxruntime

        self.runtime = onnxruntime
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = 1

    def version(self) -> str:
        """ONNX Runtime's release."""
        return f"onnxruntime {self.runtime.__version__}"

    def compute(self, model: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run it in a session of its own."""
        session = self.runtime.InferenceSession(
            model.SerializeToString(), self.options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, given)


class OnnxReferenceSubject(OperatorSubject):
    """onnx.reference, the evaluator that says in Python what each operator means."""

    name = "onnx"
    dtypes = ("float64", "float32")
    declares = OperatorSubject.declares | {"nonlinearities": "tanh"}
    nonlinearities = ("tanh",)

    def version(self) -> str:
        """onnx's release."""
        return f"onnx {self.onnx.__version__}"

    def compute(self, model: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Evaluate it."""
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model).run(None, given)


class OpenVinoSubject(OperatorSubject):
    """OpenVINO on the CPU, told to compute in float32."""

    name = "openvino"

    def __init__(self) -> None:
        """Import OpenVINO."""
        super().__init__()
        import openvino

        self.core, self.release = openvino.Core(), openvino.get_version()
        self.hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

    def version(self) -> str:
        """OpenVINO's release."""
        return f"openvino {self.release.partition('-')[0]}"

    def compute(self, model: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Read, compile and run it."""
        read = self.core.read_model(model.SerializeToString())
        results = self.core.compile_model(read, "CPU", self.hints)(given)
        return [results[i] for i in range(len(results))]
