"""A gate: both sides found or made, recorded side by side, compared, and judged by what was accepted."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import rnn_spec
from rnn_spec.far.process import beside
from rnn_spec.gate import accepted as acceptance
from rnn_spec.gate import environments
from rnn_spec.gate import model as models
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.checkpoints import crossed
from rnn_spec.gate.compare import Change, compare
from rnn_spec.gate.record import Suite, describe, record
from rnn_spec.gate.recording import Header, Recording, RecordingError
from rnn_spec.gate.report import Result
from rnn_spec.gate.speed import measure
from rnn_spec.suite.launch import suite
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Callable


class Options(NamedTuple):
    """What a gate is asked: two sides, and what to look at beside their recordings."""

    source: str
    target: str
    fail_on: list[str]
    recorded: bool = False
    python: str | None = None
    accepted: Path | None = None
    speed: bool = True
    fresh: bool = False
    model: Path | None = None
    inputs: Path | None = None
    prefix: str | None = None
    nonlinearity: str | None = None
    batch_first: bool | None = None
    cuda: bool = False


def run(options: Options, say: Callable[[str], None]) -> Result:
    """A whole gate; RecordingError where it cannot be run. `say` is told what is being done."""
    entries = acceptance.read(options.accepted) if options.accepted else ()
    sides = ready((options.source, options.target), options.python, options.recorded, say)
    live = [str(side) for side in sides if isinstance(side, Path)]
    both = len(live) == len(sides)
    changes, notes = judged(options, live, both)
    a, b = recordings(sides, options.fresh, say)
    changes += compare(a, b, EXPERIMENTS)
    if both:
        changes += crossed((live[0], a.header), (live[1], b.header))
    if both and options.speed:
        slower, ratios = measure(live[0], live[1], say=say)
        changes, notes = changes + slower, notes + ratios
    changes, problems = acceptance.apply(entries, changes, a.header.version, b.header.version)
    return Result(a.header, b.header, changes, options.fail_on, problems, notes)


def judged(options: Options, live: list[str], both: bool) -> tuple[list[Change], list[str]]:
    """What becomes of the user's model, if there is one."""
    if not options.model:
        return [], []
    if not both:
        raise RecordingError("--model needs two torches that run, and not recordings")
    given = models.load(options.inputs) if options.inputs else None
    told = options.prefix, options.nonlinearity, options.batch_first, options.cuda
    return models.judge(live[0], live[1], models.Options(options.model, given, *told))


def ready(
    names: tuple[str, str], python: str | None, recorded: bool, say: Callable[[str], None]
) -> list[Path | Recording]:
    """Both sides, each a recording or a Python with torch in it; RecordingError where one cannot be had.

    With `recorded`, a version is that of the recordings that ship; else it is installed.
    """
    found = [environments.find(name) for name in names]  # a wrong name is told before anything is installed
    if recorded:
        archive = Archive.read()
        found = [archive.recording(which) if isinstance(which, str) else which for which in found]
    return [
        environments.installed(which, python, say) if isinstance(which, str) else which for which in found
    ]


def recordings(found: list[Path | Recording], fresh: bool, say: Callable[[str], None]) -> list[Recording]:
    """Both sides' recordings, made side by side where they are live."""
    asked = Suite()
    with beside(2) as both:
        return [*both.map(lambda which: recording(which, fresh, say, asked), found)]


def recording(which: Path | Recording, fresh: bool, say: Callable[[str], None], asked: Suite) -> Recording:
    """A recording as it is, or that of a Python: the kept one, or made now and kept."""
    if isinstance(which, Recording):
        return which
    python = str(which)
    header = describe(python, "torch", f"rnn-spec record torch@{python}")
    path = kept(python, header)
    if path.exists() and not fresh:
        try:
            found = Recording.read(path)
        except RecordingError:
            path.unlink()  # not ours any more: made anew
        else:
            say(f"{header.version}: recorded before, {path}")
            return found
    made = record(python, header, say, asked)
    made.write(path)
    return made


def kept(python: str, header: Header) -> Path:
    """Where the recording of this Python's torch is kept, by all that decides what is recorded."""
    told = "\n".join([python, header.version, header.python, header.numpy, own_digest()])
    name = re.sub(r"[^\w.+-]+", "-", header.version)
    return (
        environments.cache() / "recordings" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.json"
    )


@cache
def own_digest() -> str:
    """Our own version and files: another rnn-spec asks other things."""
    root = Path(rnn_spec.__file__).parent
    digest = hashlib.sha256(rnn_spec.__version__.encode())
    for folder in (root, suite()):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".toml", ".txt"):
                digest.update(path.read_bytes())
    return digest.hexdigest()
