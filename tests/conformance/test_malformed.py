"""Malformed calls in every layout, padded, unbatched and packed (areas ERR, PCK and PRC).

Every edit of the shape of input and of h_0, every other dtype, and what is no tensor, one at a time, in every
layout, each in a configuration of its own. What is refused is derived by one rule, and listed nowhere.
"""

from __future__ import annotations

from rnn_spec.judge import refused
from rnn_spec.suite.marks import clause, malformed


@clause("ERR-01")
@malformed(clause="ERR-01")
def test_wrong_number_of_axes_of_input(negative, check):
    """An input of a wrong number of axes is refused by the call, in every layout."""
    refused_by_the_call(check, negative)


@clause("ERR-02")
@malformed(clause="ERR-02")
def test_wrong_last_axis_of_input(negative, check):
    """An input whose last axis is not input_size is refused by the call, in every layout."""
    refused_by_the_call(check, negative)


@clause("ERR-03")
@malformed(clause="ERR-03")
def test_h_0_that_does_not_fit(negative, check):
    """An h_0 that does not fit the layer and the input is refused by the call, padded or unbatched."""
    refused_by_the_call(check, negative)


@clause("ERR-04")
@malformed(clause="ERR-04")
def test_no_tensor(negative, check):
    """An input or h_0 that is no tensor is refused by the call, in every layout."""
    refused_by_the_call(check, negative)


@clause("PCK-13")
@malformed(clause="PCK-13")
def test_h_0_that_does_not_fit_a_packed_batch(negative, check):
    """An h_0 that does not fit the layer and the packed sequences is refused by the call."""
    refused_by_the_call(check, negative)


@clause("PRC-05")
@malformed(clause="PRC-05")
def test_other_dtype_than_the_parameters(negative, check):
    """An input or h_0 of another dtype, int64 and bool included, is refused by the call, in every layout."""
    refused_by_the_call(check, negative)


@clause("ERR-09")
@malformed(kind=("shape", "dtype"))
def test_class_of_the_refusal(negative, check):
    """A call of a wrong shape or dtype, where it is refused, gets a RuntimeError or a ValueError."""
    within_claims(check, negative)
    refused.by_its_class(check, negative)


@clause("ERR-13")
@malformed()
def test_message_of_the_refusal(negative, check):
    """The refusal of a malformed call names the argument, shows what was given, and says what is expected."""
    within_claims(check, negative)
    refused.in_words(check, negative)


@clause("ERR-14")
@malformed()
def test_refusal_leaves_everything_as_it_was(negative, check):
    """A malformed call, where it is refused, leaves the layer as it was, and the next valid call its bits."""
    within_claims(check, negative)
    refused.and_no_more(check, negative)


# -- helpers ------------------------------------------------------------------------------------


def refused_by_the_call(check, negative):
    """The malformed call is refused, by the layer that gets it."""
    within_claims(check, negative)
    refused.where_it_is_given(check, negative)


def within_claims(check, negative):
    """NotClaimed if the layer's dtype, or packed sequences, are not claimed."""
    packed = getattr(negative.attempt.call[0], "name", "") == "pack_padded_sequence"
    refused.claimed(check, negative.attempt.dtype, *(("lengths",) if packed else ()))
