"""The user's own model under both torches: the same weights and inputs, compared, and each against the spec.

A state_dict is read with weights_only, in the torches themselves: never here. The configuration is inferred
from names and shapes. Every step is judged from the answer's own previous step, so that the bound is that of
one step, for any weights and any length. The model computes in evaluation mode: dropout does not act.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnn_spec.far import wire
from rnn_spec.far.process import TorchWorker
from rnn_spec.gate.compare import Change, advised, headroom
from rnn_spec.gate.live import Live, Refusal, Tensors, Weights
from rnn_spec.gate.recording import RecordingError
from rnn_spec.judge.compare import Nonconformity, compare, same
from rnn_spec.judge.stepwise import TooCoarse, walk
from rnn_spec.questions import data
from rnn_spec.questions.records import DTYPES, Case
from rnn_spec.spec.model import Config
from rnn_spec.subjects.base import SubjectError
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<kind>weight|bias)_(?P<side>ih|hh)_l(?P<layer>\d+)(?P<back>_reverse)?"
)
GATES = {3: "a GRU", 4: "an LSTM"}
PATIENCE = 300.0
"""Seconds that one answer of a model may take."""


class Options(NamedTuple):
    """What the user says of the model: what its weights do not tell."""

    path: Path
    inputs: np.ndarray | None = None
    prefix: str | None = None
    nonlinearity: str | None = None
    batch_first: bool | None = None
    cuda: bool = False


class Answer(NamedTuple):
    """What one torch made of the model: the layers' outputs and h_n, or the error; and the headroom."""

    output: np.ndarray | None = None
    h_n: np.ndarray | None = None
    error: str | None = None
    headroom: float | None = None


def judge(a: str, b: str, options: Options) -> tuple[list[Change], list[str]]:
    """The changes of the model between the torches of two Pythons, and notes of what stayed."""
    lives: list[Live] = []
    try:
        lives += [Live(a), Live(b)]
        case, changes = read(lives, options)
    finally:
        for live in lives:
            live.close()
    answers = [run(python, case, "cuda" if options.cuda else "cpu") for python in (a, b)]
    found = changed(case, *answers)
    config = case.config
    about = (
        f"{options.path.name}: RNN({config.input_size}, {config.hidden_size}), {config.num_layers} layers, "
        f"{config.num_directions} directions, {config.nonlinearity}, {case.dtype}, "
        f"input {case.input.shape}, evaluation mode"
    )
    verdict = (
        "" if found else f": the same bits under both; {headroom(answers[0].headroom, answers[1].headroom)}"
    )
    return [advised(c) for c in (*changes, *found)], [about + verdict]


def changed(case: Case, a: Answer, b: Answer) -> list[Change]:
    """What changed of the model's answer."""
    room = headroom(a.headroom, b.headroom)
    if a.error or b.error:
        if a.error == b.error:
            raise RecordingError(f"the model does not run in either torch: {a.error}")
        was, now = (x.error or "computed" for x in (a, b))
        return [Change("behaviour", "model/error", "your model", f"was {was}, now {now}")]
    beyond = (b.headroom or 0) > 1
    pairs = {"output": (a.output, b.output), "h_n": (a.h_n, b.h_n)}
    moved = {name: pair for name, pair in pairs.items() if not same(*pair)}
    if not moved and not beyond:
        return []
    parts = [_moved(name, *pair) for name, pair in moved.items()]
    verdict = "beyond" if beyond else "numerics"
    says = "; ".join([*parts, room]) + ("; it is not within the step-wise bound" if beyond else "")
    return [Change(verdict, "model/output", "your model", says, headroom=(a.headroom, b.headroom))]


def _moved(name: str, a: Any, b: Any) -> str:
    if np.shape(a) != np.shape(b):
        return f"{name} was {np.shape(a)}, now {np.shape(b)}"
    with np.errstate(invalid="ignore"):
        greatest = np.nanmax(np.abs(a - b))
    return f"{name}: {int((a != b).sum())} of {a.size} elements moved, by at most {greatest:.2g}"


# -- reading and inferring --------------------------------------------------------------------------


def read(lives: list[Live], options: Options) -> tuple[Case, list[Change]]:
    """The model as a Case, and what the two read differently; RecordingError where it cannot be had."""
    path = str(options.path.absolute())
    if not options.path.is_file():
        raise RecordingError(f"{options.path} is not a file")
    readers = [live for live in lives if live.hello.reads]
    if not readers:
        raise RecordingError(
            f"{options.path.name} is read with weights_only, which torch has from 1.13 on: give one such side"
        )
    if options.cuda and (lacking := [live for live in lives if not live.hello.cuda]):
        raise RecordingError(f"torch {lacking[0].hello.torch} of {lacking[0].python} has no CUDA device")
    seen: list[Tensors | str] = []
    for live in readers:
        try:
            seen.append(live.ask(Tensors, op="names", path=path))
        except Refusal as e:
            seen.append(str(e))
    good = [(live, x) for live, x in zip(readers, seen, strict=True) if isinstance(x, Tensors)]
    if not good:
        raise RecordingError(f"{options.path.name} is no state_dict that weights_only reads: {seen[0]}")
    live, tensors = good[-1]
    names, config, dtype = inferred(tensors.tensors, options)
    changes = [
        Change(
            "checkpoints",
            "model/read",
            options.path.name,
            f"is not read by torch {reader.hello.torch}: {said}",
        )
        for reader, said in zip(readers, seen, strict=True)
        if isinstance(said, str)
    ]
    weights = [numbers(reader, path, names) for reader, _ in good]
    if len(weights) > 1 and not same(*weights):
        changes.append(Change("checkpoints", "model/weights", options.path.name, "is read as other numbers"))
    x = SpecSubject().rounded(inputs(config, options), dtype).astype(np.float64)  # as the torches round it
    return Case("model", config, weights[-1], x, dtype=dtype), changes


def numbers(live: Live, path: str, names: dict[str, str]) -> dict[str, np.ndarray]:
    """The parameters by nn.RNN's own names."""
    try:
        held = live.ask(Weights, op="read", path=path, names=list(names)).tensors
        return {own: wire.array(held[name]) for name, own in names.items()}
    except (Refusal, ValueError, KeyError) as e:
        raise RecordingError(f"torch {live.hello.torch} tells the model's weights not as it must: {e}") from e


def inferred(
    tensors: dict[str, tuple[str, tuple[int, ...]]], options: Options
) -> tuple[dict[str, str], Config, str]:
    """The parameters by nn.RNN's own names, configuration and dtype; RecordingError asks for the rest."""
    found: dict[str, dict[str, re.Match[str]]] = {}
    for name in tensors:
        if match := NAME.fullmatch(name):
            found.setdefault(match["prefix"].removesuffix("."), {})[name] = match
    if not found:
        raise RecordingError(f"{options.path.name} has no weight_ih_l0 of a recurrent layer")
    wanted = options.prefix.removesuffix(".") if options.prefix is not None else None
    if wanted not in found and (wanted is not None or len(found) > 1):
        raise RecordingError(
            f"choose one recurrent layer of {options.path.name} by --prefix: {', '.join(found)}"
        )
    matches = found[next(iter(found)) if wanted is None else wanted]
    names = {name: name[len(match["prefix"]) :] for name, match in matches.items()}
    shapes = {own: tensors[name] for name, own in names.items()}
    if not {"weight_ih_l0", "weight_hh_l0"} <= shapes.keys():
        raise RecordingError(f"{options.path.name} lacks weight_ih_l0 or weight_hh_l0")
    (rows, hidden), (_, columns) = shapes["weight_hh_l0"][1], shapes["weight_ih_l0"][1]
    if rows != hidden:
        raise RecordingError(
            f"{options.path.name} holds {GATES.get(rows // hidden, 'something else')}, and not an nn.RNN"
        )
    dtypes = {dtype for dtype, _ in shapes.values()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        raise RecordingError(
            f"the parameters are {', '.join(sorted(dtypes))}: one of {', '.join(DTYPES)} can be judged"
        )
    if options.nonlinearity is None:
        raise RecordingError("weights do not say whether the layer is tanh or relu: give --nonlinearity")
    if options.inputs is not None and options.inputs.ndim == 3 and options.batch_first is None:
        raise RecordingError("inputs do not say which axis is time: give --batch-first or --time-first")
    config = Config(
        columns, hidden, 1 + max(int(m["layer"]) for m in matches.values()), options.nonlinearity,
        "bias_ih_l0" in shapes, bool(options.batch_first), 0.0, any(m["back"] for m in matches.values()),
    )  # fmt: skip
    return names, config, dtypes.pop()


def inputs(config: Config, options: Options) -> np.ndarray:
    """The user's inputs, or generic ones: 20 steps of 4 sequences."""
    if options.inputs is None:
        shape = (4, 20, config.input_size) if config.batch_first else (20, 4, config.input_size)
        return data.dyadic("model/input", shape, 6)
    if options.inputs.ndim not in (2, 3) or options.inputs.shape[-1] != config.input_size:
        raise RecordingError(
            f"inputs are {options.inputs.shape}: the layer takes 2 or 3 axes, the last of {config.input_size}"
        )
    return options.inputs


# -- running and judging ----------------------------------------------------------------------------


def run(python: str, case: Case, device: str) -> Answer:
    """What the torch of a Python makes of the model, layer by layer, and the worst step's headroom."""
    try:
        worker = TorchWorker(python, device)
    except SubjectError as e:
        raise RecordingError(str(e)) from e
    worker.pace.deadline = PATIENCE
    try:
        answers = []
        for count in range(1, case.config.num_layers + 1):
            answer = worker.run(lower(case, count))
            if answer.error is not None:
                return Answer(error=str(answer.error))
            answers.append(answer)
    finally:
        worker.close()
    try:
        worst = steps(case, [np.asarray(a.output) for a in answers], np.asarray(answers[-1].h_n))
    except TooCoarse as e:
        raise RecordingError(str(e)) from e
    except (Nonconformity, ValueError, IndexError) as e:  # another shape than it must have
        return Answer(error=f"an answer that is not the layer's: {e}")
    return Answer(answers[-1].output, answers[-1].h_n, None, worst)


def lower(case: Case, count: int) -> Case:
    """The same question of the first `count` layers."""
    names = [n for n in case.parameters if int(re.findall(r"_l(\d+)", n)[0]) < count]
    config = replace(case.config, num_layers=count)
    return replace(case, config=config, parameters={name: case.parameters[name] for name in names})


def steps(case: Case, outputs: list[np.ndarray], h_n: np.ndarray) -> float:
    """The worst error of any step of any layer, divided by its bound."""

    def time_major(x: np.ndarray) -> np.ndarray:
        if x.ndim == 2:
            return x[:, None]
        return x.swapaxes(0, 1) if case.config.batch_first else x

    D, H = case.config.num_directions, case.config.hidden_size
    x = time_major(case.input)
    T, batch = x.shape[:2]
    shape = (case.config.num_layers, D, batch, H)
    walked = walk(
        case.config, case.parameters, case.dtype, x, lambda count: time_major(outputs[count - 1]),
        np.zeros(shape), h_n.reshape(shape), np.full(batch, T),
    )  # fmt: skip
    return max(compare(name, got, expected).headroom for name, got, expected in walked)


def load(path: Path) -> np.ndarray:
    """The numbers of a .npy file, which is not unpickled; RecordingError where it has none."""
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.ndarray) or held.dtype.kind not in "fiu":
            raise ValueError("it holds no array of real numbers")
        return held.astype(np.float64)
    except (OSError, ValueError, EOFError) as e:
        raise RecordingError(f"{path} is not an array of inputs: {e}") from e
