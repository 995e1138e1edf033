"""Workers that misbehave: each is survived, told apart, and costs no other verdict."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnn_spec.far import process as worker
from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import Session
from rnn_spec.questions import deadline
from rnn_spec.questions.product import Recipe
from rnn_spec.questions.records import Case, Observation
from rnn_spec.spec.catalogue import clauses
from rnn_spec.subjects import registry
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.spec import SpecSubject
from rnn_spec.suite.results import Results

HOSTILE = Path(__file__).with_name("hostile.py")
GOOD, MARKED, LAST = (
    Recipe.parse(f"{id}-float64").case() for id in ("small-L1-tanh", "odd-L1-tanh", "small-L2-tanh")
)

NO_ANSWER = {
    "crash": ("crash", "exited with status 3 .*the weights are gone"),
    "segmentation fault": ("crash", "died of SIGSEGV"),
    "quiet exit": ("crash", "exited with status 0"),
    "closed stdout": ("crash", "closed its stdout"),
    "hang": ("hang", "no answer within"),
    "a child that holds the pipes": ("hang", "no answer within"),
    "one byte at a time": ("hang", "no answer within"),
    "gigantic line": ("flood", "a line of more than"),
    "gigantic lines": ("rubbish", r"array|not JSON"),
    "rubbish": ("rubbish", "not JSON.*'step 1 of 5 ...'"),
    "print before the answer": ("rubbish", "not JSON.*'step 1 of 5 ...'"),
    "no object": ("rubbish", "Expected `object`, got `array`"),
    "invalid UTF-8": ("rubbish", "not JSON"),
    "deep": ("rubbish", "not JSON"),
    "half a line of JSON": ("rubbish", "not JSON"),
    "bare NaN": ("rubbish", 'write "NaN"'),
    "wrong seq": ("rubbish", "answers request .*, asked was"),
    "no seq": ("rubbish", "missing required field `seq`"),
    "unknown field": ("rubbish", "unknown field 'outptu'"),
    "missing numbers": ("rubbish", r"shape \(.*\) needs \d+ numbers, data has \d+ - at `\$.output`"),
    "gigantic shape": ("rubbish", "needs 1000000000000 numbers, data has 0"),
    "negative shape": ("rubbish", "integers of 0 or more"),
    "null": ("rubbish", r"data\[0\] is 'None', not a number"),
    "strings": ("rubbish", "not a number"),
    "booleans": ("rubbish", "not a number"),
    "nested lists": ("rubbish", "an array is"),
    "overflow": ("rubbish", "not JSON|out of range"),
    "error without a type": ("rubbish", "missing required field `type`"),
}
"""What is no answer at all: the kind of failure, and what its message says."""

WRONG_ANSWER = {
    "NaN": "NaN|nan",
    "wrong shape": r"output: shape \(37, 19, 11\), expected \(11, 19, 37\)",
    "flat": r"output: shape \(7733,\), expected",
    "no output": "the answer has no output",
}
"""What is an answer, and a wrong one: what its verdict says."""


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case may take 2 seconds."""
    monkeypatch.setattr(deadline, "DEADLINE", 2.0)


def hostile(how: str) -> worker.WorkerSubject:
    """The worker that misbehaves so."""
    return worker.WorkerSubject(shlex.join([sys.executable, str(HOSTILE), how]))


def is_right(case: Case, answer: Observation) -> bool:
    """Whether an answer is the spec's."""
    return (
        bool((answer.output == SpecSubject().run(case).output).all()) if answer.output is not None else False
    )


@pytest.mark.parametrize("how", NO_ANSWER)
def test_worker_that_does_not_answer_costs_one_case(how: str) -> None:
    """It is an error in phase worker that says what was seen; the cases before and after it are answered."""
    subject = hostile(how)
    kind, message = NO_ANSWER[how]

    before, marked, after = (subject.run(case) for case in (GOOD, MARKED, LAST))

    subject.close()
    assert is_right(GOOD, before)
    assert marked.error is not None
    assert (marked.error.phase, marked.error.type) == ("worker", kind)
    assert re.search(message, marked.error.message), marked.error.message
    assert is_right(LAST, after), after.error


@pytest.mark.parametrize("how", WRONG_ANSWER)
def test_wrong_answer_of_a_worker_fails_its_check(how: str) -> None:
    """What can be read is judged like any answer."""
    check = Check(clauses()["REC-04"], Session(hostile(how)))

    check.conforms(GOOD, "output")
    with pytest.raises(Nonconformity, match=WRONG_ANSWER[how]):
        check.conforms(MARKED, "output")
    check.conforms(LAST, "output")


def test_dtype_that_was_not_asked_for_fails_its_check() -> None:
    """A worker that says its results are float16 has not answered in float64."""
    answer = hostile("wrong dtype").run(MARKED)

    assert answer.dtypes["output"] == "float16"


@pytest.mark.parametrize("how", ["print after the answer", "two answers"])
def test_line_too_many_is_told_with_the_next_case(how: str) -> None:
    """It is seen when the next case is asked, which costs that one; then the worker is started anew."""
    subject = hostile(how)

    marked = subject.run(MARKED)
    time.sleep(0.2)
    after, last = subject.run(GOOD), subject.run(LAST)

    assert is_right(MARKED, marked)
    assert after.error is not None
    assert "nothing had asked for" in after.error.message
    assert is_right(LAST, last)


def test_output_on_stderr_is_no_failure() -> None:
    """Megabytes of warnings do not block it, and are not its answer."""
    subject = hostile("stderr")

    assert is_right(MARKED, subject.run(MARKED))
    assert is_right(GOOD, subject.run(GOOD))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("hello of no JSON", "not as the protocol says: not JSON.*'Welcome to my layer!'"),
        ("hello without levels", "missing required field `levels`"),
        ("hello of an unknown level", "Invalid enum value 'telepathy'"),
        ("hello of no dtype", "length >= 1"),
        ("hello with a field too many", "unknown field 'favourite_colour'"),
        ("exit in place of hello", "exited with status 1 .*no GPU was found"),
        ("no hello", "no answer within"),
    ],
)
def test_worker_that_does_not_say_hello_cannot_be_judged(
    how: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one sentence, with what the worker said."""
    monkeypatch.setattr(worker, "STARTING", 1)

    with pytest.raises(SubjectError, match=message):
        hostile(how)


def test_worker_that_exits_after_hello_is_started_again_for_each_case() -> None:
    """Each case says that it crashed."""
    subject = hostile("early exit")

    errors = [subject.run(case).error for case in (GOOD, MARKED)]

    assert [error.type for error in errors if error] == ["crash", "crash"]


def test_worker_that_does_not_read_hangs() -> None:
    """A request larger than the pipe does not block the judge."""
    case = Recipe.parse("wide-L2-tanh-float64").case()

    error = hostile("deaf").run(case).error

    assert error is not None
    assert error.type == "hang"


def test_worker_that_hung_is_given_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hang the deadline follows the longest answer, so that a thousand hangs do not cost hours."""
    monkeypatch.setattr(deadline, "DEADLINE", 4.0)
    subject = hostile("hang")
    subject.run(GOOD)
    subject.run(MARKED)
    started = time.monotonic()

    again = subject.run(MARKED)

    assert again.error is not None
    assert again.error.type == "hang"
    assert time.monotonic() - started < 4


def test_worker_that_does_not_start_again_is_given_up(tmp_path: Path) -> None:
    """After three starts in a row that fail, every case says so at once."""
    once = tmp_path / "once.py"
    source = HOSTILE.read_text().replace(
        "def main() -> None:", "def main() -> None:\n    Path(FLAG).touch()", 1
    )
    head = f"import os\nfrom pathlib import Path\nFLAG = {str(tmp_path / 'flag')!r}\n"
    head += "if Path(FLAG).exists():\n    raise SystemExit('licence expired')\n"
    once.write_text(source.replace("import json\n", "import json\n" + head, 1))
    subject = worker.WorkerSubject(shlex.join([sys.executable, str(once), "crash"]))

    errors = [subject.run(MARKED).error for _ in range(6)]

    assert "licence expired" in (errors[1].message if errors[1] else "")
    assert "given up" in (errors[5].message if errors[5] else "")


def test_ended_worker_leaves_no_process() -> None:
    """What a worker has started is ended with it."""
    subject = hostile("a child that holds the pipes")
    group = subject.process.popen.pid if subject.process else 0

    subject.run(MARKED)

    listed = subprocess.run(["ps", "-eo", "pgid,stat"], capture_output=True, text=True, check=True).stdout
    states = [stat for pgid, stat in map(str.split, listed.splitlines()[1:]) if pgid == str(group)]
    assert not [state for state in states if not state.startswith("Z")]  # Z: ended, and not yet waited for


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("worker:", "needs a command"),
        ("worker:'unclosed", "is not a command: No closing quotation"),
        ("worker:./there-is-no-such-worker --flag", "is not a program that can be run"),
        ("torch@/no/such/python", "is not a program that can be run"),
        ("libtorch", "run workers/libtorch/build python3 workers/libtorch/worker"),
        ("tfjs:wasm", "run npm install --prefix workers/tfjs --ignore-scripts"),
        ("onnxruntime-node", "run npm install --prefix workers/onnxruntime-node --ignore-scripts"),
    ],
)
def test_command_that_cannot_be_run_is_one_sentence(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started, and the sentence says what to do."""
    monkeypatch.setattr(worker, "__file__", "/nowhere/rnn_spec/far/process.py")

    with pytest.raises(SubjectError, match=message):
        registry.load(name)


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_run_on_a_hostile_worker_comes_to_its_end(how: str, tmp_path: Path) -> None:
    """Every check has its verdict: those that ask the marked cases fail, and all others pass."""
    arguments = [f"worker:{sys.executable} {HOSTILE} {how!r}", "--clause=HID", "--no-smoke", "--deadline=2"]
    command = [sys.executable, "-m", "rnn_spec", "check", *arguments, f"--results={tmp_path}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    results = Results.read(tmp_path / "results.json")
    failed = {v.case for v in results.verdicts if v.outcome == "failed"}
    passed = {v.case for v in results.verdicts if v.outcome == "passed"}
    owed = results.owed
    assert done.returncode == 1, done.stdout + done.stderr
    assert results.complete
    assert len(results.verdicts) == sum(count for id, count in owed.items() if id.startswith("HID"))
    assert failed
    assert all("odd" in str(case) for case in failed)
    assert passed
    assert not any("odd" in str(case) for case in passed)
