"""Text in Markdown."""

from __future__ import annotations

import re


def escaped(text: str) -> str:
    """Text that Markdown does not read as anything else: what a torch says is not trusted.

    A sign of a list at its start is text, too.
    """
    marked = "".join(f"\\{c}" if c in r"\`*_[]<>|#~@!$&" else c for c in text)
    return re.sub(r"^([+-]|\d+[.)])(?=\s|$)", lambda sign: f"{sign[0][:-1]}\\{sign[0][-1]}", marked)
