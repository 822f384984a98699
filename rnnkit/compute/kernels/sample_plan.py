"""A stack of built-in layers as plain arrays, which one compiled function runs step by step.

Each layer says what it does with one vector, in steps; `packed` lays their numbers into one buffer
and describes them by a table of integers, so nothing is compiled for a model of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.types import Array, State

LOOKUP, ONE_HOT, AFFINE, PART, CELL = range(5)
"""Kinds of steps: a PART belongs to the cell before it; kinds of cells are CELL and above."""

LANES = 16
"""Rows of a matrix start at a cache line: no load crosses two, and no loop has a remainder."""

FOLDED = 2**20
"""Numbers that a table may have in which every id is already multiplied with the next matrix."""


LARGE = 2**18
"""Numbers of a matrix that two threads share: one core holds a smaller one in its own cache."""


class CellStep(NamedTuple):
    """What a cell does with one vector: the source of its step, and the memory that takes."""

    source: str
    units: int
    arrays: int
    scratch: int


class PlanStep(NamedTuple):
    """What is done with one vector: a kind, the matrix, what is added to the product; a cell."""

    kind: int
    W: Array
    bias: Array
    cell: CellStep | None = None


Steps = tuple[PlanStep, ...]
"""What a layer does with one vector; () for nothing."""


def lookup(W: Array) -> Steps:
    """Take row `id` of W."""
    return (PlanStep(LOOKUP, W, W[:0, 0]),)


def one_hot() -> Steps:
    """Take row `id` of the identity."""
    nothing = np.zeros((0, 0), np.float32)
    return (PlanStep(ONE_HOT, nothing, nothing.ravel()),)


def affine(W: Array, bias: Array | None) -> Steps:
    """Give x W + bias."""
    return (PlanStep(AFFINE, W, np.zeros(W.shape[1], W.dtype) if bias is None else bias),)


def part(W: Array, bias: Array | None = None) -> PlanStep:
    """Return a matrix, or one row, that the step of the cell before it reads."""
    return PlanStep(PART, W, W[:0, 0] if bias is None else bias)


class Plan(NamedTuple):
    """The steps in order, and the hidden state that they start from.

    A row of `program` is kind, rows, width, place of the matrix, units, place of the state, arrays
    of the state. A matrix lies in `weights` with its rows padded to `width`, the bias as its last
    row. Each array of a state has two places side by side in `states`: what a step reads, and what
    it writes. `cells` are the sources of the steps of the kinds from CELL on.
    """

    program: Array
    weights: Array
    states: Array
    scratch: Array
    outputs: int
    cells: tuple[str, ...]

    @property
    def state(self) -> State:
        """The hidden state, as one tuple of (1, units) arrays for all layers together."""
        found: list[Array] = []
        for *_, units, place, arrays in self.program.tolist():
            starts = (place + 2 * units * k for k in range(arrays))
            found += [self.states[None, start : start + units] for start in starts]
        return tuple(found)

    @property
    def large(self) -> tuple[int, ...]:
        """The most rows and columns of the matrices that two threads share; () without any."""
        sizes = [(rows, width) for kind, rows, width, *_ in self.program.tolist() if kind != LOOKUP]
        shared = [size for size in sizes if size[0] * size[1] >= LARGE]
        return tuple(map(max, zip(*shared, strict=True)))

    def with_state(self, state: State) -> Plan:
        """Return a plan of the same matrices with a hidden state of its own."""
        plan = self._replace(states=self.states.copy(), scratch=self.scratch.copy())
        for mine, given in zip(plan.state, state, strict=True):
            mine[...] = given
        return plan


def make_plan(steps: Sequence[PlanStep], state: State) -> Plan | None:
    """Return the plan of a stack with a copy of its state; None where it does not begin with ids.

    `state` holds the arrays (1, units) of all layers, one after the other.
    """
    steps = _folded(steps)
    if not steps or steps[0].kind != LOOKUP:
        return None
    cells = tuple(dict.fromkeys(step.cell.source for step in steps if step.cell))
    program, size, room = _program(steps, cells)
    weights = _aligned(size)
    for step, (_, rows, width, start, *_) in zip(steps, program, strict=True):
        matrix = weights[start : start + (rows + 1) * width].reshape(rows + 1, width)
        matrix[:rows, : step.W.shape[1]] = step.W
        matrix[rows, : step.bias.size] = step.bias
    scratch = _aligned(max((step.cell.scratch for step in steps if step.cell), default=0))
    states = np.zeros(room, np.float32)
    outputs = steps[-1].W.shape[1]
    plan = Plan(np.array(program, np.int64), weights, states, scratch, outputs, cells)
    return plan.with_state(state)


def padded(columns: int) -> int:
    """Return how many numbers a row of a matrix takes."""
    return columns + -columns % LANES


def _program(
    steps: Sequence[PlanStep], cells: Sequence[str]
) -> tuple[list[tuple[int, ...]], int, int]:
    """Return the table of the steps, and how many numbers the matrices and the states take."""
    program: list[tuple[int, ...]] = []
    start = place = 0
    for kind, W, _, cell in steps:
        rows, width = len(W), padded(W.shape[1])
        units, arrays = (cell.units, cell.arrays) if cell else (0, 0)
        number = CELL + cells.index(cell.source) if cell else kind
        program.append((number, rows, width, start, units, place, arrays))
        start += (rows + 1) * width
        place += 2 * units * arrays
    return program, start, place


def _folded(steps: Sequence[PlanStep]) -> list[PlanStep]:
    """Return the steps with the first product made part of the table that it follows."""
    if len(steps) < 2 or steps[1].kind != AFFINE:
        return list(steps)
    table, product = steps[:2]
    if table.kind == ONE_HOT:
        folded = product.W + product.bias
    elif table.kind == LOOKUP and len(table.W) * product.W.shape[1] <= FOLDED:
        folded = table.W @ product.W + product.bias
    else:
        return list(steps)
    return [*lookup(folded), *steps[2:]]


def _aligned(size: int) -> Array:
    """Return zeros that begin at a cache line."""
    numbers = np.zeros(size + LANES, np.float32)
    start = -(numbers.ctypes.data // 4) % LANES
    return numbers[start : start + size]
