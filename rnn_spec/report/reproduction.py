"""A stand-alone script for a failed comparison: torch and NumPy only, at most 40 lines."""

from __future__ import annotations

import pprint
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.judge.compare import Comparison
    from rnn_spec.questions.records import Case

SCRIPT = '''\
"""{clause}, case {case}: {name}{index}.

Expected {expected!r} within {bound:.3g}; {subject} answered {got!r}.
"""
import numpy as np, torch

def dyadic(exponent, shape, text):  # integers times 2^-exponent: exact in every dtype
    integers = np.array(text.split(), float).reshape(shape)
    return torch.tensor(np.ldexp(integers, -exponent), dtype=torch.{dtype})

data = {{
{data}
}}
data = {{name: dyadic(*value) for name, value in data.items()}}
rnn = torch.nn.RNN(**{config}).to(torch.{dtype}).train({training})
rnn.load_state_dict({{name: value for name, value in data.items() if name in rnn.state_dict()}})
x, h_0 = data["input"], data.get("h_0")
leaves = {{n: data[n].requires_grad_() for n in ("input", "h_0") if n in data}}
leaves.update(rnn.named_parameters())
torch.manual_seed({seed}){earlier}
{call}
got = {{"output": output, "h_n": h_n}}
{gradients}got = got[{name!r}].detach().double().numpy()
print("shape   ", got.shape, "expected", {shape})
print("got     ", got[{position}].item())
print("expected", {expected!r}, "within", {bound!r})
'''

CALL = "output, h_n = rnn(x, h_0)"

PACKED = """\
from torch.nn.utils.rnn import pack_padded_sequence as pack, pad_packed_sequence as pad
layout = {{"batch_first": rnn.batch_first}}
output, h_n = rnn(pack(x, {lengths}, enforce_sorted=False, **layout), h_0)
output = pad(output, total_length=x.shape[1 if rnn.batch_first else 0], **layout)[0]"""

GRADIENTS = """\
found = torch.autograd.grad([output, h_n], list(leaves.values()), [data["g_output"], data["g_h_n"]])
got.update({"grad " + n: g for n, g in zip(leaves, found)})
"""


def script(case: Case, clause: str, comparison: Comparison, subject: str, shape: tuple[int, ...]) -> str:
    """The script that shows what torch.nn.RNN answers to `case` where the comparison was worst."""
    arrays = case.given
    gradients = case.cotangents is not None and comparison.name.startswith("grad ")
    if gradients and case.cotangents is not None:
        arrays |= {"g_output": case.cotangents.output, "g_h_n": case.cotangents.h_n}
    earlier = ""
    if case.calls:
        arrays |= {f"earlier{i}": call.input for i, call in enumerate(case.calls)}
        modes = [call.training for call in case.calls]
        earlier = f"\nfor i, mode in enumerate({modes}):\n    rnn.train(mode)(data[f'earlier{{i}}'])"
        earlier += f"\nrnn.train({case.training})"
    return SCRIPT.format(
        clause=clause,
        case=case.id,
        name=comparison.name,
        index=list(comparison.index),
        position=comparison.index,
        expected=comparison.expected,
        bound=comparison.bound,
        got=comparison.got,
        subject=subject,
        dtype=case.dtype,
        data="\n".join(_lines(arrays)),
        config=pprint.pformat(asdict(case.config), width=10_000, sort_dicts=False),
        training=case.training,
        seed=case.seed,
        earlier=earlier,
        call=CALL if case.lengths is None else PACKED.format(lengths=case.lengths.tolist()),
        gradients=GRADIENTS if gradients else "",
        shape=shape,
    )


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
