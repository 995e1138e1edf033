"""`torch.worker` and the in-process torch subject: one file, any torch, every phase told."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_spec.torch
from rnn_spec.judge.check import Check
from rnn_spec.judge.module import Module
from rnn_spec.judge.session import NotClaimed, Session
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import DTYPES, Call, Case, Observation
from rnn_spec.spec.catalogue import clauses
from rnn_spec.torch.eager import TorchSubject

FAR = ("worker", "attempted", "deeds", "lean", "needs", "routes", "singles", "ways")
ABROAD = [Path(rnn_spec.torch.__file__).with_name(f"{name}.py") for name in FAR]
"""The program, and what it imports from beside it."""
abroad = pytest.mark.parametrize("path", ABROAD, ids=[path.name for path in ABROAD])


@abroad
def test_worker_is_python_3_6_syntax(path: Path) -> None:
    """The worker parses as Python 3.6, so that it runs beside the oldest torch releases."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))

    newer = (ast.NamedExpr, ast.AnnAssign, ast.Match, ast.TryStar)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.arguments) and node.posonlyargs]


@abroad
def test_worker_needs_torch_and_numpy_only(path: Path) -> None:
    """The worker needs no package but torch and NumPy, and of ours only what is beside it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))

    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    beside = {path.stem for path in ABROAD}
    others = {name.removeprefix("rnn_spec.torch").lstrip(".").partition(".")[0] for name in names} - {""}
    assert not others - {"torch", "numpy"} - beside - set(sys.stdlib_module_names)


def answer(case: Case, module: Any = None) -> Observation:
    """What torch.nn.RNN, or a module in its place, answers."""

    class Subject(TorchSubject):
        """The module in place of torch.nn.RNN."""

    Subject.module = module
    return Subject().run(case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_answer_holds_the_numbers_exactly(dtype: str) -> None:
    """Results have the case's dtype, and their numbers arrive unrounded, for every dtype."""
    found = answer(Recipe(num_layers=2, dtype=dtype).case())

    assert found.dtypes == {"output": dtype, "h_n": dtype}
    assert found.output is not None
    assert found.h_n is not None
    assert np.array_equal(found.output[-1], found.h_n[-1])
    assert found.output.dtype == (np.float64 if dtype == "float64" else np.float32)


def test_answer_tells_parameters_memory_randomness_and_what_was_kept() -> None:
    """An answer tells the parameters' shapes in order, aliases, whether it drew, and its arguments after."""
    case = Recipe(num_layers=2, bidirectional=True).case()

    found = answer(case)

    assert found.parameters == case.config.parameter_shapes()
    assert list(found.parameters or ()) == list(case.config.parameter_shapes())
    assert found.aliases == ()
    assert found.drew is False
    assert found.after is not None
    assert np.array_equal(found.after["input"], case.input)
    assert found.gradients.keys() == {"input", "h_0", *case.parameters}
    assert answer(replace(case, training=True, config=replace(case.config, dropout=0.5))).drew is True


def test_shared_memory_is_told() -> None:
    """A module whose output is its input is caught sharing memory."""
    import torch

    class Echo(torch.nn.RNN):
        def forward(self, input: Any, hx: Any = None) -> Any:
            _, h_n = super().forward(input, hx)
            return input, h_n

    case = replace(Recipe("square").case(), cotangents=None)

    assert answer(case, Echo).aliases == ("input, output",)


def test_a_seed_decides_what_is_drawn_and_earlier_calls_are_made() -> None:
    """One seed gives one answer; a call before the one asked about moves the generator on."""
    case = Recipe(num_layers=2, dropout=0.5, training=True).case()
    earlier = (Call(case.input, case.h_0, training=True),)

    first, again = answer(case), answer(case)
    other, later = answer(replace(case, seed=2)), answer(replace(case, earlier=earlier))

    assert first.output is not None
    assert np.array_equal(first.output, again.output)  # type: ignore[arg-type]
    assert not np.array_equal(first.output, other.output)  # type: ignore[arg-type]
    assert not np.array_equal(first.output, later.output)  # type: ignore[arg-type]


def test_lengths_are_packed_and_padded_again() -> None:
    """With lengths the output has the padded shape and is 0 past each sequence's end."""
    case = replace(Recipe(batch_first=True).case(), lengths=np.array([4, 9, 1]))

    found = answer(case)

    assert found.error is None
    assert found.output is not None
    assert found.output.shape == (3, 9, 7)
    assert not found.output[0, 4:].any()
    assert found.output[0, :4].all()


def test_a_case_is_not_written_into() -> None:
    """Nothing that torch does to its tensors reaches the case's arrays."""
    import torch

    class Vandal(torch.nn.RNN):
        def forward(self, input: Any, hx: Any = None) -> Any:
            result = super().forward(input, hx)
            with torch.no_grad():
                for t in (input, hx, *self.parameters()):
                    t.fill_(99)
            return result

    case = replace(Recipe(dtype="float64").case(), cotangents=None)
    before = case.input.copy()

    found = answer(case, Vandal)

    assert np.array_equal(case.input, before)
    assert found.after is not None
    assert (found.after["input"] == 99).all()


def hostile(phase: str) -> Any:
    """A module that raises in one phase."""
    import torch

    class Hostile(torch.nn.RNN):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if phase == "construct":
                raise ZeroDivisionError("in construct")
            super().__init__(*args, **kwargs)

        def forward(self, input: Any, hx: Any = None) -> Any:
            if phase == "forward":
                raise ZeroDivisionError("in forward")
            output, h_n = super().forward(input, hx)
            return (output.detach(), h_n.detach()) if phase == "backward" else (output, h_n)

    return Hostile


@pytest.mark.parametrize("phase", ["construct", "forward", "backward"])
def test_an_error_says_in_which_phase(phase: str) -> None:
    """What a module raises is an answer, with the phase, the class and the message."""
    error = answer(Recipe().case(), hostile(phase)).error

    assert error is not None
    assert error.phase == phase
    assert error.type == ("RuntimeError" if phase == "backward" else "ZeroDivisionError")
    assert phase == "backward" or error.message == f"in {phase}"


@pytest.mark.parametrize("returned", [None, 3, (1, 2), (None, None), (np.zeros(2), np.zeros(2))], ids=str)
def test_a_module_that_returns_no_tensors_has_raised(returned: Any) -> None:
    """A module that returns something else is told as an error, not as a crash."""
    import torch

    class Rubbish(torch.nn.RNN):
        def forward(self, input: Any, hx: Any = None) -> Any:
            return returned

    error = answer(replace(Recipe().case(), cotangents=None), Rubbish).error

    assert error is not None
    assert error.phase == "forward"


def test_parameters_of_other_names_or_shapes_are_an_error_of_construct() -> None:
    """A module whose parameters are not nn.RNN's is told which they are."""
    import torch

    class Renamed(torch.nn.RNN):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = torch.nn.Parameter(torch.zeros(1))

    class Wide(torch.nn.RNN):
        def __init__(self, input_size: int, hidden_size: int, **kwargs: Any) -> None:
            super().__init__(input_size + 1, hidden_size, **kwargs)

    renamed, wide = answer(Recipe().case(), Renamed).error, answer(Recipe().case(), Wide).error

    assert renamed is not None
    assert wide is not None
    assert (renamed.phase, wide.phase) == ("construct", "construct")
    assert "'extra'" in renamed.message
    assert "weight_ih_l0 has shape (7, 6), the case has (7, 5)" in wide.message


def test_warnings_are_collected_and_not_raised() -> None:
    """What a module warns of is in the answer, even where warnings are errors."""
    found = answer(Recipe(dropout=0.5).case())

    assert found.error is None
    assert any("dropout" in message for message in found.warnings)


def test_torch_that_packs_sorted_batches_only_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before torch 1.1 a batch of sequences in any order is unsupported, and everything else is answered."""

    def pack(input: Any, lengths: Any, batch_first: bool = False) -> None:
        raise AssertionError("called")

    monkeypatch.setattr("torch.nn.utils.rnn.pack_padded_sequence", pack)
    case = Recipe.parse("small-L1-tanh-float64").case()

    assert "sorted by length" in str(answer(replace(case, lengths=np.array([4, 9, 7]))).unsupported)
    assert answer(case).output is not None


@pytest.mark.parametrize(
    ("version", "device", "dtypes"),
    [
        ("1.8.1+cu102", "cpu", ["float64", "float32"]),
        ("2.1.2", "cpu", ["float64", "float32", "bfloat16"]),
        ("2.1.2", "cuda:1", ["float64", "float32", "float16", "bfloat16"]),
        ("2.15.0a0+git1", "cpu", ["float64", "float32", "float16", "bfloat16"]),
        ("2.13.0", "mps", ["float32", "float16", "bfloat16"]),
    ],
)
def test_torch_claims_by_release_and_device(
    monkeypatch: pytest.MonkeyPatch, version: str, device: str, dtypes: list[str]
) -> None:
    """What torch has to compute in is declared, and not found by trying: a dtype that breaks is a failure."""
    from rnn_spec.torch import worker as torch_worker

    monkeypatch.setattr("torch.__version__", version)
    declared: Any = torch_worker.dtypes

    assert declared(device) == dtypes


def test_a_torch_without_a_dtype_does_not_claim_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In process as over the wire, torch claims what its release has: float16 on the CPU from 2.2 on."""
    from rnn_spec.torch import worker as torch_worker

    monkeypatch.setattr("torch.__version__", "2.1.2")

    subject = TorchSubject()

    assert [*subject.dtypes] == ["float64", "float32", "bfloat16"]
    hello: Any = torch_worker.hello
    assert hello("cpu")["dtypes"] == [*subject.dtypes]
    with pytest.raises(NotClaimed, match="not claimed: float16"):
        Module(Recipe(dtype="float16").case(), Check(clauses()["PRC-05"], Session(subject)))
