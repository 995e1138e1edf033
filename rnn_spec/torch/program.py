"""What the gate asks of the torch of a Python, beside the suite. Python 3.6 syntax, torch and NumPy only.

As a program it answers requests, JSON, a line each way, until bye or the end:

    -> {"op": "hello"}
    <- {"version": "torch 2.13.0", "python": "3.11.7", "numpy": "2.4.0", "platform": "Linux x86_64", ...}
    -> {"op": "experiment", "id": "construct/subclass"}
    <- {"value": "Mine(3, 4)", "warnings": []}
    -> {"op": "experiments", "ids": ["construct/subclass", "construct/bases", ...]}
    <- {"facts": [{"value": "Mine(3, 4)", "warnings": []}, ...]}
    -> {"op": "names", "path": "model.pt", "trust": false}
    <- {"tensors": {"rnn.weight_ih_l0": ["float32", [4, 3]]}, "options": {}}
    -> {"op": "time", "size": {...}, "backward": true, "seconds": 0.05}
    <- {"call": 0.0012}

An experiment runs in a process forked from this one, which has imported torch and done nothing else: so a
crash is a fact, none sees another's traces, and the order does not matter. Before the first heavy one this
process imports what many of these need: light ones are to be asked before. A fork costs ten times what most
experiments do: those that are asked together share one as long as none has left a trace (`traces`), and the
answer has their facts, one or more. One that dies there is asked again, alone. What cannot be done is
answered by ``{"error": "KeyError: ..."}``. A checkpoint is read with weights_only unless it is trusted;
arrays travel in .npz files.
"""

import contextlib
import functools
import hashlib
import importlib
import inspect
import json
import os
import platform
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

if __package__:
    from rnn_spec.torch import experiments, lean
else:  # a program, which another Python runs, maybe from elsewhere
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import experiments
    import lean

SECONDS = 60
"""What an experiment may take before its process is ended."""
PACKAGES = ("onnx", "onnxscript")
"""What torch's exporters need beside it."""
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Of these only what speaks of torch is kept: the others tell of Python's release."""


def act(id):
    """What an experiment does; a heavy one has what it needs imported."""
    experiment = experiments.EXPERIMENTS[id]
    if experiment.heavy:
        bring_parts(experiments.HEAVY)
    return experiment.act


def hello():
    """What runs here; `reads` says whether it has weights_only."""
    return {
        "version": "torch {}".format(experiments.torch.__version__),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": "{} {}".format(platform.system(), platform.machine()),
        "processor": processor(),
        "reads": "weights_only" in inspect.signature(experiments.torch.load).parameters,
        "cuda": bool(experiments.torch.cuda.is_available()),
        "packages": dict(filter(None, map(_package, PACKAGES))),
        "build": build(),
    }


WIDE = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "asimd", "sve", "bf16")
"""What a kernel may be chosen by, in Linux' words."""


def processor():
    """Whose the processor is, which model, and what of WIDE it has: by these the order of sums is chosen."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            first = lines.read().split("\n\n")[0]
    except OSError:
        return platform.processor()
    told = dict(map(str.strip, line.split(":", 1)) for line in first.splitlines() if ":" in line)
    names = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")
    has = (told.get("flags") or told.get("Features") or "").split()
    return " ".join([told[name] for name in names if name in told] + [name for name in WIDE if name in has])


def build():
    """What tells one build of torch from another at the same place: its files' names, sizes and times."""
    digest, home = hashlib.sha256(), os.path.dirname(experiments.torch.__file__)
    for folder, folders, names in os.walk(home):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".py", ".so", ".dylib", ".pyd", ".dll")):
                path = os.path.join(folder, name)
                found = os.stat(path)
                told = "{} {} {}".format(os.path.relpath(path, home), found.st_size, found.st_mtime_ns)
                digest.update(told.encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def _package(name):
    """A package's version, where it is there and can be imported: one that does not fit its NumPy cannot."""
    try:
        return name, str(importlib.import_module(name).__version__)
    except Exception:  # SystemError, say
        return None


# -- experiments --------------------------------------------------------------------------------------


def come_to(act):
    """The fact that an act comes to, as plain data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fact = {"value": experiments.plain(act())}
        except experiments.Absent as e:
            fact = {"absent": str(e)}
        except Exception as e:
            fact = {"raised": {"type": type(e).__name__, "message": experiments.clean(e)}}
    told = [w for w in caught if not issubclass(w.category, QUIET) or "torch" in str(w.message)]
    said = [{"category": w.category.__name__, "message": experiments.clean(w.message)} for w in told]
    return dict(fact, warnings=[w for i, w in enumerate(said) if w not in said[:i]])


def forked(facts):
    """What an iterator gives in a process of its own, as far as that came, and how the process ended."""
    back, forth = os.pipe()
    child = os.fork()
    if not child:
        os.close(back)
        signal.alarm(SECONDS)
        status = 0
        try:
            for fact in facts:
                data = json.dumps(fact).encode() + b"\n"
                while data:
                    data = data[os.write(forth, data) :]
        except BaseException:
            status = 70
        os._exit(status)
    os.close(forth)
    with os.fdopen(back, "rb") as pipe:
        lines = pipe.read().split(b"\n")[:-1]
    return [json.loads(line.decode()) for line in lines], os.waitpid(child, 0)[1]


def apart(act):
    """The fact, found in a process of its own; one that dies is a fact, too."""
    if not hasattr(os, "fork"):
        return come_to(act)
    found, status = forked(come_to(act) for _ in range(1))
    if not status:
        return found[0]
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return {"died": "no answer within {} s".format(SECONDS) if name == "SIGALRM" else name}
    return {"died": "exit {}".format(os.WEXITSTATUS(status))}


def together(acts):
    """The facts of the first of these acts, one or more, by one process; one that dies is asked alone."""
    found = forked(untouched(acts))[0] if hasattr(os, "fork") else []
    return found or [apart(acts[0])]


def untouched(acts):
    """The facts of these acts, up to and with the first that leaves a trace; all draw the same numbers."""
    torch = experiments.torch
    drawn = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002  the one others draw from
    begun = traces()
    for act in acts:
        fact = come_to(act)
        yield fact
        if fact["warnings"] or traces() != begun:  # some warnings are given once a process
            break
        torch.set_rng_state(drawn[0])
        random.setstate(drawn[1])
        np.random.set_state(drawn[2])  # noqa: NPY002


SETTINGS = (
    "get_num_threads", "get_default_dtype", "get_default_device", "is_grad_enabled", "is_anomaly_enabled",
    "is_inference_mode_enabled", "is_autocast_enabled", "are_deterministic_algorithms_enabled",
    "get_float32_matmul_precision", "__future__.get_overwrite_module_params_on_conversion",
    "__future__.get_swap_module_params_on_conversion",
)  # fmt: skip
"""What tells, of torch, how it is set; none of these warns, for some warnings are given once a process."""
CLASSES = ("Module", "RNN", "RNNBase", "RNNCell", "Linear", "Parameter")
"""What of torch.nn an experiment may put something in."""


def traces():
    """What an experiment may leave for those after it: settings, attributes of classes, hooks, modules."""
    torch, settings = experiments.torch, []
    for place, _, name in (path.rpartition(".") for path in SETTINGS):
        ask = getattr(getattr(torch, place, None) if place else torch, name, None)
        settings.append(str(ask()) if ask else None)
    classes = [getattr(torch.nn, name, None) for name in CLASSES]
    held = [{name: id(value) for name, value in vars(c).items()} for c in classes if c]
    hooks = {n: len(v) for n, v in vars(torch.nn.modules.module).items() if isinstance(v, dict)}
    return settings, held, hooks, len(sys.modules), dict(os.environ)


# -- checkpoints of the user's ------------------------------------------------------------------------


def loaded(path, trust):
    """What a checkpoint holds, tensors alone unless it is trusted."""
    has = "weights_only" in inspect.signature(experiments.torch.load).parameters
    how = {"weights_only": not trust} if has else {}
    if not has and not trust:
        raise TypeError("this torch has no weights_only")
    return experiments.torch.load(path, map_location="cpu", **how)


def walked(held):
    """The tensors in a checkpoint by dotted names, and what modules in it say of their nn.RNNs."""
    found, options = {}, {}

    def walk(prefix, value):
        if isinstance(value, experiments.torch.nn.Module):
            told(prefix, value)
            value = value.state_dict()
        if isinstance(value, dict):
            for name, inner in value.items():
                walk("{}{}.".format(prefix, name), inner)
        elif isinstance(value, (list, tuple)):
            for i, inner in enumerate(value):
                walk("{}{}.".format(prefix, i), inner)
        elif isinstance(value, experiments.torch.Tensor):
            found[prefix[:-1]] = value

    def told(prefix, module):
        for name, inner in module.named_modules():
            if isinstance(inner, experiments.torch.nn.RNN):
                mode = inner.mode.replace("RNN_", "").lower()
                options[(prefix + name).strip(".")] = {"nonlinearity": mode, "batch_first": inner.batch_first}

    walk("", held)
    if not found:
        raise TypeError("it holds a {}, and no tensor".format(type(held).__name__))
    return found, options


def numbers(t):
    """The tensor's numbers, exactly, as NumPy has them."""
    t = t.detach().cpu()
    short = (experiments.torch.float16, getattr(experiments.torch, "bfloat16", None))
    return (t.float() if t.dtype in short else t).numpy()


def run_model(request):
    """A layer of these weights: the output of every lower stack, h_n, and the gradients of a loss."""
    torch, config = experiments.torch, request["config"]
    dtype, device = getattr(torch, request["dtype"]), request["device"]
    given = np.load(request["given"], allow_pickle=False)

    def tensor(name):
        return torch.tensor(given[name], dtype=torch.float64).to(dtype).to(device)

    def layer(count):
        made = torch.nn.RNN(**dict(config, num_layers=count)).to(dtype).to(device)
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                parameter.copy_(tensor("w " + name))
        return made

    found = {}
    for count in range(1, config["num_layers"] + 1):
        with torch.no_grad():
            output, h_n = layer(count).eval()(tensor("x"))
        found["output {}".format(count)] = numbers(output)
    found["output"], found["h_n"] = numbers(output), numbers(h_n)
    made, x = layer(config["num_layers"]).train(), tensor("x").requires_grad_()
    output, h_n = made(x)
    ((output * tensor("output")).sum() + (h_n * tensor("h_n")).sum()).backward()
    found["grad input"] = numbers(x.grad)
    for name, parameter in made.named_parameters():
        found["grad " + name] = numbers(parameter.grad)
    np.savez(request["to"], **found)
    return {"written": True}


# -- speed --------------------------------------------------------------------------------------------

MADE = {}


def call_time(size, backward, seconds):
    """How long one call takes, from as many as fit in about so many seconds, on one thread."""
    key = json.dumps(size, sort_keys=True)
    if key not in MADE:
        experiments.torch.manual_seed(0)
        rnn = experiments.torch.nn.RNN(size["input_size"], size["hidden_size"], size["num_layers"])
        MADE[key] = rnn, experiments.torch.randn(size["seq_len"], size["batch"], size["input_size"])
    rnn, x = MADE[key]

    def once():
        begun = time.perf_counter()
        if backward:
            rnn(x)[0].sum().backward()
        else:
            with experiments.torch.no_grad():
                rnn(x)
        return time.perf_counter() - begun

    once()  # what comes first is slower
    taken = []
    end = time.perf_counter() + seconds
    while len(taken) < 5 or time.perf_counter() < end:
        taken.append(once())
    return float(np.median(taken))


# -- the program --------------------------------------------------------------------------------------


def _names(request):
    found, options = walked(loaded(request["path"], request["trust"]))
    return {"tensors": {n: [str(t.dtype)[6:], list(t.shape)] for n, t in found.items()}, "options": options}


def _numbers(request):
    found, _ = walked(loaded(request["path"], request["trust"]))
    np.savez(request["to"], **{name: numbers(found[name]) for name in request["names"]})
    return {"written": True}


OPS = {
    "hello": lambda request: hello(),
    "experiment": lambda request: apart(act(request["id"])),
    "experiments": lambda request: {"facts": together([act(id) for id in request["ids"]])},
    "write": lambda request: apart(lambda: experiments.write(request["folder"])),
    "read": lambda request: apart(lambda: experiments.read(request["file"], **request.get("how", {}))),
    "names": _names,
    "numbers": _numbers,
    "model": run_model,
    "time": lambda request: {"call": call_time(request["size"], request["backward"], request["seconds"])},
}


def reply(request):
    """The answer to one request, or the error in words."""
    try:
        return OPS[request["op"]](request)
    except Exception as e:
        return {"error": "{}: {}".format(type(e).__name__, " ".join(str(e).split())[:2000])}


def serve(lines, out):
    """Answer the requests that come in, until bye or the end."""
    for line in lines:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        out.write(json.dumps(reply(request)) + "\n")
        out.flush()


def bring():
    """Import torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        experiments.use(importlib.import_module("torch"))
        experiments.torch.set_num_threads(1)
    bring_parts(experiments.LATE)


@functools.lru_cache(None)
def bring_parts(names):
    """Import these parts of torch, of what it has and can import; once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    lean.settled()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    lean.lean()
    bring()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, and not between the answers
    serve(sys.stdin, answers)
