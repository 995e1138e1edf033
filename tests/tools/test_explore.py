"""The search: what it draws is within the claims, what is wrong is found, made small, kept and named."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rnn_spec.cli import main
from rnn_spec.explore import command, draw, edits, judged, named, places, plans
from rnn_spec.explore.plans import Plan
from rnn_spec.explore.search import HELD, Hunt, Search, crowd, edit, lives, plain, programs
from rnn_spec.far import wire
from rnn_spec.faults import FAULTS, PLACES
from rnn_spec.judge.known import Expected, Known
from rnn_spec.judge.session import Session
from rnn_spec.lineup.faulty import faulty
from rnn_spec.questions import data, malformed
from rnn_spec.questions.records import Attempt, Observation
from rnn_spec.report import question
from rnn_spec.subjects.base import version_of
from rnn_spec.subjects.registry import load
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.collect import collect
from rnn_spec.torch import ways
from tests.tools.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Case
    from rnn_spec.subjects.base import Subject

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


SMALL = {"state-lost-at-step-8": 9, "units-past-32s-without-w_hh": 3}
"""The largest dimension of an input that may be left of a find."""


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("w_hh-transposed", "numbers: forward"),
        ("state-lost-at-step-8", "numbers: forward"),
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
    assert asked.case is not None
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


def test_the_spec_conforms_and_the_same_seed_asks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is found, and what was covered is the same, whatever numbers stand in what is imported."""
    one = search("spec", 60)
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = {list(range(200))}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("full_of_numbers")

    two = search("spec", 60)

    assert one.finds == []
    assert one.asked >= 60
    assert one.covered == two.covered


def test_a_run_holds_no_more_than_the_question_that_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many were asked: no session and no answer of an earlier one, and drawn arrays to a bound."""
    judge, held, before = Search.judge, [], Counter(map(type, gc.get_objects()))

    def look(self: Search, *arguments: Any) -> object:
        if self.asked % 20 == 0:
            gc.collect()
            now = Counter(map(type, gc.get_objects())) - before
            held.append((now[Session], now[Observation], data.dyadic.cache_info().currsize))
        return judge(self, *arguments)

    monkeypatch.setattr(Search, "judge", look)

    run = search("spec", 150)

    assert run.asked >= 150
    sessions, answers, arrays = map(max, zip(*held, strict=True))
    assert (sessions, answers) == (0, 0)
    assert arrays < HELD + OF_ONE


OF_ONE = 120
"""Arrays of one question at most: parameters and states of six layers and both directions, in four calls."""


def test_torch_is_told_to_keep_few_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before it is loaded, unless the user has said how many."""
    name, other = command.CACHES
    monkeypatch.setenv(other, "7")
    told: dict[str, str] = {}

    def loaded(subject: str) -> Subject:
        told.update(os.environ)
        return load(subject)

    monkeypatch.setattr(command, "load", loaded)

    explore("spec", "--examples=1", f"--results={tmp_path}")

    assert (command.CACHES[name], "7") == (told[name], told[other])
    assert name not in os.environ


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


def searched(name: str, maker: object, examples: int) -> Search:
    """A search for one kind of question, of torch or of a fault of torch, that has run to its end."""
    pytest.importorskip("torch")
    subject = load(name)
    known = Expected.of(subject, version_of(load("torch"), "torch"))
    run = Search(subject, known, 3, examples, most=1, makers=(maker,))  # type: ignore[arg-type]
    list(run.run())
    return run


@pytest.mark.parametrize(
    ("fault", "maker", "clause"),
    [
        ("weight-of-the-first-call", lives, "STA-01"),
        ("gradients-to-a-copy", lives, "STA-02"),
        ("mixed-dtypes-cast", edit, "PRC-05"),
        ("place-mask-of-later-steps", crowd, "DRP-07"),
        ("traced-weights-are-constants", programs, "EXE-04"),
    ],
)
def test_each_kind_of_question_finds_what_only_it_shows(fault: str, maker: object, clause: str) -> None:
    """What is done to a layer, an attempt one edit away, masks in plain sight, and a program of the layer."""
    run = searched(f"fault:{fault}", maker, 300)

    assert [find.clause for find in run.finds] == [clause]


@pytest.mark.parametrize(("maker", "examples"), [(lives, 80), (edit, 80), (programs, 25)])
def test_torch_gets_wrong_there_what_is_known(maker: object, examples: int) -> None:
    """Nothing new is found, and what is known is recognised by its kind."""
    run = searched("torch", maker, examples)

    assert run.finds == []
    assert run.known or maker is not lives


def test_an_attempt_says_which_edit_it_is() -> None:
    """By what is written to a file; and all that the suite has wrong is drawn."""
    seen = set()

    @seed(1)
    @settings(drawing, max_examples=800)
    @given(edits.edits(SpecSubject().claims))
    def test(edit: edits.Edit) -> None:
        seen.add(edit.negative.clause)
        assert edits.of(wire.decode(wire.encode(edit.negative.attempt), Attempt)) == edit

    test()

    suite = (*malformed.calls().values(), *edits.ARGUMENTS.values())
    assert seen == {negative.clause for negative in suite}


def test_the_suites_checks_of_malformed_calls_are_called_so() -> None:
    """By these names what is known of them is recognised."""
    suite = {(trial.clause, trial.test) for trial in collect() if trial.test.startswith("test_malformed.py")}

    assert suite == {(clause, f"test_malformed.py::test_{name}") for clause, name in edits.TESTS.items()}


@pytest.mark.parametrize("shown", [list, tuple])
def test_no_right_refusal_is_accused(shown: Callable[[Any], Any]) -> None:
    """Of a layer that looks at its arguments first, and says of what is wrong what it is, and has to be."""
    torch = pytest.importorskip("torch")
    from rnn_spec.torch.eager import TorchSubject

    def checked(self: Any, input: Any, h_0: Any) -> Any:
        packed = isinstance(input, torch.nn.utils.rnn.PackedSequence)
        x, due = input.data if packed else input, next(self.parameters()).dtype
        if h_0 is None:
            return torch.nn.RNN.forward(self, input)
        for name, value in (("input", x), ("hx", h_0)):
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name} is a Tensor, and not a {type(value).__name__}")
            if value.dtype != due:
                raise ValueError(f"{name} is {due} as the parameters are, and not {value.dtype}")
        if not packed and x.dim() not in (2, 3):
            raise ValueError(f"input has 2 or 3 axes, and not {x.dim()} axes")
        if not packed and x.dim() != h_0.dim():
            raise ValueError(f"input has {x.dim()} axes, and hx {h_0.dim()} axes")
        right = (*(x.shape[:1] if packed else x.shape[:-1]), self.input_size)
        if x.shape != right:
            raise ValueError(f"input is {shown(right)}, and not {shown(x.shape)}")
        batch = x.shape[0 if self.batch_first else 1] if x.dim() == 3 else None
        batch = int(input.batch_sizes[0]) if packed else batch
        rows = () if batch is None else (batch,)
        right = (self.num_layers * (1 + self.bidirectional), *rows, self.hidden_size)
        if h_0.shape != right:
            raise ValueError(f"hx is {shown(right)}, and not {shown(h_0.shape)}")
        return torch.nn.RNN.forward(self, input, h_0)

    subject = type(
        "Clear", (TorchSubject,), {"module": type("Layer", (torch.nn.RNN,), {"forward": checked})}
    )()
    run = Search(subject, Expected(()), 5, 200, makers=(edit,))

    assert [(find.kind, find.case.id, find.difference) for find in run.run()] == []


def test_what_was_done_together_is_counted_one_by_one() -> None:
    """The table has a row for an axis, and not a value for each pair of its values."""
    run = Search(SpecSubject(), Expected(()), 1, examples=1)
    plan = Plan(deeds=("lay out input: turned", "lay out h_0: turned"))

    run.count(plain(SpecSubject().claims), plan)

    assert {value for _, trait, value in run.covered if trait == "deeds"} == {"lay out input", "lay out h_0"}


def test_few_programs_are_made_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By every route that makes one, and then no more, however many other questions are asked."""
    pytest.importorskip("torch")
    monkeypatch.setattr("rnn_spec.explore.search.PROGRAMS", 60)
    monkeypatch.setattr(Search, "judge", lambda *_: None)
    run, random = Search(load("torch"), Expected(()), 3), Random(3)
    kind = programs(run.subject.claims)
    assert kind is not None

    for _ in range(40):
        Hunt(run, kind).run(random)

    assert run.of["programs"] == 60
    assert {*draw.PROGRAMS} == {route for _, trait, route in run.covered if trait == "route"}
    assert programs(SpecSubject().claims) is None


@pytest.mark.parametrize(("route", "how"), [("vmap", {}), ("grad", {"lengths": "unsorted"})])
def test_what_a_route_cannot_take_is_known(route: str, how: dict[str, str]) -> None:
    """Of torch; a find of another layer, and without the lengths torch.func.grad has no fault."""
    pytest.importorskip("torch")
    subject, plan = load("torch"), Plan(2, 2, 2, 2, cotangents="both", route=route, **how)  # type: ignore[arg-type]
    known = Expected.of(subject, version_of(subject, "torch"))

    found = judged.find(Session(subject), plan.case())

    assert found is not None
    assert [known.settle(id, found.difference)[0] for id in found.known_by] == ["known"]
    assert not how or judged.find(Session(subject), replace(plan, lengths="").case()) is None


@pytest.mark.parametrize(
    "plan",
    [
        Plan(earlier=("frozen", "zero_grad")),
        Plan(hidden_size=3, training=True, earlier=("spectral_norm",)),
    ],
    ids=str,
)
def test_what_half_an_hour_found_wrong_with_torch_and_was_not(plan: Plan) -> None:
    """A frozen layer has nothing to go back to but its input; a weight that is estimated anew is another."""
    pytest.importorskip("torch")

    assert judged.find(Session(load("torch")), plan.case()) is None


@pytest.mark.parametrize("deed", judged.HELD)
def test_what_swapping_refuses_of_a_weight_that_is_held_is_known(deed: str) -> None:
    """By the copied layer, or in the graph of a call: for that a state_dict cannot be loaded, either."""
    torch = pytest.importorskip("torch")
    subject = load("torch")
    if not hasattr(torch.__future__, "set_swap_module_params_on_conversion"):
        pytest.skip("there is no swapping in this torch")
    known = Expected.of(subject, version_of(subject, "torch"))

    found = judged.find(Session(subject), Plan(earlier=(deed, "moved by swapping")).case())

    assert found is not None
    assert [known.settle(id, found.difference)[0] for id in found.known_by].count("known") == 1


def test_a_nan_that_reaches_another_sequence_is_known_in_bfloat16_alone() -> None:
    """A processor with AMX shows it, and another need not; in another dtype it is a find."""
    pytest.importorskip("torch")
    subject = load("torch")
    known = Expected.of(subject, version_of(subject, "torch"))
    plan = Plan(4, 13, 1, 9, num_layers=2, dtype="bfloat16", values="nan input")
    leak, other = (
        "output: 18 of 468 elements differ\n  got nan, expected 0.07",
        "output: got 1, expected 0.07",
    )

    found = judged.find(Session(subject), plan.case())
    told = f"explore::numbers[{plan}]"

    assert found is None or [known.settle(id, found.difference)[0] for id in found.known_by] == ["known"]
    assert [known.settle(told, difference)[0] for difference in (leak, other)] == ["known", "failed"]
    assert known.settle(told.replace("bfloat16", "float16"), leak)[0] == "failed"


def test_what_torch_does_as_well_is_no_named_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch itself answers so, every fault that shows elsewhere would: none is named."""
    pytest.importorskip("torch")
    subject, plan = load("torch"), Plan(hidden_size=3, training=True, earlier=("spectral_norm",))
    every = replace(judged.ASPECTS["state"], of=judged.changed)
    monkeypatch.setitem(judged.ASPECTS, "state", every)

    found = judged.find(Session(subject), plan.case(), "state")

    assert found is not None
    assert named.sentences(found, subject) == ["torch.nn.RNN, without a fault, answers so, too"]


def test_an_attempt_that_is_found_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept as a question, too."""
    pytest.importorskip("torch")
    monkeypatch.setattr("rnn_spec.explore.search.KINDS", (edit,))
    name = "fault:mixed-dtypes-cast"

    done = explore(name, "--seed=3", "--examples=300", "--first", f"--results={tmp_path}")

    assert done.exit_code == 0, done.output  # a SHOULD alone
    assert "1 found, of a SHOULD" in done.output
    (file,) = (tmp_path / "finds").glob("*.json")
    for subject, status in ((name, 1), ("torch", 0)):
        assert CliRunner().invoke(main, ["check", subject, "--question", str(file)]).exit_code == status


WAYS = {
    "place-h_0-expanded": Plan(1, 2, 1, 1, deeds=("lay out h_0: expanded along axis 1",)),
    "place-input-with-an-offset": Plan(2, 2, 2, 2, deeds=("lay out input: offset",)),
    "place-packed-data-not-contiguous": Plan(
        3, 3, 2, 2, lengths="unsorted", deeds=("lay out packed data: transposed",)
    ),
    "place-cotangent-not-contiguous": Plan(
        3, 3, 2, 2, cotangents="both", deeds=("lay out cotangent of output: axes reversed",)
    ),
    "place-recorded-in-evaluation": Plan(2, 2, 2, 2, deeds=("under enable_grad",)),
    "place-inference_mode-past-16-units": Plan(2, 2, 2, 17, deeds=("under inference_mode",)),
    "place-frozen-w_hh-in-a-stack": Plan(
        2, 2, 2, 2, num_layers=2, cotangents="both", deeds=("freeze weight_hh",)
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_how_a_call_is_made_is_seen_and_only_then(name: str) -> None:
    """Layouts and grad modes reach the layer, in this process and over the wire's records."""
    torch = pytest.importorskip("torch")
    plan, subject = WAYS[name], faulty(PLACES[name])

    wrong = judged.find(Session(subject), plan.case())
    plainly = judged.find(Session(subject), Plan(**vars(plan) | {"deeds": ()}).case())
    right = judged.find(Session(load("torch")), plan.case())

    assert torch.nn.RNN
    assert wrong is not None
    assert plainly is None
    assert right is None


def test_how_a_call_is_made_is_drawn_of_whoever_can_be_told() -> None:
    """Of torch every kind of layout and every mode; of a subject that has no deeds nothing."""
    pytest.importorskip("torch")
    seen: set[str] = set()

    drawn(load("torch").claims, lambda plan: seen.update(plan.deeds), 800)

    laid = {deed.partition(": ")[0] for deed in seen if deed in ways.LAYOUTS}
    assert laid == {f"lay out {what}" for what in ways.WHAT}
    assert seen >= {*ways.MODES, "freeze input", "freeze weight_hh"}
    drawn(SpecSubject().claims, lambda plan: seen.clear() if not plan.deeds else seen.add("!"), 100)
    assert seen == set()


def test_routes_are_drawn_and_reach_the_layer() -> None:
    """Of torch each of them; what a route gets wrong is found, and the layer itself conforms."""
    pytest.importorskip("torch")
    plan, seen = Plan(2, 2, 2, 2, cotangents="both", route="trace"), set()

    drawn(load("torch").claims, lambda plan: seen.add(plan.route), 800)

    assert seen == {"", *draw.ROUTES}
    assert judged.find(Session(load("torch")), plan.case()) is None
    assert judged.find(Session(faulty(FAULTS["traced-weights-are-constants"])), plan.case()) is not None


def test_moves_between_dtypes_are_drawn_among_the_deeds() -> None:
    """Of every way to move, to every dtype."""
    pytest.importorskip("torch")
    seen: set[str] = set()

    @seed(1)
    @settings(drawing, max_examples=1000)
    @given(draw.lived(load("torch").claims))
    def test(plan: Plan) -> None:
        seen.update(e for e in plan.earlier if isinstance(e, str))

    test()

    assert seen >= {*draw.MOVED}
    assert {deed.rpartition(" ")[2] for deed in seen & {*draw.LOWER}} == {"float16", "bfloat16"}


def test_every_layer_is_looked_at_step_by_step_where_the_carried_bound_says_nothing() -> None:
    """With weights that are no contraction a late step that is wrong is seen so, and only so."""
    plan = Plan(130, 2, 8, 32, num_layers=2, weights="steep", dtype="float16")
    wrong = faulty(PLACES["place-steps-past-96"])

    assert judged.find(Session(wrong), plan.case(), "numbers") is None
    found = judged.find(Session(wrong), plan.case(), "steps")
    assert found is not None
    assert "output" in found.difference
    assert judged.find(Session(SpecSubject()), plan.case()) is None


def test_nothing_is_said_of_the_steps_after_an_overflow() -> None:
    """Past float16's range the spec carries a number on, of which its own rounded answer makes a NaN."""
    plan = Plan(19, 1, 1, 1, num_layers=3, nonlinearity="relu", weights="steep", dtype="float16")
    answer = Session(SpecSubject()).answer(plan.case()).output

    assert answer is not None
    assert np.isinf(answer).any()
    assert judged.find(Session(SpecSubject()), plan.case()) is None


def test_sizes_are_multiples_of_tiles_and_beside_them() -> None:
    """Powers of two and what is beside them come in every dimension; and all that is between."""
    random = Random(1)
    drawn = [draw.sizes(lambda _: random.randrange(draw.FINE), 1, 1) for _ in range(4000)]

    for sizes in map(Counter, zip(*drawn, strict=True)):
        assert all(sizes[n] for n in (8, 16, 32, 48, 64, 96, 128, 256))
        assert all(sizes[n - 1] + sizes[n + 1] for n in (16, 32, 64, 128))
        assert {*range(1, 60)} <= {*sizes}
    assert sum(steps % 128 == 0 for steps, *_ in drawn) > len(drawn) / 200


@pytest.mark.parametrize("name", ways.VIEWS)
def test_views_hold_the_same_numbers(name: str) -> None:
    """In other places of memory."""
    torch = pytest.importorskip("torch")
    for shape in ((2, 3, 4), (3, 4), (5,)):
        t = torch.arange(120.0)[: int(np.prod(shape))].reshape(shape)
        assert torch.equal(t, ways.VIEWS[name](t))
    laid = ways.VIEWS[name](torch.ones(2, 3, 4))
    assert laid.stride() != (12, 4, 1) or laid.storage_offset() > 0


def test_faults_of_place_are_found_in_less_than_a_minute() -> None:
    """What was measured last has every fault, and in the median one was seen in less than 60 seconds."""
    rows = [json.loads(line) for line in places.FILE.read_text().splitlines()]

    assert [row["fault"] for row in rows] == list(PLACES)
    seconds = [float("inf") if row["seconds"] is None else row["seconds"] for row in rows]
    assert median(seconds) < 60
    assert not {*PLACES} & {*FAULTS}


def test_a_fault_of_place_is_searched_for_and_its_row_kept(tmp_path: Path) -> None:
    """One alone, beside those that are there."""
    file = tmp_path / "places.jsonl"
    file.write_text(places.FILE.read_text().splitlines()[0] + "\n")

    done = CliRunner().invoke(places.places, ["place-two-units", "-n1", f"--keep={file}"])

    assert done.exit_code == 0, done.output
    assert "1 of 1 found" in done.output
    assert [json.loads(line)["fault"] for line in file.read_text().splitlines()] == [
        next(iter(PLACES)), "place-two-units",
    ]  # fmt: skip


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
