"""Small named experiments on torch.nn.RNN that are no question of the suite, each of which comes to a fact.

An experiment is a function that returns a value (JSON after `plain`), raises, or says `Absent`: this torch has not
what it is about. `EXPERIMENTS` can be read without torch, which `program` imports and hands over by `use`.
Addresses, paths and line numbers are taken out of every text, so that two runs on one release give the same bytes.
"""

import copy
import functools
import hashlib
import importlib
import inspect
import io
import math
import os
import pickle
import re
import shutil
from typing import Optional

import numpy as np

torch = Tensor = PackedSequence = None  # `use` brings them; by these names torch.jit.script knows them


def use(module):
    """Run with this torch; the table does not need it."""
    global torch, Tensor, PackedSequence
    torch, Tensor, PackedSequence = module, module.Tensor, module.nn.utils.rnn.PackedSequence


CHECKPOINTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")
WRITERS = ("1.0.0", "1.6.0", "2.0.1", "2.13.0", "2.15.0")
"""The releases that wrote the files in CHECKPOINTS."""

LATE = ("torch.utils.serialization.config", "torch.nn.utils.prune")
"""What many need and torch imports late: whoever imports it leaves a trace, and shares a process no further."""
HEAVY = (
    "torch._dynamo", "torch.export", "torch.onnx", "torch._functorch.eager_transforms", "torch._refs",
    "torch.export._trace",
)  # fmt: skip
"""What heavy ones need and torch imports late: imported once for all of them, before the first.

Nothing whose import warns, as torch._decomp.decompositions_for_jvp does: who meets it first is told.
"""
EXPERIMENTS = {}


class Experiment(object):
    """One experiment. `kind`: behaviour, annotation, stream, checkpoint or route.

    `clause` is the one that it is about; where there is none, `free` says of what no clause speaks.
    """

    def __init__(self, id, sentence, act, kind, clause, free=""):
        """Nothing runs yet."""
        self.id, self.sentence, self.act, self.kind = id, sentence, act, kind
        self.clause, self.free = clause, free

    @property
    def area(self):
        """The first part of the id."""
        return self.id.partition("/")[0]

    @property
    def heavy(self):
        """Whether it needs parts of torch that take seconds to import: see `HEAVY`."""
        return self.alone or self.area == "autograd"

    @property
    def alone(self):
        """Whether it is asked in a process of its own, whatever traces it leaves."""
        return self.area == "route"


def experiment(id, sentence, kind="behaviour", clause=None, free=""):
    """Enter the decorated function in the table."""

    def enter(act):
        if id in EXPERIMENTS:
            raise ValueError("two experiments are called {}".format(id))
        EXPERIMENTS[id] = Experiment(id, sentence, act, kind, clause, free)
        return act

    return enter


class Absent(Exception):
    """This torch has not what the experiment is about."""


def need(path):
    """What a dotted name leads to, from torch; Absent where it leads nowhere."""
    found, names = torch, path.split(".")
    for i, name in enumerate(names[1:], 2):
        if not hasattr(found, name):
            try:
                importlib.import_module(".".join(names[:i]))
            except ImportError:
                raise Absent(path)
        if not hasattr(found, name):
            raise Absent(path)
        found = getattr(found, name)
    return found


def takes(function, *names):
    """Absent where a function of torch has not these arguments."""
    for name in names:
        if name not in inspect.signature(function).parameters:
            raise Absent("{}({}=...)".format(function.__name__, name))


# -- what comes out ---------------------------------------------------------------------------------

OWN_FRAME = re.compile(
    r"""[^"\s]*rnn_spec[/\\]torch[/\\]\w+\.py\(\d+\):\ \S+\s*  # /a/rnn_spec/torch/program.py(202): reply
    |^\ *File\ "[^"]*rnn_spec[/\\]torch[/\\]\w+\.py",\ line\ \d+.*\n?  # File "...", line 7, in forward
     (?:(?!\ *File\ ")\ +.*\n?)*  # the lines of source below it
    """,
    re.MULTILINE | re.VERBOSE,
)
"""A frame of our own files in a stack that a message tells: no word of torch's, and moved by any edit of ours."""


def clean(text):
    """One line without what differs from run to run, from machine to machine, or with Python's release or ours."""
    text = re.split(r"\s*(?:frame #0|Exception raised from|\(most recent call first\))", str(text))[0]
    text = OWN_FRAME.sub("", text)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(
        r"(?<![\w:/.])(?:[A-Za-z]:)?\.{0,2}/?(?:[\w.+@~<>-]+/){2,}[\w.+@~-]+(?::\d+|\(\d+\))?",
        "PATH",
        text,
    )
    text = re.sub(r"(?<![\w:/])/(?:[\w.+@~-]+/)*[\w.+@~-]+\.\w+(?::\d+|\(\d+\))?", "PATH", text)
    text = re.sub(r"\b0x[0-9a-fA-F]{5,}\b", "0x...", text)
    text = re.sub(r"\bline \d+|(?<=\.py:)\d+|(?<=\.cpp:)\d+", "line N", text)
    text = re.sub(r"\b(?:pid|process) \d+", "pid N", text)
    text = re.sub(r"\b(?:\w+\.)+(?=\w+\(\) )", "", text)  # Python 3.10 says Class.method(), 3.9 method()
    text = re.sub(r"\bnumpy\.bool_(?!\w)", "numpy.bool", text)  # NumPy's names before and from 2 on
    text = re.sub(r"\bnp\.(True|False)_", r"\1", text)
    text = " ".join(text.split())
    return text if len(text) <= 600 else text[:600] + "..."


def plain(x):
    """The value as JSON: a tensor is its dtype and shape, and what has no JSON is its repr."""
    if x is None or isinstance(x, (bool, str)):
        return clean(x) if isinstance(x, str) else x
    if isinstance(x, (int, np.integer)):
        return int(x) if abs(int(x)) < 2**53 else str(x)
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else repr(float(x))
    if isinstance(x, torch.Tensor):
        kind = type(x).__name__
        text = "{} {}".format(str(x.dtype)[6:], tuple(x.shape))
        text += "" if x.device.type == "cpu" else " on {}".format(x.device.type)
        return text if kind == "Tensor" else "{} {}".format(kind, text)
    if isinstance(x, torch.Size):
        return [int(n) for n in x]
    if isinstance(x, torch.nn.utils.rnn.PackedSequence):
        return dict((n, listed(getattr(x, n)) if n != "data" else plain(x.data)) for n in x._fields)
    if isinstance(x, dict):
        return dict((str(k), plain(v)) for k, v in x.items())
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, type):
        return x.__name__
    return clean(x if isinstance(x, inspect.Signature) else repr(x))


def listed(t):
    """A small tensor's elements."""
    return plain(t.tolist() if isinstance(t, torch.Tensor) else t)


def bits(*tensors):
    """16 hexadecimal digits that stand for the tensors' dtypes, shapes and elements, bit for bit."""
    digest = hashlib.sha256()
    for given in tensors:
        t = given.detach().cpu().contiguous()
        digest.update("{} {}".format(str(t.dtype)[6:], tuple(t.shape)).encode())
        if t.dtype == getattr(torch, "bfloat16", None):
            t = t.float()
        digest.update(t.numpy().tobytes())
    return digest.hexdigest()[:16]


def equal(a, b):
    """Whether two tensors are equal bit for bit, NaN to NaN."""
    return bits(a) == bits(b)


# -- what goes in -----------------------------------------------------------------------------------


def ramp(*shape, **how):
    """A tensor of generic numbers, exact in every dtype; `dtype` float32 unless told."""
    count = int(np.prod(shape)) if shape else 1
    numbers = ((np.arange(count) * 37 + how.get("start", 11)) % 61 - 30) / 64.0
    return torch.tensor(numbers.reshape(shape), dtype=how.get("dtype", torch.float32))


def x():
    """An input: (T, N, I) = (5, 2, 3)."""
    return ramp(5, 2, 3)


def h(layers=1, batch=2):
    """An initial state."""
    return ramp(layers, batch, 4, start=5)


def rnn(*args, **kw):
    """A layer of 3 inputs and 4 hidden units, unless told, with generic parameters that never change."""
    made = torch.nn.RNN(*(args or (3, 4)), **kw)
    return fill(made)


def fill(made):
    """The layer, its parameters replaced by generic numbers."""
    with torch.no_grad():
        for i, parameter in enumerate(made.parameters()):
            parameter.copy_(ramp(*parameter.shape, start=7 * i + 3))
    return made


def fresh(made):
    """A new layer with the other's options and its current parameters."""
    new = torch.nn.RNN(made.input_size, made.hidden_size, made.num_layers, bias=made.bias,
                       nonlinearity="relu" if made.mode.endswith("RELU") else "tanh",
                       bidirectional=made.bidirectional)  # fmt: skip
    with torch.no_grad():
        for name, parameter in new.named_parameters():
            parameter.copy_(getattr(made, name).detach())
    return new


def law(made):
    """Whether forward computes with the module's own current parameters, and what came if it raised."""
    given = x().to(next(iter(made.parameters())).dtype) if list(made.parameters()) else x()
    try:
        got = made(given)[0]
    except Exception as e:
        return "{}: {}".format(type(e).__name__, clean(e))
    own = fresh(made).to(given.dtype)(given)[0]
    return "computes with its current parameters" if equal(got, own) else "computes with other parameters"


def pack(lengths=(5, 3), **how):
    """A packed batch of sequences of these lengths."""
    return torch.nn.utils.rnn.pack_padded_sequence(ramp(5, len(lengths), 3), list(lengths), **how)


def saved(thing, **how):
    """What torch.load makes of what torch.save wrote."""
    takes(torch.load, *set(how) & {"weights_only"})
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    buffer.seek(0)
    return torch.load(buffer, **how)


def family(area, rows, sentence, kind="behaviour", clause=None, free=""):
    """An experiment for each row of a table; the sentence has the row's name for {}. Rows are functions.

    A row that is about another clause than its family, or about one where that is about none, is a pair.
    """
    for name, row in rows.items():
        own, act = row if isinstance(row, tuple) else (None, row)
        reason = "" if own else free
        experiment("{}/{}".format(area, name), sentence.format(name), kind, own or clause, reason)(act)


# -- construction -----------------------------------------------------------------------------------


def options(made):
    """What the layer says that it is."""
    names = ("input_size", "hidden_size", "num_layers", "nonlinearity", "mode", "bias", "batch_first",
             "dropout", "bidirectional", "proj_size", "training")  # fmt: skip
    return dict((n, getattr(made, n)) for n in names if hasattr(made, n))


family(
    "construct",
    {
        "defaults": ("ARG-03", lambda: options(torch.nn.RNN(3, 4))),
        "attributes": lambda: sorted(vars(torch.nn.RNN(3, 4))),
        "constants": lambda: sorted(torch.nn.RNN.__constants__),
        "public-names": lambda: sorted(n for n in dir(torch.nn.RNN) if not n.startswith("_")),
        "own-names": lambda: sorted(set(dir(torch.nn.RNN)) - set(dir(torch.nn.Module))),
        "bases": lambda: [c.__name__ for c in torch.nn.RNN.__mro__],
        "module": lambda: torch.nn.RNN.__module__,
        "in-all": lambda: "RNN" in torch.nn.modules.rnn.__all__ if hasattr(torch.nn.modules.rnn, "__all__")
        else None,
        "buffers-and-children": lambda: [list(dict(rnn().named_buffers())), list(dict(rnn().named_children()))],
        "parameters-require-grad": ("PAR-11", lambda: [p.requires_grad for p in rnn().parameters()]),
        "documentation-names-arguments": lambda: re.findall(r"^ *(\w+): ", inspect.cleandoc(torch.nn.RNN.__doc__), re.M),
    },
    "What a layer has as it comes from the constructor: {}.",
    free="names and bases of the class beside the documented arguments and parameters",
)  # fmt: skip

SIGNATURES = {
    "RNN": lambda: torch.nn.RNN,
    "RNNBase": lambda: torch.nn.RNNBase,
    "RNN.forward": lambda: torch.nn.RNN.forward,
    "RNN.check_input": lambda: torch.nn.RNN.check_input,
    "RNN.check_hidden_size": lambda: torch.nn.RNN.check_hidden_size,
    "RNN.check_forward_args": lambda: torch.nn.RNN.check_forward_args,
    "RNN.load_state_dict": lambda: torch.nn.RNN.load_state_dict,
    "RNN.state_dict": lambda: torch.nn.RNN.state_dict,
    "RNN.to_empty": lambda: need("torch.nn.RNN.to_empty"),
    "RNNCell": lambda: torch.nn.RNNCell,
    "PackedSequence": lambda: torch.nn.utils.rnn.PackedSequence,
    "pack_padded_sequence": lambda: torch.nn.utils.rnn.pack_padded_sequence,
    "pad_packed_sequence": lambda: torch.nn.utils.rnn.pad_packed_sequence,
    "pack_sequence": lambda: torch.nn.utils.rnn.pack_sequence,
    "pad_sequence": lambda: torch.nn.utils.rnn.pad_sequence,
    "unpad_sequence": lambda: need("torch.nn.utils.rnn.unpad_sequence"),
    "unpack_sequence": lambda: need("torch.nn.utils.rnn.unpack_sequence"),
    "functional_call": lambda: need("torch.func.functional_call"),
    "load": lambda: torch.load,
}


def _parameters(get):
    """The names and defaults, without annotations, which come and go."""
    signature = inspect.signature(get())
    words = []
    for p in signature.parameters.values():
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else "=" + re.sub(r"<.*>", "...", repr(p.default))
        words.append(("(keyword) " if p.kind == p.KEYWORD_ONLY else "") + star + p.name + default)
    return words


for _name, _get in SIGNATURES.items():
    experiment(
        "signature/" + _name, "The arguments of {}.".format(_name),
        free="arguments by inspect: clauses speak of the constructor's, by calls",
    )(functools.partial(_parameters, _get))  # fmt: skip


def _spelt(annotation):
    """An annotation in the same words whatever Python spells it, and without torch's own places."""
    text = repr(annotation)
    if isinstance(annotation, str):
        text = annotation
    elif isinstance(annotation, type) and "[" not in text:
        text = annotation.__name__
    text = re.sub(r"\b(?:typing|collections\.abc|torch(?:\.\w+)*)\.(?=[A-Za-z])", "", text.strip("'"))
    text = re.sub(r"\b(List|Tuple|Dict)\[", lambda m: m.group(0).lower(), text.replace("NoneType", "None"))
    before = None
    while text != before:  # from the inside out
        before = text
        text = re.sub(r"Optional\[([^\[\]]*)\]", r"\1 | None", text)
        text = re.sub(r"Union\[([^\[\]]*)\]", lambda m: m.group(1).replace(", ", " | "), text)
    return text


def _annotations(get):
    signature = inspect.signature(get())
    annotated = [(p.name, p.annotation) for p in signature.parameters.values()]
    annotated.append(("return", signature.return_annotation))
    return dict((name, _spelt(found)) for name, found in annotated if found is not inspect.Parameter.empty)


for _name, _get in SIGNATURES.items():
    experiment(
        "annotation/" + _name, "The annotations of {}.".format(_name), kind="annotation",
        free="annotations, which nothing that runs meets",
    )(functools.partial(_annotations, _get))  # fmt: skip

family(
    "construct",
    {
        "fourth-positional-bool": ("ARG-01", lambda: options(torch.nn.RNN(3, 4, 1, False))),
        "ninth-positional-number": ("ARG-10", lambda: repr(torch.nn.RNN(3, 4, 1, "tanh", True, False, 0.0, False, 1))),
        "no-arguments": lambda: torch.nn.RNN(),
        "one-argument": lambda: torch.nn.RNN(3),
        "numpy-sizes": ("ERR-10", lambda: options(torch.nn.RNN(np.int64(3), np.int64(4), np.int32(2)))),
        "numpy-dropout": ("ERR-10", lambda: options(torch.nn.RNN(3, 4, 2, dropout=np.float32(0.5)))),
        "dropout-int-0": ("ERR-07", lambda: options(torch.nn.RNN(3, 4, 2, dropout=0))),
        "dropout-int-1": ("ERR-07", lambda: options(torch.nn.RNN(3, 4, 2, dropout=1))),
        "dropout-minus-0": ("ERR-07", lambda: options(torch.nn.RNN(3, 4, 2, dropout=-0.0))),
        "one-layer-dropout": ("ERR-11", lambda: options(torch.nn.RNN(3, 4, dropout=0.5))),
        "one-layer-dropout-1": ("ERR-11", lambda: options(torch.nn.RNN(3, 4, dropout=1.0))),
        "size-1": ("ERR-05", lambda: options(torch.nn.RNN(1, 1))),
        "subclass": ("ARG-07", lambda: repr(type("Mine", (torch.nn.RNN,), {})(3, 4))),
        "base-tanh": lambda: repr(torch.nn.RNNBase("RNN_TANH", 3, 4)),
        "base-unknown-mode": lambda: torch.nn.RNNBase("RNN_SIGMOID", 3, 4),
        "base-tanh-called": lambda: called(fill(torch.nn.RNNBase("RNN_TANH", 3, 4))),
        "base-relu-called": lambda: called(fill(torch.nn.RNNBase("RNN_RELU", 3, 4))),
        "mode-keyword": ("ARG-05", lambda: options(torch.nn.RNN(3, 4, mode="RNN_RELU"))),
        "numpy-input_size": ("ERR-10", lambda: repr(called(rnn(np.int64(3), 4)))),
        "numpy-hidden_size": ("ERR-10", lambda: repr(called(rnn(3, np.int64(4))))),
        "numpy-num_layers": ("ERR-10", lambda: repr(called(rnn(3, 4, np.int64(2))))),
        "numpy-dropout-called": ("ERR-10", lambda: repr(called(rnn(3, 4, 2, dropout=np.float32(0.5))))),
        "fourth-positional-bool-called": ("ARG-01", lambda: repr(called(rnn(3, 4, 1, False)))),
        "ninth-positional-number-called": ("ARG-10", lambda: repr(called(rnn(3, 4, 1, "tanh", True, False, 0.0, False, 1)))),
        "dropout-int-called": ("ERR-07", lambda: repr(called(rnn(3, 4, 2, dropout=1)))),
        "subclass-called": ("ARG-07", lambda: repr(called(fill(type("Mine", (torch.nn.RNN,), {})(3, 4))))),
        "skip_init": ("STA-06", lambda: [plain(p) for p in need("torch.nn.utils.skip_init")(torch.nn.RNN, 3, 4).parameters()]),
        "default-device": ("ARG-09", lambda: _default_device()),
    },
    "A layer constructed in an unusual way: {}.",
    free="RNNBase, and a size left out",
)  # fmt: skip


def _default_device():
    need("torch.set_default_device")("meta")
    return [plain(p) for p in torch.nn.RNN(3, 4).parameters()]


for _name in ("complex64", "int64", "bool", "float8_e4m3fn"):
    experiment("construct/dtype-" + _name, "A layer constructed with dtype={}.".format(_name), clause="ARG-09")(
        functools.partial(lambda n: [plain(p) for p in torch.nn.RNN(3, 4, dtype=need("torch." + n)).parameters()], _name)
    )  # fmt: skip
experiment("construct/device-cpu:0", "A layer constructed with device='cpu:0'.", clause="ARG-09")(
    lambda: [plain(p) for p in torch.nn.RNN(3, 4, device="cpu:0").parameters()]
)

# -- calls ------------------------------------------------------------------------------------------

family(
    "forward",
    {
        "input-str": ("ERR-04", lambda: rnn()("abc")),
        "h_0-packed": ("ERR-04", lambda: rnn()(x(), pack())),
        "no-argument": lambda: rnn()(),
        "three-arguments": lambda: rnn()(x(), h(), h()),
        "unknown-keyword": lambda: rnn()(x(), h_0=h()),
        "input-by-keyword": lambda: rnn()(input=x()),
        "hx-by-keyword": lambda: rnn()(x(), hx=h()),
        "both-by-keyword": lambda: rnn()(hx=h(), input=x()),
        "hx-None": ("HID-04", lambda: rnn()(x(), None)),
        "result-type": ("SHP-06", lambda: type(rnn()(x())).__name__),
        "parameter-as-input": lambda: rnn()(torch.nn.Parameter(x())),
        "sparse-input": lambda: rnn()(x().to_sparse()),
        "nested-input": lambda: rnn()(need("torch.nested.nested_tensor")([ramp(5, 3), ramp(2, 3)])),
        "named-input": lambda: rnn()(need("torch.Tensor.refine_names")(x(), "T", "N", "I")),
        "subclass-input": lambda: rnn()(need("torch.Tensor.as_subclass")(x(), type("Mine", (torch.Tensor,), {}))),
        "mkldnn-input": lambda: rnn()(x().to_mkldnn()),
        "channels-last-like": ("EDG-09", lambda: equal(rnn()(x().transpose(0, 1).contiguous().transpose(0, 1))[0], rnn()(x())[0])),
        "expanded-input": ("EDG-09", lambda: equal(rnn()(ramp(5, 1, 3).expand(5, 2, 3))[0], rnn()(ramp(5, 1, 3).expand(5, 2, 3).contiguous())[0])),
        "expanded-h_0": ("EDG-09", lambda: equal(rnn()(x(), ramp(1, 1, 4).expand(1, 2, 4))[0], rnn()(x(), ramp(1, 1, 4).expand(1, 2, 4).contiguous())[0])),
        "flipped-h_0": ("EDG-09", lambda: equal(rnn()(x(), h().flip(1))[0], rnn()(x(), h().flip(1).contiguous())[0])),
        "rows-equal-rows-alone": ("REC-08", lambda: [equal(rnn()(x())[0][:, :1], rnn()(x()[:, :1])[0])]),
        "hooks": ("STA-11", lambda: _hooks()),
        "hooks-change-output": ("STA-11", lambda: _changing_hook()),
        "extra-keyword-hook": ("STA-11", lambda: _keyword_hook()),
        "under-no_grad": lambda: rnn()(x())[0].requires_grad,
        "under-inference_mode": lambda: _inference(),
        "cudnn-disabled": ("DET-01", lambda: _flags(need("torch.backends.cudnn"))),
        "mkldnn-disabled": ("DET-01", lambda: _flags(need("torch.backends.mkldnn"))),
    },
    "A call in an unusual way: {}.",
    free="the names of forward's arguments, tensors of another class or layout than strides, and grad modes",
)  # fmt: skip


def _fake():
    with need("torch._subclasses.FakeTensorMode")():
        return torch.nn.RNN(3, 4)(torch.empty(5, 2, 3))


def _draws(made):
    before = torch.get_rng_state()
    made(x())
    return "draws" if not torch.equal(before, torch.get_rng_state()) else "draws nothing"


def _hooks():
    made, seen = rnn(), []
    made.register_forward_pre_hook(lambda m, args: seen.append(["pre", plain(args)]))
    made.register_forward_hook(lambda m, args, out: seen.append(["post", plain(args), plain(out)]))
    made(x(), h())
    made(x())
    return seen


def _changing_hook():
    made = rnn()
    made.register_forward_hook(lambda m, args, out: (out[0] * 0, out[1]))
    return float(made(x())[0].detach().abs().sum())


def _keyword_hook():
    made, seen = rnn(), []
    takes(made.register_forward_pre_hook, "with_kwargs")
    made.register_forward_pre_hook(
        lambda m, args, kw: seen.append([plain(args), plain(kw)]), with_kwargs=True
    )
    made(x(), hx=h())
    return seen


def _inference():
    with need("torch.inference_mode")():
        output, h_n = rnn()(x())
    return [output.is_inference(), h_n.is_inference(), output.requires_grad]


def _flags(backend):
    with backend.flags(enabled=False):
        return equal(rnn()(x())[0], rnn()(x())[0])


def _deterministic():
    need("torch.use_deterministic_algorithms")(True)
    made = rnn(num_layers=2)
    made(x())[0].sum().backward()
    return "computes"


# -- the cell -----------------------------------------------------------------------------------------


def cell(*args, **kw):
    """An RNNCell of 3 inputs and 4 hidden units, unless told, with generic parameters."""
    return fill(torch.nn.RNNCell(*(args or (3, 4)), **kw))


def _as_the_layer(nonlinearity):
    one, layer = cell(nonlinearity=nonlinearity), rnn(nonlinearity=nonlinearity)
    return equal(one(x()[0], h()[0]), layer(x()[:1], h())[0][0])


def _cell_gradients():
    one, given = cell(), x()[0].requires_grad_()
    one(given, h()[0]).sum().backward()
    return [plain(given.grad)] + [plain(p.grad) for p in one.parameters()]


family(
    "cell",
    {
        "repr": lambda: repr(cell()),
        "repr-relu": lambda: repr(cell(nonlinearity="relu")),
        "keys": lambda: list(cell().state_dict()),
        "constants": lambda: sorted(torch.nn.RNNCell.__constants__),
        "as-the-layer": lambda: _as_the_layer("tanh"),
        "as-the-layer-relu": lambda: _as_the_layer("relu"),
        "no-h_0": lambda: cell()(x()[0]),
        "unbatched": lambda: cell()(x()[0, 0]),
        "unbatched-h_0": lambda: cell()(x()[0, 0], h()[0, 0]),
        "unbatched-input-batched-h_0": lambda: cell()(x()[0, 0], h()[0]),
        "3-d-input": lambda: cell()(x()),
        "wrong-features": lambda: cell()(ramp(2, 4)),
        "wrong-h_0-features": lambda: cell()(x()[0], ramp(2, 3)),
        "wrong-h_0-batch": lambda: cell()(x()[0], ramp(3, 4)),
        "float64-input": lambda: cell()(x()[0].double()),
        "float64-h_0": lambda: cell()(x()[0], h()[0].double()),
        "unknown-nonlinearity": lambda: cell(3, 4, nonlinearity="gelu"),
        "unknown-nonlinearity-called": lambda: cell(3, 4, nonlinearity="gelu")(x()[0]),
        "numpy-sizes": lambda: repr(cell(np.int64(3), np.int64(4))),
        "hidden_size-0": lambda: repr(cell(3, 0)),
        "fourth-positional-str": lambda: repr(cell(3, 4, True, "relu")),
        "gradients": lambda: _cell_gradients(),
        "deepcopy": lambda: equal(copy.deepcopy(cell())(x()[0]), cell()(x()[0])),
        "pickle": lambda: equal(pickle.loads(pickle.dumps(cell()))(x()[0]), cell()(x()[0])),
    },
    "An RNNCell: {}.",
    free="RNNCell: the clauses are nn.RNN's",
)

# -- packed sequences and their helpers --------------------------------------------------------------


def packer(*args, **kw):
    """pack_padded_sequence on a batch of three sequences."""
    return torch.nn.utils.rnn.pack_padded_sequence(ramp(5, 3, 2), *args, **kw)


def unequal(*lengths):
    """Sequences of these lengths."""
    return [ramp(n, 2, start=n) for n in lengths]


def packed(*args, **kw):
    """A PackedSequence made by hand."""
    return torch.nn.utils.rnn.PackedSequence(*args, **kw)


def unsorted():
    """A packed batch in another order than the caller's."""
    return pack((3, 5), enforce_sorted=False)


def _t(*numbers):
    return torch.tensor(numbers)


family(
    "packed",
    {
        "lengths-list": lambda: packer([5, 3, 2]),
        "lengths-tuple": lambda: packer((5, 3, 2)),
        "lengths-tensor": lambda: packer(_t(5, 3, 2)),
        "lengths-int32": lambda: packer(_t(5, 3, 2).int()),
        "lengths-array": lambda: packer(np.array([5, 3, 2])),
        "lengths-float-list": lambda: packer([5.0, 3.0, 2.0]),
        "lengths-float-tensor": lambda: packer(torch.tensor([5.0, 3.0, 2.0])),
        "lengths-bool": lambda: packer([True, True, True]),
        "lengths-of-tensors": lambda: packer([torch.tensor(5), torch.tensor(3), torch.tensor(2)]),
        "lengths-meta": lambda: packer(torch.empty(3, dtype=torch.int64, device="meta")),
        "lengths-2-d": lambda: packer(torch.tensor([[5], [3], [2]])),
        "lengths-too-few": lambda: packer([5, 3]),
        "lengths-too-many": lambda: packer([5, 3, 2, 1]),
        "lengths-none": lambda: packer([]),
        "lengths-zero": lambda: packer([5, 3, 0]),
        "lengths-negative": lambda: packer([5, 3, -1]),
        "lengths-too-long": lambda: packer([6, 3, 2]),
        "lengths-shorter-than-padded": lambda: packer([3, 2, 1]),
        "lengths-unsorted": lambda: packer([3, 5, 2]),
        "lengths-unsorted-allowed": lambda: packer([3, 5, 2], enforce_sorted=False),
        "lengths-sorted-not-enforced": lambda: packer([5, 3, 2], enforce_sorted=False),
        "lengths-ties-not-enforced": lambda: packer([3, 5, 3], enforce_sorted=False),
        "lengths-zero-not-enforced": lambda: packer([0, 3, 2], enforce_sorted=False),
        "batch_first": lambda: packer([3, 3, 2, 2, 1], batch_first=True),
        "input-2-d": lambda: torch.nn.utils.rnn.pack_padded_sequence(ramp(5, 3), [5, 3, 2]),
        "input-4-d": lambda: torch.nn.utils.rnn.pack_padded_sequence(ramp(5, 3, 2, 2), [5, 3, 2]),
        "input-packed": lambda: torch.nn.utils.rnn.pack_padded_sequence(pack(), [5, 3]),
        "input-empty": lambda: torch.nn.utils.rnn.pack_padded_sequence(ramp(0, 3, 2), [0, 0, 0]),
        "pack_sequence": lambda: torch.nn.utils.rnn.pack_sequence(unequal(5, 3, 2)),
        "pack_sequence-unsorted": lambda: torch.nn.utils.rnn.pack_sequence(unequal(3, 5, 2)),
        "pack_sequence-unsorted-allowed": lambda: torch.nn.utils.rnn.pack_sequence(unequal(3, 5, 2), enforce_sorted=False),
        "pack_sequence-empty": lambda: torch.nn.utils.rnn.pack_sequence([]),
        "pack_sequence-of-empty": lambda: torch.nn.utils.rnn.pack_sequence([ramp(3, 2), ramp(0, 2)]),
        "pack_sequence-unlike": lambda: torch.nn.utils.rnn.pack_sequence([ramp(3, 2), ramp(2, 3)]),
        "pack_sequence-tensor": lambda: torch.nn.utils.rnn.pack_sequence(ramp(3, 2, 2)),
        "pack_sequence-generator": lambda: torch.nn.utils.rnn.pack_sequence(s for s in unequal(3, 2)),
        "data": lambda: packer([5, 3, 2]).data.tolist(),
        "fields": lambda: torch.nn.utils.rnn.PackedSequence._fields,
        "tuple-length": lambda: len(pack()),
        "unpacks-as-tuple": lambda: plain([type(f).__name__ for f in tuple(pack())]),
        "repr": lambda: repr(torch.nn.utils.rnn.pack_sequence([torch.zeros(1, 1)])),
        "by-hand": lambda: packed(ramp(3, 2), _t(2, 1)),
        "by-hand-pair": lambda: packed((ramp(3, 2), _t(2, 1))),
        "by-hand-list": lambda: packed([ramp(3, 2), _t(2, 1)]),
        "by-hand-data-only": lambda: packed(ramp(3, 2)),
        "by-hand-unsorted": lambda: packed(ramp(3, 2), _t(2, 1), _t(1, 0)),
        "by-hand-keyword": lambda: packed(data=ramp(3, 2), batch_sizes=_t(2, 1)),
        "by-hand-list-sizes": lambda: packed(ramp(3, 2), [2, 1]),
        "by-hand-cuda-sizes": lambda: packed(ramp(3, 2), torch.empty(2, dtype=torch.int64, device="meta")),
        "to-float64": lambda: pack().to(torch.float64),
        "double": lambda: unsorted().double(),
        "half": lambda: pack().half(),
        "int": lambda: pack().int(),
        "to-meta": lambda: plain(pack().to("meta").data),
        "to-same-is-self": lambda: (lambda p: p.to(torch.float32) is p)(pack()),
        "cpu": lambda: (lambda p: p.cpu() is p)(pack()),
        "is_cuda": lambda: pack().is_cuda,
        "pickle": lambda: pickle.loads(pickle.dumps(unsorted())),
        "deepcopy": lambda: copy.deepcopy(unsorted()),
        "save-and-load": lambda: saved(unsorted()),
        "save-and-load-weights-only": lambda: saved(unsorted(), weights_only=True),
        "replace": lambda: pack()._replace(data=pack().data * 2),
    },
    "A PackedSequence made or moved: {}.",
    clause="PCK-10",
)  # fmt: skip

family(
    "packed",
    {
        "call-result-type": lambda: type(rnn()(pack())[0]).__name__,
        "same-sizes-object": lambda: (lambda p: rnn()(p)[0].batch_sizes is p.batch_sizes)(pack()),
        "h_0-few-rows": lambda: rnn()(pack(), h(batch=1)),
        "h_0-few-rows-unsorted": lambda: rnn()(unsorted(), h(batch=1)),
        "h_0-many-rows": lambda: rnn()(pack(), h(batch=3)),
        "h_0-many-rows-unsorted": lambda: rnn()(unsorted(), h(batch=3)),
        "h_0-2-d": lambda: rnn()(pack(), ramp(1, 4)),
        "h_0-2-d-unsorted": lambda: rnn()(unsorted(), ramp(2, 4)),
        "h_0-layers": lambda: rnn()(pack(), h(2)),
        "h_0-features": lambda: rnn()(unsorted(), ramp(1, 2, 3)),
        "h_0-float64": lambda: rnn()(pack(), h().double()),
        "h_0-tuple": lambda: rnn()(unsorted(), (h(), h())),
        "no-sequence": lambda: rnn()(packed(ramp(0, 3), torch.zeros(1, dtype=torch.int64))),
        "gradient-of-padding": lambda: _packed_gradient(),
        "hook-sees": lambda: _packed_hook(),
        "functional-input-1-d": lambda: rnn()(packed(ramp(5), _t(1, 1, 1, 1, 1))),
    },
    "An RNN called with a PackedSequence: {}.",
    clause="PCK-02",
)


def _packed_gradient():
    given = ramp(5, 2, 3).requires_grad_()
    p = torch.nn.utils.rnn.pack_padded_sequence(given, [5, 3])
    rnn()(p)[0].data.sum().backward()
    return {"padding": float(given.grad[3:, 1].abs().sum()), "rest is 0": bool((given.grad[:3] == 0).any())}


def _packed_hook():
    made, seen = rnn(), []
    made.register_forward_hook(
        lambda m, args, out: seen.append([type(args[0]).__name__, type(out[0]).__name__])
    )
    made(pack())
    return seen


def pads(*args, **kw):
    """pad_packed_sequence of two sequences."""
    return torch.nn.utils.rnn.pad_packed_sequence(pack(), *args, **kw)


family(
    "helpers",
    {
        "pad_packed": lambda: [plain(pads()[0]), listed(pads()[1])],
        "pad_packed-batch_first": lambda: [plain(pads(batch_first=True)[0]), listed(pads(True)[1])],
        "pad_packed-padding_value": lambda: pads(padding_value=-7.5)[0][4, 1].tolist(),
        "pad_packed-total_length": lambda: pads(total_length=8)[0],
        "pad_packed-total_length-short": lambda: pads(total_length=4)[0],
        "pad_packed-total_length-0": lambda: pads(total_length=0)[0],
        "pad_packed-total_length-float": lambda: pads(total_length=8.0)[0],
        "pad_packed-nan": lambda: pads(padding_value=float("nan"))[0][4, 1].tolist(),
        "pad_packed-tensor-argument": lambda: torch.nn.utils.rnn.pad_packed_sequence(ramp(5, 2, 3)),
        "pad_packed-pair-argument": lambda: torch.nn.utils.rnn.pad_packed_sequence((pack().data, pack().batch_sizes)),
        "pad_packed-unsorted": lambda: listed(torch.nn.utils.rnn.pad_packed_sequence(unsorted())[1]),
        "pad_packed-lengths-type": lambda: plain(pads()[1]),
        "pad_packed-round-trip": lambda: equal(pads()[0][:3], ramp(5, 2, 3)[:3]),
        "names": lambda: sorted(n for n in vars(torch.nn.utils.rnn) if "sequence" in n.lower() and n[0] != "_"),
    },
    "A helper for sequences of different lengths: {}.",
    free="what the helpers make beside a layer's input and output",
)  # fmt: skip

# -- the module's state ------------------------------------------------------------------------------


def halve(made):
    """New parameters of half the value."""
    return dict((n, torch.nn.Parameter(p.detach() / 2)) for n, p in made.named_parameters())


def half_in_place(made):
    """The same parameters, halved."""
    with torch.no_grad():
        for p in made.parameters():
            p.div_(2)
    return made


def called(made):
    """The layer, called once."""
    made(x().to(next(made.parameters()).dtype))
    return made


def put(made, change):
    """The layer, every parameter given to `change` with its name and its half."""
    for name, value in halve(made).items():
        change(made, name, value)
    return made


def chain(*acts):
    """The layer after all of these, one after the other."""
    made = rnn()
    for act in acts:
        result = act(made)
        made = result if isinstance(result, torch.nn.Module) else made
    return made


def parametrized(made, *names):
    """The layer with halved parameters by torch.nn.utils.parametrize."""
    register = need("torch.nn.utils.parametrize.register_parametrization")

    class Half(torch.nn.Module):
        def forward(self, value):
            return value / 2

    for name in names or ("weight_hh_l0",):
        register(made, name, Half())
    return made


def future(flag, made, act):
    """Do it with one of torch.__future__'s flags switched on."""
    need("torch.__future__.set_" + flag)(True)
    return act(made)


def share(made):
    """The layer's parameters in shared memory."""
    return made.share_memory()


SWAP, OVERWRITE = "swap_module_params_on_conversion", "overwrite_module_params_on_conversion"


def _deleted(how, call_first):
    made = rnn()
    if call_first:
        called(made)
    how(made)
    return "answers, although a weight is missing: {}".format(made(x())[0].shape)


def loading(change, **how):
    """What load_state_dict says to a changed state_dict."""
    made, other = rnn(), torch.nn.RNN(3, 4)
    state = made.state_dict()
    change(state)
    result = other.load_state_dict(state, **how)
    return [result, equal(other.weight_hh_l0, made.weight_hh_l0)]


family(
    "state",
    {
        "deleted": lambda: _deleted(lambda m: delattr(m, "weight_hh_l0"), False),
        "called-and-deleted": lambda: _deleted(lambda m: delattr(m, "weight_hh_l0"), True),
        "registered-None": lambda: _deleted(lambda m: m.register_parameter("bias_hh_l0", None), True),
        "keys": lambda: list(rnn(num_layers=2, bidirectional=True).state_dict()),
        "state_dict-type": lambda: type(rnn().state_dict()).__name__,
        "metadata": lambda: getattr(rnn().state_dict(), "_metadata", None),
        "state_dict-prefix": lambda: list(rnn().state_dict(prefix="a.")),
        "state_dict-aliases": lambda: rnn().state_dict()["weight_hh_l0"].requires_grad,
        "keys-parametrized": lambda: list(parametrized(rnn()).state_dict()),
        "keys-weight_norm": lambda: list(torch.nn.utils.weight_norm(rnn(), "weight_hh_l0").state_dict()),
        "keys-pruned": lambda: list(chain(lambda m: need("torch.nn.utils.prune").identity(m, "weight_hh_l0") and None).state_dict()),
        "repr-parametrized": lambda: repr(parametrized(rnn())),
        "getstate": lambda: sorted(rnn().__getstate__() if hasattr(rnn(), "__getstate__") else vars(rnn())),
        "load": lambda: loading(lambda s: None),
        "load-missing": lambda: loading(lambda s: s.pop("bias_hh_l0")),
        "load-unexpected": lambda: loading(lambda s: s.update(extra=ramp(2))),
        "load-shape": lambda: loading(lambda s: s.update(weight_hh_l0=ramp(3, 3))),
        "load-dtype": lambda: loading(lambda s: s.update(weight_hh_l0=ramp(4, 4).double())),
        "load-missing-not-strict": lambda: loading(lambda s: s.pop("bias_hh_l0"), strict=False),
        "load-shape-not-strict": lambda: loading(lambda s: s.update(weight_hh_l0=ramp(3, 3)), strict=False),
        "load-assign-dtype": lambda: loading(lambda s: s.update(weight_hh_l0=ramp(4, 4).double()), assign=True),
        "load-number": lambda: loading(lambda s: s.update(weight_hh_l0=1.0)),
        "load-list": lambda: torch.nn.RNN(3, 4).load_state_dict([1]),
        "load-into-meta": lambda: torch.nn.RNN(3, 4, device="meta").load_state_dict(rnn().state_dict()),
        "to-meta": lambda: [plain(p) for p in rnn().to("meta").parameters()],
        "to_empty": lambda: [plain(p) for p in need("torch.nn.Module.to_empty")(rnn(), device="cpu").parameters()],
        "meta-to-cpu": lambda: rnn().to("meta").to("cpu"),
        "to-complex": lambda: [plain(p) for p in rnn().to(torch.complex64).parameters()],
        "to-int": lambda: rnn().to(torch.int64),
        "share_memory-is-shared": lambda: [p.is_shared() for p in share(rnn()).parameters()],
        "zero_grad": lambda: _zero_grad(),
        "train-eval": lambda: [rnn().training, rnn().eval().training, rnn().eval().train().training],
        "train-None": lambda: rnn().train(None).training,
        "compiled-attribute": lambda: hasattr(rnn(), "compile"),
        "forward-after-swap-twice": lambda: law(chain(lambda m: future(SWAP, m, lambda m: m.double().float()))),
        "deepcopy-shares-nothing": lambda: _shares(copy.deepcopy),
        "pickle-shares-nothing": lambda: _shares(lambda m: pickle.loads(pickle.dumps(m))),
        "set-nonlinearity-afterwards": lambda: _set_afterwards("nonlinearity", "relu"),
        "set-mode-afterwards": lambda: _set_afterwards("mode", "RNN_RELU"),
        "set-batch_first-afterwards": lambda: plain(altered(rnn(), batch_first=True)(x(), h(batch=5))[1]),
        "set-dropout-afterwards": lambda: _draws(altered(rnn(num_layers=2), dropout=0.5)),
        "set-num_layers-afterwards": lambda: altered(rnn(), num_layers=2)(x()),
        "set-bias-afterwards": lambda: altered(rnn(), bias=False)(x()),
        "set-dropout-out-of-range": lambda: altered(rnn(num_layers=2), dropout=2.0)(x()),
        "flat-weights-names": lambda: rnn()._flat_weights_names,
        "weak-references": lambda: sorted(n for n in vars(rnn()) if "flat" in n),
        "reset_parameters-in-place": lambda: _reset(),
    },
    "The module's state: {}.",
    clause="STA-03",
)  # fmt: skip


def _zero_grad():
    made = rnn()
    made(x())[0].sum().backward()
    made.zero_grad()
    return [None if p.grad is None else plain(p.grad) for p in made.parameters()]


def _shares(how):
    made = called(rnn())
    other = how(made)
    places = set(p.data_ptr() for p in made.parameters())
    return [p.data_ptr() in places for p in other.parameters()]


def altered(made, **attributes):
    """The layer with other attributes than it was made with."""
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _set_afterwards(name, value):
    output = altered(rnn(), **{name: value})(x())[0]
    return "as tanh" if equal(output, rnn()(x())[0]) else "as relu" if equal(
        output, rnn(nonlinearity="relu")(x())[0]) else "as neither"  # fmt: skip


def _reset():
    made = rnn()
    before = [id(p) for p in made.parameters()]
    made.reset_parameters()
    return before == [id(p) for p in made.parameters()]


FUNCTIONAL = ("torch.func.functional_call", "torch.nn.utils.stateless.functional_call")
for _path in FUNCTIONAL:
    for _name, _act in {
        "some-given": lambda call, m: plain(call(m, {"weight_hh_l0": m.weight_hh_l0 / 2}, (x(),))),
        "unknown-name": lambda call, m: call(m, {"weight": m.weight_hh_l0}, (x(),)),
        "wrong-shape": lambda call, m: call(m, {"weight_hh_l0": ramp(3, 3)}, (x(),)),
        "keyword": lambda call, m: plain(call(m, halve(m), (x(),), {"hx": h()})),
    }.items():
        experiment("functional_call/{}-{}".format("func" if "func." in _path else "stateless", _name),
              "{}: {}.".format(_path, _name), clause="EXE-02")(
                  functools.partial(lambda path, act: act(need(path), rnn()), _path, _act))  # fmt: skip


# -- checkpoints -------------------------------------------------------------------------------------

MODEL = {"num_layers": 2, "nonlinearity": "relu", "bidirectional": True}


def write(folder):
    """Write the checkpoints that other releases shall read, named by this release."""
    release = torch.__version__.partition("+")[0]
    made = rnn(**MODEL)
    torch.save(made.state_dict(), os.path.join(folder, "{}-state_dict.pt".format(release)))
    torch.save(made, os.path.join(folder, "{}-module.pt".format(release)))


def read(path, **how):
    """What this torch makes of a checkpoint that `write` wrote: only an experiment's own process unpickles."""
    found = torch.load(path, **how)
    made = torch.nn.RNN(3, 4, **MODEL)
    if isinstance(found, torch.nn.Module):
        made = found
        loaded = options(found)
    else:
        loaded = clean(made.load_state_dict(found))
    own = rnn(**MODEL).state_dict()
    state = made.state_dict()
    return {
        "loaded": loaded,
        "values as written": [n for n in own if n in state and equal(own[n], state[n])] == list(own),
        "keys": list(state) == list(own),
        "law": law(made.eval()),
    }


def _read(release, what, how):
    path = os.path.join(CHECKPOINTS, "{}-{}.pt".format(release, what))
    takes(torch.load, *how)
    if not os.path.exists(path):
        raise Absent("a {} written by {}".format(what, release))
    return read(path, **how)


for _release in WRITERS:
    for _what in ("state_dict", "module"):
        for _how in ({}, {"weights_only": True}, {"weights_only": False}):
            _words = "".join("-weights_only-{}".format(v) for v in _how.values())
            experiment("checkpoint/{}-{}{}".format(_release, _what, _words),
                  "A {} written by torch {}, loaded{}.".format(
                      _what, _release, "".join(" with weights_only={}".format(v) for v in _how.values())),
                  kind="checkpoint", clause="STA-05")(functools.partial(_read, _release, _what, _how))  # fmt: skip
family(
    "checkpoint",
    {
        "own-zip-format": lambda: _saved_as(_use_new_zipfile_serialization=True),
        "own-old-format": lambda: _saved_as(_use_new_zipfile_serialization=False),
        "own-protocol-4": lambda: _saved_as(pickle_protocol=4),
        "own-begins-with": lambda: _begins(),
        "map_location": lambda: [plain(p) for p in saved(rnn().state_dict(), map_location="cpu").values()],
        "map_location-meta": lambda: [
            plain(p) for p in saved(rnn().state_dict(), map_location="meta").values()
        ],
        "mmap": lambda: _mmap(),
        "scripted": lambda: _scripted_file(),
    },
    "A checkpoint written and read by one release: {}.",
    kind="checkpoint",
    clause="STA-05",
)


def _saved_as(**how):
    buffer = io.BytesIO()
    made = rnn()
    takes(torch.save, *how)
    torch.save(made.state_dict(), buffer, **how)
    buffer.seek(0)
    return equal(torch.load(buffer)["weight_hh_l0"], made.weight_hh_l0)


def _begins():
    buffer = io.BytesIO()
    torch.save(rnn().state_dict(), buffer)
    return "zip" if buffer.getvalue()[:2] == b"PK" else "pickle"


def _mmap():
    takes(torch.load, "mmap")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.pt")
        torch.save(rnn().state_dict(), path)
        return [plain(p) for p in torch.load(path, mmap=True).values()]


def _scripted_file():
    buffer = io.BytesIO()
    torch.jit.save(script(), buffer)
    buffer.seek(0)
    return equal(torch.jit.load(buffer)(x())[0], rnn()(x())[0])


# -- autograd ----------------------------------------------------------------------------------------


def loss(made, *args):
    """A number that depends on everything."""
    output, h_n = made(*args)
    return (output * ramp(*output.shape)).sum() + h_n.sum()


def gradients(made, *args):
    """The gradients of `loss`, by the argument's place and the parameter's name."""
    loss(made, *args).backward()
    found = [("argument {}".format(i), a.grad) for i, a in enumerate(args)]
    return dict(found + [(n, p.grad) for n, p in made.named_parameters()])


def _backward_twice(made, **how):
    value = loss(made, x())
    value.backward(**how)
    first = made.weight_hh_l0.grad.clone()
    value.backward()
    return equal(made.weight_hh_l0.grad, first * 2)


def _double_backward(given):
    g = torch.autograd.grad(loss(rnn(), given), given, create_graph=True)[0]
    g.pow(2).sum().backward()
    return given.grad


def _frozen():
    made = rnn()
    made.weight_hh_l0.requires_grad_(False)
    return dict((n, g is not None) for n, g in gradients(made, x()).items())


def _gradcheck(**kw):
    made = fill(torch.nn.RNN(3, 4, **kw)).double()
    given = (x().double().requires_grad_(), h().double().requires_grad_())
    return torch.autograd.gradcheck(lambda a, b: made(a, b), given)


def _after_change():
    made = rnn()
    value = loss(made, x())
    half_in_place(made)
    value.backward()


def _output_changed():
    output, _ = rnn(nonlinearity="relu")(x())
    output.mul_(2)
    output.sum().backward()


def _input_changed():
    given = x()
    value = loss(rnn(), given)
    given.mul_(2)
    value.backward()


def _jvp():
    forward_ad = need("torch.autograd.forward_ad")
    with forward_ad.dual_level():
        output = rnn()(forward_ad.make_dual(x(), x()))[0]
        return forward_ad.unpack_dual(output).tangent is not None


def _checkpointed():
    made, given = rnn(), x().requires_grad_()
    output = need("torch.utils.checkpoint.checkpoint")(lambda a: made(a)[0], given)
    output.sum().backward()
    return given.grad is not None


def _anomaly():
    with torch.autograd.detect_anomaly():
        loss(rnn(), x()).backward()


def _relu_at_0():
    made = torch.nn.RNN(1, 1, nonlinearity="relu", bias=False)
    given = torch.zeros(1, 1, 1, requires_grad=True)
    with torch.no_grad():
        made.weight_ih_l0.fill_(1)
    made(given)[0].sum().backward()
    return given.grad.item()


def _backward_hook():
    made, seen = rnn(), []
    if not hasattr(made, "register_full_backward_hook"):
        raise Absent("register_full_backward_hook")
    made.register_full_backward_hook(lambda m, gi, go: seen.append([plain(gi), plain(go)]))
    loss(made, x().requires_grad_()).backward()
    return seen


family(
    "autograd",
    {
        "all": lambda: gradients(rnn(num_layers=2, bidirectional=True), x().requires_grad_(), h(4).requires_grad_()),
        "output-requires-grad": lambda: [t.requires_grad for t in rnn()(x())],
        "output-of-frozen": lambda: [t.requires_grad for t in _all_frozen()(x())],
        "output-of-frozen-with-gradient-input": lambda: [t.requires_grad for t in _all_frozen()(x().requires_grad_())],
        "is_leaf": lambda: [t.is_leaf for t in rnn()(x())],
        "grad_fn-names": lambda: [type(t.grad_fn).__name__ for t in rnn()(x())],
        "eval-mode": lambda: plain(gradients(rnn().eval(), x().requires_grad_())["argument 0"]),
        "backward-twice": lambda: _backward_twice(rnn()),
        "backward-twice-retained": lambda: _backward_twice(rnn(), retain_graph=True),
        "double-backward": lambda: _double_backward(x().requires_grad_()),
        "frozen-parameter": lambda: _frozen(),
        "gradcheck-tanh": lambda: _gradcheck(),
        "gradcheck-without-bias": lambda: _gradcheck(bias=False),
        "gradcheck-relu": lambda: _gradcheck(nonlinearity="relu"),
        "weights-changed-before-backward": lambda: _after_change(),
        "output-changed-before-backward": lambda: _output_changed(),
        "input-changed-before-backward": lambda: _input_changed(),
        "forward-mode": lambda: _jvp(),
        "checkpoint": lambda: _checkpointed(),
        "anomaly-mode": lambda: _anomaly(),
        "relu-at-0": lambda: _relu_at_0(),
        "h_n-only": lambda: [g is not None for g in torch.autograd.grad(rnn(num_layers=2)(x())[1][0].sum(), rnn().parameters(), allow_unused=True)],
        "first-layer-only": lambda: _unused(),
        "batch-0": lambda: gradients(rnn(), ramp(5, 0, 3).requires_grad_()),
        "hook-on-parameter": lambda: _parameter_hook(),
        "full-backward-hook": lambda: _backward_hook(),
        "functional-jacobian": lambda: need("torch.autograd.functional.jacobian")(lambda a: rnn()(a)[1], x()),
        "func-grad": lambda: _func("grad", lambda m, p: loss(m, x())),
        "func-jacrev": lambda: need("torch.func.jacrev")(lambda a: rnn()(a)[1])(x()),
        "func-jacfwd": lambda: need("torch.func.jacfwd")(lambda a: rnn()(a)[1])(x()),
        "func-hessian": lambda: need("torch.func.hessian")(lambda a: loss(rnn(), a))(ramp(2, 1, 3)),
        "func-vjp": lambda: need("torch.func.vjp")(lambda a: rnn()(a)[0], x())[0],
        "func-jvp": lambda: need("torch.func.jvp")(lambda a: rnn()(a)[0], (x(),), (x(),))[1],
        "func-linearize": lambda: need("torch.func.linearize")(lambda a: rnn()(a)[0], x())[0],
    },
    "Differentiation: {}.",
    clause="GRD-01",
)  # fmt: skip


def _all_frozen():
    made = rnn()
    for p in made.parameters():
        p.requires_grad_(False)
    return made


def _unused():
    made = rnn(num_layers=2)
    made(x())[1][0].sum().backward()
    return dict((n, p.grad is not None) for n, p in made.named_parameters())


def _parameter_hook():
    made, seen = rnn(), []
    made.weight_hh_l0.register_hook(lambda g: seen.append(plain(g)))
    loss(made, x()).backward()
    return seen


def _func(transform, act):
    call, made = need("torch.func.functional_call"), rnn()
    given = dict((n, p.detach()) for n, p in made.named_parameters())
    return need("torch.func." + transform)(lambda p: call(made, p, (x(),))[0].sum())(given)


# -- precision ---------------------------------------------------------------------------------------

family(
    "precision",
    {
        "complex64-tanh": lambda: rnn().to(torch.complex64)(x().to(torch.complex64)),
        "complex64-relu": lambda: rnn(nonlinearity="relu").to(torch.complex64)(x().to(torch.complex64)),
        "complex64-backward": lambda: _backward_in(torch.complex64),
    },
    "A layer in another dtype: {}.",
    clause="PRC-03",
)
for _name in ("float64", "float16", "bfloat16", "complex64"):
    for _part, _act in {
        "input": lambda d: rnn()(x().to(d)),
        "h_0": lambda d: rnn()(x(), h().to(d)),
        "both": lambda d: rnn()(x().to(d), h().to(d)),
        "parameters": lambda d: rnn().to(d)(x()),
        "parameters-and-h_0": lambda d: rnn().to(d)(x(), h().to(d)),
        "one-parameter": lambda d: _one_parameter(d),
        "packed-input": lambda d: rnn()(pack().to(d)),
    }.items():
        experiment("precision/mixed-{}-{}".format(_part, _name), "{} in {}, the rest in float32.".format(
            _part.capitalize(), _name), clause="PRC-05")(
                functools.partial(lambda n, act: act(need("torch." + n)), _name, _act))  # fmt: skip


def _backward_in(dtype):
    made = rnn().to(dtype)
    made(x().to(dtype))[0].sum().backward()
    return made.weight_hh_l0.grad


def _one_parameter(dtype):
    made = rnn()
    made.weight_hh_l0.data = made.weight_hh_l0.data.to(dtype)
    return made(x())


def _autocast(dtype, act):
    autocast = getattr(torch, "autocast", None) or need("torch.autocast")
    with autocast("cpu", dtype=need("torch." + dtype)):
        return act()


for _name in ("bfloat16", "float16"):
    family(
        "precision",
        {
            "autocast-{}".format(_name): functools.partial(_autocast, _name, lambda: rnn()(x())),
            "autocast-{}-relu".format(_name): functools.partial(_autocast, _name, lambda: rnn(nonlinearity="relu")(x())),
            "autocast-{}-h_0".format(_name): functools.partial(_autocast, _name, lambda: rnn()(x(), h())),
            "autocast-{}-packed".format(_name): functools.partial(_autocast, _name, lambda: rnn()(pack())),
            "autocast-{}-layers".format(_name): functools.partial(_autocast, _name, lambda: rnn(num_layers=2)(x())),
            "autocast-{}-float64".format(_name): functools.partial(_autocast, _name, lambda: rnn().double()(x().double())),
            "autocast-{}-backward".format(_name): functools.partial(
                _autocast, _name, lambda: gradients(rnn(), x().requires_grad_())),
        },
        "The dtypes under {}.",
        clause="PRC-06",
    )  # fmt: skip
family(
    "precision",
    {
        "int-input": ("PRC-05", lambda: rnn()(torch.ones(5, 2, 3, dtype=torch.int64))),
        "uint8-input": ("PRC-05", lambda: rnn()(torch.ones(5, 2, 3, dtype=torch.uint8))),
        "bool-input": ("PRC-05", lambda: rnn()(torch.ones(5, 2, 3, dtype=need("torch.bool")))),
        "float8_e4m3fn-input": ("PRC-05", lambda: rnn()(x().to(need("torch.float8_e4m3fn")))),
        "float8_e5m2-input": ("PRC-05", lambda: rnn()(x().to(need("torch.float8_e5m2")))),
        "float8_e4m3fn-both": lambda: rnn().to(need("torch.float8_e4m3fn"))(x().to(torch.float8_e4m3fn)),
        "default-dtype-float64": ("ARG-09", lambda: _default_float64()),
        "float32_matmul_precision": lambda: need("torch.get_float32_matmul_precision")(),
        "matmul-precision-medium": ("PRC-02", lambda: _medium()),
    },
    "Dtypes: {}.",
    free="a layer in float8, and the setting's own value",
)


def _default_float64():
    torch.set_default_dtype(torch.float64)
    return torch.nn.RNN(3, 4)(x().double())


def _medium():
    before = rnn()(x())[0]
    need("torch.set_float32_matmul_precision")("medium")
    return equal(before, rnn()(x())[0])


# -- seeded streams ----------------------------------------------------------------------------------

INITIAL = {
    "small": ((3, 4), {}), "L2-bi": ((3, 4, 2), {"bidirectional": True}), "wide": ((64, 512), {}),
    "nobias": ((3, 4), {"bias": False}), "float64": ((3, 4), {"dtype": "float64"}),
    "float16": ((3, 4), {"dtype": "float16"}), "bfloat16": ((3, 4), {"dtype": "bfloat16"}),
    "hidden-1": ((3, 1), {}),
}  # fmt: skip


def _initial(sizes, kw):
    kw = dict(kw, **({"dtype": need("torch." + kw["dtype"])} if "dtype" in kw else {}))
    torch.manual_seed(1)
    return bits(*torch.nn.RNN(*sizes, **kw).parameters())


def _generator_after(act):
    torch.manual_seed(1)
    act()
    return bits(torch.rand(4))


for _name, (_sizes, _kw) in INITIAL.items():
    experiment("init/seeded-" + _name, "The bits of parameters after manual_seed(1): {}.".format(_name), kind="stream",
          clause="INI-03")(functools.partial(_initial, _sizes, _kw))  # fmt: skip
family(
    "init",
    {
        "generator-after-construction": lambda: _generator_after(lambda: torch.nn.RNN(3, 4)),
        "generator-after-meta": lambda: _generator_after(lambda: torch.nn.RNN(3, 4, device="meta")),
        "generator-after-deepcopy": lambda: _generator_after(lambda: copy.deepcopy(rnn())),
        "reset_parameters": lambda: _reset_stream(),
        "xavier-then-orthogonal": lambda: _generator_after(lambda: torch.nn.init.orthogonal_(rnn().weight_hh_l0.detach())),
        "cell": lambda: _seeded_cell(),
    },
    "The bits after manual_seed(1): {}.",
    kind="stream",
    clause="INI-03",
)  # fmt: skip
experiment("init/range", "The interval that parameters are drawn from, times sqrt(hidden_size).", clause="INI-01")(
    lambda: [round(float(t) * 8, 1) for t in (torch.nn.RNN(64, 64).weight_hh_l0.detach().min(), torch.nn.RNN(64, 64).weight_hh_l0.detach().max())]
)  # fmt: skip


def _reset_stream():
    made = rnn()
    torch.manual_seed(1)
    made.reset_parameters()
    return bits(*made.parameters())


def _seeded_cell():
    torch.manual_seed(1)
    return bits(*torch.nn.RNNCell(3, 4).parameters())


def revealing(p, dtype=None, size=8, **kw):
    """Two layers whose second answers with what dropout left of the first."""
    made = torch.nn.RNN(1, size, 2, nonlinearity="relu", bias=False, dropout=p, **kw)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.weight_ih_l0.fill_(1)
        made.weight_ih_l1.copy_(torch.eye(*made.weight_ih_l1.shape))
    return made.to(dtype or torch.float32)


def mask(p=0.5, dtype=None, steps=4, batch=2, size=8, input=None, **kw):
    """What dropout left, after manual_seed(1), row by row: a digit for each element."""
    made = revealing(p, dtype, size, **kw)
    given = torch.ones(steps, batch, 1, dtype=dtype or torch.float32) if input is None else input
    torch.manual_seed(1)
    output = made(given)[0]
    data = (output.data if hasattr(output, "batch_sizes") else output).detach().float().numpy()
    rows = ["".join("01"[int(v > 0)] for v in row) for row in data.reshape(-1, data.shape[-1])]
    return (
        rows if len(rows) * len(rows[0]) <= 256 else hashlib.sha256("".join(rows).encode()).hexdigest()[:16]
    )


family(
    "dropout",
    {
        "mask-0.5": lambda: mask(),
        "mask-0.1": lambda: mask(0.1),
        "mask-0.9": lambda: mask(0.9),
        "mask-large": lambda: mask(steps=20, batch=16, size=32),
        "mask-one-step": lambda: mask(steps=1, batch=1),
        "mask-odd": lambda: mask(steps=3, batch=3, size=5),
        "mask-float64": lambda: mask(dtype=torch.float64),
        "mask-float16": lambda: mask(dtype=torch.float16),
        "mask-bfloat16": lambda: mask(dtype=need("torch.bfloat16")),
        "mask-batch_first": lambda: mask(batch_first=True),
        "mask-bidirectional": lambda: mask(bidirectional=True),
        "mask-unbatched": lambda: mask(input=torch.ones(4, 1)),
        "mask-packed": lambda: mask(
            input=torch.nn.utils.rnn.pack_padded_sequence(torch.ones(4, 2, 1), [4, 2])
        ),
        "mask-without-gradient": lambda: _no_grad(mask),
        "functional-dropout": lambda: _functional_dropout(),
        "generator-after": lambda: _generator_after(lambda: revealing(0.5)(torch.ones(4, 2, 1))),
        "rand": lambda: _generator_after(lambda: None),
        "randn": lambda: _randn(),
        "bernoulli": lambda: _bernoulli(),
    },
    "What seeded dropout keeps: {}.",
    kind="stream",
    clause="DRP-09",
)
family(
    "dropout",
    {"threads-same-mask": lambda: _threads(), "deepcopied-generator": lambda: _fork_rng()},
    "What dropout does: {}.",
    clause="DRP-05",
)


def _no_grad(act):
    with torch.no_grad():
        return act()


def _functional_dropout():
    torch.manual_seed(1)
    return [int(v > 0) for v in torch.nn.functional.dropout(torch.ones(32), 0.5).tolist()]


def _randn():
    torch.manual_seed(1)
    return bits(torch.randn(32))


def _bernoulli():
    torch.manual_seed(1)
    return bits(torch.empty(32).bernoulli_(0.5))


def _threads():
    one = mask(steps=20, batch=16, size=32)
    torch.set_num_threads(2)
    return one == mask(steps=20, batch=16, size=32)


def _fork_rng():
    with torch.random.fork_rng(devices=[]):
        first = mask()
    return first == mask()


# -- layout of results --------------------------------------------------------------------------------


def layout(made, *args):
    """Strides, contiguity and storage of the results."""
    output, h_n = made(*args)
    found = {}
    for name, t in (("output", output.data if hasattr(output, "batch_sizes") else output), ("h_n", h_n)):
        found[name] = {
            "shape": tuple(t.shape), "stride": tuple(t.stride()), "contiguous": t.is_contiguous(),
            "offset": t.storage_offset(), "view": getattr(t, "_is_view", lambda: None)(),
        }  # fmt: skip
    places = [t.data_ptr() for t in (output.data, h_n, *args[1:])]
    found["shared"] = len(set(places)) < len(places)
    return found


family(
    "layout",
    {
        "defaults": lambda: layout(rnn(), x()),
        "no_grad": lambda: _no_grad(lambda: layout(rnn(), x())),
        "h_0": lambda: layout(rnn(), x(), h()),
        "batch_first": lambda: layout(rnn(batch_first=True), x()),
        "unbatched": lambda: layout(rnn(), ramp(5, 3)),
        "unbatched-batch_first": lambda: layout(rnn(batch_first=True), ramp(5, 3)),
        "one-step": lambda: layout(rnn(), ramp(1, 2, 3)),
        "batch-1": lambda: layout(rnn(), ramp(5, 1, 3)),
        "batch-0": lambda: layout(rnn(), ramp(5, 0, 3)),
        "layers": lambda: layout(rnn(num_layers=2), x()),
        "bi": lambda: layout(rnn(bidirectional=True), x()),
        "layers-bi-batch_first": lambda: layout(rnn(num_layers=2, bidirectional=True, batch_first=True), x()),
        "packed": lambda: layout(rnn(), pack()),
        "packed-unsorted": lambda: layout(rnn(), unsorted()),
        "float16": lambda: layout(rnn().half(), x().half()),
        "bfloat16": lambda: layout(rnn().to(need("torch.bfloat16")), x().to(torch.bfloat16)),
        "transposed-input": lambda: layout(rnn(), x().transpose(0, 1)),
        "gradient-of-input": lambda: tuple(gradients(rnn(), x().requires_grad_())["argument 0"].stride()),
        "gradient-of-input-batch_first": lambda: tuple(gradients(rnn(batch_first=True), x().requires_grad_())["argument 0"].stride()),
        "gradients-of-parameters": lambda: [tuple(g.stride()) for n, g in gradients(rnn(), x()).items() if n != "argument 0"],
        "parameters": lambda: [[tuple(p.stride()), p.storage_offset()] for p in rnn(num_layers=2).parameters()],
        "parameters-share-storage": lambda: len(set(p.storage().data_ptr() for p in rnn(num_layers=2).parameters())),
    },
    "Strides and storage of the results: {}.",
    free="strides and offsets; that results share nothing (DET-05) the suite asks",
)  # fmt: skip

# -- other ways to run a layer -------------------------------------------------------------------------


def agrees(routed, *args):
    """Whether what stands in for the layer gives its bits, or its numbers within 1e-5, or others."""
    got = routed(*args)
    own = rnn()(*args)
    got, own = [(t.data if hasattr(t, "batch_sizes") else t) for t in (got[0], own[0])]
    if tuple(got.shape) != tuple(own.shape):
        return "shape {}, eager {}".format(tuple(got.shape), tuple(own.shape))
    near = float((got.detach().double() - own.detach().double()).abs().max()) < 1e-5
    return "answers as eager" if near else "answers other numbers"


def scripted(made, packed=False):
    """The layer in a module that calls it, scripted: torch.jit.script of the layer alone has no forward."""

    class Padded(torch.nn.Module):
        def __init__(self):
            super(Padded, self).__init__()
            self.rnn = made

        def forward(self, input, hx: Optional[Tensor] = None):
            return self.rnn(input, hx)

    class Packed(torch.nn.Module):
        def __init__(self):
            super(Packed, self).__init__()
            self.rnn = made

        def forward(self, input: PackedSequence):
            return self.rnn(input)

    return torch.jit.script(Packed() if packed else Padded())


def script(*args, **kw):
    """A layer with these arguments, scripted."""
    return scripted(rnn(*args, **kw))


def _trace(given):
    return torch.jit.trace(rnn(), given)


def _compiled(**how):
    return need("torch.compile")(rnn(), **how)


def _export(**how):
    return need("torch.export.export")(rnn(), (x(),), **how)


def _inductor():
    need("torch.compile")
    if not shutil.which(os.environ.get("CXX", "g++")):
        raise Absent("a C++ compiler")
    return agrees(_compiled(backend="inductor"), x())


def _compile_eager():
    return _compiled(backend="eager")(x())


def _after(first, then):
    """What comes of a second thing after a first, whatever became of that: these may leave traces."""
    try:
        first()
    except Absent:
        raise
    except Exception:  # its own experiment tells
        pass
    return then()


def _onnx(given=None, made=None, **how):
    buffer, export = io.BytesIO(), need("torch.onnx.export")
    try:
        export(made or rnn(), given if given is not None else (x(),), buffer, **how)
    except Exception as e:
        missing = re.search(r"(onnx\w*)'? is not installed|No module named '(onnx\w*)", str(e))
        if missing:
            raise Absent("the package {}".format(missing.group(1) or missing.group(2)))
        raise
    return buffer.getvalue()


def _onnx_operators(*args, **how):
    found = re.findall(rb"RNN|Loop|Scan|Tanh|Gemm", _onnx(*args, **how))
    return sorted(set(word.decode() for word in found))


def _graph_ops(graph):
    return sorted(set(n.kind() for n in graph.nodes()))


ROUTES = {
    "deterministic-algorithms": lambda: _deterministic(),
    "fake-tensor": lambda: _fake(),
    "meta-layer-cpu-input": lambda: torch.nn.RNN(3, 4).to("meta")(x()),
    "meta-layer": lambda: rnn().to("meta")(torch.empty(5, 2, 3, device="meta")),
    "meta-input": lambda: rnn()(torch.empty(5, 2, 3, device="meta")),
    "script-keyword": lambda: agrees(lambda *a: script()(input=a[0]), x()),
    "script-wrong-input": lambda: script()(ramp(5, 2, 4)),
    "script-wrong-h_0": lambda: script()(x(), h(batch=3)),
    "script-wrong-dtype": lambda: script()(x().double()),
    "script-parametrized": lambda: scripted(parametrized(rnn()))(x()),
    "script-weight_norm": lambda: scripted(torch.nn.utils.weight_norm(rnn(), "weight_hh_l0"))(x()),
    "script-dropout": lambda: _draws(script(num_layers=2, dropout=0.5)),
    "script-dropout-eval": lambda: _draws(script(num_layers=2, dropout=0.5).eval()),
    "script-freeze": lambda: agrees(need("torch.jit.freeze")(script().eval()), x()),
    "script-optimize_for_inference": lambda: agrees(need("torch.jit.optimize_for_inference")(script().eval()), x()),
    "script-deepcopy": lambda: agrees(copy.deepcopy(script()), x()),
    "script-to-double": lambda: script().double()(x().double()),
    "script-repr": lambda: repr(script()),
    "script-state_dict": lambda: list(script().state_dict()),
    "trace-other-length": lambda: agrees(_trace((x(),)), ramp(7, 2, 3)),
    "trace-other-batch": lambda: agrees(_trace((x(),)), ramp(5, 4, 3)),
    "trace-packed": lambda: _trace((pack(),)),
    "trace-dropout": lambda: _draws(torch.jit.trace(rnn(num_layers=2, dropout=0.5), x(), check_trace=False)),
    "trace-operators": lambda: _graph_ops(_trace((x(),)).inlined_graph),
    "compile-packed": lambda: agrees(_compiled(backend="eager"), pack()),
    "compile-dynamic": lambda: agrees(_compiled(backend="eager", dynamic=True), x()),
    "compile-inductor": lambda: _inductor(),
    "compile-then-fullgraph": lambda: _after(_compile_eager, lambda: _compiled(backend="eager", fullgraph=True)(x())),
    "compile-then-export": lambda: _after(_compile_eager, lambda: _export().module()(x())),
    "export-then-compile": lambda: _after(lambda: _export(), lambda: _compiled(backend="eager", fullgraph=True)(x())),
    "export-strict": lambda: agrees(_export(strict=True).module(), x()),
    "export-not-strict": lambda: agrees(_export(strict=False).module(), x()),
    "export-signature": lambda: list(_export().graph_signature.parameters),
    "export-operators": lambda: sorted(set(str(n.target) for n in _export().graph.nodes if n.op == "call_function")),
    "export-other-length": lambda: agrees(_export().module(), ramp(7, 2, 3)),
    "onnx": lambda: _onnx_operators(**_not_dynamo()),
    "onnx-h_0": lambda: _onnx_operators((x(), h()), **_not_dynamo()),
    "onnx-batch_first": lambda: _onnx_operators(None, rnn(batch_first=True), **_not_dynamo()),
    "onnx-bi": lambda: _onnx_operators(None, rnn(bidirectional=True, num_layers=2), **_not_dynamo()),
    "onnx-unbatched": lambda: _onnx_operators((ramp(5, 3),), **_not_dynamo()),
    "onnx-double": lambda: _onnx_operators((x().double(),), rnn().double(), **_not_dynamo()),
    "onnx-default": lambda: _onnx_operators(),
    "vmap-batch": lambda: need("torch.vmap")(rnn(), in_dims=1, out_dims=1)(x()),
    "vmap-h_0": lambda: need("torch.vmap")(rnn(), in_dims=(1, 1), out_dims=1)(x(), h()),
    "vmap-dropout-same": lambda: need("torch.vmap")(rnn(num_layers=2, dropout=0.5), in_dims=1, out_dims=1, randomness="same")(x()),
    "vmap-dropout-error": lambda: need("torch.vmap")(rnn(num_layers=2, dropout=0.5), in_dims=1, out_dims=1)(x()),
    "fx-symbolic_trace": lambda: agrees(need("torch.fx.symbolic_trace")(rnn()), x()),
    "make_fx": lambda: agrees(need("torch.fx.experimental.proxy_tensor.make_fx")(rnn())(x()), x()),
    "quantize_dynamic": lambda: type(need("torch.quantization.quantize_dynamic")(torch.nn.Sequential(rnn()), {torch.nn.RNN})[0]).__name__,
    "data_parallel": lambda: agrees(torch.nn.DataParallel(rnn()), x()),
    "flop_counter": lambda: _flops(),
    "multithreaded": lambda: _threaded(),
    "jit-fork": lambda: agrees(lambda *a: torch.jit.wait(need("torch.jit.fork")(rnn(), *a)), x()),
    "torch_function-mode": lambda: _overridden(),
    "torch_dispatch-mode": lambda: _dispatched(),
}  # fmt: skip


def _not_dynamo():
    names = inspect.signature(torch.onnx.export).parameters
    return {"dynamo": False} if "dynamo" in names else {}


def _flops():
    counter = need("torch.utils.flop_counter.FlopCounterMode")(display=False)
    with counter:
        rnn()(x())
    return counter.get_total_flops()


def _threaded():
    import threading

    made, found = rnn(), []
    threads = [threading.Thread(target=lambda: found.append(bits(made(x())[0]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [bits(rnn()(x())[0]) == b for b in found]


def _overridden():
    base, seen = need("torch.overrides.TorchFunctionMode"), []

    class Mode(base):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            seen.append(getattr(function, "__name__", "?"))
            return function(*args, **(kwargs or {}))

    made, given = rnn(), x()
    with Mode():
        made(given)
    return sorted(set(seen))


def _dispatched():
    base, seen = need("torch.utils._python_dispatch.TorchDispatchMode"), []

    class Mode(base):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    made, given = rnn(), x()
    with Mode():
        made(given)
    return sorted(set(seen))


family("route", ROUTES, "A layer on another execution route: {}.", kind="route", clause="EXE-01")
del _name, _kw, _get
