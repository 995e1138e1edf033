"""The gate as its user runs it, and torches with a change planted in them, each told under its verdict."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.far import process
from rnn_spec.far.process import TorchWorker
from rnn_spec.gate import checkpoints, environments, record, report, run, speed
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.compare import compare
from rnn_spec.gate.environments import Wanted
from rnn_spec.gate.program import Program
from rnn_spec.gate.progress import Progress
from rnn_spec.gate.recording import Arrays, Bits, Fact, Header, Question, Raised, Recording, RecordingError
from rnn_spec.gate.report import Result
from rnn_spec.judge.session import Session
from rnn_spec.questions.product import Recipe
from rnn_spec.torch.experiments import EXPERIMENTS

IDS = (
    "construct/defaults", "construct/dtype-int64", "init/seeded-small",
    "checkpoint/2.13.0-module-weights_only-False", "forward/hx-None",
)  # fmt: skip
HELLO = json.dumps({"version": "torch 2.1.0", "python": "3.11.7", "numpy": "2", "platform": "Linux"})
ROUTE = "route/script-repr"  # imports much of torch: asked where it is the matter
CASES = ("small-L1-tanh-float32", "small-L2-relu-float64")


def a_recording(path: Path, version: str, attempts: dict[str, Fact], **parts: Any) -> Path:
    """A file with a recording of what came of these Attempts, and of all that 2.13.0 answered."""
    whole = Archive.read().recording("2.13.0")
    asked = whole.questions | {"refuse/hidden_size-0": Question(("ERR-05",), "RNN(3, 0)")}
    header, answered = Header("torch", version), whole.attempts | attempts
    msgspec.structs.replace(whole, header=header, attempts=answered, questions=asked, **parts).write(path)
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

    done = gate(tmp_path, "--from", a, "--to", b, "--markdown", "s.md", "--json", "r.json", "--annotate")

    assert done.returncode == 1, done.stderr
    assert SAID in done.stdout
    assert (
        "torch 2.1.0 → torch 2.2.0: 2 changes (1 behaviour, 1 wording); 1 of them, of 1 cause, fail the gate"
        in done.stdout
    )
    assert f"::error title=behaviour refuse/hidden_size-0::{SAID}%0ACorrect" in done.stdout
    assert "was accepted, now ValueError" in (tmp_path / "s.md").read_text()
    assert r"TypeError 'a \| b'" in (tmp_path / "s.md").read_text()
    told = json.loads((tmp_path / "r.json").read_text())
    assert [change["verdict"] for change in told["changes"]] == ["behaviour", "wording"]
    assert told["changes"][0]["line"] == SAID
    assert told["changes"][0]["fails"] is True
    assert [cause["id"] for cause in told["causes"]] == ["refuse/hidden_size-0", "message"]
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
    sides = ("--from", "2.10.0", "--to", "2.11.0", "--recorded", "--fail-on", "behaviour", "--all")
    done = gate(tmp_path, *sides)
    same = gate(tmp_path, "--from", "2.13.0", "--to", "torch==2.15.0", "--recorded")

    assert done.returncode == 1  # a NumPy integer that was a size
    lines = done.stdout.splitlines()
    for clause in ("ERR-10", "ERR-12", "ERR-14"):
        assert any(line.startswith("  + ") and clause in line.split() for line in lines), clause
    assert any("RNN(..., bias=1): was TypeError" in line for line in lines)
    assert [line for line in lines if line.startswith("  ✗") and "numpy-input_size" not in line] == []
    assert same.returncode == 0
    assert "the gate passes" in same.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "latest", "--to", "2.13.0"), "'latest' is not a torch version such as torch==2.13.0"),
        (("--from", "rubbish.json", "--to", "rubbish.json"), "rubbish.json is not a recording"),
        (("--from", "liar", "--to", "liar"), "has no torch that answers 'hello'"),
        (
            ("--from", "2.13.0", "--to", "9.9.9", "--recorded"),
            "torch 9.9.9 is not on record: the nearest that is, is",
        ),
        (("--from", "2.13.0", "--to", "~=2.15.0"), "'~=2.15.0' is not a torch version such as torch==2.13.0"),
        (("--from", "2.13.0", "--to", "~nobody/x"), "'~nobody/x' is not a torch version"),
        (("--from", "", "--to", "2.15.0"), "--from names no release"),
        (("--from", "2.13.0", "--to", "2.15.0", "--model", "no.pt"), "no.pt is not a file"),
        (("--from", "2.13.0", "--to", "2.15.0", "--markdown", "a.json/s.md"), "cannot be written"),
        (("--from", "2.13.0", "--to", "2.15.0", "--recorded", "--live"), "--recorded runs nothing"),
        (("--from", "a.json", "--to", "a.json", "--model", "a.json"), "--model needs two torches that run"),
        (("--from", "a.json", "--to", "a.json", "--fail-on", "all"), "no verdict is called 'all'"),
        (("--from", "a.json", "--to", "a.json", "--accepted", "no.toml"), "no.toml cannot be read"),
        (("--from", "a.json", "--to", "a.json", "--json", "a.json/r.json"), "cannot be written"),
        (
            ("--from", "2.2.2", "--to", "2.13.0", "--live", "--python", "no-such-python"),
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
    assert environments.find(f"torch@{python}") == python  # as `check` and `record` have it
    assert environments.find(str(file)) == Recording.read(file)


MAKES_ENVIRONMENT = """#!/bin/sh
[ "$1" = -c ] && echo "${IDENTITY:-CPython 3.11.7 /usr}" && exit 0
[ "$2" = venv ] && /bin/mkdir -p "$3/bin" && exec /bin/cp "$0" "$3/bin/python"
"""
"""What answers -m venv as Python does; what it copies answers -m pip, and so is pip."""


def an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> str:
    """A Python whose pip does this, with a cache of its own and no uv."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    environments.identity.cache_clear()
    return str(executable(tmp_path / "python3.6", MAKES_ENVIRONMENT + answer))


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of pip is a sentence in pip's own words; what is asked first fetches nothing."""
    python = an_index(tmp_path, monkeypatch, "echo 'ERROR: No matching distribution' >&2\nexit 1\n")

    for act in (environments.asked, environments.installed):
        with pytest.raises(
            RecordingError, match=r"torch 1\.6\.0 cannot be installed: No matching distribution"
        ):
            act(Wanted("1.6.0", python), lambda _: None)
    assert environments.kept() == []


def test_an_environment_is_made_once_and_another_for_whatever_else_it_would_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made is found again; another Python of the same name, or another index, makes another."""
    python = an_index(tmp_path, monkeypatch, "exit 0\n")
    wanted = Wanted("2.13.0", python)

    first = environments.installed(wanted, lambda _: None)
    again = environments.installed(wanted, lambda _: None)
    monkeypatch.setenv("IDENTITY", "CPython 3.12.1 /usr")
    environments.identity.cache_clear()
    other = environments.installed(wanted, lambda _: None)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://index.example")
    index = environments.installed(wanted, lambda _: None)

    assert first == again
    assert len({first, other, index}) == 3
    assert [kept.what for kept in environments.kept()].count("torch 2.13.0, CPython 3.11.7 /usr") == 1


def test_a_release_that_both_sides_want_is_installed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of pip once and made once, and both sides have it."""
    log = tmp_path / "log"
    python = an_index(tmp_path, monkeypatch, f"echo $3 >> {log}\n")
    side = run.Side(wanted=Wanted("2.13.0", python))
    said: list[str] = []

    one, other = run.had([side, side], said.append)

    assert one.python == other.python
    assert log.read_text().split() == ["install", "install"]  # the question, and the installation
    assert [line.partition(" in ")[0] for line in said if "install" in line] == [
        "torch 2.13.0 is not installed yet: asking pip what it would fetch",
        "installing torch 2.13.0",
        "torch 2.13.0 is installed",
    ]


def test_what_is_kept_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments, recordings, and what an interrupted gate left, each with its size."""
    python = an_index(tmp_path, monkeypatch, "exit 0\n")
    environments.installed(Wanted("2.13.0", python), lambda _: None)
    (environments.root() / "environments" / "making-x").mkdir()
    (environments.root() / "environments" / "making-x" / "big").write_bytes(b"x" * 2_000_000)
    (environments.root() / "recordings").mkdir()
    (environments.root() / "recordings" / "torch-2.13.0-x.json").write_text("{}")

    listed = CliRunner().invoke(main, ["gate", "cache"])
    cleared = CliRunner().invoke(main, ["gate", "cache", "--clear"])

    assert "2.0 MB  making-x  left by a gate that was interrupted" in listed.output
    assert "torch 2.13.0, CPython" in listed.output
    assert "torch-2.13.0-x.json  recording" in listed.output
    assert cleared.output.endswith("removed\n")
    assert environments.kept() == []


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (["torch", "numpy"], "torch 2.13.0: 2 packages, about 200 MB"),
        (
            ["torch", "nvidia-cudnn-cu12", "triton"],
            "torch 2.13.0: 3 packages, 2 of CUDA among them, gigabytes",
        ),
    ],
)
def test_pip_is_asked_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: list[str], said: str
) -> None:
    """How many packages it would be, and whether CUDA is among them."""
    held = json.dumps({"install": [{"metadata": {"name": name}} for name in report]})
    answer = f"while [ $# -gt 0 ]; do [ $1 = --report ] && echo '{held}' > $2; shift; done\n"
    python = an_index(tmp_path, monkeypatch, answer)
    told: list[str] = []

    environments.asked(Wanted("2.13.0", python), told.append)

    assert told[-1].startswith(said)
    assert environments.kept() == []


@pytest.mark.parametrize(
    ("release", "first", "last"),
    [("1.0.0", 6, 7), ("1.10.2", 6, 9), ("1.13.1", 8, 11), ("2.13.0", 10, 13), ("0.4.1", 6, 7)],
)
def test_each_release_has_the_pythons_that_it_has_wheels_for(release: str, first: int, last: int) -> None:
    """By a table of when they begin and end."""
    assert environments.fitting(release) == ((3, first), (3, last))


def test_a_python_that_fits_is_found_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one if it does, one on the PATH, or a sentence that says which."""
    monkeypatch.setenv("PATH", str(tmp_path))
    old = executable(tmp_path / "python3.7", "#!/bin/sh\n")

    assert environments.interpreter("2.13.0", None) == sys.executable
    assert environments.interpreter("1.0.0", None) == str(old)
    old.unlink()
    with pytest.raises(
        RecordingError, match=r"only for 3\.6 to 3\.7, and none of these is here: name one by"
    ):
        environments.interpreter("1.0.0", None)
    with pytest.raises(RecordingError, match="no-such cannot be run"):
        environments.interpreter("2.13.0", "no-such")


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("2.2.2", {}, "record"),
        ("2.2.2+cpu", {}, "record"),
        ("2.2.2", {"recorded": True}, "record"),
        ("2.2.2", {"live": True}, "2.2.2"),
        ("2.2.2", {"speed": True}, "2.2.2"),
        ("2.2.1", {}, "2.2.1"),
        (sys.executable, {}, "python"),
    ],
)
def test_each_side_is_had_by_what_is_best(name: str, options: dict[str, Any], kind: str) -> None:
    """From the record where it is there and nothing has to run; a Python is always asked."""
    options = {"python": sys.executable, **options} if kind[0].isdigit() else options
    given = run.Options(name, name, ["behaviour"], **options)

    sides = run.resolved(given, lambda _: None)

    for side in sides:
        found = (
            "record" if side.recording else "python" if side.python else side.wanted and side.wanted.release
        )
        assert found == kind


def a_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[str], list[str]]:
    """What is recorded is counted; the build of torch is the second list's last."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made, build = list[str](), ["one"]
    header = Header("torch", "torch 2.1.0", python="3.11.7")

    def recorded(python: str, *_: object) -> Recording:
        made.append(python)
        return Recording(header, OLD)

    monkeypatch.setattr(run, "described", lambda *_: (header, build[-1]))
    monkeypatch.setattr(run, "record", recorded)
    return made, build


def taken(fresh: bool = False) -> tuple[list[Recording], list[str]]:
    """The recordings of one side that runs, and the notes."""
    takes = run.Takes(lambda _: None)
    return takes.recordings([run.Side(python=Path("/python"))], fresh), takes.notes


def test_a_finished_recording_is_kept_and_a_damaged_one_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted gate goes on from the side that was recorded."""
    made, _ = a_side(monkeypatch, tmp_path)

    first, second = taken(), taken()
    (path,) = (environments.root() / "recordings").iterdir()
    path.write_text("{")
    third = taken()
    taken(fresh=True)

    assert first == second == third
    assert len(made) == 3


def test_another_build_at_the_same_place_is_recorded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same version in the same Python, with one file changed, is another torch."""
    made, build = a_side(monkeypatch, tmp_path)

    taken()
    build.append("two")
    taken()
    taken()

    assert len(made) == 2


def test_a_changed_file_of_torch_is_another_build(tmp_path: Path) -> None:
    """Of the copy of a module whose only file is touched, and of none other."""
    code = (
        "import types, rnn_spec.torch.experiments as e, rnn_spec.torch.program as p\n"
        f"e.torch = types.SimpleNamespace(__file__={str(tmp_path / '__init__.py')!r}); print(p.build())"
    )

    def build() -> str:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    (tmp_path / "__init__.py").write_text("a")
    first, again = build(), build()
    (tmp_path / "notes.txt").write_text("a")
    text = build()
    os.utime(tmp_path / "__init__.py", (1, 1))

    assert first == again == text != build()


def test_a_recording_that_cannot_be_kept_is_reported_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a cache that cannot be written, costs the cache and not the answer."""
    a_side(monkeypatch, tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recording, "write", full)

    recordings, notes = taken()

    assert recordings[0].experiments == OLD
    assert "the recording of torch 2.1.0 could not be kept: " in notes[0]
    assert notes[0].endswith("No space left on device")


def interruptible() -> None:
    """Let SIGINT do what it does, even if whoever runs the tests ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_with_2_and_a_partial_report(tmp_path: Path) -> None:
    """Within seconds, and what both had been asked by then is compared."""
    slow = executable(
        tmp_path / "slow",
        f"""#!{sys.executable}
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if "worker.py" in sys.argv[1]:
        time.sleep(100)
    elif request["op"] == "hello":
        print({HELLO!r}, flush=True)
    elif request.get("ids", [""])[0] == "construct/defaults":
        print(json.dumps({{"facts": [{{"value": sys.argv[0]}}]}}), flush=True)
    else:
        time.sleep(100)
""",
    )
    other = executable(tmp_path / "other", slow.read_text())
    command = [sys.executable, "-m", "rnn_spec", "gate", "--from", str(slow), "--to", str(other)]
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    going = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509  # it is not heeded where tests run in the background
    )
    assert going.stderr
    while not re.search(r"A, .*: 1 of \d+ asked, B, .*: 1 of \d+ asked", going.stderr.readline()):
        assert going.poll() is None
    begun = time.monotonic()
    going.send_signal(signal.SIGINT)

    out, err = going.communicate(timeout=60)

    assert time.monotonic() - begun < 10
    assert going.returncode == 2, err
    assert "stopped when 1 experiments had been asked of both, and no clause" in out
    assert "construct/defaults" in out
    assert "the gate passes" not in out


@pytest.mark.parametrize("start", [process.Process, process.running], ids=["Process", "running"])
def test_ctrl_c_ends_what_is_just_being_started(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a process that no list had when the others were ended."""
    popen = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def interrupted(*command: Any, **options: Any) -> Any:
        process._stopped.set()
        process.end_all()
        started.append(popen(*command, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    try:
        with pytest.raises(process.Stopped):
            start([sys.executable, "-c", "import time; time.sleep(10)"])
    finally:
        process._stopped.clear()

    assert [made.poll() for made in started] == [-signal.SIGKILL]


def test_progress_is_told_as_long_as_anything_is_at_work() -> None:
    """A line of how far each is, and none when all is done."""
    said: list[str] = []
    with Progress(said.append, every=0.01) as progress:
        progress.expect("torch 2.1.0", 2)
        progress.step("torch 2.1.0")
        time.sleep(0.2)
        progress.step("torch 2.1.0")
        time.sleep(0.1)
        count = len(said)
        time.sleep(0.1)

    assert set(said) == {"torch 2.1.0: 1 of 2 asked"}
    assert len(said) == count


def test_two_sides_of_one_version_are_counted_apart() -> None:
    """Two builds of a release, say."""
    progress = Progress(lambda _: None)
    a, b = (progress.part(f"{side}, torch 2.1.0") for side in "AB")
    a.expect(2)
    b.expect(3)
    a.step(2)
    b.step()

    assert str(progress) == "B, torch 2.1.0: 1 of 3 asked"


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

    assert [cause.line for cause in result.causes] == [
        "state/0: was 1, now 2: 9 changes",
        "Numbers moved within their bounds (the worst error is 0.16 of its bound, was 0.08): 9 changes",
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

    header = record.describe(sys.executable, "torch", "")
    own, again, other = programs = [Program(python) for python in (sys.executable, sys.executable, old)]
    same = checkpoints.crossed((own, header), (again, header))
    forward = checkpoints.crossed((own, header), (other, header))
    for program in programs:
        program.close()

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
        ("print('{}', flush=True)", "Object missing required field `version`"),
        ("print('[' * 100000, flush=True)", "has no torch that answers 'hello'"),
    ],
)
def test_a_hostile_torch_is_a_sentence(tmp_path: Path, says: str, ends: str) -> None:
    """A process that dies or says rubbish is told as such."""
    python = executable(tmp_path / "python", f'#!/bin/sh\nexec "{sys.executable}" -c "input(); {says}"\n')

    with pytest.raises(RecordingError, match="has no torch that answers 'hello'") as refused:
        _ = Program(python).hello

    assert ends in str(refused.value) or "JSON" in str(refused.value)


def test_two_torches_are_imported_at_once(tmp_path: Path) -> None:
    """Neither begins only when the other has said hello: each of these says it when both have begun."""
    said = dict.fromkeys(("version", "python", "numpy", "platform"), "any")

    def meeting(own: str, other: str) -> Path:
        return executable(
            tmp_path / own,
            f"""#!{sys.executable}
import pathlib, time
here = pathlib.Path(__file__)
here.with_suffix(".begun").touch()
end = time.monotonic() + 10
while not here.with_name("{other}.begun").exists() and time.monotonic() < end:
    time.sleep(0.01)
if time.monotonic() < end:
    print('{json.dumps(said)}', flush=True)
""",
        )

    programs = [Program(meeting("a", "b")), Program(meeting("b", "a"))]
    with ThreadPoolExecutor(2) as both:
        assert [hello.version for hello in both.map(lambda p: p.hello, programs)] == ["any", "any"]
    for program in programs:
        program.close()
