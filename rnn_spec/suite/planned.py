"""A check that is planned: a conformance test with its parameters; and what becomes of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn_spec.judge.check import Check
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.judge.session import NoGradients, NotClaimed, Unsupported
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from rnn_spec.judge.known import Expected, Known
    from rnn_spec.judge.session import Session


@dataclass(frozen=True)
class Outcome:
    """What became of a check, of `judge.verdict.OUTCOMES`; the Check as it was left, and what it raised."""

    word: str
    check: Check | None = None
    error: BaseException | None = None

    @property
    def difference(self) -> str | None:
        """What differs, if the check failed."""
        return str(self.error) if self.word == "failed" else None

    def settle(self, id: str, expected: Expected) -> tuple[str, Known | None]:
        """The outcome of the check of this id in view of what is expected to fail, and which failure is."""
        if self.word not in ("passed", "failed"):
            return self.word, None
        return expected.settle(id, self.difference)


@dataclass
class Planned:
    """One check of the suite. `arguments` are its parameters, with a Recipe under ``case``."""

    id: str
    clause: str
    function: Any
    arguments: dict[str, Any]
    needs: tuple[str, ...]

    @property
    def test(self) -> str:
        """The id without parameters."""
        return without_parameters(self.id)

    def outcome(self, session: Session) -> Outcome:
        """Ask, and say what becomes of it: the one place where what a check raises is told apart."""
        check = None
        try:
            check = Check(clauses()[self.clause], session)
            self.run(check)
        except Unsupported as e:
            return Outcome("unsupported", check, e)
        except NotClaimed as e:
            return Outcome("not claimed", check, e)
        except Nonconformity as e:
            return Outcome("failed", check, e)
        except Exception as e:  # which says nothing of the subject
            return Outcome("broken", check, e)
        return Outcome("passed", check)

    def run(self, check: Check) -> None:
        """Call the test with its case and its parameters; raises as it does.

        A subject that raises in the backward pass, or says that it cannot give those gradients, has come
        short at gradients and at nothing else: where the clause is not about these, the test is called again
        without them.
        """
        try:
            self.call(check)
        except (Nonconformity, Unsupported):
            if not check.look_forward():
                raise
            with contextlib.suppress(NoGradients):
                return self.call(check)
            raise  # the test is about gradients, whatever its clause is

    def call(self, check: Check) -> None:
        """Call the test once."""
        values = {**self.arguments, "check": check}
        if "case" in self.arguments:
            if self.arguments["case"] is None:
                raise NotClaimed("not claimed: no case of this check is within the claims")
            values["case"] = self.arguments["case"].case()
        try:
            self.function(**{name: values[name] for name in self.needs})
        except SystemExit as e:  # of the class under test, where a check calls that itself
            raise Nonconformity(f"raised SystemExit: {e.code}") from e


def without_parameters(check: str) -> str:
    """The test of a check, by its id: the id without parameters."""
    return check.partition("[")[0]


def check_id(nodeid: str) -> str:
    """What a check is called in results: its module, test and parameters, without pytest's folder."""
    test, bracket, parameters = nodeid.partition("[")
    return test.rpartition("/")[2] + bracket + parameters
