"""One step of one stream as source for the sampler: the loops of training, products of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.loop_text import SIZES, LoopText, indented
from rnnkit.compute.equations.loops import level_loops
from rnnkit.compute.equations.plan import WindowPlan, plan_step
from rnnkit.compute.equations.trace import StepGraph, StepProduct
from rnnkit.compute.kernels.sample_plan import CELL

IMPORTS = """from rnnkit.compute.kernels.cube import cube
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.shared_gemv import gemv


"""


class VectorStep(NamedTuple):
    """The source of `NAME(program, at, x, states, scratch, weights, team)`, and what it reads.

    Rows of the program after `at` are first the products, then the pointwise parameters. A cell
    that reads x itself forms its gates with the first of the products; to others x is the gates.
    """

    source: str
    products: tuple[StepProduct, ...]
    pointwise: tuple[str, ...]
    states: int
    kept: tuple[str, ...]
    """The widths of values that the step keeps in scratch beside its products."""
    gates: bool
    forms_gates: bool


def vector_step(step: StepGraph) -> VectorStep:
    """Return the step of a cell; NAME stands for its name."""
    plan = plan_step(step)
    forms_gates = bool(step.symbols.gates) and plan.reads_inputs
    lines = _lines(plan, forms_gates)
    head = "def NAME(program, at, x, states, scratch, weights, team):"
    text = "\n".join([head, *indented(lines)])
    gates, _, states, pointwise, _ = step.symbols
    kept = tuple(node.width for node in plan.kept)
    # Rows of the program are read one after the other, level by level.
    products = tuple(sorted(step.products, key=lambda each: plan.levels[each.dots[0]]))
    return VectorStep(text, products, pointwise, len(states), kept, bool(gates), forms_gates)


def _lines(plan: WindowPlan, forms_gates: bool) -> list[str]:
    step = plan.step
    text = LoopText(plan, biased=True)
    gates, states = len(step.symbols.gates), len(step.new)
    lines = ["T, row, t, old = x.dtype.type, 0, 0, 0", "n, width = program[at, 4], program[at, 1]"]
    lines += ["first, last, start, part = 0, 1, 0, at + 1"]
    if plan.reads_inputs:
        lines.append("xs = cube(x, 1, width)")
    if forms_gates:
        lines += [*_product("zx_flat", "x"), f"zx = cube(zx_flat, 1, {gates} * n)"]
    elif gates:
        lines.append(f"zx = cube(x, 1, {gates} * n)")
    lines += [f"s{k} = cube(states[{2 * k} * n :], 2, n)" for k in range(states)]
    for number, node in enumerate(plan.kept):
        size = SIZES[node.width]
        lines += [f"v{number} = cube(scratch[start:], 1, {size})", f"start += {size}"]
    for number in range(len(step.symbols.pointwise)):
        lines += [f"place = program[part + {len(step.products) + number}, 3]"]
        lines += [f"p{number} = weights[place : place + n]"]
    for level in range(plan.last + 1):
        for number, product in enumerate(step.products):
            if plan.levels[product.dots[0]] == level:
                size = SIZES[product.dots[0].width]
                lines += _product(f"m{number}_flat", _vector(plan, product.value))
                count = len(product.dots)
                lines.append(f"m{number} = cube(m{number}_flat, 1, {count} * {size})")
        lines += text.rows(level_loops(text, level))
    for k in range(states):
        lines += ["for k in range(n):", f"    s{k}[0, 0, k] = s{k}[1, 0, k]"]
    return [*lines, "for k in range(n):", "    x[k] = s0[1, 0, k]"]


def _product(out: str, vector: str) -> list[str]:
    """Return the statements of the next product of the program."""
    return [
        "place, rows, columns = program[part, 3], program[part, 1], program[part, 2]",
        f"{out} = scratch[start : start + columns]",
        f"gemv(weights, place, rows, columns, {vector}, {out}, team)",
        "start, part = start + columns, part + 1",
    ]


def _vector(plan: WindowPlan, value: Value) -> str:
    if value.op == "state":
        return f"s{value.detail}[0, 0]"
    return "x" if value.op == "input" else f"v{plan.places[value].part}[0, 0]"


def sampler_source(steps: Sequence[str]) -> str:
    """Return a module whose `steps` runs the step of each kind of cell, the first of kind CELL."""
    named = [source.replace("NAME", f"step{k}", 1) for k, source in enumerate(steps)]
    arguments = "(program, at, x, states, scratch, weights, team)"
    branches = [
        line
        for k in range(len(steps))
        for line in (f"    if kind == {CELL + k}:", f"        step{k}{arguments}")
    ]
    last = "\n".join([f"def steps(kind, {arguments[1:]}:", *(branches or ["    pass"])])
    return IMPORTS + "\n\n\n".join(f"@jit\n{each}" for each in (*named, last)) + "\n"
