"""One check of one clause: ask the subject, compare with the spec, remember the headroom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rnn_spec.judge.compare import Comparison, Nonconformity, compare
from rnn_spec.judge.laws import both_read
from rnn_spec.judge.session import NoGradients, NotClaimed, Unsupported, WrongAdapter, read
from rnn_spec.questions.claims import MODULE, NOT_HERE
from rnn_spec.questions.records import Bound, Case, Error, Expectation, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnn_spec.judge.session import Session
    from rnn_spec.questions.claims import Claims
    from rnn_spec.questions.records import Attempt
    from rnn_spec.spec.catalogue import Clause


FACTS = {
    "parameters": "the shapes of its parameters",
    "after": "what its arguments hold after the call",
    "aliases": "what shares memory",
    "drew": "whether the call drew random numbers",
    "dtypes": "the dtypes of its results",
    "earlier": "the outputs of the earlier calls",
}
"""What an Observation may leave out, unless it is claimed that it is told."""


class Gradients(dict[str, np.ndarray]):
    """Gradients by name; NotClaimed where one that is not claimed is looked at."""

    def __init__(self, found: dict[str, np.ndarray], claims: Claims) -> None:
        """Keep them, and what is claimed."""
        super().__init__(found)
        self.claims = claims

    def __missing__(self, name: str) -> np.ndarray:
        """Say that it is not claimed, if that is why it is missing."""
        if self.claims.gives(f"grad {name}"):
            raise KeyError(name)
        raise NotClaimed(f"not claimed: the gradient of {name}")


class Check:
    """A clause, a subject, and everything that a conformance test needs to bring them together.

    Every method raises Nonconformity with what differs, or returns; `headroom` is the worst
    error / bound so far, `case` the last case asked, and `error` what the subject raised at it.
    """

    def __init__(self, clause: Clause, session: Session) -> None:
        """Begin; NotClaimed if the subject does not claim the clause's level, or what else it needs."""
        self.clause, self.session = clause, session
        self.subject, self.claims = session.subject, session.claims
        self.case: Case | None = None
        self.headroom: float | None = None
        self.worst: Comparison | None = None
        self.bound: Bound | None = None
        self.got: Any = None
        self.error: Error | None = None
        self.broke_backward, self.forward_only = False, False
        if reason := self.claims.without(clause):
            raise NotClaimed(reason)

    def ask(self, case: Case, *, again: bool = False, shaped: bool = True) -> Observation:
        """The subject's answer, from memory if it has been asked before and not `again`.

        NotClaimed if the case is outside what the subject claims, Unsupported if it is not and the subject
        says that it cannot answer it; Nonconformity if it raised, or if output or h_n has not the right
        shape (unless not `shaped`: where shapes are what is checked).
        """
        case = self.claimed(case)
        self.case = case
        observation = self.session.answer(case, again=again)
        self.error = observation.error
        if observation.unsupported:
            self.broke_backward = case.cotangents is not None
            reason = observation.unsupported
            machine = reason.startswith(NOT_HERE) and self.claims.declared(reason)
            raise (NotClaimed if machine else Unsupported)(reason)
        if (error := self.error) is not None:
            self.broke_backward = error.phase == "backward"
            where = "grad" if self.broke_backward else ""
            raise (WrongAdapter if error.phase == "adapter" else Nonconformity)(f"raised {error}", where)
        read(observation)
        if shaped:
            for name, shape in result_shapes(case).items():
                self.equal(f"{name}'s shape", np.shape(getattr(observation, name)), shape)
        return observation

    def attempt(self, attempt: Attempt) -> Observation:
        """What came of an attempt, refused or not; Unsupported where it is not asked, or cannot be made.

        Nonconformity where nothing came of it: a process that died, or a layer that cannot be looked at.
        """
        if "attempts" not in self.claims.contract:
            raise Unsupported(MODULE)
        observation = self.session.attempt(attempt)
        if observation.unsupported:
            raise Unsupported(observation.unsupported)
        error = observation.error
        if (error and error.phase in ("worker", "adapter", "tell")) or not (error or observation.attempted):
            self.error = error
            kind = WrongAdapter if error and error.phase == "adapter" else Nonconformity
            raise kind(f"raised {error}" if error else "the answer does not tell what the layer shows")
        return observation

    def look_forward(self) -> bool:
        """Begin anew without gradients, if the subject raised at those, or cannot give them; whether so."""
        if not self.broke_backward or self.forward_only or self.clause.level == "gradients":
            return False
        self.forward_only, self.case, self.headroom, self.worst = True, None, None, None
        return True

    def claimed(self, case: Case) -> Case:
        """`case` as it can be asked; NotClaimed if it is outside the claims (see `Session.claimed`)."""
        return self.session.claimed(case, gradients=not self.forward_only)

    def expect(self, case: Case) -> Expectation:
        """What the spec says, under the masks that the subject drew where dropout acts."""
        case = self.claimed(case)
        random = case.dropping and case.config.dropout < 1
        return self.session.expected(case, self.ask(case) if random else None)

    def conforms(self, case: Case, *names: str) -> Observation:
        """The subject's arrays of these names (a trailing * takes all that begin so) are the spec's."""
        answer, expected = self.ask(case, shaped=False), self.expect(case).arrays
        arrays = answer.arrays()
        wanted = [n for name in names for n in _matching(name, expected)]
        if not wanted:
            if case.cotangents is not None:
                self.gradients(case)
            raise ValueError(f"{case.id} has none of {', '.join(names)}: this check would compare nothing")
        if not (claimed := [name for name in wanted if self.claims.gives(name)]):
            raise NotClaimed(f"not claimed: {', '.join(wanted)}")
        if any(name.startswith("grad ") for name in claimed):
            self.accountable(case)
        for name in claimed:
            if name not in arrays:
                raise Nonconformity(f"the answer has no {name}", name)
            self.within(name, arrays[name], expected[name])
        return answer

    def accountable(self, case: Case) -> None:
        """NotClaimed where no masks explain what dropout did forward: no gradient is accused of it."""
        if not case.dropping or case.config.dropout == 1:
            return
        answer, expected = self.ask(case, shaped=False).arrays(), self.expect(case).arrays
        for name in ("output", "h_n"):
            if not compare(name, answer[name], expected[name]).holds:
                raise NotClaimed(
                    f"not judged: no masks explain {name}, so that no gradient can be told wrong"
                )
        if case.config.bidirectional:
            forward, reverse = np.split(np.asarray(self.ask(both_read(case)).output) != 0, 2, axis=-1)
            self.case = self.claimed(case)
            if (forward != reverse).any():
                raise NotClaimed("not judged: each direction reads through a mask of its own (DRP-14)")

    def within(self, name: str, got: Any, expected: Bound) -> None:
        """Every element of `got` is within its bound."""
        comparison = compare(name, got, expected)
        if self.headroom is None or comparison.headroom > self.headroom:
            self.headroom, self.worst, self.bound = comparison.headroom, comparison, expected
            self.got = got
        if not comparison.holds:
            raise Nonconformity(str(comparison), name)

    def agree(
        self, name: str, got: Any, other: Any, bounds: Bound, other_bounds: Bound | None = None
    ) -> None:
        """Two answers to questions that have one answer are within the sum of their bounds."""
        second = bounds.error if other_bounds is None else other_bounds.error
        self.same_shape(name, got, other)
        self.within(name, got, Bound(np.asarray(other, np.float64), bounds.error + second))

    def same(self, case: Case, **arrays: Any) -> None:
        """What some other way to the answer of `case` gave, as its output or h_n, agrees with that answer.

        The other way has to be one that the bound of `case` covers, too: another order, or in pieces.
        """
        answer, expected = self.ask(case).arrays(), self.expect(case).arrays
        for name, got in arrays.items():
            self.agree(name, got, answer[name], expected[name])

    def parameters(self, case: Case) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the subject's own parameters; as `told` where it does not tell them."""
        shapes: Mapping[str, tuple[int, ...]] = self.told(
            "parameters", self.ask(case, shaped=False).parameters
        )
        return shapes

    def gradients(self, case: Case) -> Mapping[str, np.ndarray]:
        """The gradients that the subject claims, each of which is there; NotClaimed where it claims none."""
        if self.forward_only or "gradients" not in self.claims.levels:
            raise NoGradients("not claimed: gradients")
        found = self.ask(case).gradients
        for name in filter(self.claims.gives, map("grad {}".format, case.given)):
            if name.removeprefix("grad ") not in found:
                raise Nonconformity(f"the answer has no {name}", name)
        claimed = {name: g for name, g in found.items() if self.claims.gives(f"grad {name}")}
        return Gradients(claimed, self.claims)

    def earlier(self, case: Case) -> None:
        """The earlier calls of `case` were made: their outputs are the spec's; NotClaimed where not told."""
        outputs = self.told("earlier", self.ask(case).earlier)
        self.equal("the number of outputs of earlier calls", len(outputs), len(case.calls))
        for i, (call, got) in enumerate(zip(case.calls, outputs, strict=True)):
            own = replace(
                case, id=f"{case.id}~earlier call {i}", input=call.input, h_0=call.h_0, lengths=None,
                training=call.training, cotangents=None, earlier=case.calls[:i],
            )  # fmt: skip
            self.within(f"the output of earlier call {i}", got, self.expect(own).arrays["output"])

    def told(self, what: str, fact: Any) -> Any:
        """A fact of an Observation, of FACTS; where it is None, NotClaimed, or wrong if it is claimed."""
        if fact is None:
            if what in (self.claims.tells or ()):
                raise Nonconformity(f"the answer does not tell {FACTS[what]}, which it claims to tell")
            raise NotClaimed(f"not told: {FACTS[what]}")
        return fact

    def equal(self, name: str, got: Any, expected: Any) -> None:
        """Two arrays or plain values are equal, arrays bit for bit but for the sign of zero."""
        if isinstance(got, np.ndarray) or isinstance(expected, np.ndarray):
            self.same_shape(name, got, expected)
            expected = np.asarray(expected, np.float64)
            self.within(name, got, Bound(expected, np.zeros(expected.shape)))
        elif got != expected:
            raise Nonconformity(f"{name}: got {got!r}, expected {expected!r}", name)

    def shows(self, case: Case, name: str, exact: Any, at: Any = ...) -> None:
        """The answer's array, at an index, is `exact`, bit for bit: what relu makes of sums without rounding.

        Where there is no relu, or no dtype that holds such sums, it is what the spec says, within its bound.
        """
        if case.config.nonlinearity == "relu" and case.dtype in ("float64", "float32"):
            got = getattr(self.ask(case), name)[at]
            self.equal(name, got, np.broadcast_to(exact, got.shape) if np.ndim(exact) == got.ndim else exact)
        else:
            self.conforms(case, name)

    def fit(self, case: Case, *free: str) -> Case:
        """A case that a test has made, its `free` flags (any, if none is named) as they are claimed."""
        return self.claims.fit_case(case, free or ("dtype", "nonlinearity", "bias"))

    def same_shape(self, name: str, got: Any, expected: Any) -> None:
        """Two arrays have one shape."""
        if np.shape(got) != np.shape(expected):
            raise Nonconformity(f"{name}: shape {np.shape(got)}, expected {np.shape(expected)}", name)

    def module_class(self) -> tuple[Any, Any]:
        """The torch.nn.Module class under test, and its torch; Unsupported by any other subject."""
        give = getattr(self.subject, "module_class", None)
        if give is None:
            raise Unsupported(MODULE)
        return cast("tuple[Any, Any]", give())

    def holds(self, condition: Any, sentence: str) -> None:
        """A condition that is true of a correct answer; the sentence says what is the case if it fails."""
        if not condition:
            raise Nonconformity(sentence)


def result_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """The shapes of output and h_n."""
    c = case.config
    batch = case.input.shape[0 if c.batch_first else 1 :][:1] if case.batched else ()
    return {
        "output": (*case.input.shape[:-1], c.num_directions * c.hidden_size),
        "h_n": (c.num_layers * c.num_directions, *batch, c.hidden_size),
    }


def _matching(pattern: str, names: Any) -> list[str]:
    found = [n for n in names if n.startswith(pattern[:-1])] if pattern.endswith("*") else [pattern]
    return [n for n in found if n in names]
