"""A gate: both sides found or made, recorded side by side, compared, and judged by what was accepted."""

from __future__ import annotations

import hashlib
import platform
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from packaging.version import Version

import rnn_spec
from rnn_spec import releases
from rnn_spec.far.process import beside
from rnn_spec.gate import accepted as acceptance
from rnn_spec.gate import environments, requirements, unanswered
from rnn_spec.gate import model as models
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.causes import named
from rnn_spec.gate.checkpoints import crossed
from rnn_spec.gate.code import Code
from rnn_spec.gate.compare import Change, compare, elsewhere, package
from rnn_spec.gate.environments import Wanted
from rnn_spec.gate.program import Program
from rnn_spec.gate.progress import Progress
from rnn_spec.gate.record import Suite, described, record
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
    live: bool = False
    python: str | None = None
    python_from: str | None = None
    python_to: str | None = None
    accepted: Path | None = None
    code: tuple[Path, ...] = ()
    speed: bool = False
    fresh: bool = False
    model: Path | None = None
    inputs: Path | None = None
    prefix: str | None = None
    nonlinearity: str | None = None
    batch_first: bool | None = None
    cuda: bool = False
    trust: bool = False
    outputs: Path | None = None

    @property
    def runs(self) -> bool:
        """Whether both torches have to run, whatever is on record."""
        return self.live or self.fresh or self.speed or self.model is not None


class Side(NamedTuple):
    """One side: its recording where it is on record, and the Python that has its torch, or is to get it."""

    recording: Recording | None = None
    python: Path | None = None
    wanted: Wanted | None = None


def run(options: Options, say: Callable[[str], None]) -> Result:
    """A whole gate; RecordingError where it cannot be run. `say` is told what is being done.

    All that is given is looked at before anything is fetched or run. On Ctrl-C the Result is partial: of what
    had been asked of both sides by then.
    """
    entries = acceptance.read(options.accepted) if options.accepted else ()
    code = Code.read(options.code) if options.code else None
    given = looked_at(options)
    sides = resolved(options, say)
    told = models.Told([], [])
    changes: list[Change] = []
    notes: list[str] = []
    partial = ""
    takes = Takes(say)
    try:
        sides = had(sides, say)
        live = [str(side.python) for side in sides if side.python]
        told = judged(options, given, live)
        a, b = takes.recordings(sides, options.fresh)
        if len(live) == len(sides):
            changes += crossed((takes.programs[0], a.header), (takes.programs[1], b.header))
            if options.speed:
                slower, ratios = measure(live[0], live[1], say=say)
                changes, notes = changes + slower, notes + ratios
    except KeyboardInterrupt:
        partial, a, b = takes.so_far()
    finally:
        takes.close()
    changes += told.changes + compare(a, b, EXPERIMENTS)
    found, problems = settled(changes, entries, code, (a.header.version, b.header.version))
    problems = [] if partial else problems + unanswered.problems(a, b)
    notes += takes.notes + [said for said in (lacking(a, b), newer(a, b), elsewhere(a, b)) if said]
    files = code.files if code else None
    since = began(found, a, b)
    return Result(
        a.header, b.header, found, options.fail_on, problems, notes, files, since, partial, told.lines
    )  # fmt: skip


def looked_at(options: Options) -> models.Options:
    """The model's own options, its files read; RecordingError where one is not there or not fit."""
    if options.model and not options.model.is_file():
        raise RecordingError(f"{options.model} is not a file")
    inputs, outputs = (models.load(path) if path else None for path in (options.inputs, options.outputs))
    return models.Options(
        options.model or Path(), inputs, options.prefix, options.nonlinearity, options.batch_first,
        options.cuda, options.trust, outputs,
    )  # fmt: skip


def judged(options: Options, given: models.Options, live: list[str]) -> models.Told:
    """What becomes of the user's model."""
    return models.judge(live, given) if options.model else models.Told([], [])


# -- the sides -------------------------------------------------------------------------------------


def resolved(options: Options, say: Callable[[str], None]) -> list[Side]:
    """Both sides, before anything is fetched; RecordingError where one cannot be had.

    A version that is on record, made on this platform, is taken from there, unless both have to run. A Python
    is always asked: its torch may be any.
    """
    found = [environments.find(name) for name in (options.source, options.target)]  # wrong names come first
    if options.runs and any(isinstance(which, Recording) for which in found):
        what = "--model" if options.model else "--speed" if options.speed else "--live"
        raise RecordingError(f"{what} needs two torches that run, and not recordings")
    pythons = (options.python_from or options.python, options.python_to or options.python)
    sides = []
    for which, python in zip(found, pythons, strict=True):
        if isinstance(which, Recording):
            sides.append(Side(recording=which))
        elif isinstance(which, Path):
            sides.append(Side(python=which))
        elif isinstance(which, str):
            sides.append(versioned(which, python, options, say))
        else:
            release = requirements.release(which, Archive.read().order, ask=not options.recorded)
            say(f"{which} is torch {release}")
            sides.append(versioned(release, python, options, say))
    return sides


def comes_to(name: str, *, recorded: bool) -> str:
    """What a side comes to: the release of a version or a range, the Python, or the recording's release."""
    which = environments.find(name)
    if isinstance(which, Recording):
        return which.header.version
    if isinstance(which, Path | str):
        return str(which)
    return requirements.release(which, Archive.read().order, ask=not recorded)


def versioned(which: str, python: str | None, options: Options, say: Callable[[str], None]) -> Side:
    """A version: from the record, or to be installed."""
    archive = Archive.read()
    bare = which.partition("+")[0]
    held = archive.recording(bare) if bare in archive.order else None
    if options.recorded:
        if options.runs:
            raise RecordingError(
                "--recorded runs nothing: leave out --model, --speed, --live and --fresh, or it"
            )
        if held is None:
            near = nearest(which, archive.order)
            raise RecordingError(
                f"torch {which} is not on record: the nearest that is, is {near}; leave out --recorded, and "
                f"{which} is installed and asked"
            )
        return Side(recording=held)
    here = f"{platform.system()} {platform.machine()}"
    if held is not None and not options.runs and not python and held.header.platform == here:
        build = held.header.version
        say(f"torch {which}: from the record of {build}, Python {held.header.python}; --live asks it here")
        return Side(recording=held)
    return Side(wanted=Wanted(which, environments.interpreter(which, python)))


def nearest(which: str, order: list[str]) -> str:
    """The release on record that is nearest to a version: the newest that is not newer, or the oldest."""
    wanted = Version(which)
    return next((r for r in reversed(order) if Version(r).release <= wanted.release), order[0])


def had(sides: list[Side], say: Callable[[str], None]) -> list[Side]:
    """The sides, each that has to be installed with its Python: both asked of pip, then both made at once."""
    wanted = list(dict.fromkeys(side.wanted for side in sides if side.wanted))
    if not wanted:
        return sides
    with beside(2) as both, Progress(lambda _: say("pip is at work"), every=20.0) as told:
        told.expect("pip", 1)
        [*both.map(lambda w: environments.asked(w, say), wanted)]
        made = dict(zip(wanted, both.map(lambda w: environments.installed(w, say), wanted), strict=True))
    return [side._replace(python=made[side.wanted]) if side.wanted else side for side in sides]


# -- recordings ------------------------------------------------------------------------------------


class Takes:
    """The recordings of a gate's sides, as they are made; what could not be kept is a note."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Nothing is recorded."""
        self.say = say
        self.notes: list[str] = []
        self.made: dict[int, Recording] = {}
        self.growing: dict[int, dict[str, Any]] = {0: {}, 1: {}}
        self.headers: dict[int, Header] = {}
        self.programs: dict[int, Program] = {}

    def close(self) -> None:
        """End the processes that run in live sides' Pythons."""
        for program in self.programs.values():
            program.close()

    def recordings(self, sides: list[Side], fresh: bool) -> list[Recording]:
        """Both sides' recordings, made side by side where they are live."""
        asked = Suite()
        with beside(2) as both, Progress(self.say) as told:
            return [*both.map(lambda n: self.recording(n, sides[n], fresh, asked, told), range(len(sides)))]

    def recording(self, n: int, side: Side, fresh: bool, asked: Suite, told: Progress) -> Recording:
        """A recording as it is, or that of a Python: the kept one, or made now and kept."""
        if side.recording is not None:
            self.headers[n], self.made[n] = side.recording.header, side.recording
            return side.recording
        python = str(side.python)
        program = self.programs[n] = Program(python)
        header, build = described(program, "torch", f"rnn-spec record torch@{python}")
        self.headers[n] = header
        path = kept(python, header, build)
        if path.exists() and not fresh:
            try:
                found = Recording.read(path)
            except RecordingError:
                path.unlink()  # not ours any more: made anew
            else:
                self.say(f"{header.version}: recorded before, {path}")
                self.made[n] = found
                return found
        part = told.part(f"{'AB'[n]}, {header.version}")  # both may be of one version
        made = record(python, header, self.say, asked, part, self.growing[n], program)
        self.made[n] = made
        try:
            made.write(path)
        except OSError as e:
            self.notes.append(
                f"the recording of {header.version} could not be kept: {path.parent}: {e.strerror}"
            )
        return made

    def so_far(self) -> tuple[str, Recording, Recording]:
        """Why it is partial, and what had been asked of both sides when the gate was stopped."""
        if len(self.headers) < 2:
            raise KeyboardInterrupt
        a, b = (self.made.get(n) or Recording(self.headers[n], self.growing[n]) for n in (0, 1))
        both = a.experiments.keys() & b.experiments.keys()
        if 0 in self.made and 1 in self.made:
            return "stopped before all was asked", a, b
        a, b = (Recording(side.header, {id: side.experiments[id] for id in both}) for side in (a, b))
        return f"stopped when {len(both)} experiments had been asked of both, and no clause", a, b


def kept(python: str, header: Header, build: str) -> Path:
    """Where the recording of this Python's torch is kept, by all that decides what is recorded."""
    packages = msgspec.json.encode(header.packages, order="sorted").decode()
    told = "\n".join([python, header.version, header.python, header.numpy, packages, build, own_digest()])
    name = re.sub(r"[^\w.+-]+", "-", header.version)
    return (
        environments.root() / "recordings" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.json"
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


# -- what is made of them --------------------------------------------------------------------------


def settled(
    changes: list[Change],
    entries: tuple[acceptance.Accepted, ...],
    code: Code | None,
    between: tuple[str, str],
) -> tuple[list[Change], list[str]]:
    """The changes with their causes, the lines that meet them, and what is accepted; and stale entries."""
    found = named(changes)
    if code:
        found = [msgspec.structs.replace(change, meets=code.meets(change)) for change in found]
    return acceptance.apply(entries, found, *between)


def began(changes: list[Change], a: Recording, b: Recording) -> dict[str, str]:
    """By id, the first release on record that shows a change, where the step skips some releases."""
    first, last = (releases.release(side.header.version) for side in (a, b))
    archive = Archive.read()
    if not first or not last or not any(first < Version(r) < last for r in archive.order):
        return {}
    runs: dict[str, Any] = {**archive.experiments, **archive.attempts, **archive.cases, **archive.clauses}
    begun = {c.id: [r for r in runs.get(c.id, ()) if first < Version(r) <= last] for c in changes}
    return {id: min(found, key=Version) for id, found in begun.items() if found}


def lacking(a: Recording, b: Recording) -> str:
    """A sentence on what could not be compared, because a side has no package that it needs."""
    ids = [id for id, fact in a.experiments.items() if package(fact) or package(b.experiments.get(id))]
    packages = [{package(side.experiments.get(id)) for id in ids} - {""} for side in (a, b)]
    if not ids:
        return ""
    if packages[0] == packages[1]:
        return f"{len(ids)} questions are not compared: both sides lack {_listed(packages[0])}"
    sides = [f"{x.header.version} lacks {_listed(p)}" for x, p in zip((a, b), packages, strict=True) if p]
    return f"{len(ids)} questions are not compared: {', and '.join(sides)}"


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))


def newer(a: Recording, b: Recording) -> str:
    """A sentence on what one side alone was asked; a check that fails, too, asks no further."""
    kinds = ("experiments", "attempts", "cases", "clauses")
    counts = {kind: len(getattr(a, kind).keys() ^ getattr(b, kind).keys()) for kind in kinds}
    told = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    return f"asked of one side alone, and not compared: {told}" if told else ""
