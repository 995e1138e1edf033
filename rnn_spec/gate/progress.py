"""How far several things are that are done at once: a line now and then, as long as any is at work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 5.0
"""Seconds between two lines."""


class Progress:
    """Steps that are done of steps that there are, by name; a context in which it is told."""

    def __init__(self, say: Callable[[str], None], every: float = EVERY) -> None:
        """Nothing is at work."""
        self.say, self.every = say, every
        self.done: dict[str, int] = {}
        self.total: dict[str, int] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Progress:
        """Begin to tell."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell no more."""
        self.ended.set()
        self.thread.join()

    def part(self, name: str) -> Part:
        """One of the things that are done."""
        return Part(self, name)

    def expect(self, name: str, steps: int) -> None:
        """So many steps more are to be done for a name."""
        self.total[name] = self.total.get(name, 0) + steps

    def step(self, name: str, steps: int = 1) -> None:
        """One of them, or so many, are done."""
        self.done[name] = self.done.get(name, 0) + steps

    def __str__(self) -> str:
        """How far each is."""
        at_work = [name for name in sorted(self.total) if self.done.get(name, 0) < self.total[name]]
        return ", ".join(f"{name}: {self.done.get(name, 0)} of {self.total[name]} asked" for name in at_work)

    def _tell(self) -> None:
        while not self.ended.wait(self.every):
            if line := str(self):
                self.say(line)


class Part(NamedTuple):
    """One of the things that are done at once, by its name."""

    progress: Progress
    name: str

    def expect(self, steps: int) -> None:
        """So many steps more are to be done for it."""
        self.progress.expect(self.name, steps)

    def step(self, steps: int = 1) -> None:
        """One of them, or so many, are done."""
        self.progress.step(self.name, steps)
