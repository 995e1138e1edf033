# ruff: noqa: N807  # a fault is a function under its step's own name, such as __setattr__
"""Faults of module state, of autograd's bookkeeping, of mixed precision and of the execution routes."""

from __future__ import annotations

import copy
import itertools
import sys
from typing import Any

from rnn_spec.faults.base import MODULE, fault, honest, module, then


def torch() -> Any:
    """The torch that the faulty module lives in."""
    return sys.modules["torch"]


def with_weights(self: Any, change: Any, input: Any, hx: Any) -> Any:
    """Call forward with the weights that `change` makes of each, by its name, and the own ones put back."""
    self._update_flat_weights()
    own = self._flat_weights
    self._flat_weights = [change(name, w) for name, w in zip(self._flat_weights_names, own, strict=True)]
    try:
        return honest(self, "forward")(input, hx)
    finally:
        self._flat_weights = own


def is_tensor(input: Any) -> bool:
    """Whether an input is padded, and not packed."""
    return hasattr(input, "dim")


def hooked(t: Any, hook: Any) -> Any:
    """The tensor, its gradient passing through the hook if it requires one."""
    if t.requires_grad:
        t.register_hook(hook)
    return t


def called_by_compiled() -> bool:
    """Whether a compiled module is calling, eagerly as it may be."""
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("eval_frame.py"):
            return True
        frame = frame.f_back
    return False


class Shared(dict[str, Any]):
    """Parameters that a deep copy does not copy."""

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return dict(self)


# A fault is a row of a table.
# fmt: off

# Parameters that are shown and not used.

@fault("weight-of-the-first-call", "STA-01", "W_hh is used as it was in the first call.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    kept = self.__dict__.setdefault("first W_hh", self.weight_hh_l0.detach().clone())
    stale = kept.to(self.weight_hh_l0) + (self.weight_hh_l0 - self.weight_hh_l0.detach())
    return with_weights(self, lambda name, w: stale if name == "weight_hh_l0" else w, input, hx)


@fault("copy-computes-with-the-original", "STA-01", "A copy goes on with the original's biases.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if not self.bias:
        return honest(self, "forward")(input, hx)
    maker, kept = self.__dict__.setdefault("maker", (id(self), [self.bias_hh_l0.detach().clone()]))
    stale = maker != id(self)
    return with_weights(
        self, lambda name, w: kept[0].to(w) if stale and name == "bias_hh_l0" else w, input, hx
    )


@fault("replaced-parameter-ignored", "STA-08", "A parameter that is set anew is shown and not used.", MODULE)
def __setattr__(self: Any, attr: str, value: Any) -> None:
    if attr not in self.__dict__.get("_flat_weights_names", ()) or len(self._flat_weight_refs) == 0:
        honest(self, "__setattr__")(attr, value)
        return
    index = self._flat_weights_names.index(attr)
    old = self._flat_weights[index]
    honest(self, "__setattr__")(attr, value)
    self._flat_weights[index], self._flat_weight_refs[index] = old, None


@fault("tied-parameters-untied", "STA-08", "Setting a parameter to another one's copies that one.", MODULE)
def __setattr__(self: Any, attr: str, value: Any) -> None:
    if any(value is p for p in self.__dict__.get("_parameters", {}).values()):
        value = value.__class__(value.detach().clone())
    honest(self, "__setattr__")(attr, value)


module("parametrization-ignored", "STA-09", "A parametrized weight is used as it was without.",
       _weights_have_changed=then(lambda self, changed: changed and not hasattr(self, "parametrizations")))
module("pruning-ignored", "STA-09", "A pruned weight is used as it was before.",
       forward=lambda self, input, hx=None: with_weights(
           self, lambda name, w: dict(self.named_parameters()).get(f"{name}_orig", w), input, hx))


@fault("missing-weight-is-zero", "STA-10", "A parameter that is None counts as zero.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    def filled(name: str, w: Any) -> Any:
        some = next(other for other in self._parameters.values() if other is not None)
        width = () if "bias" in name else (self.hidden_size if "hh" in name else self.input_size,)
        return some.new_zeros(self.hidden_size, *width) if w is None else w

    return with_weights(self, filled, input, hx)


# Gradients that do not arrive.

module("gradients-to-a-copy", "STA-02", "Forward uses copies of the biases, which get their gradient.",
       forward=lambda self, input, hx=None: with_weights(
           self, lambda name, w: w.detach() if "bias" in name else w, input, hx))


@fault("gradients-to-the-first-parameter", "STA-02",
       "A parameter that is set anew is used, and gets no gradient.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    first = self.__dict__.setdefault("first", [id(p) for p in self._flat_weights])
    place = {name: i for i, name in enumerate(self._flat_weights_names)}

    def once(name: str, w: Any) -> Any:
        return w if id(w) == first[place[name]] or not w.is_leaf else w.detach()

    return with_weights(self, once, input, hx)


@fault("gradient-overwrites", "GRD-07", "A backward pass overwrites what is in .grad.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    hooked = self.__dict__.setdefault("hooked", set())
    for p in self.parameters():
        if p.is_leaf and p.requires_grad and id(p) not in hooked:
            hooked.add(id(p))
            p.register_hook(lambda g, p=p: g if p.grad is None else g - p.grad)
    return honest(self, "forward")(input, hx)


@fault("frozen-gets-a-gradient", "GRD-09", "A frozen parameter gets a gradient of zeros.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    output, h_n = honest(self, "forward")(input, hx)

    def touch(g: Any) -> None:
        for p in self.parameters():
            if not p.requires_grad:
                p.grad = p.detach() * 0

    return output, hooked(h_n, touch)


module("frozen-layer-blocks-gradients", "GRD-09", "With a frozen parameter the input gets no gradient.",
       forward=lambda self, input, hx=None: honest(self, "forward")(
           input.detach() if is_tensor(input) and not all(p.requires_grad for p in self.parameters())
           else input, hx))


@fault("second-backward-doubled", "GRD-10", "The second backward pass through one call counts twice.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    output, h_n = honest(self, "forward")(input, hx)
    passes = itertools.count(1)
    return output, hooked(h_n, lambda g: g * min(next(passes), 2))


module("second-derivative-lost", "GRD-11", "The gradient is not differentiable in h_n's cotangent.",
       forward=then(lambda self, output, h_n, *_: (output, hooked(h_n, lambda g: g.detach()))))


@fault("forward-mode-doubled", "GRD-12", "Forward mode counts the tangent of h_n twice.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    output, h_n = honest(self, "forward")(input, hx)
    doubled = h_n * 2 - h_n.detach()
    hooked(h_n, lambda g: g / 2)
    return output, doubled


# state_dict and copies.

@fault("state_dict-without-biases", "STA-03", "state_dict holds the weights only.", MODULE)
def state_dict(self: Any, *arguments: Any, **keywords: Any) -> Any:
    found = honest(self, "state_dict")(*arguments, **keywords)
    for name in [name for name in found if "bias" in name]:
        del found[name]
    return found


@fault("state_dict-with-more", "STA-03", "state_dict holds the transposed W_hh, too.", MODULE)
def state_dict(self: Any, *arguments: Any, **keywords: Any) -> Any:
    found = honest(self, "state_dict")(*arguments, **keywords)
    found["flat"] = next(iter(found.values())).t()
    return found


@fault("state_dict-copies", "STA-03", "state_dict holds copies of the parameters.", MODULE)
def state_dict(self: Any, *arguments: Any, **keywords: Any) -> Any:
    found = honest(self, "state_dict")(*arguments, **keywords)
    for name in list(found):
        found[name] = found[name].detach().clone()
    return found


@fault("load-forgets-the-last", "STA-03", "load_state_dict leaves the last parameter as it was.", MODULE)
def load_state_dict(self: Any, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
    name = self._flat_weights_names[-1]
    own = {name: getattr(self, name)} if name in state_dict and not self.weight_hh_l0.is_meta else {}
    own = {k: p for k, p in own.items() if p.shape == state_dict[k].shape}
    return honest(self, "load_state_dict")({**state_dict, **own}, strict, assign)


module("load-never-strict", "STA-04", "load_state_dict takes any keys.",
       load_state_dict=lambda self, state_dict, strict=True, assign=False: honest(
           self, "load_state_dict")(state_dict, False, assign))
module("load-always-strict", "STA-04", "load_state_dict with strict=False is strict.",
       load_state_dict=lambda self, state_dict, strict=True, assign=False: honest(
           self, "load_state_dict")(state_dict, True, assign))


@fault("load-skips-other-shapes", "STA-04", "load_state_dict passes over values of other shapes.", MODULE)
def load_state_dict(self: Any, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
    own = dict(self.named_parameters())
    fitting = {k: own[k] if k in own and own[k].shape != v.shape else v for k, v in state_dict.items()}
    return honest(self, "load_state_dict")(fitting, strict, assign)


module("load-does-not-assign", "STA-06", "load_state_dict with assign=True copies into what is there.",
       load_state_dict=lambda self, state_dict, strict=True, assign=False: honest(
           self, "load_state_dict")(state_dict, strict, False))
module("deepcopy-shares", "STA-05", "deepcopy shares the parameters with the original.",
       __getstate__=then(lambda self, state: {**state, "_parameters": Shared(state["_parameters"])}))


@fault("copy-thaws", "STA-05", "The parameters of a copy all require a gradient.", MODULE)
def __setstate__(self: Any, state: Any) -> None:
    honest(self, "__setstate__")(state)
    for p in self.parameters():
        p.requires_grad_()


@fault("copy-trains", "STA-05", "A copy is in training mode.", MODULE)
def __setstate__(self: Any, state: Any) -> None:
    honest(self, "__setstate__")(state)
    self.training = True


# Dtypes, devices and modes.

@fault("second-move-leaves-one", "STA-06", "From the second move on the last parameter stays behind.", MODULE)
def _apply(self: Any, fn: Any, recurse: bool = True) -> Any:
    name = self._flat_weights_names[-1]
    kept = self._parameters[name] if self.__dict__.get("moved") else None
    if kept is not None:
        del self._parameters[name]
    honest(self, "_apply")(fn, recurse)
    if kept is not None:
        self._parameters[name] = kept
        self._flat_weights[-1] = kept
    self.__dict__["moved"] = True
    return self


module("move-freezes", "STA-06", "bfloat16() freezes the parameters.",
       bfloat16=then(lambda self, _: self.requires_grad_(False)))
module("half-returns-nothing", "STA-06", "half() returns nothing.",
       half=then(lambda self, _: None))
module("eval-returns-a-copy", "STA-07", "eval() returns a shallow copy.",
       eval=then(lambda self, _: copy.copy(self)))


@fault("eval-shrinks", "STA-07", "eval() shrinks W_hh by one part in 256.", MODULE)
def eval(self: Any) -> Any:  # noqa: A001  # the method's name
    self.weight_hh_l0.data.mul_(1 - 2**-8)
    return honest(self, "eval")()


@fault("eval-keeps-dropout", "STA-07", "Once in training mode a module stays in it.", MODULE)
def train(self: Any, mode: bool = True) -> Any:
    self.__dict__["trained"] = mode or self.__dict__.get("trained", False)
    return honest(self, "train")(self.__dict__["trained"])


module("functional_call-ignored", "EXE-02", "What functional_call gives is not used.",
       _weights_have_changed=lambda self: False)


@fault("functional_call-stays", "EXE-02", "What functional_call gives stays in the module.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    own = self.__dict__.setdefault("own", [next(iter(self._flat_weights))])[0]
    answer = honest(self, "forward")(input, hx)
    if self.weight_ih_l0 is not own and self.weight_ih_l0.shape == own.shape:
        own.data.copy_(self.weight_ih_l0.data)
    return answer


# Hooks.

@fault("hooks-run-twice", "STA-11", "A call runs everything twice.", MODULE)
def __call__(self: Any, *arguments: Any, **keywords: Any) -> Any:
    honest(self, "__call__")(*arguments, **keywords)
    return honest(self, "__call__")(*arguments, **keywords)


module("hooks-not-run", "STA-11", "A call goes to forward directly, and runs no hook.",
       __call__=lambda self, *a, **k: self.forward(*a, **k))
module("hooks-see-copies", "STA-11", "Hooks get a copy of the input.",
       __call__=lambda self, input, *a, **k: honest(self, "__call__")(
           input.clone() if is_tensor(input) else input, *a, **k))


@fault("hooks-never-removed", "STA-11", "A hook that was removed runs again.", MODULE)
def register_forward_hook(self: Any, hook: Any, *arguments: Any, **keywords: Any) -> Any:
    honest(self, "register_forward_hook")(lambda *given: hook(*given) if not handle_is_there() else None)
    handle = honest(self, "register_forward_hook")(hook, *arguments, **keywords)

    def handle_is_there() -> bool:
        return handle.id in self._forward_hooks

    return handle


# Precision.

@fault("mixed-dtypes-cast", "PRC-05", "Input and h_0 are cast to the parameters' dtype.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    if is_tensor(input):
        input, hx = input.to(self.weight_hh_l0.dtype), None if hx is None else hx.to(self.weight_hh_l0.dtype)
    return honest(self, "forward")(input, hx)


module("state-dtype-cast", "PRC-05", "An h_0 of another dtype is cast to the input's.",
       forward=lambda self, input, hx=None: honest(self, "forward")(
           input, hx.to(input.dtype) if is_tensor(input) and is_tensor(hx) else hx))


@fault("autocast-ignored", "PRC-06", "Under autocast the layer computes in float32.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    with torch().autocast("cpu", enabled=False):
        return honest(self, "forward")(input, hx)


@fault("autocast-forgets-to-end", "PRC-06",
       "After one call under autocast every call answers in its dtype.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    output, h_n = honest(self, "forward")(input, hx)
    if torch().is_autocast_enabled("cpu"):
        self.__dict__["autocast"] = h_n.dtype
    dtype = self.__dict__.get("autocast")
    return (output, h_n) if dtype is None or not is_tensor(output) else (output.to(dtype), h_n.to(dtype))


# Routes.

module("traced-without-h_n", "EXE-04", "A trace answers with the h_n of the example.",
       forward=then(lambda self, output, h_n, *_: (output, (h_n * 1).detach().new_tensor(h_n.tolist())
           if torch().jit.is_tracing() else h_n)))
module("traced-weights-are-constants", "EXE-01", "A trace keeps the weights that there were.",
       forward=lambda self, input, hx=None: honest(self, "forward")(input, hx) if not torch().jit.is_tracing()
           else with_weights(self, lambda name, w: torch().tensor(w.tolist(), dtype=w.dtype), input, hx))
module("compiled-without-h_0", "EXE-06", "Compiled, in one graph or in none, the layer begins from zeros.",
       forward=lambda self, input, hx=None: honest(self, "forward")(input, None
           if not torch().compiler.is_exporting() and (torch().compiler.is_compiling()
           or called_by_compiled()) else hx))
module("exported-without-h_0", "EXE-07", "An exported program begins from zeros.",
       forward=lambda self, input, hx=None: honest(self, "forward")(
           input, None if torch().compiler.is_exporting() else hx))


@fault("vmap-scales", "EXE-03", "Within vmap of grad the output is doubled.", MODULE)
def forward(self: Any, input: Any, hx: Any = None) -> Any:
    output, h_n = honest(self, "forward")(input, hx)
    level = torch()._C._functorch.maybe_current_level()
    return (output * 2 if level is not None and level > 1 else output), h_n
