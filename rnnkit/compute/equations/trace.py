"""Equations as their author wrote them become a graph; what they leave unread is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from rnnkit.compute.equations.functions import Matrix, dot
from rnnkit.compute.equations.graph import COMPARISONS, Value, ValueGraph, by_index, computed_from
from rnnkit.compute.equations.refusals import EquationError
from rnnkit.compute.equations.symbols import Symbols, check_symbols, unknown_name


class StepProduct(NamedTuple):
    """One product of a step: a value with blocks of a matrix that lie side by side.

    `dots` are the nodes of the blocks, the first of which is block `first` of the matrix.
    """

    value: Value
    matrix: str
    first: int
    dots: tuple[Value, ...]

    @property
    def hoisted(self) -> bool:
        """Tell whether all steps are one product, before the first of them."""
        return self.value.op == "input"


class StepGraph(NamedTuple):
    """The graph of one step: what it names, the new states, its nodes in order, its products."""

    graph: ValueGraph
    symbols: Symbols
    new: tuple[Value, ...]
    nodes: tuple[Value, ...]
    products: tuple[StepProduct, ...]


class Names:
    """What stands before the dot of `x.i`: values by their names."""

    def __init__(self, what: str, values: Mapping[str, object]) -> None:
        self._what, self._values = what, values

    def __getattr__(self, name: str) -> Any:
        """Return a value; raises EquationError for a name that was not declared."""
        try:
            return self._values[name]
        except KeyError:
            raise EquationError(unknown_name(self._what, name, list(self._values))) from None


def trace(equations: Callable[[Names, Names, Names, Names], object], symbols: Symbols) -> StepGraph:
    """Return the graph of `equations(x, r, s, p)`; raises EquationError for what is no step."""
    check_symbols(symbols)
    graph = ValueGraph()
    names = _named(graph, symbols)
    graph.tracing = True
    found = equations(*names)
    graph.tracing = False
    if found is None:
        raise EquationError(f"they return nothing: return the new {_listed(symbols.states)}")
    values = found if isinstance(found, tuple | list) else (found,)
    if len(values) != len(symbols.states):
        count = f"{len(values)} value{'s' * (len(values) != 1)}"
        raise EquationError(f"expected the new {_listed(symbols.states)}, received {count}")
    new = tuple(map(graph.lift, values))
    for name, node in zip(symbols.states, new, strict=True):
        _check_state(name, node)
    nodes = tuple(by_index(computed_from(new)))
    _check_read(symbols, nodes)
    return StepGraph(graph, symbols, new, nodes, tuple(_products(nodes)))


def _named(graph: ValueGraph, symbols: Symbols) -> tuple[Names, Names, Names, Names]:
    gates = enumerate(symbols.gates)
    x: dict[str, object] = {n: graph.node("x", detail=k, width="units") for k, n in gates}
    x["input"] = graph.node("input", width="inputs")
    s = {
        name: graph.node("state", detail=place, width="units")
        for place, name in enumerate(symbols.states)
    }
    p: dict[str, object] = {
        name: graph.node("parameter", detail=name, width="units") for name in symbols.pointwise
    }
    for name, (source, target, blocks) in symbols.matrices.items():
        parts = [Matrix(name, source, target, k) for k in range(max(len(blocks), 1))]
        named = dict(zip(blocks, parts, strict=False))
        p[name] = Names(f"{name} has no block", named) if blocks else parts[0]
    r = {}
    if symbols.recurrent:
        h, blocks = s[symbols.states[0]], symbols.matrices["Wh"][2]
        r = {n: dot(h, Matrix("Wh", "units", "units", blocks.index(n))) for n in symbols.recurrent}
    return (
        Names("x has no part", x),
        Names("r has no part", r),
        Names("there is no state", s),
        Names("there is no parameter", p),
    )


def _check_state(name: str, node: Value) -> None:
    """Raise EquationError for what is not one number a unit."""
    if node.op in COMPARISONS:
        raise EquationError(f"the new {name} is a comparison: write where(a < b, 1, 0)")
    if node.width == "inputs":
        raise EquationError(f"the new {name} is as wide as x: make it one of dot(value, matrix)")
    if node.op == "constant":
        raise EquationError(f"the new {name} is the number {node.detail} of every unit")


def _check_read(symbols: Symbols, nodes: Sequence[Value]) -> None:
    """Raise EquationError for what was declared and is never read: it would not learn."""
    read = {(node.op, node.detail) for node in nodes}
    for place, name in enumerate(symbols.gates):
        if ("x", place) not in read:
            raise EquationError(
                f"the gate {name} is never read: use x.{name}, or take it out of `gates`"
            )
    for place, name in enumerate(symbols.states):
        if place and ("state", place) not in read:
            raise EquationError(
                f"the state {name} is never read: use s.{name}, or take it out of `states`"
            )
    for name in symbols.pointwise:
        if ("parameter", name) not in read:
            raise EquationError(f"the parameter {name} is never read: use it, or leave it out")
    used = {(node.detail.name, node.detail.block) for node in nodes if node.op == "dot"}
    for name, (_, _, blocks) in symbols.matrices.items():
        for block, part in enumerate(blocks or (name,)):
            if (name, block) not in used:
                raise EquationError(_unread_block(name, part, bool(blocks)))


def _unread_block(name: str, part: str, several: bool) -> str:
    if name == "Wh":
        return (
            f"the hidden state's part of the gate {part} is never read: use r.{part}, or name the "
            "gates that have one in `recurrent` (False: none)"
        )
    named = f"{name}.{part}" if several else name
    return f"the matrix {named} is never read: use dot(value, p.{named}), or leave it out"


def _products(nodes: Sequence[Value]) -> list[StepProduct]:
    """Return the products of a step, each of blocks of one matrix that lie side by side."""
    dots = sorted(
        (node for node in nodes if node.op == "dot"),
        key=lambda node: (node.args[0].index, node.detail),
    )
    found = []
    for (_, name), group in groupby(dots, key=lambda node: (node.args[0].index, node.detail.name)):
        run: list[Value] = []
        for node in [*group, None]:
            if run and (node is None or node.detail.block != run[-1].detail.block + 1):
                found.append(StepProduct(run[0].args[0], name, run[0].detail.block, tuple(run)))
                run = []
            if node is not None:
                run.append(node)
    return found


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
