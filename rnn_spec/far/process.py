"""A subject in another process, in any language, spoken to over the wire (`rnn_spec.far.wire`).

The far end is not trusted. Every request has a deadline and every answer a greatest size; a worker that
crashes, hangs or says what it must not is ended, with its stderr in the verdict, and started again for
the next case. None of that reaches the run as anything but an Observation with an error in phase worker.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import shlex
import shutil
import signal
import subprocess
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_spec import files
from rnn_spec.far import wire
from rnn_spec.questions.claims import KINDS
from rnn_spec.questions.deadline import Pace
from rnn_spec.questions.records import Error, Observation
from rnn_spec.subjects.base import ENDINGS, Subject, SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rnn_spec.questions.records import Attempt, Case

STARTING = 10
"""How many deadlines a worker may take to say hello: it may have a framework to import."""
STARTS = 3
"""How often in a row a worker may fail to start before it is given up."""
NUMBER = 32
"""Bytes that a number may take in an answer: shortest decimals need 24, and a comma."""
LARGEST = 1 << 26
"""How many bytes an answer to an attempt may have."""
TAIL = 2000
"""How much of a dead worker's stderr is told, in bytes."""


class Failure(Exception):
    """A worker did not answer: `kind` is crash, hang, rubbish or flood; the message says what was seen."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Stopped(BaseException):
    """Ctrl-C was pressed: nothing is started until all has ended."""


RUNNING: weakref.WeakSet[Process] = weakref.WeakSet()
PROGRAMS: weakref.WeakSet[subprocess.Popen[Any]] = weakref.WeakSet()
_stopped = threading.Event()


def stopped() -> bool:
    """Whether Ctrl-C has been pressed: what a process then fails at is not its own doing."""
    return _stopped.is_set()


def end_all() -> None:
    """End every process that runs."""
    for process in list(RUNNING):
        process.kill()
    for popen in list(PROGRAMS):
        _end_group(popen)


ENDINGS.append(end_all)


@contextlib.contextmanager
def beside(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that ask processes. Ctrl-C ends these, and starts none: so every thread comes to an end."""
    try:
        with ThreadPoolExecutor(threads) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                _stopped.set()
                end_all()
                raise
    except KeyboardInterrupt:
        _stopped.clear()
        raise


def running(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run` does; Ctrl-C ends it with all that it has started."""
    if _stopped.is_set():
        raise Stopped
    popen = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", start_new_session=os.name == "posix",
    )  # fmt: skip
    PROGRAMS.add(popen)
    if _stopped.is_set():  # while this was started, and `end_all` may have missed it
        _end_group(popen)
    try:
        out, err = popen.communicate()
    finally:
        _end_group(popen)
    if _stopped.is_set():
        raise Stopped
    return subprocess.CompletedProcess(command, popen.returncode, out, err)


def _end_group(popen: subprocess.Popen[Any]) -> None:
    """End a process, and what it has started, by force."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL) if os.name == "posix" else popen.kill()


def signal_name(number: int) -> str:
    """What a signal is called; those for real time have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Process:
    """A running worker. Three threads carry its pipes, so that none of them can block the judge."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it; OSError where that is not possible, Stopped after Ctrl-C."""
        if _stopped.is_set():
            raise Stopped
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=os.name == "posix",
        )  # fmt: skip
        RUNNING.add(self)
        self.limit = 1 << 20
        self.requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.lines: queue.Queue[bytes | Failure] = queue.Queue(maxsize=4)
        self.stderr = b""
        carry = (self._write, self._read, self._tail)
        self.threads = [threading.Thread(target=target, daemon=True) for target in carry]
        for thread in self.threads:
            thread.start()
        if _stopped.is_set():  # while this was started, and `end_all` may have missed it
            self.end()
            raise Stopped

    def exchange(self, line: bytes, deadline: float, limit: int) -> bytes:
        """Say a line and hear the next, of at most `limit` bytes within `deadline` seconds; or Failure."""
        if not self.lines.empty():
            self._raise_unasked(self.lines.get())
        self.limit = limit
        self.requests.put(line + b"\n")
        try:
            heard = self.lines.get(timeout=deadline)
        except queue.Empty:
            raise Failure("hang", f"no answer within {deadline:.3g} s{self.last_words()}") from None
        if isinstance(heard, Failure):
            raise self._crash() if heard.kind == "crash" else heard
        return heard

    def _raise_unasked(self, heard: bytes | Failure) -> None:
        if isinstance(heard, bytes):
            raise Failure("rubbish", f"said something that nothing had asked for: {wire.excerpt(heard)}")
        raise self._crash() if heard.kind == "crash" else heard

    def _crash(self) -> Failure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(1)
        self.threads[2].join(0.5)  # what it said last
        code = self.popen.poll()
        if code is None:
            how = "closed its stdout"
        elif code < 0:
            how = f"died of {signal_name(-code)}"
        else:
            how = f"exited with status {code}"
        return Failure("crash", f"{how} without an answer{self.last_words()}")

    def last_words(self) -> str:
        """The end of its stderr."""
        text = self.stderr[-TAIL:].decode("utf-8", "replace").strip()
        return f"; its stderr ends: {text}" if text else "; it wrote nothing on stderr"

    def end(self, patience: float = 0) -> None:
        """End it, and what it has started: by itself within `patience` seconds, or else by force."""
        self.requests.put(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(patience)
        self.kill()
        self.popen.wait()
        while True:  # let a reader that waits for room go on to its end
            try:
                self.lines.get_nowait()
            except queue.Empty:
                if not self.threads[1].is_alive():
                    break
                time.sleep(0.001)
        for thread in self.threads:
            thread.join(1)
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe:
                pipe.close()

    def kill(self) -> None:
        """End it, and what it has started, by force."""
        _end_group(self.popen)

    def _write(self) -> None:
        pipe: Any = self.popen.stdin
        with contextlib.suppress(OSError):
            while (line := self.requests.get()) is not None:
                sent = 0
                while sent < len(line):
                    sent += pipe.write(line[sent:])
        with contextlib.suppress(OSError):
            pipe.close()

    def _read(self) -> None:
        pipe: Any = self.popen.stdout
        held: list[bytes] = []
        size = 0
        while chunk := pipe.read(1 << 16):
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                held.append(part)
                self.lines.put(b"".join(held))
                held, size = [], 0
            held.append(rest)
            size += len(rest)
            if size > self.limit:
                self.lines.put(Failure("flood", f"a line of more than {self.limit} bytes"))
                return
        self.lines.put(Failure("crash", "its stdout ended"))

    def _tail(self) -> None:
        pipe: Any = self.popen.stderr
        while chunk := pipe.read(1 << 16):
            self.stderr = (self.stderr + chunk)[-2 * TAIL :]


class Introduced(Subject):
    """A subject that is, and claims, what its answer to hello says."""

    hello: wire.Hello
    remote = True

    def introduce(self, hello: wire.Hello) -> None:
        """Take its name, claims and traits from its hello."""
        self.hello = hello
        self.declares = hello.declares  # type: ignore[misc]
        for kind in KINDS:
            if (claimed := getattr(hello, kind)) is not None:
                setattr(self, kind, frozenset(claimed) if kind == "levels" else tuple(claimed))

    def version(self) -> str:
        """Name, version and language, in its own words."""
        return str(self.hello)

    def facts(self) -> dict[str, str]:
        """What it says that it runs on and with."""
        return self.hello.facts

    @property
    def title(self) -> str:
        """Its own name."""
        return self.hello.name


class WorkerSubject(Introduced):
    """What a command runs, as a subject; its name, levels and dtypes are what its hello says."""

    def __init__(self, command: str = "") -> None:
        """Start the command, split as a shell would, and say hello; SubjectError if it does not answer."""
        self.command = parse(command)
        self.pace = Pace()
        self.process: Process | None = None
        self.seq, self.failed_starts = 0, 0
        atexit.register(self.close)
        try:
            self.introduce(self.start())
        except Failure as e:
            raise SubjectError(f"worker {command!r} does not say hello: {e}") from e
        except wire.WireError as e:
            raise SubjectError(f"worker {command!r} says hello not as the protocol says: {e}") from e

    def start(self) -> wire.Hello:
        """Start the process and say hello to it."""
        try:
            self.process = Process(self.command)
        except OSError as e:
            raise SubjectError(f"worker {self.command[0]!r} cannot be started: {e.strerror}") from e
        try:
            patience = STARTING * self.pace.deadline
            line = self.process.exchange(wire.encode(wire.HelloRequest()), patience, 1 << 20)
            return wire.decode(line, wire.Hello)
        except (Failure, wire.WireError):
            self.close()
            raise

    def run(self, case: Case) -> Observation:
        """Ask the worker; whatever becomes of that is an Observation."""
        return self.answer(lambda seq: wire.RunRequest(seq, case), greatest(case))

    def attempt(self, attempt: Attempt) -> Observation:
        """Have the worker make the attempt, if it says that it can."""
        if "attempts" not in self.contract:
            return super().attempt(attempt)
        return self.answer(lambda seq: wire.AttemptRequest(seq, attempt), LARGEST)

    def answer(self, request: Callable[[int], Any], limit: int) -> Observation:
        """The answer to a request of the next number, in at most so many bytes, or what went wrong."""
        try:
            if self.process is None:
                self.restart()
            return self.ask(request, limit)
        except Failure as e:
            return Observation(error=Error("worker", e.kind, str(e)))
        except wire.WireError as e:
            return Observation(error=Error("worker", "rubbish", str(e)))

    def ask(self, request: Callable[[int], Any], limit: int) -> Observation:
        """One request and its answer; Failure, after which the process is gone, or WireError."""
        self.seq += 1
        said, begun = wire.encode(request(self.seq), base64=self.hello.base64), time.monotonic()
        process: Any = self.process
        try:
            line = process.exchange(said, self.pace.limit, limit)
            try:
                answer = wire.decode(line, wire.Answer)
            except wire.WireError as e:
                if not line.lstrip().startswith(b"{"):  # a print gone astray: nothing says what comes next
                    raise Failure("rubbish", str(e)) from e
                raise
            if answer.seq != self.seq:
                raise Failure("rubbish", f"answers request {answer.seq}, asked was {self.seq}")
        except Failure as e:
            self.pace.hung = self.pace.hung or e.kind == "hang"
            self.close()
            raise
        self.pace.longest = max(self.pace.longest, time.monotonic() - begun)
        return answer.observation()

    def restart(self) -> None:
        """A new process in place of one that is gone; Failure where it does not start any more."""
        if self.failed_starts >= STARTS:
            raise Failure("crash", f"it was given up, after {STARTS} starts in a row that failed")
        self.failed_starts += 1
        try:
            self.start()
        except SubjectError as e:
            raise Failure("crash", str(e)) from e
        self.failed_starts = 0

    def close(self) -> None:
        """End the process: it is told bye, and given a moment."""
        if self.process is not None:
            process, self.process = self.process, None
            process.requests.put(wire.encode(wire.ByeRequest()) + b"\n")
            process.end(0.0 if self.pace.hung else 0.5)


class TorchWorker(WorkerSubject):
    """torch.nn.RNN in any Python that has torch, from 1.0 on: ``torch@/path/to/python``."""

    def __init__(self, python: str, device: str = "cpu") -> None:
        """Start the one-file worker in that Python."""
        super().__init__(shlex.join([python, str(files.PACKAGE / "torch" / "worker.py"), device]))


class LibtorchSubject(WorkerSubject):
    """libtorch's C++ torch::nn::RNN: workers/libtorch, built."""

    def __init__(self) -> None:
        """Start the worker that has been built."""
        make = "workers/libtorch/build python3 workers/libtorch/worker"
        super().__init__(shlex.quote(ours("libtorch/worker", make)))


class TensorFlowJSSubject(WorkerSubject):
    """TensorFlow.js's simpleRNN in Node, on its backend cpu or wasm: workers/tfjs, its packages installed."""

    def __init__(self, backend: str = "cpu") -> None:
        """Start the worker on a backend."""
        packages = ours("tfjs/node_modules", "npm install --prefix workers/tfjs --ignore-scripts")
        super().__init__(shlex.join(["node", str(Path(packages).with_name("worker.mjs")), backend]))
        self.backend = backend

    @property
    def title(self) -> str:
        """Its name here, for its own has the backend in brackets."""
        return f"tfjs:{self.backend}"


class OnnxRuntimeNodeSubject(WorkerSubject):
    """ONNX Runtime in Node, native or wasm: workers/onnxruntime-node, its packages installed."""

    def __init__(self, flavour: str = "native") -> None:
        """Start the worker with one of the two."""
        make = "npm install --prefix workers/onnxruntime-node --ignore-scripts"
        packages = ours("onnxruntime-node/node_modules", make)
        super().__init__(shlex.join(["node", str(Path(packages).with_name("worker.mjs")), flavour]))


def ours(path: str, make: str) -> str:
    """A file of the repository's workers/; SubjectError with the command that makes it where it is not."""
    found = files.CHECKOUT / "workers" / path
    if not found.exists():
        raise SubjectError(f"workers/{path} is not there: in a clone of rnn-spec's repository, run {make}")
    return str(found)


def greatest(case: Case) -> int:
    """How many bytes an answer to this case may have: all that an Observation can hold of it, generously."""
    given = case.input.size + sum(a.size for a in case.parameters.values())
    given += case.h_0.size if case.h_0 is not None else 0
    c = case.config
    results = (case.input.size // c.input_size + 1) * c.num_directions * c.hidden_size * (1 + c.num_layers)
    return (1 << 20) + NUMBER * (2 * given + results)


def words_of(command: str) -> list[str]:
    """The command's words, as a shell would split it; on Windows a backslash separates folders."""
    if os.name == "posix":
        return shlex.split(command)
    return [word.strip('"') for word in shlex.split(command, posix=False)]


def parse(command: str) -> list[str]:
    """The command's words; SubjectError where it is none, or the program is not there."""
    try:
        words = words_of(command)
    except ValueError as e:
        raise SubjectError(f"worker {command!r} is not a command: {e}") from e
    if not words:
        raise SubjectError("worker: needs a command, as in 'worker:./my-worker --flag'")
    if shutil.which(words[0]) is None:
        raise SubjectError(f"worker {words[0]!r} is not a program that can be run")
    return words
