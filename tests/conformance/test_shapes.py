"""Shapes of results and parameters, and the parameters' names and order (areas SHP and PAR)."""

from __future__ import annotations

from rnn_spec.suite.marks import clause, standard


@clause("SHP-01")
@standard(batched=True, batch_first=False)
def test_output_shape(case, check):
    """output is (L, N, D * hidden_size) for input of (L, N, input_size)."""
    answer = check.ask(case, shaped=False)

    (T, N, _), c = case.input.shape, case.config
    check.equal("output's shape", answer.output.shape, (T, N, c.num_directions * c.hidden_size))


@clause("SHP-02")
@standard(batched=True)
def test_final_states_shape(case, check):
    """h_n is (D * num_layers, N, hidden_size), whatever the layout of input."""
    answer = check.ask(case, shaped=False)

    c, N = case.config, case.input.shape[0 if case.config.batch_first else 1]
    check.equal("h_n's shape", answer.h_n.shape, (c.num_directions * c.num_layers, N, c.hidden_size))


@clause("SHP-06")
@standard()
def test_every_call_returns_output_and_final_states(case, check):
    """Every call returns output, with the axes of input, then h_n, an entry a layer and direction."""
    answer = check.ask(case, shaped=False)

    c = case.config
    check.equal("output's leading axes", answer.output.shape[:-1], case.input.shape[:-1])
    check.equal("h_n's first axis", answer.h_n.shape[0], c.num_directions * c.num_layers)


@clause("PAR-01")
@standard(bidirectional=False)
def test_names_of_each_layers_parameters(case, check):
    """Layer k has weight_ih_l{k} and weight_hh_l{k}, and with bias bias_ih_l{k} and bias_hh_l{k}."""
    names = set(check.parameters(case))

    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if case.config.bias else 2]
    missing = {f"{kind}_l{k}" for k in range(case.config.num_layers) for kind in kinds} - names
    check.equal("missing parameters", missing, set())


@clause("PAR-02")
@standard(bidirectional=True)
def test_names_of_the_reverse_directions_parameters(case, check):
    """Each parameter of the forward direction has a twin of the same name and shape, with _reverse."""
    shapes = check.parameters(case)

    forward = {name: shape for name, shape in shapes.items() if not name.endswith("_reverse")}
    check.equal("twins", {n[:-8]: s for n, s in shapes.items() if n.endswith("_reverse")}, forward)


@clause("PAR-03")
@standard()
def test_shape_of_weight_ih_of_layer_0(case, check):
    """weight_ih of layer 0 is (hidden_size, input_size)."""
    shapes = check.parameters(case)

    check.equal(
        "shape of weight_ih_l0", shapes.get("weight_ih_l0"), (case.config.hidden_size, case.config.input_size)
    )


@clause("PAR-04")
@standard(num_layers=(2, 3), bidirectional=False)
def test_shape_of_weight_ih_above_layer_0(case, check):
    """With one direction weight_ih above layer 0 is (hidden_size, hidden_size)."""
    shapes, H = check.parameters(case), case.config.hidden_size

    for k in range(1, case.config.num_layers):
        check.equal(f"shape of weight_ih_l{k}", shapes.get(f"weight_ih_l{k}"), (H, H))


@clause("PAR-05")
@standard(num_layers=(2, 3), bidirectional=True)
def test_shape_of_weight_ih_above_layer_0_with_two_directions(case, check):
    """With two directions weight_ih above layer 0 is (hidden_size, 2 * hidden_size), in both of them."""
    shapes, H = check.parameters(case), case.config.hidden_size

    for k in range(1, case.config.num_layers):
        for name in (f"weight_ih_l{k}", f"weight_ih_l{k}_reverse"):
            check.equal(f"shape of {name}", shapes.get(name), (H, 2 * H))


@clause("PAR-06")
@standard()
def test_shape_of_weight_hh(case, check):
    """weight_hh of every layer and direction is (hidden_size, hidden_size)."""
    shapes, c = check.parameters(case), case.config

    found = [shape for name, shape in shapes.items() if name.startswith("weight_hh")]
    check.equal(
        "shapes of weight_hh", found, [(c.hidden_size, c.hidden_size)] * c.num_layers * c.num_directions
    )


@clause("PAR-07")
@standard(bias=True)
def test_shape_of_biases(case, check):
    """Both biases of every layer and direction are (hidden_size)."""
    shapes, c = check.parameters(case), case.config

    for kind in ("bias_ih", "bias_hh"):
        found = [shape for name, shape in shapes.items() if name.startswith(kind)]
        check.equal(f"shapes of {kind}", found, [(c.hidden_size,)] * c.num_layers * c.num_directions)


@clause("PAR-08")
@standard()
def test_order_of_parameters(case, check):
    """Parameters come by layer, then direction, then weight_ih, weight_hh, bias_ih, bias_hh."""
    kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]

    names = list(check.parameters(case))

    place = {
        f"{kind}_l{k}{suffix}": (k, len(suffix), i)
        for k in range(case.config.num_layers)
        for suffix in ("", "_reverse")
        for i, kind in enumerate(kinds)
    }
    check.equal("order of the parameters", names, sorted(names, key=lambda name: place.get(name, (-1, 0, 0))))


@clause("PAR-10")
@standard()
def test_number_of_parameters(case, check):
    """There are two weights and, unless bias=False, two biases a layer and direction, and nothing else."""
    c = case.config

    names = list(check.parameters(case))

    check.equal("number of parameters", len(names), c.num_layers * c.num_directions * (4 if c.bias else 2))
