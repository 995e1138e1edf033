"""A change planted in a torch is told under its verdict, in one line that says what to do; a reworded one passes.

Each plant is a torch of its own, changed as it starts, and asked what shows it: slow, so `tox -e planted` runs them.
"""

from __future__ import annotations

import stat
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from rnn_spec.far.process import TorchWorker
from rnn_spec.gate import generic, record
from rnn_spec.gate.causes import named
from rnn_spec.gate.compare import VERDICTS, compare
from rnn_spec.gate.record import Suite
from rnn_spec.gate.recording import Recording
from rnn_spec.gate.report import Result
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.suite.collect import collect
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from rnn_spec.gate.causes import Cause

pytestmark = pytest.mark.slow
FAIL_ON = [name for name, verdict in VERDICTS.items() if verdict.fails]
HEAD = """
import torch
RNN = torch.nn.RNN
init, forward = RNN.__init__, RNN.forward
"""
CHANGES = """
def changed(self, input, hx=None):
    output, h_n = forward(self, input, hx)
    {}
    return output, h_n
RNN.forward = changed
"""
BACKWARD = """
class Off(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, g):
        return g * FACTOR
"""
IDS = (
    "construct/defaults", "construct/dtype-int64", "init/range", "init/seeded-small", "forward/hx-by-keyword",
    "forward/both-by-keyword", "signature/RNN.forward", "state/keys", "state/deepcopy-shares-nothing",
    "construct/numpy-dropout", "dropout/mask-large", "layout/batch_first",
)  # fmt: skip
CASES = (
    "small-L1-tanh-float32", "small-L2-tanh-bi-float64", "small-L2-tanh-p0.5-float32", "small-L1-tanh-noh0-float32",
    "small-L1-tanh-unbatched-float32",
)  # fmt: skip


class Plant(NamedTuple):
    """What is changed, the verdict and a part of the id or the line of the first cause; the clauses that show it."""

    body: str
    verdict: str
    says: str
    fails: bool = True
    clauses: tuple[str, ...] = ()


def changes(line: str) -> str:
    """A forward whose results are changed."""
    return CHANGES.format(line)


ROUNDED = "output = output.bfloat16().float() if output.dtype == torch.float32 else output"
TF32 = "output = output + ((output.detach().view(torch.int32) & ~0x1fff).view(torch.float32) - output).detach() if output.dtype == torch.float32 else output"
PLANTS = {
    "default nonlinearity": Plant("""
def changed(self, *args, **kw):
    kw.setdefault("nonlinearity", "relu") if len(args) < 4 else None
    init(self, *args, **kw)
RNN.__init__ = changed
""", "behaviour", "A layer built without nonlinearity is of another one"),
    "default batch_first": Plant("""
def changed(self, *args, **kw):
    kw.setdefault("batch_first", True) if len(args) < 6 else None
    init(self, *args, **kw)
RNN.__init__ = changed
""", "behaviour", "A layer built without batch_first takes the batch first"),
    "dropout at evaluation": Plant("""
def changed(self, input, hx=None):
    before, self.training = self.training, True
    try:
        return forward(self, input, hx)
    finally:
        self.training = before
RNN.forward = changed
""", "conformance", "In evaluation mode dropout has no effect", clauses=("DRP-10",)),
    "h_n flipped": Plant(changes("h_n = h_n.flip(0)"), "beyond", "out of their bounds"),
    "directions first": Plant(
        changes("h_n = h_n if h_n.dim() < 3 or not self.bidirectional else h_n.view(-1, 2, *h_n.shape[1:]).transpose(0, 1).reshape(h_n.shape)"),
        "beyond", "out of their bounds"),
    "a message": Plant("""
def changed(self, *args, **kw):
    try:
        init(self, *args, **kw)
    except RuntimeError as e:
        raise RuntimeError("no: " + str(e))
RNN.__init__ = changed
""", "wording", "worded otherwise", fails=False),
    "hx renamed": Plant("""
def changed(self, input, state=None):
    return forward(self, input, state)
RNN.forward = changed
""", "behaviour", "an argument has another name: state, was hx"),
    "dropout renamed": Plant("""
def changed(self, *args, **kw):
    if "dropout" in kw:
        raise TypeError("__init__() got an unexpected keyword argument 'dropout'")
    init(self, *args, **kw)
RNN.__init__ = changed
""", "behaviour", "unexpected keyword argument 'dropout'"),
    "initial range": Plant("""
reset = RNN.reset_parameters
def changed(self):
    reset(self)
    with torch.no_grad():
        [p.mul_(0.9) for p in self.parameters()]
RNN.reset_parameters = changed
""", "behaviour", "The interval that parameters are drawn from"),
    "a gradient of 1.01": Plant(
        BACKWARD.replace("FACTOR", "1.01") + changes("output = Off.apply(output)"), "beyond", "out of their bounds"),
    "a gradient of 1 + 3e-6": Plant(
        BACKWARD.replace("FACTOR", "(1 + 3e-6)") + changes("output = Off.apply(output)"), "beyond", "out of their bounds"),
    "a deprecation": Plant("""
import warnings
def changed(self, *args, **kw):
    warnings.warn("nn.RNN will be removed in torch 3.0", FutureWarning)
    init(self, *args, **kw)
RNN.__init__ = changed
""", "warnings", "now warns: FutureWarning 'nn.RNN will be removed"),
    "a warning at forward": Plant(
        "import warnings" + changes("warnings.warn('torch is slow today')"), "warnings", "now warns: UserWarning"),
    "keys of the state_dict": Plant("""
state = RNN.state_dict
RNN.state_dict = lambda self, *a, **kw: {"x_" + n: t for n, t in state(self, *a, **kw).items()}
""", "behaviour", "The module's state: keys"),
    "rounded to bfloat16": Plant(changes(ROUNDED), "beyond", "out of their bounds"),
    "rounded to TF32": Plant(changes(TF32), "beyond", "out of their bounds"),
    "a last bit": Plant(
        changes("output = output * (1 + 2.0**-23) if output.dtype == torch.float32 else output"),
        "numerics", "Numbers moved within their bounds", fails=False),
    "keeps the last h_n": Plant(changes("self.last = h_n"), "behaviour", "now RuntimeError"),
    "default h_0": Plant("""
def changed(self, input, hx=None):
    if hx is None and not hasattr(input, "batch_sizes"):
        rows = self.num_layers * (2 if self.bidirectional else 1)
        batch = () if input.dim() == 2 else (input.shape[0 if self.batch_first else 1],)
        hx = torch.full((rows, *batch, self.hidden_size), 0.01, dtype=input.dtype)
    return forward(self, input, hx)
RNN.forward = changed
""", "beyond", "out of their bounds"),
    "wide": Plant(changes("output = output * 1.01 if self.hidden_size >= 256 else output"), "beyond", "out of their"),
    "long": Plant(changes("output = output * 1.01 if output.shape[0] >= 512 else output"), "beyond", "out of their"),
    "a large batch": Plant(
        changes("output = output * 1.01 if output.dim() == 3 and output.shape[1] >= 64 else output"),
        "beyond", "out of their"),
    "four layers": Plant(changes("output = output * 1.01 if self.num_layers >= 4 else output"), "beyond", "out of their"),
    "h_0 ignored unbatched": Plant("""
def changed(self, input, hx=None):
    return forward(self, input, None if getattr(input, "ndim", 3) == 2 else hx)
RNN.forward = changed
""", "behaviour", "now RuntimeError"),
    "relu capped at 6": Plant(
        changes("output = output.clamp(max=6) if self.mode == 'RNN_RELU' else output"),
        "conformance", "newly fail", clauses=("NLN-04", "NLN-05")),
    "dropout of another rate": Plant("""
def changed(self, input, hx=None):
    before, self.dropout = self.dropout, self.dropout * 0.9
    try:
        return forward(self, input, hx)
    finally:
        self.dropout = before
RNN.forward = changed
""", "conformance", "newly fail", clauses=("DRP-05", "DRP-06")),
}  # fmt: skip


def planted(folder: Path, body: str) -> str:
    """A Python whose torch is changed as it starts."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(HEAD + body)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


def recorded(python: str, clauses: tuple[str, ...]) -> Recording:
    """What a torch answers to IDS, CASES and the generic cases, and to the checks of some clauses."""
    header = record.describe(python, "torch", "")
    held = Recording(header)
    if clauses:
        suite = Suite()
        suite.planned = [check for check in collect() if check.clause in clauses]
        held = suite.ask(header, python)
    worker = TorchWorker(python)
    try:
        session = Session(worker)
        asked = {id: Recipe.parse(id).case() for id in CASES} | generic.cases()
        cases = {id: record.arrays(session, case) for id, case in asked.items()}
    finally:
        worker.close()
    facts = dict(record.experiment(python, IDS))
    return Recording(header, facts, cases=cases, clauses=held.clauses)


@cache
def unchanged(clauses: tuple[str, ...]) -> Recording:
    """The torch of this Python."""
    return recorded(sys.executable, clauses)


def first(plant: Plant, python: str) -> tuple[Cause, Result]:
    """The first cause of a gate from this torch to the planted one."""
    a, b = unchanged(plant.clauses), recorded(python, plant.clauses)
    result = Result(a.header, b.header, named(compare(a, b, EXPERIMENTS)), FAIL_ON)
    return result.causes[0], result


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_change_is_the_first_line_of_the_report(tmp_path: Path, name: str) -> None:
    """Under its verdict, with what to do; the gate fails, but for what is reworded or moved within the bound."""
    plant = PLANTS[name]

    cause, result = first(plant, planted(tmp_path, plant.body))

    assert plant.says in cause.line, [c.line for c in result.causes]
    assert (cause.verdict, result.passes) == (plant.verdict, not plant.fails), [c.line for c in result.causes]
    assert cause.advice


def test_nothing_planted_is_nothing_changed(tmp_path: Path) -> None:
    """What is planted is all that tells the two apart."""
    a, b = unchanged(()), recorded(planted(tmp_path, ""), ())

    assert compare(a, b, EXPERIMENTS) == []
