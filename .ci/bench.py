"""How long judging takes, as a ratio to what it judges: ``python .ci/bench.py --rounds 3``.

The yardstick is torch's own import, plus a bare torch loop over the calls that the check makes: construct
the layer, load its parameters, make the earlier calls, run it forward, and backward where the case asks for
it. A call that torch refuses is made, too. Everything is timed in fresh processes, in turn; medians and
their ratio are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from rnn_spec.suite.launch import run_suite
from rnn_spec.torch.eager import TorchSubject

if TYPE_CHECKING:
    from rnn_spec.questions.records import Case, Observation


class Watched(TorchSubject):
    """torch, remembering every case that it is asked."""

    asked: list[Case] = []  # noqa: RUF012 - shared on purpose: read after the run that made the instance

    def run(self, case: Case) -> Observation:
        """Answer, and remember."""
        self.asked.append(case)
        return super().run(case)


class Ready:
    """A case as torch's own objects, made before the clock starts."""

    def __init__(self, case: Case) -> None:
        """Make the tensors."""
        import torch

        self.dtype = getattr(torch, case.dtype)
        self.config, self.training = asdict(case.config), case.training
        self.parameters = {name: self.tensor(a) for name, a in case.parameters.items()}
        self.given = self.call(case.input, case.h_0)
        self.earlier = [(self.call(c.input, c.h_0), c.training) for c in case.calls]
        self.lengths = None if case.lengths is None else torch.tensor([int(n) for n in case.lengths])
        g = case.cotangents
        self.cotangents = None if g is None else [self.tensor(g.output), self.tensor(g.h_n)]

    def tensor(self, array: Any) -> Any:
        """An array in the case's dtype."""
        import torch

        return torch.tensor(array, dtype=self.dtype)

    def call(self, x: Any, h_0: Any) -> list[Any]:
        """The arguments of a call."""
        return [self.tensor(a) for a in (x, h_0) if a is not None]

    def make(self) -> None:
        """Everything that the case asks torch for."""
        import torch

        rnn = torch.nn.RNN(**self.config).to(self.dtype)
        rnn.load_state_dict(self.parameters)
        for arguments, training in self.earlier:
            rnn.train(training)(*arguments)
        rnn.train(self.training)
        for t in self.given:
            t.requires_grad_(self.cotangents is not None)
        results = self.forward(rnn)
        if self.cotangents is not None:
            torch.autograd.grad(results, [*self.given, *rnn.parameters()], self.cotangents)

    def forward(self, rnn: Any) -> tuple[Any, Any]:
        """The call that is asked about, packed and unpacked again where the sequences have lengths."""
        if self.lengths is None:
            output, h_n = rnn(*self.given)
            return output, h_n
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x, *h_0 = self.given
        first = self.config["batch_first"]
        packed = pack_padded_sequence(x, self.lengths, batch_first=first, enforce_sorted=False)
        output, h_n = rnn(packed, *h_0)
        return pad_packed_sequence(output, first, total_length=x.shape[1 if first else 0])[0], h_n


def bare_loop(cases: list[Case]) -> float:
    """Seconds for the cases' calls in nothing but torch."""
    ready = [Ready(case) for case in cases]
    started = time.perf_counter()
    for case in ready:
        with contextlib.suppress(RuntimeError, ValueError):  # a sequence of no steps, say
            case.make()
    return time.perf_counter() - started


def replay(selection: list[str]) -> None:
    """Run the check once, then print the number of its calls and the bare loop's seconds."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        code = run_suite(["--subject=bench:Watched", f"--results={folder}", *selection])
    if code:
        sys.exit(f"the check itself ended with {code}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print(len(Watched.asked), min(bare_loop(Watched.asked) for _ in range(3)))


def timed(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each command, a list of as many as there are rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            started = time.perf_counter()
            _output(command)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def report(rounds: int, exhaustive: bool, selected: list[str]) -> None:
    """Print each part's median seconds with its spread, and the ratio; `selected` clauses or areas only."""
    selection = [f"--clause={id}" for id in selected]
    calls, loop = _output([sys.executable, "-W", "ignore", __file__, "--replay", *selection]).split()
    with tempfile.TemporaryDirectory() as folder:
        check = [sys.executable, "-m", "rnn_spec", "check", "--results", folder, *selection]
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "rnn-spec check": check,
            "rnn-spec check -n 2": [*check, "-n", "2"],
        }
        if exhaustive:
            commands["rnn-spec check --exhaustive -n 2"] = [*check, "--exhaustive", "-n", "2"]
        seconds = timed(commands, rounds)
    base = statistics.median(seconds["import torch"]) + float(loop)
    table = Table(
        "what", "seconds", "least", "most", "ratio", title=f"medians of {rounds}; {calls} calls in the check"
    )
    table.add_row("bare torch loop", f"{float(loop):.2f}", "", "", "")
    for name, times in seconds.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.2f}", f"{min(times):.2f}", f"{max(times):.2f}", f"{median / base:.2f}")
    Console().print(table)
    print("ratio: to (import torch + bare torch loop)")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    parser.add_argument("--exhaustive", action="store_true", help="time the full product, too")
    parser.add_argument("--clause", action="append", default=[], help="only this clause or area")
    parser.add_argument("--replay", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.rounds < 1:
        parser.error("--rounds is a number from 1 on")
    if told.replay:
        import bench  # the module that the suite imports, not this run of it

        bench.replay([f"--clause={id}" for id in told.clause])
    else:
        report(told.rounds, told.exhaustive, told.clause)


if __name__ == "__main__":
    main()
