"""What changed of a function's arguments, for its caller: what only adds is told from what breaks a call.

A signature is a list of words, as `rnn_spec.torch.experiments` tells it: ``x``, ``strict=True``, ``*args``,
``(keyword) device``.
"""

from __future__ import annotations

from typing import NamedTuple

KEYWORD = "(keyword) "
OPTIONAL, UNION = "Optional", "Union"
SPELLINGS = (f"{OPTIONAL}[", f"{UNION}[", " | ")
"""What an annotation has of which there is another spelling."""


class Argument(NamedTuple):
    """One argument: its name, with its stars; its default as written, None if it must be given."""

    name: str
    default: str | None
    keyword: bool

    @classmethod
    def of(cls, word: str) -> Argument:
        """The argument that a word tells."""
        name, equals, default = word.removeprefix(KEYWORD).partition("=")
        return cls(name, default if equals else None, word.startswith(KEYWORD))

    @property
    def optional(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not None or self.name.startswith("*")


class Told(NamedTuple):
    """What changed, in words, what to do, whether no call that worked can break, and names that are gone."""

    says: str
    advice: str = ""
    adds: bool = False
    gone: tuple[str, ...] = ()


def compare(before: list[str], after: list[str]) -> Told:
    """What changed between two signatures that are not equal."""
    a, b = ([Argument.of(word) for word in words] for words in (before, after))
    places = [[x.name for x in side if not x.keyword and not x.name.startswith("*")] for side in (a, b)]
    was, now = ({x.name: x for x in side} for side in (a, b))
    gone, new = [n for n in was if n not in now], [n for n in now if n not in was]
    renamed = [(n, m) for n, m in zip(*places, strict=False) if n in gone and m in new]
    if renamed:
        words = ", ".join(f"{m}, was {n}" for n, m in renamed)
        return Told(
            f"an argument has another name: {words}",
            f"Pass it by position, or by its new name: {renamed[0][1]}.",
            gone=tuple(n for n, _ in renamed),
        )
    if gone:
        return Told(f"no longer takes {', '.join(gone)}", "Do not pass it any more.", gone=tuple(gone))
    if shifted := [n for i, n in enumerate(places[0]) if places[1][i : i + 1] != [n]]:
        order = f"the arguments by position are {', '.join(places[1])}, were {', '.join(places[0])}"
        return Told(order, f"Pass {shifted[0]}, and what comes after it, by keyword.")
    required = [n for n in now if not now[n].optional and (n in new or was[n].optional)]
    if required:
        return Told(f"{', '.join(required)} must be given now", f"Pass {required[0]}.")
    other = [n for n in was if was[n].default is not None and was[n].default != now[n].default]
    if other:
        words = ", ".join(f"{n} is {now[n].default} unless it is given, was {was[n].default}" for n in other)
        return Told(words, f"Say what you want: {other[0]}={was[other[0]].default} is what it was.")
    looser = [n for n in was if now[n].optional and not was[n].optional]
    parts = [f"takes {n}, too" for n in new] + [f"{n} need not be given" for n in looser]
    return Told(", ".join(parts) or "is written another way", adds=True)


# -- annotations ------------------------------------------------------------------------------------


def spelt(annotation: object) -> object:
    """An annotation in one spelling: Optional and Union, however deep, with bars, their members in order.

    What differs in spelling alone changes nothing for whoever runs a type checker.
    """
    if isinstance(annotation, str) and any(word in annotation for word in SPELLINGS):
        return _union([annotation])
    return annotation


def _union(members: list[str]) -> str:
    """The members, those that are unions themselves told apart."""
    parts = [_spelt(part) for member in members for part in split(member, "|")]
    flat = dict.fromkeys(part for spelling in parts for part in split(spelling, "|"))
    return " | ".join(sorted(flat, key=lambda part: (part == "None", part)))


def _spelt(member: str) -> str:
    """One member of a union."""
    name, bracket, rest = member.partition("[")
    if not bracket or not rest.endswith("]"):
        return member
    inner = split(rest[:-1], ",")
    if name == OPTIONAL:
        return _union([*inner, "None"])
    return _union(inner) if name == UNION else f"{name}[{', '.join(_union([part]) for part in inner)}]"


def split(text: str, mark: str) -> list[str]:
    """The parts between a mark that stands in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == mark and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
