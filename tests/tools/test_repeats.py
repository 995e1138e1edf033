"""A run gives the same verdicts in any order, and over any number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rnn_spec.judge.verdict import Verdict
from rnn_spec.suite.results import Results

CHECKOUT = Path(__file__).parents[2]
REPEATS = 20
PROCESSES = (1, 2, 4)
PART = os.environ.get("RNN_SPEC_REPEAT", "DRP DET INI STA PRC").split()
"""The areas that draw, seed, and change modules, classes and global state; ``all`` for the whole suite."""

SHUFFLED = """
import os, random

def pytest_collection_modifyitems(items):
    random.Random(os.environ["ORDER"]).shuffle(items)
"""


def verdicts(folder: Path, order: int, processes: int) -> list[Verdict]:
    """What a run in an order of its own finds."""
    wanted = [] if PART == ["all"] else [f"--clause={area}" for area in PART]
    program = "import sys; from rnn_spec.suite.launch import run_suite; sys.exit(run_suite(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{CHECKOUT}", "ORDER": str(order)}
    done = subprocess.run(
        [sys.executable, "-c", program, "-pshuffled", f"-n{processes}", *wanted],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = Results.read(folder / "rnn-spec-results" / "results.json").verdicts
    return [replace(verdict, seconds=0.0) for verdict in found]  # of which no two runs take the same


@pytest.mark.slow
def test_twenty_repeats_in_random_order_give_the_same_results(tmp_path: Path) -> None:
    """Twenty runs, each in an order of its own, over 1, 2 and 4 processes, agree verdict by verdict.

    Run with ``pytest -m slow tests/tools/test_repeats.py``; RNN_SPEC_REPEAT=all takes the whole suite.
    """
    (tmp_path / "shuffled.py").write_text(SHUFFLED)

    first = verdicts(tmp_path, 0, 1)
    for repeat in range(1, REPEATS):
        again = verdicts(tmp_path, repeat, PROCESSES[repeat % len(PROCESSES)])

        assert [(a, b) for a, b in zip(first, again, strict=True) if a != b] == []
    assert len(first) > 500
