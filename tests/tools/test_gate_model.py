"""The user's own model under one torch or two: read safely, found, compared, and judged step by step."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate import model, weights
from rnn_spec.gate.model import Answer, Options, changed, judge, load
from rnn_spec.gate.program import Program
from rnn_spec.gate.recording import RecordingError
from rnn_spec.questions.records import Case, Cotangents
from rnn_spec.spec.model import Config

torch: Any = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with two RNNs and an LSTM."""
    torch.manual_seed(3)
    held = torch.nn.ModuleDict(
        {
            "encoder": torch.nn.RNN(5, 8, 2, bidirectional=True),
            "head": torch.nn.RNN(5, 8, bias=False, nonlinearity="relu"),
            "lstm": torch.nn.LSTM(3, 4),
        }
    )
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.save({"epoch": 3, "model": held.state_dict()}, path)
    return path


def program(path: Path, body: str) -> str:
    """A Python whose torch.nn.RNN answers otherwise."""
    (path / "planted").mkdir()
    (path / "planted" / "sitecustomize.py").write_text(
        "import torch\nforward = torch.nn.RNN.forward\n"
        f"def changed(self, *args):\n    output, h_n = forward(self, *args)\n    return {body}\n"
        "torch.nn.RNN.forward = changed\n"
    )
    python = path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{path / "planted"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return str(python)


HERE = [sys.executable]
TWICE = [sys.executable, sys.executable]


@pytest.mark.parametrize(
    ("prefix", "nonlinearity", "about"),
    [
        ("model.encoder", "tanh", "RNN(5, 8), 2 layers, 2 directions, tanh, float32, input (4, 20, 5)"),
        ("model.head.", "relu", "RNN(5, 8), 1 layer, 1 direction, relu, float32, input (4, 20, 5)"),
    ],
)
def test_one_torch_agrees_with_itself_and_with_the_spec(
    path: Path, prefix: str, nonlinearity: str, about: str
) -> None:
    """The configuration is inferred from names and shapes of a state_dict within a checkpoint."""
    told = judge(TWICE, Options(path, None, prefix, nonlinearity, batch_first=True))

    assert told.changes == []
    assert f"{about}: the same bits under both; the worst error is 0." in told.lines[0]


def test_every_rnn_in_the_file_is_judged_and_the_others_are_named(path: Path) -> None:
    """As tanh and as relu where nothing says which; an LSTM is passed over, and says so."""
    told = judge(HERE, Options(path))

    assert told.changes == []
    assert [line.partition(":")[0] for line in told.lines] == [
        "your model, model.encoder", "your model, model.encoder", "your model, model.head",
        "your model, model.head", "model.lstm",
    ]  # fmt: skip
    assert [" tanh," in line for line in told.lines[:4]] == [True, False, True, False]
    assert "of a gradient 0." in told.lines[2]
    assert told.lines[-1] == "model.lstm: passed over, it is an LSTM, and not an nn.RNN"


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("output * (1 + 2.0**-23), h_n", "numerics"),
        ("output.bfloat16().float(), h_n", "beyond"),
        ("output, h_n.flip(0) * 1.5", "beyond"),
        ("output[1:], h_n", "behaviour"),
        ("[output][len(output) == 20], h_n", "behaviour"),
    ],
)
def test_a_model_that_answers_otherwise_is_told_under_its_verdict(
    tmp_path: Path, path: Path, body: str, verdict: str
) -> None:
    """A last bit is within the bound; a lost half of the bits, a wrong final state, a wrong shape are not."""
    told = judge([sys.executable, program(tmp_path, body)], Options(path, None, "model.encoder", "tanh"))

    assert told.changes[0].verdict == verdict, told
    assert told.changes[0].id.startswith("model/model.encoder/")


def test_a_wrong_gradient_is_told_though_the_outputs_are_right(tmp_path: Path, path: Path) -> None:
    """Of a loss, in training mode; the outputs are the same bits."""
    body = "Off.apply(output), h_n"
    planted = program(tmp_path, body)
    site = tmp_path / "planted" / "sitecustomize.py"
    off = """class Off(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, g):
        return g * 1.01
"""
    site.write_text(site.read_text().replace("forward = torch", off + "forward = torch"))

    (change,) = judge([sys.executable, planted], Options(path, None, "model.head", "tanh")).changes

    assert (change.id, change.verdict) == ("model/model.head/gradients", "beyond")


def test_inputs_of_ones_own_are_rounded_to_the_models_dtype(tmp_path: Path) -> None:
    """A bfloat16 model reads float64 inputs as its torch does, and is within the bound."""
    torch.manual_seed(4)
    torch.save(torch.nn.RNN(3, 4).bfloat16().state_dict(), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", np.random.RandomState(0).randn(7, 2, 3))

    told = judge(TWICE, Options(tmp_path / "m.pt", load(tmp_path / "x.npy"), None, "tanh", batch_first=False))

    assert told.changes == []
    assert "bfloat16, input (7, 2, 3)" in told.lines[0]


def test_the_nonlinearity_that_reproduces_the_users_outputs_is_said(tmp_path: Path) -> None:
    """How far each is from the outputs that are given."""
    torch.manual_seed(5)
    layer = torch.nn.RNN(3, 4, nonlinearity="relu")
    x = np.random.RandomState(0).randn(7, 2, 3)
    torch.save(layer.state_dict(), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", layer(torch.tensor(x, dtype=torch.float32))[0].detach().numpy())
    files = ["--inputs", str(tmp_path / "x.npy"), "--outputs", str(tmp_path / "y.npy"), "--time-first"]

    done = CliRunner().invoke(main, ["model", str(tmp_path / "m.pt"), *files])

    tanh, relu = done.output.splitlines()
    assert done.exit_code == 0
    assert float(tanh.rpartition("outputs to ")[2]) > 0.1
    assert float(relu.rpartition("outputs to ")[2]) < 1e-6


def safetensors(path: Path, tensors: dict[str, tuple[str, Any]]) -> None:
    """Write the format by hand: a length, a header, bytes."""
    header, data = dict[str, Any](), b""
    for name, (dtype, array) in tensors.items():
        raw = array.tobytes()
        shape = list(array.shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_safetensors_are_read_here(tmp_path: Path) -> None:
    """Numbers in float32 and in bfloat16, and the verdict on them is that on the same state_dict."""
    state = torch.nn.RNN(3, 4).state_dict()
    half = {n: (t.bfloat16().view(torch.int16)).numpy() for n, t in state.items()}
    safetensors(tmp_path / "a.safetensors", {f"rnn.{n}": ("F32", t.numpy()) for n, t in state.items()})
    safetensors(tmp_path / "b.safetensors", {n: ("BF16", t) for n, t in half.items()})
    torch.save(state, tmp_path / "a.pt")

    one, two, three = (
        judge(HERE, Options(tmp_path / name, nonlinearity="tanh")).lines[0]
        for name in ("a.safetensors", "a.pt", "b.safetensors")
    )

    assert one.partition("RNN(")[2] == two.partition("RNN(")[2]
    assert "your model, rnn: " in one
    assert "bfloat16" in three
    names = weights.read_safetensors(tmp_path / "b.safetensors", ["weight_ih_l0"])
    assert (names["weight_ih_l0"] == state["weight_ih_l0"].bfloat16().double().numpy()).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw.replace(b'"shape": [4, 3]', b'"shape": [4, 4]'),
        lambda raw: raw.replace(b'"data_offsets": [0, 48]', b'"data_offsets": [0, 99]'),
        lambda raw: raw[:9] + b"x" + raw[10:],
    ],
    ids=["short", "shape", "offset", "header"],
)
def test_safetensors_that_lie_are_refused(tmp_path: Path, change: Any) -> None:
    """Offsets outside of the file, too few bytes, a header that is none."""
    path = tmp_path / "a.safetensors"
    safetensors(path, {"weight_ih_l0": ("F32", np.zeros((4, 3), "<f4"))})
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(RecordingError, match=r"a\.safetensors is not as safetensors must be"):
        judge(HERE, Options(path))


def test_what_is_parametrized_is_what_it_computes(tmp_path: Path) -> None:
    """weight_norm of both kinds, and pruning: judged as the plain layer that computes with their values."""
    torch.manual_seed(6)
    old, prune = torch.nn.utils.weight_norm, importlib.import_module("torch.nn.utils.prune")
    made = {
        "new": torch.nn.utils.parametrizations.weight_norm(torch.nn.RNN(3, 4), "weight_hh_l0"),
        "pruned": prune.random_unstructured(torch.nn.RNN(3, 4), "weight_hh_l0", 0.5),
    }
    with pytest.warns(FutureWarning):
        made["old"] = old(torch.nn.RNN(3, 4), "weight_hh_l0")
    for name, layer in made.items():
        torch.save(layer.state_dict(), tmp_path / name)
        tensors, _ = model.seen([Program(sys.executable)], Options(tmp_path / name))
        (found,), passed = weights.layers(tensors, name)
        numbers = {n: t.double().numpy() for n, t in layer.state_dict().items()}

        computed = weights.parameters(found, numbers)["weight_hh_l0"]

        assert passed == []
        assert np.allclose(computed, layer.weight_hh_l0.detach().double().numpy(), rtol=1e-6), name


def test_another_parametrization_is_passed_over_with_its_name(tmp_path: Path) -> None:
    """What it computes is not in the file."""
    layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.RNN(3, 4), "weight_hh_l0")
    torch.save(layer.state_dict(), tmp_path / "m.pt")

    with pytest.raises(RecordingError, match="how weight_hh_l0 is parametrized is not in the file"):
        judge(HERE, Options(tmp_path / "m.pt"))


def test_a_whole_module_is_read_where_it_is_trusted_and_else_not(tmp_path: Path, path: Path) -> None:
    """With it, it says itself what it is; without, a sentence says what to save instead."""
    held = torch.nn.ModuleDict({"head": torch.nn.RNN(5, 8, nonlinearity="relu", batch_first=True)})
    torch.save({"model": held, "args": argparse.Namespace(x=1)}, tmp_path / "m.pt")

    with pytest.raises(RecordingError, match=r"holds more than tensors: save model\.state_dict\(\)"):
        judge(HERE, Options(tmp_path / "m.pt"))
    told = judge(HERE, Options(tmp_path / "m.pt", trust=True))

    assert [line.partition(":")[0] for line in told.lines] == ["your model, model.head"]
    assert "relu, float32, input (4, 20, 5)" in told.lines[0]


F = "float32"
RNN = {"weight_ih_l0": (F, (4, 3)), "weight_hh_l0": (F, (4, 4))}


@pytest.mark.parametrize(
    ("tensors", "options", "said"),
    [
        (RNN, {"inputs": np.zeros((5, 2, 3))}, "give --batch-first or --time-first"),
        ({"a": (F, (1,))}, {}, "there is no weight_ih_l0 of a recurrent layer"),
        (RNN, {"prefix": "c"}, "has no nn.RNN called 'c'; it has the layer"),
        (
            {"weight_ih_l0": (F, (16, 3)), "weight_hh_l0": (F, (16, 4))},
            {},
            "it is an LSTM, and not an nn.RNN",
        ),
        ({"weight_ih_l0": (F, (12, 3)), "weight_hh_l0": (F, (12, 4))}, {}, "it is a GRU, and not an nn.RNN"),
        ({"weight_ih_l0": (F, (4, 3))}, {}, "it lacks weight_ih_l0 or weight_hh_l0"),
        (RNN | {"bias_ih_l0": ("int8", (4,))}, {}, "its parameters are float32, int8: one of float64"),
    ],
)
def test_what_cannot_be_inferred_is_asked_for(
    tmp_path: Path, tensors: Any, options: dict[str, Any], said: str
) -> None:
    """A sentence names the option, or says what the file holds instead."""
    given = Options(tmp_path / "m.pt", **{"nonlinearity": "tanh", **options})

    def configured() -> None:
        for layer in model.selected(*weights.layers(weights.Tensors(tensors), "m.pt"), given):
            model.configured(layer, "tanh", given)

    with pytest.raises(RecordingError) as refused:
        configured()

    assert said in str(refused.value)


def test_rubbish_is_no_checkpoint(tmp_path: Path) -> None:
    """And not said to hold more than tensors."""
    (tmp_path / "m.pt").write_bytes(b"hello, world, and more of it")

    with pytest.raises(RecordingError, match=r"m\.pt is no checkpoint that torch reads: "):
        judge(HERE, Options(tmp_path / "m.pt"))


def test_inputs_that_are_no_array_of_numbers_are_refused(tmp_path: Path) -> None:
    """Text, and an array that would have to be unpickled."""
    (tmp_path / "text.npy").write_text("1 2 3")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)

    for name in ("text.npy", "objects.npy", "none.npy"):
        with pytest.raises(RecordingError, match="is not an array of numbers"):
            load(tmp_path / name)


def test_an_error_in_one_of_them_is_behaviour_and_in_both_is_told() -> None:
    """What newly raises is a change; a model that runs nowhere cannot be compared."""
    good, bad = Answer({"output": np.zeros(1)}, None, 0.1), Answer(error="RuntimeError: no")

    (change,) = changed("model/rnn", "your model", good, bad)

    assert change.verdict == "behaviour"
    assert change.line == "your model: was computed, now RuntimeError: no"
    with pytest.raises(RecordingError, match="does not run in either"):
        changed("model/rnn", "your model", bad, bad)


def test_gradients_that_no_bound_reaches_are_not_said_to_be_right() -> None:
    """Weights of which an error grows with each step: what moved has nothing that bounds it."""
    config = Config(1, 1)
    ones = {n: np.full(shape, 3.0) for n, shape in config.parameter_shapes().items()}
    x = np.zeros((100, 1, 1))
    case = Case("m", config, ones, x, cotangents=Cotangents(np.ones((100, 1, 1)), np.ones((1, 1, 1))))

    (change,) = changed(
        "model/rnn", "your model", Answer({"grad input": np.zeros(1)}), Answer({"grad input": np.ones(1)})
    )

    assert model.unbounded(case)
    assert model.gradients(case, {}) is None
    assert (change.verdict, "nothing bounds it" in change.says) == ("numerics", True)
