"""How a call is made: how its tensors lie in memory, and what autograd does meanwhile. Python 3.6 syntax.

A way is a deed of the call and none of the layer: ``lay out input: transposed``, ``under inference_mode``.
The numbers are what they were, so the answer is, too. An argument that is expanded repeats its first slice,
so that the case's numbers have to do so.
"""

if __package__:
    from rnn_spec.torch.needs import need
else:  # beside a worker that another Python runs
    from needs import need


def reordered(order):
    """The same numbers, their axes in another order in memory."""

    def laid(t):
        axes = order(list(range(t.dim())))
        back = [axes.index(axis) for axis in range(t.dim())]
        return t.permute(*axes).contiguous().permute(*back) if t.dim() else t

    return laid


def inside(t):
    """A part of a larger tensor, which goes on on every side."""
    part = t.new_full([n + 2 for n in t.shape], 7.0)
    for axis, n in enumerate(t.shape):
        part = part.narrow(axis, 1, n)
    return part.copy_(t)


def offset(t):
    """Contiguous, and begun one number after its storage."""
    storage = t.new_full([t.numel() + 1], 7.0)
    return storage[1:].reshape(t.shape).copy_(t)


def every_other(axis):
    """Every other slice of a tensor that is twice as long."""

    def laid(t):
        at = min(axis, t.dim() - 1)
        shape = [2 * n if i == at else n for i, n in enumerate(t.shape)]
        whole = t.new_full(shape, 7.0)
        part = whole.reshape([*shape[:at], t.shape[at], 2, *shape[at + 1 :]]).select(at + 1, 0)
        return part.copy_(t)

    return laid


def expanded(axis):
    """One slice, with stride 0."""
    return lambda t: t.narrow(axis, 0, 1).expand(t.shape) if axis < t.dim() else t


VIEWS = {
    "transposed": reordered(lambda axes: axes[1::-1] + axes[2:]),
    "last axis first": reordered(lambda axes: axes[-1:] + axes[:-1]),
    "axes reversed": reordered(lambda axes: axes[::-1]),
    "inside a larger one": inside,
    "offset": offset,
    "every other of axis 0": every_other(0),
    "every other of axis 1": every_other(1),
    "every other of axis 2": every_other(2),
}
EXPANDED = {"expanded along axis %d" % axis: expanded(axis) for axis in range(3)}
WHAT = ("input", "h_0", "packed data", "cotangent of output", "cotangent of h_n")
LAYOUTS = {"lay out {}: {}".format(what, how): (what, how) for what in WHAT for how in VIEWS}
LAYOUTS.update({"lay out {}: {}".format(what, how): (what, how) for what in WHAT[:2] for how in EXPANDED})
MODES = {
    "under inference_mode": lambda: need("torch.inference_mode")(),
    "under enable_grad": lambda: need("torch.enable_grad")(),
}
"""What a call that is not differentiated is made under, in place of no_grad."""
WAYS = set(LAYOUTS) | set(MODES)


def laid(deeds, what, t):
    """A tensor of a call, by what it is, as the deeds say."""
    for deed in deeds:
        named, how = LAYOUTS.get(deed, ("", ""))
        if named == what:
            t = dict(VIEWS, **EXPANDED)[how](t)
    return t


def mode(deeds):
    """What a call that is not differentiated is made under."""
    for deed in deeds:
        if deed in MODES:
            return MODES[deed]()
    return need("torch.no_grad")()
