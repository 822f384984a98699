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
    for node in step.nodes:
        if node.op == "sigmoid" and len(parts := _parts_of_x(node.args[0])) == 1:
            found.setdefault(step.symbols.gates[parts.pop()], node)
    return dict(sorted(found.items(), key=lambda item: step.symbols.gates.index(item[0])))


def _parts_of_x(node: Value) -> set[int]:
    """Return the gates whose part of x a value reads by arithmetic alone."""
    if node.op == "x":
        return {node.detail}
    if node.op not in ARITHMETIC:
        return set()
    return set().union(*map(_parts_of_x, node.args))
