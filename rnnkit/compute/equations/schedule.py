"""What each level of a step computes and where it goes, whichever language it is written in.

A level is what may be computed between two rounds of products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rnnkit.compute.equations.graph import Value, computed_from
from rnnkit.compute.equations.plan import Place, WindowPlan
from rnnkit.compute.equations.trace import StepProduct


class Destination(NamedTuple):
    """Where a value is stored: an array, a part of it, how it is written; `+=` for sums."""

    array: str
    part: int
    assign: str = "="


Sink = tuple[Destination, Value]
"""A value that a step computes, and where it goes."""


def products_at(plan: WindowPlan, level: int) -> Iterator[tuple[int, StepProduct, str]]:
    """Yield the products that a level waits for: number, product, the array of the results."""
    for number, product in enumerate(plan.step.products):
        if plan.levels[product.dots[0]] == level and not product.hoisted:
            yield number, product, f"m{number}[{'t' if number in plan.whole else '0'}]"


def level_sinks(
    plan: WindowPlan, ready: Mapping[Value, Place], level: int
) -> tuple[list[Sink], dict[Value, Place]]:
    """Return what a level of the way forward stores, and what lies in memory after it."""
    placed = {
        node: place
        for node, place in plan.places.items()
        if plan.levels[node] == level and node not in ready
    }
    sinks = [(Destination(*placed[node]), node) for node in plan.step.nodes if node in placed]
    new = [(k, node) for k, node in enumerate(plan.step.new) if plan.levels[node] == level]
    sinks += [(Destination("new", k), node) for k, node in new]
    return sinks, {node: Place("new", k) for k, node in new} | placed


class WayBack(NamedTuple):
    """The levels of the way back: what each waits for, and what it stores.

    `backs` are the products with a transposed matrix that a step reads itself, in the order of
    their buffers.
    """

    plan: WindowPlan
    backs: list[Value]
    levels: Mapping[Value, int]
    sinks: list[Sink]

    @property
    def last(self) -> int:
        """The last level."""
        return max((self.levels[node] for _, node in self.sinks), default=0)

    @property
    def ready(self) -> dict[Value, Place]:
        """What lies in memory from the way forward."""
        return {node: Place("new", k) for k, node in enumerate(self.plan.step.new)} | dict(
            self.plan.places
        )

    def at(self, level: int) -> list[Sink]:
        """Return what a level stores.

        What is carried on is written last: until then it is that of the step after.
        """
        return [
            (target, node)
            for target, node in self.sinks
            if (self.last if target.array == "carry" else self.levels[node]) == level
        ]

    def products(self, level: int) -> Iterator[tuple[str, int, str]]:
        """Yield the products that a level waits for: the gradient, the matrix, the buffer."""
        for number, node in enumerate(self.backs):
            if self.levels[node] == level:
                yield gradient_array(self.plan, node.detail), node.detail, f"back{number}"

    def waiting(self) -> Iterator[tuple[str, int, str]]:
        """Yield the products that are added to a gradient in the step before, in the same form."""
        for number, (_, node) in enumerate(self.plan.terms):
            yield gradient_array(self.plan, node.detail), node.detail, f"term{number}"

    def stopped(self) -> list[str]:
        """Return the arrays that are set to zero where a stream starts anew."""
        carried = [f"carry{k}" for k in range(len(self.plan.step.new)) if carries(self.plan, k)]
        return carried + [f"term{number}" for number in range(len(self.plan.terms))]


def way_back(plan: WindowPlan) -> WayBack:
    """Return the levels of the way back."""
    sinks = _gradient_sinks(plan)
    return WayBack(plan, backs(plan), _back_levels(plan, sinks), sinks)


def backs(plan: WindowPlan) -> list[Value]:
    """Return the products with a transposed matrix that a step of the way back reads itself."""
    needed = computed_from(plan.roots)
    return [node for node in plan.step.graph.nodes if node in needed and node.op == "back"]


def carries(plan: WindowPlan, state: int) -> bool:
    """Tell whether a state's gradient is carried from step to step beside waiting products."""
    carried = plan.carried[state]
    return carried.direct is not None or not carried.waiting


def slope_parts(plan: WindowPlan, state: int) -> list[str]:
    """Return the arrays that the gradient of a new state is the sum of: from above, from after."""
    parts = ["dys[t]"] if state == 0 else []
    parts += [f"carry{state}"] if carries(plan, state) else []
    return parts + [f"term{j}" for j, (k, _) in enumerate(plan.terms) if k == state]


def is_shared(plan: WindowPlan, number: int) -> bool:
    """Tell whether a product's gradient is that of the gates: one array for both."""
    gates, blocks = plan.gradients.gates, plan.gradients.products[number]
    stopped, width = plan.stops.values(), plan.step.products[number].dots[0].width
    return (
        width == "units"
        and len(gates) == len(blocks)
        and all(
            (node.op == "before" and node.detail == gate) if gate in stopped else own is node
            for gate, (own, node) in enumerate(zip(gates, blocks, strict=True))
        )
    )


def gradient_array(plan: WindowPlan, number: int) -> str:
    """Return the array that holds the gradient of a product."""
    return "dzx" if is_shared(plan, number) else f"dm{number}"


def _back_levels(plan: WindowPlan, sinks: list[Sink]) -> dict[Value, int]:
    """Return how many rounds of products each value of the way back waits for."""
    forward = set(plan.step.nodes)
    levels = {plan.step.graph.number(0.0): 0}  # the gradient of a state that no step reads
    gates = {gate: plan.gradients.gates[gate] for gate in plan.stops.values()}

    def level(node: Value) -> int:
        if node not in levels:
            if node in forward:
                levels[node] = 0
            elif node.op == "before":
                levels[node] = level(gates[node.detail])
            else:
                levels[node] = max(map(level, node.args), default=0) + (node.op == "back")
        return levels[node]

    for _, node in [*sinks, *plan.terms]:
        level(node)
    return levels


def _gradient_sinks(plan: WindowPlan) -> list[Sink]:
    """Return what a step of the way back computes, and where it goes."""
    gradients, zero = plan.gradients, plan.step.graph.number(0.0)
    sinks = [(Destination("dzx", gate), node) for gate, node in enumerate(gradients.gates)]
    for number, blocks in enumerate(gradients.products):
        if not is_shared(plan, number):
            dots = plan.step.products[number].dots
            sinks += [
                (Destination(f"dm{number}", part), _as_wide(node, dot))
                for part, (node, dot) in enumerate(zip(blocks, dots, strict=True))
            ]
    names = plan.step.symbols.pointwise
    sinks += [
        (Destination("dp", place, "+="), gradients.pointwise[name])
        for place, name in enumerate(names)
        if not gradients.pointwise[name].is_zero
    ]
    if plan.inputs is not None:
        sinks.append((Destination("dxs", 0), plan.inputs))
    for state, carried in enumerate(plan.carried):
        if carries(plan, state):
            direct = zero if carried.direct is None else carried.direct
            sinks.append((Destination("carry", state), direct))
    return sinks


def _as_wide(node: Value, like: Value) -> Value:
    """Return a node, a number with the width of another."""
    if node.op != "constant":
        return node
    return node.graph.node("constant", detail=node.detail, width=like.width)
