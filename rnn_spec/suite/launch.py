"""The suite, run by pytest as the command runs it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rnn_spec import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNUSED = ("cacheprovider", "faulthandler", "logging", "threadexception", "unraisableexception")
"""What of pytest the command does without: it costs time around every check."""
PLUGINS = ("xdist.plugin", "rnn_spec.suite.plugin")
"""What pytest runs with, and nothing else."""


def suite() -> Path:
    """Where the conformance modules are: in the installed package, or in the checkout beside it."""
    return files.shipped("conformance", "tests/conformance")


SETTINGS = {
    "OMP_NUM_THREADS": "1",  # the layers are small: more threads only get in the way
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # an exporter's warnings, past Python's, would bury the table
}


@contextmanager
def settled(**more: str) -> Iterator[pytest.MonkeyPatch]:
    """An environment with SETTINGS and `more`, but for those that the user has made; afterwards as it was."""
    settings = SETTINGS | more
    with pytest.MonkeyPatch.context() as environment:
        for name in settings.keys() - os.environ.keys():
            environment.setenv(name, settings[name])
        yield environment


def run_suite(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """Run the suite as `rnn-spec check` does, whatever pytest configuration lies about."""
    folder, ini = suite(), Path(__file__).with_name("suite.ini")
    places = ["-c", str(ini), f"--rootdir={folder}", f"--confcutdir={folder}"]
    loaded = [*(f"-p{name}" for name in PLUGINS), *(f"-pno:{name}" for name in UNUSED)]
    quiet = ["-qq", "--tb=no", "-rN"]
    with settled() as environment:
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            environment.delenv(name, raising=False)
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        options = [*places, *loaded, *quiet, "--whole", str(folder), *arguments]
        return int(pytest.main(options, plugins=plugins))
