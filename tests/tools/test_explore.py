"""The search: what it draws is within the claims, what is wrong is found, made small, kept and named."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rnn_spec.cli import main
from rnn_spec.explore import draw, judged, plans
from rnn_spec.explore.plans import Plan
from rnn_spec.explore.search import Search
from rnn_spec.judge.known import Expected, Known
from rnn_spec.judge.session import Session
from rnn_spec.report import question
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from tests.tools.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Case

drawing = settings(
    database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)  # fmt: skip


def explore(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["explore", *arguments])


def drawn(claims: Claims, look: Callable[[Plan], None], examples: int = 60) -> None:
    """Look at some plans that are drawn for these claims."""

    @seed(1)
    @settings(drawing, max_examples=examples)
    @given(draw.plans(claims))
    def test(plan: Plan) -> None:
        look(plan)

    test()


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_drawn_is_claimed(profile: str) -> None:
    """Nothing that a subject does not claim is drawn for it."""
    claims = PROFILES[profile]

    def look(plan: Plan) -> None:
        case = plan.case()
        assert claims.outside(case) is None
        assert case.cotangents is None or claims.without_cotangent(case) is None

    drawn(claims, look)


def test_every_value_of_every_axis_is_drawn() -> None:
    """Lengths, cotangents, values, weights and every flag: a value that is never drawn is no question."""
    seen: dict[str, set[str]] = {}

    def look(plan: Plan) -> None:
        for trait, value in plans.traits(plan).items():
            seen.setdefault(trait, set()).add(value)

    drawn(SpecSubject().claims, look, 1500)

    assert set(plans.VALUES) == seen["values"]
    assert {"none: forward", *plans.COTANGENTS} == seen["cotangents"]
    assert set(plans.WEIGHTS) == seen["weights"]


SMALL = {"state-lost-at-step-64": 65, "units-past-32s-without-w_hh": 3}
"""The largest dimension of an input that may be left of a find."""


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("w_hh-transposed", "numbers: forward"),
        ("state-lost-at-step-64", "numbers: forward"),
        ("units-past-32s-without-w_hh", "numbers: forward"),
        ("grad-w_hh-last-step-lost", "numbers: gradient"),
    ],
)
def test_a_fault_is_found_made_small_kept_named_and_asked_again(
    tmp_path: Path, fault: str, kind: str
) -> None:
    """The whole way, by the command and its exit status; the right subject conforms to the question."""
    name = f"fault:{fault}"

    done = explore(name, "--seed=1", "--examples=2000", "--first", f"--results={tmp_path}")

    assert done.exit_code == 1, done.output
    assert f"({fault})" in done.output
    (file,) = (tmp_path / "finds").glob("*.json")
    assert f"rnn-spec check {name} --question " in done.output
    asked = question.read(file)
    again = judged.find(Session(load(name)), asked.case)
    assert again is not None
    assert again.kind == kind
    assert max(asked.case.input.shape) <= SMALL.get(fault, 2)
    for subject, status in ((name, 1), ("spec", 0)):
        assert CliRunner().invoke(main, ["check", subject, "--question", str(file)]).exit_code == status


def test_finds_are_asked_first_the_next_time(tmp_path: Path) -> None:
    """A kept find that still fails is said, and is status 1, before anything is drawn."""
    name = "fault:w_hh-transposed"
    explore(name, "--seed=1", "--examples=100", "--first", f"--results={tmp_path}")

    again = explore(name, "--seed=2", "--examples=100", "--first", f"--results={tmp_path}")

    assert again.exit_code == 1
    assert "kept from before, and still so" in again.output
    assert "found after" not in again.output


def search(name: str, examples: int, *own: Known, **more: object) -> Search:
    """A search that has run to its end."""
    subject = load(name)
    run = Search(subject, Expected(own), 3, examples, **more)  # type: ignore[arg-type]
    list(run.run())
    return run


def test_the_spec_conforms_and_the_same_seed_asks_the_same() -> None:
    """Nothing is found, and what was covered is the same."""
    one, two = search("spec", 120), search("spec", 120)

    assert one.finds == []
    assert one.asked >= 120
    assert one.covered == two.covered


def test_a_known_failure_does_not_end_the_search() -> None:
    """It is counted, and nothing is found."""
    known = Known("known", ("explore::*",), "elements differ", "it is wrong")

    run = search("fault:w_hh-transposed", 60, known)

    assert run.finds == []
    assert run.known["known"] > 0


def test_a_subject_in_another_process_is_searched(tmp_path: Path) -> None:
    """Over the wire, with its own claims."""
    worker = f"worker:{sys.executable} -m rnn_spec serve fault:b_hh-dropped"

    done = explore(worker, "--seed=1", "--examples=200", "--first", f"--results={tmp_path}")

    assert done.exit_code == 1, done.output
    assert "(b_hh-dropped)" in done.output


def test_a_find_of_torch_has_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-alone reproduction needs torch and NumPy alone."""
    pytest.importorskip("torch")
    from rnn_spec.torch.eager import TorchSubject

    run = TorchSubject.run

    def wrong(self: TorchSubject, case: Case) -> object:
        answer = run(self, case)
        if answer.output is not None:
            object.__setattr__(answer, "output", np.asarray(answer.output) + (case.config.hidden_size > 40))
        return answer

    monkeypatch.setattr(TorchSubject, "run", wrong)

    done = explore("torch", "--seed=1", "--examples=500", "--first", f"--results={tmp_path}")

    assert done.exit_code == 1, done.output
    (script,) = (tmp_path / "finds").glob("*.py")
    assert "H41" in script.name
    assert "import numpy as np, torch" in script.read_text()


def test_without_hypothesis_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Status 2, and what to install."""
    for name in [n for n in sys.modules if n.startswith("rnn_spec.explore.search")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)

    done = explore("spec", "--examples=1", f"--results={tmp_path}")

    assert done.exit_code == 2
    assert "pip install 'rnn-spec[explore]'" in done.output
    assert "Traceback" not in done.output


@given(st.integers(0, 1000), st.integers(0, 10000))
@settings(max_examples=50, database=None)
def test_whole_numbers_are_drawn_over_their_range(least: int, span: int) -> None:
    """No number is out of its range, and the first choice is the least."""
    random = Random(span)

    assert least == draw.whole(lambda _: 0, least, least + span)
    assert least <= draw.whole(lambda _: random.randrange(draw.FINE), least, least + span) <= least + span
