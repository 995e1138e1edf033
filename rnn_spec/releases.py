"""A release, as it stands in what a subject says of its version."""

from __future__ import annotations

import re

from packaging.version import Version


def release(text: str) -> Version | None:
    """The first version number in a text such as ``torch 2.13.0+cpu``, or None where there is none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return Version(found[0]) if found else None
