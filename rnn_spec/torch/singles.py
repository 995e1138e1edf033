"""Deeds that are asked about one by one, and those that make a new layer beside. Python 3.6 syntax."""

if __package__:
    from rnn_spec.torch.deeds import (
        KEPT,
        LAWFUL,
        called,
        data,
        do,
        dtype,
        halves,
        in_place,
        load,
        moved,
        names,
        ones,
        put,
        through_file,
        through_meta,
        tied,
    )  # fmt: skip
    from rnn_spec.torch.needs import method, need, takes
else:  # beside a worker that another Python runs
    from deeds import (
        KEPT,
        LAWFUL,
        called,
        data,
        do,
        dtype,
        halves,
        in_place,
        load,
        moved,
        names,
        ones,
        put,
        through_file,
        through_meta,
        tied,
    )  # fmt: skip
    from needs import method, need, takes


def returned(act):
    """A step that has to return the module."""

    def step(m):
        made = act(m)
        if not hasattr(made, "named_parameters"):
            raise TypeError(f"a {type(made).__name__} was returned, and not the module")
        return made

    return step


def state_dict_told(m):
    """What state_dict holds, and whether these are the parameters' own values."""
    plain, kept, own = m.state_dict(), m.state_dict(keep_vars=True), dict(m.named_parameters())
    return {
        "keys": [list(plain), list(kept)],
        "prefixed": list(m.state_dict(prefix="encoder.")),
        "values": {name: value.reshape(-1).tolist() for name, value in plain.items()},
        "shared": [n for n, v in plain.items() if n in own and v.data_ptr() == own[n].data_ptr()],
        "detached": [n for n, v in plain.items() if not v.requires_grad],
        "themselves": [n for n, v in kept.items() if v is own.get(n)],
    }


def wrongly_loaded(name, fault):
    """Load a right state_dict, and then one that is wrong at a key."""

    def step(m):
        valid = {key: value.clone() for key, value in m.state_dict().items()}
        load(m, valid)
        wrong = dict(valid)
        if fault == "missing":
            del wrong[name]
        elif fault == "unexpected":
            wrong[name + "7"] = valid["bias_hh_l0"]
        else:
            value = valid[name]
            wrong[name] = value.t() if fault == "transposed" and value.dim() == 2 else value[:-1]
        load(m, wrong)

    return step


def partly_loaded(m):
    """Load halves, one of them under another name, without strict."""
    part = {name: value / 2 for name, value in m.state_dict().items()}
    part["elsewhere"] = part.pop("bias_hh_l0")
    return load(m, part, strict=False)


def move(how, name):
    """Move the layer to a dtype."""

    def step(m):
        target = dtype(name)
        if how == "to(dtype)":
            return m.to(dtype=target)
        if how == "to(tensor)":
            return m.to(need("torch.empty")(0, dtype=target))
        if how == "type":
            return m.type(target)
        if how == "through meta":
            return through_meta(m, target)
        return load(m, {key: value.to(target) for key, value in m.state_dict().items()}, assign=True)

    return step


def on_meta(m):
    """Call a layer on the meta device, and bring it back empty: the shapes that it gave."""
    shapes, leaves = [list(t.shape) for t in m(ones(m, 2, 3))], told(m, names(m))
    m.to_empty(device="cpu")
    return {"shapes on meta": shapes, "leaves on meta": leaves}


def keeping_state(act):
    """A step after which the layer loads the state_dict that it had before."""

    def step(m):
        state = {name: value.clone() for name, value in m.state_dict().items()}
        found = act(m)
        m.load_state_dict(state)
        return found

    return step


def told(m, shown):
    """Of each tensor that the user owns: which parameters it is, its dtype and device, whether it learns."""
    values = {name: getattr(m, name, None) for name in shown}
    return {
        name: {
            "is": [other for other, value in values.items() if value is p],
            "dtype": str(p.dtype)[6:],
            "device": p.device.type,
            "learns": p.requires_grad,
        }
        for name, p in m.named_parameters()
    }


def derivatives(m, shown):
    """Of each tensor that learns and is no parameter itself: the derivatives of the parameters by it.

    That is its shape, and for each parameter that depends on it a row for each of the parameter's elements.
    """
    found = {}
    for name, p in m.named_parameters():
        if p.requires_grad and not any(value is p for value in shown.values()):
            rows = ((other, rows_of(value, p)) for other, value in shown.items() if value.requires_grad)
            found[name] = {"shape": list(p.shape), "of": {other: each for other, each in rows if each}}
    return found


def rows_of(value, p):
    """The derivatives of each element of a tensor by another one; none where it does not depend on it."""
    rows, grad = [], need("torch.autograd.grad")
    for element in value.reshape(-1):
        (g,) = grad(element, [p], retain_graph=True, allow_unused=True)
        if g is None:
            return []
        rows.append(g.reshape(-1).tolist())
    return rows


def with_a_copy(made, change, ask):
    """A copy is made, and one of the two is changed: one of the two is asked."""

    def step(m):
        two = {"original": m, "copy": do(m, made)[0]}
        in_place(two[change])
        return two[ask]

    return step


def freeze(kind):
    """Freeze the parameters of a kind, in every layer and direction."""
    return lambda m: [p.requires_grad_(False) for name, p in m.named_parameters() if name.startswith(kind)]


def roll(name, by):
    """Replace a parameter by one whose rows are other ones."""
    return lambda m: setattr(
        m, name, need("torch.nn.Parameter")(need("torch.roll")(getattr(m, name).detach(), by, 0))
    )


COPIES = ("deepcopy", "pickle", "save and load", "copied after a call")
DELETIONS = {
    "del": lambda m, name: delattr(m, name),
    "set to None": lambda m, name: setattr(m, name, None),
    "register_parameter of None": lambda m, name: m.register_parameter(name, None),
    "del and move": lambda m, name: (delattr(m, name), moved(m)),
}
FAULTS = ("missing", "unexpected", "shape", "transposed")
MOVES = ("to(dtype)", "to(tensor)", "type", "through meta", "assign")
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PARAMETERS = [kind + which for which in ("_l0", "_l0_reverse", "_l1", "_l1_reverse") for kind in KINDS]
FIRST = PARAMETERS[:4]
SINGLE = {
    "repr": [lambda m: {"repr": repr(m)}],
    "state_dict": [state_dict_told],
    "loaded in part": [partly_loaded],
    "data alone": [data],
    "replaced alone": [lambda m: put(m, setattr)],
    "load_state_dict, assign, alone": [lambda m: load(m, halves(m), assign=True)],
    "tied and called": [tied, called],
    "tied, called and a quarter": [tied, called, lambda m: m.bias_ih_l0.data.div_(4)],
    "frozen and tied": [
        lambda m: m.weight_hh_l0.requires_grad_(False), lambda m: setattr(m, "bias_hh_l1", m.bias_ih_l1)
    ],
    "train(True)": [lambda m: m.train(True)],
    "train(False)": [lambda m: m.train(False)],
    "train()": [lambda m: m.train(False), returned(lambda m: m.train())],
    "eval()": [lambda m: m.train(True), returned(lambda m: m.eval())],
    "double()": [returned(lambda m: m.double())],
    "float()": [returned(lambda m: m.float())],
    "half()": [returned(lambda m: m.half())],
    "bfloat16()": [returned(lambda m: method(m, "bfloat16")())],
    "on meta and back": [lambda m: method(m, "to_empty"), keeping_state(lambda m: on_meta(m.to("meta")))],
}  # fmt: skip
SINGLE.update({"freeze " + kind: [freeze(kind)] for kind in KINDS})
SINGLE.update({how + " " + name: [move(how, name)] for how in MOVES
               for name in ("float64", "float32", "float16", "bfloat16")})  # fmt: skip
SINGLE.update({how + ": " + name: [lambda m, act=act, name=name: act(m, name)] for name in FIRST
               for how, act in DELETIONS.items()})  # fmt: skip
SINGLE.update({"load with " + name + " " + fault: [wrongly_loaded(name, fault)] for fault in FAULTS
               for name in FIRST})  # fmt: skip
for _name in PARAMETERS:
    SINGLE.update({"roll " + _name: [roll(_name, 1)], "roll back " + _name: [roll(_name, -1)]})
for _copy in COPIES:
    SINGLE[_copy + ", the copy changed"] = [with_a_copy(KEPT[_copy], change="copy", ask="original")]
    SINGLE[_copy + ", the original changed"] = [with_a_copy(KEPT[_copy], change="original", ask="copy")]
    SINGLE[_copy + ", and the original changed"] = [with_a_copy(KEPT[_copy], "original", "original")]
SET = {
    "set nonlinearity": [lambda m: setattr(m, "nonlinearity", "relu")],
    "set dropout": [lambda m: setattr(m, "dropout", 1.0)],
    "set batch_first": [lambda m: setattr(m, "batch_first", True)],
}
"""Options that are set on a layer that was built with others."""
DEEDS = dict(LAWFUL, **dict(SINGLE, **SET))
"""Every deed of the module itself."""


# -- with a new layer beside ------------------------------------------------------------------------


def restored(m, new, weights=lambda state: state, **how):
    """A new layer that loads the state_dict of this one, and the keys that were missing or too many."""
    state, other = weights(m.state_dict()), new()
    need("torch.nn.init.constant_")(other.weight_hh_l0, 0.5)
    return other, load(other, state, **how)


def made_on_meta(m, new):
    """A new layer that is made on the meta device, is called there, and loads the state_dict of this one."""
    takes(need("torch.nn.Linear").__init__, "device", "torch.nn.RNN")  # RNN's own signature tells nothing
    other, state = new(device="meta"), m.state_dict()
    found = on_meta(other)
    other.load_state_dict(state)
    return other, found


ANEW = {
    "restored directly": restored,
    "restored assign": lambda m, new: restored(m, new, assign=True),
    "restored through a file": lambda m, new: restored(m, new, lambda state: through_file(state, True)),
    "made on meta": made_on_meta,
}
"""The deeds that make a new layer of the same configuration, by the function that is given."""


def done(m, name, new):
    """The module after a deed, and the facts that it told; `new` makes a layer of the same configuration."""
    return ANEW[name](m, new) if name in ANEW else do(m, DEEDS[name])
