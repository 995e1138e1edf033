"""A user's sources, read for what they use of nn.RNN and around it, and so the changes that they can meet.

Sources are parsed and never run. A use is a word, as ``uses.toml`` has them, with the lines that it stands
on. What cannot be told from the text (a layer built by ``**options``) counts as a use of all that it may be.
"""

from __future__ import annotations

import ast
import tomllib
import warnings
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rnn_spec.gate.recording import RecordingError
from rnn_spec.judge.known import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_spec.gate.compare import Change

ARGUMENTS = {
    "input_size": int, "hidden_size": int, "num_layers": int, "nonlinearity": str, "bias": bool,
    "batch_first": bool, "dropout": float, "bidirectional": bool,
}  # fmt: skip
"""The constructor's arguments by position, with the type that a plain value has."""
LAYERS = ("nn.RNN", "nn.modules.RNN", "nn.modules.rnn.RNN")
SKIPPED = ("site-packages", "node_modules", "__pycache__")
"""Folders of other people's code, beside those that begin with a point."""


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of uses.toml."""

    ids: tuple[str, ...]
    any: tuple[str, ...]


@cache
def rows() -> tuple[Use, ...]:
    """uses.toml, in its order."""
    held = tomllib.loads(Path(__file__).with_name("uses.toml").read_text(encoding="utf-8"))["use"]
    return msgspec.convert(tuple(held), tuple[Use, ...])


class Code:
    """The sources, and where each use stands: ``model.py:12``."""

    def __init__(self) -> None:
        """Nothing is read."""
        self.files = 0
        self.places: dict[str, list[str]] = defaultdict(list)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Code:
        """Read files and folders; RecordingError where one is not there or is no Python."""
        code = cls()
        for path in paths:
            found = sorted(sources(path)) if path.is_dir() else [path]
            if not found:
                raise RecordingError(f"{path} has no Python file")
            for file in found:
                code.take(file)
        return code

    def take(self, path: Path) -> None:
        """Read one file."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes(), str(path))
        except OSError as e:
            raise RecordingError(f"{path} cannot be read: {e.strerror}") from e
        except (SyntaxError, ValueError, RecursionError) as e:
            raise RecordingError(f"{path} is no Python that can be read: {one_line(e)}") from e
        self.files += 1
        visitor = Visitor()
        visitor.visit(tree)
        for use, line in visitor.found:
            place = f"{path}:{line}"
            if place not in self.places[use]:
                self.places[use].append(place)

    def meets(self, change: Change) -> tuple[str, ...]:
        """The lines that can meet a change, in the order of the files."""
        row = next(row for row in rows() if any(fnmatchcase(change.id, p) for p in row.ids))
        wanted = [*row.any, *renamed(change)]
        found = (p for use, ps in self.places.items() if any(matches(use, w) for w in wanted) for p in ps)
        return tuple(dict.fromkeys(found))


def renamed(change: Change) -> list[str]:
    """By keyword, the argument that a change gives another name."""
    if not change.cause.startswith("argument-"):
        return []
    return [change.cause.removeprefix("argument-") + "="]


def one_line(error: Exception) -> str:
    """What an error says, without line ends."""
    return " ".join(str(error).split())


def sources(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, but for environments and hidden folders."""
    for path in folder.iterdir():
        if path.is_dir():
            own = path.name not in SKIPPED and not path.name.startswith(".")
            if own and not path.is_symlink() and not (path / "pyvenv.cfg").exists():
                yield from sources(path)
        elif path.suffix == ".py":
            yield path


class Visitor(ast.NodeVisitor):
    """Finds uses: pairs of a word and a line."""

    def __init__(self) -> None:
        """Nothing is found."""
        self.found: list[tuple[str, int]] = []
        self.names: dict[str, str] = {}
        self.layers: set[str] = set()
        self.within: list[bool] = []

    def add(self, use: str, node: ast.AST) -> None:
        """Keep a use."""
        self.found.append((use, getattr(node, "lineno", 0)))

    def visit_Import(self, node: ast.Import) -> None:
        """Import torch.nn as nn."""
        for alias in node.names:
            self.names[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """From torch import nn."""
        for alias in node.names:
            self.names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"

    def dotted(self, node: ast.AST) -> str:
        """The whole name that an expression has, by the imports; a method of anything else is .name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else f".{node.attr}"
        return ""

    def word(self, node: ast.AST) -> str:
        """The use that a name is: without torch before it."""
        name = self.dotted(node)
        if name.startswith("torch."):
            return name.removeprefix("torch.")
        return name if name.startswith((".", "copy.", "pickle.")) else ""

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Whatever of torch is named."""
        if word := self.word(node):
            self.add(word if not word.startswith(".") else f".{node.attr}", node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Whatever of torch is named by itself."""
        if word := self.word(node):
            self.add(word, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A subclass of a layer is a layer."""
        mine = any(self.layer(base) for base in node.bases)
        if mine:
            self.layers.add(node.name)
            self.add("RNN subclass", node)
            self.add("RNN", node)
        self.within.append(mine)
        self.generic_visit(node)
        self.within.pop()

    def layer(self, node: ast.AST) -> bool:
        """Whether an expression is nn.RNN, or a subclass of it in this file."""
        named = isinstance(node, ast.Name) and node.id in self.layers
        return named or self.word(node) in LAYERS

    def visit_Call(self, node: ast.Call) -> None:
        """The arguments of a layer that is built; any call's by keyword."""
        func = node.func
        above = (
            isinstance(func, ast.Attribute)
            and func.attr == "__init__"
            and isinstance(func.value, ast.Call)
            and isinstance(func.value.func, ast.Name)
            and func.value.func.id == "super"
            and bool(self.within and self.within[-1])
        )
        if self.layer(func) or above:
            self.built(node)
        for keyword in node.keywords:
            if keyword.arg:
                self.add(f"{keyword.arg}=", node)
        self.generic_visit(node)

    def built(self, node: ast.Call) -> None:
        """How a layer is built."""
        self.add("RNN", node)
        unknown = any(isinstance(a, ast.Starred) for a in node.args) or any(not k.arg for k in node.keywords)
        if unknown:
            self.add("RNN *args", node)
        if len(node.args) > 3:
            self.add("RNN 4th", node)
        given = [*zip(ARGUMENTS, node.args, strict=False)]
        given += [(k.arg, k.value) for k in node.keywords if k.arg]
        for name, value in given:
            if not _plain(name, value):
                self.add(f"RNN {name}=", node)


def _plain(name: str, value: ast.expr) -> bool:
    """Whether an argument is a plain value of the type that it must be, with which nothing can be wrong."""
    if not isinstance(value, ast.Constant) or name not in ARGUMENTS or name == "dropout":
        return False
    if name == "nonlinearity":
        return value.value in ("tanh", "relu")
    held: Any = value.value
    return type(held) is ARGUMENTS[name] and not (type(held) is int and held <= 0)
