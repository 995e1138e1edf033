"""Everything that users do to a module's state, as a table of small functions of torch and the layer.

An operation takes torch and a layer and returns the module that it makes of it: the same one, or a copy.
`KEPT` leave every parameter's value as it was, `CHANGED` halve every parameter (exact in every format),
`COMPUTED` make parameters of others, and `ODD` do what only the law can say something about.
"""

from __future__ import annotations

import copy
import importlib
import io
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Operation = Callable[[Any, Any], Any]
    Tensor = Any  # by this name torch.jit.script knows it

KEPT: dict[str, Operation] = {}
CHANGED: dict[str, Operation] = {}
COMPUTED: dict[str, Operation] = {}
ODD: dict[str, Operation] = {}


def operation(table: dict[str, Operation], name: str) -> Callable[[Operation], Operation]:
    """Enter the decorated function in a table."""

    def enter(act: Operation) -> Operation:
        table[name] = act
        return act

    return enter


def names(rnn: Any) -> list[str]:
    """The layer's parameters."""
    return [name for name, _ in rnn.named_parameters()]


def call(torch: Any, rnn: Any) -> Any:
    """Call the layer once, so that whatever it keeps from a call is there."""
    first = next(iter(rnn.parameters()))
    return rnn(torch.ones((2, 3, rnn.input_size), dtype=first.dtype, device=first.device))


def halves(torch: Any, rnn: Any) -> dict[str, Any]:
    """A new parameter of half the value for each of the layer's."""
    return {name: torch.nn.Parameter(p.detach() / 2) for name, p in rnn.named_parameters()}


def file(torch: Any, thing: Any, **how: Any) -> Any:
    """What torch.load makes of what torch.save wrote."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    buffer.seek(0)
    return torch.load(buffer, **how)


@contextmanager
def future(torch: Any, flag: str) -> Iterator[None]:
    """One of torch.__future__'s flags, switched on for a while."""
    switch, before = getattr(torch.__future__, f"set_{flag}"), getattr(torch.__future__, f"get_{flag}")()
    switch(True)
    try:
        yield
    finally:
        switch(before)


def pruning() -> Any:
    """torch.nn.utils.prune, which torch does not import by itself."""
    return importlib.import_module("torch.nn.utils.prune")


SWAP, OVERWRITE = "swap_module_params_on_conversion", "overwrite_module_params_on_conversion"


def _table(table: dict[str, Operation], **rows: Callable[[Any, Any], Any]) -> None:
    """Operations that are one call; underscores stand for spaces."""
    for name, act in rows.items():
        table[name.replace("_", " ")] = act


# -- values as they were --------------------------------------------------------------------------

_table(
    KEPT,
    deepcopy=lambda torch, rnn: copy.deepcopy(rnn),
    copy=lambda torch, rnn: copy.copy(rnn),
    pickle=lambda torch, rnn: pickle.loads(pickle.dumps(rnn)),  # noqa: S301  # pickled a moment ago
    save_and_load=lambda torch, rnn: file(torch, rnn, weights_only=False),
    float_and_back=lambda torch, rnn: rnn.float().double(),
    to_dtype_and_back=lambda torch, rnn: rnn.to(torch.float32).to(torch.float64),
    to_device=lambda torch, rnn: rnn.to("cpu"),
    type=lambda torch, rnn: rnn.type(torch.float32).type(torch.float64),
    share_memory=lambda torch, rnn: rnn.share_memory(),
    train_and_eval=lambda torch, rnn: rnn.train().eval(),
    frozen=lambda torch, rnn: rnn.requires_grad_(False),
    thawed=lambda torch, rnn: rnn.requires_grad_(False).requires_grad_(True),
    apply=lambda torch, rnn: rnn.apply(lambda module: None),
)


@operation(KEPT, "called")
def _called(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    return rnn


@operation(KEPT, "copied after a call")
def _copied_after_call(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    return copy.deepcopy(rnn)


@operation(KEPT, "flatten_parameters")
def _flatten(torch: Any, rnn: Any) -> Any:
    rnn.flatten_parameters()
    return rnn


@operation(KEPT, "zero_grad")
def _zero_grad(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)[0].sum().backward()
    rnn.zero_grad()
    return rnn


@operation(KEPT, "load_state_dict of its own")
def _load_own(torch: Any, rnn: Any) -> Any:
    rnn.load_state_dict(rnn.state_dict())
    return rnn


@operation(KEPT, "state_dict saved and loaded")
def _state_file(torch: Any, rnn: Any) -> Any:
    state = file(torch, rnn.state_dict(), weights_only=True)
    torch.nn.init.zeros_(rnn.weight_hh_l0)
    rnn.load_state_dict(state)
    return rnn


@operation(KEPT, "through meta")
def _meta(torch: Any, rnn: Any) -> Any:
    state = rnn.state_dict()
    rnn.to("meta").to_empty(device="cpu").load_state_dict(state)
    return rnn


@operation(KEPT, "meta and assign")
def _meta_assign(torch: Any, rnn: Any) -> Any:
    state = rnn.state_dict()
    rnn.to("meta").load_state_dict(state, assign=True)
    return rnn


@operation(KEPT, "moved by swapping")
def _moved_swapping(torch: Any, rnn: Any) -> Any:
    with future(torch, SWAP):
        return rnn.float().double()


@operation(KEPT, "moved by overwriting")
def _moved_overwriting(torch: Any, rnn: Any) -> Any:
    with future(torch, OVERWRITE):
        return rnn.float().double()


@operation(KEPT, "functional_call")
def _functional_call(torch: Any, rnn: Any) -> Any:
    torch.func.functional_call(rnn, halves(torch, rnn), (torch.ones(2, rnn.input_size).to(rnn.weight_hh_l0),))
    return rnn


@operation(KEPT, "functional_call and deepcopy")
def _functional_copy(torch: Any, rnn: Any) -> Any:
    return copy.deepcopy(_functional_call(torch, rnn))


@operation(KEPT, "torch.func.grad")
def _func_grad(torch: Any, rnn: Any) -> Any:
    given = torch.ones(2, rnn.input_size).to(rnn.weight_hh_l0)
    torch.func.grad(lambda p: torch.func.functional_call(rnn, p, (given,))[0].sum())(halves(torch, rnn))
    return rnn


@operation(KEPT, "hooks")
def _hooks(torch: Any, rnn: Any) -> Any:
    rnn.register_forward_hook(lambda module, args, result: None)
    rnn.register_forward_pre_hook(lambda module, args: None)
    rnn.register_full_backward_hook(lambda module, inputs, outputs: None)
    return rnn


@operation(KEPT, "parametrized and back")
def _parametrized_back(torch: Any, rnn: Any) -> Any:
    class Same(torch.nn.Module):  # type: ignore[misc]
        def forward(self, value: Any) -> Any:
            return value * 1

    parametrize = torch.nn.utils.parametrize
    for name in names(rnn):
        parametrize.register_parametrization(rnn, name, Same())
    call(torch, rnn)
    for name in list(rnn.parametrizations):
        parametrize.remove_parametrizations(rnn, name)
    return rnn


@operation(KEPT, "pruned by nothing and back")
def _pruned_back(torch: Any, rnn: Any) -> Any:
    prune = pruning()
    prune.identity(rnn, "weight_hh_l0")
    call(torch, rnn)
    prune.remove(rnn, "weight_hh_l0")
    return rnn


# -- half of what they were -----------------------------------------------------------------------


@operation(CHANGED, "in place")
def _in_place(torch: Any, rnn: Any) -> Any:
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.div_(2)
    return rnn


@operation(CHANGED, "in place after a call")
def _in_place_after(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    return _in_place(torch, rnn)


@operation(CHANGED, "copy_")
def _copy(torch: Any, rnn: Any) -> Any:
    with torch.no_grad():
        for name, value in halves(torch, rnn).items():
            getattr(rnn, name).copy_(value)
    return rnn


@operation(CHANGED, "data")
def _data(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    for parameter in rnn.parameters():
        parameter.data = parameter.data / 2
    return rnn


@operation(CHANGED, "optimizer step")
def _optimizer(torch: Any, rnn: Any) -> Any:
    optimizer = torch.optim.SGD(rnn.parameters(), lr=0.5)
    for parameter in rnn.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    return rnn


@operation(CHANGED, "vector_to_parameters")
def _vector(torch: Any, rnn: Any) -> Any:
    convert = torch.nn.utils
    vector = convert.parameters_to_vector(rnn.parameters()).detach() / 2
    convert.vector_to_parameters(vector, rnn.parameters())
    return rnn


@operation(CHANGED, "_apply")
def _apply(torch: Any, rnn: Any) -> Any:
    return rnn._apply(lambda t: t.div_(2))


@operation(CHANGED, "shared and in place")
def _shared(torch: Any, rnn: Any) -> Any:
    return _in_place(torch, rnn.share_memory())


@operation(CHANGED, "replaced")
def _replaced(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    for name, value in halves(torch, rnn).items():
        setattr(rnn, name, value)
    return rnn


@operation(CHANGED, "replaced one by one between calls")
def _replaced_between(torch: Any, rnn: Any) -> Any:
    for name, value in halves(torch, rnn).items():
        call(torch, rnn)
        setattr(rnn, name, value)
    return rnn


@operation(CHANGED, "replaced and in place")
def _replaced_in_place(torch: Any, rnn: Any) -> Any:
    for name, value in halves(torch, rnn).items():
        setattr(rnn, name, torch.nn.Parameter(value.detach() * 2))
    return _in_place(torch, rnn)


@operation(CHANGED, "registered")
def _registered(torch: Any, rnn: Any) -> Any:
    for name, value in halves(torch, rnn).items():
        rnn.register_parameter(name, value)
    return rnn


@operation(CHANGED, "deleted and set")
def _deleted_set(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    for name, value in halves(torch, rnn).items():
        delattr(rnn, name)
        setattr(rnn, name, value)
    return rnn


@operation(CHANGED, "deleted and registered")
def _deleted_registered(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    for name, value in halves(torch, rnn).items():
        delattr(rnn, name)
        rnn.register_parameter(name, value)
    return rnn


@operation(CHANGED, "deleted, moved and registered")
def _deleted_moved(torch: Any, rnn: Any) -> Any:
    value = halves(torch, rnn)["weight_hh_l0"]
    del rnn.weight_hh_l0
    rnn.float().double()
    rnn.register_parameter("weight_hh_l0", value)
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            parameter.mul_(1 if name == "weight_hh_l0" else 0.5)
    return rnn


@operation(CHANGED, "plain tensors")
def _plain(torch: Any, rnn: Any) -> Any:
    for name, value in halves(torch, rnn).items():
        delattr(rnn, name)
        setattr(rnn, name, value.detach())
    return rnn


@operation(CHANGED, "buffers")
def _buffers(torch: Any, rnn: Any) -> Any:
    for name, value in halves(torch, rnn).items():
        delattr(rnn, name)
        rnn.register_buffer(name, value.detach())
    return rnn


@operation(CHANGED, "load_state_dict")
def _load(torch: Any, rnn: Any) -> Any:
    rnn.load_state_dict(halves(torch, rnn))
    return rnn


@operation(CHANGED, "load_state_dict, assign")
def _assign(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    rnn.load_state_dict(halves(torch, rnn), assign=True)
    return rnn


@operation(CHANGED, "load_state_dict by swapping")
def _load_swapping(torch: Any, rnn: Any) -> Any:
    with future(torch, SWAP):
        rnn.load_state_dict(halves(torch, rnn))
    return rnn


@operation(CHANGED, "copied and in place")
def _copied_in_place(torch: Any, rnn: Any) -> Any:
    return _in_place(torch, copy.deepcopy(rnn))


@operation(CHANGED, "copied and replaced")
def _copied_replaced(torch: Any, rnn: Any) -> Any:
    return _replaced(torch, copy.deepcopy(rnn))


@operation(CHANGED, "shallowly copied and replaced")
def _shallow_replaced(torch: Any, rnn: Any) -> Any:
    return _replaced(torch, copy.copy(rnn))


@operation(CHANGED, "pickled and in place")
def _pickled_in_place(torch: Any, rnn: Any) -> Any:
    return _in_place(torch, KEPT["pickle"](torch, rnn))


# -- computed from others -------------------------------------------------------------------------


def _parametrize(torch: Any, rnn: Any, which: list[str]) -> Any:
    class Half(torch.nn.Module):  # type: ignore[misc]
        def forward(self, value: Tensor) -> Tensor:
            return value / 2

    for name in which:
        torch.nn.utils.parametrize.register_parametrization(rnn, name, Half())
    return rnn


def _originals(torch: Any, rnn: Any) -> Any:
    """Call the layer, then change what its parameters are computed from."""
    call(torch, rnn)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(0.5)
    return rnn


@operation(COMPUTED, "parametrized")
def _parametrized(torch: Any, rnn: Any) -> Any:
    return _parametrize(torch, rnn, names(rnn))


@operation(COMPUTED, "parametrized, one of them")
def _parametrized_one(torch: Any, rnn: Any) -> Any:
    return _parametrize(torch, rnn, ["weight_hh_l0"])


@operation(COMPUTED, "parametrized twice")
def _parametrized_twice(torch: Any, rnn: Any) -> Any:
    return _parametrize(torch, rnn, ["weight_hh_l0", "weight_hh_l0", "bias_ih_l0"])


@operation(COMPUTED, "parametrized, called and changed")
def _parametrized_changed(torch: Any, rnn: Any) -> Any:
    return _originals(torch, _parametrized(torch, rnn))


@operation(COMPUTED, "parametrized and moved")
def _parametrized_moved(torch: Any, rnn: Any) -> Any:
    return _parametrized(torch, rnn).float().double()


@operation(COMPUTED, "parametrized and copied")
def _parametrized_copied(torch: Any, rnn: Any) -> Any:
    return copy.deepcopy(_parametrized(torch, rnn))


@operation(COMPUTED, "parametrized, called and copied")
def _parametrized_called_copied(torch: Any, rnn: Any) -> Any:
    call(torch, _parametrized(torch, rnn))
    return copy.deepcopy(rnn)


@operation(COMPUTED, "parametrized, loaded")
def _parametrized_loaded(torch: Any, rnn: Any) -> Any:
    _parametrized(torch, rnn).load_state_dict({k: v / 2 for k, v in rnn.state_dict().items()})
    return rnn


@operation(COMPUTED, "weight_norm by hooks")
def _weight_norm_hooks(torch: Any, rnn: Any) -> Any:
    return _originals(torch, torch.nn.utils.weight_norm(rnn, "weight_hh_l0"))


@operation(COMPUTED, "weight_norm by hooks and back")
def _weight_norm_back(torch: Any, rnn: Any) -> Any:
    call(torch, torch.nn.utils.weight_norm(rnn, "weight_hh_l0"))
    return torch.nn.utils.remove_weight_norm(rnn, "weight_hh_l0")


@operation(COMPUTED, "weight_norm")
def _weight_norm(torch: Any, rnn: Any) -> Any:
    return _originals(torch, torch.nn.utils.parametrizations.weight_norm(rnn, "weight_hh_l0"))


@operation(COMPUTED, "weight_norm, called and copied")
def _weight_norm_copied(torch: Any, rnn: Any) -> Any:
    return copy.deepcopy(_weight_norm(torch, rnn))


@operation(COMPUTED, "spectral_norm by hooks")
def _spectral_norm_hooks(torch: Any, rnn: Any) -> Any:
    return _originals(torch, torch.nn.utils.spectral_norm(rnn, "weight_hh_l0"))


@operation(COMPUTED, "spectral_norm by hooks and back")
def _spectral_norm_back(torch: Any, rnn: Any) -> Any:
    call(torch, torch.nn.utils.spectral_norm(rnn, "weight_hh_l0"))
    return torch.nn.utils.remove_spectral_norm(rnn, "weight_hh_l0")


@operation(COMPUTED, "spectral_norm")
def _spectral_norm(torch: Any, rnn: Any) -> Any:
    return _originals(torch, torch.nn.utils.parametrizations.spectral_norm(rnn, "weight_hh_l0"))


@operation(COMPUTED, "orthogonal")
def _orthogonal(torch: Any, rnn: Any) -> Any:
    return torch.nn.utils.parametrizations.orthogonal(rnn, "weight_hh_l0")


@operation(COMPUTED, "pruned")
def _pruned(torch: Any, rnn: Any) -> Any:
    for name in names(rnn):
        pruning().l1_unstructured(rnn, name, amount=0.5)
    return _originals(torch, rnn)


@operation(COMPUTED, "pruned and back")
def _pruned_removed(torch: Any, rnn: Any) -> Any:
    pruning().l1_unstructured(rnn, "weight_hh_l0", amount=0.5)
    call(torch, rnn)
    return pruning().remove(rnn, "weight_hh_l0")


# -- what has no simpler description --------------------------------------------------------------


@operation(ODD, "reset_parameters")
def _reset(torch: Any, rnn: Any) -> Any:
    rnn.reset_parameters()
    return rnn


@operation(ODD, "tied biases")
def _tied(torch: Any, rnn: Any) -> Any:
    call(torch, rnn)
    rnn.bias_hh_l0 = rnn.bias_ih_l0
    return rnn


@operation(ODD, "tied and in place")
def _tied_in_place(torch: Any, rnn: Any) -> Any:
    return _in_place(torch, _tied(torch, rnn))


@operation(ODD, "tied and moved")
def _tied_moved(torch: Any, rnn: Any) -> Any:
    return _tied(torch, rnn).float().double()


@operation(ODD, "tied and copied")
def _tied_copied(torch: Any, rnn: Any) -> Any:
    return _in_place(torch, copy.deepcopy(_tied(torch, rnn)))


@operation(ODD, "tied functional_call")
def _tied_functional(torch: Any, rnn: Any) -> Any:
    return _functional_call(torch, _tied(torch, rnn))


@operation(ODD, "transposed")
def _transposed(torch: Any, rnn: Any) -> Any:
    rnn.weight_hh_l0 = torch.nn.Parameter(rnn.weight_hh_l0.detach().t())
    return rnn


@operation(ODD, "half precision")
def _half(torch: Any, rnn: Any) -> Any:
    return rnn.half()


@operation(ODD, "bfloat16")
def _bfloat16(torch: Any, rnn: Any) -> Any:
    return rnn.bfloat16()


OPERATIONS = KEPT | CHANGED | COMPUTED | ODD
