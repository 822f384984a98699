"""A window through a stack of layers, and nothing kept of it but outputs and states."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from rnnkit.compute.kernels.atomic import load, store
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.memory import (
    LINE,
    address_of_new,
    bytes_at,
    cache_lines,
    floats,
    free,
    ids_at,
    integers,
    next_line,
    table_at,
)
from rnnkit.compute.kernels.object_code import NO_MEMORY
from rnnkit.compute.kernels.program import (
    AFFINE,
    ARRAYS,
    COLUMNS,
    COLUMNS_OF_TABLE,
    KIND,
    PART,
    STATE,
    UNITS,
)
from rnnkit.compute.kernels.stage_product import spare_numbers
from rnnkit.compute.kernels.stages import (
    look_up,
    product,
    product_of_blocks,
    stages_runner,
    widest_row,
)
from rnnkit.compute.kernels.team import PLACES, SPARE


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
                if begins[first + row] != 0:
                    there = before * streams + (first + row) * n
                    here = before * room * batch + row * n
                    for j in range(n):
                        own[here + j] = initial[there + j]


@partial(jit, copied=True)
def steps_at_once(resets: Any, start: int, stop: int, rows: Any) -> int:
    """Return the steps from `start` on in which no stream begins anew, but for the first."""
    first, last, streams = rows
    for t in range(start + 1, stop):
        for row in range(first, last):
            if resets[t * streams + row] != 0:
                return t - start
    return stop - start


@cache
def stack_runner(cells: Callable[..., Any]) -> Callable[..., int]:
    """Return what runs a window around the steps of some kinds of cells, to be compiled."""
    run_stages = stages_runner(cells)

    def run_stack(
        table: int,
        stages: int,
        ids_given: int,
        values_given: int,
        width: int,
        states_now: int,
        initial_states: int,
        resets_given: int,
        length: int,
        streams: int,
        room: int,
        units: int,
        of_row: int,
        of_stream: int,
        outputs_wanted: int,
        first: int,
        last: int,
        counted_below: int,
        counted_above: int,
    ) -> int:
        """Run the streams of a share, a few steps at once; return 0, or NO_MEMORY.

        Addresses: the table of so many stages, ids (T, B) or values (T, B, width), the states,
        which go on, initial ones, resets (T, B), the outputs. `units` are those of all states,
        `of_row` and `of_stream` what a row and a stream take in scratch memory, `room` the steps at
        once. `counted_below` counts the steps that another thread has written to the values by now,
        `counted_above` those written here. What is not there has the address 0.
        """
        program, batch, end = table_at(table, stages, COLUMNS_OF_TABLE), last - first, stages - 1
        while program[end, KIND] == PART:
            end -= 1
        outputs, at_once = program[end, COLUMNS], room * batch
        direct = program[end, KIND] == AFFINE
        before = end if direct else end + 1
        of_x = cache_lines(at_once * max(widest_row(program[:before]), width))
        of_states = cache_lines((room + 1) * batch * units)
        of_steps = cache_lines(at_once * of_row + batch * of_stream)
        numbers = 2 * of_x + of_states + of_steps + spare_numbers(program, at_once)
        memory = address_of_new(2 * LINE + 4 * numbers)
        if memory == 0:
            return NO_MEMORY
        start_of_task = next_line(memory)
        start_of_x = start_of_task + LINE
        start_of_own = start_of_x + 8 * of_x
        start_of_scratch = start_of_own + 4 * of_states
        x, y = floats(start_of_x, of_x), floats(start_of_x + 4 * of_x, of_x)
        own, scratch = floats(start_of_own, of_states), floats(start_of_scratch, of_steps)
        task = integers(start_of_task, PLACES)
        task[:] = 0
        task[SPARE] = start_of_scratch + 4 * of_steps
        rows, steps_of_streams = (first, last, streams), length * streams
        ids, values = (
            ids_at(ids_given, steps_of_streams),
            floats(values_given, steps_of_streams * width),
        )
        states = floats(states_now, streams * units)
        ys = floats(outputs_wanted, steps_of_streams * outputs)
        resets = bytes_at(resets_given, steps_of_streams)
        move_states(program, states, own, room + 1, rows, True)
        start = 0
        while start < length:
            if resets_given != 0:
                initial = floats(initial_states, streams * units)
                restart(program, initial, own, room + 1, rows, resets[start * streams :])
            stop = min(start + room, length)
            steps = stop - start
            if resets_given != 0:
                steps = steps_at_once(resets, start, stop, rows)
            if counted_below != 0:
                below = integers(counted_below, 1)
                while load(below, 0) < start + steps:
                    pass
            for row in range(steps * batch):
                place = (start + row // batch) * streams + first + row % batch
                if values_given == 0:
                    look_up(program, ids[place], x[row * program[0, COLUMNS] :])
                else:
                    read, into = values[place * width :], x[row * width :]
                    for k in range(width):
                        into[k] = read[k]
            x, y = run_stages(program, before, steps, batch, room + 1, x, y, own, scratch, task)
            out = ys[(start * streams + first) * outputs :]
            if direct and batch == streams:
                product(program, end, steps * batch, x, out, task)
            elif direct:
                apart = streams * outputs
                product_of_blocks(program, end, steps, batch, apart, x, out, task)
            else:
                for row in range(steps * batch):
                    into_row = (row // batch * streams + row % batch) * outputs
                    for k in range(outputs):
                        out[into_row + k] = x[row * outputs + k]
            start += steps
            if counted_above != 0:
                store(integers(counted_above, 1), 0, start)
        move_states(program, states, own, room + 1, rows, False)
        free(memory)
        return 0

    return run_stack
