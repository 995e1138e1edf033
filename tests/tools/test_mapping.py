"""Tests of docs/mapping.md: the page that maps torch's layer to those of other frameworks."""

from __future__ import annotations

from pathlib import Path

from rnn_spec.peers.flax_rnn import FlaxSubject, LinenSubject
from rnn_spec.peers.haiku_rnn import HaikuSubject
from rnn_spec.peers.keras_simple_rnn import KerasSubject
from rnn_spec.peers.mlx_rnn import MlxSubject
from rnn_spec.peers.onnx_operator import OperatorSubject
from rnn_spec.peers.paddle_simple_rnn import PaddleSubject
from rnn_spec.peers.peer import Peer

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"
LAYOUTS: dict[str, type[Peer]] = {
    "Keras": KerasSubject,
    "ONNX": OperatorSubject,
    "Flax (nnx)": FlaxSubject,
    "Flax (linen)": LinenSubject,
    "haiku": HaikuSubject,
    "MLX": MlxSubject,
    "PaddlePaddle": PaddleSubject,
}


def test_the_page_has_the_weights_of_every_layout() -> None:
    """Each parameter's row is that of the table by which the subject is judged, and there is no other row."""
    rows = [
        f"| {name} | `{w.name}` | {', '.join(f'`{kind}`' for kind in w.of)} | {w.how} |"
        for name, subject in LAYOUTS.items()
        for w in subject.layout
    ]

    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| subject | parameter | made of torch's | how |") + 2

    assert rows == lines[start : lines.index("", start)]


def test_the_page_says_which_have_one_bias() -> None:
    """Who declares one bias adds two, and who declares two does not."""
    for subject in LAYOUTS.values():
        added = any(w.how == "added" for w in subject.layout)
        assert subject.declares["biases"] == ("one" if added else "two")
