"""A window through a stack of layers, and nothing kept of it but outputs and states."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from rnnkit.compute.kernels.atomic import load, store
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.program import (
    AFFINE,
    ARRAYS,
    COLUMNS,
    KIND,
    LOOKUP,
    ONE_HOT,
    PART,
    STATE,
    UNITS,
)
from rnnkit.compute.kernels.stages import (
    look_up,
    product,
    product_of_blocks,
    stages_runner,
    widest_row,
)

F = np.float32


@partial(jit, copied=True)
def move_states(program: Any, whole: Any, own: Any, room: int, rows: Any, into: bool) -> None:
    """Copy the states of some streams, `rows`, into the first of their own places, or back.

    In `whole` an array is (streams, n), in `own` (room, rows, n).
    """
    first, last, streams = rows
    batch = last - first
    for at in range(len(program)):
        n = program[at, UNITS]
        for k in range(program[at, ARRAYS]):
            before = program[at, STATE] + k * n
            for row in range(batch):
                there = before * streams + (first + row) * n
                here = before * room * batch + row * n
                for j in range(n):
                    if into:
                        own[here + j] = whole[there + j]
                    else:
                        whole[there + j] = own[here + j]


@partial(jit, copied=True)
def restart(program: Any, initial: Any, own: Any, room: int, rows: Any, begins: Any) -> None:
    """Give the streams that begin anew their initial state."""
    first, last, streams = rows
    batch = last - first
    for at in range(len(program)):
        n = program[at, UNITS]
        for k in range(program[at, ARRAYS]):
            before = program[at, STATE] + k * n
            for row in range(batch):
                if begins[first + row]:
                    there = before * streams + (first + row) * n
                    here = before * room * batch + row * n
                    for j in range(n):
                        own[here + j] = initial[there + j]


@partial(jit, copied=True)
def steps_at_once(resets: Any, start: int, stop: int, first: int, last: int) -> int:
    """Return the steps from `start` on in which no stream begins anew, but for the first."""
    for t in range(start + 1, stop if len(resets) else start):
        for row in range(first, last):
            if resets[t, row]:
                return t - start
    return stop - start


@cache
def stack_runner(cells: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs a window around the steps of some kinds of cells."""
    run_stages = stages_runner(cells)

    def run_stack(
        program: Any,
        ids: Any,
        xs: Any,
        states: Any,
        initial: Any,
        resets: Any,
        sizes: Any,
        ys: Any,
        share: Any,
        below: Any,
        above: Any,
        task: Any,
    ) -> None:
        """Run the streams of a share, a few steps at once.

        `ids` (T, B) or `xs` (T, B, F) is empty; `ys` is flat, and so are `states`, which go on, and
        `initial`. `sizes` are T, B, the steps at once, the units of all states, what a row and what
        a stream takes in scratch memory. `below` (1,) counts the steps that another thread has
        written to `xs` by now, and `above` (1,) those written here; either may be empty.
        """
        (length, streams, room, units, of_row, of_stream), (first, last) = sizes, share
        batch, end = last - first, len(program) - 1
        while program[end, KIND] == PART:
            end -= 1
        outputs, at_once = program[end, COLUMNS], room * batch
        direct = program[end, KIND] == AFFINE
        before = end if direct else end + 1
        by_ids = program[0, KIND] == LOOKUP or program[0, KIND] == ONE_HOT
        widest = max(widest_row(program[:before]), xs.shape[2])
        x, y = np.empty(at_once * widest, F), np.empty(at_once * widest, F)
        own = np.empty((room + 1) * batch * units, F)
        scratch = np.empty(at_once * of_row + batch * of_stream, F)
        rows = first, last, streams
        move_states(program, states, own, room + 1, rows, True)
        start = 0
        while start < length:
            if len(resets):
                restart(program, initial, own, room + 1, rows, resets[start])
            stop = min(start + room, length)
            steps = steps_at_once(resets, start, stop, first, last)
            while len(below) and load(below, 0) < start + steps:
                pass
            if by_ids:
                width = program[0, COLUMNS]
                for row in range(steps * batch):
                    token = ids[start + row // batch, first + row % batch]
                    look_up(program, token, x[row * width :])
            else:
                width = xs.shape[2]
                for row in range(steps * batch):
                    given, into = xs[start + row // batch, first + row % batch], row * width
                    for k in range(width):
                        x[into + k] = given[k]
            x, y = run_stages(program, before, steps, batch, room + 1, x, y, own, scratch, task)
            out = ys[(start * streams + first) * outputs :]
            if direct and batch == streams:
                product(program, end, steps * batch, x, out, task)
            elif direct:
                apart = streams * outputs
                product_of_blocks(program, end, steps, batch, apart, x, out, task)
            else:
                for row in range(steps * batch):
                    into = (row // batch * streams + row % batch) * outputs
                    for k in range(outputs):
                        out[into + k] = x[row * outputs + k]
            start += steps
            if len(above):
                store(above, 0, start)
        move_states(program, states, own, room + 1, rows, False)

    return jit(run_stack)
