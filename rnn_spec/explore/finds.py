"""Finds that are kept: a question in a file, which is asked again, a script, and what it behaves like."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from rnn_spec import files
from rnn_spec.explore import judged, scripts
from rnn_spec.far import wire
from rnn_spec.judge.check import Check
from rnn_spec.judge.session import Session
from rnn_spec.questions.records import Attempt
from rnn_spec.report import question
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rnn_spec.explore.judged import Find
    from rnn_spec.report.question import Question
    from rnn_spec.subjects.base import Subject

FOLDER = "finds"
"""Where finds lie, beside results.json."""
LONGEST = 120
"""Characters of a file's name."""


def keep(find: Find, subject: str, version: str, asked_of: Subject, folder: Path) -> list[Path]:
    """Write what asks a find again, and a script that needs nothing of ours: the files, if any."""
    name = re.sub(r"[^A-Za-z0-9_.~-]+", "_", f"{find.clause}-{find.case.id}")[:LONGEST]
    asked = question.of(find.check, find.id, subject, find.difference)
    if isinstance(find.case, Attempt):
        asked = question.Question(1, subject, find.clause, find.id, find.difference, attempt=find.case)
    written = []
    if asked is not None and len(text := wire.encode(asked)) <= question.LARGEST:
        written.append(folder / FOLDER / f"{name}.json")
        files.write(written[-1], text + b"\n")
    script = scripts.of(find, asked_of, version)
    if script is not None and len(script) <= question.LARGEST:
        written.append(folder / FOLDER / f"{name}.py")
        files.write(written[-1], script.encode())
    return written


def kept(folder: Path, subject: str) -> Iterator[tuple[Path, Question]]:
    """The questions that earlier runs have found of this subject, and what they lie in."""
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            asked = question.read(path)
        except (OSError, wire.WireError):
            continue  # of another version, or no question: `check --question` says what is wrong with it
        if (
            asked.subject == subject
            and asked.check.startswith(judged.PREFIX)
            and aspect(asked) in judged.ASPECTS
        ):
            yield path, asked


def aspect(asked: Question) -> str:
    """In which aspect a find was judged."""
    return asked.check.removeprefix(f"{judged.PREFIX}::").partition("[")[0]


def again(asked: Question, subject: Subject) -> Find | None:
    """What is wrong with the answer to a question that was found before; None if nothing is any more."""
    return judged.find(Session(subject), asked.asked, aspect(asked))


def judge(asked: Question, session: Session) -> None:
    """Judge a find as it was judged; raises as a check does."""
    judged.ASPECTS[aspect(asked)].judge(Check(clauses()[asked.clause], session), asked.asked)


def command(path: Path, subject: str) -> str:
    """What asks a find again."""
    return f"rnn-spec check {shlex.quote(subject)} --question {shlex.quote(str(path))}"
