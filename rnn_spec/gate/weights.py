"""The recurrent layers in a checkpoint of the user's, found by names and shapes, and their weights.

safetensors is read here: a length, a JSON header, and bytes. Anything else is read by a torch, in a process
of its own, with weights_only unless the user says that the file is trusted. Here nothing is unpickled.
Numbers travel in .npz files, which are NumPy's own and hold no objects.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from rnn_spec.gate.program import Refusal
from rnn_spec.gate.recording import RecordingError
from rnn_spec.questions.records import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnn_spec.gate.program import Program

NAME = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<own>(?P<kind>weight|bias)_(?P<side>ih|hh)_l(?P<layer>\d+)(?P<back>_reverse)?)"
    r"(?P<part>|_g|_v|_orig|_mask)"
)
PARAMETRIZED = re.compile(r"(?P<prefix>.*?)parametrizations\.(?P<own>[^.]+)\.(?P<part>original\d*)")
GATES = {3: "a GRU", 4: "an LSTM"}
SAFE = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""The dtypes of safetensors, of those that can be judged."""
HEADER = 100_000_000
"""Bytes that a header of safetensors may have, as its own library has it."""


class Tensors(msgspec.Struct, frozen=True):
    """A checkpoint's tensors: dtype and shape by name; and what a trusted file's modules say."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    options: dict[str, dict[str, Any]] = {}


class Written(msgspec.Struct, frozen=True):
    """What was asked for lies in the file."""

    written: bool


class Layer(NamedTuple):
    """A recurrent layer in a file: what comes before its parameters' names, and the tensors of each."""

    prefix: str
    parts: dict[str, dict[str, str]]
    shapes: dict[str, tuple[int, ...]]
    dtype: str
    options: dict[str, Any]

    @property
    def title(self) -> str:
        """Its name, as a line has it."""
        return self.prefix or "the layer"

    @property
    def tensors(self) -> list[str]:
        """The names of all tensors that its parameters are made of."""
        return [name for parts in self.parts.values() for name in parts.values()]


# -- safetensors -----------------------------------------------------------------------------------


def is_safetensors(path: Path) -> bool:
    """Whether the file begins as one: the header's length, and its brace."""
    with path.open("rb") as file:
        head = file.read(9)
        size = file.seek(0, 2)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= min(size, HEADER)


def header(path: Path) -> tuple[dict[str, Any], int]:
    """The entries by name, and where the bytes begin; RecordingError where it is not as the format says."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            held = json.loads(file.read(length))
        held.pop("__metadata__", None)
        for entry in held.values():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= path.stat().st_size - 8 - length:
                raise ValueError("an offset lies outside of the file")
            if entry["dtype"] in SAFE and end - begin != width(entry) * math.prod(entry["shape"]):
                raise ValueError("a tensor has not the bytes that its shape needs")
        return held, 8 + length
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise RecordingError(f"{path.name} is not as safetensors must be: {e}") from e


def width(entry: dict[str, Any]) -> int:
    """Bytes a number."""
    return {"F64": 8, "F32": 4}.get(entry["dtype"], 2)


def of_safetensors(path: Path) -> Tensors:
    """The tensors' dtypes and shapes."""
    held, _ = header(path)
    return Tensors({n: (SAFE.get(e["dtype"], e["dtype"]), tuple(e["shape"])) for n, e in held.items()})


def read_safetensors(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """These tensors' numbers, float64."""
    held, begins = header(path)
    found = {}
    with path.open("rb") as file:
        for name in names:
            entry = held[name]
            begin, end = entry["data_offsets"]
            file.seek(begins + begin)
            data = file.read(end - begin)
            if entry["dtype"] == "BF16":
                array = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                array = np.frombuffer(data, {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[entry["dtype"]])
            found[name] = array.astype(np.float64).reshape(entry["shape"])
    return found


# -- a torch's own formats -------------------------------------------------------------------------


def read_torch(program: Program, path: Path, names: Iterable[str], *, trust: bool) -> dict[str, np.ndarray]:
    """These tensors' numbers, float64, as this torch reads them."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "weights.npz"
        request = {"path": str(path.absolute()), "names": list(names), "to": str(to), "trust": trust}
        try:
            program.ask(Written, op="numbers", **request)
        except Refusal as e:
            raise RecordingError(f"{program.hello.name} tells the weights not as it must: {e}") from e
        return load(to)


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, float64; RecordingError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name].astype(np.float64) for name in held.files}
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as e:
        raise RecordingError(f"what a torch wrote is no .npz file: {e}") from e


# -- layers ----------------------------------------------------------------------------------------


def layers(tensors: Tensors, name: str) -> tuple[list[Layer], list[str]]:
    """Every nn.RNN by its tensors, and a sentence on each recurrent layer that is passed over."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for tensor in tensors.tensors:
        if match := PARAMETRIZED.fullmatch(tensor) or NAME.fullmatch(tensor):
            prefix = match["prefix"].removesuffix(".")
            found.setdefault(prefix, {}).setdefault(match["own"], {})[match["part"]] = tensor
    made: list[Layer] = []
    passed = []
    for prefix, parts in found.items():
        layer = _layer(prefix, parts, tensors)
        made += [layer] if isinstance(layer, Layer) else []
        passed += [] if isinstance(layer, Layer) else [f"{prefix or name}: passed over, {layer}"]
    return made, passed


def _layer(prefix: str, parts: dict[str, dict[str, str]], tensors: Tensors) -> Layer | str:
    """The layer, or why it is none that can be judged."""
    parts = {own: held for own, held in parts.items() if NAME.fullmatch(own)}
    shapes = {}
    for own, held in parts.items():
        if not made_of(held):
            return f"how {own} is parametrized is not in the file: {', '.join(sorted(held.values()))}"
        shapes[own] = tensors.tensors[held.get("_v") or held.get("original1") or next(iter(held.values()))][1]
    if not {"weight_ih_l0", "weight_hh_l0"} <= shapes.keys():
        return "it lacks weight_ih_l0 or weight_hh_l0"
    rows, hidden = shapes["weight_hh_l0"]
    if rows != hidden:
        return f"it is {GATES.get(rows // hidden if hidden else 0, 'something else')}, and not an nn.RNN"
    dtypes = {tensors.tensors[name][0] for held in parts.values() for name in held.values()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        return f"its parameters are {', '.join(sorted(dtypes))}: one of {', '.join(DTYPES)} can be judged"
    return Layer(prefix, parts, shapes, dtypes.pop(), tensors.options.get(prefix, {}))


def made_of(parts: dict[str, str]) -> bool:
    """Whether a parameter can be computed of these parts: itself, weight_norm's two, pruning's two."""
    return set(parts) in ({""}, {"_g", "_v"}, {"original0", "original1"}, {"_orig", "_mask"})


def parameters(layer: Layer, numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters by nn.RNN's own names, what is parametrized as what it computes."""
    found = {}
    for own, parts in layer.parts.items():
        held = {part: numbers[name] for part, name in parts.items()}
        if "" in held:
            found[own] = held[""]
        elif "_orig" in held:
            found[own] = held["_orig"] * held["_mask"]
        else:
            g, v = (held[a] if a in held else held[b] for a, b in (("_g", "original0"), ("_v", "original1")))
            axes = tuple(axis for axis in range(v.ndim) if g.shape[axis] == 1)
            found[own] = g * v / np.sqrt((v * v).sum(axis=axes, keepdims=True))
    return found
