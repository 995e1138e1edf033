"""What a torch has and an older one has not, of all that deeds and routes are made of. Python 3.6 syntax.

torch is imported where it is used, so that whoever wants the names of deeds and routes needs none.
"""

import contextlib
import importlib
import inspect

SINCE = {
    "torch.bfloat16": (1, 4),
    "torch.nn.utils.prune": (1, 4),
    "torch.nn.Module.requires_grad_": (1, 4),
    "torch.__future__.set_overwrite_module_params_on_conversion": (1, 4),
    "torch.nn.Module.register_full_backward_hook": (1, 8),
    "torch.nn.Module.to_empty": (1, 10),
    "torch.nn.RNN(device=...)": (1, 10),
    "torch.nn.utils.parametrize.register_parametrization": (1, 9),
    "torch.nn.utils.parametrizations.orthogonal": (1, 10),
    "torch.nn.utils.parametrizations.spectral_norm": (1, 9),
    "torch.nn.utils.parametrizations.weight_norm": (2, 1),
    "torch.func.functional_call": (2, 0),
    "torch.vmap": (2, 0),
    "torch.autocast": (1, 10),
    "torch.compile": (2, 0),
    "torch.export.export": (2, 1),
    "torch.export.Dim": (2, 2),
    "load_state_dict(assign=...)": (2, 1),
    "torch.__future__.set_swap_module_params_on_conversion": (2, 3),
}
"""The release from which on torch has what a deed or a route needs, as recorded from 1.0.0 to 2.15.0."""
ABSENT = "this torch has no {}"
"""Why a deed or a route is not to be had; a declared limit of the releases before `SINCE`."""


class Absent(Exception):
    """This torch has not what the deed or the route is made of."""


def limits(release):
    """What a release, as two numbers, says that it has not."""
    return [ABSENT.format(path) for path, since in SINCE.items() if release < since]


def need(path):
    """What a dotted name from torch leads to; Absent where it leads nowhere."""
    names = path.split(".")
    found = importlib.import_module("torch")
    for i, name in enumerate(names[1:], 2):
        if not hasattr(found, name):  # torch does not import every module of its own
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(names[:i]))
        if not hasattr(found, name):
            raise Absent(ABSENT.format(path))
        found = getattr(found, name)
    return found


def method(m, name):
    """A method of a module that not every torch has."""
    need("torch.nn.Module." + name)
    return getattr(m, name)


def takes(function, name, called):
    """Absent where a function has no argument of this name."""
    if name not in inspect.signature(function).parameters:
        raise Absent(ABSENT.format(f"{called}({name}=...)"))
