"""What becomes of a find, of each kind: asked again, reproduced by a script alone, named, and told apart."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.explore.crowds import Crowd
from rnn_spec.explore.plans import Before, Plan
from rnn_spec.explore.search import crowd, edit, features, lives, plain
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from pathlib import Path

MINE = '''
"""Layers of a user's, each wrong in its own way."""
import torch
from rnn_spec import TorchSubject

class Layer(torch.nn.RNN):
    def forward(self, input, hx=None):
        return self.after(*super().forward(self.before(input), self.state(hx)))

    def before(self, input):
        return input

    def state(self, hx):
        return hx

    def after(self, output, h_n):
        return output, h_n

class Wide(Layer):
    def after(self, output, h_n):
        return (output + 1 if self.hidden_size > 40 and isinstance(output, torch.Tensor) else output), h_n

class Alike(Layer):
    def before(self, input):
        if self.training and self.dropout and self.num_layers > 1:
            torch.manual_seed(5)
        return input

class Remembering(Layer):
    def forward(self, input, hx=None):
        own = self.weight_hh_l0.data
        first = vars(self).setdefault("first", own.clone())
        if torch.equal(first, own):
            return super().forward(input, hx)
        self.weight_hh_l0.data = first.to(own)
        results = super().forward(input, hx)
        self.weight_hh_l0.data = own
        return results

class Casting(Layer):
    def state(self, hx):
        return hx if hx is None else hx.to(self.weight_hh_l0.dtype)

class Squeezing(Layer):
    def state(self, hx):
        return hx.squeeze(0) if isinstance(hx, torch.Tensor) and hx.dim() == 4 else hx

class Reading(Layer):
    def state(self, hx):
        return torch.as_tensor(hx) if hasattr(hx, "__array__") else hx

class Cutting(Layer):
    def before(self, input):
        wide = isinstance(input, torch.Tensor) and input.dim() == 3 and input.shape[-1] > self.input_size
        return input[..., : self.input_size] if wide else input

class Flattening(Layer):
    def before(self, input):
        deep = isinstance(input, torch.Tensor) and input.dim() == 4 and input.shape[-1] == self.input_size
        return input[0] if deep and len(input) == 1 else input

class Trimming(Layer):
    def forward(self, input, hx=None):
        if isinstance(input, torch.nn.utils.rnn.PackedSequence):
            fits = getattr(hx, "shape", ())[1:] == (input.batch_sizes[0], self.hidden_size)
            hx = hx[: self.num_layers * (1 + self.bidirectional)] if fits else hx
        return super().forward(input, hx)

class Clipping(Layer):
    def __init__(self, *given, dropout=0.0, **keywords):
        super().__init__(*given, dropout=max(dropout, 0.0), **keywords)

class Late(Layer):
    def __init__(self, *given, dropout=0.0, **keywords):
        super().__init__(*given, dropout=max(dropout, 0.0), **keywords)
        self.asked = dropout

    def before(self, input):
        if self.asked < 0:
            raise ValueError(f"dropout is from 0 to 1, and not {self.asked}")
        return input

class Refusing(Layer):
    error = RuntimeError

    def before(self, input):
        two_or_three = isinstance(input, torch.Tensor) and input.dim() in (2, 3)
        if two_or_three and input.shape[-1] != self.input_size:
            raise self.error(self.words(input.shape[-1]))
        return input

    def words(self, size):
        return f"input has {size} features, expected {self.input_size}"

class Looking(Refusing):
    error = LookupError

class Terse(Refusing):
    def words(self, size):
        return f"there are {size} features, expected {self.input_size}"

class Stumbling(Refusing):
    def words(self, size):
        torch.rand(1)
        return super().words(size)

class Offset(Layer):
    def before(self, input):
        moved = isinstance(input, torch.Tensor) and input.storage_offset()
        return input.as_strided(input.shape, input.stride(), 0) if moved else input

class Writing(Layer):
    def before(self, input):
        self.given = input
        return input

    def after(self, output, h_n):
        own = isinstance(output, torch.Tensor) and not output.requires_grad and self.given.is_contiguous()
        if own and self.hidden_size > 4:
            self.given.mul_(2)
        return output, h_n

class Clean(Layer):
    def before(self, input):
        return torch.nan_to_num(input) if isinstance(input, torch.Tensor) else input

class Drawing(Layer):
    def before(self, input):
        if self.bidirectional:
            torch.rand(1)
        return input

class Many(Wide, Offset):
    def after(self, output, h_n):
        output, h_n = super().after(output, h_n)
        return output, h_n + 1 if self.num_layers > 3 else h_n

for Class in [c for c in vars().copy().values() if isinstance(c, type) and issubclass(c, Layer)]:
    name = Class.__name__ + "Subject"
    globals()[name] = type(name, (TorchSubject,), {"module": Class})
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's module."""
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


def run(*arguments: object) -> Any:
    """A command, in this process."""
    return CliRunner().invoke(main, [*map(str, arguments)])


def status(script: Path, text: str) -> int:
    """The exit status of a script, run in this process; 1 if it raises."""
    script.write_text(text)
    try:
        runpy.run_path(str(script))
    except SystemExit as e:
        return int(str(e.code))
    except Exception:
        return 1
    return 0


def small(maker: Any) -> Any:
    """A kind of question whose plain calls are small, and take no time."""

    def made(claims: Any) -> Any:
        kind = maker(claims)
        return kind if maker is not plain else replace(kind, drawn=kind.drawn.map(cut))

    return made


def cut(plan: Plan) -> Plan:
    """The plan with small sizes, and without a route: not every class can be scripted."""
    most = {"seq_len": 3, "batch": 4, "input_size": 4, "hidden_size": 60}
    return replace(plan, route="", **{name: min(getattr(plan, name), n) for name, n in most.items()})


FINDS = {
    "Wide": (plain, "REC-04"),
    "Alike": (crowd, "DRP-08"),
    "Remembering": (lives, "STA-01"),
    "Casting": (edit, "PRC-05"),
    "Squeezing": (edit, "ERR-03"),
    "Reading": (edit, "ERR-04"),
    "Cutting": (edit, "ERR-02"),
    "Flattening": (edit, "ERR-01"),
    "Trimming": (edit, "PCK-13"),
    "Clipping": (edit, "ERR-07"),
    "Late": (edit, "ERR-12"),
    "Looking": (edit, "ERR-09"),
    "Terse": (edit, "ERR-13"),
    "Stumbling": (edit, "ERR-14"),
    "Offset": (plain, "EDG-09"),
    "Writing": (plain, "DET-04"),
    "Drawing": (plain, "DET-02"),
    "Clean": (plain, "REC-04"),
}
"""A question, masks, deeds and calls, malformed calls, a layout, facts beside numbers, and a value."""
UNSHOWN = ("Stumbling",)
"""What no script shows: what a refused call leaves behind."""


@pytest.mark.parametrize("name", FINDS)
def test_a_find_of_each_kind_is_asked_again_reproduced_and_named(
    mine: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails again by its file and its script, and torch's own layer passes by both."""
    maker, clause = FINDS[name]
    monkeypatch.setattr("rnn_spec.explore.search.KINDS", (small(maker),))
    monkeypatch.setattr("rnn_spec.explore.search.SHRINKING", 40)
    subject = f"mine:{name}Subject"

    done = run("explore", subject, "--seed=3", "--examples=700", "--first", f"--results={mine}")

    must = clauses()[clause].force == "MUST"
    assert done.exit_code == must, done.output
    assert f"{clause}{'' if must else ', a SHOULD'}, case" in done.output
    assert f"1 found{'' if must else ', of a SHOULD'}, and" in done.output
    assert "diagnosis: behaves " in done.output or name in ("Wide",), done.output
    (file,), scripts = (list((mine / "finds").glob(f"{clause}*.{end}")) for end in ("json", "py"))
    for of, expected in ((subject, 1), ("torch", 0)):
        assert run("check", of, "--question", file).exit_code == expected
    if name in UNSHOWN:
        assert scripts == []
        return
    (script,) = scripts
    text = script.read_text()
    assert f"mine.{name}(" in text
    assert "rnn_spec" not in text
    assert status(script, text) == 1
    right = text.replace(f"mine.{name}(", "torch.nn.RNN(")
    assert status(script, right) == 0


def test_different_finds_are_told_in_one_run_and_each_once(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails as something that is told, and has all that is left of it, is counted; the rest is told."""
    monkeypatch.setattr("rnn_spec.explore.search.KINDS", (small(plain),))

    done = run("explore", "mine:ManySubject", "--seed=3", "--examples=120", "--finds=3", f"--results={mine}")

    assert done.exit_code == 1
    told = [line for line in done.output.splitlines() if line.startswith("found after")]
    assert len(told) == 3
    for feature in ("H41-L1", "H1-L4", "lay_out_input"):
        assert sum(feature in line for line in told) == 1, (feature, told)
    assert "more questions fail as one that is told" in done.output
    assert "3 found, and no more are looked for" in done.output


@pytest.mark.parametrize(
    ("small", "plan", "same"),
    [
        (Plan(), Plan(3, 3, 9, 9, nonlinearity="relu"), True),
        (Plan(hidden_size=41), Plan(hidden_size=64, seq_len=9), True),
        (Plan(hidden_size=41), Plan(hidden_size=40, num_layers=4), False),
        (Plan(nonlinearity="relu"), Plan(), False),
        (Plan(num_layers=2, dropout=0.3), Plan(num_layers=3, training=True, dropout=0.6), True),
        (Plan(num_layers=2, dropout=0.3), Plan(num_layers=3, training=True, dropout=0.9), False),
        (Plan(earlier=(Before(1, 1, False), "copy")), Plan(earlier=("copy", Before(5, 2, False))), True),
        (Plan(earlier=(Before(1, 1, True),)), Plan(earlier=("deepcopy", Before(5, 2, False))), False),
        (Plan(hidden_size=41), Crowd(hidden_size=50), True),
        (Plan(input_size=41), Crowd(hidden_size=50), False),
        (Crowd(), Plan(num_layers=2), False),
    ],
    ids=str,
)  # fmt: skip
def test_a_plan_has_the_features_of_another(small: Any, plan: Any, same: bool) -> None:
    """As large, as many, of the same class, and what is not plain the same."""
    assert features(small, plan) == same
