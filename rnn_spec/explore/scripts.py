"""A find as a script that runs against its framework alone: torch, or a class that is called as torch's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_spec.explore import crowds, edits
from rnn_spec.judge.check import result_shapes
from rnn_spec.questions.records import Attempt, Torch
from rnn_spec.report import question, reproduction

if TYPE_CHECKING:
    from rnn_spec.explore.judged import Find
    from rnn_spec.judge.compare import Comparison
    from rnn_spec.questions.records import Case

TORCH = "torch.nn.RNN"

ATTEMPT = '''\
"""{clause}, {id}:

{difference}
So did {subject}. It ends with status 1 where it still does so, and with 0 where what is wrong is refused
as it should be.
"""
{source}import re

import numpy as np, torch

nan, inf = float("nan"), float("inf")

def attempt(call, *positional, **keywords):
    rnn = {layer}(*positional, **keywords){moved}
    return [tuple(getattr(r, "data", r).shape) for r in (rnn(*call()) if call else ())]

print("valid, and gives", attempt({twin}))
try:
    print("wrong, accepted, and gives", attempt({wrong}))
except Exception as e:
    print("refused:", type(e).__name__, e)
    raise SystemExit(0 if {rightly} else 1)
raise SystemExit(1)
'''

MASKS = """\
outputs = [{earlier}output]

def masks(call):  # what each mask (T, N, D, H) dropped, the highest first, and where that is seen
    y = outputs[call].detach().double().numpy(){swapped}
    y = y.reshape(*y.shape[:2], {directions}, {hidden})
    seen, found = np.ones(y.shape, bool), []
    for bias, least in {levels}:
        kept = y - bias > least
        found.append((~kept{one}, seen{one}))
        seen, y = seen & kept, (y - bias) * (1 - {p})
    return found

def pairs(gone, lag, axis):  # elements and those that are so far apart: whether both are dropped
    first = np.array([i for i in range(gone.shape[axis] - lag) if i // lag % 2 == 0])
    both = gone.take(first, axis) & gone.take(first + lag, axis)
    return both, both | True

gone, seen = masks({call})[{place}]
counted, of = {code}
print(counted.sum(), "of", of.sum(), "expected", expected := {expected})
raise SystemExit(int(abs(counted.sum() - expected) > {far}))
"""


FACTS = {
    "'s dtype": "str(got[{name!r}].dtype), 'torch.{case.dtype}'",
    "'s shape": "tuple(got[{name!r}].shape), {shape}",
    "the shapes of the parameters": "{{n: tuple(p.shape) for n, p in rnn.named_parameters()}}, {shapes}",
    " after the call": "*(str(t.tolist()) for t in"
    " (dict(rnn.named_parameters(), input=x, h_0=h_0)[{name!r}], arrays[{name!r}])),",
    "what shares memory": "*(len({{of(t) for t in (x, h_0, output, h_n, *rnn.parameters())"
    " if t is not None}}) for of in (lambda t: t.untyped_storage().data_ptr(), id)),",
    "drew random numbers": "torch.equal(random, torch.get_rng_state()), True",
    "did not arrive": "'grad {name}' in got, True",
    "and got a gradient": "'grad {name}' in got, False",
}
"""By what a difference says, which is no number's: what a script shows, and what that has to be."""
FACT = """\
shown, expected = {0}
print("got     ", shown)
print("expected", expected)
raise SystemExit(int(shown != expected))
"""


def of(find: Find, subject: Any, version: str) -> str | None:
    """The script of a find; None where it is not torch's, or cannot stand alone."""
    layer = layer_of(subject)
    if layer is None or find.aspect == "again":  # of which the answer to one question shows nothing
        return None
    if isinstance(find.case, Attempt):
        return of_attempt(find.case, find, layer, version)
    check, case, worst = find.check, find.check.case or find.case, compared(find)
    last = of_masks(find) if find.look else "" if worst or check.error else of_fact(find, case)
    if last is None:
        return None
    shape = check.bound.value.shape if worst and check.bound else ()
    return reproduction.script(
        case, find.clause, worst, version, shape, difference=find.difference, layer=layer, last=last
    )


def of_fact(find: Find, case: Case) -> str | None:
    """What shows, after the call, what is told beside numbers, or that a gradient is or is not there."""
    said = find.difference.splitlines()[0]
    key = next((key for key in FACTS if key in said), None)
    if key is None:
        return None
    name = said.partition(":")[0].removesuffix(key).removeprefix("grad ").partition(" ")[0]
    name = name.removesuffix("'s")
    shapes = case.config.parameter_shapes()
    return FACT.format(
        FACTS[key].format(name=name, case=case, shape=result_shapes(case).get(name), shapes=shapes)
    )


def layer_of(subject: Any) -> str | None:
    """The class under test as one imports it: torch's own, in whichever process, or one of the user's."""
    cls = subject.module_class()[0] if hasattr(subject, "module_class") else None
    if cls is None:
        return TORCH if getattr(subject, "name", "") == "torch" else None
    module, name = cls.__module__, cls.__qualname__
    if module.startswith("torch."):
        return TORCH
    return None if module.startswith("rnn_spec.") or "<locals>" in name else f"{module}.{name}"


def compared(find: Find) -> Comparison | None:
    """Where an array of the answer, or an earlier call's output, is out of its bound."""
    worst = find.check.worst
    if worst and not worst.holds and worst.name.startswith("the output of earlier call"):
        return worst
    return None if find.look else question.failed_array(find.check)


def of_masks(find: Find) -> str:
    """What shows, after the call, that masks are not what chance makes of them."""
    case, look = find.case, find.look
    if look is None or isinstance(case, Attempt):
        return ""
    c = case.config
    return MASKS.format(
        earlier="*earlier.values(), " if case.calls else "",
        swapped=".swapaxes(0, 1)" if c.batch_first else "",
        directions=c.num_directions,
        hidden=c.hidden_size,
        levels=crowds.levels(case),
        one="[:, :, :1]" if crowds.one_read(case) else "",
        p=c.dropout,
        place=look.where[0],
        call=look.where[1],
        code=look.code,
        expected=look.expected,
        far=abs(look.count - look.expected) / 2,
    )


def of_attempt(attempt: Attempt, find: Find, layer: str, version: str) -> str | None:
    """The script of an attempt beside its valid twin."""
    twin, negative = attempt.twin, edits.of(attempt).negative
    patterns = [negative.names, negative.given, negative.expected]
    rightly = {
        **dict.fromkeys(("refused", "place"), "True"),
        "class": "isinstance(e, (RuntimeError, ValueError))",
        "words": f"all(re.search(p, ' '.join(str(e).split())) for p in {patterns})",
    }.get(find.aspect)
    if twin is None or rightly is None:
        return None
    module = layer.rpartition(".")[0]
    return ATTEMPT.format(
        clause=find.clause,
        id=attempt.id,
        difference=find.difference,
        subject=version,
        source="" if layer == TORCH else f"import {module}\n",
        layer=layer,
        moved=f".to(torch.{attempt.dtype})" if attempt.dtype else "",
        twin=given(twin),
        rightly=rightly,
        wrong=given(replace(attempt, call=None) if find.aspect == "place" else attempt),
    )


def given(attempt: Attempt) -> str:
    """The arguments of an attempt as Python."""
    call = "None" if attempt.call is None else f"lambda: ({''.join(f'{python(x)}, ' for x in attempt.call)})"
    keywords = [f"{name}={python(value)}" for name, value in attempt.keywords.items()]
    return ", ".join([call, *map(python, attempt.positional), *keywords])


def python(x: Any) -> str:
    """A value of an attempt as Python."""
    if isinstance(x, np.ndarray):
        return f"np.array({x.tolist()}, {x.dtype.name!r})"
    if not isinstance(x, Torch):
        return repr(x)
    home = "torch.nn.utils.rnn" if x.name in ("pack_padded_sequence", "PackedSequence") else "torch"
    arguments = [*map(python, x.arguments), *([f"dtype=torch.{x.dtype}"] if x.dtype else [])]
    return f"{home}.{x.name}" + (f"({', '.join(arguments)})" if x.arguments else "")
