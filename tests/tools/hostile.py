"""A worker that answers as the spec does, but for the cases marked, where it misbehaves as it is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from rnn_spec.far import wire
from rnn_spec.subjects.spec import SpecSubject

HOW = sys.argv[1]
HELLO = {
    "name": "hostile", "version": "1", "language": "Python", "dtypes": ["float64", "float32"],
    "levels": ["cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "torch_api"],
}  # fmt: skip
GREETINGS = {
    "hello of no JSON": b"Welcome to my layer!",
    "hello without levels": json.dumps({k: v for k, v in HELLO.items() if k != "levels"}).encode(),
    "hello of an unknown level": json.dumps(HELLO | {"levels": ["cell", "telepathy"]}).encode(),
    "hello of no dtype": json.dumps(HELLO | {"dtypes": []}).encode(),
    "hello with a field too many": json.dumps(HELLO | {"favourite_colour": "blue"}).encode(),
}


def say(line: bytes) -> None:
    """A line to the judge."""
    os.write(1, line + b"\n")


def endless(part: bytes) -> None:
    """As many bytes as anybody reads."""
    while True:
        os.write(1, part * 4096)


def misbehave(answer: dict[str, Any]) -> None:
    """Do what it says on the command line in place of answering."""
    seq, output = answer["seq"], answer["output"]
    many = {"shape": [10**6, 10**6], "data": []}
    lines: dict[str, Any] = {
        "rubbish": b"step 1 of 5 ...",
        "print before the answer": b"step 1 of 5 ...\n" + json.dumps(answer).encode(),
        "print after the answer": json.dumps(answer).encode() + b"\nstep 1 of 5 ...",
        "two answers": json.dumps(answer).encode() + b"\n" + json.dumps(answer).encode(),
        "no object": b"[1, 2, 3]",
        "invalid UTF-8": b'{"seq": \xff\xfe}',
        "deep": b"[" * 200_000,
        "half a line of JSON": json.dumps(answer).encode()[:-40],
        "bare NaN": json.dumps(answer | {"output": {"shape": [1], "data": [float("nan")]}}).encode(),
        "wrong seq": answer | {"seq": seq + 1},
        "no seq": {k: v for k, v in answer.items() if k != "seq"},
        "unknown field": answer | {"outptu": output},
        "missing numbers": answer | {"output": {"shape": output["shape"], "data": output["data"][1:]}},
        "gigantic shape": answer | {"output": many},
        "negative shape": answer | {"output": {"shape": [-1, -1], "data": [1.0]}},
        "null": answer | {"output": {"shape": output["shape"], "data": [None] * len(output["data"])}},
        "strings": answer | {"output": {"shape": output["shape"], "data": ["1.0"] * len(output["data"])}},
        "booleans": answer | {"output": {"shape": output["shape"], "data": [True] * len(output["data"])}},
        "nested lists": answer | {"output": [[1.0, 2.0], [3.0, 4.0]]},
        "overflow": json.dumps(answer).encode().replace(b"0.", b"1e999", 1),
        "NaN": answer | {"output": {"shape": output["shape"], "data": ["NaN"] * len(output["data"])}},
        "wrong shape": answer | {"output": {"shape": output["shape"][::-1], "data": output["data"]}},
        "flat": answer | {"output": {"shape": [len(output["data"])], "data": output["data"]}},
        "no output": {"seq": seq},
        "wrong dtype": answer | {"dtypes": {"output": "float16", "h_n": "float16"}},
        "error without a type": {"seq": seq, "error": {"phase": "forward"}},
    }
    if HOW in lines:
        line = lines[HOW]
        say(line if isinstance(line, bytes) else json.dumps(line).encode())
    elif HOW == "crash":
        print("Traceback: the weights are gone", file=sys.stderr, flush=True)
        os._exit(3)
    elif HOW == "segmentation fault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif HOW == "quiet exit":
        os._exit(0)
    elif HOW == "closed stdout":
        os.close(1)
        time.sleep(600)
    elif HOW in ("hang", "a child that holds the pipes"):
        if HOW != "hang":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        time.sleep(600)
    elif HOW == "one byte at a time":
        while True:
            os.write(1, b" ")
            time.sleep(0.05)
    elif HOW == "gigantic line":
        endless(b"1234,")
    elif HOW == "gigantic lines":
        endless(b"[]\n")
    elif HOW == "stderr":
        os.write(2, b"warning: this is deprecated\n" * 100_000)
        say(json.dumps(answer).encode())
    else:
        raise SystemExit(f"unknown: {HOW}")


def main() -> None:
    """Be the worker."""
    spec, asked = SpecSubject(), 0
    for line in sys.stdin.buffer:
        op = json.loads(line)["op"]
        if op == "bye":
            break
        if op == "hello":
            if HOW == "no hello":
                time.sleep(600)
            if HOW == "exit in place of hello":
                raise SystemExit("no GPU was found")
            say(GREETINGS.get(HOW) or json.dumps(HELLO).encode())
            if HOW == "deaf":
                time.sleep(600)
            if HOW == "early exit":
                raise SystemExit(0)
            continue
        request = wire.decode(line, wire.RunRequest)
        encoded = wire.encode(wire.answered(request, spec.run))
        asked += 1
        marked = "odd" in request.case.id
        misbehave(json.loads(encoded)) if marked else say(encoded)


main()
