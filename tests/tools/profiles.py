"""Claims as implementers have them, by name: what a layer has that is on its way, or has less than torch."""

from __future__ import annotations

from rnn_spec.questions.claims import Claims
from rnn_spec.questions.records import LEVELS

BOTH = ("float64", "float32")
FRAMEWORK = tuple(level for level in LEVELS if level not in ("precision", "torch_api"))
"""What a layer outside torch can claim in ordinary dtypes."""
HALF = (*FRAMEWORK, "precision")
WHOLE = LEVELS


def on_the_way(*dtypes: str) -> dict[str, Claims]:
    """The levels one after the other, in these dtypes."""
    return {
        f"up to {FRAMEWORK[n - 1]}, {' and '.join(dtypes)}": Claims(frozenset(FRAMEWORK[:n]), dtypes)
        for n in range(1, len(FRAMEWORK) + 1)
    }


def claims(*levels: str, dtypes: tuple[str, ...] = BOTH, **kinds: tuple[object, ...]) -> Claims:
    """Claims of these levels; FRAMEWORK if none is named."""
    return Claims(frozenset(levels or FRAMEWORK), dtypes, **kinds)  # type: ignore[arg-type]


WEIGHTS_ONLY = {"gradients": ("input", "parameters"), "cotangents": ("output",)}
"""What most backward passes written by hand are."""

PROFILES = {
    **on_the_way("float64"),
    **on_the_way("float32"),
    "each dtype": claims(*HALF, dtypes=("float64", "float32", "float16", "bfloat16")),
    "float64, torch_api": claims(*FRAMEWORK, "torch_api", dtypes=("float64",)),
    "float32, torch_api": claims(*FRAMEWORK, "torch_api", dtypes=("float32",)),
    "float16": claims(*HALF, dtypes=("float16",)),
    "bfloat16": claims(*HALF, dtypes=("bfloat16",)),
    "float16 and bfloat16, torch_api": claims(*WHOLE, dtypes=("float16", "bfloat16")),
    "float32 and float16": claims(*HALF, dtypes=("float32", "float16")),
    "tanh": claims(nonlinearities=("tanh",)),
    "relu": claims(nonlinearities=("relu",)),
    "tanh in float64": claims(dtypes=("float64",), nonlinearities=("tanh",)),
    "relu in float32": claims(dtypes=("float32",), nonlinearities=("relu",)),
    "always a bias": claims(bias=(True,)),
    "never a bias": claims(bias=(False,)),
    "never a bias, float32": claims(dtypes=("float32",), bias=(False,)),
    "a state that must be given": claims(h_0=("given",)),
    "gradient of the input alone": claims(gradients=("input",)),
    "gradients of the parameters alone": claims(gradients=("parameters",)),
    "no gradient of h_0": claims(gradients=("input", "parameters")),
    "cotangents of output alone": claims(cotangents=("output",)),
    "cotangents of h_n alone": claims(cotangents=("h_n",)),
    "no gradient of h_0, cotangents of output": claims(**WEIGHTS_ONLY),
    "cell and gradients": claims("cell", "gradients"),
    "sequence and gradients": claims("cell", "sequence", "gradients"),
    "sequence and gradients, tanh, float64": claims(
        "cell", "sequence", "gradients", dtypes=("float64",), nonlinearities=("tanh",)
    ),
    "sequence and gradients, tanh with a bias, float32": claims(
        "cell",
        "sequence",
        "gradients",
        dtypes=("float32",),
        nonlinearities=("tanh",),
        bias=(True,),
        **WEIGHTS_ONLY,
    ),
    "two directions and gradients, no stack": claims("cell", "sequence", "bidirectional", "gradients"),
    "stack and gradients, relu, float64": claims(
        "cell",
        "sequence",
        "stack",
        "gradients",
        dtypes=("float64",),
        nonlinearities=("relu",),
        **WEIGHTS_ONLY,
    ),
    "stack and dropout, tanh, float64": claims(
        "cell", "sequence", "stack", "dropout", dtypes=("float64",), nonlinearities=("tanh",)
    ),
    "lengths without directions": claims("cell", "sequence", "stack", "lengths"),
    "sequence, relu, never a bias, h_0 given, float32": claims(
        "cell", "sequence", dtypes=("float32",), nonlinearities=("relu",), bias=(False,), h_0=("given",)
    ),
}
