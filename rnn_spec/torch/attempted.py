"""Make an Attempt in torch.nn.RNN: construct, perhaps call, and say what came of it, and of the layer.

Python 3.6 syntax, only torch and NumPy. An attempt is plain data here, as `rnn_spec.questions.plain` packs
it; its values are made by `made`. What comes back is an Observation as plain data.
"""

import contextlib
import json
import os
import signal
import warnings

import numpy as np
import torch

DEFAULTS = {
    "positional": [], "keywords": {}, "call": None, "dtype": "", "default_dtype": "", "device": "",
    "seed": 0, "draws": 0, "apart": False, "twin": None,
}  # fmt: skip
SIGNATURE = (
    "input_size", "hidden_size", "num_layers", "nonlinearity", "bias", "batch_first", "dropout",
    "bidirectional",
)  # fmt: skip
LATER = ("bool", "bfloat16")
"""What the first releases of torch have not, and an attempt may ask for."""
PACKS = ("pack_padded_sequence", "PackedSequence")


def limits():
    """Why this torch cannot make some attempts, as it says so."""
    missing = [lacking(name) for name in LATER if not hasattr(torch, name)]
    return missing + ([] if hasattr(torch.device, "__enter__") else [NO_CONTEXT])


def lacking(name):
    """The reason where torch has no attribute of this name."""
    return "this torch has no torch.{}".format(name)


NO_CONTEXT = "in this torch a device is no context"
UNSORTED = "this torch packs no batch that is not sorted by length"


class Unmade(Exception):
    """This torch has not what the attempt needs; the message is why, one of `limits`."""


# -- values -----------------------------------------------------------------------------------------


def made(x):
    """The value that a packed one stands for."""
    if isinstance(x, list):
        return [made(v) for v in x]
    if not isinstance(x, dict):
        return x
    ((kind, held),) = x.items()
    return KINDS[kind](held)  # type: ignore[operator]


def array(held):
    """A NumPy array."""
    return np.array([made(v) for v in held["data"]], held["dtype"]).reshape(held["shape"])


def of_torch(held):
    """What torch has by this name, or makes of the arguments."""
    name, arguments = held["name"], [made(v) for v in held["arguments"]]
    home = torch.nn.utils.rnn if name in PACKS else torch
    if not hasattr(home, name):
        raise Unmade(lacking(name))
    found = getattr(home, name)
    if name in PACKS and "enforce_sorted" not in home.pack_padded_sequence.__code__.co_varnames:
        raise Unmade(UNSORTED)
    dtype = {"dtype": of_torch({"name": held["dtype"], "arguments": []})} if held.get("dtype") else {}
    return found(*arguments, **dtype) if arguments else found


KINDS = {  # type: dict[str, object]
    "int": int,
    "float": float,
    "complex": lambda parts: complex(*[float(p) for p in parts]),
    "bytes": bytes.fromhex,
    "tuple": lambda values: tuple(made(v) for v in values),
    "array": array,
    "scalar": lambda held: array(held)[()],
    "torch": of_torch,
}


def placed(x, device):
    """A tensor or a packed sequence on the device under test; on the CPU, and all else, as it is."""
    there = isinstance(x, (torch.Tensor, torch.nn.utils.rnn.PackedSequence)) and device != "cpu"
    return x.to(device) if there else x


# -- attempts ---------------------------------------------------------------------------------------


def attempt(question, cls=torch.nn.RNN, device="cpu"):
    """The Observation of one Attempt."""
    a = whole(question)
    try:
        twin = None if a["twin"] is None else Made(a["twin"], cls, device)
        found = Made(a, cls, device)
        drawn = stacked(found.layers) if a["draws"] and not found.error else None
        shown = {"twin": twin and twin.error}
        if found.error is None:
            shown.update(found.shows())
        elif twin and not twin.error:
            shown["left"] = left(found, twin, cls, device)
        answer = dict(found.told(), error=found.error, drew=found.drew, attempted=shown, after=drawn)
    except Unmade as e:
        return {"unsupported": str(e)}
    except Exception as e:  # a layer that cannot be looked at has not refused what was attempted
        return {"error": error(e, "tell")}
    return {name: value for name, value in answer.items() if value is not None}


def whole(question):
    """An attempt with every field."""
    a = dict(DEFAULTS, **question)
    return dict(a, twin=None if a["twin"] is None else whole(a["twin"]))


def error(e, phase):
    """An exception as plain data."""
    bases = [c.__name__ for c in type(e).__mro__[1:-1]]
    message = str(e).partition("\nException raised from")[0]  # what follows are places in torch's own code
    return {"phase": phase, "type": type(e).__name__, "message": message, "bases": bases}


@contextlib.contextmanager
def around(a):
    """What holds while the attempt is made: the default dtype, and the device in force."""
    before = torch.get_default_dtype()
    if a["device"] and not hasattr(torch.device, "__enter__"):
        raise Unmade(NO_CONTEXT)
    if a["default_dtype"]:
        torch.set_default_dtype(getattr(torch, a["default_dtype"]))
    try:
        with torch.device(a["device"]) if a["device"] else warnings.catch_warnings():
            yield
    finally:
        torch.set_default_dtype(before)


class Made:
    """An attempt, made: the layers, and what the call gave; or the error, with its phase."""

    def __init__(self, a, cls, device):
        """Make it; Unmade where this torch cannot."""
        self.a, self.device = a, device
        self.layers, self.results, self.error, self.phase = [], (), None, "make"
        with warnings.catch_warnings(record=True) as self.caught:
            warnings.simplefilter("always")
            try:
                self.make(cls)
            except Unmade:
                raise
            except Exception as e:  # whatever it raises is an answer
                self.error = error(e, self.phase)
        self.drew = None if self.phase == "make" else not torch.equal(self.random, torch.get_rng_state())

    def make(self, cls):
        """Construct the layers, and call the last of them."""
        positional, call = made(self.a["positional"]), self.arguments()
        keywords = {name: made(value) for name, value in self.a["keywords"].items()}
        seeded(self.a["seed"])
        self.random = torch.get_rng_state()
        with around(self.a):
            self.phase = "construct"
            for _ in range(max(1, self.a["draws"])):
                self.layers.append(cls(*positional, **keywords))
            if call is not None:
                move(self.layers[-1], self.a["dtype"], self.device)
                self.phase = "forward"
                self.results = tuple(self.layers[-1](*call))

    def arguments(self):
        """Those of the call, made now; or None."""
        return None if self.a["call"] is None else [placed(made(x), self.device) for x in self.a["call"]]

    def told(self):
        """The warnings, with their classes."""
        return {
            "warnings": [str(w.message) for w in self.caught],
            "categories": [[c.__name__ for c in w.category.__mro__[:-1]] for w in self.caught],
        }

    def shows(self):
        """What the layer shows."""
        layer = self.layers[-1]
        found = {
            "repr": repr(layer),
            "attributes": {n: attribute(getattr(layer, n)) for n in SIGNATURE if hasattr(layer, n)},
            "parameters": {name: parameter(p) for name, p in layer.named_parameters()},
            "results": [list(bits(r).shape) for r in self.results],
        }
        real = all(p.device.type != "meta" for p in layer.parameters())
        return dict(found, **behaviour(layer)) if real and self.a["call"] is None else found


def seeded(seed):
    """Seed the CPU's generator, which every layer is drawn from."""
    torch.default_generator.manual_seed(seed)


def move(layer, dtype, device):
    """Move the layer to a dtype, if there is one, and to the device under test."""
    if dtype:
        layer.to(getattr(torch, dtype))
    if device != "cpu":
        layer.to(device)


def attribute(value):
    """An attribute's type, and its value; of a number of NumPy the number, which each NumPy shows its way."""
    kind = type(value)
    value = value.item() if isinstance(value, np.generic) else value
    same = type(value)
    plain = same in (bool, str, type(None)) or (same in (int, float) and abs(value) < 2**53)
    return {"type": kind.__name__, "value": value if plain else repr(value)}


def parameter(p):
    """What a parameter is."""
    return {
        "shape": list(p.shape),
        "dtype": str(p.dtype).replace("torch.", ""),
        "device": p.device.type,
        "requires_grad": p.requires_grad,
        "is_leaf": p.is_leaf,
        "grad": p.grad is not None,
    }


def behaviour(layer):
    """What forward does: see `rnn_spec.questions.records.Behaviour`."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            for name, p in layer.named_parameters():
                p.fill_(0.5 if name.startswith("weight_ih") else 0)
            ones = torch.ones(2, 7, layer.weight_ih_l0.shape[1], dtype=layer.weight_ih_l0.dtype)
            trained, h_n = layer.train()(ones)
            tested, _ = layer.eval()(ones)
            return {"does": {
                "output": list(trained.shape),
                "h_n": list(h_n.shape),
                "above_1": bool(tested.max() > 1),
                "alike": torch.equal(trained, tested),
                "silent": bool((trained == 0).all()),  # of booleans: old releases have no other
            }}  # fmt: skip
    except Exception as e:
        return {"fails": error(e, "forward")}


def stacked(layers):
    """What the parameters of layers hold, by name, one layer after another."""
    held = [{name: p.detach().cpu().numpy() for name, p in layer.named_parameters()} for layer in layers]
    return {name: np.array([h[name] for h in held]) for name in held[0]}


# -- what a refused attempt leaves behind -------------------------------------------------------------


def left(refused, twin, cls, device):
    """What is left behind where the twin has been: of its layer, if it is the call that differs."""
    names = ("positional", "keywords", "dtype", "default_dtype", "device")
    alike = all(repr(refused.a[name]) == repr(twin.a[name]) for name in names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (by_call if alike else by_construction)(refused, twin, cls, device)
    except Exception as e:
        return {"again": error(e, "tell")}
    finally:
        torch.set_grad_enabled(True)


def by_construction(refused, twin, cls, device):
    """Of a refused construction: whether it drew, and whether the twin is then built to the same bits."""
    again = Made(twin.a, cls, device)
    if again.error:
        return {"drew": bool(refused.drew), "again": again.error}
    before, after = stacked(twin.layers), stacked(again.layers)
    return {"drew": bool(refused.drew), "differs": [n for n in before if not same(after[n], before[n])]}


def by_call(refused, twin, cls, device):
    """Of a refused call: what became of the twin's layer, which had been called before."""
    layer, right = twin.layers[-1].eval(), twin.arguments()
    first = [bits(r) for r in layer(*right)]
    before = {name: (p, bits(p), p.requires_grad, p.grad) for name, p in layer.named_parameters()}
    random = torch.get_rng_state()
    refuse(layer, refused)
    drew, recorded = not torch.equal(random, torch.get_rng_state()), torch.is_grad_enabled()
    after = dict(layer.named_parameters())
    kept = [n for n in before if n in after]
    found = {
        "drew": drew,
        "recorded": recorded,
        "mode": any(mode_after(layer, refused, mode) is not mode for mode in (True, False)),
        "objects": [n for n in list(before) + list(after) if after.get(n) is not before.get(n, [0])[0]],
        "bits": [n for n in kept if not same(bits(after[n]), before[n][1])],
        "gradients": [n for n in kept if (after[n].requires_grad, after[n].grad) != before[n][2:]],
    }
    try:
        second = [bits(r) for r in layer(*right)]
    except Exception as e:
        return dict(found, again=error(e, "forward"))
    names = ("output", "h_n")
    return dict(found, differs=[n for n, x, y in zip(names, first, second) if not same(x, y)])


def mode_after(layer, refused, mode):
    """The mode of the layer that was in this one when it refused the call."""
    layer.train(mode)
    refuse(layer, refused)
    now = layer.training
    layer.eval()
    return now


def refuse(layer, refused):
    """Call the layer with the wrong arguments; what it raises has been told."""
    arguments = refused.arguments()
    with contextlib.suppress(Exception):
        layer(*arguments)


def bits(x):
    """A copy of a tensor's, or of a packed sequence's, numbers."""
    return getattr(x, "data", x).detach().cpu().clone()


def same(x, y):
    """Whether two tensors or arrays hold the same numbers, NaN included, in the same shape."""
    x, y = (np.asarray(t.double() if isinstance(t, torch.Tensor) else t) for t in (x, y))
    return x.shape == y.shape and x.tobytes() == y.tobytes()


# -- in a process of its own --------------------------------------------------------------------------


def apart(answer):
    """What a function returns, as JSON, called in a process forked for it; a crash is an answer, too."""
    if not hasattr(os, "fork"):
        return json.dumps(answer())
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)  # the others were not forked
            with os.fdopen(sink, "w") as pipe:
                pipe.write(json.dumps(answer()))
        finally:
            os._exit(0)
    os.close(sink)
    try:
        with os.fdopen(source) as pipe:
            text = pipe.read()
    except BaseException:  # whoever waits is told that it takes too long
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        status = os.waitpid(child, 0)[1]
    if text:
        return text
    how = "died of signal {}".format(status) if status else "ended without an answer"
    return json.dumps({"error": {"phase": "worker", "type": "crash", "message": how}})
