"""Files: where those that ship are, and others written whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent
"""Where the package lies: the repository, if it is not installed."""


def shipped(installed: str, checkout: str) -> Path:
    """A folder that ships: in the installed package, or else in the checkout beside it."""
    found = PACKAGE / installed
    return found if found.is_dir() else CHECKOUT / checkout


def write(path: Path, data: bytes) -> None:
    """Write atomically: whoever reads finds the old file or the new one, never a part. Folders are made."""
    make(path.parent)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as file:  # with the permissions that umask leaves, and not mkstemp's
            file.write(data)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def make(folder: Path) -> None:
    """Make a folder and those above it, where they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as e:
        raise NotADirectoryError(e.errno, "Not a directory", e.filename) from e


def try_folder(folder: Path) -> None:
    """Write a file in a folder that may not be there yet, and leave nothing of it; OSError says why not."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        write(folder / ".rnn-spec", b"")
        (folder / ".rnn-spec").unlink()
    finally:
        for part in missing:
            with contextlib.suppress(OSError):
                part.rmdir()
