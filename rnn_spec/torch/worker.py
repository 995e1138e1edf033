"""Run one Case in torch.nn.RNN. One file, Python 3.6 syntax, only torch and NumPy.

`answer` takes a Case as plain data (a dict of the record's fields, `config` and `cotangents` as
dicts) and returns an Observation as plain data. It is what the in-process subject calls. As a program
it is a worker that speaks rnn-spec's wire protocol, and so judges the torch of the Python that runs it.
"""

import json
import os
import platform
import re
import sys
import warnings

import numpy as np
import torch

if __package__:
    from rnn_spec.torch import attempted
else:  # a program, which another Python runs
    import attempted  # type: ignore[import-not-found,no-redef]


def version():
    """What is under test, in words."""
    return "torch {}".format(torch.__version__)


def tensor(array, dtype, device):
    """A tensor of the named dtype with the array's numbers."""
    return torch.tensor(np.ascontiguousarray(array), device=device, dtype=getattr(torch, dtype))


def numbers(t):
    """The tensor's numbers, exactly, as float64 (or float32 where they fit)."""
    t = t.detach().cpu()
    return (t.float() if t.dtype in (torch.float16, getattr(torch, "bfloat16", None)) else t).numpy()


def build(cls, config, parameters, dtype, device):
    """The module, with the case's own parameters."""
    rnn = cls(**config).to(device=device, dtype=getattr(torch, dtype))
    own = dict(rnn.named_parameters())
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


def call_earlier(rnn, calls, dtype, device):
    """Make the calls that come before the one that is asked about: their outputs."""
    outputs = []
    for call in calls:
        h_0 = () if call["h_0"] is None else (tensor(call["h_0"], dtype, device),)
        with torch.no_grad():
            outputs.append(
                numbers(rnn.train(call["training"])(tensor(call["input"], dtype, device), *h_0)[0])
            )
    return tuple(outputs)


def forward(rnn, case, x, h_0):
    """Call the module, packed and unpacked again where the case has lengths."""
    arguments = () if h_0 is None else (h_0,)
    if case["lengths"] is None:
        return rnn(x, *arguments)
    batch_first = case["config"]["batch_first"]
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    lengths = torch.tensor([int(n) for n in case["lengths"]])
    packed = pack(x, lengths, batch_first=batch_first, enforce_sorted=False)
    output, h_n = rnn(packed, *arguments)
    return pad(output, batch_first=batch_first, total_length=x.shape[1 if batch_first else 0])[0], h_n


def lacking(case):
    """What this torch has not, and the case needs; or None."""
    names = torch.nn.utils.rnn.pack_padded_sequence.__code__.co_varnames
    if case["lengths"] is not None and "enforce_sorted" not in names:  # before torch 1.1
        return UNSORTED
    return None


def answer(case, cls=torch.nn.RNN, device="cpu"):
    """The Observation of one Case, or the error that was raised, with its phase."""
    if lacking(case):
        return {"unsupported": lacking(case)}
    phase = "construct"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            dtype, wanted = case["dtype"], case["cotangents"]
            rnn = build(cls, case["config"], case["parameters"], dtype, device)
            x = tensor(case["input"], dtype, device)
            h_0 = None if case["h_0"] is None else tensor(case["h_0"], dtype, device)
            phase = "forward"
            # On the CPU its own generator is enough; torch.manual_seed notes a traceback for CUDA each time.
            (torch.default_generator if device == "cpu" else torch).manual_seed(case["seed"])
            earlier = call_earlier(rnn, case["earlier"], dtype, device)
            rnn.train(case["training"])
            leaves = {"input": x}
            if h_0 is not None:
                leaves["h_0"] = h_0
            leaves.update(rnn.named_parameters())
            random = torch.get_rng_state()
            if wanted is None:
                with torch.no_grad():
                    output, h_n = forward(rnn, case, x, h_0)
                gradients = {}
            else:
                for t in leaves.values():
                    t.requires_grad_()
                output, h_n = forward(rnn, case, x, h_0)
                phase = "backward"
                cotangents = [tensor(wanted[name], dtype, device) for name in ("output", "h_n")]
                found = torch.autograd.grad([output, h_n], list(leaves.values()), cotangents)
                gradients = {name: numbers(g) for name, g in zip(leaves, found)}
            warned = tuple(str(w.message) for w in caught)  # looking at the answer, below, may warn, too
            return {
                "output": numbers(output),
                "h_n": numbers(h_n),
                "gradients": gradients,
                "dtypes": {"output": str(output.dtype)[6:], "h_n": str(h_n.dtype)[6:]},
                "parameters": {name: tuple(p.shape) for name, p in rnn.named_parameters()},
                "after": {name: numbers(t) for name, t in leaves.items()},
                "aliases": aliases(dict(leaves, output=output, h_n=h_n)),
                "drew": not torch.equal(random, torch.get_rng_state()),
                "earlier": earlier,
                "warnings": warned,
            }
        except Exception as e:  # whatever a subject raises is an answer
            return {
                "error": {"phase": phase, "type": type(e).__name__, "message": str(e)},
                "warnings": tuple(str(w.message) for w in caught),
            }


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


def limits():
    """What this release cannot be asked, and says so."""
    return ([UNSORTED] if release() < (1, 1) else []) + attempted.limits()


UNSORTED = "this torch packs no batch that is not sorted by length"
CONTRACT = ["attempts"]
TELLS = ["parameters", "after", "aliases", "drew", "dtypes", "earlier"]


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
    }


def read(x):
    """What came in, with every array an ndarray."""
    if isinstance(x, dict) and set(x) == {"shape", "data"}:
        return np.array([float(n) for n in x["data"]]).reshape(x["shape"])
    if isinstance(x, dict):
        return {key: read(value) for key, value in x.items()}
    return [read(value) for value in x] if isinstance(x, list) else x


def written(x):
    """What goes out, with every array as its shape and its numbers."""
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
            case = dict({"h_0": None, "lengths": None, "cotangents": None}, **read(request["case"]))
            case["earlier"] = [dict({"h_0": None}, **call) for call in case["earlier"]]
            found = answer(case, device=device)
            if "after" in found:
                found["after"] = changed(found["after"], case)
            reply = dict(written(found), seq=request["seq"])
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, and not between the answers
    if "OMP_NUM_THREADS" not in os.environ:  # the layers are small: more threads only get in the way
        torch.set_num_threads(1)
    serve(sys.stdin, answers, *sys.argv[1:])
