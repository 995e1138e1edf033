"""The public face: `rnn_spec` has what `__all__` says, and what the documents import from it."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import rnn_spec

ROOT = Path(__file__).parents[2]


def test_all_is_complete_and_sorted() -> None:
    """`__all__` names every public name of the package, each once, in order."""
    public = [n for n, x in vars(rnn_spec).items() if n[0] != "_" and not isinstance(x, ModuleType)]

    assert sorted(public) == rnn_spec.__all__


def test_what_the_documents_import_is_public() -> None:
    """Whoever copies a line of a page needs no name that `__all__` does not have."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [re.findall(r"^from rnn_spec import (.+)$", p.read_text("utf-8"), re.MULTILINE) for p in pages]
    names = {name.strip() for found in lines for line in found for name in line.split(",")}

    assert names
    assert names <= set(rnn_spec.__all__)
