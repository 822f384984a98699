"""Gates that lie side by side and are the same function of their own sums: one loop does them all.

The gates i, f, o of an LSTM are sigmoid(x + r), each of its own part: as three, or as one that is
three times as wide.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from rnnkit.compute.equations.graph import COMPARISONS, TRANSCENDENTAL, Value, computed_from
from rnnkit.compute.equations.trace import StepGraph

LARGEST = 32
"""Operations of a gate's function, written out, that are looked at: a solver has millions."""


class GateBlock(NamedTuple):
    """Gates from `first` on, and the value that each becomes, in their order."""

    first: int
    heads: tuple[Value, ...]

    @property
    def gates(self) -> range:
        """The numbers of the gates."""
        return range(self.first, self.first + len(self.heads))


def find_blocks(step: StepGraph) -> tuple[GateBlock, ...]:
    """Return the runs of gates whose sums are read by one function alone."""
    found: list[tuple[Hashable, GateBlock]] = []
    for gate, head, form in sorted(_heads(step), key=lambda each: each[0]):
        known, block = found[-1] if found else (None, None)
        if block and known == form and _beside(block.heads[-1], head):
            found[-1] = form, GateBlock(block.first, (*block.heads, head))
        else:
            found.append((form, GateBlock(gate, (head,))))
    return tuple(block for _, block in found)


def _beside(left: Value, right: Value) -> bool:
    """Tell whether the gate, and each block of a product, of one value follow those of another."""
    pairs = zip(_own(left), _own(right), strict=True)
    return all(
        (a.op != "x" or b.detail == a.detail + 1)
        and (a.op != "dot" or b.detail.block == a.detail.block + 1)
        for a, b in pairs
    )


def is_plain(block: GateBlock) -> bool:
    """Tell whether the slope of a block is known from its values: tanh or sigmoid of plain sums."""
    sums = [_own(head.args[0]) for head in block.heads if head.op in ("tanh", "sigmoid")]
    return len(sums) == len(block.heads) and all(
        len(set(own)) == len(own) and all(arg.op in ("+", "x", "dot") for arg in own)
        for own in sums
    )


def is_chain(head: Value) -> bool:
    """Tell whether a value is computed from its gate by operations in place, one after the other.

    Beside what the one before it gives, each reads numbers and products only.
    """
    while head.op != "x":
        computed = [arg for arg in head.args if arg.op not in ("constant", "dot")]
        if len(computed) != 1 or head.op in COMPARISONS:
            return False
        (head,) = computed
    return True


def _own(node: Value) -> list[Value]:
    """Return what a sum is made of, without what its products are made of."""
    return (
        [node] if node.op == "dot" else [node, *(part for arg in node.args for part in _own(arg))]
    )


def _heads(step: StepGraph) -> list[tuple[int, Value, Hashable]]:
    """Return (gate, value, its form) of functions that alone read all of one gate.

    New states, and what a product multiplies, have arrays of their own.
    """
    own_arrays = {*step.new, *(product.value for product in step.products)}
    readers: dict[Value, set[Value]] = {node: set() for node in step.nodes}
    for node in step.nodes:
        for arg in node.args:
            readers[arg].add(node)
    gates, sizes = _gates(step)
    found = []
    for node in step.nodes:
        gate = gates[node]
        if gate is None or node.op not in TRANSCENDENTAL or node in own_arrays:
            continue
        if sizes[node] > LARGEST:
            continue
        inside = computed_from((node,)) - {
            below for each in _own(node) if each.op == "dot" for below in computed_from(each.args)
        }
        alone = all(
            each is node
            or each.op == "constant"
            or (readers[each] <= inside and each not in step.new)
            for each in inside
        )
        if alone and any(each.op == "x" for each in inside):
            outside = any(gates[reader] != gate for reader in readers[node])
            if outside:
                found.append((gate, node, _form(node)))
    return found


def _gates(step: StepGraph) -> tuple[dict[Value, int | None], dict[Value, int]]:
    """Return the gate whose parts alone a value is computed from, None where there is no one.

    And how many operations it is when it is written out, every shared part each time.
    """
    read: dict[Value, set[int | None]] = {}
    sizes: dict[Value, int] = {}
    for node in step.nodes:
        parts = () if node.op == "dot" else node.args
        sizes[node] = 1 + sum(sizes[arg] for arg in parts)
        own: set[int | None] = {_gate_of_leaf(step, node)} if not parts else set()
        read[node] = own.union(*(read[arg] for arg in parts)) - {-1}
    gates = {node: next(iter(of)) if len(of) == 1 else None for node, of in read.items()}
    return gates, sizes


def _gate_of_leaf(step: StepGraph, leaf: Value) -> int | None:
    if leaf.op == "constant":
        return -1
    if leaf.op == "x":
        return int(leaf.detail)
    if leaf.op == "dot" and leaf.detail.name == "Wh" and leaf.args[0].op == "state":
        name = step.symbols.recurrent[leaf.detail.block]
        return step.symbols.gates.index(name)
    return None


def _form(node: Value) -> Hashable:
    """Return what is the same for gates of one function: the expression up to the gate."""
    if node.op == "constant":
        return node.op, node.detail
    if node.op == "dot":
        return node.op, node.args[0].index
    return node.op, *map(_form, node.args)
