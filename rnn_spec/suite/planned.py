"""A conformance test as it is called: a function, its parameters, and the check in its hand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn_spec.judge.check import Check, NoGradients, NotClaimed, Unsupported
from rnn_spec.judge.compare import Nonconformity
from rnn_spec.spec.catalogue import clauses

if TYPE_CHECKING:
    from rnn_spec.judge.check import Answers, Memory


@dataclass
class Trial:
    """One check of the suite. `arguments` are its parameters, with a Recipe under ``case``."""

    id: str
    clause: str
    function: Any
    arguments: dict[str, Any]
    needs: tuple[str, ...]

    @property
    def test(self) -> str:
        """The id without parameters."""
        return self.id.partition("[")[0]

    def judge(self, subject: Answers, memory: Memory | None = None) -> None:
        """Run on a subject, whose answers `memory` may hold; raises as `run` does, and as a Check does."""
        self.run(Check(clauses()[self.clause], subject, memory))

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


def check_id(nodeid: str) -> str:
    """What a check is called in results: its module, test and parameters, without pytest's folder."""
    test, bracket, parameters = nodeid.partition("[")
    return test.rpartition("/")[2] + bracket + parameters
