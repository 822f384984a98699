"""How a window is computed: what is kept for the way back, where, and what is computed when.

The time loop of a step is a row of levels: loops over the units, and before each but the first
those products that wait for it. A gate's part of x Wx is read once, so its place may take a value
that backward needs; what finds no such place has an array of its own. Sums and products are
computed again, transcendental functions and quotients are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from rnnkit.compute.equations.adjoint import Gradients, derive
from rnnkit.compute.equations.blocks import GateBlock, find_blocks, is_plain
from rnnkit.compute.equations.graph import (
    ARRAYS,
    TRANSCENDENTAL,
    Value,
    by_index,
    computed_from,
    total,
)
from rnnkit.compute.equations.trace import StepGraph


class Place(NamedTuple):
    """Where a value lies: part `part` of the array `array`, of which there is one a step.

    "zx": the gates' parts of x Wx. "kept", "new": a value's own array, a state's.
    """

    array: str
    part: int


class Carried(NamedTuple):
    """How the gradient of an old state comes about.

    `direct` is computed in the step; the products `waiting`, by number, are added to it in the step
    before, which is computed after: nothing else reads them.
    """

    direct: Value | None
    waiting: tuple[Value, ...]


class WindowPlan(NamedTuple):
    """What the printers need to know."""

    step: StepGraph
    levels: Mapping[Value, int]
    blocks: tuple[GateBlock, ...]
    places: Mapping[Value, Place]
    kept: tuple[Value, ...]
    whole: frozenset[int]
    """The products of which all steps are kept."""
    gradients: Gradients
    stops: Mapping[Value, int]
    carried: tuple[Carried, ...]
    inputs: Value | None
    """The gradient of x that no product with a matrix gives."""
    inputs_back: tuple[Value, ...]
    """Products that give a gradient of x; they are formed for all steps at once."""

    @property
    def last(self) -> int:
        """The last level."""
        return max(self.levels[node] for node in self.step.new)

    def own_loop(self, block: GateBlock) -> bool:
        """Tell whether a block is computed by a loop of its own, in its own places."""
        places = [self.places.get(head) for head in block.heads]
        return places == [Place("zx", gate) for gate in block.gates]

    @property
    def terms(self) -> list[tuple[int, Value]]:
        """The waiting products, each with the number of its state."""
        return [(k, node) for k, each in enumerate(self.carried) for node in each.waiting]

    @property
    def roots(self) -> list[Value]:
        """What the way back computes in a step, products that wait apart."""
        found = [*self.gradients.gates, *self.gradients.pointwise.values()]
        found += [node for blocks in self.gradients.products for node in blocks]
        found += [each.direct for each in self.carried if each.direct is not None]
        return found if self.inputs is None else [*found, self.inputs]

    @property
    def reads_inputs(self) -> bool:
        """Tell whether a step reads x beside its gates' parts, or how wide it is."""
        return any(node.width == "inputs" for node in self.step.nodes)


def plan_window(step: StepGraph, *, in_blocks: bool) -> WindowPlan:
    """Return the plan of a step.

    `in_blocks` is the plan of NumPy: the slope of a block of gates is one operation, and nothing
    transcendental is computed twice. Loops compute functions of a stored state again, and slopes in
    the loop that reads them.
    """
    blocks = find_blocks(step)
    stops = {
        head: gate
        for block in blocks
        if in_blocks and is_plain(block)
        for head, gate in zip(block.heads, block.gates, strict=True)
    }
    gradients = derive(step, stops)
    carried = tuple(_carried(gradients, terms) for terms in gradients.states)
    inputs_back = tuple(node for node in gradients.inputs if node.op == "back")
    direct = [node for node in gradients.inputs if node.op != "back"]
    plan = WindowPlan(
        step,
        _levels(step),
        blocks,
        {},
        (),
        frozenset(),
        gradients,
        stops,
        carried,
        total(direct) if direct else None,
        inputs_back,
    )
    return _Keeper(plan, again=not in_blocks).planned()


def plan_step(step: StepGraph) -> WindowPlan:
    """Return the plan of a step that nothing goes back through."""
    nothing = Gradients((), {}, (), tuple(() for _ in step.new), ())
    carried = tuple(Carried(None, ()) for _ in step.new)
    blocks = find_blocks(step)
    plan = WindowPlan(
        step, _levels(step), blocks, {}, (), frozenset(), nothing, {}, carried, None, ()
    )
    return _Keeper(plan, again=True).planned()


def _levels(step: StepGraph) -> dict[Value, int]:
    """Return how many rounds of products each value waits for."""
    levels: dict[Value, int] = {}
    for node in step.nodes:
        below = max((levels[arg] for arg in node.args), default=0)
        levels[node] = below + (node.op == "dot" and node.args[0].op not in ARRAYS)
    return levels


def _carried(gradients: Gradients, terms: tuple[Value, ...]) -> Carried:
    """Part the gradient of a state into what a step computes and products that may wait."""
    read = {arg for node in computed_from(gradients.roots) for arg in node.args}
    read |= {*gradients.gates, *gradients.pointwise.values(), *sum(gradients.products, ())}
    waiting = tuple(node for node in terms if node.op == "back" and node not in read)
    direct = [node for node in terms if node not in waiting]
    return Carried(total(direct) if direct else None, waiting)


class _Keeper:
    """Decides what is kept of the way forward, and where."""

    def __init__(self, plan: WindowPlan, again: bool) -> None:
        self.plan, self.step = plan, plan.step
        self.forward, self.new = set(plan.step.nodes), set(plan.step.new)
        self.places: dict[Value, Place] = {}
        factors = [each.value for each in plan.step.products if each.value.op not in ARRAYS]
        self.factors = list(dict.fromkeys(factors))
        stored = {node for node in plan.step.nodes if node.args}
        self.again = {node for node in stored if again and node.op != "/" and self._of_states(node)}

    def planned(self) -> WindowPlan:
        """Return the plan with its places."""
        crossing = self._crossing()
        heads = [head for block in self.plan.blocks for head in block.heads]
        kept = list(self.factors)
        taken: set[int] = set()
        for node in dict.fromkeys([*heads, *by_index(self._wanted()), *crossing]):
            place = None if node in self.again or node in kept else self._free_gate(node, taken)
            if place is not None:
                self.places[node] = Place("zx", place)
                taken.add(place)
        kept += [node for node in crossing if node not in self.places and node not in kept]
        for number, node in enumerate(kept):
            self.places[node] = Place("kept", number)
        while more := [node for node in by_index(self._wanted()) if node not in self.again]:
            self.places[more[0]] = Place("kept", len(kept))
            kept.append(more[0])
        read = self._read_back()
        whole = frozenset(
            number
            for number, product in enumerate(self.step.products)
            if product.hoisted or not read.isdisjoint(product.dots)
        )
        return self.plan._replace(places=self.places, kept=tuple(kept), whole=whole)

    def _of_states(self, node: Value) -> bool:
        return all(arg in self.new or arg.op in ("state", "constant") for arg in node.args)

    def _crossing(self) -> list[Value]:
        """Return what a later level reads and should not compute again."""
        levels = self.plan.levels
        return [
            node
            for node in self.step.nodes
            if node.op in TRANSCENDENTAL
            and node not in self.new
            and any(
                node in reader.args and reader.op != "dot" and levels[reader] > levels[node]
                for reader in self.step.nodes
            )
        ]

    def _read_back(self) -> set[Value]:
        """Return the values in memory, and those computed again, that the way back reads."""
        found: set[Value] = set()
        waiting = [*self.plan.roots, *self.plan.stops]
        waiting += [arg for _, node in self.plan.terms for arg in node.args]
        while waiting:
            node = waiting.pop()
            if node in found:
                continue
            found.add(node)
            in_memory = node in self.places or node in self.new or node.op == "dot"
            if not (node in self.forward and in_memory):
                waiting += node.args
        return found & self.forward

    def _wanted(self) -> set[Value]:
        """Return what the way back would have to compute again at a cost."""
        return {
            node
            for node in self._read_back()
            if node.op in TRANSCENDENTAL and node not in self.places and node not in self.new
        }

    def _free_gate(self, node: Value, taken: set[int]) -> int | None:
        """Return the gate whose place a value may take: nobody reads the gate's sum after it."""
        if node.width != "units":
            return None
        own = [g for block in self.plan.blocks for h, g in _pairs(block) if h is node]
        in_block = {gate for block in self.plan.blocks for gate in block.gates}
        for gate in own or (g for g in range(len(self.step.symbols.gates)) if g not in in_block):
            if (
                gate not in taken
                and (own or self._read_below(node, gate))
                and self._fits(node, gate)
            ):
                return gate
        return None

    def _read_below(self, node: Value, gate: int) -> bool:
        """Tell whether a value is computed from all that reads a gate."""
        (leaf,) = (each for each in self.step.nodes if each.op == "x" and each.detail == gate)
        readers = {reader for reader in self.step.nodes if leaf in reader.args}
        return leaf not in self.new and readers <= computed_from((node,))

    def _fits(self, node: Value, gate: int) -> bool:
        """Tell whether neither a later level nor the way back reads the gate after it."""
        self.places[node] = Place("zx", gate)
        read = {leaf.detail for leaf in self._read_back() if leaf.op == "x"}
        read |= set(self._read_later(self.plan.levels[node]))
        del self.places[node]
        return gate not in read

    def _read_later(self, level: int) -> Iterator[int]:
        """Yield the gates that levels after one read, where they compute something again."""
        levels = self.plan.levels
        waiting = [node for node in (*self.step.new, *self.factors) if levels[node] > level]
        seen: set[Value] = set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if node.op == "x":
                yield int(node.detail)
            if node.op != "dot":
                waiting += [
                    arg
                    for arg in node.args
                    if not (levels[arg] <= level and (arg in self.places or arg in self.new))
                ]


def _pairs(block: GateBlock) -> Iterable[tuple[Value, int]]:
    return zip(block.heads, block.gates, strict=True)
