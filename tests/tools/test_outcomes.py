"""Exit statuses: 0, 1 or 2, whatever a subject, a terminal or a disk does; what was judged is always said."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.report import commands as catalogue
from rnn_spec.suite.results import Results

EXITS = """
import os
import sys
from rnn_spec.subjects.spec import SpecSubject

class Base(SpecSubject):
    levels, dtypes = frozenset({"cell", "sequence"}), ("float64",)

class Exits0(Base):
    def run(self, case): sys.exit(0)

class Exits3(Base):
    def run(self, case): sys.exit(3)

class ExitsHard(Base):
    def run(self, case): os._exit(0)

class Skips(Base):
    def run(self, case):
        import pytest
        pytest.skip("I would rather not")

class Late(Base):
    asked = 0
    def run(self, case):
        Late.asked += 1
        return super().run(case) if Late.asked < 20 else sys.exit(0)

class InitExits(Base):
    def __init__(self): sys.exit(0)

class InitExitsHard(Base):
    def __init__(self): os._exit(0)

class VersionExits(Base):
    def version(self): sys.exit(0)

class VersionRaises(Base):
    def version(self): raise KeyError("version")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with subjects that exit."""
    (tmp_path / "exits.py").write_text(EXITS, encoding="utf-8")
    (tmp_path / "exitmod.py").write_text("raise SystemExit(0)", encoding="utf-8")
    (tmp_path / "exithard.py").write_text("import os; os._exit(0)", encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``rnn-spec`` in a folder; a shell's redirections may follow in `to`."""
    shell = f'"$0" -m rnn_spec "$@" {options.pop("to", "")}'
    env = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("env", {})
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell, sys.executable, *arguments],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300, **options,
    )  # fmt: skip


REC = ("--clause", "REC-01")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("exits:Exits0", *REC, "--no-smoke"), "raised SystemExit in forward: 0"),
        (("exits:Exits3", *REC, "--no-smoke"), "raised SystemExit in forward: 3"),
        (("exits:ExitsHard", *REC, "--no-smoke"), "raised SystemExit in forward: os._exit(0)"),
        (("exits:Skips", *REC, "--no-smoke"), "raised Skipped in forward: I would rather not"),
        (("exits:Late", "--clause", "REC"), "does not conform"),
        (("exits:Exits0", *REC, "--no-smoke", "-n", "2"), "raised SystemExit in forward: 0"),
    ],
    ids=" ".join,
)
def test_a_subject_that_exits_when_asked_fails(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """SystemExit, of any code and at any time, is what the subject answered: the check fails, with 1."""
    done = run(folder, "check", *arguments)

    assert done.returncode == 1, done.stdout + done.stderr
    assert sentence in " ".join(done.stdout.split())
    assert Results.read(folder / "rnn-spec-results" / "results.json").complete


@pytest.mark.parametrize("subject", ["exits:Exits0", "exits:Exits3", "exits:ExitsHard", "exits:Skips"])
def test_a_subject_that_always_exits_is_never_silent_in_the_smoke_stage(folder: Path, subject: str) -> None:
    """Before the suite, too, it is said what the subject did, and the status is not 0."""
    done = run(folder, "check", subject, *REC)

    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "SystemExit" in done.stdout + done.stderr or "Skipped" in done.stdout + done.stderr


BEFORE = ("exitmod:X", "exithard:X", "exits:InitExits", "exits:InitExitsHard", "exits:VersionExits",
          "exits:VersionRaises")  # fmt: skip
COMMANDS = (
    ("check", "{}", "--no-smoke", *REC),
    ("check", "{}", "--no-smoke", *REC, "-n", "2"),
    ("vectors", "verify", "{}"),
    ("case", "small-L1-tanh-float64", "--subject", "{}"),
    ("serve", "{}"),
)


@pytest.mark.parametrize(
    ("command", "subject"),
    [
        *((("check", "{}"), subject) for subject in BEFORE),
        *(
            (command, subject)
            for command in COMMANDS
            for subject in ("exits:InitExitsHard", "exits:VersionExits")
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_subject_that_exits_before_it_is_asked_cannot_be_judged(
    folder: Path, command: tuple[str, ...], subject: str
) -> None:
    """When it is imported, made, or says its version: one sentence that names it, and 2."""
    done = run(folder, *(word.format(subject) for word in command), stdin=subprocess.DEVNULL)
    said = " ".join((done.stdout + done.stderr).split())

    assert "Traceback" not in said
    if command[0] == "case" and "Version" in subject:
        assert done.returncode == 0, said  # it is not asked for it
    else:
        assert done.returncode == 2, said
        assert f"'{subject}'" in said
        assert "exit" in said.lower() or "KeyError" in said


def test_served_exits_are_answers(folder: Path) -> None:
    """A subject that exits when asked over the wire has answered; the worker goes on."""
    done = run(folder, "check", f"worker:{sys.executable} -m rnn_spec serve exits:Exits0", *REC, "--no-smoke")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "raised SystemExit in forward: 0" in " ".join(done.stdout.split())


def test_what_nobody_foresaw_is_one_sentence_and_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of our own is told in a sentence that says how to see the traceback."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by zero,\nsomewhere")

    monkeypatch.setattr(catalogue, "lines", broken)

    said = CliRunner().invoke(main, ["checklist"])
    traced = CliRunner().invoke(main, ["checklist"], env={"RNN_SPEC_TRACEBACK": "1"})

    assert (said.exit_code, traced.exit_code) == (2, 2)
    assert len(said.output.splitlines()) == 1
    assert "ZeroDivisionError: by zero, somewhere" in said.output
    assert "RNN_SPEC_TRACEBACK=1" in said.output
    assert "Traceback" not in said.output
    assert "Traceback" in traced.output


@pytest.mark.parametrize(
    "raised", [SystemExit(0), SystemExit(None), KeyboardInterrupt(), SystemExit("words")]
)
def test_only_a_verdict_of_ours_is_a_status(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    """What leaves a command in any other way is no verdict: 2."""

    def broken(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(catalogue, "lines", broken)

    done = CliRunner().invoke(main, ["checklist"])

    assert done.exit_code == 2
    assert done.output


@pytest.mark.parametrize(
    ("subject", "status", "to"),
    [
        *(("spec", 0, to) for to in ("| head -1", ">&-", "> /dev/full", "2> /dev/full", ">&- 2>&-")),
        *(("fault:w_hh-transposed", 1, to) for to in ("| head -1", ">&-", "> /dev/full 2> /dev/full")),
    ],
)
def test_the_verdict_stands_whatever_becomes_of_the_terminal(
    folder: Path, to: str, subject: str, status: int
) -> None:
    """A reader that leaves, a closed stdout and a full disk take the words, and not the verdict."""
    if "/dev/full" in to and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")

    done = run(folder, "check", subject, "--clause", "REC-02", to=to)

    assert done.returncode == status, done.stdout + done.stderr
    assert Results.read(folder / "rnn-spec-results" / "results.json").complete
    assert "Traceback" not in done.stdout + done.stderr


def test_what_could_not_be_written_down_is_not_done(folder: Path) -> None:
    """A command whose product is what it prints has not done it on a full disk; a reader may leave."""
    full, left = run(folder, "explain", "DIR-03", to="> /dev/full"), run(folder, "checklist", to="| head -1")

    assert full.returncode == 2
    assert "No space left" in full.stderr
    assert left.returncode == 0, left.stderr


def test_a_results_folder_that_cannot_be_written_is_told_before_the_first_check(folder: Path) -> None:
    """One sentence and 2, at once; and nothing is left of the attempt."""
    (folder / "file").write_text("", encoding="utf-8")
    begun = time.monotonic()

    for where in ("/proc/nope", "file/sub", "file"):
        done = run(folder, "check", "spec", "--results", where)

        assert done.returncode == 2, done.stdout
        assert where in done.stderr
        assert "passed" not in done.stdout
        assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 15
    assert run(folder, "check", "nobody").returncode == 2
    assert not (folder / "rnn-spec-results").exists()


def test_results_that_can_be_written_no_more_lose_no_verdict(folder: Path) -> None:
    """Where the folder is gone when the run ends, the table and the status say what was judged."""
    (folder / "vanish.py").write_text(
        "import pathlib, shutil\n"
        "from rnn_spec.subjects.spec import SpecSubject\n"
        "class Vanish(SpecSubject):\n"
        "    def run(self, case):\n"
        "        shutil.rmtree('there', ignore_errors=True)\n"
        "        pathlib.Path('there').write_text('taken')\n"
        "        return super().run(case)\n",
        encoding="utf-8",
    )

    done = run(folder, "check", "vanish:Vanish", *REC, "--no-smoke", "--results", "there")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "REC" in done.stdout  # the table is there
    assert "there/results.json could not be kept" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_what_is_written_has_ordinary_permissions(folder: Path) -> None:
    """results.json is for whoever may read the folder's files: as umask says."""
    run(folder, "check", "spec", *REC)

    mask = os.umask(0)
    os.umask(mask)
    mode = (folder / "rnn-spec-results" / "results.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o666 & ~mask


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    "command",
    [["record", "torch", "-o", "r.json"], ["gate", "--from", sys.executable, "--to", sys.executable]],
)
def test_ctrl_c_ends_a_long_command_and_what_it_started(folder: Path, command: list[str]) -> None:
    """Within seconds, with 2, and without a worker left behind."""
    pytest.importorskip("torch")
    env = os.environ | {"XDG_CACHE_HOME": str(folder), "RNN_SPEC_TEST_MARK": str(folder)}
    running = subprocess.Popen(
        [sys.executable, "-m", "rnn_spec", *command], cwd=folder, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=heed,  # noqa: PLW1509  # it is not heeded where tests run in the background
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not _children(running.pid, str(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)

    begun = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=60)

    assert running.returncode == 2, stderr
    assert time.monotonic() - begun < 20
    assert "Traceback" not in stderr
    if Path("/proc/self/environ").exists():
        assert _children(0, str(folder)) == []


def heed() -> None:
    """Let SIGINT do what it does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _children(parent: int, mark: str) -> list[Path]:
    """The processes with a mark in their environment, but for the parent; where /proc tells."""
    found = Path("/proc").glob("[0-9]*/environ")
    return [p for p in found if p.parent.name != str(parent) and mark.encode() in _bytes(p)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
