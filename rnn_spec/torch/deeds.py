"""What users do to a module: the deeds that a Case may name in `earlier`, a row each. Python 3.6 syntax.

A deed is a list of steps, functions of the module: what returns a module is the module from then on, and a
dict are facts to be told. `KEPT` leave every parameter's value as it was, `CHANGED` halve every parameter
(exact in every format), `COMPUTED` make parameters of others, and `ODD` are those of which only the law of
state says something; the law is asked of these. Deeds that are asked about one by one are in `singles`.
"""

import copy
import inspect
import io
import pickle
from contextlib import contextmanager

if __package__:
    from rnn_spec.torch.needs import method, need, takes
else:  # beside a worker that another Python runs
    from needs import method, need, takes


# -- steps ------------------------------------------------------------------------------------------


def names(m):
    """The names of the parameters."""
    return [name for name, _ in m.named_parameters()]


def ones(m, *shape):
    """An input of ones, of the module's dtype and on its device."""
    first = next(iter(m.parameters()))
    return need("torch.ones")((*shape, m.input_size), dtype=first.dtype, device=first.device)


def called(m):
    """Call the layer once, so that whatever it keeps from a call is there."""
    m(ones(m, 2, 3))


def halves(m):
    """A new parameter of half the value for each of the layer's."""
    return {name: need("torch.nn.Parameter")(p.detach() / 2) for name, p in m.named_parameters()}


def put(m, how):
    """Give the layer a half of each parameter."""
    for name, value in halves(m).items():
        how(m, name, value)


def in_place(m, factor=0.5):
    """Halve every parameter where it is."""
    with need("torch.no_grad")():
        for parameter in m.parameters():
            parameter.mul_(factor)


def pickled(m):
    """What is left of a module that was pickled."""
    return pickle.loads(pickle.dumps(m))  # noqa: S301  # pickled a moment ago


def through_file(thing, weights_only):
    """What torch.load makes of what torch.save wrote."""
    buffer, load = io.BytesIO(), need("torch.load")
    need("torch.save")(thing, buffer)
    buffer.seek(0)
    how = {"weights_only": weights_only} if "weights_only" in inspect.signature(load).parameters else {}
    return load(buffer, **how)


def saved(m):
    """A module that was saved whole and loaded."""
    return through_file(m, weights_only=False)


@contextmanager
def future(flag):
    """One of torch.__future__'s flags, switched on for a while."""
    switch, before = need("torch.__future__.set_" + flag), need("torch.__future__.get_" + flag)()
    switch(True)
    try:
        yield
    finally:
        switch(before)


def with_flag(flag, act):
    """A step done with one of torch.__future__'s flags switched on."""

    def step(m):
        with future(flag):
            return act(m)

    return step


def load(m, state, assign=False, **how):
    """Load a state_dict, perhaps by taking its very tensors: the facts of what it told."""
    if assign:
        takes(m.load_state_dict, "assign", "load_state_dict")
        how["assign"] = True
    told = m.load_state_dict(state, **how)
    keys = ("missing_keys", "unexpected_keys")
    return {name: list(getattr(told, name)) for name in keys} if hasattr(told, keys[0]) else None


def moved(m):
    """To another dtype and back."""
    return m.float().double()


def dtype(name):
    """A dtype of torch."""
    return need("torch." + name)


def reload_from_file(m):
    """Load a state_dict that was saved, over a weight that was set to 0 since."""
    state = through_file(m.state_dict(), weights_only=True)
    need("torch.nn.init.constant_")(m.weight_hh_l0, 0)
    load(m, state)


def through_meta(m, to=None):
    """Go to the meta device, be made anew, and load what there was."""
    state = {name: value if to is None else value.to(to) for name, value in m.state_dict().items()}
    method(m, "to_empty")
    meta = m.to("meta")
    (meta if to is None else meta.to(to)).to_empty(device="cpu").load_state_dict(state)


def meta_and_assign(m):
    """Go to the meta device, and take back the very tensors that there were."""
    state = m.state_dict()
    takes(m.load_state_dict, "assign", "load_state_dict")
    load(m.to("meta"), state, assign=True)


def functional_call(m):
    """Call the layer with halves in place of its own parameters."""
    need("torch.func.functional_call")(m, halves(m), (ones(m, 2),))


def func_grad(m):
    """Differentiate a call with halves."""
    call, given = need("torch.func.functional_call"), (ones(m, 2),)
    need("torch.func.grad")(lambda p: call(m, p, given)[0].sum())(halves(m))


def hooks(m):
    """Register hooks that do nothing."""
    m.register_forward_hook(lambda module, args, result: None)
    m.register_forward_pre_hook(lambda module, args: None)
    method(m, "register_full_backward_hook")(lambda module, inputs, outputs: None)


def parametrized(m, *which, **how):
    """Have these parameters, or all, computed: half of what is stored, or another part of it."""
    register = need("torch.nn.utils.parametrize.register_parametrization")

    class Part(need("torch.nn.Module")):
        def __init__(self):
            super().__init__()
            self.part = how.get("part", 0.5)

        def forward(self, value):
            return value * self.part

    for name in which or names(m):
        register(m, name, Part())


def unparametrized(m):
    """Leave every computed parameter at its value."""
    for name in list(m.parametrizations):
        need("torch.nn.utils.parametrize.remove_parametrizations")(m, name)


def weight(act):
    """A step that is a function of torch called with the layer and its W_hh."""
    return lambda m: need(act)(m, "weight_hh_l0")


def pruned(m):
    """Have half of each parameter pruned."""
    for name in names(m):
        need("torch.nn.utils.prune").l1_unstructured(m, name, amount=0.5)


def pruned_hh(m):
    """Have half of W_hh pruned."""
    need("torch.nn.utils.prune").l1_unstructured(m, "weight_hh_l0", amount=0.5)


def zero_grad(m):
    """Call, go back (to the input, where every parameter is frozen), and forget the gradients."""
    m(ones(m, 2, 3).requires_grad_())[0].sum().backward()
    m.zero_grad()


def copied(m):
    """Copy a half into every parameter."""
    with need("torch.no_grad")():
        put(m, lambda m, name, value: getattr(m, name).copy_(value))


def data(m):
    """Set every parameter's data."""
    for parameter in m.parameters():
        parameter.data = parameter.data / 2


def optimizer(m):
    """Take a step of an optimizer, half of every parameter long."""
    made = need("torch.optim.SGD")(m.parameters(), lr=0.5)
    for parameter in m.parameters():
        parameter.grad = parameter.detach().clone()
    made.step()


def vector(m):
    """Halve the parameters as one vector."""
    convert = need("torch.nn.utils")
    convert.vector_to_parameters(convert.parameters_to_vector(m.parameters()).detach() / 2, m.parameters())


def replaced_between(m):
    """Set the parameters one by one, and call in between."""
    put(m, lambda m, name, value: (called(m), setattr(m, name, value)))


def twice_replaced(m):
    """Set new parameters of the old values."""
    for name, parameter in list(m.named_parameters()):
        setattr(m, name, need("torch.nn.Parameter")(parameter.detach().clone()))


def deleted_and_moved(m):
    """Delete a weight, move the layer, and register another."""
    value = halves(m)["weight_hh_l0"]
    del m.weight_hh_l0
    moved(m)
    m.register_parameter("weight_hh_l0", value)
    with need("torch.no_grad")():
        for name, parameter in m.named_parameters():
            parameter.mul_(1 if name == "weight_hh_l0" else 0.5)


def deleting(how):
    """Delete each parameter, and put a half of it in its place."""
    return lambda m: put(m, lambda m, name, value: (delattr(m, name), how(m, name, value)))


def register(m, name, value):
    """Register a parameter."""
    m.register_parameter(name, value)


def tied(m):
    """Make one parameter of the two biases."""
    m.bias_hh_l0 = m.bias_ih_l0


def transposed(m):
    """Set a parameter that is not laid out in rows."""
    m.weight_hh_l0 = need("torch.nn.Parameter")(m.weight_hh_l0.detach().t())


def do(m, steps):
    """The module after these steps, and the facts that they told."""
    facts = {}
    for step in steps:
        made = step(m)
        if isinstance(made, dict):
            facts.update(made)
        elif hasattr(made, "named_parameters"):
            m = made
    return m, facts


# -- the table --------------------------------------------------------------------------------------

SWAP, OVERWRITE = "swap_module_params_on_conversion", "overwrite_module_params_on_conversion"
HOOKED, NORMED = "torch.nn.utils.{}", "torch.nn.utils.parametrizations.{}"

KEPT = {
    "deepcopy": [copy.deepcopy],
    "copy": [copy.copy],
    "pickle": [pickled],
    "save and load": [saved],
    "float and back": [moved],
    "to dtype and back": [lambda m: m.to(dtype("float32")).to(dtype("float64"))],
    "to device": [lambda m: m.to("cpu")],
    "type": [lambda m: m.type(dtype("float32")).type(dtype("float64"))],
    "share memory": [lambda m: m.share_memory()],
    "train and eval": [lambda m: m.train().eval()],
    "frozen": [lambda m: method(m, "requires_grad_")(False)],
    "thawed": [lambda m: method(m, "requires_grad_")(False).requires_grad_(True)],
    "apply": [lambda m: m.apply(lambda module: None)],
    "called": [called],
    "copied after a call": [called, copy.deepcopy],
    "flatten_parameters": [lambda m: m.flatten_parameters()],
    "zero_grad": [zero_grad],
    "load_state_dict of its own": [lambda m: load(m, m.state_dict())],
    "state_dict saved and loaded": [reload_from_file],
    "through meta": [through_meta],
    "meta and assign": [meta_and_assign],
    "moved by swapping": [with_flag(SWAP, moved)],
    "called and moved by swapping": [called, with_flag(SWAP, moved)],
    "moved by overwriting": [with_flag(OVERWRITE, moved)],
    "functional_call": [functional_call],
    "functional_call and deepcopy": [functional_call, copy.deepcopy],
    "torch.func.grad": [func_grad],
    "hooks": [hooks],
    "parametrized and back": [lambda m: parametrized(m, part=1), called, unparametrized],
    "pruned by nothing and back": [
        lambda m: need("torch.nn.utils.prune").identity(m, "weight_hh_l0"),
        called,
        lambda m: need("torch.nn.utils.prune").remove(m, "weight_hh_l0"),
    ],
}
CHANGED = {
    "in place": [in_place],
    "in place after a call": [called, in_place],
    "copy_": [copied],
    "data": [called, data],
    "optimizer step": [optimizer],
    "vector_to_parameters": [vector],
    "_apply": [lambda m: m._apply(lambda t: t.div_(2))],
    "shared and in place": [lambda m: m.share_memory(), in_place],
    "shared and replaced": [lambda m: m.share_memory(), lambda m: put(m, setattr)],
    "replaced": [called, lambda m: put(m, setattr)],
    "replaced one by one between calls": [replaced_between],
    "replaced and in place": [twice_replaced, in_place],
    "replaced, called and moved": [lambda m: put(m, setattr), called, moved],
    "registered": [lambda m: put(m, register)],
    "deleted and set": [called, deleting(setattr)],
    "deleted and registered": [called, deleting(register)],
    "deleted, moved and registered": [deleted_and_moved],
    "plain tensors": [deleting(lambda m, name, value: setattr(m, name, value.detach()))],
    "buffers": [deleting(lambda m, name, value: m.register_buffer(name, value.detach()))],
    "load_state_dict": [lambda m: load(m, halves(m))],
    "load_state_dict, assign": [called, lambda m: load(m, halves(m), assign=True)],
    "load_state_dict by swapping": [with_flag(SWAP, lambda m: load(m, halves(m)))],
    "copied and in place": [copy.deepcopy, in_place],
    "copied and replaced": [copy.deepcopy, called, lambda m: put(m, setattr)],
    "shallowly copied and replaced": [copy.copy, called, lambda m: put(m, setattr)],
    "pickled and in place": [pickled, in_place],
}
COMPUTED = {
    "parametrized": [parametrized],
    "parametrized, one of them": [lambda m: parametrized(m, "weight_hh_l0")],
    "parametrized twice": [lambda m: parametrized(m, "weight_hh_l0", "weight_hh_l0", "bias_ih_l0")],
    "parametrized, called and changed": [parametrized, called, in_place],
    "parametrized and moved": [parametrized, moved],
    "parametrized and copied": [parametrized, copy.deepcopy],
    "parametrized, called and copied": [parametrized, called, copy.deepcopy],
    "parametrized, loaded": [
        parametrized, lambda m: load(m, {k: v / 2 for k, v in m.state_dict().items()})
    ],
    "parametrized and removed": [parametrized, called, unparametrized],
    "weight_norm by hooks": [weight(HOOKED.format("weight_norm")), called, in_place],
    "weight_norm by hooks and moved": [weight(HOOKED.format("weight_norm")), moved],
    "weight_norm by hooks, called and copied": [
        weight(HOOKED.format("weight_norm")), called, copy.deepcopy
    ],
    "weight_norm by hooks and back": [
        weight(HOOKED.format("weight_norm")), called, weight(HOOKED.format("remove_weight_norm"))
    ],
    "weight_norm": [weight(NORMED.format("weight_norm")), called, in_place],
    "weight_norm, called and copied": [
        weight(NORMED.format("weight_norm")), called, in_place, copy.deepcopy
    ],
    "spectral_norm by hooks": [weight(HOOKED.format("spectral_norm")), called, in_place],
    "spectral_norm by hooks and back": [
        weight(HOOKED.format("spectral_norm")), called, weight(HOOKED.format("remove_spectral_norm"))
    ],
    "spectral_norm": [weight(NORMED.format("spectral_norm")), called, in_place],
    "orthogonal": [weight(NORMED.format("orthogonal"))],
    "pruned": [pruned, called, in_place],
    "pruned, called and copied": [pruned_hh, called, copy.deepcopy],
    "pruned and back": [
        pruned_hh, called, lambda m: need("torch.nn.utils.prune").remove(m, "weight_hh_l0")
    ],
}  # fmt: skip
ODD = {
    "reset_parameters": [lambda m: m.reset_parameters()],
    "tied biases": [called, tied],
    "tied and in place": [called, tied, in_place],
    "tied and moved": [called, tied, moved],
    "tied and copied": [called, tied, copy.deepcopy, in_place],
    "tied functional_call": [called, tied, functional_call],
    "transposed": [transposed],
    "half precision": [lambda m: m.half()],
    "bfloat16": [lambda m: method(m, "bfloat16")()],
    "half and back": [lambda m: m.half().double()],
}
LAWFUL = dict(KEPT, **dict(CHANGED, **dict(COMPUTED, **ODD)))
"""The deeds that the law of state is asked about."""
LOWERED = {"half precision": "float16", "bfloat16": "bfloat16"}
"""Those that leave the layer in another dtype, and in which."""
