"""The product of a stage: what all stacks call, compiled once for all of them.

It is most of the code of a stack, and made part of each it would be compiled anew for every kind of
cell. One function also rounds in one way wherever it is called.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.memory import floats, integers, table_at
from rnnkit.compute.kernels.product import multiply_panels, panels_at
from rnnkit.compute.kernels.program import (
    AFFINE,
    BIAS,
    COLUMNS,
    COLUMNS_OF_TABLE,
    INNER,
    INT8,
    KIND,
    MATRIX,
    PACKED,
    PART,
    STRIDE,
)
from rnnkit.compute.kernels.registers import ABREAST, BYTES, WIDE
from rnnkit.compute.kernels.team import PLACES, SPARE
from rnnkit.compute.kernels.tile import wide_tiles
from rnnkit.compute.kernels.vector_product import by_two_threads, vector_product

ONE: Any = np.int64(1)
NONE: Any = np.int64(0)
"""Numbers of a type: Numba compiles a function anew for each that is written down."""

MANY = 16
"""Rows from which on a matrix is arranged for its product: below it costs more than it gives."""


def stage_product(
    table: int, part: int, blocks: int, rows: int, apart: int, given: int, found: int, task: int
) -> int:
    """Write x W + bias for blocks of `rows` rows each, which are `apart` numbers apart; return 0.

    Addresses: the table, whose row `part` is meant, x, the product, the task of this thread.
    """
    program = table_at(table, part + 1, COLUMNS_OF_TABLE)
    inner, columns = program[part, INNER], program[part, COLUMNS]
    x = floats(given, blocks * rows * inner)
    y = floats(found, (blocks - 1) * apart + rows * columns)
    own = integers(task, PLACES)
    shared = by_two_threads(inner, columns, own)
    many = blocks * rows >= MANY and program[part, STRIDE] > 0
    if many or (program[part, PACKED] != 0 and not shared):
        multiply_in_panels(program, part, blocks, rows, apart, x, y, own)
        return 0
    for block in range(blocks):
        for row in range(rows):
            left, corner = (block * rows + row) * inner, block * apart + row * columns
            vector_product(program, part, x[left : left + inner], y[corner:], own)
    add_bias(program, part, blocks, rows, apart, y)
    return 0


@partial(jit, copied=True)
def multiply_in_panels(
    program: Any, part: int, blocks: int, rows: int, apart: int, x: Any, y: Any, task: Any
) -> None:
    """Do so for a matrix that is arranged, or else some panels of it at a time."""
    inner, columns, stride = program[part, INNER], program[part, COLUMNS], program[part, STRIDE]
    arranged, lanes, column = program[part, PACKED] != 0, BYTES // 4, NONE
    panels, bias = floats(program[part, PACKED], inner * columns), NONE
    if not arranged:
        panels = floats(task[SPARE], inner * min(ABREAST * WIDE * lanes, columns))
    while column < columns:
        start, width, count = panels_at(columns, column, lanes)
        if not arranged:
            matrix = floats(program[part, MATRIX], stride * inner)
            arrange_panels(matrix, stride, start, width, count, panels)
        at = inner * column if arranged else NONE
        if program[part, BIAS] != 0:
            bias = program[part, BIAS] + 4 * start
        if blocks * rows == 1 and count == ABREAST:
            wide_tiles(ONE, x, NONE, inner, panels, at, inner, y, start, columns, bias)
        else:
            given = x, panels, at, bias, y, inner, columns, start, width, count, blocks, rows, apart
            multiply_panels(*given)
        column += count * width


@partial(jit, copied=True)
def arrange_panels(
    matrix: Any, stride: int, start: int, width: int, count: int, panels: Any
) -> None:
    """Write so many panels of `width` columns of a matrix, from `start` on, row after row each."""
    inner = len(matrix) // stride
    for k in range(inner):
        for panel in range(count):
            left = k * stride + start + panel * width
            row = matrix[left : left + width]
            into = panels[(panel * inner + k) * width : (panel * inner + k + 1) * width]
            for j in range(len(into)):
                into[j] = row[j]


@partial(jit, copied=True)
def add_bias(program: Any, part: int, blocks: int, rows: int, apart: int, y: Any) -> None:
    """Add the bias, where there is one."""
    if program[part, BIAS] == 0:
        return
    columns = program[part, COLUMNS]
    bias = floats(program[part, BIAS], columns)
    for block in range(blocks):
        for row in range(rows):
            corner = block * apart + row * columns
            out = y[corner : corner + columns]
            for k in range(columns):
                out[k] += bias[k]


@partial(jit, copied=True)
def spare_numbers(program: Any, rows: int) -> int:
    """Return how many numbers of scratch memory a product of so many rows takes."""
    most, wide = 0, WIDE * BYTES // 4
    for at in range(len(program)):
        kind, inner, columns = program[at, KIND], program[at, INNER], program[at, COLUMNS]
        if kind != AFFINE and kind != PART:
            continue
        if program[at, INT8] != 0:
            most = max(most, inner)
        if rows >= MANY and program[at, PACKED] == 0:
            most = max(most, inner * min(ABREAST * wide, columns))
    return most
