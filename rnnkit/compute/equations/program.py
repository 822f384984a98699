"""The program of a cell: its plan, the loops that were written from it, and what a window asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnnkit.compute.equations.loops import loops_source
from rnnkit.compute.equations.plan import WindowPlan, plan_window
from rnnkit.compute.equations.schedule import backs, carries, is_shared
from rnnkit.compute.equations.source import WindowLoops, compiled_loops, numpy_loops
from rnnkit.compute.equations.statements import statements_source
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import StepGraph, StepProduct


class Factor(NamedTuple):
    """A product of a step as a window forms it, and its gradient.

    `value` is where the factor lies: "state", "input" or "kept", and which. `whole`: its results
    of all steps are kept; `shared`: its gradient is that of the gates, in one array; `again`:
    another product reads the same matrix, and comes before it.
    """

    matrix: str
    width: str
    first: int
    blocks: int
    value: tuple[str, int]
    whole: bool
    shared: bool
    again: bool


class Program(NamedTuple):
    """The loops of a cell, compiled or of NumPy, and the memory that they work on.

    `kept` and `backs` are the widths of arrays. `terms` gives the state of each product that waits,
    `waiting` their numbers for each state; `carried` tells which states' gradients are carried
    beside them. `shapes` are those of the parameters: widths of the rows, "" for a vector, and of
    each of so many blocks of columns.
    """

    symbols: Symbols
    loops: WindowLoops
    compiled: bool
    factors: tuple[Factor, ...]
    kept: tuple[str, ...]
    backs: tuple[str, ...]
    terms: tuple[int, ...]
    waiting: tuple[tuple[int, ...], ...]
    carried: tuple[bool, ...]
    reads_inputs: bool
    inputs_direct: bool
    """A step writes a part of the gradient of x itself."""
    inputs_back: tuple[int, ...]
    shapes: tuple[tuple[str, str, str, int], ...]
    """Products whose gradients give a part of that of x, for all steps at once."""


def write_program(name: str, step: StepGraph, *, compiled: bool) -> Program:
    """Return the program of a step; `name` is the cell's."""
    plan = plan_window(step, in_blocks=not compiled)
    if compiled:
        loops = compiled_loops(name, loops_source(plan))
    else:
        loops = numpy_loops(name, statements_source(plan))
    terms = tuple(state for state, _ in plan.terms)
    states = range(len(step.new))
    return Program(
        step.symbols,
        loops,
        compiled,
        tuple(_factor(plan, number, each) for number, each in enumerate(step.products)),
        tuple(node.width for node in plan.kept),
        tuple(node.width for node in backs(plan)),
        terms,
        tuple(tuple(j for j, of in enumerate(terms) if of == state) for state in states),
        tuple(carries(plan, state) for state in states),
        plan.reads_inputs,
        plan.inputs is not None,
        tuple(node.detail for node in plan.inputs_back),
        tuple(_shapes(step.symbols)),
    )


def _shapes(symbols: Symbols) -> Iterator[tuple[str, str, str, int]]:
    if symbols.gates:
        yield "Wx", "inputs", "units", len(symbols.gates)
        yield "b", "", "units", len(symbols.gates)
    for name, (source, target, blocks) in symbols.matrices.items():
        yield name, source, target, max(len(blocks), 1)
    for name in symbols.pointwise:
        yield name, "", "units", 1


def _factor(plan: WindowPlan, number: int, product: StepProduct) -> Factor:
    value = product.value
    if value.op == "state":
        place = "state", int(value.detail)
    elif product.hoisted:
        place = "input", 0
    else:
        place = "kept", plan.places[value].part
    return Factor(
        product.matrix,
        product.dots[0].width,
        product.first,
        len(product.dots),
        place,
        number in plan.whole,
        is_shared(plan, number),
        any(each.matrix == product.matrix for each in plan.step.products[:number]),
    )
