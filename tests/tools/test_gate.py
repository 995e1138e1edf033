"""The gate as its user runs it, and torches with a change planted in them, each told under its verdict."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rnn_spec.far.process import TorchWorker
from rnn_spec.gate import checkpoints, environments, record, report, run, speed
from rnn_spec.gate.compare import compare
from rnn_spec.gate.live import Live, Refusal, Tensors
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Question, Raised, Recording, RecordingError
from rnn_spec.gate.report import Result
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.torch.experiments import EXPERIMENTS

IDS = (
    "construct/defaults", "construct/dtype-int64", "init/seeded-small",
    "checkpoint/2.13.0-module-weights_only-False", "forward/hx-None",
)  # fmt: skip
ROUTE = "route/script-repr"  # imports much of torch: asked where it is the matter
CASES = ("small-L1-tanh-float32", "small-L2-relu-float64")


def a_recording(path: Path, version: str, attempts: dict[str, Fact], **parts: Any) -> Path:
    """A file with a recording of what came of these Attempts."""
    asked = {"refuse/hidden_size-0": Question(("ERR-05",), "RNN(3, 0)")}
    Recording(Header("torch", version), attempts=attempts, questions=asked, **parts).write(path)
    return path


def gate(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``rnn-spec gate`` in a folder that is its cache, too."""
    command = [sys.executable, "-m", "rnn_spec", "gate", *map(str, arguments)]
    env = os.environ | {"XDG_CACHE_HOME": str(folder), "COLUMNS": "200"} | environment
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
    )


OLD = {
    "refuse/hidden_size-0": Fact(),
    "refuse/no_tensor-h_0-list": Fact(raised=Raised("TypeError", "a | b")),
}
NEW = {
    "refuse/hidden_size-0": Fact(raised=Raised("ValueError", "hidden_size must be greater than zero")),
    "refuse/no_tensor-h_0-list": Fact(raised=Raised("TypeError", "c\nd")),
}
SAID = "RNN(3, 0): was accepted, now ValueError 'hidden_size must be greater than zero'"


def test_two_recordings_are_compared_in_every_view(tmp_path: Path) -> None:
    """The terminal, Markdown, JSON and annotations say the same; the exit status is 1."""
    a, b = (
        a_recording(tmp_path / "a.json", "torch 2.1.0", OLD),
        a_recording(tmp_path / "b.json", "torch 2.2.0", NEW),
    )
    begun = time.monotonic()

    done = gate(tmp_path, "--from", a, "--to", b, "--markdown", "s.md", "--json", "r.json", "--annotate")

    assert time.monotonic() - begun < 10
    assert done.returncode == 1, done.stderr
    assert SAID in done.stdout
    assert (
        "torch 2.1.0 → torch 2.2.0: 2 changes (1 behaviour, 1 wording); 1 of them fail the gate"
        in done.stdout
    )
    assert f"::error title=behaviour ERR-05::{SAID}%0ACorrect" in done.stdout
    assert "was accepted, now ValueError" in (tmp_path / "s.md").read_text()
    assert r"TypeError 'a \| b'" in (tmp_path / "s.md").read_text()
    told = json.loads((tmp_path / "r.json").read_text())
    assert [change["verdict"] for change in told["changes"]] == ["behaviour", "wording"]
    assert told["changes"][0]["line"] == SAID
    assert told["passes"] is False


def test_what_fails_the_gate_is_the_users_choice(tmp_path: Path) -> None:
    """--fail-on chooses verdicts, --accepted single changes, and an entry that matches nothing fails."""
    a, b = (
        a_recording(tmp_path / "a.json", "torch 2.1.0", OLD),
        a_recording(tmp_path / "b.json", "torch 2.2.0", NEW),
    )
    entry = '[[accepted]]\nid = "refuse/*"\nverdict = "behaviour"\nreason = "checked by us"\n'
    (tmp_path / "one.toml").write_text(entry)
    (tmp_path / "two.toml").write_text(entry + entry.replace("refuse", "checkpoint"))
    sides = ("--from", a, "--to", b)

    assert gate(tmp_path, *sides, "--fail-on", "speed").returncode == 0
    assert gate(tmp_path, *sides, "--fail-on", "wording").returncode == 1
    assert gate(tmp_path, *sides, "--accepted", "one.toml").returncode == 0
    strict = gate(tmp_path, *sides, "--accepted", "two.toml")
    assert strict.returncode == 1
    assert "accepted is 'checkpoint/*' (behaviour), but no such change is there" in strict.stdout
    assert gate(tmp_path, "--from", a, "--to", a).returncode == 0


def test_a_release_that_comes_into_conformance_is_told_so_and_not_in_red(tmp_path: Path) -> None:
    """From 2.10 to 2.11 the constructor came to refuse what is no bool: ERR-12 and ERR-14 are mended."""
    done = gate(tmp_path, "--from", "2.10.0", "--to", "2.11.0", "--recorded", "--fail-on", "behaviour")
    same = gate(tmp_path, "--from", "2.13.0", "--to", "torch==2.15.0", "--recorded")

    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for clause in ("ERR-10", "ERR-12", "ERR-14"):
        assert any(line.startswith("  + ") and line.endswith(f"  {clause}") for line in lines), clause
    assert any(line.startswith("  + RNN(..., bias=1): was TypeError") for line in lines)
    assert not any(line.startswith("  ✗ RNN(") for line in lines)
    assert same.returncode == 0
    assert "the gate passes" in same.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "latest", "--to", "2.13.0"), "'latest' is not a torch version such as torch==2.13.0"),
        (("--from", "rubbish.json", "--to", "rubbish.json"), "rubbish.json is not a recording"),
        (("--from", "liar", "--to", "liar"), "has no torch that says hello"),
        (("--from", "2.13.0", "--to", "9.9.9", "--recorded"), "torch 9.9.9 is not on record"),
        (("--from", "a.json", "--to", "a.json", "--model", "m.pt"), "--model needs two torches that run"),
        (("--from", "a.json", "--to", "a.json", "--fail-on", "all"), "no verdict is called 'all'"),
        (("--from", "a.json", "--to", "a.json", "--accepted", "no.toml"), "no.toml cannot be read"),
        (("--from", "a.json", "--to", "a.json", "--json", "no/r.json"), "cannot be written"),
        (
            ("--from", "a.json", "--to", "2.13.0", "--python", "no-such-python"),
            "no-such-python cannot be run",
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit status 2, and no traceback."""
    a_recording(tmp_path / "a.json", "torch 2.1.0", OLD)
    (tmp_path / "rubbish.json").write_text("[")
    executable(tmp_path / "liar", "#!/bin/sh\necho Welcome\n")

    done = gate(tmp_path, *arguments, PATH=os.environ["PATH"])

    assert done.returncode == 2, done.stdout
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def executable(path: Path, text: str) -> Path:
    """A program with this text."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_names_of_releases_pythons_and_recordings_are_told_apart(tmp_path: Path) -> None:
    """A version by itself or as pip has it, an environment's folder, a program, a file."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = executable(tmp_path / "venv" / "bin" / "python", "#!/bin/sh\n")
    file = a_recording(tmp_path / "a.json", "torch 2.1.0", OLD)

    assert environments.find("2.13.0") == environments.find("torch==2.13.0") == "2.13.0"
    assert environments.find("torch==2.16.0.dev20260101+cpu") == "2.16.0.dev20260101+cpu"
    assert environments.find(str(python)) == environments.find(str(tmp_path / "venv")) == python
    assert environments.find(str(file)) == Recording.read(file)


MAKES_ENVIRONMENT = """#!/bin/sh
[ "$2" = venv ] && /bin/mkdir -p "$3/bin" && exec /bin/cp "$0" "$3/bin/python"
"""
"""What answers -m venv as Python does; what it copies answers -m pip, and so is pip."""


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of pip is a sentence with the Python that the release has wheels for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")  # no uv
    python = executable(tmp_path / "old", MAKES_ENVIRONMENT + "exit 1\n")
    said: list[str] = []

    with pytest.raises(RecordingError, match=r"torch 1\.6\.0 cannot be installed.*for Python 3\.8"):
        environments.installed("1.6.0", str(python), said.append)

    assert any("about 200 MB" in line for line in said)
    assert [*(environments.cache() / "environments").iterdir()] == []


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made is found again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    python = executable(tmp_path / "any", MAKES_ENVIRONMENT + "exit 0\n")
    said: list[str] = []

    first = environments.installed("2.13.0", str(python), said.append)
    count = len(said)

    assert environments.installed("2.13.0", str(python), said.append) == first
    assert first.exists()
    assert len(said) == count == 2


def test_a_finished_recording_is_kept_and_a_damaged_one_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted gate goes on from the side that was recorded."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[str] = []
    header = Header("torch", "torch 2.1.0", python="3.11.7")

    def recorded(python: str, *_: object) -> Recording:
        made.append(python)
        return Recording(header, OLD)

    monkeypatch.setattr(run, "describe", lambda *_: header)
    monkeypatch.setattr(run, "record", recorded)
    python = tmp_path / "python"

    def asked(fresh: bool) -> list[Recording]:
        return run.recordings([python], fresh, lambda _: None)

    first, second = asked(fresh=False), asked(fresh=False)
    run.kept(str(python), header).write_text("{")
    third = asked(fresh=False)
    asked(fresh=True)

    assert first == second == third
    assert len(made) == 3


def test_many_changes_that_say_the_same_are_one_line_of_the_report() -> None:
    """Questions by what is said of them, cases by the worst headroom; the result itself holds all of them."""
    a, b = (
        Recording(
            Header("torch", "torch 2.1.0"),
            {f"state/{i}": Fact(value) for i in range(9)},
            cases={
                f"small-{i}": Arrays({"output": Bits(str(value), (1,), i * value / 100)}) for i in range(9)
            },
        )
        for value in (1, 2)
    )
    result = Result(a.header, b.header, compare(a, b, {}), ["behaviour"])

    lines = [c.line for _, blocks in report.groups(result) for _, changes in blocks for c in changes]

    assert lines == [
        "9 questions (state/0, state/1, state/2 and 6 more): was 1, now 2",
        "9 cases moved: headroom 0.16, was 0.08; worst small-8",
    ]
    assert len(result.failing) == 9
    assert len(json.loads(report.as_json(result))["changes"]) == 18


PLANTED = {
    "a message": ("wording", ["construct/dtype-int64"], """
        def changed(self, *args, **kw):
            try:
                init(self, *args, **kw)
            except RuntimeError as e:
                raise RuntimeError("no: " + str(e))
        RNN.__init__ = changed
    """),
    "a default": ("behaviour", ["construct/defaults"], """
        def changed(self, *args, **kw):
            kw.setdefault("nonlinearity", "relu") if len(args) < 4 else None
            init(self, *args, **kw)
        RNN.__init__ = changed
    """),
    "a rounding": ("beyond", ["small-L1-tanh-float32"], """
        def changed(self, *args, **kw):
            output, h_n = forward(self, *args, **kw)
            return (output.bfloat16().float() if output.dtype == torch.float32 else output), h_n
        RNN.forward = changed
    """),
    "a last bit": ("numerics", ["small-L1-tanh-float32"], """
        def changed(self, *args, **kw):
            output, h_n = forward(self, *args, **kw)
            return (output * (1 + 2.0**-23) if output.dtype == torch.float32 else output), h_n
        RNN.forward = changed
    """),
    "a seeded stream": ("streams", ["init/seeded-small"], """
        reset = RNN.reset_parameters
        RNN.reset_parameters = lambda self: (torch.rand(1), reset(self))[1]
    """),
    "a death": ("behaviour", ["forward/hx-None"], """
        import os
        def changed(self, *args, **kw):
            os.kill(os.getpid(), 11) if len(args) + len(kw) > 1 else None
            return forward(self, *args, **kw)
        RNN.forward = changed
    """),
    "a checkpoint": ("checkpoints", ["checkpoint/2.13.0-module-weights_only-False"], """
        def changed(self, state):
            raise TypeError("too old")
        RNN.__setstate__ = changed
    """),
    "a route": ("routes", [ROUTE], """
        def changed(*args, **kw):
            raise RuntimeError("gone")
        torch.jit.script = changed
    """),
}  # fmt: skip
HEAD = """
import torch
RNN = torch.nn.RNN
init, forward = RNN.__init__, RNN.forward
"""


def planted(folder: Path, name: str, change: str) -> str:
    """A Python whose torch is changed as it starts."""
    (folder / name).mkdir()
    body = "\n".join(line.removeprefix("        ") for line in change.splitlines())
    (folder / name / "sitecustomize.py").write_text(HEAD + body)
    command = f'PYTHONPATH="{folder / name}" exec "{sys.executable}" "$@"\n'
    return str(executable(folder / f"{name} python", f"#!/bin/sh\n{command}"))


def recorded(python: str, *more: str) -> Recording:
    """IDS and CASES of the torch of a Python."""
    worker = TorchWorker(python)
    try:
        session = Session(worker)
        cases = {id: record.arrays(session, Recipe.parse(id).case()) for id in CASES}
    finally:
        worker.close()
    facts = dict(record.experiment(python, (*IDS, *more)))
    return Recording(record.describe(python, "torch", ""), facts, cases=cases)


@pytest.fixture(scope="module")
def unchanged() -> Recording:
    """The torch of this Python."""
    pytest.importorskip("torch")
    return recorded(sys.executable, ROUTE)


def asked(whole: Recording, other: Recording) -> Recording:
    """The probes that the other was asked, too."""
    return msgspec.structs.replace(whole, experiments={id: whole.experiments[id] for id in other.experiments})


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_told_under_its_verdict(tmp_path: Path, unchanged: Recording, name: str) -> None:
    """The verdict says what kind of change it is, and nothing else of the recording changes but by it."""
    verdict, ids, change = PLANTED[name]

    subject = recorded(planted(tmp_path, name, change), *(ids if ids == [ROUTE] else []))
    found = compare(asked(unchanged, subject), subject, EXPERIMENTS)

    assert set(ids) <= {c.id for c in found if c.verdict == verdict}, found


def test_an_unchanged_torch_has_no_change(tmp_path: Path, unchanged: Recording) -> None:
    """What is planted is all that tells the two apart."""
    subject = recorded(planted(tmp_path, "nothing", ""))

    assert compare(asked(unchanged, subject), subject, EXPERIMENTS) == []


def test_checkpoints_are_read_both_ways(tmp_path: Path) -> None:
    """A torch that cannot read the other's whole modules is told so, and state_dicts go both ways."""
    pytest.importorskip("torch")
    old = planted(tmp_path, "a checkpoint", PLANTED["a checkpoint"][2])

    own = sys.executable, record.describe(sys.executable, "torch", "")
    same = checkpoints.crossed(own, own)
    forward = checkpoints.crossed(own, (old, own[1]))

    assert same == []
    assert {(c.verdict, c.id.rpartition("-")[2]) for c in forward} == {("checkpoints", "module")}
    assert "too old" in forward[0].says


SMALL = {"small": speed.SIZES["small"]}
SLOWER = """
        import time
        def changed(self, *args, **kw):
            time.sleep(0.002)
            return forward(self, *args, **kw)
        RNN.forward = changed
"""


def test_a_slower_step_is_a_change_of_speed(tmp_path: Path) -> None:
    """Its ratio lies beyond what a second process of the same torch takes; the way back is better."""
    pytest.importorskip("torch")
    slow = planted(tmp_path, "slower", SLOWER)

    changes, _ = speed.measure(sys.executable, slow, SMALL, lambda _: None)
    back, _ = speed.measure(slow, sys.executable, SMALL, lambda _: None)

    assert [(c.verdict, c.better) for c in changes] == [("speed", False)] * 2
    assert [(c.verdict, c.better) for c in back] == [("speed", True)] * 2


@pytest.mark.parametrize(
    ("says", "ends"),
    [
        ("print('Welcome', flush=True)", "Welcome"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("print('{}', flush=True)", "Object missing required field `torch`"),
        ("print('[' * 100000, flush=True)", "does not answer 'hello'"),
    ],
)
def test_a_hostile_torch_is_a_sentence(tmp_path: Path, says: str, ends: str) -> None:
    """A process that dies or says rubbish is told as such."""
    python = executable(tmp_path / "python", f'#!/bin/sh\nexec "{sys.executable}" -c "input(); {says}"\n')

    with pytest.raises(RecordingError, match="does not answer 'hello'") as refused:
        Live(python)

    assert ends in str(refused.value) or "JSON" in str(refused.value)


def test_a_checkpoint_that_is_no_state_dict_is_refused_by_the_far_end(tmp_path: Path) -> None:
    """Nothing is unpickled, here or there; the connection goes on."""
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.RNN(3, 4), tmp_path / "module.pt")
    torch.save(torch.nn.RNN(3, 4).state_dict(), tmp_path / "state.pt")
    live = Live(sys.executable)
    try:
        with pytest.raises(Refusal, match="UnpicklingError"):
            live.ask(Tensors, op="names", path=str(tmp_path / "module.pt"))
        names = live.ask(Tensors, op="names", path=str(tmp_path / "state.pt")).tensors
    finally:
        live.close()

    assert names["weight_ih_l0"] == ("float32", (4, 3))
    assert msgspec.json.encode(names)
