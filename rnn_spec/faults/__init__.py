"""Named faults, by area; see `base`. Importing this package registers them all in FAULTS."""

from rnn_spec.faults import (
    determinism,
    directions,
    dropout,
    edges,
    gradients,
    layout,
    module,
    packed,
    precision,
    recurrence,
    state,
)
from rnn_spec.faults.base import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "determinism",
    "directions",
    "dropout",
    "edges",
    "gradients",
    "layout",
    "module",
    "packed",
    "precision",
    "recurrence",
    "state",
]
