# ruff: noqa: N807  # a fault is a function under its step's own name, such as __init__
"""Faults of the module around the recurrence: its constructor, parameters, initial values and refusals."""

from __future__ import annotations

import re
import warnings
from math import sqrt
from typing import Any

import numpy as np

from rnn_spec.faults.base import MODULE, fault, honest

NAMES = (
    "input_size", "hidden_size", "num_layers", "nonlinearity", "bias",
    "batch_first", "dropout", "bidirectional", "device", "dtype",
)  # fmt: skip


def named(positional: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """All arguments by keyword; TypeError where one is given twice, or has no name."""
    if len(positional) > len(NAMES):
        raise TypeError(f"{len(NAMES)} positional arguments, and no more, can be given")
    given = dict(zip(NAMES, positional, strict=False))
    if twice := given.keys() & keywords:
        raise TypeError(f"multiple values for {sorted(twice)[0]}")
    return {**given, **keywords}


def build(layer: Any, options: dict[str, Any]) -> None:
    """Construct as torch does."""
    honest(layer, "__init__")(**options)


# Order, names and defaults of the arguments.


@fault(
    "bias-before-nonlinearity",
    "ARG-01",
    "The fourth argument by position is bias, the fifth nonlinearity.",
    MODULE,
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    order = (*NAMES[:3], "bias", "nonlinearity", *NAMES[5:])
    build(self, {**dict(zip(order, positional, strict=False)), **keywords})


@fault("dropout-after-bidirectional", "ARG-01", "By position bidirectional comes before dropout.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    order = (*NAMES[:6], "bidirectional", "dropout", *NAMES[8:])
    build(self, {**dict(zip(order, positional, strict=False)), **keywords})


@fault("hidden-size-first", "ARG-01", "By position hidden_size comes before input_size.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    order = ("hidden_size", "input_size", *NAMES[2:])
    build(self, {**dict(zip(order, positional, strict=False)), **keywords})


@fault("no-keyword-device", "ARG-02", "There is no keyword device.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if "device" in keywords:
        raise TypeError("unexpected keyword argument 'device'")
    honest(self, "__init__")(*positional, **keywords)


@fault("keyword-order-matters", "ARG-02", "Keywords are taken in the order that they are given in.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    places = sorted((name for name in keywords if name in NAMES), key=NAMES.index)
    build(self, named(positional, dict(zip(places, keywords.values(), strict=False)) | {
        name: value for name, value in keywords.items() if name not in NAMES
    }))  # fmt: skip


@fault("relu-by-default", "ARG-03", "A layer without a nonlinearity given is a relu layer.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {"nonlinearity": "relu", **named(positional, keywords)})


@fault("no-bias-by-default", "ARG-03", "A layer has no bias unless it is asked for.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {"bias": False, **named(positional, keywords)})


@fault(
    "batch-first-by-default",
    "ARG-03",
    "Input has the batch first unless the layer is told otherwise.",
    MODULE,
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {"batch_first": True, **named(positional, keywords)})


@fault("two-layers-by-default", "ARG-03", "A layer without a num_layers given has two.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {"num_layers": 2, **named(positional, keywords)})


@fault("drops-by-default", "ARG-03", "A layer without a dropout given drops half of what passes.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {"dropout": 0.5, **named(positional, keywords)})


@fault("hidden-size-by-default", "ARG-03", "A hidden_size that is left out is the input_size.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    given = named(positional, keywords)
    build(self, {**given, "hidden_size": given.get("hidden_size", given.get("input_size"))})


@fault("keyword-wins", "ARG-04", "Of a value by position and one by keyword the keyword's is taken.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    build(self, {**dict(zip(NAMES, positional, strict=False)), **keywords})


@fault(
    "same-value-twice", "ARG-04", "An argument given twice is refused only where the values differ.", MODULE
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    given = dict(zip(NAMES, positional, strict=False))
    alike = {name for name in given.keys() & keywords if given[name] == keywords[name]}
    build(self, named(positional, {k: v for k, v in keywords.items() if k not in alike}))


@fault("unknown-keyword-ignored", "ARG-05", "A keyword that is no argument is ignored.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    known = {name: value for name, value in keywords.items() if name in NAMES}
    honest(self, "__init__")(*positional, **known)


@fault("proj-size-of-nothing", "ARG-05", "proj_size is accepted where it asks for nothing.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if not keywords.get("proj_size", True):
        del keywords["proj_size"]
    honest(self, "__init__")(*positional, **keywords)


# What a layer shows of itself.


@fault("no-attribute-nonlinearity", "ARG-06", "The nonlinearity cannot be read from the layer.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    del self.nonlinearity


@fault("switches-read-as-ints", "ARG-06", "The attribute batch_first is 1 or 0.", MODULE)
def __getattribute__(self: Any, name: str) -> Any:
    value = honest(self, "__getattribute__")(name)
    return int(value) if name == "batch_first" else value


@fault(
    "attribute-of-the-default",
    "ARG-06",
    "The attribute nonlinearity is 'tanh', whatever the layer is.",
    MODULE,
)
def __getattribute__(self: Any, name: str) -> Any:  # type: ignore[misc]
    return "tanh" if name == "nonlinearity" else honest(self, "__getattribute__")(name)


@fault("repr-without-bidirectional", "ARG-07", "The repr does not show bidirectional.", MODULE)
def extra_repr(self: Any) -> Any:
    return honest(self, "extra_repr")().replace(", bidirectional=True", "")


@fault("repr-without-bias", "ARG-07", "The repr shows only options that are switched on.", MODULE)
def extra_repr(self: Any) -> Any:
    return honest(self, "extra_repr")().replace(", bias=False", "")


@fault("repr-with-sizes-swapped", "ARG-07", "The repr shows hidden_size first.", MODULE)
def extra_repr(self: Any) -> Any:
    return re.sub(r"^(\d+), (\d+)", r"\2, \1", honest(self, "extra_repr")())


@fault("dtype-ignored", "ARG-09", "The parameters have the default dtype, whatever is asked for.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **{**keywords, "dtype": None})


@fault("biases-in-float32", "ARG-09", "The biases are made in float32, whatever the dtype is.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    for name, parameter in self.named_parameters():
        if name.startswith("bias"):
            parameter.data = parameter.data.float()


@fault("default-dtype-ignored", "ARG-09", "Without a dtype the parameters are in float32.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    if keywords.get("dtype") is None and self.weight_ih_l0.element_size() == 8:
        self.float()


@fault("device-ignored", "ARG-09", "The parameters are on the default device, whatever is asked for.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **{**keywords, "device": None})


@fault("all-weights-are-copies", "PAR-09", "all_weights holds copies of the parameters.", MODULE)
def __getattribute__(self: Any, name: str) -> Any:
    value = honest(self, "__getattribute__")(name)
    return [[w.detach().clone() for w in ws] for ws in value] if name == "all_weights" else value


@fault("all-weights-from-the-top", "PAR-09", "all_weights begins with the last layer.", MODULE)
def __getattribute__(self: Any, name: str) -> Any:  # type: ignore[misc]
    value = honest(self, "__getattribute__")(name)
    return value[::-1] if name == "all_weights" else value


@fault("biases-do-not-train", "PAR-11", "The biases require no gradient.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    for name, parameter in self.named_parameters():
        parameter.requires_grad_(not name.startswith("bias"))


# Initial values.


@fault("biases-begin-at-zero", "INI-01", "The biases of a new layer are zero.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for name, parameter in self.named_parameters():
        if name.startswith("bias"):
            parameter.data.zero_()


@fault("interval-of-the-inputs", "INI-01", "Each matrix is drawn from +-1/sqrt(of its own columns).", MODULE)
def reset_parameters(self: Any) -> None:
    for parameter in self.parameters():
        bound = 1 / sqrt(parameter.shape[-1])
        parameter.data.uniform_(-bound, bound)


@fault(
    "normal-initial-values",
    "INI-01",
    "The initial values are normal, of the right standard deviation.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    for parameter in self.parameters():
        parameter.data.normal_(0, 1 / sqrt(3 * self.hidden_size))


@fault("triangular-initial-values", "INI-01", "The initial values are the mean of two uniform draws.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for parameter in self.parameters():
        bound = 1 / sqrt(self.hidden_size)
        parameter.data.add_(parameter.data.clone().uniform_(-bound, bound)).div_(2)


@fault("positive-initial-values", "INI-01", "The initial values are drawn from 0 to 1/sqrt(H).", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for parameter in self.parameters():
        parameter.data.abs_()


@fault(
    "biases-of-a-narrower-interval",
    "INI-01",
    "The biases are drawn from nine tenths of the interval.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for name, parameter in self.named_parameters():
        if name.startswith("bias"):
            parameter.data.mul_(0.9)


@fault(
    "directions-begin-alike",
    "INI-01",
    "The reverse direction begins with the forward direction's values.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for name, parameter in self.named_parameters():
        if name.endswith("_reverse"):
            parameter.data.copy_(getattr(self, name.removesuffix("_reverse")).data)


@fault("biases-begin-alike", "INI-01", "bias_hh begins with the values of bias_ih.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for name, parameter in self.named_parameters():
        if name.startswith("bias_hh"):
            parameter.data.copy_(getattr(self, name.replace("bias_hh", "bias_ih")).data)


@fault("symmetric-recurrent-weights", "INI-01", "weight_hh begins as a symmetric matrix.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for name, parameter in self.named_parameters():
        if name.startswith("weight_hh"):
            parameter.data.copy_(parameter.data.triu() + parameter.data.triu(1).T)


@fault("rows-begin-in-pairs", "INI-01", "Every other row of a matrix begins as the one before it.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    for parameter in self.parameters():
        if parameter.dim() == 2:
            rows = len(parameter) // 2 * 2
            parameter.data[1:rows:2] = parameter.data[0:rows:2]


@fault(
    "every-other-layer-begins-alike",
    "INI-01",
    "Every other new layer begins with the values of the last.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    kept = vars(type(self)).get("kept")
    values = {name: p.data.clone() for name, p in self.named_parameters()}
    alike = kept and {n: v.shape for n, v in kept.items()} == {n: v.shape for n, v in values.items()}
    for name, parameter in self.named_parameters():
        if alike:
            parameter.data.copy_(kept[name])
    type(self).kept = None if alike else values


@fault("reset-of-weights-alone", "INI-02", "reset_parameters leaves the biases as they are.", MODULE)
def reset_parameters(self: Any) -> None:
    biases = {n: p.data.clone() for n, p in self.named_parameters() if n.startswith("bias")}
    honest(self, "reset_parameters")()
    for name, value in biases.items() if self.__dict__.get("begun") else ():
        getattr(self, name).data.copy_(value)
    self.__dict__["begun"] = True


@fault("reset-once", "INI-02", "reset_parameters does nothing after construction.", MODULE)
def reset_parameters(self: Any) -> None:
    if not self.__dict__.get("begun"):
        honest(self, "reset_parameters")()
    self.__dict__["begun"] = True


@fault(
    "reset-to-new-parameters",
    "INI-02",
    "reset_parameters puts new parameters in the place of the old.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    for name, parameter in list(self.named_parameters()):
        setattr(self, name, type(parameter)(parameter.detach().clone()))
    honest(self, "reset_parameters")()


@fault("reset-to-new-memory", "INI-02", "reset_parameters moves the parameters to other memory.", MODULE)
def reset_parameters(self: Any) -> None:
    for parameter in self.parameters():
        parameter.data = parameter.data.clone()
    honest(self, "reset_parameters")()


@fault("reset-to-the-same", "INI-02", "reset_parameters gives the first initial values again.", MODULE)
def reset_parameters(self: Any) -> None:
    if "begun" not in self.__dict__:
        honest(self, "reset_parameters")()
        self.__dict__["begun"] = {name: p.data.clone() for name, p in self.named_parameters()}
    for name, value in self.__dict__["begun"].items():
        getattr(self, name).data.copy_(value)


@fault(
    "initial-values-of-another-generator",
    "INI-03",
    "The initial values do not come from torch's generator.",
    MODULE,
)
def reset_parameters(self: Any) -> None:
    bound, generator = 1 / sqrt(self.hidden_size), np.random.default_rng()
    for parameter in self.parameters():
        parameter.data.copy_(parameter.new_tensor(generator.uniform(-bound, bound, tuple(parameter.shape))))


@fault("reset-of-another-generator", "INI-03", "reset_parameters does not follow the seed.", MODULE)
def reset_parameters(self: Any) -> None:
    honest(self, "reset_parameters")()
    if self.__dict__.get("begun"):
        flip = np.random.default_rng().integers(2, size=tuple(self.weight_hh_l0.shape)) * 2 - 1
        self.weight_hh_l0.data.mul_(self.weight_hh_l0.new_tensor(flip))
    self.__dict__["begun"] = True


# What ought to be refused, and is not.


@fault(
    "axes-flattened",
    "ERR-01",
    "An input of more than three axes is taken with its first ones joined.",
    MODULE,
)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    axes = getattr(input, "ndim", 0)
    if axes > 3 and not isinstance(input, np.ndarray):
        input, hx = input.reshape(-1, *input.shape[-2:]), None
    return honest(self, "forward")(input, hx)


@fault("one-step-of-one-axis", "ERR-01", "An input of one axis is taken for a sequence of one step.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return honest(self, "forward")(*((input[None], None) if getattr(input, "ndim", 0) == 1 else (input, hx)))


@fault("surplus-features-cut", "ERR-02", "Features past input_size are cut off.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if getattr(input, "ndim", 0) in (2, 3) and not isinstance(input, np.ndarray):
        input = input[..., : self.input_size]
    return honest(self, "forward")(input, hx)


@fault("one-feature-repeated", "ERR-02", "An input of one feature is repeated to input_size.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if getattr(input, "shape", (0,))[-1:] == (1,):
        input = input.expand(*input.shape[:-1], self.input_size)
    return honest(self, "forward")(input, hx)


@fault("state-broadcast", "ERR-03", "An h_0 that can be broadcast to the right shape is.", MODULE)
def check_hidden_size(self: Any, hx: Any, expected_hidden_size: Any, msg: str = "") -> None:
    if any(a not in (1, b) for a, b in zip(hx.shape, expected_hidden_size, strict=True)):
        honest(self, "check_hidden_size")(hx, expected_hidden_size)
    hx.resize_(expected_hidden_size)


@fault("surplus-states-ignored", "ERR-03", "States of more layers than there are are ignored.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if getattr(hx, "ndim", 0) == getattr(input, "ndim", 0) and not isinstance(hx, np.ndarray):
        hx = hx[: self.num_layers * (1 + self.bidirectional)]
    return honest(self, "forward")(input, hx)


@fault(
    "unbatched-state-of-three-axes",
    "ERR-03",
    "For unbatched input a state with a batch of one is taken.",
    MODULE,
)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if getattr(input, "ndim", 0) == 2 and getattr(hx, "ndim", 0) == 3 and hx.shape[1] == 1:
        hx = hx[:, 0]
    return honest(self, "forward")(input, hx)


@fault("states-of-an-lstm", "ERR-04", "Of a tuple of states the first is taken.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return honest(self, "forward")(input, hx[0] if isinstance(hx, tuple) else hx)


@fault("arrays-converted", "ERR-04", "A NumPy array is converted to a tensor.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    given = [self.weight_ih_l0.new_tensor(a) if isinstance(a, np.ndarray) else a for a in (input, hx)]
    return honest(self, "forward")(*given)


@fault("false-is-no-state", "ERR-04", "A state of 0 or False is taken for none.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return honest(self, "forward")(input, None if isinstance(hx, int) and not hx else hx)


@fault("no-layers-are-one", "ERR-05", "A num_layers of 0 is taken for 1.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    none = "num_layers" in keywords and keywords["num_layers"] == 0
    honest(self, "__init__")(*positional, **{**keywords, **({"num_layers": 1} if none else {})})


@fault("sign-of-sizes-ignored", "ERR-05", "A negative size is taken without its sign.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    sizes = {k: abs(v) for k, v in keywords.items() if k.endswith("_size") and type(v) is int}
    honest(self, "__init__")(*positional, **{**keywords, **sizes})


@fault("unknown-nonlinearity-is-tanh", "ERR-06", "A nonlinearity that is not known is tanh.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if keywords.get("nonlinearity", "tanh") not in ("tanh", "relu"):
        keywords["nonlinearity"] = "tanh"
    honest(self, "__init__")(*positional, **keywords)


@fault(
    "nonlinearity-in-any-case",
    "ERR-06",
    "The nonlinearity may be in upper case, with blanks around it.",
    MODULE,
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if isinstance(name := keywords.get("nonlinearity"), str):
        keywords["nonlinearity"] = name.strip().lower()
    honest(self, "__init__")(*positional, **keywords)


@fault("dropout-clipped", "ERR-07", "A dropout outside of 0 to 1 is clipped.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if type(p := keywords.get("dropout")) in (int, float):
        keywords["dropout"] = min(max(p, 0), 1) if p == p else p
    honest(self, "__init__")(*positional, **keywords)


@fault("dropout-of-nan", "ERR-07", "A dropout of NaN is taken for none.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if isinstance(p := keywords.get("dropout"), float) and np.isnan(p):
        keywords["dropout"] = 0.0
    honest(self, "__init__")(*positional, **keywords)


# Refused, but in another way.


@fault("wrong-values-are-runtime-errors", "ERR-08", "A wrong value is refused with a RuntimeError.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except ValueError as e:
        raise RuntimeError(str(e)) from e


@fault("shapes-are-asserted", "ERR-09", "A wrong shape is refused with an AssertionError.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    try:
        return honest(self, "forward")(input, hx)
    except (RuntimeError, ValueError) as e:
        raise AssertionError(str(e)) from e


@fault("truthy-switches", "ERR-10", "bias is on for whatever is true.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if "bias" in keywords:
        keywords["bias"] = bool(keywords["bias"])
    honest(self, "__init__")(*positional, **keywords)


@fault("sizes-rounded-down", "ERR-10", "A size or layer count that is a float is rounded down.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    whole = {k: int(v) for k, v in keywords.items() if k in NAMES[:3] and isinstance(v, float) and v == v}
    honest(self, "__init__")(*positional, **{**keywords, **whole})


@fault("wrong-types-are-value-errors", "ERR-10", "A wrong type is refused with a ValueError.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except TypeError as e:
        raise ValueError(str(e)) from e


@fault("no-warning", "ERR-11", "Dropout with one layer is taken without a warning.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        honest(self, "__init__")(*positional, **keywords)


@fault("warning-without-names", "ERR-11", "The warning does not say what it is about.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        honest(self, "__init__")(*positional, **keywords)
    if found:
        warnings.warn("an option has no effect", stacklevel=2)


@fault("warning-is-an-error", "ERR-11", "Dropout with one layer is refused.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        honest(self, "__init__")(*positional, **keywords)


@fault("always-a-warning", "ERR-11", "Dropout is warned about whatever the number of layers.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    if self.dropout > 0 and self.num_layers > 1:
        warnings.warn("dropout acts between the num_layers layers alone", stacklevel=2)


@fault("nonlinearity-refused-late", "ERR-12", "An unknown nonlinearity is refused by the first call.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    asked = keywords.pop("nonlinearity", "tanh") if len(positional) < 4 else positional[3]
    known = asked if asked in ("tanh", "relu") else "tanh"
    honest(self, "__init__")(
        *positional, **({"nonlinearity": known} if len(positional) < 4 else {}), **keywords
    )
    if known != asked:
        self.mode = asked


@fault(
    "sizes-refused-late", "ERR-12", "A layer of no inputs is built, and refused by the first call.", MODULE
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    none = "input_size" in keywords and keywords["input_size"] == 0
    honest(self, "__init__")(*positional, **{**keywords, **({"input_size": 1} if none else {})})
    self.input_size = 0 if none else self.input_size


def reworded(layer: Any, phase: str, reword: Any, *positional: Any, **keywords: Any) -> Any:
    """Call a step, with the message of its refusal in other words."""
    try:
        return honest(layer, phase)(*positional, **keywords)
    except Exception as e:
        raise type(e)(reword(str(e))) from e


@fault("refusals-name-nothing", "ERR-13", "The constructor's refusals do not name the argument.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    names = rf"\b({'|'.join([*NAMES, *keywords])})\b"
    reworded(self, "__init__", lambda text: re.sub(names, "it", text), *positional, **keywords)


@fault("refusals-show-no-value", "ERR-13", "Refusals show nothing of what was given.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    reworded(
        self,
        "__init__",
        lambda text: re.sub(r"(nonlinearity) '.*?'|, got.*", r"\1", text),
        *positional,
        **keywords,
    )


@fault("refusals-show-no-shape", "ERR-13", "The refusal of a shape does not show it.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return reworded(self, "forward", lambda text: re.sub(r",? (but )?got.*", "", text), input, hx)


@fault("refusals-expect-nothing", "ERR-13", "Refusals do not say what would be right.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    reworded(
        self, "__init__", lambda text: re.split(r" should| must|\. Sel", text)[0], *positional, **keywords
    )


# Refused, but not without a trace.


def refusing(layer: Any, input: Any, hx: Any, then: Any) -> Any:
    """Forward; if it refuses, something happens."""
    try:
        return honest(layer, "forward")(input, hx)
    except Exception:
        then()
        raise


@fault("refusal-draws", "ERR-14", "A refused call advances the random generator.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return refusing(self, input, hx, self.weight_ih_l0.detach().clone().uniform_)


@fault("refusal-ends-training", "ERR-14", "After a refused call the layer is in evaluation mode.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return refusing(self, input, hx, self.eval)


@fault("refusal-begins-training", "ERR-14", "After a refused call the layer is in training mode.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return refusing(self, input, hx, self.train)


@fault("refusal-changes-weights", "ERR-14", "A refused call moves a weight.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return refusing(self, input, hx, lambda: self.weight_hh_l0.detach()[0].add_(1))


@fault("refusal-freezes", "ERR-14", "After a refused call the parameters require no gradient.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    return refusing(self, input, hx, lambda: self.requires_grad_(False))


@fault("refusal-breaks-the-layer", "ERR-14", "After a refused call the layer takes no other.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if self.__dict__.get("broken"):
        raise RuntimeError("the layer is in a failed state")
    return refusing(self, input, hx, lambda: self.__dict__.update(broken=True))


@fault(
    "refused-construction-draws",
    "ERR-14",
    "A refused constructor call advances the random generator.",
    MODULE,
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except Exception:
        honest(self, "__init__")(1, 1)
        raise


@fault(
    "refused-construction-is-remembered",
    "ERR-14",
    "After a refused constructor call the next layer is broken.",
    MODULE,
)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except Exception:
        type(self).refused = True
        raise
    if vars(type(self)).get("refused"):
        type(self).refused = False
        self.weight_ih_l0.data.zero_()
