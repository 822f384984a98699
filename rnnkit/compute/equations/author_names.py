"""The names that the author of equations gave to values: the local variables at their return."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import Names, StepGraph, trace


def trace_with_names(
    equations: Callable[[Names, Names, Names, Names], object], symbols: Symbols
) -> tuple[StepGraph, dict[Value, str]]:
    """Return the graph of `equations(x, r, s, p)`, and its values by the variables that held them.

    Where equations call those of a base class, values have the names of both; of two names for one
    value the outer class's comes first, then the one that was assigned first.
    """
    named: dict[Value, str] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code.co_name == "equations":
            variables = reversed(list(frame.f_locals.items()))
            named.update({value: name for name, value in variables if isinstance(value, Value)})

    def traced() -> StepGraph:
        sys.setprofile(note)
        return trace(equations, symbols)

    # A thread has a profile function of its own; that of this one could not always be put back:
    # until Python 3.11 cProfile's is none that sys.setprofile takes.
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(traced).result(), named
