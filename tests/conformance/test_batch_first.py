"""batch_first: which axes it exchanges, and which it does not (area BF)."""

from __future__ import annotations

from dataclasses import replace

from rnn_spec.questions.data import SIZES
from rnn_spec.questions.records import Cotangents
from rnn_spec.suite.marks import clause, named, standard

BATCH_FIRST = (
    "small-L1-tanh-batch_first-float32",
    "small-L2-relu-bi-batch_first-float64",
    "odd-L2-tanh-bi-batch_first-float32",
    "square-L1-tanh-bi-batch_first-float64",
    "square-L3-relu-batch_first-float32",
    "batch-L1-relu-batch_first-noh0-float32",
)
SQUARE = (
    "square-L1-tanh-batch_first-float32",
    "square-L2-tanh-bi-batch_first-float64",
    "square-L3-relu-bi-batch_first-float32",
)


@clause("BF-01")
@standard(batch_first=True, batched=True)
def test_output_has_batch_first(case, check):
    """With batch_first=True output has the shape (batch, seq_len, D * hidden_size)."""
    size = SIZES[case.id.split("-")[0]]

    shape = check.ask(case).output.shape

    check.equal(
        "output.shape", shape, (size.batch, size.seq_len, case.config.num_directions * size.hidden_size)
    )


@clause("BF-01")
@named(*SQUARE)
def test_where_time_and_batch_are_equal_the_first_axis_is_the_batch(case, check):
    """Where seq_len equals batch each index of the first axis is one sequence, in input and in output."""
    check.conforms(case, "output")


@clause("BF-01")
@named(*SQUARE)
def test_rows_of_the_first_axis_do_not_meet(case, check):
    """With batch_first=True the output at index n of the first axis depends on the input at index n alone."""
    changed = case.input.copy()
    changed[1] *= -1
    other = case.derive("row 1 negated", input=changed, cotangents=None)

    before, after = check.ask(case).output, check.ask(other).output

    bounds = check.expect(case).arrays["output"]
    check.agree("output[0]", after[0], before[0], bounds[0])
    check.agree("output[2:]", after[2:], before[2:], bounds[2:])


@clause("BF-02")
@standard(batch_first=True, batched=True)
def test_states_keep_the_layer_axis_first(case, check):
    """With batch_first=True h_n still has the shape (D * num_layers, batch, hidden_size)."""
    c, size = case.config, SIZES[case.id.split("-")[0]]

    shape = check.ask(case).h_n.shape

    check.equal("h_n.shape", shape, (c.num_directions * c.num_layers, size.batch, size.hidden_size))


@clause("BF-02")
@named("square-L3-tanh-bi-batch_first-float64", "square-L3-relu-bi-batch_first-float32")
def test_where_batch_and_layers_are_equal_states_are_not_transposed(case, check):
    """Where batch equals D * num_layers the first axis of h_0 and h_n is the layers' and directions'."""
    check.conforms(case, "h_n", "grad h_0")


@clause("BF-02")
@named(*BATCH_FIRST)
def test_final_states_do_not_depend_on_batch_first(case, check):
    """The same h_0 gives the same h_n with batch_first=True and with batch_first=False."""
    twin = time_first(case)

    expected = check.ask(twin).h_n

    check.agree("h_n", check.ask(case).h_n, expected, check.expect(case).arrays["h_n"])


@clause("BF-03")
@named(*BATCH_FIRST)
def test_transposed_input_gives_transposed_output(case, check):
    """batch_first=True on the transposed input gives the transposed output."""
    twin = time_first(case)

    expected = check.ask(twin).output.swapaxes(0, 1)

    check.agree("output", check.ask(case).output, expected, check.expect(case).arrays["output"])


@clause("BF-03")
@named(*BATCH_FIRST)
def test_transposed_input_gives_the_same_gradients(case, check):
    """batch_first=True changes no gradient but for the transposition of the input's."""
    expected = dict(check.gradients(time_first(case)))
    expected["input"] = expected["input"].swapaxes(0, 1)

    for name, got in check.gradients(case).items():
        check.agree(f"grad {name}", got, expected[name], check.expect(case).arrays[f"grad {name}"])


def time_first(case):
    """The same question with batch_first=False and everything laid out for it."""
    return case.derive(
        "time first",
        config=replace(case.config, batch_first=False),
        input=case.input.swapaxes(0, 1),
        cotangents=Cotangents(case.cotangents.output.swapaxes(0, 1), case.cotangents.h_n),
    )
