"""Nothing right is accused: no check fails on another way to the same numbers, or in other words.

Each variation is asked a share of the suite's checks, all of them together every one; with ``-m slow`` each
is asked all.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import torch

from rnn_spec.judge.known import Expected
from rnn_spec.judge.session import Session
from rnn_spec.suite.collect import collect
from rnn_spec.torch.eager import TorchSubject
from tests.tools.right import KERNELS, LAYERS, Kernel, under_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rnn_spec.suite.planned import Planned

SCRIPTED = re.compile(r"\[script|_script_|_size_left_open")
"""Checks that a kernel made of objects is not asked: a script calls torch's own operator by name, and an
export with a size left open does not know what half of it is."""


def accused(subject: Any, trials: Sequence[Planned]) -> dict[str, str]:
    """The checks that fail on a subject, other than as is known, with what they say.

    A known failure that does not show is no accusation here: a kernel may do without it.
    """
    session, expected = Session(subject), Expected.of(subject, subject.version())
    found = {}
    for trial in trials:
        outcome = trial.outcome(session)
        assert outcome.word != "broken", f"{trial.id}: {outcome.error!r}"
        word, _ = outcome.settle(trial.id, expected)
        if word == "failed" and outcome.difference is not None:
            found[trial.id] = outcome.difference
    return found


@pytest.fixture(scope="module")
def trials() -> list[Planned]:
    """The suite's checks."""
    return collect()


def share(trials: list[Planned], of: Sequence[str], name: str) -> list[Planned]:
    """A part of the checks: those of all names together are all of them."""
    return trials[list(of).index(name) :: len(of)]


def asked_of_kernels(trials: list[Planned]) -> list[Planned]:
    """All but those of scripts."""
    return [trial for trial in trials if not SCRIPTED.search(trial.id)]


@pytest.mark.parametrize("name", KERNELS)
def test_no_right_kernel_is_accused(name: str, trials: list[Planned]) -> None:
    """torch.nn.RNN with a kernel that adds up in another order, or gets there another way, conforms."""
    with under_torch(KERNELS[name]):
        found = accused(TorchSubject(), share(asked_of_kernels(trials), list(KERNELS), name))

    assert found == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_no_right_kernel_is_accused_by_any_check(name: str, trials: list[Planned]) -> None:
    """Every check, of every kernel."""
    with under_torch(KERNELS[name]):
        found = accused(TorchSubject(), asked_of_kernels(trials))

    assert found == {}


@pytest.mark.parametrize("name", LAYERS)
def test_no_right_layer_is_accused(name: str, trials: list[Planned]) -> None:
    """The spec as a subject, with a step in another order, conforms."""
    assert accused(LAYERS[name](), share(trials, list(LAYERS), name)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_no_right_layer_is_accused_by_any_check(name: str, trials: list[Planned]) -> None:
    """Every check, of every layer."""
    assert accused(LAYERS[name](), trials) == {}


# -- other words --------------------------------------------------------------------------------------

OTHER_WORDS = {
    r"Expected hidden size (.*), got (.*)": r"the state's extents are \2 where \1 fit",
    r"(\w+) must be greater than zero": r"\1 has to be positive",
    r"(\w+) should be of type (\w+), got: (\w+)": r"\1: a \2 is taken, and no \3",
    r"dropout should be a number in range \[0, 1\].*": r"dropout: a number between 0 and 1 is taken",
    r"Unknown nonlinearity '(.*)'\. Select from .*": r"nonlinearity is tanh or relu, and there is no '\1'",
    r"float\(\) argument must be .*, not (.*)": r"no number can be made of \1",
    r"could not convert string to float: (.*)": r"\1 reads as no number",
    r"'([\w.]+)' object has no attribute 'dim'": r"a \1 lacks dim",
    r"'(.*)' not supported between instances of (.*) and (.*)": r"\2 \1 \3 cannot be told",
    r"'(\w+)' object cannot be interpreted as an integer": r"int needs an __index__, which \1 lacks",
    r"[\s\S]*Overflow when unpacking long[\s\S]*": r"Overflow of a C integer",
    r"empty\(\): argument 'size' .* type (\w+) .*": r"a \1 is among the sizes",
    r"Only Tensors of floating point .*": r"a Floating point dtype alone has gradients",
    r"Expected one of (.*) device type at start of device string: (.*)": r"no device \2, there are \1",
    r"received an invalid combination of arguments": r"was given what does not fit",
    r".*got multiple values for argument (.*)": r"\1 was given twice",
    r".*got an unexpected keyword argument (.*)": r"unknown keyword \1",
    r"[\s\S]*INDICES element is out of DATA bounds[\s\S]*": r"there is no such row",
    r"Dimension out of range[\s\S]*": r"no such axis",
    r"For (batched|unbatched) (\d)-D input, hx should also be (\d)-D but got (\d)-D tensor":
        r"hx of \4-D, where \3-D is due",
}  # fmt: skip
"""What torch says, and what it might say as well: it names and shows what it did, and nothing more."""


def reworded(says: str) -> str:
    """The same in other words."""
    for pattern, words in OTHER_WORDS.items():
        if re.search(pattern, says):
            return re.sub(pattern, words, says)
    return says


@contextmanager
def in_other_words() -> Iterator[set[str]]:
    """torch.nn.RNN refuses what it does in other words; those of its own that were met are collected."""
    met: set[str] = set()

    def other(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            try:
                return method(*given, **named)
            except Exception as e:
                met.update(p for p in OTHER_WORDS if re.search(p, str(e)))
                raise type(e)(reworded(str(e))) from None

        return call

    with ExitStack() as stack:
        for name in ("__init__", "forward"):
            method = other(getattr(torch.nn.RNN, name))
            stack.enter_context(mock.patch.object(torch.nn.RNN, name, method))
        yield met


REFUSALS = (
    "test_errors.py",
    "test_malformed.py",
    "test_construction.py",
    "test_packed.py",
    "test_precision_rules.py",
)


def test_a_known_failure_in_other_words_is_the_same(trials: list[Planned]) -> None:
    """The day torch rewords a refusal that still does not name h_0 the failure is the one that is known."""
    asked = [trial for trial in trials if trial.id.startswith(REFUSALS)]

    with in_other_words() as met:
        found = accused(TorchSubject(), asked)

    assert found == {}
    assert set(OTHER_WORDS) == met


def test_a_wrong_kernel_is_accused(trials: list[Planned]) -> None:
    """What is found here of a kernel that drops a bit of each product is found by many checks."""

    class Rounded(Kernel):
        def linear(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return (x @ w.t()) * (1 + 2.0**-22)

    with under_torch(Rounded):
        found = accused(TorchSubject(), share(asked_of_kernels(trials), list(KERNELS), "Kernel"))

    assert len(found) > 10
