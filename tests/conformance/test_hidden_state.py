"""h_0 and h_n: which state goes in where, and which comes out (area HID)."""

from __future__ import annotations

from rnn_spec.plugin import clause, every, standard

ONE_WAY = {"bidirectional": False, "batched": True, "batch_first": False}


@clause("HID-01")
@every(h_0=True)
def test_final_states_follow_from_the_given_h_0(case, check):
    """h_n is what the recurrence makes of the given h_0."""
    check.conforms(case, "h_n")


@clause("HID-06")
@standard(num_layers=1, **ONE_WAY)
def test_last_output_is_the_final_state(case, check):
    """With one layer and one direction the last output is h_n, bit for bit."""
    answer = check.ask(case)

    check.equal("output[-1]", answer.output[-1], answer.h_n[0])


@clause("HID-07")
@standard(num_layers=(2, 3), **ONE_WAY)
def test_last_output_is_the_last_layers_final_state(case, check):
    """With several layers the last output is h_n[-1], bit for bit."""
    answer = check.ask(case)

    check.equal("output[-1]", answer.output[-1], answer.h_n[-1])
