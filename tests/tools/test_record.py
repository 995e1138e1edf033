"""A release is recorded whole and alike each time, whatever its processes do."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.far import wire
from rnn_spec.gate import generic
from rnn_spec.gate import record as recorder
from rnn_spec.gate.compare import KINDS
from rnn_spec.gate.program import Program
from rnn_spec.gate.record import Suite
from rnn_spec.gate.recording import Arrays, Fact, Header, Raised, Recording, RecordingError, Standing
from rnn_spec.judge import session
from rnn_spec.questions import product
from rnn_spec.questions.claims import MODULE, Claims
from rnn_spec.questions.expect import expect
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Observation
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.collect import collect
from rnn_spec.suite.planned import Planned
from rnn_spec.torch import experiments, program
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rnn_spec.judge.check import Check
    from rnn_spec.questions.records import Case, Expectation

PROGRAM = (Path(experiments.__file__), Path(program.__file__))


def test_the_table_of_probes_is_whole() -> None:
    """At least 300, each with an area, a kind, a sentence, and a clause that exists or why it has none."""
    assert len(EXPERIMENTS) >= 300
    for id, probe in EXPERIMENTS.items():
        assert re.fullmatch(r"[a-z_]+/\S+", id)
        assert probe.kind in KINDS
        assert probe.clause in clauses() if probe.clause else probe.free, id
        assert not (probe.clause and probe.free), id
        assert probe.sentence.endswith(".")


def test_the_probes_are_in_the_syntax_of_python_3_6() -> None:
    """What runs inside an old torch is written for the Python of the oldest."""
    for source in PROGRAM:
        ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_table_can_be_read_without_torch() -> None:
    """Whoever compares recordings needs no torch."""
    code = "import sys; import rnn_spec.torch.program; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


STACK = """no operator
Defined at:
/a/torch/nn/rnn.py(179): forward
/b/rnn_spec/torch/program.py(190): <lambda>
/b/rnn_spec/torch/experiments.py(1510): _onnx
Graph:
  graph(%1)"""
SCRIPTED = """not a Tensor.:
  File "/my home/rnn_spec/torch/experiments.py", line 1455, in forward
        def forward(self, input):
            return self.rnn(input)
                   ~~~~~~~~ <--- HERE
  File "/a/torch/nn/rnn.py", line 329, in forward
        raise RuntimeError(
builtins.RuntimeError: no"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<object at 0x7f3a5c0d1e80>", "<object at 0x...>"),
        ("failed at /pytorch/aten/src/TH/THGeneral.cpp:47", "failed at PATH"),
        ('File "/usr/lib/python3.11/site.py", line 3', 'File "PATH", line N'),
        (
            "see https://pytorch.org/docs/stable/index.html.",
            "see https://pytorch.org/docs/stable/index.html.",
        ),
        ("RNNBase.__init__() got multiple values", "__init__() got multiple values"),
        ("bad size\nframe #0: c10::Error", "bad size"),
        ("\x1b[1mred\x1b[0m  and\n blue", "red and blue"),
        ("got (Tensor, numpy.bool_, numpy.bool)", "got (Tensor, numpy.bool, numpy.bool)"),
        ("np.True_", "True"),
        ("expected input/output of (2, 6, 4)", "expected input/output of (2, 6, 4)"),
        (STACK, "no operator Defined at: PATH: forward Graph: graph(%1)"),
        (
            SCRIPTED,
            'not a Tensor.: File "PATH", line N, in forward raise RuntimeError( builtins.RuntimeError: no',
        ),
    ],
)
def test_texts_are_the_same_on_every_machine(text: str, expected: str) -> None:
    """Addresses, paths, line numbers, stacks, our frames, colours and what Python adds are taken out."""
    clean: Callable[[str], str] = experiments.clean

    assert expected == clean(text)


SOME = [
    "construct/subclass", "packed/lengths-zero", "packed/h_0-many-rows-unsorted", "signature/RNN",
    "init/seeded-small", "state/deleted", "layout/batch_first", "autograd/frozen-parameter",
]  # fmt: skip


def test_probes_come_to_the_same_each_time() -> None:
    """Some probes of each kind of process, asked twice, in another order, give equal facts."""
    first = dict(recorder.experiment(sys.executable, SOME))
    again = dict(recorder.experiment(sys.executable, SOME[::-1]))

    assert first == again
    assert Fact("Mine(3, 4)") == first["construct/subclass"]
    assert first["packed/lengths-zero"].raised is not None
    assert first["packed/lengths-zero"].raised.type == "RuntimeError"


def apart(act: str, seconds: int = 20, ready: str = "") -> dict[str, object]:
    """What a probe with this body comes to."""
    code = (
        "import json, os, signal, sys, time, rnn_spec.torch.program as program\n"
        f"program.SECONDS = {seconds}\n{ready}\n"
        f"def act():\n    {act}\nprint(json.dumps(program.apart(act)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("act", "died"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
        ("os._exit(3)", "exit 3"),
        ("sys.exit(0)", "exit 70"),
        ("time.sleep(60)", "no answer within 1 s"),
    ],
)
def test_a_probe_that_dies_is_a_fact(act: str, died: str) -> None:
    """How the process of a probe ends is what came of it, and the program that asked goes on."""
    assert {"died": died} == apart(act, 1)


HEAD = (
    "import json, os, rnn_spec.torch.program as program\nprogram.bring(); torch = program.experiments.torch\n"
)
TRACES = {
    "a setting": ("torch.set_default_dtype(torch.float64)", "torch.ones(1).dtype == torch.float32", True),
    "threads": ("torch.set_num_threads(3)", "torch.get_num_threads()", 1),
    "a class": ("torch.nn.RNN.mine = 1", "hasattr(torch.nn.RNN, 'mine')", False),
    "a hook": (
        "torch.nn.modules.module.register_module_forward_hook(print)",
        "len(torch.nn.modules.module._global_forward_hooks)", 0,
    ),
    "a module": ("__import__('this_is_new')", "'this_is_new' in __import__('sys').modules", False),
    "a variable": ("os.environ.update(MINE='1')", "os.environ.get('MINE')", None),
    "a warning": ("__import__('warnings').warn('once'); mine.append(1)", "len(mine)", 0),
    "a death": ("os.kill(os.getpid(), 11)", "1", 1),
}  # fmt: skip
"""What an experiment may leave behind, what the next one finds, and what it must find."""


@pytest.mark.parametrize(("first", "then", "expected"), TRACES.values(), ids=TRACES)
def test_a_probe_sees_no_trace_of_those_that_it_is_asked_with(
    tmp_path: Path, first: str, then: str, expected: object
) -> None:
    """Those asked together share a process up to the first that leaves a trace, or dies; all are asked."""
    (tmp_path / "this_is_new.py").write_text("")
    code = HEAD + (
        "mine = []\n"
        f"def one():\n    {first}\n"
        f"def other():\n    return {then}\n"
        "def drawn():\n    return torch.rand(1).item()\n"
        "left, found = [drawn, drawn, one, other, drawn, drawn], []\n"
        "while left:\n"
        "    found.append(program.together(left)); left = left[len(found[-1]):]\n"
        "print(json.dumps(found))"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    groups = json.loads(done.stdout)
    facts = [fact for group in groups for fact in group]

    assert [len(group) for group in groups] == ([2, 1, 3] if "kill" in first else [3, 3])
    assert facts[3].get("value") == expected
    assert len({facts[i]["value"] for i in (0, 1, 4, 5)}) == 1  # each draws as if it were the first
    assert (facts[2].get("died") == "SIGSEGV") == ("kill" in first)


def test_asked_together_probes_come_to_what_each_does_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of every area, with those that once warned or set something."""
    light = [id for id, e in EXPERIMENTS.items() if not e.alone]
    some = [id for id in light[::7] if id not in SOME] + SOME[:-1]

    together = dict(recorder.experiment(sys.executable, some))
    monkeypatch.setattr(recorder, "TOGETHER", 1)
    alone = dict(recorder.experiment(sys.executable, some))

    assert {id for id in some if together[id] != alone[id]} == set()


def test_a_probe_that_returns_much_is_heard_out() -> None:
    """A value larger than a pipe's buffer comes back whole."""
    found = apart("return ['x' * 100] * 5000", ready="program.bring()")

    assert found["value"] == ["x" * 100] * 5000


HELLO = '{"version": "torch 9.9", "python": "3.11", "numpy": "2", "platform": "none"}'
BROKEN = {
    "crash": ("os.kill(os.getpid(), 11)", "died of SIGSEGV without an answer"),
    "exit": ("sys.exit(3)", "exited with status 3 without an answer"),
    "hang": ("time.sleep(60)", "no answer within 1 s"),
    "rubbish": ("print('Segmentation fault')", "answers no JSON object: 'Segmentation fault'"),
    "list": ("print('[1, 2]')", "answers no JSON object: '[1, 2]'"),
    "flood": ("print('x' * (1 << 22))", "a line of more than 1048576 bytes"),
    "unknown": ("print('{\"valeu\": 1}')", "answers what is no fact: Object contains unknown field `valeu`"),
}


def broken(folder: Path, act: str) -> str:
    """A Python whose torch answers hello, answers the probe construct/defaults, and else does this."""
    program = folder / "python"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        f"    if request['op'] == 'hello': print({HELLO!r}, flush=True)\n"
        "    elif request['op'] == 'bye': break\n"
        "    elif request['id'] == 'construct/defaults': print('{\"value\": 1}', flush=True)\n"
        f"    else: {act}; sys.stdout.flush()\n",
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize(("act", "died"), BROKEN.values(), ids=BROKEN)
def test_a_broken_torch_is_recorded(tmp_path: Path, act: str, died: str) -> None:
    """What a torch does in place of an answer is the fact, and the next probe is asked of a new process."""
    probing = Program(broken(tmp_path, act), deadline=1)

    facts = [
        probing.fact(op="experiment", id=id)
        for id in ("construct/defaults", "construct/attributes", "construct/defaults")
    ]
    probing.close()

    assert Fact(1) == facts[0] == facts[2]
    assert (facts[1].died or "").startswith(died)


def test_a_torch_that_answers_nothing_is_given_up(tmp_path: Path) -> None:
    """After five requests in a row that end its process no more are made, so that no gate waits for hours."""
    log = tmp_path / "log"
    act = f"open({str(log)!r}, 'a').write('.'); sys.exit(1)"
    probing = Program(broken(tmp_path, act), deadline=5)

    def ask(*ids: str) -> list[str]:
        return [probing.fact(op="experiment", id=id).died or "" for id in ids]

    one = ask("x", "x", "x", "x", "construct/defaults", "x", "x", "x", "x")
    rest = ask("x", "x", "construct/defaults")

    assert one[4] == ""
    assert rest[0].startswith("exited with status 1")
    assert rest[1:] == ["not asked: 5 requests in a row ended the process"] * 2
    assert log.read_text() == "." * 9


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ("sys.exit(1)", "has no torch that answers 'hello': exited with status 1"),
        ("print('{}')", "has no torch that answers 'hello': Object missing required field `version`"),
        ("print('hi')", "has no torch that answers 'hello': answers no JSON object: 'hi'"),
    ],
)
def test_a_python_without_torch_is_refused(tmp_path: Path, hello: str, said: str) -> None:
    """A Python that has no torch that can be asked is an error in one sentence."""
    python = broken(tmp_path, "pass")
    text = Path(python).read_text(encoding="utf-8")
    Path(python).write_text(text.replace(f"print({HELLO!r}, flush=True)", hello), encoding="utf-8")

    with pytest.raises(RecordingError) as refused:
        recorder.describe(python, "torch", "")

    assert said in str(refused.value)


def test_a_package_that_cannot_be_imported_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever importing it raises: one that does not fit its NumPy ends no hello."""
    (tmp_path / "misfit.py").write_text("raise SystemError('NumPy is another')")
    monkeypatch.syspath_prepend(str(tmp_path))
    package: Any = program._package

    assert package("misfit") is None


def test_hello_says_which_release_it_is() -> None:
    """The header has the release's own word of itself."""
    header = recorder.describe(sys.executable, "torch", "the command")

    assert header.version.startswith("torch ")
    assert header.command == "the command"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keras", "-o", "a.json"], "only torch is recorded, not 'keras'"),
        (["torch@/no/such/python", "-o", "a.json"], "'/no/such/python' is not a program that can be run"),
    ],
)
def test_what_cannot_be_recorded_is_refused(arguments: list[str], said: str) -> None:
    """Another subject, and a Python that is not there, are refused in a sentence, with exit status 2."""
    done = CliRunner().invoke(main, ["record", *arguments])

    assert done.exit_code == 2
    assert said in done.output


def test_record_writes_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes a recording that can be read, and says in a line what is in it."""
    made = Recording(
        Header("torch", "torch 9.9"),
        {"a/b": Fact(raised=Raised("ValueError", "no"))},
        clauses={"ERR-01": Standing(2)},
    )
    monkeypatch.setattr("rnn_spec.gate.record_command.make", lambda *_, **__: made)

    done = CliRunner().invoke(main, ["record", "torch", "-o", str(tmp_path / "a.json")])

    assert done.exit_code == 0
    assert "torch 9.9: 0 questions, 1 experiments, 2 checks passed and 0 failed" in done.output
    assert made == Recording.read(tmp_path / "a.json")


@pytest.mark.slow
def test_two_recordings_of_one_release_are_equal(tmp_path: Path) -> None:
    """Byte for byte, apart from the header.

    Run with ``pytest -m slow tests/tools/test_record.py``.
    """
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        header = recorder.describe(sys.executable, "torch", path.name)
        made = recorder.record(sys.executable, header)
        msgspec.structs.replace(made, header=Header("torch", "")).write(path)

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_case_that_a_torch_has_not_the_means_for_keeps_the_reason() -> None:
    """It comes to an absence that says what is missing, as an experiment's does."""

    class Older:
        claims, remote = Claims(), True

        def unclaimed(self, _: Case) -> None:
            """It claims every case."""

        def run(self, _: Case) -> Observation:
            return Observation(unsupported="this torch has no torch.vmap")

    found = recorder.arrays(session.Session(Older()), Recipe().case())  # type: ignore[arg-type]

    assert found == Arrays(absent="this torch has no torch.vmap")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of few cases and few checks, one of which torch fails, and one of which it cannot be asked."""

    def failing(check: Check) -> None:
        check.holds(False, "it is wrong")

    def unasked(check: Check) -> None:
        check.module_class()

    some = [t for t in collect() if t.id.startswith("test_recurrence.py") and "small-L1-tanh-float64" in t.id]
    odd = [Planned(f.__name__, "REC-01", f, {}, ("check",)) for f in (failing, unasked)]
    monkeypatch.setattr(recorder, "collect", lambda: some + odd)
    monkeypatch.setattr(product, "standard", lambda: [Recipe(), Recipe(dtype="float64")])


@pytest.mark.usefixtures("small")
def test_what_the_spec_expects_is_computed_once_for_all_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases that are asked side by side, or later, are compared with the same expectations."""
    suite, header = Suite(), Header("torch", "torch ")
    computed = list[str]()

    def counted(case: Case, masks: Any) -> Expectation:
        computed.append(case.id)
        return expect(case, masks)

    monkeypatch.setattr(session, "expect", counted)
    with ThreadPoolExecutor(2) as both:
        first, beside = both.map(lambda _: suite.ask(header, sys.executable), range(2))

    assert first == beside
    assert len(computed) == len(suite.expectations)
    expectations = dict(suite.expectations)
    second = suite.ask(header, sys.executable)

    assert first == second
    assert len(first.cases) == 2 + len(generic.cases())
    assert expectations
    assert all(suite.expectations[key] is found for key, found in expectations.items())
    assert len(suite.expectations) == len(expectations)


@pytest.mark.usefixtures("small")
def test_every_check_comes_to_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes, fails, or is not judged for a reason; one that breaks is no recording."""

    def broken(check: Check) -> None:
        raise KeyError(check.clause)

    found = Suite().ask(Header("torch", "torch "), sys.executable)

    standing = found.clauses["REC-01"]
    assert standing.failed == ("failing",)
    assert standing.unjudged == {MODULE: ("unasked",)}
    assert sum(s.passed for s in found.clauses.values()) > 5
    monkeypatch.setattr(recorder, "collect", lambda: [Planned("broken", "REC-01", broken, {}, ("check",))])
    with pytest.raises(RecordingError, match="the check broken broke: KeyError"):
        Suite().ask(Header("torch", "torch "), sys.executable)


@pytest.mark.usefixtures("small")
def test_a_torch_that_answers_no_case_is_refused(tmp_path: Path) -> None:
    """Where every standard case ends the worker no checks follow, each of which would, too."""
    hello = wire.Hello("torch", "9.9", "none", ["cell", "sequence"], ["float64", "float32"])
    python = broken(tmp_path, "sys.exit(1)")
    text = Path(python).read_text(encoding="utf-8")
    Path(python).write_text(text.replace(HELLO, wire.encode(hello).decode()), encoding="utf-8")

    with pytest.raises(RecordingError, match="answers no case: exited with status 1 without an answer"):
        Suite().ask(Header("torch", "torch 9.9"), python)


def test_a_suite_that_meets_another_torch_is_refused() -> None:
    """What the probes saw and what the suite sees has to be one release."""
    with pytest.raises(RecordingError, match=r"the suite met torch \d.*, and the experiments torch 9\.8"):
        Suite().ask(Header("torch", "torch 9.8"), sys.executable)


def test_a_python_in_which_no_worker_starts_is_refused(tmp_path: Path) -> None:
    """A torch that says hello to the probes and nothing to the suite is an error in one sentence."""
    python = broken(tmp_path, "pass")
    Path(python).write_text(f"#!{sys.executable}\n", encoding="utf-8")

    with pytest.raises(RecordingError, match="does not say hello"):
        Suite().ask(Header("torch", "torch 9.9"), python)


@pytest.mark.parametrize("id", generic.cases())
def test_a_generic_case_is_bounded_and_shows_another_order_of_summation(id: str) -> None:
    """The spec's own answer, summed backwards, has other bits, and is within the bound."""
    case = generic.cases()[id]
    assert case.input.astype(case.dtype).astype(float).tobytes() == case.input.tobytes()
    expected = expect(case, None).arrays["output"]
    weights = {n: w.astype(case.dtype) for n, w in case.parameters.items()}
    x, w = case.input.astype(case.dtype)[0], weights["weight_ih_l0"]

    forth, back = (np.cumsum((x[:, None] * w)[..., ::step], axis=-1)[..., -1] for step in (1, -1))

    assert (forth != back).any()
    assert np.isfinite(expected.error).all()


def test_a_part_is_of_the_questions_that_are_wanted(tmp_path: Path) -> None:
    """--only takes patterns of ids."""
    path = tmp_path / "part.json"

    done = CliRunner().invoke(
        main, ["record", "--only", "construct/def*", "--only", "generic-batch*", "-o", str(path)]
    )

    part = Recording.read(path)
    assert done.exit_code == 0, done.output
    assert [*part.experiments] == ["construct/default-device", "construct/defaults"]
    assert [*part.cases] == ["generic-batch-L2-relu-float32"]
    assert not part.clauses
