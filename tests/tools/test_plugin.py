"""`rnn_spec.suite.plugin`: verdicts become results.json, however a run goes and wherever it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnn_spec.suite.results import Results, ResultsError
from tests.tools.examples import SUITE

CHECKOUT = Path(__file__).parents[2]

SUBJECTS = """
from rnn_spec.subjects.spec import SpecSubject

class Raises(SpecSubject):
    def run(self, case):
        raise LookupError("no such layer")

class Partly(SpecSubject):
    def run(self, case):
        if case.dtype == "float64":
            raise LookupError("no float64")
        return super().run(case)

class Forward(SpecSubject):
    levels = SpecSubject.levels - {"gradients"}

class Nothing(SpecSubject):
    levels = frozenset({"cell"})

"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small suite and some subjects."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "mine.py").write_text(SUBJECTS)
    return tmp_path


def run(folder: Path, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin in a folder."""
    command = [sys.executable, "-m", "pytest", "-c", "none.ini", "--rootdir=.", "-p", "rnn_spec.suite.plugin",
               "-p", "no:cacheprovider", *arguments]  # fmt: skip
    (folder / "none.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )


def results(folder: Path) -> Results:
    """What the run left."""
    return Results.read(folder / "rnn-spec-results" / "results.json")


def timeless(path: Path) -> str:
    """The lines of results.json, without those that say how long a check took."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith('"seconds":'))


def test_two_processes_give_the_results_of_one(folder: Path) -> None:
    """With ``-n 2`` results.json is the same but for the time that each check took, failures included."""
    path = folder / "rnn-spec-results" / "results.json"

    one = run(folder, "--subject", "mine:Partly")
    alone = timeless(path)
    path.unlink()
    two = run(folder, "--subject", "mine:Partly", "-n", "2")

    assert (one.returncode, two.returncode) == (1, 1), two.stdout
    assert timeless(path) == alone
    found = results(folder)
    assert found.complete
    assert {"passed", "failed"} == {v.outcome for v in found.verdicts}


def test_a_conforming_run_records_every_check_with_its_clause_case_and_headroom(folder: Path) -> None:
    """Each check has one verdict, sorted by id, with clause, case and worst headroom."""
    done = run(folder, "--subject", "spec")

    found = results(folder)
    assert done.returncode == 0, done.stdout
    assert f"{len(found.verdicts)} passed" in done.stdout
    assert [v.check for v in found.verdicts] == sorted({v.check for v in found.verdicts})
    assert {"HID-06", "GRD-01", "REC-01"} == {v.clause for v in found.verdicts}
    assert all(v.case and f"[{v.case}]" in v.check for v in found.verdicts)
    assert all(v.headroom is not None and 0 <= v.headroom <= 1 for v in found.verdicts)
    assert (found.subject, found.exhaustive, found.complete) == ("spec", False, True)


def test_exhaustive_takes_every_case_of_a_test_that_asks_for_every_case(folder: Path) -> None:
    """--exhaustive adds the full product to @every, and leaves @standard and @named as they are."""
    counts = []

    for arguments in ((), ("--exhaustive",)):
        listed = run(folder, "--subject", "spec", "--collect-only", "-q", *arguments).stdout
        counts.append(
            [listed.count(f"::{name}[") for name in ("test_last_output", "test_gradients", "test_output")]
        )

    assert counts[0][:2] == counts[1][:2]
    assert counts[1][2] >= 2**6 > counts[0][2]  # nonlinearity, bidirectional, bias, batch_first, batched, h_0


def test_an_unknown_subject_exits_with_2_and_one_sentence(folder: Path) -> None:
    """A run that has nothing to judge stops at once, exits with 2, and leaves no results."""
    done = run(folder, "--subject", "nobody")

    assert done.returncode == 2
    sentences = [line for line in done.stdout.splitlines() if line.startswith("rnn-spec: ")]
    assert len(sentences) == 1
    assert sentences[0].startswith("rnn-spec: no subject is called 'nobody': known are ")
    assert "Traceback" not in done.stdout
    assert not (folder / "rnn-spec-results" / "results.json").exists()


def test_a_subject_that_raises_fails_every_check(folder: Path) -> None:
    """An exception in the subject fails each check that asks it, and is named in each message."""
    done = run(folder, "--subject", "mine:Raises")

    found = results(folder)
    assert done.returncode == 1
    assert found.complete
    assert {"failed"} == {v.outcome for v in found.verdicts}
    assert all("raised LookupError in forward: no such layer" in v.message for v in found.verdicts)
    assert "check itself broke" not in done.stdout


def test_a_failure_shows_clause_case_numbers_and_reproduction(folder: Path) -> None:
    """A failed check's message names clause and case and shows the numbers; its reproduction exists."""
    run(folder, "--subject", "fault:b_hh-dropped", "-k", "test_output")

    failed = [v for v in results(folder).verdicts if v.outcome == "failed"]
    assert failed
    for v in failed:
        assert v.message.startswith("REC-01 (MUST) ")
        assert f"case: {v.case}" in v.message
        for word in (
            "source: ",
            "leads to: ",
            "elements differ; the worst is [0,",
            "got ",
            "bound ",
            "headroom ",
        ):
            assert word in v.message
        assert v.headroom is not None
        assert v.headroom > 1
        assert v.reproduction
        assert (folder / v.reproduction).is_file()


def test_not_claimed_is_neither_passed_nor_failed(folder: Path) -> None:
    """What a subject does not claim is reported as such, and a run may conform without it."""
    done = run(folder, "--subject", "mine:Forward")

    outcomes = {v.clause: v.outcome for v in results(folder).verdicts}
    assert done.returncode == 0
    assert outcomes == {"HID-06": "passed", "GRD-01": "not claimed", "REC-01": "passed"}
    assert "2 not claimed" in done.stdout


def test_a_run_that_judges_nothing_is_no_green_run(folder: Path) -> None:
    """Whoever claims none of what the selected clauses are about is not judged, and the status is 2."""
    done = run(folder, "--subject", "mine:Nothing", "-k", "gradients")

    assert done.returncode == 2
    assert {"not claimed"} == {v.outcome for v in results(folder).verdicts}
    assert "nothing was judged" in done.stdout


INTERRUPTED = {
    "Ctrl-C": "raise KeyboardInterrupt",
    "killed": "import os; os._exit(9)",
}


@pytest.mark.parametrize("how", INTERRUPTED)
def test_an_interrupted_run_leaves_a_valid_partial_report(folder: Path, how: str) -> None:
    """After Ctrl-C, or when the process dies, results.json is valid, says so, and holds what was judged."""
    text = SUITE.replace('    check.conforms(case, "output")', f"    {INTERRUPTED[how]}")
    patch = "import itertools, types, rnn_spec.suite.recorder as p\n"
    patch += "p.time = types.SimpleNamespace(monotonic=itertools.count(10**9, 60).__next__)\n"
    (folder / "test_suite.py").write_text((patch if how == "killed" else "") + text)

    done = run(folder, "--subject", "spec", "-p", "no:randomly")

    found = results(folder)
    assert done.returncode == (2 if how == "Ctrl-C" else 9)
    assert not found.complete
    assert {"HID-06", "GRD-01"} == {v.clause for v in found.verdicts}
    assert [p.name for p in (folder / "rnn-spec-results").iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda d: d["verdicts"][0].pop("outcome"), "outcome"),
        (lambda d: d.update(complete="yes"), "complete"),
        (lambda d: d["verdicts"].append(3), "verdicts"),
    ],
    ids=["field missing", "wrong type", "no record"],
)
def test_a_damaged_report_is_refused_with_its_place(tmp_path: Path, damage: Any, where: str) -> None:
    """Reading results.json names what in it is not as it must be."""
    from rnn_spec.judge.verdict import Verdict

    path = tmp_path / "results.json"
    Results("spec", "spec 1", verdicts=[Verdict("a", "REC-01", "passed")]).write(path)
    data = json.loads(path.read_text())
    damage(data)
    path.write_text(json.dumps(data))

    with pytest.raises(ResultsError, match=where):
        Results.read(path)


def test_a_test_that_names_no_clause_or_no_case_is_refused(folder: Path) -> None:
    """A clause that is not in the catalogue, or flags that no case has, are errors of collection."""
    (folder / "test_clause.py").write_text(SUITE.replace("HID-06", "HID-99"))
    (folder / "test_cases.py").write_text(SUITE.replace("num_layers=1, bi", "num_layers=7, bi"))

    clause, cases = run(folder, "test_clause.py").stdout, run(folder, "test_cases.py")

    assert "no clause is called 'HID-99'" in clause
    assert "test_last_output: no case has {" in cases.stdout + cases.stderr
    assert cases.returncode != 0


def test_a_module_that_cannot_be_collected_is_told_by_pytest(folder: Path) -> None:
    """The plugin takes reports of collection as they are; the run stops with 2 and the reason."""
    (folder / "test_broken.py").write_text("raise LookupError('no such module')\n")

    done = run(folder, "--subject", "spec")

    assert done.returncode == 2
    assert "LookupError: no such module" in done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_collecting_the_suite_does_not_import_torch() -> None:
    """The whole suite is collected without torch."""
    script = (
        "import sys, pytest\n"
        "code = pytest.main(['--collect-only', '-qq', '-p', 'no:cacheprovider', 'tests/conformance'])\n"
        "print(); print('exit', int(code), 'torch' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )

    assert done.stdout.splitlines()[-1] == "exit 0 False", done.stdout[-2000:] + done.stderr
