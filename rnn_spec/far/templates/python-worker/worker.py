"""{{name}} under rnn-spec, in any Python from 3.6 on that has NumPy: rnn-spec itself need not be there.

Judge it, from a Python that has rnn-spec; the first python below is the one that your layer runs in:

    rnn-spec check 'worker:python3 {{name}}/worker.py'

`run` holds a toy RNN, so that the skeleton passes from the first minute. Put your own layer in its
place, then claim more levels in HELLO: stack, bidirectional, lengths, gradients, dropout, precision.
"""

import json
import os
import platform
import sys
import traceback

import numpy as np

HELLO = {
    "name": "{{name}}",
    "version": "0.1",  # name your framework's version, too: results are kept with it
    "language": "Python " + platform.python_version(),
    "levels": ["cell", "sequence"],
    "dtypes": ["float64", "float32"],
}


def run(case):
    """Answer one case: input (T, N, I), h_0 (1, N, H) or None, parameters by nn.RNN's names.

    A case is a dict with id, config, parameters, input, h_0, lengths, training, dtype, seed, cotangents
    and earlier; its arrays are float64, lengths int64. What your layer cannot do, answer as
    {"unsupported": "why"}; raise what it refuses. A backward pass that fails leaves what the forward pass
    gave to be judged, if you answer
    {"output": output, "h_n": h_n, "error": {"phase": "backward", "type": "TypeError", "message": "why"}}.
    """
    earlier = [forward(case, call["input"], call["h_0"])[0] for call in case["earlier"]]  # on the same layer
    output, h_n = forward(case, case["input"], case["h_0"])
    dtypes = {"output": str(output.dtype), "h_n": str(h_n.dtype)}
    return {"output": output, "h_n": h_n, "dtypes": dtypes, "earlier": earlier}


def forward(case, input, h_0):
    """One call: h_t = act(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh); output (T, N, H) and h_n (1, N, H)."""
    p = {name: array.astype(case["dtype"]) for name, array in case["parameters"].items()}
    config = case["config"]
    bias = p["bias_ih_l0"] + p["bias_hh_l0"] if config["bias"] else 0
    h = np.zeros((input.shape[1], config["hidden_size"])) if h_0 is None else h_0[0]
    h = h.astype(case["dtype"])
    output = []
    with np.errstate(all="ignore"):  # some cases hold infinities and NaN
        for x in input.astype(case["dtype"]):
            z = x @ p["weight_ih_l0"].T + bias + h @ p["weight_hh_l0"].T
            h = np.tanh(z) if config["nonlinearity"] == "tanh" else np.maximum(z, 0)
            output.append(h)
    return np.stack(output), h[None]


# -- the wire: JSON, a line each way; nothing below needs to be changed ------------------------------


def read(x):
    """What came in, with every array an ndarray."""
    if isinstance(x, dict) and set(x) == {"shape", "data"}:
        return np.array([float(n) for n in x["data"]]).reshape(x["shape"])  # "NaN", "Infinity", too
    if isinstance(x, dict):
        return {key: read(value) for key, value in x.items()}
    return [read(value) for value in x] if isinstance(x, list) else x


def read_case(x):
    """A case, with None for what it has not."""
    case = dict({"h_0": None, "lengths": None, "cotangents": None}, **read(x))
    case["earlier"] = [dict({"h_0": None}, **call) for call in case["earlier"]]
    if case["lengths"] is not None:
        case["lengths"] = case["lengths"].astype(np.int64)
    return case


def written(x):
    """What goes out, with every array as its shape and its numbers; JSON has no NaN and no infinity."""
    if isinstance(x, np.ndarray):
        data = x.astype(np.float64).ravel().tolist()
        if not np.isfinite(x).all():
            names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
            data = [names.get(str(n), n) for n in data]
        return {"shape": list(x.shape), "data": data}
    if isinstance(x, dict):
        return {key: written(value) for key, value in x.items()}
    return [written(value) for value in x] if isinstance(x, (list, tuple)) else x


def answer(request):
    """The answer to a request; what `run` raises is an error in phase forward."""
    try:
        found = written(run(read_case(request["case"])))
    except Exception as e:
        trace = traceback.extract_tb(sys.exc_info()[2])
        own = trace[-1][0] == __file__ and not (trace[-1][3] or "").startswith(("raise", "assert"))
        own = own and isinstance(e, (AttributeError, NameError, ImportError, LookupError, TypeError))
        error = {"phase": "forward", "type": type(e).__name__, "message": str(e)}
        found = {"error": dict(error, traceback=traceback.format_exc().rstrip(), own_line=own)}
    return dict(found, seq=request["seq"])


def serve(lines, out):
    """Answer the requests that come in until bye, or the end."""
    for line in lines:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        out.write(json.dumps(HELLO if request["op"] == "hello" else answer(request)) + "\n")
        out.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, and not between the answers
    serve(sys.stdin, answers)
