# ruff: noqa: N807  # a fault is a function under its step's own name, such as __init__
"""Faults of the module around the recurrence: its constructor, parameters, initial values and refusals."""

from __future__ import annotations

import re
import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.faults.base import MODULE, fault, honest, module, then

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    "input_size", "hidden_size", "num_layers", "nonlinearity", "bias",
    "batch_first", "dropout", "bidirectional", "device", "dtype",
)  # fmt: skip
Given = dict[str, Any]


def named(positional: tuple[Any, ...], keywords: Given) -> Given:
    """All arguments by keyword; TypeError where one is given twice, or has no name."""
    if len(positional) > len(NAMES):
        raise TypeError(f"{len(NAMES)} positional arguments, and no more, can be given")
    given = dict(zip(NAMES, positional, strict=False))
    if twice := given.keys() & keywords:
        raise TypeError(f"multiple values for {sorted(twice)[0]}")
    return {**given, **keywords}


def by_name(change: Callable[[Given], Given]) -> Any:
    """A constructor that takes change(all its arguments, by name)."""
    return lambda self, *p, **k: honest(self, "__init__")(**change(named(p, k)))


def by_keyword(change: Callable[[Given], Given]) -> Any:
    """A constructor that takes change(its keyword arguments)."""
    return lambda self, *p, **k: honest(self, "__init__")(*p, **change(k))


def in_order(*names: str) -> Any:
    """A constructor whose arguments by position are these; keywords win."""
    return lambda self, *p, **k: honest(self, "__init__")(**{**dict(zip(names, p, strict=False)), **k})


def built(change: Callable[[Any], Any]) -> Any:
    """A constructor after which change(self) happens."""

    def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
        honest(self, "__init__")(*positional, **keywords)
        change(self)

    return __init__


def forgetting(option: str) -> Any:
    """A layer on which the option can be set once, and that is when it is built."""

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name != option or option not in vars(self):
            honest(self, "__setattr__")(name, value)

    return __setattr__


def biases(layer: Any) -> list[Any]:
    """The layer's biases."""
    return [p for name, p in layer.named_parameters() if name.startswith("bias")]


def begun(change: Callable[[Any, str, Any], Any]) -> Any:
    """Initial values that are changed in place, one after the other: change(self, name, values)."""

    def reset_parameters(self: Any) -> None:
        honest(self, "reset_parameters")()
        for name, parameter in self.named_parameters():
            change(self, name, parameter.data)

    return reset_parameters


def called(change: Callable[..., Any]) -> Any:
    """A call of change(self, input, h_0)."""
    return lambda self, input, hx=None: honest(self, "forward")(*change(self, input, hx))


def axes(x: Any) -> int:
    """How many axes an argument has; 0 where it has none."""
    return int(getattr(x, "ndim", 0))


def is_array(x: Any) -> bool:
    """Whether an argument is NumPy's."""
    return isinstance(x, np.ndarray)


def refusing(step: str, change: Callable[[Exception, Given], Exception]) -> Any:
    """A step whose refusals are change(the right one, the keywords given)."""

    def replacement(self: Any, *positional: Any, **keywords: Any) -> Any:
        try:
            return honest(self, step)(*positional, **keywords)
        except Exception as e:
            raise change(e, keywords) from None

    return replacement


def raising(other: type[Exception], *classes: type[Exception]) -> Any:
    """Refusals of these classes are of another class."""
    return lambda e, keywords: other(str(e)) if isinstance(e, classes) else e


def reworded(reword: Callable[[str, Given], str]) -> Any:
    """Refusals are in other words."""
    return lambda e, keywords: type(e)(reword(str(e), keywords))


def warned(action: Any) -> Any:
    """A constructor whose warnings come to this."""

    def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            honest(self, "__init__")(*positional, **keywords)

    return __init__


def leaving(change: Callable[[Any], Any]) -> Any:
    """A call; if it is refused, change(self) happens."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        try:
            return honest(self, "forward")(input, hx)
        except Exception:
            change(self)
            raise

    return forward


# A fault is a row of a table.
# fmt: off

# Order, names and defaults of the arguments.

module("bias-before-nonlinearity", "ARG-01",
       "The fourth argument by position is bias, the fifth nonlinearity.",
       __init__=in_order(*NAMES[:3], "bias", "nonlinearity", *NAMES[5:]))
module("dropout-after-bidirectional", "ARG-01", "By position bidirectional comes before dropout.",
       __init__=in_order(*NAMES[:6], "bidirectional", "dropout", *NAMES[8:]))
module("hidden-size-first", "ARG-01", "By position hidden_size comes before input_size.",
       __init__=in_order("hidden_size", "input_size", *NAMES[2:]))


@fault("no-keyword-device", "ARG-02", "There is no keyword device.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    if "device" in keywords:
        raise TypeError("unexpected keyword argument 'device'")
    honest(self, "__init__")(*positional, **keywords)


@fault("keyword-order-matters", "ARG-02", "Keywords are taken in the order that they are given in.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    places = sorted((name for name in keywords if name in NAMES), key=NAMES.index)
    honest(self, "__init__")(**named(positional, dict(zip(places, keywords.values(), strict=False)) | {
        name: value for name, value in keywords.items() if name not in NAMES
    }))  # fmt: skip


module("relu-by-default", "ARG-03", "A layer without a nonlinearity given is a relu layer.",
       __init__=by_name(lambda given: {"nonlinearity": "relu", **given}))
module("no-bias-by-default", "ARG-03", "A layer has no bias unless it is asked for.",
       __init__=by_name(lambda given: {"bias": False, **given}))
module("batch-first-by-default", "ARG-03", "Input has the batch first unless the layer is told otherwise.",
       __init__=by_name(lambda given: {"batch_first": True, **given}))
module("two-layers-by-default", "ARG-03", "A layer without a num_layers given has two.",
       __init__=by_name(lambda given: {"num_layers": 2, **given}))
module("drops-by-default", "ARG-03", "A layer without a dropout given drops half of what passes.",
       __init__=by_name(lambda given: {"dropout": 0.5, **given}))
module("hidden-size-by-default", "ARG-03", "A hidden_size that is left out is the input_size.",
       __init__=by_name(lambda given: {"hidden_size": given.get("input_size"), **given}))
module("keyword-wins", "ARG-04", "Of a value by position and one by keyword the keyword's is taken.",
       __init__=in_order(*NAMES))


@fault("same-value-twice", "ARG-04",
       "An argument given twice is refused only where the values differ.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    given = dict(zip(NAMES, positional, strict=False))
    alike = {name for name in given.keys() & keywords if given[name] == keywords[name]}
    honest(self, "__init__")(**named(positional, {k: v for k, v in keywords.items() if k not in alike}))


module("unknown-keyword-ignored", "ARG-05", "A keyword that is no argument is ignored.",
       __init__=by_keyword(lambda k: {name: value for name, value in k.items() if name in NAMES}))
module("proj-size-of-nothing", "ARG-05", "proj_size is accepted where it asks for nothing.",
       __init__=by_keyword(lambda k: {
           name: value for name, value in k.items() if name != "proj_size" or value}))

# What a layer shows of itself.

module("no-attribute-nonlinearity", "ARG-06", "The nonlinearity cannot be read from the layer.",
       __init__=built(lambda self: delattr(self, "nonlinearity")))
module("switches-read-as-ints", "ARG-06", "The attribute batch_first is 1 or 0.",
       __getattribute__=then(lambda self, value, name: int(value) if name == "batch_first" else value))
module("attribute-of-the-default", "ARG-06", "The attribute nonlinearity is 'tanh', whatever the layer is.",
       __getattribute__=then(lambda self, value, name: "tanh" if name == "nonlinearity" else value))
for option in ("dropout", "batch_first"):
    module(f"{option}-as-it-was-built", "ARG-06", f"A {option} that is set on a built layer is forgotten.",
           __setattr__=forgetting(option))
module("repr-without-bidirectional", "ARG-07", "The repr does not show bidirectional.",
       extra_repr=lambda self: honest(self, "extra_repr")().replace(", bidirectional=True", ""))
module("repr-without-bias", "ARG-07", "The repr shows only options that are switched on.",
       extra_repr=lambda self: honest(self, "extra_repr")().replace(", bias=False", ""))
module("repr-with-sizes-swapped", "ARG-07", "The repr shows hidden_size first.",
       extra_repr=lambda self: re.sub(r"^(\d+), (\d+)", r"\2, \1", honest(self, "extra_repr")()))
module("dtype-ignored", "ARG-09", "The parameters have the default dtype, whatever is asked for.",
       __init__=by_keyword(lambda k: {**k, "dtype": None}))


@fault("biases-in-float32", "ARG-09", "The biases are made in float32, whatever the dtype is.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    for p in biases(self):
        p.data = p.data.float()


@fault("default-dtype-ignored", "ARG-09", "Without a dtype the parameters are in float32.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    honest(self, "__init__")(*positional, **keywords)
    if keywords.get("dtype") is None and self.weight_ih_l0.element_size() == 8:
        self.float()


module("device-ignored", "ARG-09", "The parameters are on the default device, whatever is asked for.",
       __init__=by_keyword(lambda k: {**k, "device": None}))
module("all-weights-are-copies", "PAR-09", "all_weights holds copies of the parameters.",
       __getattribute__=then(lambda self, value, name: [[w.detach().clone() for w in ws] for ws in value]
           if name == "all_weights" else value))
module("all-weights-from-the-top", "PAR-09", "all_weights begins with the last layer.",
       __getattribute__=then(lambda self, value, name: value[::-1] if name == "all_weights" else value))
module("biases-do-not-train", "PAR-11", "The biases require no gradient.",
       __init__=built(lambda self: [p.requires_grad_(False) for p in biases(self)]))

# Initial values.

module("biases-begin-at-zero", "INI-01", "The biases of a new layer are zero.",
       reset_parameters=begun(lambda self, name, w: w.zero_() if "bias" in name else w))


@fault("interval-of-the-inputs", "INI-01", "Each matrix is drawn from +-1/sqrt(of its own columns).", MODULE)
def reset_parameters(self: Any) -> None:
    for parameter in self.parameters():
        bound = 1 / sqrt(parameter.shape[-1])
        parameter.data.uniform_(-bound, bound)


@fault("normal-initial-values", "INI-01",
       "The initial values are normal, of the right standard deviation.", MODULE)
def reset_parameters(self: Any) -> None:
    for parameter in self.parameters():
        parameter.data.normal_(0, 1 / sqrt(3 * self.hidden_size))


module("triangular-initial-values", "INI-01", "The initial values are the mean of two uniform draws.",
       reset_parameters=begun(lambda self, name, w: w.add_(w.clone().uniform_(
           -1 / sqrt(self.hidden_size), 1 / sqrt(self.hidden_size))).div_(2)))
module("positive-initial-values", "INI-01", "The initial values are drawn from 0 to 1/sqrt(H).",
       reset_parameters=begun(lambda self, name, w: w.abs_()))
module("biases-of-a-narrower-interval", "INI-01", "The biases are drawn from nine tenths of the interval.",
       reset_parameters=begun(lambda self, name, w: w.mul_(0.9) if "bias" in name else w))
module("directions-begin-alike", "INI-01",
       "The reverse direction begins with the forward direction's values.",
       reset_parameters=begun(lambda self, name, w: w.copy_(
           getattr(self, name.removesuffix("_reverse")).data)))
module("biases-begin-alike", "INI-01", "bias_hh begins with the values of bias_ih.",
       reset_parameters=begun(lambda self, name, w: w.copy_(
           getattr(self, name.replace("bias_hh", "bias_ih")).data)))
module("symmetric-recurrent-weights", "INI-01", "weight_hh begins as a symmetric matrix.",
       reset_parameters=begun(lambda self, name, w:
                              w.copy_(w.triu() + w.triu(1).T) if "weight_hh" in name else w))
module("rows-begin-in-pairs", "INI-01", "Every other row of a matrix begins as the one before it.",
       reset_parameters=begun(lambda self, name, w: w[1::2].copy_(
           w[: len(w) // 2 * 2 : 2]) if w.dim() == 2 else w))


@fault("every-other-layer-begins-alike", "INI-01",
       "Every other new layer begins with the values of the last.", MODULE)
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


@fault("reset-to-new-parameters", "INI-02",
       "reset_parameters puts new parameters in the place of the old.", MODULE)
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


@fault("initial-values-of-another-generator", "INI-03",
       "The initial values do not come from torch's generator.", MODULE)
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

module("axes-flattened", "ERR-01", "An input of more than three axes is taken with its first ones joined.",
       forward=called(lambda self, x, h: (
           (x.reshape(-1, *x.shape[-2:]), None) if axes(x) > 3 and not is_array(x) else (x, h))))
module("one-step-of-one-axis", "ERR-01", "An input of one axis is taken for a sequence of one step.",
       forward=called(lambda self, x, h: (x[None], None) if axes(x) == 1 else (x, h)))
module("surplus-features-cut", "ERR-02", "Features past input_size are cut off.",
       forward=called(lambda self, x, h: (
           x[..., : self.input_size] if axes(x) in (2, 3) and not is_array(x) else x, h)))
module("one-feature-repeated", "ERR-02", "An input of one feature is repeated to input_size.",
       forward=called(lambda self, x, h: (
           x.expand(*x.shape[:-1], self.input_size) if getattr(x, "shape", (0,))[-1:] == (1,) else x, h)))


@fault("state-broadcast", "ERR-03", "An h_0 that can be broadcast to the right shape is.", MODULE)
def check_hidden_size(self: Any, hx: Any, expected_hidden_size: Any, msg: str = "") -> None:
    if any(a not in (1, b) for a, b in zip(hx.shape, expected_hidden_size, strict=True)):
        honest(self, "check_hidden_size")(hx, expected_hidden_size)
    hx.resize_(expected_hidden_size)


module("surplus-states-ignored", "ERR-03", "States of more layers than there are are ignored.",
       forward=called(lambda self, x, h: (
           x, h if axes(h) != axes(x) or is_array(h) else h[: self.num_layers * (1 + self.bidirectional)])))
module("unbatched-state-of-three-axes", "ERR-03", "For unbatched input a state with a batch of one is taken.",
       forward=called(lambda self, x, h: (
           x, h[:, 0] if axes(x) == 2 and axes(h) == 3 and h.shape[1] == 1 else h)))
module("one-direction-of-unbatched-states", "ERR-03",
       "Unbatched, both directions begin with the states that there are for one.",
       forward=called(lambda self, x, h: (x, h.repeat_interleave(2, 0) if axes(x) == axes(h) == 2 and
                                          self.bidirectional and len(h) == self.num_layers else h)))
module("states-of-an-lstm", "ERR-04", "Of a tuple of states the first is taken.",
       forward=called(lambda self, x, h: (x, h[0] if isinstance(h, tuple) else h)))
module("arrays-converted", "ERR-04", "A NumPy array is converted to a tensor.",
       forward=called(lambda self, *given: [
           self.weight_ih_l0.new_tensor(a) if is_array(a) else a for a in given]))
module("false-is-no-state", "ERR-04", "A state of 0 or False is taken for none.",
       forward=called(lambda self, x, h: (x, None if isinstance(h, int) and not h else h)))
module("no-layers-are-one", "ERR-05", "A num_layers of 0 is taken for 1.",
       __init__=by_keyword(lambda k: {
           name: 1 if name == "num_layers" and value == 0 else value for name, value in k.items()}))
module("sign-of-sizes-ignored", "ERR-05", "A negative size is taken without its sign.",
       __init__=by_keyword(lambda k: {
           name: abs(v) if name.endswith("_size") and type(v) is int else v for name, v in k.items()}))
module("unknown-nonlinearity-is-tanh", "ERR-06", "A nonlinearity that is not known is tanh.",
       __init__=by_keyword(lambda k: {name: "tanh" if name == "nonlinearity"
                                      and v not in ("tanh", "relu") else v for name, v in k.items()}))
module("nonlinearity-in-any-case", "ERR-06", "The nonlinearity may be in upper case, with blanks around it.",
       __init__=by_keyword(lambda k: {name: v.strip().lower() if name == "nonlinearity"
                                      and isinstance(v, str) else v for name, v in k.items()}))
module("dropout-clipped", "ERR-07", "A dropout outside of 0 to 1 is clipped.",
       __init__=by_keyword(lambda k: {
           name: min(max(v, 0), 1) if name == "dropout" and type(v) in (int, float) and v == v else v
           for name, v in k.items()}))
module("dropout-of-nan", "ERR-07", "A dropout of NaN is taken for none.",
       __init__=by_keyword(lambda k: {
           name: 0.0 if name == "dropout" and isinstance(v, float) and v != v else v
           for name, v in k.items()}))

# Refused, but in another way.

module("wrong-values-are-runtime-errors", "ERR-08", "A wrong value is refused with a RuntimeError.",
       __init__=refusing("__init__", raising(RuntimeError, ValueError)))
module("shapes-are-asserted", "ERR-09", "A wrong shape is refused with an AssertionError.",
       forward=refusing("forward", raising(AssertionError, RuntimeError, ValueError)))
module("dtypes-are-type-errors", "ERR-09", "A wrong dtype is refused with a TypeError.",
       forward=refusing("forward", lambda e, _: TypeError(str(e)) if "dtype" in str(e) else e))
module("truthy-switches", "ERR-10", "bias is on for whatever is true.",
       __init__=by_keyword(lambda k: {name: bool(v) if name == "bias" else v for name, v in k.items()}))
module("sizes-rounded-down", "ERR-10", "A size or layer count that is a float is rounded down.",
       __init__=by_keyword(lambda k: {
           name: int(v) if name in NAMES[:3] and isinstance(v, float) and v == v else v
           for name, v in k.items()}))
module("numpys-layers-are-one", "ERR-10", "A num_layers that is NumPy's integer is taken for 1.",
       __init__=by_keyword(lambda k: {
           name: 1 if name == "num_layers" and isinstance(v, np.integer) else v for name, v in k.items()}))
module("wrong-types-are-value-errors", "ERR-10", "A wrong type is refused with a ValueError.",
       __init__=refusing("__init__", raising(ValueError, TypeError)))
module("no-warning", "ERR-11", "Dropout with one layer is taken without a warning.",
       __init__=warned("ignore"))


@fault("warning-without-names", "ERR-11", "The warning does not say what it is about.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        honest(self, "__init__")(*positional, **keywords)
    if found:
        warnings.warn("an option has no effect", stacklevel=2)


module("warning-is-an-error", "ERR-11", "Dropout with one layer is refused.", __init__=warned("error"))


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


@fault("sizes-refused-late", "ERR-12",
       "A layer of no inputs is built, and refused by the first call.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    none = "input_size" in keywords and keywords["input_size"] == 0
    honest(self, "__init__")(*positional, **{**keywords, **({"input_size": 1} if none else {})})
    self.input_size = 0 if none else self.input_size


module("refusals-name-nothing", "ERR-13", "The constructor's refusals do not name the argument.",
       __init__=refusing("__init__", reworded(lambda text, keywords: re.sub(
           rf"\b({'|'.join([*NAMES, *keywords])})\b", "it", text))))
module("refusals-show-no-value", "ERR-13", "Refusals show nothing of what was given.",
       __init__=refusing("__init__", reworded(lambda text, _: re.sub(
           r"(nonlinearity) '.*?'|, got.*", r"\1", text))))
module("refusals-show-no-shape", "ERR-13", "The refusal of a shape does not show it.",
       forward=refusing("forward", reworded(lambda text, _: re.sub(r",? (but )?got.*", "", text))))
module("refusal-of-a-dtype-names-nothing", "ERR-13", "The refusal of a dtype does not name input.",
       forward=refusing("forward", reworded(lambda text, _: re.sub(
           r"RNN input (dtype)|\. Convert.*", r"\1", text))))
module("refusals-expect-nothing", "ERR-13", "Refusals do not say what would be right.",
       __init__=refusing("__init__", reworded(lambda text, _: re.split(
           r" should| must|\. Sel", text)[0])))

# Refused, but not without a trace.

module("refusal-draws", "ERR-14", "A refused call advances the random generator.",
       forward=leaving(lambda self: self.weight_ih_l0.detach().clone().uniform_()))
module("refusal-ends-training", "ERR-14", "After a refused call the layer is in evaluation mode.",
       forward=leaving(lambda self: self.eval()))
module("refusal-begins-training", "ERR-14", "After a refused call the layer is in training mode.",
       forward=leaving(lambda self: self.train()))
module("refusal-changes-weights", "ERR-14", "A refused call moves a weight.",
       forward=leaving(lambda self: self.weight_hh_l0.detach()[0].add_(1)))
module("refusal-freezes", "ERR-14", "After a refused call the parameters require no gradient.",
       forward=leaving(lambda self: self.requires_grad_(False)))


@fault("refusal-breaks-the-layer", "ERR-14", "After a refused call the layer takes no other.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if self.__dict__.get("broken"):
        raise RuntimeError("the layer is in a failed state")
    return leaving(lambda self: self.__dict__.update(broken=True))(self, input, hx)


@fault("refused-construction-draws", "ERR-14",
       "A refused constructor call advances the random generator.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except Exception:
        honest(self, "__init__")(1, 1)
        raise


@fault("refused-construction-is-remembered", "ERR-14",
       "After a refused constructor call the next layer is broken.", MODULE)
def __init__(self: Any, *positional: Any, **keywords: Any) -> None:
    try:
        honest(self, "__init__")(*positional, **keywords)
    except Exception:
        type(self).refused = True
        raise
    if vars(type(self)).get("refused"):
        type(self).refused = False
        self.weight_ih_l0.data.zero_()
