"""A stack of layers run by its table: some steps of some streams in one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.layer_norm import centre
from rnnkit.compute.kernels.memory import floats
from rnnkit.compute.kernels.product import multiply_panel
from rnnkit.compute.kernels.program import (
    ADD,
    AFFINE,
    BIAS,
    CELL,
    COLUMNS,
    INNER,
    INT8,
    KEEP,
    KIND,
    MATRIX,
    NORM,
    ONE_HOT,
    OPTION,
    PACKED,
    PART,
    STATE,
    STRIDE,
)
from rnnkit.compute.kernels.registers import ABREAST, BYTES, WIDE
from rnnkit.compute.kernels.team import SPARE
from rnnkit.compute.kernels.tile import wide_tiles
from rnnkit.compute.kernels.vector_product import by_two_threads, vector_product

F = np.float32
ONE: Any = np.int64(1)
NONE: Any = np.int64(0)
"""Numbers of a type: Numba compiles a function anew for each that is written down."""

MANY = 16
"""Rows from which on a matrix is arranged for its product: below it costs more than it gives."""


@partial(jit, copied=True)
def product(program: Any, part: int, rows: int, x: Any, y: Any, task: Any) -> None:
    """Write x W + bias for so many rows."""
    product_of_blocks(program, part, ONE, rows, NONE, x, y, task)


@partial(jit, inline=False)
def product_of_blocks(
    program: Any, part: int, blocks: int, rows: int, apart: int, x: Any, y: Any, task: Any
) -> None:
    """Write x W + bias for blocks of `rows` rows each, which are `apart` numbers apart in y."""
    inner, columns = program[part, INNER], program[part, COLUMNS]
    arranged, shared = program[part, PACKED] != 0, by_two_threads(inner, columns, task)
    many = blocks * rows >= MANY and program[part, STRIDE] > 0
    if many or (arranged and not shared):
        multiply_in_panels(program, part, blocks, rows, apart, x, y, task)
        return
    for block in range(blocks):
        for row in range(rows):
            left, corner = (block * rows + row) * inner, block * apart + row * columns
            vector_product(program, part, x[left : left + inner], y[corner:], task)
    add_bias(program, part, 0, columns, blocks, rows, apart, y)


@partial(jit, copied=True)
def multiply_in_panels(
    program: Any, part: int, blocks: int, rows: int, apart: int, x: Any, y: Any, task: Any
) -> None:
    """Do so for a matrix that is arranged, or else panel by panel.

    The bias is added while the sums are in the cache; some panels are taken at once.
    """
    inner, columns, stride = program[part, INNER], program[part, COLUMNS], program[part, STRIDE]
    arranged, lanes, column = program[part, PACKED] != 0, BYTES // 4, 0
    wide = WIDE * lanes
    panels = floats(program[part, PACKED], inner * columns)
    if not arranged:
        panels = floats(task[SPARE], inner * min(ABREAST * wide, columns))
    while column < columns:
        count = min((columns - column) // wide, ABREAST)
        width = wide if count else min(lanes, columns)
        count = max(count, 1)
        start = min(column, columns - width)
        if not arranged:
            matrix = floats(program[part, MATRIX], stride * inner)
            arrange_panels(matrix, stride, start, width, count, panels)
        place = inner * column if arranged else 0
        if blocks * rows == 1 and count == ABREAST:
            wide_tiles(ONE, x, NONE, inner, panels, place, inner, y, start, columns)
        else:
            for panel in range(count):
                at, first = place + panel * inner * width, start + panel * width
                multiply_panel(x, panels, at, y, inner, columns, first, width, blocks, rows, apart)
        # Columns that the last panel repeats are written anew, so they have their bias once.
        add_bias(program, part, start, count * width, blocks, rows, apart, y)
        column += count * width


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
def add_bias(
    program: Any, part: int, start: int, width: int, blocks: int, rows: int, apart: int, y: Any
) -> None:
    """Add the bias, where there is one, to columns from `start` on."""
    if program[part, BIAS] == 0:
        return
    columns = program[part, COLUMNS]
    bias = floats(program[part, BIAS] + 4 * start, width)
    for block in range(blocks):
        for row in range(rows):
            corner = block * apart + row * columns + start
            out = y[corner : corner + width]
            for k in range(width):
                out[k] += bias[k]


@partial(jit, copied=True)
def look_up(program: Any, token: int, x: Any) -> None:
    """Write what the first stage gives for an id to x."""
    # Ids are checked where they enter; one that is none must not read memory of others.
    columns, token = program[0, COLUMNS], min(max(token, 0), program[0, INNER] - 1)
    if program[0, KIND] == ONE_HOT:
        for k in range(columns):
            x[k] = 0
        x[token] = 1
        return
    row = floats(program[0, MATRIX] + 4 * token * program[0, STRIDE], columns)
    for k in range(columns):
        x[k] = row[k]
    if program[0, BIAS] != 0:
        bias = floats(program[0, BIAS], columns)
        for k in range(columns):
            x[k] += bias[k]


@partial(jit, copied=True)
def widest_row(program: Any) -> int:
    """Return the most numbers that a row has before, between and after the stages."""
    widest = 0
    for at in range(len(program)):
        kind = program[at, KIND]
        if kind != PART:
            widest = max(widest, program[at, COLUMNS])
        if kind == AFFINE or kind >= CELL:
            widest = max(widest, program[at, INNER])
    return widest


@partial(jit, copied=True)
def normalize(program: Any, at: int, rows: int, x: Any) -> None:
    """Normalize so many rows where they lie."""
    width, epsilon = program[at, COLUMNS], program[at, OPTION : OPTION + 1].view(np.float64)[0]
    gain, bias = floats(program[at, MATRIX], width), floats(program[at, BIAS], width)
    for row in range(rows):
        y = x[row * width : (row + 1) * width]
        scale = centre(y, y, epsilon)
        for k in range(width):
            y[k] = y[k] * scale * gain[k] + bias[k]


@partial(jit, copied=True)
def kept_rows(program: Any, at: int, rows: int, scratch: Any) -> Any:
    """Return where rows are kept for the sum: at the end of the scratch memory, past all cells."""
    width, before = program[at, COLUMNS], program[at, OPTION]
    end = len(scratch) - before * rows
    return scratch[end - width * rows : end]


@cache
def stages_runner(cells: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs stages around the steps of some kinds of cells."""

    def run_stages(
        program: Any,
        stop: int,
        steps: int,
        batch: int,
        room: int,
        x: Any,
        y: Any,
        states: Any,
        scratch: Any,
        task: Any,
    ) -> Any:
        """Run the stages before `stop` on x (steps, batch, n); return what holds it then.

        There is room for the states before the first of at most `room - 1` steps, and after each.
        """
        for at in range(stop):
            kind = program[at, KIND]
            if kind == AFFINE:
                product(program, at, steps * batch, x, y, task)
                x, y = y, x
            elif kind == NORM:
                normalize(program, at, steps * batch, x)
            elif kind == KEEP:
                kept = kept_rows(program, at, steps * batch, scratch)
                for k in range(len(kept)):
                    kept[k] = x[k]
            elif kind == ADD:
                kept = kept_rows(program, at, steps * batch, scratch)
                for k in range(len(kept)):
                    x[k] += kept[k]
            elif kind >= CELL:
                own = states[program[at, STATE] * room * batch :]
                cells(kind, program, at, steps, batch, room, x, own, scratch, task)
        return x, y

    return jit(run_stages, copied=True)
