"""A mistake in an adapter is told from a wrong layer, with its traceback, once; a hang has a name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SUBJECTS = """
import time
from rnn_spec import Observation
from rnn_spec.questions.records import Error
from rnn_spec.subjects.spec import SpecSubject

class Layer(SpecSubject):
    name = "mine"
    levels = frozenset({"cell", "sequence"})
    dtypes = ("float64",)

class Typo(Layer):
    def run(self, case):
        return case.inputs.shape

class Sometimes(Layer):
    def run(self, case):
        if case.config.nonlinearity == "relu":
            case.parameters["weights"]
        return super().run(case)

class Alike(Layer):
    def run(self, case):
        raise RuntimeError(f"cannot run {case.input.shape}")

class Refuses(Layer):
    def run(self, case):
        if case.config.nonlinearity == "relu":
            raise ValueError("there is no relu")
        return super().run(case)

class Nothing(Layer):
    def run(self, case):
        pass

class Sleeps(Layer):
    def run(self, case):
        time.sleep(1000)

class SleepsAtTimes(Layer):
    def run(self, case):
        if case.config.hidden_size > 100:
            time.sleep(1000)
        return super().run(case)

class LateTypo(Layer):
    def run(self, case):
        if case.config.hidden_size > 100:
            case.inputs
        return super().run(case)

class Backward(SpecSubject):
    levels = frozenset({"cell", "sequence", "gradients"})
    dtypes = ("float64",)
    def run(self, case):
        found = super().run(case)
        if case.cotangents is None:
            return found
        return Observation(found.output, found.h_n, error=Error("backward", "TypeError", "sum of a range"))
"""


def judged(tmp_path: Path, subject: str, *options: str, served: bool = False) -> tuple[int, str]:
    """Run `rnn-spec check` on a class of SUBJECTS: its status, and all it says."""
    (tmp_path / "mine.py").write_text(SUBJECTS)
    command = f"{sys.executable} -m rnn_spec"
    name = f"worker:{command} serve mine:{subject}" if served else f"mine:{subject}"
    done = subprocess.run(
        [*command.split(), "check", name, *options],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("served", [False, True], ids=["in process", "served"])
@pytest.mark.parametrize(
    ("subject", "sentence", "line"),
    [
        ("Typo", "'Case' object has no attribute 'inputs'", "return case.inputs.shape"),
        ("Sometimes", "in a line of its own", 'case.parameters["weights"]'),
        ("Alike", "every case ends alike", "cannot run {case.input.shape}"),
        ("Nothing", "run() returned a NoneType, not an Observation", ""),
    ],
)
def test_exception_of_the_adapter_is_shown_once_and_ends_the_run(
    tmp_path: Path, subject: str, sentence: str, line: str, served: bool
) -> None:
    """The status is 2, the line is shown, in this process and by way of `serve`, and nothing is judged."""
    status, said = judged(tmp_path, subject, served=served)

    assert status == 2, said
    assert "the adapter is wrong" in said
    assert sentence in said
    assert said.count(line) == 1 or not line
    assert len(said.splitlines()) < 14
    assert not (tmp_path / "rnn-spec-results").exists()


@pytest.mark.parametrize("served", [False, True], ids=["in process", "served"])
def test_what_a_layer_refuses_is_its_own_failure(tmp_path: Path, served: bool) -> None:
    """A raise statement that some cases meet is a refusal: the RNN fails."""
    status, said = judged(tmp_path, "Refuses", "--clause=NLN", served=served)

    assert status == 1, said
    assert "the RNN is wrong" in said
    assert "there is no relu" in said


@pytest.mark.parametrize("served", [False, True], ids=["in process", "served"])
def test_mistake_that_the_smoke_stage_does_not_meet_ends_the_run_where_it_is_met(
    tmp_path: Path, served: bool
) -> None:
    """A field that no record has is nobody's RNN, wherever it is read."""
    status, said = judged(tmp_path, "LateTypo", "--clause=REC", served=served)

    assert status == 2, said
    assert "the adapter is wrong: at the case " in said
    assert said.count("    case.inputs\n") == 1
    assert "does not conform" not in said


def test_traceback_lies_in_the_results_and_beside_the_failure(tmp_path: Path) -> None:
    """Where the layer raised is kept with the verdict, and shown."""
    _, said = judged(tmp_path, "Refuses", "--clause=NLN")

    verdicts = json.loads((tmp_path / "rnn-spec-results" / "results.json").read_text())["verdicts"]
    failed = [v for v in verdicts if v["outcome"] == "failed"]
    assert failed
    assert all('raise ValueError("there is no relu")' in v["traceback"] for v in failed)
    assert said.count('raise ValueError("there is no relu")') == 1


def test_backward_failure_leaves_the_forward_results_to_be_judged(tmp_path: Path) -> None:
    """An Observation with an error in phase backward fails at gradients, and at nothing else."""
    status, said = judged(tmp_path, "Backward", "--clause=REC", "--clause=GRD")

    verdicts = json.loads((tmp_path / "rnn-spec-results" / "results.json").read_text())["verdicts"]
    assert status == 1, said
    assert {v["clause"][:3] for v in verdicts if v["outcome"] == "failed"} == {"GRD"}
    assert any(v["clause"].startswith("REC") and v["outcome"] == "passed" for v in verdicts)


# -- deadlines ---------------------------------------------------------------------------------------


def test_subject_that_always_hangs_is_a_wrong_adapter(tmp_path: Path) -> None:
    """The case has a name, and the place where it hangs is shown."""
    status, said = judged(tmp_path, "Sleeps", "--deadline=0.5")

    assert status == 2, said
    assert "no case at all: cell-L1-relu-nobias-float64: hang in worker: no answer within 0.5 s" in said
    assert said.count("time.sleep(1000)") == 1


def test_case_that_hangs_fails_and_the_run_goes_on(tmp_path: Path) -> None:
    """As with a worker: that case fails, and what follows is judged."""
    status, said = judged(tmp_path, "SleepsAtTimes", "--deadline=0.5", "--clause=REC")

    verdicts = json.loads((tmp_path / "rnn-spec-results" / "results.json").read_text())
    assert status == 1, said
    assert verdicts["complete"]
    assert {v["outcome"] for v in verdicts["verdicts"]} >= {"passed", "failed"}
    assert "raised hang in worker: no answer within" in said


STUBBORN = """
import time
from rnn_spec.suite import launch
from rnn_spec.questions import deadline
from rnn_spec.subjects.spec import SpecSubject
deadline.GRACE = 0.3

class Stubborn(SpecSubject):
    def run(self, case):
        while case.config.hidden_size > 100:
            try:
                time.sleep(1000)
            except BaseException:
                pass
        return super().run(case)

if __name__ == "__main__":
    raise SystemExit(launch.run_suite(["--subject=stubborn:Stubborn", "--clause=REC"]))
"""


def test_hang_that_cannot_be_interrupted_ends_the_process_with_a_partial_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the case and the line; results.json is valid, and says that it is a part."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    monkeypatch.setenv("RNN_SPEC_DEADLINE", "0.5")

    done = subprocess.run(
        [sys.executable, "stubborn.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    results = json.loads((tmp_path / "rnn-spec-results" / "results.json").read_text())
    assert done.returncode == 2, done.stderr
    assert "cannot be interrupted" in done.stderr
    assert "time.sleep(1000)" in done.stderr
    assert not results["complete"]


def test_interrupted_run_names_the_case_that_ran(tmp_path: Path) -> None:
    """Ctrl-C says what it came into."""
    source = SUBJECTS.replace("time.sleep(1000)", "raise KeyboardInterrupt")
    (tmp_path / "mine.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "rnn_spec", "check", "mine:SleepsAtTimes", "--clause=REC"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2, done.stdout
    assert "interrupted while the subject answered the case" in done.stdout
