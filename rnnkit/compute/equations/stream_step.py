"""Some steps of some streams as source, without a way back: the loops of training, less memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.compute.equations.graph import Value
from rnnkit.compute.equations.loop_text import SIZES, LoopText, indented
from rnnkit.compute.equations.loops import level_loops
from rnnkit.compute.equations.plan import WindowPlan, plan_step
from rnnkit.compute.equations.trace import StepGraph, StepProduct
from rnnkit.compute.kernels.program import CELL, INNER, MATRIX, UNITS

IMPORTS = """from functools import partial

from rnnkit.compute.kernels.cube import cube
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.memory import floats
from rnnkit.compute.kernels.stages import product


"""
ARGUMENTS = "(program, at, steps, batch, room, x, states, scratch, task)"


class StreamStep(NamedTuple):
    """The source of `NAME` with the ARGUMENTS, and what it reads.

    Rows of the program after `at` are first the products, then the pointwise parameters. A cell
    that reads x itself forms its gates with the first of the products; to others x is the gates.
    """

    source: str
    products: tuple[StepProduct, ...]
    pointwise: tuple[str, ...]
    states: int
    kept: tuple[str, ...]
    """The widths of values that a step keeps in scratch memory beside its products."""
    gates: int
    forms_gates: bool


def stream_step(step: StepGraph) -> StreamStep:
    """Return the step of a cell; NAME stands for its name."""
    plan = plan_step(step)
    forms_gates = bool(step.symbols.gates) and plan.reads_inputs
    text = "\n".join([f"def NAME{ARGUMENTS}:", *indented(_lines(plan, forms_gates))])
    gates, _, states, pointwise, _ = step.symbols
    kept = tuple(node.width for node in plan.kept)
    return StreamStep(text, step.products, pointwise, len(states), kept, len(gates), forms_gates)


def _lines(plan: WindowPlan, forms_gates: bool) -> list[str]:
    step = plan.step
    text = LoopText(plan, biased=True)
    gates, states, first = len(step.symbols.gates), range(len(step.new)), 1 + forms_gates
    lines = [
        "T, first, last, start, rows = x.dtype.type, 0, batch, 0, steps * batch",
        f"n, width = program[at, {UNITS}], program[at, {INNER}]",
    ]
    if plan.reads_inputs:
        lines.append("xs = cube(x, steps, batch, width)")
    if forms_gates:
        lines += _taken("zx", f"{gates} * n", "steps")
        lines.append("product(program, at + 1, rows, x, zx_flat, task)")
    elif gates:
        lines.append(f"zx = cube(x, steps, batch, {gates} * n)")
    for k in states:
        lines += [f"s{k}_flat = states[{k} * room * batch * n :]"]
        lines += [f"s{k} = cube(s{k}_flat, steps + 1, batch, n)"]
    for number, node in enumerate(plan.kept):
        lines += _taken(f"v{number}", SIZES[node.width], "steps")
    for number in range(len(step.symbols.pointwise)):
        row = first + len(step.products) + number
        lines.append(f"p{number} = floats(program[at + {row}, {MATRIX}], n)")
    for number, product in enumerate(step.products):
        size = f"{len(product.dots)} * {SIZES[product.dots[0].width]}"
        lines += _taken(f"m{number}", size, "steps" if number in plan.whole else "1")
        if number in plan.whole:
            out = f"x, m{number}_flat"
            lines.append(f"product(program, at + {first + number}, rows, {out}, task)")
    lines += ["for t in range(steps):", *indented(_body(plan, text, first))]
    lines += ["for k in range(rows * n):", "    x[k] = s0_flat[batch * n + k]"]
    lines += ["for k in range(batch * n):"]
    lines += [f"    s{k}_flat[k] = s{k}_flat[rows * n + k]" for k in states]
    return lines


def _body(plan: WindowPlan, text: LoopText, first: int) -> list[str]:
    """Return the statements of one step."""
    lines = ["old = t"]
    for level in range(plan.last + 1):
        for number, product in enumerate(plan.step.products):
            if plan.levels[product.dots[0]] == level and number not in plan.whole:
                vector = _factor(plan, product.value)
                out = f"{vector}, m{number}_flat"
                lines.append(f"product(program, at + {first + number}, batch, {out}, task)")
        lines += text.rows(level_loops(text, level))
    return lines


def _taken(name: str, size: str, steps: str) -> list[str]:
    """Return the statements that take an array (steps, batch, size) of the scratch memory."""
    return [
        f"{name}_flat = scratch[start : start + {steps} * batch * {size}]",
        f"{name} = cube({name}_flat, {steps}, batch, {size})",
        f"start += {steps} * batch * {size}",
    ]


def _factor(plan: WindowPlan, value: Value) -> str:
    """Return the flat memory of what a product multiplies, of all streams in a step."""
    if value.op == "state":
        return f"s{value.detail}_flat[old * batch * n :]"
    return f"v{plan.places[value].part}_flat[t * batch * {SIZES[value.width]} :]"


def stages_source(steps: Sequence[str]) -> str:
    """Return a module whose `cells` runs the step of each kind of cell, the first of kind CELL."""
    named = [source.replace("NAME", f"step{k}", 1) for k, source in enumerate(steps)]
    branches = [
        line
        for k in range(len(steps))
        for line in (f"    if kind == {CELL + k}:", f"        step{k}{ARGUMENTS}")
    ]
    last = "\n".join([f"def cells(kind, {ARGUMENTS[1:]}:", *(branches or ["    pass"])])
    apart = [f"@jit\n{each}" for each in named]
    return IMPORTS + "\n\n\n".join([*apart, f"@partial(jit, copied=True)\n{last}"]) + "\n"
