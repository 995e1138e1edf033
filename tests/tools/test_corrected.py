"""Checks that torch fails as known in every case can pass, and can fail: on a corrected torch.nn.RNN.

So for the checks of routes that no named fault of torch.nn.RNN can break: scripting reads the source of a
class, and here are classes in a file. The compiler reads the annotations, too, so they are not postponed.
"""

import warnings
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch._jit_internal import _overload_method as overload
from torch.nn.utils.rnn import PackedSequence

from rnn_spec.judge.session import Session
from rnn_spec.lineup import record
from rnn_spec.suite.collect import collect
from rnn_spec.suite.planned import Planned, without_parameters
from rnn_spec.torch.eager import TorchSubject
from rnn_spec.torch.routes import NEEDS


class Corrected(torch.nn.RNN):
    """torch.nn.RNN with its arguments as documented, a repr that tells all, and a warning in its place."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            super().__init__(
                input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout,
                bidirectional, device=device, dtype=dtype,
            )  # fmt: skip
        for warning in found:
            warnings.warn(str(warning.message), stacklevel=2)

    def extra_repr(self) -> str:
        """As torch's, and the nonlinearity where it is not the default."""
        shown: str = super().extra_repr()
        return shown + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class DtypeFirst(Corrected):
    """dtype comes before device."""

    def __init__(self, *given: Any, **keywords: Any) -> None:
        last = dict(zip(("dtype", "device"), given[8:], strict=False))
        super().__init__(*given[:8], **{**last, **keywords})


class DeviceIsDirection(Corrected):
    """A number for a device switches the reverse direction on."""

    def __init__(self, *given: Any, **keywords: Any) -> None:
        number = len(given) == 9 and isinstance(given[8], int)
        super().__init__(*((*given[:7], True) if number else given), **keywords)


class Eleven(Corrected):
    """An eleventh argument is ignored."""

    def __init__(self, *given: Any, **keywords: Any) -> None:
        super().__init__(*given[:8], **keywords)


class Mute(Corrected):
    """The repr is torch's."""

    extra_repr = torch.nn.RNN.extra_repr


class Once(Corrected):
    """Only the first such layer is warned about."""

    warned = False

    def __init__(self, *given: Any, **keywords: Any) -> None:
        with warnings.catch_warnings(record=True) as found:
            super().__init__(*given, **keywords)
        for warning in () if self.warned else found:
            type(self).warned = True
            warnings.warn(str(warning.message), stacklevel=2)


WRONG = {
    "test_construction.py::test_repr_tells_relu_from_tanh": Mute,
    "test_construction.py::test_device_is_the_ninth_positional_argument": DtypeFirst,
    "test_construction.py::test_dtype_is_the_tenth_positional_argument": DtypeFirst,
    "test_construction.py::test_device_number_is_no_other_option": DeviceIsDirection,
    "test_construction.py::test_there_is_no_eleventh_positional_argument": Eleven,
    "test_errors.py::test_every_place_that_builds_such_a_layer_is_warned": Once,
}


# -- routes -----------------------------------------------------------------------------------------


class Plain(torch.nn.RNN):
    """torch.nn.RNN made of plain operations, with one forward: it can be scripted alone, and vmapped."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The equations."""
        self._update_flat_weights()
        turned = self.batch_first and input.dim() == 3
        x = input.transpose(0, 1) if turned else input
        directions = 2 if self.bidirectional else 1
        if hx is None:
            first, last = [self.num_layers * directions], [self.hidden_size]
            hx = torch.zeros(first + list(x.shape[1:-1]) + last, dtype=x.dtype, device=x.device)
        weights, each = self._flat_weights, 4 if self.bias else 2
        states: list[Tensor] = []
        for layer in range(self.num_layers):
            outputs: list[Tensor] = []
            for direction in range(directions):
                n = layer * directions + direction
                h = hx[n]
                steps: list[Tensor] = []
                for t in range(x.size(0)):
                    z = x[x.size(0) - 1 - t if direction == 1 else t] @ weights[n * each].t()
                    z = z + h @ weights[n * each + 1].t()
                    if self.bias:
                        z = z + weights[n * each + 2] + weights[n * each + 3]
                    h = torch.tanh(z) if self.mode == "RNN_TANH" else torch.relu(z)
                    steps.append(h)
                output = torch.stack(steps)
                outputs.append(output.flip(0) if direction == 1 else output)
                states.append(h)
            x = torch.cat(outputs, -1)
            if layer < self.num_layers - 1:
                x = torch.nn.functional.dropout(x, self.dropout, self.training)
        return x.transpose(0, 1) if turned else x, self.at_last(torch.stack(states))

    def at_last(self, h_n: Tensor) -> Tensor:
        """Nothing more."""
        return h_n


class OtherwiseScripted(Plain):
    """Scripted, its final state is doubled."""

    def at_last(self, h_n: Tensor) -> Tensor:
        """The final state, doubled where it is scripted."""
        return h_n * 2 if torch.jit.is_scripting() else h_n


class DetachedScripted(Plain):
    """Scripted, it learns nothing from its final state."""

    def at_last(self, h_n: Tensor) -> Tensor:
        """The final state, detached where it is scripted."""
        return h_n.detach() if torch.jit.is_scripting() else h_n


class SortedScripted(torch.nn.RNN):
    """Scripted, it leaves the final states of a packed batch in the order of the lengths."""

    @overload
    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pass

    @overload
    def forward(self, input: PackedSequence, hx: Tensor | None = None) -> tuple[PackedSequence, Tensor]:
        pass

    def forward(self, input, hx=None):
        """One layer of relu, packed; eagerly what torch has."""
        if not torch.jit.is_scripting():
            return super().forward(input, hx)
        data, sizes, order, back = input
        assert hx is not None
        assert order is not None
        weights = self._flat_weights
        hx = hx.index_select(1, order)
        output, h_n = torch.rnn_relu(data, sizes, hx, weights, True, 1, 0.0, False, False)
        return PackedSequence(output, sizes, order, back), h_n


class OtherwiseVmapped(Plain):
    """Under vmap its final state is doubled."""

    def at_last(self, h_n: Tensor) -> Tensor:
        """The final state, doubled within a transformation."""
        return h_n if torch._C._functorch.maybe_current_level() is None else h_n * 2


class OtherwiseExported(Plain):
    """Exported to ONNX, its final state is doubled."""

    def at_last(self, h_n: Tensor) -> Tensor:
        """The final state, doubled in the graph."""
        return h_n * 2 if torch.onnx.is_in_onnx_export() else h_n


ROUTES = {
    "test_routes.py::test_script_answers_like_eager": (Plain, OtherwiseScripted),
    "test_routes.py::test_script_learns_like_eager": (Plain, DetachedScripted),
    "test_routes.py::test_script_takes_packed_input": (torch.nn.RNN, SortedScripted),
    "test_routes.py::test_script_of_the_layer_itself_can_be_called": (Plain, OtherwiseScripted),
    "test_routes.py::test_vmap_is_a_loop": (Plain, OtherwiseVmapped),
    "test_routes.py::test_compiled_in_one_graph_drops_out_like_eager": (Plain, torch.nn.RNN),
    "test_routes.py::test_onnx_answers_like_eager": (torch.nn.RNN, OtherwiseExported),
}


@pytest.fixture(scope="module")
def trials() -> list[Planned]:
    """The suite's checks."""
    return collect()


def failed(cls: type, test: str, trials: list[Planned]) -> list[str]:
    """The checks of a test that fail on a class."""
    subject: Any = type("Layer", (TorchSubject,), {"module": cls})()
    session = Session(subject)
    outcomes = {trial.id: trial.outcome(session) for trial in trials if trial.test == test}
    assert [outcome for outcome in outcomes.values() if outcome.word == "broken"] == []
    return [id for id, outcome in outcomes.items() if outcome.word == "failed"]


@pytest.mark.parametrize("test", WRONG)
def test_a_check_that_torch_fails_passes_on_a_corrected_layer(test: str, trials: list[Planned]) -> None:
    """A check that is recorded to fail in every case asks for what can be had, and for no less."""
    assert failed(torch.nn.RNN, test, trials) != []
    assert failed(Corrected, test, trials) == []
    assert failed(WRONG[test], test, trials) != []


@pytest.mark.parametrize("test", ROUTES)
def test_a_check_of_a_route_passes_on_a_right_layer_and_fails_on_a_wrong_one(
    test: str, trials: list[Planned]
) -> None:
    """A check of a route passes on a layer that is right on it, and fails on one that is wrong only there."""
    for route in ("onnx", "onnx-traced") if "onnx" in test else ():
        for package in NEEDS[route]:
            pytest.importorskip(package)
    right, wrong = ROUTES[test]

    assert failed(right, test, trials) == []
    assert failed(wrong, test, trials) != []


# -- a device that there is not ---------------------------------------------------------------------


class Watched(torch.nn.RNN):
    """torch.nn.RNN, which notes the arithmetic that it is called under."""

    seen: ClassVar[set[tuple[bool, ...]]] = set()

    @staticmethod
    def arithmetic() -> tuple[bool, ...]:
        """Whether cuDNN is on, and which of the two libraries may use TF32."""
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        return cudnn.enabled, cudnn.allow_tf32, matmul.allow_tf32

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As torch's."""
        self.seen.add(self.arithmetic())
        return super().forward(input, hx)


class Truncating(torch.nn.RNN):
    """Factors are rounded to bfloat16, whatever is chosen."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As torch's, of a rounded input."""
        return super().forward(input + 2**-9 * input.abs(), hx)


class Unlearning(torch.nn.RNN):
    """Nothing is learnt from the final state."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As torch's, with h_n detached."""
        output, h_n = super().forward(input, hx)
        return output, h_n.detach()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is moved to CUDA stays on the CPU, so that the checks of a device run without one."""
    move = torch.Tensor.to

    def stay(tensor: Any, *to: Any, **how: Any) -> Any:
        return move(tensor, *("cpu" if str(t) == "cuda" else t for t in to), **how)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "to", stay)


@pytest.mark.usefixtures("cuda")
def test_cuda_is_judged_with_cudnn_and_in_both_arithmetics(trials: list[Planned]) -> None:
    """The checks of TF32 leave cuDNN on, choose for both libraries, and put the choice back."""
    flags = (
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )

    assert failed(Watched, PRECISION, trials) == []
    assert {(True, False, False), (True, True, True)} == Watched.seen
    assert flags == (
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


PRECISION = "test_precision_rules.py::test_cuda_computes_in_the_arithmetic_chosen"


DEVICE = {PRECISION: Truncating, "test_routes.py::test_cuda_answers_like_the_cpu": Unlearning}


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("test", DEVICE)
def test_a_check_of_cuda_can_fail(test: str, trials: list[Planned]) -> None:
    """A check of a device passes on torch.nn.RNN, and fails on a layer that is wrong there."""
    assert failed(torch.nn.RNN, test, trials) == []
    assert failed(DEVICE[test], test, trials) != []


OWN = ("test_packed.py::test_malformed_batch_sizes_are_not_padded",)
"""Tests of functions beside the layer, which no fault of it can reach: torch has them right in part."""


@pytest.mark.parametrize("test", OWN)
def test_a_check_of_torchs_own_functions_passes_and_fails(test: str, trials: list[Planned]) -> None:
    """Some of its checks torch fails, as is known, and others it passes."""
    assert 0 < len(failed(torch.nn.RNN, test, trials)) < sum(trial.test == test for trial in trials)


def test_what_kills_no_named_fault_is_seen_to_fail_here(trials: list[Planned]) -> None:
    """The tests that fail on none of the faults of the matrix on record are those of this module."""
    kills = {without_parameters(check) for failed in record.kept().failed.values() for check in failed}

    assert {trial.test for trial in trials} - kills <= {*WRONG, *ROUTES, *DEVICE, *OWN}
