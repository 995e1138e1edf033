"""Run one Case in torch.nn.RNN. Python 3.6 syntax, only torch, NumPy, and the deeds and routes beside it.

`answer` takes a Case as plain data (a dict of the record's fields, `config` and `cotangents` as
dicts) and returns an Observation as plain data. It is what the in-process subject calls. As a program
it is a worker that speaks rnn-spec's wire protocol, and so judges the torch of the Python that runs it.
"""

import base64
import json
import os
import platform
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

if __package__:
    from rnn_spec.torch import attempted, lean, needs, routes, singles, ways
else:  # a program, which another Python runs, maybe from elsewhere
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import attempted
    import lean
    import needs
    import routes
    import singles
    import ways


def version():
    """What is under test, in words."""
    return "torch {}".format(torch.__version__)


def facts(device):
    """What torch was built as, where it computes, and the settings that change its numbers, as text."""
    found = {
        "torch": torch.__version__,
        "build": getattr(torch.version, "git_version", "unknown"),
        "cuda": torch.version.cuda or "none",
        "device": device,
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    settings = {
        "float32 matmul precision": "get_float32_matmul_precision",
        "deterministic algorithms": "are_deterministic_algorithms_enabled",
    }
    for name, attribute in settings.items():
        if hasattr(torch, attribute):  # not in the releases of the first years
            found[name] = getattr(torch, attribute)()
    if device.startswith("cuda"):
        found["device name"] = torch.cuda.get_device_name(device)
        found["TF32 of cuDNN"] = torch.backends.cudnn.allow_tf32
    return {name: str(value) for name, value in found.items()}


def tensor(array, dtype, device):
    """A tensor of the named dtype with the array's numbers."""
    return torch.tensor(np.ascontiguousarray(array), device=device, dtype=getattr(torch, dtype))


def numbers(t):
    """The tensor's numbers, exactly, as float64 (or float32 where they fit)."""
    t = t.detach().cpu()
    return (t.float() if t.dtype in (torch.float16, getattr(torch, "bfloat16", None)) else t).numpy()


def build(cls, case, device, **how):
    """The module with the case's own parameters, in its dtype; under autocast in float32."""
    dtype = "float32" if case["route"].startswith("autocast") else case["dtype"]
    rnn = cls(**dict(case["config"], **how)).to(device=device, dtype=getattr(torch, dtype))
    own, parameters = dict(rnn.named_parameters()), case["parameters"]
    if sorted(own) != sorted(parameters):
        raise ValueError("parameters are {}, the case has {}".format(sorted(own), sorted(parameters)))
    with torch.no_grad():
        for name, value in parameters.items():
            if tuple(own[name].shape) != tuple(np.shape(value)):
                raise ValueError(
                    "{} has shape {}, the case has {}".format(name, tuple(own[name].shape), np.shape(value))
                )
            own[name].copy_(tensor(value, dtype, device))
    return rnn


def aliases(tensors):
    """Which pairs of the named tensors share memory."""
    seen, shared = {}, []
    for name, t in tensors.items():
        place = t.storage().data_ptr() if t.numel() else None
        if place in seen and place is not None:
            shared.append("{}, {}".format(seen[place], name))
        seen.setdefault(place, name)
    return tuple(shared)


def forward(call, case, x, h_0, deeds=()):
    """Make the call, packed and unpacked again where the case has lengths."""
    arguments = () if h_0 is None else (h_0,)
    if case["lengths"] is None:
        return call(x, *arguments)
    batch_first = case["config"]["batch_first"]
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    lengths = torch.tensor([int(n) for n in case["lengths"]])
    packed = pack(x, lengths, batch_first=batch_first, enforce_sorted=False)
    if any(deed.startswith("lay out packed data") for deed in deeds):
        packed = type(packed)(ways.laid(deeds, "packed data", packed.data), *packed[1:])
    output, h_n = call(packed, *arguments)
    return pad(output, batch_first=batch_first, total_length=x.shape[1 if batch_first else 0])[0], h_n


def lacking(case, cls):
    """What this torch has not, and the case needs; or None."""
    names = torch.nn.utils.rnn.pack_padded_sequence.__code__.co_varnames
    if case["lengths"] is not None and "enforce_sorted" not in names:  # before torch 1.1
        return UNSORTED
    if case["route"] and case["route"] not in routes.ROUTES:
        return "there is no route {!r}".format(case["route"])
    unknown = [e for e in case["earlier"] if not isinstance(e, dict) and e not in DEEDS]
    return "there is no deed {!r}".format(unknown[0]) if unknown else routes.lacking(case["route"], cls)


TAKE, LEAVE = "take the route", "leave the route"
FROZEN = {"freeze input": "input", "freeze h_0": "h_0"}
DEEDS = {TAKE, LEAVE} | set(FROZEN) | set(singles.DEEDS) | set(singles.ANEW) | ways.WAYS


class Asked:
    """A case on its way: its layer, what is called in place of it, and in which phase it is.

    `rnn` is the module that is called, or whose route is; once a route is taken, `rnn` is the module whose
    parameters count from then on, and `program` what is called.
    """

    def __init__(self, case, cls, device):
        """Begin with nothing but the question."""
        self.case, self.cls, self.device, self.phase = case, cls, device, "construct"
        self.deeds = [e for e in case["earlier"] if not isinstance(e, dict)]
        self.rnn = self.built = self.program = None
        self.route = routes.Route(case["route"]) if case["route"] else None
        self.outputs, self.facts = [], {}

    def observation(self, caught):
        """Build the layer, do what comes earlier, make the call: what there is to be seen."""
        case = self.case
        self.rnn = self.built = build(self.cls, case, self.device)
        self.rnn.train(case["training"])
        self.phase = "forward"
        # On the CPU its own generator is enough; torch.manual_seed notes a traceback for CUDA each time.
        (torch.default_generator if self.device == "cpu" else torch).manual_seed(case["seed"])
        self.precede()
        self.phase = "forward"
        x, h_0 = self.arguments(case)
        leaves = {"input": x}
        if h_0 is not None:
            leaves["h_0"] = h_0
        leaves.update(self.rnn.named_parameters())
        random = torch.get_rng_state()
        if case["cotangents"] is None:
            with ways.mode(self.deeds):
                results, gradients = forward(self.call, case, x, h_0, self.deeds), {}
        else:
            results, gradients = self.learn(leaves, x, h_0)
        warned = told(caught)  # looking at the answer, below, may warn, too
        return dict(
            self.answer(leaves, *results), gradients=gradients, warnings=warned,
            drew=not torch.equal(random, torch.get_rng_state()),
        )  # fmt: skip

    def arguments(self, call):
        """Input and h_0 as tensors: of the case's dtype, or of that which deeds have left the layer in."""
        dtype = self.case["dtype"]
        if self.deeds:
            dtype = next((str(value.dtype)[6:] for _, value in self.shown()), dtype)
        given = [None if x is None else tensor(x, dtype, self.device) for x in (call["input"], call["h_0"])]
        if call is self.case:
            given = [
                x if x is None else ways.laid(self.deeds, what, x) for what, x in zip(("input", "h_0"), given)
            ]
        return tuple(given)

    def shown(self):
        """The parameters by name as the module shows them: computed ones as computed now."""
        values = ((name, getattr(self.rnn, name, None)) for name in self.case["parameters"])
        return [(name, value) for name, value in values if isinstance(value, torch.Tensor)]

    def call(self, *arguments):
        """Call the layer, or what a route has made of it."""
        if self.program is not None:
            return self.program(*arguments)
        return self.rnn(*arguments) if self.route is None else self.route.call(self.rnn, arguments)

    def precede(self):
        """Make the calls and do the deeds that come before the call that is asked about."""
        for item in self.case["earlier"]:
            if not isinstance(item, dict):
                self.phase = "deed"
                self.do(item)
                continue
            self.phase = "forward"
            self.built.train(item["training"])
            x, h_0 = self.arguments(item)
            with torch.no_grad():
                self.outputs.append(numbers(self.call(x, *(() if h_0 is None else (h_0,)))[0]))
            self.built.train(self.case["training"])

    def do(self, deed):
        """Do a deed; take the route, or leave it again."""
        if deed == TAKE:
            given = tuple(t.requires_grad_() for t in self.arguments(self.case) if t is not None)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.program = self.route.of(self.rnn, given)
                self.rnn = self.route.owner(self.rnn, given)
        elif deed == LEAVE:
            self.rnn, self.route, self.program = self.built, None, None
        elif deed not in FROZEN and deed not in ways.WAYS:
            self.rnn, facts = singles.done(self.rnn, deed, self.new)
            self.facts.update(facts)

    def new(self, **how):
        """Another layer of the same configuration, with parameters of its own."""
        layer = self.cls(**dict(self.case["config"], **how))
        return layer.to(dtype=getattr(torch, self.case["dtype"])).train(self.case["training"])

    def learn(self, leaves, x, h_0):
        """Make the call and go back: output and h_n, and the gradients by name."""
        wanted, dtype = self.case["cotangents"], self.case["dtype"]
        frozen = {FROZEN.get(deed) for deed in self.deeds}
        for name in ("input", "h_0") if self.deeds else leaves:
            if name in leaves and name not in frozen:
                leaves[name].requires_grad_()
        results = forward(self.call, self.case, x, h_0, self.deeds)
        self.phase = "backward"
        if not self.deeds:
            given = [tensor(wanted[name], dtype, self.device) for name in ("output", "h_n")]
            found = torch.autograd.grad(list(results), list(leaves.values()), given)
            return results, {name: numbers(g) for name, g in zip(leaves, found)}
        for t in leaves.values():  # what arrives where, after whatever was done
            t.grad = None
        given = [
            ways.laid(self.deeds, "cotangent of " + name, tensor(wanted[name], dtype, self.device).to(r))
            for name, r in zip(("output", "h_n"), results)
        ]
        torch.autograd.backward(list(results), given, retain_graph=True)
        self.facts["derivatives"] = singles.derivatives(self.rnn, dict(self.shown()))
        return results, {name: numbers(t.grad) for name, t in leaves.items() if t.grad is not None}

    def answer(self, leaves, output, h_n):
        """What is told of a call but its gradients."""
        dtypes = {"output": str(output.dtype)[6:], "h_n": str(h_n.dtype)[6:]}
        after = leaves
        if self.deeds:
            shown = dict(self.shown())
            after = dict({name: t for name, t in leaves.items() if name in ("input", "h_0")}, **shown)
            dtypes.update((name, str(value.dtype)[6:]) for name, value in shown.items())
            self.facts.update(
                leaves=singles.told(self.rnn, shown),
                training=self.rnn.training,
                itself=self.rnn is self.built,
            )
        return {
            "output": numbers(output),
            "h_n": numbers(h_n),
            "dtypes": dtypes,
            "parameters": {name: tuple(p.shape) for name, p in self.rnn.named_parameters()},
            "after": {name: numbers(t) for name, t in after.items()},
            "aliases": aliases(dict(leaves, output=output, h_n=h_n)),
            "earlier": tuple(self.outputs),
            "facts": self.facts,
        }


def told(caught):
    """What was warned of."""
    return tuple(str(w.message) for w in caught)


def answer(case, cls=torch.nn.RNN, device="cpu"):
    """The Observation of one Case, or the error that was raised, with its phase."""
    if lacking(case, cls):
        return {"unsupported": lacking(case, cls)}
    asked = Asked(case, cls, device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return asked.observation(caught)
        except needs.Absent as e:
            return {"unsupported": str(e)}
        except Exception as e:  # whatever a subject raises is an answer
            error = {"phase": asked.phase, "type": type(e).__name__, "message": str(e)}
            return {"error": error, "warnings": told(caught)}


# -- the wire: JSON, a line each way ----------------------------------------------------------------

LEVELS = [
    "cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "dropout", "precision", "torch_api"
]  # fmt: skip


SINCE = {  # type: dict[str, dict[str, tuple[int, int] | None]]
    "float64": {"cpu": (1, 0), "mps": None},
    "float32": {"cpu": (1, 0)},
    "float16": {"cpu": (2, 2), "cuda": (1, 0)},
    "bfloat16": {"cpu": (1, 10)},
}
"""The release from which on nn.RNN computes in a dtype, by type of device; on one that is not named as
on the CPU; None: in no release. On the CPU as it was recorded from 1.0.0 to 2.15.0: 1.8.1 has no bfloat16,
and 1.10.2, the next on record, has. MPS has no float64 (torch.backends.mps)."""


def release():
    """This torch's, as two numbers."""
    return tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])


def dtypes(device):
    """The dtypes in which nn.RNN has to compute in this release on the device, by SINCE."""
    kind = str(device).partition(":")[0]
    since = {name: devices.get(kind, devices["cpu"]) for name, devices in SINCE.items()}
    return [name for name, first in since.items() if first is not None and release() >= first]


def limits(cls=torch.nn.RNN):
    """What this release, or a layer of this class, cannot be asked, and says so."""
    return (
        ([UNSORTED] if release() < (1, 1) else [])
        + needs.limits(release())
        + routes.limits(cls)
        + attempted.limits()
    )


LONG = 64
"""From how many numbers on an array goes as base64: decimals of wide and long cases take most of a run."""
UNSORTED = "this torch packs no batch that is not sorted by length"
TELLS = ["parameters", "after", "aliases", "drew", "dtypes", "earlier"]
CONTRACT = ["deeds", "routes", "attempts"]


def hello(device):
    """What is under test, and what it claims."""
    return {
        "name": "torch",
        "version": torch.__version__,
        "language": "Python " + platform.python_version(),
        "homepage": "https://pytorch.org",
        "levels": LEVELS,
        "dtypes": dtypes(device),
        "tells": TELLS,
        "contract": CONTRACT,
        "limits": limits(),
        "base64": True,
        "facts": facts(device),
    }


def read(x):
    """What came in, with every array an ndarray."""
    if isinstance(x, dict) and set(x) == {"shape", "data"}:
        return np.array([float(n) for n in x["data"]]).reshape(x["shape"])
    if isinstance(x, dict) and set(x) == {"shape", "base64"}:
        return np.frombuffer(base64.b64decode(x["base64"]), "<f8").astype(float).reshape(x["shape"])
    if isinstance(x, dict):
        return {key: read(value) for key, value in x.items()}
    return [read(value) for value in x] if isinstance(x, list) else x


def written(x):
    """What goes out, with every array as its shape and its numbers, a long one as base64 of these."""
    if isinstance(x, np.ndarray) and x.size >= LONG:
        held = base64.b64encode(x.astype("<f8").tobytes()).decode()
        return {"shape": list(x.shape), "base64": held}
    if isinstance(x, np.ndarray):
        data = x.ravel().tolist()
        if not np.isfinite(x).all():
            names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
            data = [names.get(str(n), n) for n in data]
        return {"shape": list(x.shape), "data": data}
    if isinstance(x, dict):
        return {key: written(value) for key, value in x.items()}
    return [written(value) for value in x] if isinstance(x, (list, tuple)) else x


def changed(after, case):
    """Those of the leaves that do not hold, bit for bit, what the case gave."""
    given = dict(case["parameters"], input=case["input"], h_0=case["h_0"])
    return {name: x for name, x in after.items() if x.astype(float).tobytes() != given[name].tobytes()}


def attempt(question, device):
    """The answer to an attempt; in a process of its own where torch may die of it."""
    if question.get("apart"):
        return json.loads(attempted.apart(lambda: written(attempted.attempt(question, device=device))))
    return written(attempted.attempt(question, device=device))


def serve(lines, out, device="cpu"):
    """Answer the requests that come in, computing on the device, until bye or the end."""
    for line in lines:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        if request["op"] == "hello":
            reply = hello(device)
        elif request["op"] == "attempt":
            reply = dict(attempt(request["attempt"], device), seq=request["seq"])
        else:
            case = dict(
                {"h_0": None, "lengths": None, "cotangents": None, "route": ""}, **read(request["case"])
            )
            case["earlier"] = [
                dict({"h_0": None}, **e) if isinstance(e, dict) else e for e in case["earlier"]
            ]
            found = answer(case, device=device)
            if "after" in found:
                found["after"] = changed(found["after"], case)
            reply = dict(written(found), seq=request["seq"])
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, and not between the answers
    lean.lean()
    lean.settled()
    if "OMP_NUM_THREADS" not in os.environ:  # the layers are small: more threads only get in the way
        torch.set_num_threads(1)
    serve(sys.stdin, answers, *sys.argv[1:])
