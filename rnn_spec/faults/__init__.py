"""Named faults, by area; see `base`. Importing this package registers them all in FAULTS."""

from rnn_spec.faults import (
    constructor,
    determinism,
    directions,
    dropout,
    edges,
    gradients,
    layout,
    lifetime,
    packed,
    precision,
    recurrence,
)
from rnn_spec.faults.base import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "constructor",
    "determinism",
    "directions",
    "dropout",
    "edges",
    "gradients",
    "layout",
    "lifetime",
    "packed",
    "precision",
    "recurrence",
]
