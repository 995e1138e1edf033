"""What makes a process that answers many questions faster, and no answer another. Python 3.6 syntax."""

import functools
import gc
import inspect


def lean():
    """Look for garbage seldom, and parse a module once for each class that is looked up in it.

    torch.jit asks for the lines of the same classes hundreds of times, and Python 3.9 to 3.12 parse the whole
    module for each.
    """
    gc.set_threshold(100_000, 50, 50)
    find = inspect.findsource
    once = functools.lru_cache(None)(find)

    def found(thing):
        return (once if inspect.isclass(thing) else find)(thing)

    inspect.findsource = found


def settled():
    """Look for garbage in nothing that is here by now, in this process and in those forked from it."""
    if hasattr(gc, "freeze"):  # from Python 3.7 on
        gc.freeze()
