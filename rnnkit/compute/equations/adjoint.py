"""The gradient of a step, in more nodes of its graph: reverse accumulation, once for all windows.

The gradient of new state k is the leaf "slope" k. The gradient of a product's argument is a node
"back", told apart by the product: two products may have equal gradients and other matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rnnkit.compute.equations.graph import Value, total
from rnnkit.compute.equations.rules import gradients
from rnnkit.compute.equations.trace import StepGraph, StepProduct


class Gradients(NamedTuple):
    """The gradients of a step.

    `gates` are those of the gates' parts of x Wx + b, or, for a gate of `stops`, of the value that
    was named there. `products` are those of the blocks of each product. `states` and `inputs` hold
    terms that are to be added up: for each old state, and for x itself.
    """

    gates: tuple[Value, ...]
    pointwise: Mapping[str, Value]
    products: tuple[tuple[Value, ...], ...]
    states: tuple[tuple[Value, ...], ...]
    inputs: tuple[Value, ...]

    @property
    def roots(self) -> list[Value]:
        """All nodes that the way back has to compute."""
        parts = [*self.products, *self.states, self.inputs, tuple(self.pointwise.values())]
        return [*self.gates, *(node for part in parts for node in part)]


def derive(step: StepGraph, stops: Mapping[Value, int]) -> Gradients:
    """Return the gradients of a step.

    At the values of `stops`, each a function of one gate's sum, the derivation ends: what it gives
    for the gate is the gradient of the value, and a leaf "before" stands for that of the sum.
    """
    graph = step.graph
    zero = graph.number(0.0)
    collected: dict[Value, list[Value]] = {node: [] for node in step.nodes}
    for place, node in enumerate(step.new):
        collected[node].append(graph.node("slope", detail=place, width="units"))
    found: dict[Value, Value] = {}
    of_value: dict[Value, list[tuple[int, StepProduct]]] = {}
    for number, product in enumerate(step.products):
        of_value.setdefault(product.value, []).append((number, product))
    stopped: dict[int, Value] = {}
    for node in reversed(step.nodes):
        for place, product in of_value.get(node, ()):
            if any(each in found for each in product.dots):
                blocks = tuple(found.get(each, zero) for each in product.dots)
                collected[node].append(graph.node("back", *blocks, detail=place, width=node.width))
        if node.op in ("state", "input", "constant") or not collected[node]:
            continue
        slope = found[node] = total(collected[node])
        if node in stops:
            gate = stops[node]
            stopped[gate] = slope
            collected[node.args[0]].append(graph.node("before", detail=gate, width="units"))
        elif node.args and node.op != "dot":
            for arg, gradient in zip(node.args, gradients(node, slope), strict=True):
                if gradient is not None and not gradient.is_zero and arg.op != "constant":
                    collected[arg].append(gradient)
    leaf = {(node.op, node.detail): node for node in step.nodes if not node.args}

    def of(op: str, detail: object) -> Value:
        return found.get(leaf[op, detail], zero)

    def terms(op: str, detail: object) -> tuple[Value, ...]:
        return tuple(collected.get(leaf.get((op, detail), zero), ()))

    symbols = step.symbols
    return Gradients(
        tuple(stopped.get(gate, of("x", gate)) for gate in range(len(symbols.gates))),
        {name: of("parameter", name) for name in symbols.pointwise},
        tuple(tuple(found.get(node, zero) for node in each.dots) for each in step.products),
        tuple(terms("state", place) for place in range(len(symbols.states))),
        terms("input", None),
    )
