"""The source of some deeds, layouts and routes, with what they are made of, to stand in a script alone."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_spec.torch import deeds, needs, routes, singles, ways

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MODULES = (needs, deeds, singles, ways, routes)
"""Where deeds, layouts and routes are written down; what stands below may use what stands above."""


PLAIN = re.compile(r"need\(['\"](torch\.(?!export|func|nn\.utils|onnx|__|_)[\w.]+)['\"]\)")
"""What a torch of this day has under its name, once it is imported."""


def written(name: str) -> str | None:
    """A deed, a layout, a mode or a route by its name, as source; None where it is none that stands alone."""
    what, how = ways.LAYOUTS.get(name, ("", name))
    if what and how in ways.EXPANDED:
        return f"expanded({how[-1]})"
    kind, _, of = how.rpartition(" ")
    if kind == "freeze" and of in singles.KINDS:
        return f"[freeze({of!r})]"
    if kind in singles.MOVES:
        return f"[move({kind!r}, {of!r})]"
    found = entry(how)
    return None if found is None or "scripted" in found or found == "restored" else found


def entry(name: str) -> str | None:
    """What the tables of MODULES have under this name, as source; None: it is in none of them."""
    for found in map(source, MODULES):
        for node in ast.walk(ast.parse(found)):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == name:
                        return PLAIN.sub(r"\1", ast.unparse(value))
    return None


def excerpt(*expressions: str) -> str:
    """Imports and definitions of all that the expressions use, and of what that uses."""
    known, wanted = definitions(), [*expressions]
    taken: dict[tuple[int, int], str] = {}
    while wanted:
        for name in free(ast.parse(wanted.pop())):
            if name in known and known[name][0] not in taken:
                place, text = known[name]
                taken[place] = text
                wanted.append(text)
    imported = {text for text in taken.values() if text.startswith(("import ", "from "))}
    defined = [taken[place] for place in sorted(taken) if taken[place] not in imported]
    return "".join(f"{line}\n" for line in sorted(imported)) + "".join(f"\n{text}\n" for text in defined)


@cache
def source(module: ModuleType) -> str:
    """A module's."""
    return Path(str(module.__file__)).read_text(encoding="utf-8")


@cache
def definitions() -> dict[str, tuple[tuple[int, int], str]]:
    """Every name that MODULES define or import from outside: where, and the source."""
    found: dict[str, tuple[tuple[int, int], str]] = {}
    for i, module in enumerate(MODULES):
        for node in ast.parse(source(module)).body:
            for name in named(node):
                found.setdefault(name, ((i, node.lineno), str(segment(module, node))))
    return found


def segment(module: ModuleType, node: ast.stmt) -> str:
    """The source of a statement, decorators included."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return PLAIN.sub(r"\1", "\n".join(source(module).splitlines()[first - 1 : node.end_lineno]))


def named(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def free(tree: ast.AST) -> set[str]:
    """The names that are read and not bound, function by function."""
    bound: set[str] = set()
    read: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
    return read - bound
