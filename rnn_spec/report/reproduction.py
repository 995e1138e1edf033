"""A stand-alone script for what a torch.nn.RNN answered wrongly: torch and NumPy only.

A plain case takes at most 40 lines; deeds, layouts and routes bring their source (`report.excerpt`). It ends
with status 1 where what it prints is wrong still, and 0 where it is right.
"""

from __future__ import annotations

import pprint
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from rnn_spec.report.excerpt import excerpt, written
from rnn_spec.torch.ways import LAYOUTS, MODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.judge.compare import Comparison
    from rnn_spec.questions.records import Call, Case

SCRIPT = '''\
"""{clause}, case {case}: {title}

{sentence}
"""
{source}import numpy as np, torch
{defined}
def dyadic(exponent, shape, text):  # integers times 2^-exponent: exact in every dtype
    integers = np.array(text.split(), float).reshape(shape)
    return torch.tensor(np.ldexp(integers, -exponent), dtype=torch.{dtype})

arrays = {{
{data}
}}
arrays = {{name: dyadic(*value) for name, value in arrays.items()}}
rnn = {layer}(**{config}).to(torch.{dtype}).train({training})
rnn.load_state_dict({{name: value for name, value in arrays.items() if name in rnn.state_dict()}})
torch.manual_seed({seed})
{call}
{shown}'''

STEPS = """
def do(rnn, *steps):  # what is done to the layer
    for step in steps:
        made = step(rnn)
        rnn = made if isinstance(made, torch.nn.Module) else rnn
    return rnn
"""

PACKED = """\
from torch.nn.utils.rnn import pack_padded_sequence as pack, pad_packed_sequence as pad
layout = {{"batch_first": rnn.batch_first}}
packed = pack(x, {lengths}, enforce_sorted=False, **layout){laid}
{under}output, h_n = {run}(packed{h_0})
output = pad(output, total_length=x.shape[1 if rnn.batch_first else 0], **layout)[0]"""

GRADIENTS = """\
found = torch.autograd.grad([output, h_n], list(leaves.values()), [arrays["g_output"], arrays["g_h_n"]])
got.update({"grad " + n: g for n, g in zip(leaves, found)})"""

ARRIVED = """\
given = [{output}(arrays["g_output"].to(output)), {h_n}(arrays["g_h_n"].to(h_n))]
torch.autograd.backward([output, h_n], given)
got.update({{"grad " + n: t.grad for n, t in leaves.items() if t.grad is not None}})"""

COMPARED = """\
got = got[{name!r}].detach().double().numpy()
print("shape   ", got.shape, "expected", {shape})
print("got     ", value := got[{position}].item())
print("expected", expected := {expected}, "within", bound := {bound})
right = abs(value - expected) <= bound or value == expected or value != value and expected != expected
raise SystemExit(int(not right))
"""

TOLD = 'print("output", tuple(output.shape), "h_n", tuple(h_n.shape))\n'
"""What is shown where no error is raised any more."""


def script(
    case: Case,
    clause: str,
    comparison: Comparison | None,
    subject: str,
    shape: tuple[int, ...],
    *,
    difference: str = "",
    layer: str = "torch.nn.RNN",
    last: str = "",
) -> str | None:
    """The script that shows what a layer answers to `case` where the comparison was worst.

    Where nothing was compared it says the `difference`, and `last` shows it; what was raised shows itself.
    `layer` is the class, by the module that it is imported from. None where some deed cannot stand alone.
    """
    names = [*case.deeds, *([case.route] if case.route else [])]
    sources = {name: written(name) for name in names if name not in INPUTS}
    if None in sources.values():
        return None
    title, sentence = f"{difference.splitlines()[0] if difference else ''}.", f"So answered {subject}."
    shown = last or TOLD
    if comparison is not None:
        c, expected, bound = comparison, _number(comparison.expected), _number(comparison.bound)
        title = f"{c.name}{list(c.index)}."
        sentence = f"Expected {c.expected!r} within {c.bound:.3g}; {subject} answered {c.got!r}."
        shown = COMPARED.format(name=c.name, shape=shape, position=c.index, expected=expected, bound=bound)
    module = layer.rpartition(".")[0]
    steps = STEPS if any(name not in LAYOUTS and name not in MODES for name in sources) else ""
    kept = "".join(f"\n{_name(name)} = {text}" for name, text in sources.items())
    return SCRIPT.format(
        clause=clause,
        case=case.id,
        title=title,
        sentence=sentence,
        source=f"import {module}\n" if not module.startswith("torch") else "",
        defined=excerpt(*filter(None, sources.values())) + kept.removeprefix("\n") + steps if sources else "",
        dtype=case.dtype,
        data="\n".join(_lines(_arrays(case))),
        layer=layer,
        config=pprint.pformat(asdict(case.config), width=10_000, sort_dicts=False),
        training=case.training,
        seed=case.seed,
        call="\n".join(_calls(case, noting="random" in last)),
        shown=shown,
    )


INPUTS = ("freeze input", "freeze h_0")
"""Deeds of a call that are no step: these tensors are not differentiated by."""


def _name(deed: str) -> str:
    """What a deed, a layout or a route is called in the script."""
    return "the_" + "".join(c if c.isalnum() else "_" for c in deed)


def _arrays(case: Case) -> dict[str, np.ndarray]:
    """All arrays of a case by the names that they have in the script."""
    arrays = case.given
    if case.cotangents is not None:
        arrays |= {"g_output": case.cotangents.output, "g_h_n": case.cotangents.h_n}
    for i, call in enumerate(case.calls):
        given = {f"earlier{i}": call.input, f"earlier{i} h_0": call.h_0}
        arrays |= {name: value for name, value in given.items() if value is not None}
    return arrays


def _calls(case: Case, *, noting: bool) -> Iterator[str]:
    """What comes before the call (if `noting`, the generator's state, too), the call, and its gradients."""
    laid = {what: _name(deed) for deed in case.deeds for what in LAYOUTS.get(deed, ("",))[:1]}
    yield from _before(case)
    to = ".to(rnn.weight_ih_l0.dtype)" if case.deeds else ""
    learning, tensors = case.cotangents is not None, {"input": "x", "h_0": "h_0"}
    for own, name in tensors.items():
        given = f'{laid.get(own, "")}(arrays["{own}"].clone(){to})' if own in case.given else "None"
        learns = learning and own in case.given and f"freeze {own}" not in case.deeds
        yield f"{name} = {given}{'.requires_grad_()' * learns}"
    modes = [_name(deed) for deed in case.deeds if deed in MODES]
    under = "" if learning else f"with {(modes or ['torch.no_grad'])[0]}(): "
    if noting:
        yield "random = torch.get_rng_state()"
    yield _call_itself(case, under, laid.get("packed data"))
    yield f'got = {{"output": output, "h_n": h_n{", **earlier" if case.calls else ""}}}'
    if learning:
        leaves = ", ".join(f'"{own}": {name}' for own, name in tensors.items() if own in case.given)
        yield f"leaves = {{{leaves}, **dict(rnn.named_parameters())}}"
        how = {name: laid.get(f"cotangent of {name}", "") for name in ("output", "h_n")}
        yield ARRIVED.format(**how) if case.deeds else GRADIENTS


def _call_itself(case: Case, under: str, laid: str | None) -> str:
    """The call, packed and unpacked again where the case has lengths."""
    first, h_0 = "x" if case.lengths is None else "packed", "" if case.h_0 is None else ", h_0"
    run = f"{_name(case.route)}(rnn, ({first}{h_0 or ','}))" if case.route else "rnn"
    if case.lengths is None:
        return f"{under}output, h_n = {run}(x{h_0})"
    again = f"\npacked = packed._replace(data={laid}(packed.data))" if laid else ""
    return PACKED.format(lengths=case.lengths.tolist(), laid=again, under=under, run=run, h_0=h_0)


def _before(case: Case) -> Iterator[str]:
    """What is done to the layer, and the earlier calls."""
    if case.calls:
        yield "built, earlier = rnn, {}"
    calls = 0
    for item in case.earlier:
        if not isinstance(item, str):
            yield from _call(calls, item, case)
            calls += 1
        elif item not in INPUTS and item not in LAYOUTS and item not in MODES:
            yield f"rnn = do(rnn, *{_name(item)})"


def _call(i: int, call: Call, case: Case) -> Iterator[str]:
    """An earlier call, made on the layer in its own mode."""
    to = ".to(rnn.weight_ih_l0.dtype)" if case.deeds else ""
    h_0 = "" if call.h_0 is None else f', arrays["earlier{i} h_0"]{to}'
    yield f"built.train({call.training})"
    yield "with torch.no_grad():"
    yield f'    earlier["the output of earlier call {i}"] = rnn(arrays["earlier{i}"]{to}{h_0})[0]'
    yield f"built.train({case.training})"


def _number(x: float) -> str:
    """A number as Python reads it."""
    return repr(x) if np.isfinite(x) else f'float("{x}")'


def _lines(arrays: dict[str, np.ndarray]) -> Iterator[str]:
    """The arrays as entries of a dict, a layer and direction's parameters on one line."""
    groups: dict[str, list[str]] = {}
    for name, array in arrays.items():
        suffix = name[name.index("_l") :] if name.startswith(("weight", "bias")) else name
        groups.setdefault(suffix, []).append(f"{name!r}: {_literal(array)},")
    return (f"    {' '.join(entries)}" for entries in groups.values())


def _literal(array: np.ndarray) -> str:
    """(exponent, shape, integers) if the array is integers times 2^-exponent, else (0, shape, floats)."""
    with np.errstate(invalid="ignore"):
        exponent = next((e for e in range(50) if not (np.ldexp(array, e) % 1).any()), None)
    if exponent is None:
        return f"(0, {array.shape}, {' '.join(repr(float(x)) for x in array.ravel())!r})"
    integers = " ".join(str(int(n)) for n in np.ldexp(array, exponent).ravel())
    return f"({exponent}, {array.shape}, {integers!r})"
