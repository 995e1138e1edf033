"""Which subject a name means: a name of ours, an entry point, or ``package.module:attribute``."""

from __future__ import annotations

import importlib
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_spec.subjects.base import Subject
from rnn_spec.subjects.base import SubjectError as SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = {
    "torch": "rnn_spec.torch.eager:find",
    "spec": "rnn_spec.subjects.spec:SpecSubject",
    "fault": "rnn_spec.lineup.faulty:find",
    "worker": "rnn_spec.far.process:WorkerSubject",
    "answers": "rnn_spec.far.answers:AnswersSubject",
    "libtorch": "rnn_spec.far.process:LibtorchSubject",
    "tfjs": "rnn_spec.far.process:TensorFlowJSSubject",
    "onnxruntime-node": "rnn_spec.far.process:OnnxRuntimeNodeSubject",
    "flax": "rnn_spec.peers.flax_rnn:find",
    "haiku": "rnn_spec.peers.haiku_rnn:HaikuSubject",
    "keras": "rnn_spec.peers.keras_simple_rnn:find",
    "mlx": "rnn_spec.peers.mlx_rnn:MlxSubject",
    "onnx": "rnn_spec.peers.onnx_operator:OnnxReferenceSubject",
    "onnxruntime": "rnn_spec.peers.onnx_operator:OnnxRuntimeSubject",
    "openvino": "rnn_spec.peers.onnx_operator:OpenVinoSubject",
    "paddle": "rnn_spec.peers.paddle_simple_rnn:PaddleSubject",
}
"""The subjects that ship. ``torch:DEVICE`` is torch on that device, ``torch:ROUTE`` torch on a route,
``torch@PYTHON`` torch in another Python, ``fault:NAME`` a named fault,
``worker:COMMAND`` whatever the command runs, and ``answers:ANSWERS@CASES`` what lies in files."""

INSTALL = {
    "torch": "torch==2.13.0",
    "flax": "flax jax",
    "haiku": "dm-haiku jax",
    "keras": "keras torch",
    "keras:jax": "keras jax",
    "keras:tensorflow": "keras tensorflow",
    "mlx": "'mlx[cpu]' ml_dtypes",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime onnx",
    "openvino": "openvino onnx",
    "paddle": "paddlepaddle",
}
"""What to give pip for a subject of ours."""

GROUP = "rnn_spec.subjects"
"""The entry-point group in which other packages register theirs."""


def names() -> list[str]:
    """Every name that `load` knows without being told a module."""
    return sorted({*OURS, *(point.name for point in entry_points(group=GROUP))})


def load(name: str) -> Subject:
    """The subject that `name` means, made and ready; SubjectError where there is none."""
    base, _, argument = name.partition(":")
    known = called(base)
    target, arguments = (known, [argument] if argument else []) if known else (name, [])
    if name in (f"{base}:", "torch@") and base not in ("worker", "answers", "fault"):
        raise SubjectError(f"subject {name!r} ends where its other half should follow")
    if name.startswith("torch@"):
        target, arguments = "rnn_spec.far.process:TorchWorker", [name.removeprefix("torch@")]
    if ":" not in target:
        raise SubjectError(
            f"no subject is called {name!r}: known are {', '.join(names())}, "
            "and your own is given as package.module:attribute"
        )
    found = _attribute(name, target)
    if isinstance(found, Subject):
        return found
    try:
        subject = found(*arguments)
    except SubjectError:
        raise
    except ImportError as e:
        raise SubjectError(
            f"subject {name!r} cannot import what it judges ({type(e).__name__}: {e}): install it{_how(name)}"
        ) from e
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # SystemExit, too
        said = f"{type(e).__name__}: {textwrap.shorten(str(e), 150, placeholder=' ...')}"
        raise SubjectError(f"subject {name!r} cannot be made ({said})") from e
    if not isinstance(subject, Subject):
        raise SubjectError(f"subject {name!r} is a {type(subject).__name__}, not an rnn_spec.Subject")
    if problem := subject.claims.problem():
        raise SubjectError(f"subject {name!r}: {problem}")
    return subject


def called(base: str) -> str | None:
    """What is registered by this name; SubjectError where two are, so that neither is preferred."""
    owners = [("rnn-spec's", OURS.get(base, ""))] if base in OURS else []
    for point in entry_points(group=GROUP):
        if point.name == base:
            package = getattr(point.dist, "name", None) or point.value.partition(":")[0]
            owners.append((f"that of the package {package}", point.value))
    if len(owners) > 1:
        (one, _), (other, _) = owners[:2]
        raise SubjectError(
            f"two subjects are called {base!r}: one is {one}, the other {other}; "
            "give the one you mean as package.module:attribute"
        )
    return owners[0][1] if owners else None


def _attribute(name: str, target: str) -> Callable[..., Any] | Subject:
    module, _, attribute = target.partition(":")
    if (here := str(Path.cwd())) not in sys.path:  # a subject may lie in the folder one works in
        sys.path.append(here)  # last: a folder called jax is not JAX
    try:
        found: Any = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # a script without a main guard may call sys.exit
        raise SubjectError(
            f"subject {name!r}: module {module!r} cannot be imported ({type(e).__name__}: {_line(e)})"
        ) from e
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SubjectError(f"subject {name!r}: module {module!r} has no {attribute!r}")
        found = getattr(found, part)
    if not callable(found) and not isinstance(found, Subject):
        raise SubjectError(f"subject {name!r}: {attribute!r} is neither a Subject nor makes one")
    made: Callable[..., Any] | Subject = found
    return made


def _how(name: str) -> str:
    what = INSTALL.get(name, INSTALL.get(name.partition(":")[0]))
    return "" if what is None else f": pip install {what}"


def _line(e: BaseException) -> str:
    return " ".join(str(e).split())
