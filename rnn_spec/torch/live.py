"""What the gate asks of a torch that runs, beside cases and probes. Python 3.6 syntax, torch and NumPy only.

As a program it answers requests, JSON, a line each way:

    -> {"op": "hello"}
    <- {"torch": "2.13.0", "python": "3.11.7", "numpy": "2.4.0", "reads": true, "cuda": false}
    -> {"op": "names", "path": "model.pt"}
    <- {"tensors": {"rnn.weight_ih_l0": ["float32", [4, 3]]}}
    -> {"op": "read", "path": "model.pt", "names": ["rnn.weight_ih_l0"]}
    <- {"tensors": {"rnn.weight_ih_l0": {"shape": [4, 3], "data": [...]}}}
    -> {"op": "time", "size": {...}, "backward": true, "seconds": 0.05}
    <- {"call": 0.0012}

A checkpoint is read with weights_only, and by a torch that has not that, not at all.
"""

import inspect
import json
import os
import platform
import sys
import time

import numpy as np
import torch


def hello():
    """What runs here."""
    return {
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "reads": "weights_only" in inspect.signature(torch.load).parameters,
        "cuda": bool(torch.cuda.is_available()),
    }


def tensors(path):
    """The tensors of a state_dict, by name; those of a nested one, too, by dotted names."""
    found = {}

    def walk(prefix, held):
        for name, value in held.items():
            if isinstance(value, dict):
                walk("{}{}.".format(prefix, name), value)
            elif isinstance(value, torch.Tensor):
                found[prefix + str(name)] = value

    held = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(held, dict):
        raise TypeError("it holds a {}, and not a state_dict".format(type(held).__name__))
    walk("", held)
    return found


def numbers(t):
    """The tensor as JSON, exactly."""
    data = t.double().reshape(-1).tolist()
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return {"shape": list(t.shape), "data": [names.get(str(n), n) for n in data]}


MADE = {}


def call_time(size, backward, seconds):
    """How long one call takes, from as many as fit in about so many seconds, on one thread."""
    key = json.dumps(size, sort_keys=True)
    if key not in MADE:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        rnn = torch.nn.RNN(size["input_size"], size["hidden_size"], size["num_layers"])
        MADE[key] = rnn, torch.randn(size["seq_len"], size["batch"], size["input_size"])
    rnn, x = MADE[key]

    def once():
        begun = time.perf_counter()
        if backward:
            rnn(x)[0].sum().backward()
        else:
            with torch.no_grad():
                rnn(x)
        return time.perf_counter() - begun

    once()  # what comes first is slower
    taken = []
    end = time.perf_counter() + seconds
    while len(taken) < 5 or time.perf_counter() < end:
        taken.append(once())
    return float(np.median(taken))


def answer(request):
    """What is asked, or the error in words."""
    op = request["op"]
    try:
        if op == "hello":
            return hello()
        if op == "names":
            found = tensors(request["path"])
            return {"tensors": {n: [str(t.dtype)[6:], list(t.shape)] for n, t in found.items()}}
        if op == "read":
            found = tensors(request["path"])
            return {"tensors": {n: numbers(found[n]) for n in request["names"]}}
        return {"call": call_time(request["size"], request["backward"], request["seconds"])}
    except Exception as e:
        return {"error": "{}: {}".format(type(e).__name__, " ".join(str(e).split())[:400])}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()
