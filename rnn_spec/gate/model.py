"""The user's own model under one torch, or under two: the same weights and inputs, each against the spec.

Every nn.RNN of a checkpoint is found by names and shapes, and run by itself. Every step is judged from the
answer's own previous step, so that the bound is that of one step, for any weights and any length. The layer
computes in evaluation mode; the gradients of a loss come from training mode, with dropout 0. Where nothing
says whether it is tanh or relu, it is run as both.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnn_spec.gate import weights
from rnn_spec.gate.compare import Change, headroom, short
from rnn_spec.gate.program import Program, Refusal
from rnn_spec.gate.recording import RecordingError
from rnn_spec.judge.compare import Nonconformity, compare, same
from rnn_spec.judge.stepwise import TooCoarse, walk
from rnn_spec.questions import data
from rnn_spec.questions.expect import expect
from rnn_spec.questions.records import Case, Cotangents
from rnn_spec.spec.arithmetic import FORMATS
from rnn_spec.spec.model import Config
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.gate.weights import Layer, Tensors

BOTH = ("tanh", "relu")


class Options(NamedTuple):
    """What the user says of the model: what its weights do not tell."""

    path: Path
    inputs: np.ndarray | None = None
    prefix: str | None = None
    nonlinearity: str | None = None
    batch_first: bool | None = None
    cuda: bool = False
    trust: bool = False
    outputs: np.ndarray | None = None


class Answer(NamedTuple):
    """What one torch made of a layer: arrays by name, or the error; the worst errors by their bounds."""

    arrays: dict[str, np.ndarray] = {}  # noqa: RUF012  a NamedTuple's default, which nobody changes
    error: str | None = None
    headroom: float | None = None
    gradients: float | None = None


class Told(NamedTuple):
    """Changes, and a line on each layer, those that are passed over last."""

    changes: list[Change]
    lines: list[str]


def judge(pythons: list[str], options: Options) -> Told:
    """The model under the torches of one or two Pythons; RecordingError where it cannot be had."""
    programs = [Program(python) for python in pythons]
    try:
        tensors, changes = seen(programs, options)
        found, passed = weights.layers(tensors, options.path.name)
        chosen = selected(found, passed, options)
        told = [under(programs, layer, case, options) for layer, case in cases(programs, chosen, options)]
    finally:
        for program in programs:
            program.close()
    changes += [change for each in told for change in each.changes]
    return Told(changes, [line for each in told for line in each.lines] + passed)


def selected(found: list[Layer], passed: list[str], options: Options) -> list[Layer]:
    """The layers that are judged: all, or the one of a prefix; RecordingError where there is none."""
    if options.prefix is not None:
        wanted = options.prefix.removesuffix(".")
        chosen = [layer for layer in found if layer.prefix == wanted]
        if not chosen:
            names = ", ".join(layer.title for layer in found) or "none"
            raise RecordingError(f"{options.path.name} has no nn.RNN called {wanted!r}; it has {names}")
        return chosen
    if not found:
        why = "; ".join(passed) or "there is no weight_ih_l0 of a recurrent layer"
        raise RecordingError(f"{options.path.name} has no nn.RNN: {why}")
    return found


# -- reading ---------------------------------------------------------------------------------------


def seen(programs: list[Program], options: Options) -> tuple[Tensors, list[Change]]:
    """The file's tensors, and what one torch does not read; RecordingError where none reads it."""
    if not options.path.is_file():
        raise RecordingError(f"{options.path} is not a file")
    if options.cuda and (lacking := [p for p in programs if not p.hello.cuda]):
        raise RecordingError(f"{lacking[0].hello.name} of {lacking[0].python} has no CUDA device")
    if weights.is_safetensors(options.path):
        return weights.of_safetensors(options.path), []
    able = readers(programs, options)
    said: dict[str, str] = {}
    read = []
    for program in able:
        try:
            request = {"path": str(options.path.absolute()), "trust": options.trust}
            read.append(program.ask(weights.Tensors, op="names", **request))
        except Refusal as e:
            said[program.hello.version] = str(e)
    if not read:
        raise RecordingError(unread(options, next(iter(said.values()))))
    title = options.path.name
    told = [(name, f"is not read by {name}: {why}") for name, why in said.items()]
    changes = [Change("checkpoints", "model/read", title, says) for _, says in told]
    return read[-1], changes


def readers(programs: list[Program], options: Options) -> list[Program]:
    """The torches that may read the file: those that have weights_only, or any where it is trusted."""
    able = [program for program in programs if options.trust or program.hello.reads]
    if not able:
        raise RecordingError(
            f"{options.path.name} is read with weights_only, which torch has from 1.13 on: give such a side, "
            "a safetensors file, or --trust"
        )
    return able


def unread(options: Options, said: str) -> str:
    """Why a file is not read, and what to do."""
    name = options.path.name
    if not options.trust and re.search(r"Unsupported (global|class)|GLOBAL", said):
        return (
            f"{name} holds more than tensors: save model.state_dict() and give that, or pass --trust if you "
            "trust whoever wrote it, for loading it may run any code"
        )
    reason = re.sub(r"^(\w+): .*WeightsUnpickler error: ", r"\1: ", said)
    return f"{name} is no checkpoint that torch reads: {short(reason)}"


def cases(programs: list[Program], chosen: list[Layer], options: Options) -> Iterator[tuple[Layer, Case]]:
    """Each layer as a Case, twice where nothing says whether it is tanh or relu."""
    names = [name for layer in chosen for name in layer.tensors]
    if weights.is_safetensors(options.path):
        numbers = weights.read_safetensors(options.path, names)
    else:
        able = readers(programs, options)
        numbers = weights.read_torch(able[-1], options.path, names, trust=options.trust)
    for layer in chosen:
        parameters = weights.parameters(layer, numbers)
        own = options.nonlinearity or layer.options.get("nonlinearity")
        for nonlinearity in (own,) if own in BOTH else BOTH:
            config = configured(layer, nonlinearity, options)
            spec = SpecSubject()
            x = spec.rounded(inputs(config, options), layer.dtype).astype(
                np.float64
            )  # as the torches round it
            rounded = {n: spec.rounded(w, layer.dtype).astype(np.float64) for n, w in parameters.items()}
            yield layer, Case(nonlinearity, config, rounded, x, dtype=layer.dtype, cotangents=loss(config, x))


def configured(layer: Layer, nonlinearity: str, options: Options) -> Config:
    """The layer's configuration, by the shapes of its parameters and what is said of it."""
    batch_first = layer.options.get("batch_first") if options.batch_first is None else options.batch_first
    if options.inputs is not None and options.inputs.ndim == 3 and batch_first is None:
        raise RecordingError("inputs do not say which axis is time: give --batch-first or --time-first")
    names = [match for own in layer.parts if (match := weights.NAME.fullmatch(own))]
    return Config(
        layer.shapes["weight_ih_l0"][1], layer.shapes["weight_hh_l0"][1],
        1 + max(int(m["layer"]) for m in names), nonlinearity, "bias_ih_l0" in layer.parts, bool(batch_first),
        0.0, any(m["back"] for m in names),
    )  # fmt: skip


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


def loss(config: Config, x: np.ndarray) -> Cotangents:
    """What the outputs are multiplied by, and added up, for a loss whose gradients are compared."""
    L, D, H = config.num_layers, config.num_directions, config.hidden_size
    batch = () if x.ndim == 2 else (x.shape[0 if config.batch_first else 1],)
    return Cotangents(
        data.dyadic("model/output cotangent", (*x.shape[:-1], D * H), 7),
        data.dyadic("model/h_n cotangent", (L * D, *batch, H), 7),
    )


# -- running and judging ---------------------------------------------------------------------------


def under(programs: list[Program], layer: Layer, case: Case, options: Options) -> Told:
    """One layer as one nonlinearity, under each torch."""
    answers = [run(program, case, options) for program in programs]
    config = case.config
    about = (
        f"your model, {layer.title}: RNN({config.input_size}, {config.hidden_size}), "
        f"{_count(config.num_layers, 'layer')}, {_count(config.num_directions, 'direction')}, "
        f"{config.nonlinearity}, {case.dtype}, input {case.input.shape}"
    )
    name = f"model/{layer.prefix or 'rnn'}" + ("" if options.nonlinearity else f"/{config.nonlinearity}")
    reproduces = reproduced(answers[-1], options)
    if len(answers) == 1:
        return alone(answers[0], name, about, reproduces)
    found = changed(name, about.partition(":")[0], *answers)
    room = headroom(answers[0].headroom, answers[1].headroom)
    verdict = "moved" if found else f"the same bits under both; {room}"
    return Told(found, [f"{about}: {verdict}{reproduces}"])


def alone(answer: Answer, name: str, about: str, reproduces: str) -> Told:
    """What is said of a layer under one torch."""
    if answer.error:
        return Told([Change("behaviour", f"{name}/error", about, answer.error)], [f"{about}: {answer.error}"])
    says = f"the worst error is {answer.headroom:.2g} of its bound"
    says += "" if answer.gradients is None else f", of a gradient {answer.gradients:.2g}"
    wrong = (answer.headroom or 0) > 1 or (answer.gradients or 0) > 1
    change = Change("beyond", f"{name}/output", about, says, headroom=(None, answer.headroom))
    return Told([change] if wrong else [], [f"{about}: {says}{reproduces}"])


def reproduced(answer: Answer, options: Options) -> str:
    """Whether the answer is the output that the user has, if there is one."""
    if options.outputs is None or answer.error:
        return ""
    got = answer.arrays["output"]
    if got.shape != options.outputs.shape:
        return f"; your outputs are {options.outputs.shape}, and not {got.shape}"
    far = float(np.nanmax(np.abs(got - options.outputs)))
    return f"; it is your outputs to {far:.2g}"


def _count(n: int, name: str) -> str:
    return f"{n} {name}" + ("" if n == 1 else "s")


def changed(name: str, title: str, a: Answer, b: Answer) -> list[Change]:
    """What changed of a layer's answers: an error, the outputs, the gradients."""
    if a.error or b.error:
        if a.error == b.error:
            raise RecordingError(f"the model does not run in either torch: {a.error}")
        was, now = (x.error or "computed" for x in (a, b))
        return [Change("behaviour", f"{name}/error", title, f"was {was}, now {now}")]
    of = {
        "output": (["output", "h_n"], (a.headroom, b.headroom)),
        "gradients": ([n for n in a.arrays if n.startswith("grad ")], (a.gradients, b.gradients)),
    }
    return [
        change
        for what, (names, rooms) in of.items()
        if (change := _moved(f"{name}/{what}", title, names, (a, b), rooms))
    ]


def _moved(
    id: str, title: str, names: list[str], answers: tuple[Answer, Answer], rooms: Any
) -> Change | None:
    """The change of some arrays, or None where they are the same bits and within their bound."""
    pairs = {n: (answers[0].arrays.get(n), answers[1].arrays.get(n)) for n in names}
    moved = {name: pair for name, pair in pairs.items() if not same(*pair)}
    beyond = (rooms[1] or 0) > 1
    if not moved and not beyond:
        return None
    parts = [_parts(name, *pair) for name, pair in list(moved.items())[:3]]
    parts += [f"{len(moved) - 3} more moved"] if len(moved) > 3 else []
    parts += [headroom(*rooms)] if rooms[1] is not None else ["nothing bounds it for such weights"]
    verdict = "beyond" if beyond else "numerics"
    says = "; ".join(parts) + ("; it is not within its bound" if beyond else "")
    return Change(verdict, id, title, says, headroom=rooms)


def _parts(name: str, a: Any, b: Any) -> str:
    if np.shape(a) != np.shape(b):
        return f"{name} was {np.shape(a)}, now {np.shape(b)}"
    with np.errstate(invalid="ignore"):
        greatest = np.nanmax(np.abs(a - b))
    return f"{name}: {int((a != b).sum())} of {a.size} elements moved, by at most {greatest:.2g}"


def run(program: Program, case: Case, options: Options) -> Answer:
    """What a torch makes of a layer, and its worst errors."""
    cotangents: Any = case.cotangents
    given = {f"w {n}": w for n, w in case.parameters.items()} | {
        "x": case.input, "output": cotangents.output, "h_n": cotangents.h_n,
    }  # fmt: skip
    config = {name: getattr(case.config, name) for name in CONFIGURED}
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "given.npz", Path(folder) / "answer.npz"
        np.savez(there, **given)
        request = {"given": str(there), "to": str(back), "config": config, "dtype": case.dtype}
        try:
            program.ask(weights.Written, op="model", device="cuda" if options.cuda else "cpu", **request)
        except Refusal as e:
            return Answer(error=str(e))
        arrays = weights.load(back)
    try:
        count = case.config.num_layers
        worst = steps(case, [arrays.pop(f"output {n}") for n in range(1, count + 1)], arrays["h_n"])
    except TooCoarse as e:
        raise RecordingError(str(e)) from e
    except (Nonconformity, ValueError, IndexError, KeyError) as e:  # another shape than it must have
        return Answer(error=f"an answer that is not the layer's: {e}")
    return Answer(arrays, None, worst, gradients(case, arrays))


CONFIGURED = (
    "input_size", "hidden_size", "nonlinearity", "num_layers", "bias", "batch_first", "bidirectional",
)  # fmt: skip


def gradients(case: Case, arrays: dict[str, np.ndarray]) -> float | None:
    """The worst error of a gradient in parts of its bound; None where no bound says anything."""
    if unbounded(case):
        return None
    with np.errstate(all="ignore"):
        expected = expect(replace(case, training=True)).arrays
    found = []
    for name, array in arrays.items():
        bound = expected.get(name)
        if name.startswith("grad ") and bound is not None and bound.error.max() < np.abs(bound.value).max():
            try:
                found.append(compare(name, array, bound).headroom)
            except Nonconformity:
                return float("inf")
    return max(found, default=None)


def unbounded(case: Case) -> bool:
    """Whether an error of one rounding may outgrow any number on its way through all steps."""
    sums = [np.abs(w).sum(axis=1).max() for n, w in case.parameters.items() if n.startswith("weight_hh")]
    length = case.input.shape[1 if case.input.ndim == 3 and case.config.batch_first else 0]
    return bool(max(sums) > 1 and np.log(max(sums)) * length + np.log(FORMATS[case.dtype].unit_roundoff) > 0)


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
        raise RecordingError(f"{path} is not an array of numbers: {e}") from e
