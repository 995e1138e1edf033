"""The two bias vectors, and their absence (area BIA)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn_spec.judge.laws import derive
from rnn_spec.suite.marks import clause, named, standard


@clause("BIA-01")
@standard(bias=False, dropout=(0.0, 1.0))
def test_no_bias_is_zero_biases(case, check):
    """A layer without bias answers as one whose biases are all zero."""
    config = replace(case.config, bias=True)
    zeros = {name: np.zeros(shape) for name, shape in config.parameter_shapes().items() if "bias" in name}
    probe = derive(case, "zero biases", config=config, parameters={**case.parameters, **zeros})

    answer = check.ask(probe)

    check.same(case, output=answer.output, h_n=answer.h_n)


@clause("BIA-01")
@standard(bias=False, dropout=0.0)
def test_without_bias_zeros_stay_zeros(case, check):
    """Without bias an input and an h_0 of zeros give an output and an h_n of zeros."""
    h_0 = None if case.h_0 is None else np.zeros_like(case.h_0)

    answer = check.ask(derive(case, "zeros", input=np.zeros_like(case.input), h_0=h_0))

    check.equal("output", answer.output, np.zeros(answer.output.shape))
    check.equal("h_n", answer.h_n, np.zeros(answer.h_n.shape))


@clause("BIA-02")
@named(
    "cell-L1-tanh-float32",
    "small-L1-tanh-float64",
    "small-L2-relu-float32",
    "small-L2-tanh-bi-float64",
    "odd-L3-relu-float32",
)
def test_biases_may_be_exchanged(case, check):
    """Exchanging bias_ih and bias_hh of every layer and direction changes nothing."""
    other = {"bias_ih": "bias_hh", "bias_hh": "bias_ih"}
    parameters = {other.get(name[:7], name[:7]) + name[7:]: value for name, value in case.parameters.items()}

    answer = check.ask(derive(case, "biases exchanged", parameters=parameters))

    check.same(case, output=answer.output, h_n=answer.h_n)


@clause("BIA-02")
@named("cell-L1-relu-float32", "small-L2-tanh-float64", "small-L1-relu-bi-float32")
def test_biases_may_be_merged(case, check):
    """Moving both biases into bias_ih, and leaving bias_hh zero, changes nothing."""
    parameters = dict(case.parameters)
    for name in case.parameters:
        if name.startswith("bias_ih"):
            other = name.replace("_ih", "_hh")
            parameters[name] = case.parameters[name] + case.parameters[other]
            parameters[other] = np.zeros_like(case.parameters[other])

    answer = check.ask(derive(case, "biases merged", parameters=parameters))

    check.same(case, output=answer.output, h_n=answer.h_n)
