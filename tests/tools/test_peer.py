"""Tests of what the subjects of other frameworks share: weight layouts as data, and the layout of a batch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import Session
from rnn_spec.peers.flax_rnn import FlaxSubject, LinenSubject
from rnn_spec.peers.haiku_rnn import HaikuSubject
from rnn_spec.peers.keras_simple_rnn import KerasJaxSubject, KerasTensorFlowSubject, KerasTorchSubject
from rnn_spec.peers.mlx_rnn import MlxSubject
from rnn_spec.peers.onnx_operator import OnnxReferenceSubject, OnnxRuntimeSubject, OpenVinoSubject
from rnn_spec.peers.paddle_simple_rnn import PaddleSubject
from rnn_spec.peers.peer import Answer, Gradients, Peer, Question, Weight, carried, returned
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.ragged import ragged
from rnn_spec.questions.records import DTYPES, LEVELS, Case, Cotangents
from rnn_spec.spec.arithmetic import PlainArithmetic
from rnn_spec.spec.catalogue import clauses
from rnn_spec.spec.gradient import Adjoint
from rnn_spec.spec.model import RNN, Config
from rnn_spec.subjects import registry
from rnn_spec.subjects.base import TRAITS

PEERS: dict[str, type[Peer]] = {
    "flax": FlaxSubject,
    "flax:linen": LinenSubject,
    "haiku": HaikuSubject,
    "keras": KerasTorchSubject,
    "keras:jax": KerasJaxSubject,
    "keras:tensorflow": KerasTensorFlowSubject,
    "mlx": MlxSubject,
    "onnx": OnnxReferenceSubject,
    "onnxruntime": OnnxRuntimeSubject,
    "openvino": OpenVinoSubject,
    "paddle": PaddleSubject,
}


class Toy(Peer):
    """A peer with one bias, transposed weights, (N, T, I) and rubbish in the padding: the spec inside."""

    levels = frozenset(LEVELS) - {"torch_api", "dropout"}
    declares: ClassVar[dict[str, str]] = {"biases": "one", "layout": "batch", "padding": "running"}
    layout = (
        Weight("kernel", ("weight_ih",), "transposed"),
        Weight("recurrent", ("weight_hh",)),
        Weight("bias", ("bias_ih", "bias_hh"), "added"),
    )

    def build(self, config: Config, layers: list[Any], dtype: str) -> RNN:
        """The spec's own parameters again, with the whole bias as b_ih."""
        parameters = {}
        for suffix, own in zip(suffixes(config), layers, strict=True):
            parameters[f"weight_ih{suffix}"] = own["kernel"].T
            parameters[f"weight_hh{suffix}"] = own["recurrent"]
            if config.bias:
                parameters[f"bias_ih{suffix}"] = own["bias"]
                parameters[f"bias_hh{suffix}"] = np.zeros_like(own["bias"])
        return RNN(config, parameters, PlainArithmetic(dtype))

    def answer(self, network: RNN, question: Question) -> Answer:
        """Answer in the peer's layout."""
        x = question.input.swapaxes(0, 1)
        output, h_n = network.forward(x, question.h_0, question.lengths)
        gradients = None
        if question.cotangents is not None:
            g_y, g_n = question.cotangents
            found = Adjoint(network).backward(g_y.swapaxes(0, 1), g_n, question.lengths, None)
            own = [
                {"kernel": found[f"weight_ih{s}"].T, "recurrent": found[f"weight_hh{s}"]}
                | ({"bias": found[f"bias_ih{s}"]} if network.config.bias else {})
                for s in suffixes(network.config)
            ]
            gradients = Gradients(found["input"].swapaxes(0, 1), found["h_0"], own)
        if question.lengths is not None:
            alive = np.arange(len(x))[:, None] < question.lengths
            output = np.where(alive[..., None], output, 7.0)
        return Answer(output.swapaxes(0, 1), h_n, gradients)


def suffixes(config: Config) -> list[str]:
    """The ends of the parameters' names."""
    names = [n for n in config.parameter_shapes() if n.startswith("weight_hh")]
    return [n.removeprefix("weight_hh") for n in names]


IDS = (
    "small-L2-tanh-bi-float64",
    "small-L3-relu-nobias-noh0-float32",
    "odd-L1-tanh-float32",
    "square-L2-tanh-bi-nobias-float64",
)


def case(id: str, pattern: str = "") -> Case:
    """A case, with lengths of a pattern if there is one."""
    found = Recipe.parse(id).case()
    return ragged(found, pattern) if pattern else found


def conforms(subject: Peer, question: Case) -> None:
    """Every array of the answer is within its bound."""
    Check(clauses()["SHP-06"], Session(subject)).conforms(question, "output", "h_n", "grad *")


@pytest.mark.parametrize("pattern", ["", "unsorted", "equal"])
@pytest.mark.parametrize("id", IDS)
def test_a_peer_in_another_layout_conforms(id: str, pattern: str) -> None:
    """One bias, a transposed matrix, (N, T, I) and a full padding are brought to torch's terms and back."""
    conforms(Toy(), case(id, pattern))


KERNEL, RECURRENT = Weight("kernel", ("weight_ih",), "transposed"), Weight("recurrent", ("weight_hh",))
BOTH = Weight("bias", ("bias_ih", "bias_hh"), "added")
WRONG: dict[str, tuple[str, Any]] = {
    "layout": ("declares", {"biases": "one", "layout": "time", "padding": "running"}),
    "padding": ("declares", {"biases": "one", "layout": "batch", "padding": "zero"}),
    "transposed": ("layout", (KERNEL, Weight("recurrent", ("weight_hh",), "transposed"), BOTH)),
    "one of two biases": ("layout", (KERNEL, RECURRENT, Weight("bias", ("bias_hh",)))),
}


@pytest.mark.parametrize(("what", "wrong"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_or_layout_fails(what: str, wrong: Any) -> None:
    """A peer that is described wrongly does not conform."""
    subject = Toy()
    setattr(subject, what, wrong)

    with pytest.raises(Nonconformity):
        conforms(subject, case("small-L1-tanh-float32", "unsorted"))


@pytest.mark.parametrize("name", PEERS)
def test_gradients_go_back_through_a_layout_as_its_adjoint(name: str) -> None:
    """<carried(p), g> == <p, returned(g)> for every layout: gradients come back by its transpose."""
    layout = PEERS[name].layout
    question = case("small-L2-tanh-bi-float64")
    there = carried(layout, question.config, question.parameters)
    random = np.random.RandomState(0)
    g = [{n: random.randint(-9, 9, a.shape).astype(float) for n, a in own.items()} for own in there]

    back = returned(layout, question.config, g)

    assert back.keys() == question.parameters.keys()
    one = sum((own[n] * h[n]).sum() for own, h in zip(there, g, strict=True) for n in own)
    two = sum((question.parameters[n] * back[n]).sum() for n in back)
    assert one == two


def test_a_gradient_in_the_padding_is_dropped_where_the_output_is_replaced() -> None:
    """What the adapter replaces by zeros has no gradient: the peer is asked with zeros there."""
    asked = []

    class Watched(Toy):
        def answer(self, network: RNN, question: Question) -> Answer:
            asked.append(question)
            return super().answer(network, question)

    question = case("small-L1-tanh-float32", "unsorted")
    assert question.lengths is not None
    assert isinstance(question.cotangents, Cotangents)
    Watched().run(question)

    for row, length in enumerate(question.lengths):
        assert asked[0].cotangents is not None
        assert not asked[0].cotangents[0][row, length:].any()


@pytest.mark.parametrize("name", PEERS)
def test_what_a_peer_declares_is_in_the_table(name: str) -> None:
    """Every trait, level and dtype of a peer is one that has a meaning."""
    subject = PEERS[name]

    assert subject.name == name
    assert all(value in TRAITS[trait] for trait, value in subject.declares.items())
    assert {"biases", "layout", "nonlinearities", "stacking", "directions"} <= subject.declares.keys()
    assert subject.declares["nonlinearities"] in ("both", *subject.nonlinearities)
    assert (subject.declares["nonlinearities"] == "both") == (len(subject.nonlinearities) == 2)
    assert ("padding" in subject.declares) == ("lengths" in subject.levels)
    assert subject.levels <= set(LEVELS) - {"torch_api"}
    assert set(subject.dtypes) <= set(DTYPES)
    assert ("precision" in subject.levels) == bool(set(subject.dtypes) & {"float16", "bfloat16"})


@pytest.mark.parametrize("name", PEERS)
def test_an_absent_framework_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the framework is not installed, the refusal says what to give pip."""
    for module in ("flax", "haiku", "jax", "keras", "mlx", "onnx", "openvino", "paddle"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(registry.SubjectError, match="pip install ") as raised:
        registry.load(name)

    assert len(str(raised.value).splitlines()) == 1


def test_no_framework_is_imported_before_it_is_judged() -> None:
    """Importing every module of subjects imports none of the frameworks."""
    modules = {peer.__module__ for peer in PEERS.values()}
    program = (
        f"import sys, {', '.join(sorted(modules))}\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(found & {'jax', 'flax', 'haiku', 'keras', 'mlx', 'onnx', 'onnxruntime',"
        " 'openvino', 'paddle', 'tensorflow', 'torch'}))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
