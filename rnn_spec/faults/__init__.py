"""Named faults, by area; see `base`. Importing this package registers them all, those of place in PLACES."""

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
    place,
    precision,
    recurrence,
)
from rnn_spec.faults.base import FAULTS, PLACES, Fault

__all__ = [
    "FAULTS",
    "PLACES",
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
    "place",
    "precision",
    "recurrence",
]
