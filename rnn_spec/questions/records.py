r"""The records that everything is a flow of. A question is a Case or an Attempt.

    Case  --subject-->  Observation  --judge-->  Verdict
      \----spec----->  Expectation  ----^

Arrays are NumPy's; a Case's are float64 whatever its dtype, and exact in bfloat16, so that one
Case serves every dtype without rounding. `rnn_spec.far.wire` reads these annotations: they are its schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.spec.model import Config

LEVELS = (
    "cell",
    "sequence",
    "stack",
    "bidirectional",
    "lengths",
    "gradients",
    "dropout",
    "precision",
    "torch_api",
)
"""What a subject may claim, in the order in which an implementer would reach it."""

DTYPES = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True, eq=False)
class Cotangents:
    """The cotangents of output and h_n, in the shapes and layouts of output and h_n."""

    output: np.ndarray
    h_n: np.ndarray


@dataclass(frozen=True, eq=False)
class Call:
    """A call made on the same layer before the one that is asked about; shapes as in Case."""

    input: np.ndarray
    h_0: np.ndarray | None = None
    training: bool = False


@dataclass(frozen=True, eq=False)
class Case:
    """One question: run this RNN on this input.

    `input` is (T, N, I), (N, T, I) if config.batch_first, or (T, I) unbatched; `h_0` (L*D, N, H),
    or (L*D, H) unbatched, or None: absent; `lengths` (N,) or None; `parameters` by nn.RNN's names
    and shapes. The layer is built, its parameters are set, the subject's generator is seeded with
    `seed`, the calls of `earlier` are made on the same layer, and then comes the call that is asked
    about. With `cotangents` the gradients of <output, .> + <h_n, .> are asked for, too.

    A string in `earlier` is the name of a *deed*: what is done to the layer then, such as ``deepcopy``.
    `route` is the name of a route: what is called is not the layer, but what the route makes of it (a script,
    a trace ...). It is taken with the first call of the same mode and shapes, or where the deed ``take the
    route`` stands; deeds that follow this one are done to what the route made.
    """

    id: str
    config: Config
    parameters: Mapping[str, np.ndarray]
    input: np.ndarray
    h_0: np.ndarray | None = None
    lengths: np.ndarray | None = None
    training: bool = False
    dtype: str = "float32"
    seed: int = 0
    cotangents: Cotangents | None = None
    earlier: tuple[Call | str, ...] = ()
    route: str = ""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of `earlier`."""
        return tuple(e for e in self.earlier if isinstance(e, Call))

    @property
    def deeds(self) -> tuple[str, ...]:
        """The deeds of `earlier`."""
        return tuple(e for e in self.earlier if isinstance(e, str))

    @property
    def batched(self) -> bool:
        """Whether input has a batch dimension."""
        return self.input.ndim == 3

    @property
    def levels(self) -> frozenset[str]:
        """What a subject must claim to be asked this."""
        c, time = self.config, self.input.shape[1 if self.config.batch_first and self.batched else 0]
        needs = {
            "sequence": time > 1 or self.h_0 is None,
            "stack": c.num_layers > 1,
            "bidirectional": c.bidirectional,
            "lengths": self.lengths is not None,
            "gradients": self.cotangents is not None,
            "dropout": c.dropout > 0,
            "precision": self.dtype not in ("float32", "float64"),
            "torch_api": c.batch_first
            or not (self.batched and all(e.input.ndim == 3 for e in self.calls))
            or bool(self.deeds or self.route),
        }
        return frozenset({"cell"} | {level for level, needed in needs.items() if needed})

    @cached_property
    def fingerprint(self) -> str:
        """The id, and a digest of all that is asked: no two questions have one."""
        told = [e if isinstance(e, str) else e.training for e in self.earlier]
        calls = [a for call in self.calls for a in (call.input, call.h_0)]
        return f"{self.id} {digest(calls, (self.numbers, self.seed, told, self.route))}"

    @cached_property
    def numbers(self) -> str:
        """A digest of all that the spec reads: whatever is done before it says the same, on any route."""
        arrays = [*self.given.values(), self.lengths, *(vars(c).values() if (c := self.cotangents) else ())]
        return digest(
            arrays, (list(self.given), bool(self.cotangents), self.config, self.training, self.dtype)
        )

    @property
    def dropping(self) -> bool:
        """Whether dropout acts: in training mode, between layers, with p > 0."""
        return self.training and self.config.dropout > 0 and self.config.num_layers > 1

    @property
    def given(self) -> dict[str, np.ndarray]:
        """The arrays of a call by name: the parameters, input, and h_0 if there is one."""
        arrays = {**self.parameters, "input": self.input}
        return arrays if self.h_0 is None else {**arrays, "h_0": self.h_0}

    def derive(self, how: str, **changes: Any) -> Case:
        """The same question with something changed; `how` is added to its id."""
        return replace(self, id=f"{self.id}~{how}", **changes)

    def own(self) -> Case:
        """The same question in arrays of its own: what a subject is given, here or in another process."""
        g = self.cotangents
        return replace(
            self,
            config=replace(self.config),
            parameters={name: _own(array) for name, array in self.parameters.items()},
            input=_own(self.input),
            h_0=_own(self.h_0),
            lengths=None if self.lengths is None else np.array(self.lengths, np.int64),
            cotangents=g and Cotangents(_own(g.output), _own(g.h_n)),
            earlier=tuple(
                e if isinstance(e, str) else Call(_own(e.input), _own(e.h_0), e.training)
                for e in self.earlier
            ),
        )


def digest(arrays: Iterable[np.ndarray | None], told: object) -> str:
    """16 hexadecimal digits that stand for arrays, each of them or None, and for what has a repr."""
    held = hashlib.blake2b(repr(told).encode(), digest_size=8)
    for x in arrays:
        held.update(b"-" if x is None else f"{x.dtype}{x.shape}".encode() + x.tobytes())
    return held.hexdigest()


def _own(array: Any) -> Any:
    """A copy that holds float64 numbers in row-major order, and may be written into; None of None."""
    return None if array is None else np.array(array, np.float64, order="C")


if TYPE_CHECKING:
    Value = Any
else:

    class _Anything(type):
        def __instancecheck__(cls, x: object) -> bool:
            return True

    class Value(metaclass=_Anything):
        """A plain value of an Attempt: whatever `rnn_spec.questions.plain` can pack into JSON."""


TOKENS = (
    "float64", "float32", "float16", "bfloat16", "int64", "bool", "tanh",
    "device", "ones", "full", "tensor", "pack_padded_sequence", "PackedSequence",
)  # fmt: skip
"""What an Attempt may have torch make: its attributes of these names, and those of torch.nn.utils.rnn."""


@dataclass(frozen=True)
class Torch:
    """torch's attribute of this name, of `TOKENS`; called with the arguments if there are any.

    `dtype` is the keyword argument of the call, by name.
    """

    name: str
    arguments: tuple[Value, ...] = ()
    dtype: str = ""

    def __repr__(self) -> str:
        """As one would write it."""
        given = [*map(repr, self.arguments), *([f"dtype=torch.{self.dtype}"] if self.dtype else [])]
        return f"torch.{self.name}" + (f"({', '.join(given)})" if self.arguments else "")


@dataclass(frozen=True, eq=False)
class Attempt:
    """The other question: construct the layer with these plain arguments, and perhaps call it.

    The generator is seeded with `seed`; under `default_dtype`, and in the context of `device` (each as torch
    has it, unless it is named), the layer is constructed, moved to `dtype` if there is one, and called with
    the arguments of `call`, if that is not None. `twin` is a valid attempt, one edit away from this one: it
    is made first, and has to be answered; what a refused attempt leaves behind is looked for where the twin
    has been. With `draws` so many layers are constructed, one after another, and what their parameters hold
    is told. `apart`: some torch may die of it, so a worker makes it in a process of its own.
    """

    id: str
    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    call: tuple[Value, ...] | None = None
    dtype: str = ""
    default_dtype: str = ""
    device: str = ""
    seed: int = 0
    draws: int = 0
    apart: bool = False
    twin: Attempt | None = None

    def __str__(self) -> str:
        """The calls as one writes them, and what holds around them; beside a valid twin, what is other."""
        twin = self.twin or Attempt("")
        same = {name for name, value in self.keywords.items() if repr(twin.keywords.get(name)) == repr(value)}
        given = [*map(repr, self.positional), *(["..."] if same else [])]
        given += [f"{name}={value!r}" for name, value in self.keywords.items() if name not in same]
        arguments = [
            "..." if repr(x) == repr(y) else repr(x) for x, y in zip_longest(self.call or (), twin.call or ())
        ]
        called = "" if {*arguments} <= {"...", "None"} else f"({', '.join(arguments)})"
        around = {"default dtype": self.default_dtype, "device": self.device, "moved to": self.dtype}
        where = "".join(f", {name} {value}" for name, value in around.items() if value)
        return f"RNN({', '.join(given)}){called}{where}"


@dataclass(frozen=True)
class Error:
    """What a subject raised: in which phase (construct, forward, backward, load), class and message.

    Two phases are not the layer's, and never a right answer, not even where an error is expected.
    ``worker``: the process that should have answered crashed, hung, or said what cannot be read.
    ``adapter``: the subject's own lines are wrong, so that the layer has not been reached.
    Of an Attempt there are two more. ``make``: torch itself refuses to make an argument. ``tell``: the layer
    is there, and cannot be looked at. `bases` are the names of the classes that the exception's class is of.
    `own_line` says that its own line raised, by what may be such a mistake (`rnn_spec.questions.blame`).
    """

    phase: str
    type: str
    message: str
    traceback: str = field(default="", compare=False)
    own_line: bool = field(default=False, compare=False)
    bases: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        """What happened, in one line."""
        return f"{self.type} in {self.phase}: {self.message}"


@dataclass(frozen=True)
class Attribute:
    """An attribute of the layer: the name of its type, and its value, or the repr of what is not plain."""

    type: str
    value: bool | int | float | str | None


@dataclass(frozen=True)
class Parameter:
    """A parameter of the layer; `grad` says whether it has a gradient."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool
    is_leaf: bool
    grad: bool


@dataclass(frozen=True)
class Behaviour:
    """What forward does with an input of ones, (2, 7, input_size), all weight_ih being 1/2 and all else 0.

    That is the shapes of output and h_n; whether an output is above 1, as with relu alone; whether training
    mode answers as evaluation mode, and whether with zeros alone.
    """

    output: tuple[int, ...]
    h_n: tuple[int, ...]
    above_1: bool
    alike: bool
    silent: bool


@dataclass(frozen=True)
class Left:
    """What a refused attempt left behind, where its twin has been.

    By name the parameters of the twin's layer that are not the `objects`, have not the `bits` or not the
    `gradients` that they had; whether a `mode` was changed, or whether gradients are `recorded`; whether the
    generator was advanced (`drew`); what the next valid attempt raised (`again`), and what of its answer
    `differs` from the one before.
    """

    objects: tuple[str, ...] = ()
    bits: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    mode: bool = False
    recorded: bool = True
    drew: bool = False
    again: Error | None = None
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempted:
    """What a layer that was attempted shows; of a refused attempt `twin` and `left` alone.

    The attributes are those that the constructor's arguments have the names of, where it has them; `results`
    the shapes of what the call returned; `does` what it does, unless it was called or is on no real device,
    and `fails` what it raised at that. `twin` is what the valid twin raised, `left` what was left behind.
    """

    repr: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    results: tuple[tuple[int, ...], ...] = ()
    does: Behaviour | None = None
    fails: Error | None = None
    twin: Error | None = None
    left: Left | None = None


@dataclass(frozen=True, eq=False)
class Observation:
    """What a subject answered: arrays, or an error, or `unsupported` with a reason.

    Arrays hold the subject's numbers exactly, whatever NumPy dtype carries them; `dtypes` says what
    the subject's own were (``output`` and ``h_n``). `gradients` are keyed ``input``, ``h_0`` and by
    parameter. What a subject cannot tell it leaves None: `parameters`, the shapes of its own
    parameters by name, in its order; `after`, what its input, h_0 and parameters hold after the call,
    where those that hold what they held may be left out;
    `aliases`, pairs of these and the results that share memory, such as ``output, h_n``; `drew`,
    whether the call drew from the random generator; `earlier`, the output of each earlier call, by which
    one sees that it was made. `facts` are what else the module shows, as plain JSON data, where a question
    asks for it: deeds do. `attempted` is what came of an Attempt, and `categories` are, for each
    warning, the names of its class and of the classes that this is of.
    """

    output: np.ndarray | None = None
    h_n: np.ndarray | None = None
    gradients: Mapping[str, np.ndarray] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, tuple[int, ...]] | None = None
    after: Mapping[str, np.ndarray] | None = None
    aliases: tuple[str, ...] | None = None
    drew: bool | None = None
    earlier: tuple[np.ndarray, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: Error | None = None
    unsupported: str | None = None
    warnings: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    attempted: Attempted | None = None

    def preceding(self) -> dict[str, np.ndarray]:
        """The outputs of the earlier calls by name, ``earlier 0`` ..., as far as they are told."""
        return {f"earlier {i}": x for i, x in enumerate(self.earlier or ())}

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array by name: ``output``, ``h_n``, ``grad input``, ``grad weight_ih_l0`` ..."""
        found = {"output": self.output, "h_n": self.h_n}
        return {name: a for name, a in found.items() if a is not None} | {
            f"grad {name}": a for name, a in self.gradients.items()
        }


@dataclass(frozen=True, eq=False)
class Bound:
    """An expected array: each element's value, and how far a correct answer may be from it."""

    value: np.ndarray
    error: np.ndarray

    def __getitem__(self, key: Any) -> Bound:
        return Bound(self.value[key], self.error[key])


@dataclass(frozen=True, eq=False)
class Expectation:
    """What the spec says: every array by the names of `Observation.arrays`, with its bounds."""

    arrays: Mapping[str, Bound]
