"""How long judging takes, as a ratio to what it judges, measured in one run.

The yardstick is torch's own import, plus a bare torch loop over the calls that the check makes:
construct the layer, load its parameters, run it forward, and backward where the case asks for it.
Everything is timed in fresh processes, in turn, `rounds` times; medians and their ratio are shown.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from rnn_spec.subjects.torch_eager import TorchSubject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from rnn_spec.cases.records import Case, Observation


class Watched(TorchSubject):
    """torch, remembering every case that it is asked."""

    asked: list[Case] = []  # noqa: RUF012 - shared on purpose: read after the run that made the instance

    def run(self, case: Case) -> Observation:
        """Answer, and remember."""
        self.asked.append(case)
        return super().run(case)


def bare_loop(cases: list[Case]) -> float:
    """Seconds for the cases' calls in nothing but torch; tensors are made before the clock starts."""
    import torch

    def tensors(arrays: Any, dtype: torch.dtype) -> Any:
        return {name: torch.tensor(a, dtype=dtype) for name, a in arrays.items() if a is not None}

    ready = []
    for case in cases:
        dtype = getattr(torch, case.dtype)
        g = None if case.cotangents is None else list(tensors(vars(case.cotangents), dtype).values())
        earlier = [tensors({"x": call.input, "h_0": call.h_0}, dtype) for call in case.earlier]
        given = tensors({"x": case.input, "h_0": case.h_0}, dtype)
        ready.append((case, asdict(case.config), tensors(case.parameters, dtype), given, earlier, g, dtype))
    started = time.perf_counter()
    for case, config, parameters, given, earlier, g, dtype in ready:
        rnn = torch.nn.RNN(**config).to(dtype).train(case.training)
        rnn.load_state_dict(parameters)
        for call in earlier:
            rnn(*call.values())
        for t in given.values():
            t.requires_grad_(g is not None)
        results = rnn(*given.values())
        if g is not None:
            torch.autograd.grad(results, [*given.values(), *rnn.parameters()], g)
    return time.perf_counter() - started


def replay(selection: list[str]) -> None:
    """Run the standard check once, then print the number of its calls and the bare loop's seconds."""
    import contextlib
    import io
    import warnings

    from rnn_spec.plugin import run_suite

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run_suite(["--subject=rnn_spec.benchmark:Watched", f"--results={folder}", *selection])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print(len(Watched.asked), min(bare_loop(Watched.asked) for _ in range(3)))


def report(console: Console, rounds: int, exhaustive: bool, selected: Sequence[str]) -> None:
    """Print each part's median seconds with its spread, and the ratio; `selected` clauses or areas only."""
    selection = [f"--clause={id}" for id in selected]
    calls, loop = _output([sys.executable, "-W", "ignore", "-m", "rnn_spec.benchmark", *selection]).split()
    with tempfile.TemporaryDirectory() as folder:
        check = [sys.executable, "-m", "rnn_spec", "check", "--results", folder, *selection]
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "rnn-spec check": check,
            "rnn-spec check -n 2": [*check, "-n", "2"],
            **(
                {"rnn-spec check --exhaustive -n 2": [*check, "--exhaustive", "-n", "2"]}
                if exhaustive
                else {}
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                started = time.perf_counter()
                _output(command)
                seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["import torch"]) + float(loop)
    table = Table(
        "what", "seconds", "least", "most", "ratio", title=f"medians of {rounds}; {calls} calls in the check"
    )
    table.add_row("bare torch loop", f"{float(loop):.2f}", "", "", "")
    for name, times in seconds.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.2f}", f"{min(times):.2f}", f"{max(times):.2f}", f"{median / base:.2f}")
    console.print(table)
    console.print("ratio: to (import torch + bare torch loop)")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    import rnn_spec.benchmark  # noqa: PLW0406 - the module that the suite imports, not this run of it

    rnn_spec.benchmark.replay(sys.argv[1:])
