"""The suite in a test module of one's own: one pytest test for each check, and nothing to configure.

    import rnn_spec
    from my_package import MyRNN


    @rnn_spec.parametrize(MyRNN)
    def test_my_rnn(check):
        check()

It needs no plugin and no conftest: `-k`, `-x`, `--lf`, `--junitxml`, `-n` and other plugins work as with any
test. What the subject does not claim is skipped, with the reason; a SHOULD that fails is an xfail, for it
alone does not keep a subject from conforming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    import pytest

    from rnn_spec.judge.check import Check
    from rnn_spec.subjects.base import Subject
    from rnn_spec.suite.planned import Planned
    from rnn_spec.suite.under_test import UnderTest


def parametrize(
    subject: str | Subject | Callable[[], Subject],
    *,
    known: str | PathLike[str] | None = None,
    clauses: Sequence[str] = (),
) -> pytest.MarkDecorator:
    """A decorator that gives a test an argument ``check``, in turn each check of the suite, to be called.

    `subject` is a Subject, its class, or a name as `rnn-spec check` takes it. `known` is a file of the
    failures that are expected of it, as `rnn-spec check --known` takes it: such a failure is an xfail, and
    one that does not come is a failure. `clauses` are the only clauses or areas to ask about, if given.
    """
    import pytest

    from rnn_spec.judge.known import KnownError
    from rnn_spec.subjects.base import SubjectError

    try:
        checks = _checks(subject, known, clauses)
    except (KnownError, SubjectError) as e:
        raise pytest.Collector.CollectError(f"rnn_spec.parametrize: {e}") from e
    return pytest.mark.parametrize("check", checks, ids=[c.planned.id for c in checks])


def _checks(subject: Any, known: str | PathLike[str] | None, clauses: Sequence[str]) -> list[Asked]:
    """The checks of the suite, for this subject; KnownError where a known failure is of none of them."""
    from pathlib import Path

    from rnn_spec.judge.known import KnownError, matches, read
    from rnn_spec.subjects.base import Subject, SubjectError
    from rnn_spec.subjects.registry import load
    from rnn_spec.suite.collect import collect
    from rnn_spec.suite.under_test import UnderTest

    own = read(Path(known)) if known else ()
    named = isinstance(subject, str)
    under_test = UnderTest(subject if named else "", own)
    made = load(subject) if named else subject if isinstance(subject, Subject) else subject()
    under_test.subject = made
    if problem := made.claims.problem():
        raise SubjectError(f"subject {made.title!r}: {problem}")
    trials = collect(made.claims)
    for k in own:
        for pattern in k.checks if k.applies(made.title, under_test.version) else ():
            if not any(matches(trial.id, pattern) for trial in trials):
                raise KnownError(f"{k.file}: known failure {k.id!r}: no check is called {pattern!r}")
    wanted = set(clauses)
    return [
        Asked(t, under_test) for t in trials if not wanted or {t.clause, t.clause.partition("-")[0]} & wanted
    ]


@dataclass(frozen=True)
class Asked:
    """A check of the suite, and whom it asks."""

    planned: Planned
    under_test: UnderTest

    def __call__(self) -> None:
        """Ask; what comes of it is pytest's: passed, failed with an explanation, skipped or xfailed."""
        import pytest

        from rnn_spec.judge.session import WrongAdapter
        from rnn_spec.spec.catalogue import clauses

        outcome = self.planned.outcome(self.under_test.session)
        word, row = outcome.settle(self.planned.id, self.under_test.expected)
        if word == "broken" and outcome.error:
            raise outcome.error
        if word == "unsupported" and not self.under_test.claims.declared(str(outcome.error)):
            pytest.fail(f"claimed, and not answered: {outcome.error}", pytrace=False)
        if word in ("unsupported", "not claimed"):
            pytest.skip(str(outcome.error))
        if row and word == "known" and not isinstance(outcome.error, WrongAdapter):
            pytest.xfail(f"{row.id}: {row.happens}")
        clause = clauses()[self.planned.clause]
        if outcome.error and clause.force == "SHOULD":
            pytest.xfail(f"{clause.id} (SHOULD): {outcome.error}")
        if outcome.error and outcome.check:
            pytest.fail(_explained(outcome.check, outcome.error), pytrace=False)
        if row:
            pytest.fail(f"known failure {row.id!r} passes: take it out of {row.file}", pytrace=False)

    def __repr__(self) -> str:
        """Its id."""
        return self.planned.id


def _explained(check: Check, error: BaseException) -> str:
    """The text of a failure, with the traceback if the subject raised."""
    from rnn_spec.judge.verdict import explain

    text = explain(check.clause, check.case.id if check.case else None, str(error), None)
    return f"{text}\n{check.error.traceback}" if check.error and check.error.traceback else text
