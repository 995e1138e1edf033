"""The subject of a session, loaded once, and what is expected of it."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from rnn_spec.judge.known import Expected
from rnn_spec.judge.session import Session
from rnn_spec.questions.claims import Claims
from rnn_spec.subjects import registry
from rnn_spec.subjects.base import facts_of, version_of

if TYPE_CHECKING:
    from rnn_spec.judge.known import Known
    from rnn_spec.subjects.base import Subject

SESSION = pytest.StashKey["UnderTest"]()
OWN = pytest.StashKey["tuple[Known, ...]"]()
"""The subject's own file of known failures."""


class UnderTest:
    """The subject of a session, loaded once it is looked at, and what it has answered."""

    def __init__(self, name: str, own: tuple[Known, ...] = (), claims: Claims | None = None) -> None:
        """Remember the name, and which failures are known to its own people; or, with `claims`, be nobody."""
        self.name, self.owed = name, Counter[str]()
        self.own, self.nobody = own, claims
        self.refusal: registry.SubjectError | None = None
        self.introduced = False

    @cached_property
    def subject(self) -> Subject:
        """The subject; a SubjectError is raised again each time without loading again."""
        if self.refusal is None:
            try:
                return registry.load(self.name)
            except registry.SubjectError as e:
                self.refusal = e
        raise self.refusal

    @cached_property
    def session(self) -> Session:
        """What it has been asked, and has answered."""
        return Session(self.subject)

    @cached_property
    def claims(self) -> Claims:
        """What it claims, or everything where there is no subject, which the first check will say."""
        if self.nobody:
            return self.nobody
        try:
            return self.subject.claims
        except registry.SubjectError:
            return Claims()

    @cached_property
    def version(self) -> str:
        """What exactly is under test."""
        return version_of(self.subject, self.name)

    @cached_property
    def expected(self) -> Expected:
        """The failures that are expected of it."""
        return Expected.of(self.subject, self.version, self.own)

    def introductions(self) -> dict[str, Any]:
        """What the report of the first check that this process asks says of the subject; and then no more.

        Its version and title, and as Results has it what it claims, declares, runs on, and is known to get
        wrong.
        """
        if self.introduced:
            return {}
        expects = [k.id for k in self.expected.strict]
        declares, facts = {**self.subject.declares}, facts_of(self.subject)
        told = {**self.claims.told(), "declares": declares, "facts": facts, "expects": expects}
        self.introduced = True
        return {"subject": self.version, "title": self.subject.title, "introduction": told}


def session_of(config: pytest.Config) -> UnderTest:
    """The subject under test in this process."""
    if SESSION not in config.stash:
        nobody = Claims() if config.option.collectonly else None  # nobody is asked
        config.stash[SESSION] = UnderTest(config.getoption("subject"), config.stash[OWN], nobody)
    return config.stash[SESSION]
