"""What is looked at of a wrong attempt: that it is refused, by whom, in which words, and what is left behind.

Each raises Nonconformity with what is not so. The valid twin has to be answered, first of all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnn_spec.judge.session import NotClaimed

if TYPE_CHECKING:
    from rnn_spec.judge.check import Check
    from rnn_spec.questions.attempts import Negative
    from rnn_spec.questions.records import Attempt, Error, Left, Observation


def answer(check: Check, attempt: Attempt) -> Observation:
    """The answer to a wrong attempt, whose twin was answered; it may have been taken."""
    found = check.attempt(attempt)
    twin = found.attempted and found.attempted.twin
    check.holds(twin is None, f"the valid twin was refused: {twin}")
    return found


def refusal(check: Check, negative: Negative) -> Error:
    """The error of a wrong attempt, which was refused."""
    return _refused(check, negative)[1]


def _refused(check: Check, negative: Negative) -> tuple[Observation, Error]:
    found = answer(check, negative.attempt)
    check.holds(found.error is not None, f"not refused: {shown(negative)}")
    return found, found.error  # type: ignore[return-value]


def left_behind(check: Check, negative: Negative) -> Left:
    """What a refused attempt left behind, which is told."""
    attempted = _refused(check, negative)[0].attempted
    check.holds(attempted and attempted.left, "the answer does not tell what is left behind")
    left: Left = attempted.left  # type: ignore[union-attr,assignment]
    again = left.again
    check.holds(again is None or again.phase != "tell", f"what is left behind cannot be looked at: {again}")
    return left


def where_it_is_given(check: Check, negative: Negative) -> None:
    """A wrong attempt is refused: its constructor's arguments by that, and those of a call by the call."""
    error = refusal(check, negative)
    check.holds(error.phase == negative.phase, f"refused in {error.phase}: {one_line(error)}")


def by_its_class(check: Check, negative: Negative) -> None:
    """What is refused for a shape or dtype, if it is, is so by a RuntimeError or a ValueError."""
    if error := answer(check, negative.attempt).error:
        is_a(check, error, "RuntimeError", "ValueError")


def in_words(check: Check, negative: Negative) -> None:
    """What is refused, if it is, is so by the argument's name, what was given, and what is expected."""
    patterns = {
        f"name {negative.argument}": negative.names,
        f"show the {negative.kind} given": negative.given,
        f"say the {negative.kind} expected": negative.expected,
    }
    if error := answer(check, negative.attempt).error:
        says(check, error, **patterns)


def and_no_more(check: Check, negative: Negative) -> None:
    """What is refused, if it is, leaves the layer as it was, and the next valid call its bits."""
    if answer(check, negative.attempt).error is None:
        return
    left = left_behind(check, negative)
    check.holds(left.again is None, f"the valid call was refused: {left.again}")
    check.equal("results that differ", left.differs, ())
    check.equal("parameters that are other ones", (left.objects, left.bits, left.gradients), ((), (), ()))
    check.holds(not left.mode, "the layer is in another mode")
    check.holds(left.recorded, "gradients are recorded no more")
    check.holds(not left.drew, "the random generator was advanced")


def shown(negative: Negative) -> str:
    """The wrong argument, for a message."""
    return f"{negative.argument}={negative.value!r}"


def one_line(error: Error) -> str:
    """The error's class and message."""
    return f"{error.type}: {' '.join(error.message.split())}"


def is_a(check: Check, error: Error, *classes: str) -> None:
    """The error is of one of the classes, by their names."""
    names = " or a ".join(classes)
    check.holds({error.type, *error.bases} & set(classes), f"not a {names}: {one_line(error)}")


def says(check: Check, error: Error, **patterns: str) -> None:
    """The error's message has each pattern; its name says what that means."""
    text = " ".join(error.message.split())
    missing = [what for what, pattern in patterns.items() if not re.search(pattern, text)]
    check.holds(not missing, f"the message does not {', and does not '.join(missing)}: {one_line(error)}")


def claimed(check: Check, *needs: str) -> None:
    """NotClaimed where one of the needs, of `Claims.having`, is not claimed."""
    if reason := check.claims.lacks(needs):
        raise NotClaimed(reason)
