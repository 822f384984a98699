"""A stack of layers run by its table: some steps of some streams in one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numba import types

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.layer_norm import centre
from rnnkit.compute.kernels.memory import floats
from rnnkit.compute.kernels.program import (
    ADD,
    AFFINE,
    BIAS,
    CELL,
    COLUMNS,
    INNER,
    KEEP,
    KIND,
    MATRIX,
    NORM,
    ONE_HOT,
    OPTION,
    PART,
    PRODUCT,
    STATE,
    STRIDE,
)
from rnnkit.compute.kernels.stage_product import NONE, ONE

product_at: Any = types.ExternalFunction(PRODUCT, types.int32(*[types.int64] * 8))
"""The function `stage_product`, which is compiled apart."""


@partial(jit, copied=True)
def product(program: Any, part: int, rows: int, x: Any, y: Any, task: Any) -> None:
    """Write x W + bias for so many rows."""
    product_of_blocks(program, part, ONE, rows, NONE, x, y, task)


@partial(jit, copied=True)
def product_of_blocks(
    program: Any, part: int, blocks: int, rows: int, apart: int, x: Any, y: Any, task: Any
) -> None:
    """Do so for blocks of `rows` rows each, which are `apart` numbers apart in y."""
    table, given, found = program.ctypes.data, x.ctypes.data, y.ctypes.data
    product_at(table, part, blocks, rows, apart, given, found, task.ctypes.data)


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
