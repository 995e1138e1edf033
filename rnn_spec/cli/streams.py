"""stdout and stderr that never raise: what cannot be shown is lost, and remembered, and the run goes on."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = {"✗": "x", "✅": "ok:", "❌": "x", "→": "->", "·": ".", "…": "...", "─": "-", "×": "x", "−": "-"}
"""What our own signs are where the terminal's encoding has them not; any other is a question mark."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("rnn-spec", _plain)


class Unfailing(io.RawIOBase):
    """A raw stream that keeps the first error of the one beneath it, and says that all was written.

    A reader that has left, as `head` does, has seen what it wanted: that is no loss.
    """

    def __init__(self, raw: Any) -> None:
        """Write to `raw`; to nothing where it is None."""
        self.raw, self.lost = raw, ""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """That of the stream beneath."""
        if self.raw is None:
            raise OSError("closed")
        return int(self.raw.fileno())

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self.raw is not None and bool(self.raw.isatty())

    def write(self, data: Any) -> int:
        """Write what can be written; the rest counts as written."""
        if self.raw is not None:
            try:
                written: int = self.raw.write(data) or 0
                return written
            except BrokenPipeError:
                self.raw = None
            except OSError as e:
                self.raw, self.lost = None, e.strerror or type(e).__name__
        return len(data)


def _wrapped(stream: Any) -> io.TextIOWrapper:
    buffer = getattr(stream, "buffer", None)
    raw = Unfailing(getattr(buffer, "raw", buffer))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, "rnn-spec", line_buffering=raw.isatty(),
        write_through=bool(getattr(stream, "write_through", False)),
    )  # fmt: skip


@contextlib.contextmanager
def unfailing() -> Iterator[None]:
    """stdout and stderr never raise, in a process whose own they are; a test's stay as they are."""
    if os.name == "posix":
        while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # a closed stdout would be the next file's number
            pass
        os.close(fd)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            with contextlib.suppress(Exception):
                stream.flush()
            setattr(sys, name, _wrapped(stream))
    yield


def lost(stream: Any) -> str:
    """What became of a stream's words, where they could not be written; else nothing."""
    with contextlib.suppress(Exception):
        stream.flush()
    return str(getattr(getattr(getattr(stream, "buffer", None), "raw", None), "lost", ""))
