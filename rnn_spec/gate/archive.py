"""Recordings of many releases in a few files: a fact is stored where it begins, and holds until the next.

``experiments.json``, ``attempts.json``, ``cases.json``, ``questions.json`` and ``clauses.json`` have for each
of their keys what came of it by release, and for a release that is left out what came in the one before;
null: nothing. ``releases.json`` has the headers, and says which releases there are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from packaging.version import Version

from rnn_spec import files
from rnn_spec.gate.recording import (
    Arrays,
    Fact,
    Header,
    Question,
    Recording,
    RecordingError,
    Standing,
    read,
)
from rnn_spec.torch.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
Runs = dict[str, dict[str, T | None]]
"""By key and by the release in which it begins, a value."""
_version = cache(Version)


class Archive(msgspec.Struct, frozen=True):
    """All that is on record."""

    releases: dict[str, Header]
    experiments: Runs[Fact]
    attempts: Runs[Fact]
    cases: Runs[Arrays]
    questions: Runs[Question]
    clauses: Runs[Standing]

    @property
    def order(self) -> list[str]:
        """The releases, oldest first."""
        return sorted(self.releases, key=_version)

    def recording(self, release: str) -> Recording:
        """The recording of a release; RecordingError where there is none."""
        if release not in self.releases:
            raise RecordingError(f"torch {release} is not on record: {', '.join(self.order)} are")

        def at(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
            found = ((key, value_at(run, release)) for key, run in sorted(runs.items()))
            return {key: value for key, value in found if value is not None}

        return Recording(
            self.releases[release],
            at(self.experiments),
            at(self.attempts),
            at(self.cases),
            at(self.questions),
            at(self.clauses),
        )

    @classmethod
    def of(cls, recordings: Mapping[str, Recording]) -> Archive:
        """The archive that gives these recordings, by release."""
        order = sorted(recordings, key=_version)
        kept = {release: recordings[release] for release in order}
        return cls(
            {release: r.header for release, r in kept.items()},
            fold({n: r.experiments for n, r in kept.items()}),
            fold({n: r.attempts for n, r in kept.items()}),
            fold({n: r.cases for n, r in kept.items()}),
            fold({n: r.questions for n, r in kept.items()}),
            fold({n: r.clauses for n, r in kept.items()}),
        )

    def write(self, folder: Path) -> None:
        """Write the files, each whole or not at all."""
        for name in self.__struct_fields__:
            files.write(folder / f"{name}.json", by_line(getattr(self, name)))

    @classmethod
    def read(cls, folder: Path | None = None) -> Archive:
        """Read what `write` wrote, or what ships; RecordingError says what is not as it must be."""
        types = {f.name: f.type for f in msgspec.structs.fields(cls)}
        return cls(**{name: read((folder or shipped()) / f"{name}.json", of) for name, of in types.items()})


def by_line(held: Mapping[str, Any]) -> bytes:
    """A dict as JSON with a line for each of its keys: small, and git shows what changed."""
    rows = [
        msgspec.json.encode(key) + b": " + msgspec.json.encode(x, order="sorted") for key, x in held.items()
    ]
    return b"{\n" + b",\n".join(rows) + b"\n}\n"


def shipped() -> Path:
    """The folder of the recordings that come with rnn-spec: in the installed package, or in the checkout."""
    return files.shipped("fixtures/torch", "fixtures/torch")


def fold(by_release: Mapping[str, Mapping[str, T]]) -> Runs[T]:
    """By key, what came of it in the first release and wherever that changes; releases are in order."""
    found: Runs[T] = {}
    for key in sorted({key for values in by_release.values() for key in values}):
        run: dict[str, T | None] = {}
        held: bytes | None = None
        for release, values in by_release.items():
            value = values.get(key)
            said = msgspec.json.encode(value)  # which tells 1 from 1.0 and from true, as == does not
            if said != held and (run or value is not None):
                run[release] = value
            held = said
        found[key] = run
    return found


def value_at(run: Mapping[str, T | None], release: str) -> T | None:
    """What a run holds in a release: what begins last of all that begins by then."""
    begun = [r for r in run if _version(r) <= _version(release)]
    return run[max(begun, key=_version)] if begun else None


def neutral(recording: Recording) -> Recording:
    """The recording without what its header says of the machine it was made on, and of how much was asked.

    Parts are added to what is on record; that it is whole is tested.
    """
    header = msgspec.structs.replace(
        recording.header, subject="torch", command="rnn-spec record torch@PYTHON -o FILE", asked={}
    )
    return msgspec.structs.replace(recording, header=header)


def release_of(header: Header) -> str:
    """The release by its number alone: 2.13.0."""
    return header.version.removeprefix("torch ").partition("+")[0]


def put(held: Mapping[str, Recording], made: Recording) -> Recording:
    """What is on record of a release with this recording in it: in its place, or a part added to it."""
    release = release_of(made.header)
    if made.clauses:
        return made
    if release not in held:
        raise RecordingError(f"only a part of torch {release} is recorded, and no whole is on record")
    whole = held[release]
    for name in ("version", "python", "numpy", "platform", "processor"):
        one, other = getattr(whole.header, name), getattr(made.header, name)
        if one != other:
            raise RecordingError(f"torch {release} is on record with {name} {one}, and not with {other}")
    header = msgspec.structs.replace(whole.header, packages=made.header.packages or whole.header.packages)
    experiments = {id: fact for id, fact in whole.experiments.items() if id in EXPERIMENTS}
    return msgspec.structs.replace(
        whole, header=header, experiments=experiments | made.experiments, cases=whole.cases | made.cases
    )
