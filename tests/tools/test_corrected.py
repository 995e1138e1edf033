"""Checks that torch fails as known in every case can pass, and can fail: on a corrected torch.nn.RNN."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects.torch_eager import TorchSubject
from rnn_spec.trials import collect

if TYPE_CHECKING:
    from rnn_spec.judge.trial import Trial

torch = pytest.importorskip("torch")


class Corrected(torch.nn.RNN):  # type: ignore[misc,name-defined]
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


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """The suite's checks."""
    return collect()


def failed(cls: type, test: str, trials: list[Trial]) -> list[str]:
    """The checks of a test that fail on a class."""
    subject: Any = type("Layer", (TorchSubject,), {"module": cls})()
    ids = []
    for trial in (trial for trial in trials if trial.test == test):
        try:
            trial.run(Check(clauses()[trial.clause], subject))
        except Nonconformity:
            ids.append(trial.id)
    return ids


@pytest.mark.parametrize("test", WRONG)
def test_a_check_that_torch_fails_passes_on_a_corrected_layer(test: str, trials: list[Trial]) -> None:
    """A check that is recorded to fail in every case asks for what can be had, and for no less."""
    assert failed(torch.nn.RNN, test, trials) != []
    assert failed(Corrected, test, trials) == []
    assert failed(WRONG[test], test, trials) != []
