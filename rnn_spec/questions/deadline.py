"""How long a subject may take for a case, and what ends one in this process that takes longer.

A thread looks a few times a second at the case that runs. When its time is over, the main thread is sent
a signal, whose handler raises Hang there: it wakes a sleep, and ends a loop of Python's. What does not
come back to Python cannot be ended so; then `abandon` is called, and the process ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE = 30.0
"""Seconds that a case may take, unless the environment's RNN_SPEC_DEADLINE says otherwise."""
HASTE = 20
"""After a subject has hung, a case may take this many times the longest answer so far, and a second."""
GRACE = 10.0
"""Seconds that a case which has to end may take to do so."""
LOOK = 0.2
"""Seconds between two looks."""
T = TypeVar("T")
_exit = os._exit  # a subject may be kept from calling this, and we are not


class Hang(BaseException):
    """Raised in the midst of what takes too long. No Exception: what catches those must not catch it."""


class Pace:
    """How fast a subject answers: the longest answer so far, and whether one has been waited for in vain."""

    def __init__(self) -> None:
        """Begin with what is allowed to everybody."""
        self.longest, self.hung = 0.0, False
        self.deadline = float(os.environ.get("RNN_SPEC_DEADLINE", DEADLINE))

    @property
    def limit(self) -> float:
        """Seconds that the next case may take."""
        return min(self.deadline, 1 + HASTE * self.longest) if self.hung else self.deadline


class Watchdog:
    """The thread, and what it looks at: `case` is the id of the case that runs, or ran last."""

    def __init__(self) -> None:
        """Begin with nothing to watch; the thread starts with the first case."""
        self.case, self.until, self.limit, self.interrupted = "", 0.0, 0.0, False
        self.abandon: Callable[[str], None] = _say
        self.process = 0

    def run(self, case: str, call: Callable[[], T], pace: Pace) -> T:
        """What `call` returns; Hang if that takes longer than the pace allows."""
        if self.process != os.getpid():
            self.start()
        begun = time.monotonic()
        self.case, self.limit = case, pace.limit
        try:
            self.until = begun + self.limit
            try:
                return call()
            finally:
                self.until = 0.0
        except Hang:
            self.until, pace.hung = 0.0, True
            raise
        except KeyboardInterrupt:
            self.interrupted = True
            raise
        finally:
            if not pace.hung:
                pace.longest = max(pace.longest, time.monotonic() - begun)

    def start(self) -> None:
        """Start the thread, in the process that asks; where the signal is in use, it stays so."""
        self.process, self.signalled = os.getpid(), False
        if hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread():
            with contextlib.suppress(ValueError):
                if signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, self.alarmed):
                    signal.signal(signal.SIGALRM, self.alarmed)
                    self.signalled = True
        threading.Thread(target=self.look, daemon=True, name="rnn-spec deadline").start()

    def alarmed(self, *_: object) -> None:
        """The signal has come: end what runs, if it still does."""
        if self.over:
            raise Hang

    @property
    def over(self) -> bool:
        """Whether a case runs whose time is over."""
        return 0.0 < self.until < time.monotonic()

    def look(self) -> None:
        """Look, for as long as the process lives."""
        main: Any = threading.main_thread().ident
        while True:
            time.sleep(LOOK)
            if self.over and self.signalled:
                signal.pthread_kill(main, signal.SIGALRM)
            if self.over and time.monotonic() > self.until + GRACE:
                self.give_up(main)

    def give_up(self, main: int) -> None:
        """Say which case it is and where it stands, and end the process with status 2."""
        place = "".join(traceback.format_stack(sys._current_frames()[main])[-3:]).rstrip()
        try:
            self.abandon(
                f"the subject takes more than {self.limit:.3g} s for the case {self.case}, and cannot be "
                f"interrupted: the run ends here; 'worker:rnn-spec serve SUBJECT' judges it in a process "
                f"that can be ended. It is at\n{place}"
            )
        finally:
            _exit(2)


def _say(sentence: str) -> None:
    print(f"Error: {sentence}", file=sys.__stderr__, flush=True)


WATCHDOG = Watchdog()
