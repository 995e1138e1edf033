"""The gate's result, as `rnn-spec gate --json` writes it, for the page: causes by what they mean to you."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rnn_spec.suite.results import ResultsError

if TYPE_CHECKING:
    from pathlib import Path


class Side(msgspec.Struct):
    """A release that was compared."""

    version: str


class Changed(msgspec.Struct):
    """One difference, in a line."""

    id: str
    verdict: str
    line: str
    clause: str | None = None
    advice: str | None = None
    accepted: str | None = None
    better: bool = False


class Cause(msgspec.Struct):
    """What some changes come of; `changes` are their ids, `meets` the lines of the user's code."""

    id: str
    verdict: str
    line: str
    changes: list[str]
    advice: str = ""
    fails: bool = False
    better: bool = False
    accepted: str = ""
    since: str = ""
    meets: list[str] = []
    clauses: list[str] = []


class Gated(msgspec.Struct):
    """What a gate found."""

    source: Side
    target: Side
    passes: bool
    summary: str
    changes: list[Changed]
    causes: list[Cause] = []
    fail_on: list[str] = []
    problems: list[str] = []
    notes: list[str] = []
    circumstances: list[str] = []
    code: int | None = None

    @property
    def title(self) -> str:
        """Which release became which."""
        return f"{self.source.version} → {self.target.version}"

    @property
    def by_id(self) -> dict[str, Changed]:
        """Each change by its id."""
        return {change.id: change for change in self.changes}

    @property
    def sections(self) -> dict[str, list[Cause]]:
        """The causes under what they mean for the reader, each once, what fails the gate first."""
        found: dict[str, list[Cause]] = {name: [] for name in SECTIONS}
        for cause in self.causes:
            met = self.code is None or cause.meets or any(id.startswith("model/") for id in cause.changes)
            found[
                "fails the gate" if cause.fails
                else "accepted" if cause.accepted
                else "only adds" if cause.better
                else "is told, and fails nothing" if met
                else "meets no line of your code"
            ].append(cause)  # fmt: skip
        return {name: causes for name, causes in found.items() if causes}


SECTIONS = (
    "fails the gate", "is told, and fails nothing", "accepted", "meets no line of your code", "only adds",
)  # fmt: skip


def read(path: Path) -> Gated:
    """The result in a file; OSError, or ResultsError with a sentence."""
    return of(path.read_bytes(), path)


def of(text: bytes, path: Path | str = "this") -> Gated:
    """The result that a JSON text is; ResultsError with a sentence, in which `path` stands for it."""
    try:
        found = msgspec.json.decode(text, type=Gated)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise ResultsError(f"{path} is not what `rnn-spec gate --json` writes: {e}") from e
    if not found.causes:  # an earlier gate's: each change is a cause of its own
        found.causes = [_alone(change, found.fail_on) for change in found.changes]
    told = {change.id for change in found.changes}
    for i, cause in enumerate(found.causes):
        if lost := [id for id in cause.changes if id not in told]:
            raise ResultsError(
                f"{path} is not what `rnn-spec gate --json` writes: "
                f"`causes[{i}]` names {lost[0]!r}, which is none of its changes"
            )
    if found.passes and any(cause.fails for cause in found.causes):
        raise ResultsError(
            f"{path} is not what `rnn-spec gate --json` writes: it passes, and a cause fails it"
        )
    return found


def _alone(c: Changed, fail_on: list[str]) -> Cause:
    fails = c.verdict in fail_on and not (c.accepted or c.better)
    return Cause(
        c.id, c.verdict, c.line, [c.id], c.advice or "", fails, c.better, c.accepted or "",
        clauses=[c.clause] if c.clause else [],
    )  # fmt: skip
