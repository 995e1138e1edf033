"""A subject, what it has answered in this run, and what is expected of it.

Whoever asks a subject asks through a Session: each question once, however many checks look at its answer, in
arrays of the subject's own, within a time, and whatever comes of it is an Observation.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rnn_spec.judge.compare import Nonconformity
from rnn_spec.questions import reveal
from rnn_spec.questions.blame import error_of, not_an_observation
from rnn_spec.questions.deadline import WATCHDOG, Hang, Pace
from rnn_spec.questions.expect import expect
from rnn_spec.questions.records import Case, Error, Expectation, Observation

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Attempt


class Answers(Protocol):
    """What is asked: the part of a subject that judging needs."""

    @property
    def claims(self) -> Claims:
        """What is claimed."""

    def run(self, case: Case) -> Observation:
        """Answer one Case."""

    def attempt(self, attempt: Attempt) -> Observation:
        """Answer one Attempt."""

    def unclaimed(self, case: Case) -> str | None:
        """Why `case` is outside what is claimed, or None."""


class NotClaimed(Exception):
    """The check needs something that the subject does not claim; the message says what."""


class NoGradients(NotClaimed):
    """The check needs gradients, and the subject claims none, or has raised at them."""


class WrongAdapter(Nonconformity):
    """The subject's own lines are wrong, so that nothing can be said of the layer behind them."""


class Unsupported(NotClaimed):
    """A question within the claims that the subject says it cannot answer; the message is why."""


class Session:
    """A subject, and what has been asked of it. `expectations` may be shared: they are the spec's."""

    def __init__(self, subject: Answers, expectations: dict[str, Expectation] | None = None) -> None:
        """Ask nothing yet."""
        self.subject, self.claims = subject, subject.claims
        self.observations: dict[str, Observation] = {}
        self.expectations: dict[str, Expectation] = {} if expectations is None else expectations
        self.pace = Pace()

    def claimed(self, case: Case, *, gradients: bool = True) -> Case:
        """`case`, with the cotangents that can be given, or none; NotClaimed if it is outside the claims.

        Unsupported, and nobody's promise, if it has deeds or a route and these are not declared.
        """
        if reason := self.claims.beyond(case):
            raise Unsupported(reason)
        if case.cotangents is not None:
            if not gradients or "gradients" not in self.claims.levels:
                case = case.derive("forward", cotangents=None)
            elif reason := self.claims.without_cotangent(case):
                raise NoGradients(reason)
            else:
                case = self.claims.asked(case)
        if reason := self.subject.unclaimed(case):
            raise NotClaimed(reason)
        return case

    def answer(self, case: Case, *, again: bool = False) -> Observation:
        """The subject's answer, from memory if it has been asked before and not `again`, whatever it is."""
        found = None if again else self.observations.get(case.fingerprint)
        if found is None:
            found = self.observations[case.fingerprint] = self._run(case)
        return found

    def expected(self, case: Case, observation: Observation | None = None) -> Expectation:
        """What the spec says, under the masks that an answer shows, which is needed where dropout acts."""
        if observation is not None and case.dropping and case.config.dropout < 1:
            return expect(case, reveal.masks(case, observation))
        if case.numbers not in self.expectations:
            self.expectations[case.numbers] = expect(case, reveal.masks(case, Observation()))
        return self.expectations[case.numbers]

    def attempt(self, attempt: Attempt) -> Observation:
        """What came of an attempt, from memory if it has been made before, by its id."""
        if attempt.id not in self.observations:
            self.observations[attempt.id] = self._answered(attempt.id, lambda: self.subject.attempt(attempt))
        return self.observations[attempt.id]

    def _run(self, case: Case) -> Observation:
        own = case.own()  # what the subject writes into it must not reach other checks
        observation = self._answered(case.id, lambda: self.subject.run(own))
        if observation.after is not None:
            return replace(observation, after={**own.given, **observation.after})
        told = observation.error or getattr(self.subject, "remote", False)
        return observation if told else replace(observation, after=own.given)

    def _answered(self, id: str, ask: Callable[[], Observation]) -> Observation:
        """What comes of a question, whatever it is, with every array an ndarray."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a warning is no error, whatever pytest is told
                observation = self._timed(id, ask)
        except KeyboardInterrupt:
            raise
        except Hang as e:
            return Observation(error=self._hung(e))
        except BaseException as e:  # a subject that raises has answered; so has one that calls sys.exit
            return Observation(error=error_of(e, self.subject))
        if not isinstance(observation, Observation):
            return Observation(error=not_an_observation(observation))
        try:
            return _numbers(observation)
        except Exception as e:  # lists of unlike lengths, say, or an array that is on another device
            message = f"the answer cannot be read as arrays: {' '.join(str(e).split())}"
            return Observation(error=Error("forward", type(e).__name__, message, own_line=True))

    def _timed(self, id: str, ask: Callable[[], Observation]) -> Observation:
        """Ask, within the time that a question may take; what answers from elsewhere has its own clock."""
        if getattr(self.subject, "remote", False):
            return ask()
        return WATCHDOG.run(id, ask, self.pace)

    def _hung(self, e: Hang) -> Error:
        """The error of a case that was ended, with the place where it stood."""
        where = error_of(e, self.subject).traceback.removesuffix(Hang.__qualname__).rstrip()
        return Error("worker", "hang", f"no answer within {WATCHDOG.limit:.3g} s", where)


def _numbers(observation: Observation) -> Observation:
    """The observation with every array an ndarray."""
    read = {name: np.asarray(a) for name, a in observation.arrays().items()}
    gradients = {name: read[f"grad {name}"] for name in observation.gradients}
    earlier = None if observation.earlier is None else tuple(np.asarray(a) for a in observation.earlier)
    return replace(
        observation, output=read.get("output"), h_n=read.get("h_n"), gradients=gradients, earlier=earlier
    )


def read(observation: Observation) -> None:
    """Nonconformity where an answer has no output, or no h_n, or holds anything but real numbers."""
    for name in ("output", "h_n"):
        if getattr(observation, name) is None:
            raise Nonconformity(f"the answer has no {name}", name)
    for name, array in observation.arrays().items():
        if np.asarray(array).dtype.kind not in "fiu":
            raise Nonconformity(f"{name}: holds {np.asarray(array).dtype}, expected real numbers", name)
