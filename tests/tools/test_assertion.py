"""assert_conforms: a module of one's own, with its own weights, judged step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec import assert_conforms
from rnn_spec.judge.compare import Nonconformity

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from collections.abc import Callable


def layer(cls: Any = None, dtype: str = "float32", scale: float = 1.0, **options: Any) -> Any:
    """A layer of 20 inputs and 40 units with weights of any size."""
    torch.manual_seed(7)
    rnn = (cls or torch.nn.RNN)(20, 40, **options).to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(scale)
    return rnn


def sequence(*shape: int, dtype: str = "float32") -> Any:
    """An input."""
    torch.manual_seed(8)
    return torch.randn(*shape, dtype=getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("scale", [1.0, 4.0], ids=["default", "expanding"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 3, "bidirectional": True},
        {"nonlinearity": "relu"},
        {"bias": False, "batch_first": True},
    ],
    ids=str,
)
def test_a_correct_module_conforms_whatever_its_weights(
    options: dict[str, Any], scale: float, dtype: str
) -> None:
    """torch.nn.RNN passes over 30 steps, with weights far from contractive, batched and unbatched."""
    scale = 1.0 if options.get("nonlinearity") == "relu" else scale  # relu would overflow
    rnn, x = layer(dtype=dtype, scale=scale, **options), sequence(30, 6, 20, dtype=dtype)

    headroom = [assert_conforms(rnn, x), assert_conforms(rnn, x[:, 0])]

    assert all(0 < h < 1 for h in headroom)


def test_packed_sequences_are_judged_by_their_own_lengths() -> None:
    """A PackedSequence, unsorted, with an initial state, in two directions and two layers, conforms."""
    lengths = (3, 9, 5)
    packed = torch.nn.utils.rnn.pack_sequence([sequence(n, 20) for n in lengths], enforce_sorted=False)

    headroom = assert_conforms(layer(num_layers=2, bidirectional=True), packed, sequence(4, 3, 40))

    assert 0 < headroom < 1


def wrong(change: Callable[[Any, Any], None]) -> Any:
    """torch.nn.RNN with its answer changed."""

    class Wrong(torch.nn.RNN):  # type: ignore[misc, name-defined]
        def forward(self, input: Any, hx: Any = None) -> Any:
            output, h_n = (t.clone() for t in super().forward(input, hx))
            change(output, h_n)
            return output, h_n

    return Wrong


@pytest.mark.parametrize(
    "change",
    [
        lambda y, h: y[-3, 1, 5].mul_(1 + 2**-14),
        lambda y, h: h[0, 2, 7].mul_(1 + 2**-14),
        lambda y, h: y[4].zero_(),
        lambda y, h: y.copy_(y.bfloat16()),
    ],
    ids=["one element of output", "one element of h_n", "one step", "rounded to bfloat16"],
)
def test_a_wrong_answer_is_named(change: Callable[[Any, Any], None]) -> None:
    """An answer that is off by a few bits raises, with the clause, the place and the two numbers."""
    with pytest.raises(Nonconformity, match=r"(?s)(REC-05|HID-08).*elements differ.*expected.*headroom"):
        assert_conforms(layer(wrong(change)), sequence(30, 6, 20))


def test_weights_that_lost_bits_are_seen_in_most_elements() -> None:
    """A float32 layer that computes with its weights rounded to bfloat16 does not conform."""

    class Coarse(torch.nn.RNN):  # type: ignore[misc, name-defined]
        def forward(self, input: Any, hx: Any = None) -> Any:
            coarse = torch.nn.RNN(20, 40)
            coarse.load_state_dict({k: v.bfloat16().float() for k, v in self.state_dict().items()})
            return coarse(input, hx)

    with pytest.raises(Nonconformity) as raised:
        assert_conforms(layer(Coarse), sequence(30, 6, 20))

    differing, total = (int(n) for n in str(raised.value).split(" elements")[0].split(": ")[-1].split(" of "))
    assert differing / total > 0.9


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: layer(num_layers=2, dropout=0.5), "call module.eval"),
        (lambda: torch.nn.RNN(20, 400).bfloat16(), "too coarse"),
        (lambda: torch.nn.RNN(20, 4).to(torch.complex64), "what can be judged is"),
    ],
    ids=["dropout", "bfloat16", "complex"],
)
def test_what_cannot_be_judged_is_refused_in_one_sentence(make: Callable[[], Any], sentence: str) -> None:
    """A module that no bound speaks of is a ValueError that says why, never a verdict."""
    rnn = make()

    with pytest.raises(ValueError, match=sentence):
        assert_conforms(rnn, sequence(5, 2, 20).to(next(rnn.parameters()).dtype))
