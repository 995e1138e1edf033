"""The user's own model under both torches: read safely, inferred, compared, and judged step by step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_spec.gate.model import Answer, Options, changed, inferred, judge, load, lower
from rnn_spec.gate.recording import RecordingError
from rnn_spec.questions.records import Case
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


@pytest.mark.parametrize(
    ("prefix", "nonlinearity", "about"),
    [
        ("model.encoder", "tanh", "RNN(5, 8), 2 layers, 2 directions, tanh, float32, input (4, 20, 5)"),
        ("model.head.", "relu", "RNN(5, 8), 1 layers, 1 directions, relu, float32, input (4, 20, 5)"),
    ],
)
def test_one_torch_agrees_with_itself_and_with_the_spec(
    path: Path, prefix: str, nonlinearity: str, about: str
) -> None:
    """The configuration is inferred from names and shapes of a state_dict within a checkpoint."""
    options = Options(path, None, prefix, nonlinearity, batch_first=True)

    changes, notes = judge(sys.executable, sys.executable, options)

    assert changes == []
    assert f"{about}, evaluation mode: the same bits under both; headroom 0." in notes[0]


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
    options = Options(path, None, "model.encoder", "tanh")

    changes, _ = judge(sys.executable, program(tmp_path, body), options)

    assert [c.verdict for c in changes] == [verdict], changes


def test_inputs_of_ones_own_are_rounded_to_the_models_dtype(tmp_path: Path) -> None:
    """A bfloat16 model reads float64 inputs as its torch does, and is within the bound."""
    torch.manual_seed(4)
    torch.save(torch.nn.RNN(3, 4).bfloat16().state_dict(), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", np.random.RandomState(0).randn(7, 2, 3))
    options = Options(tmp_path / "m.pt", load(tmp_path / "x.npy"), None, "tanh", batch_first=False)

    changes, notes = judge(sys.executable, sys.executable, options)

    assert changes == []
    assert "bfloat16, input (7, 2, 3)" in notes[0]


F = "float32"
RNN = {"weight_ih_l0": (F, (4, 3)), "weight_hh_l0": (F, (4, 4))}


@pytest.mark.parametrize(
    ("tensors", "options", "said"),
    [
        (
            RNN,
            {"nonlinearity": None},
            "weights do not say whether the layer is tanh or relu: give --nonlinearity",
        ),
        (RNN, {"inputs": np.zeros((5, 2, 3))}, "give --batch-first or --time-first"),
        ({"a": (F, (1,))}, {}, "has no weight_ih_l0 of a recurrent layer"),
        ({f"{p}.{n}": t for p in "ab" for n, t in RNN.items()}, {}, "by --prefix: a, b"),
        (RNN, {"prefix": "c"}, "by --prefix: "),
        (
            {"weight_ih_l0": (F, (16, 3)), "weight_hh_l0": (F, (16, 4))},
            {},
            "holds an LSTM, and not an nn.RNN",
        ),
        ({"weight_ih_l0": (F, (12, 3)), "weight_hh_l0": (F, (12, 4))}, {}, "holds a GRU, and not an nn.RNN"),
        ({"weight_ih_l0": (F, (4, 3))}, {}, "lacks weight_ih_l0 or weight_hh_l0"),
        (RNN | {"bias_ih_l0": ("int8", (4,))}, {}, "the parameters are float32, int8: one of float64"),
    ],
)
def test_what_cannot_be_inferred_is_asked_for(
    tmp_path: Path, tensors: Any, options: dict[str, Any], said: str
) -> None:
    """A sentence names the option, or says what the file holds instead."""
    with pytest.raises(RecordingError) as refused:
        inferred(tensors, Options(tmp_path / "m.pt", **{"nonlinearity": "tanh", **options}))

    assert said in str(refused.value)


def test_a_pickled_module_is_not_read(tmp_path: Path) -> None:
    """weights_only refuses it, there; here nothing is unpickled."""
    torch.save(torch.nn.RNN(3, 4), tmp_path / "m.pt")

    with pytest.raises(RecordingError, match=r"m\.pt is no state_dict that weights_only reads: .*Unpickling"):
        judge(sys.executable, sys.executable, Options(tmp_path / "m.pt", nonlinearity="tanh"))


def test_inputs_that_are_no_array_of_numbers_are_refused(tmp_path: Path) -> None:
    """Text, and an array that would have to be unpickled."""
    (tmp_path / "text.npy").write_text("1 2 3")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)

    for name in ("text.npy", "objects.npy", "none.npy"):
        with pytest.raises(RecordingError, match="is not an array of inputs"):
            load(tmp_path / name)


def test_an_error_in_one_of_them_is_behaviour_and_in_both_is_told(path: Path) -> None:
    """What newly raises is a change; a model that runs nowhere cannot be compared."""
    case = Case("model", Config(1, 1), {}, np.zeros((1, 1, 1)))
    good, bad = Answer(np.zeros(1), np.zeros(1), None, 0.1), Answer(error="RuntimeError in forward: no")

    (change,) = changed(case, good, bad)

    assert change.verdict == "behaviour"
    assert change.line == "your model: was computed, now RuntimeError in forward: no"
    with pytest.raises(RecordingError, match="does not run in either"):
        changed(case, bad, bad)


def test_the_lower_layers_are_a_question_of_their_own() -> None:
    """Their parameters are those of the first layers, in both directions."""
    names = [
        f"{w}_l{layer}{back}"
        for layer in (0, 1, 10)
        for w in ("weight_ih", "bias_hh")
        for back in ("", "_reverse")
    ]
    case = Case("m", Config(1, 1, 11), {n: np.zeros(1) for n in names}, np.zeros((1, 1, 1)))

    assert [*lower(case, 2).parameters] == [n for n in names if "_l10" not in n]
    assert lower(case, 2).config.num_layers == 2
