"""rnn-spec: what torch.nn.RNN is, in code that runs, and a judge of everything that claims to be it."""

__version__ = "0.1.0"

from rnn_spec.questions.records import Attempt, Call, Case, Cotangents, Error, Expectation, Observation
from rnn_spec.spec.model import Config
from rnn_spec.subjects.base import Subject
from rnn_spec.suite.in_pytest import parametrize
from rnn_spec.torch.assertion import assert_conforms
from rnn_spec.torch.eager import TorchSubject

__all__ = [
    "Attempt",
    "Call",
    "Case",
    "Config",
    "Cotangents",
    "Error",
    "Expectation",
    "Observation",
    "Subject",
    "TorchSubject",
    "assert_conforms",
    "parametrize",
]
