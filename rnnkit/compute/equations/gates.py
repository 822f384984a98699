"""Which values of a step are its gates: numbers from 0 to 1 that one gate's part of x decides."""

from __future__ import annotations

from rnnkit.compute.equations.graph import ARITHMETIC, Value
from rnnkit.compute.equations.trace import StepGraph


def find_gates(step: StepGraph) -> dict[str, Value]:
    """Return by the name of its gate each sigmoid of a sum that reads its part of x and no other's.

    What other functions make of parts of x, such as a new state at a peephole, is not looked into.
    The candidate of a cell is no sigmoid and is left out; of several for one gate it is the first.
    """
    found: dict[str, Value] = {}
    parts: dict[Value, set[int]] = {}
    """The gates whose part of x a value reads by arithmetic alone."""
    for node in step.nodes:
        read = node.args if node.op in ARITHMETIC else ()
        own = {int(node.detail)} if node.op == "x" else set[int]()
        parts[node] = own.union(*(parts[arg] for arg in read))
        if node.op == "sigmoid" and len(gate := parts[node.args[0]]) == 1:
            found.setdefault(step.symbols.gates[min(gate)], node)
    return dict(sorted(found.items(), key=lambda item: step.symbols.gates.index(item[0])))
