"""Tokens one after the other from the table of a stack: one call makes many.

The time goes into reading the weights once for every token. The steps of cells are those of
training, written from their equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rnnkit.compute.kernels.memory import (
    LINE,
    address_of_new,
    cache_lines,
    doubles,
    floats,
    free,
    integers,
    next_line,
    table_at,
)
from rnnkit.compute.kernels.object_code import NO_MEMORY
from rnnkit.compute.kernels.program import COLUMNS_OF_TABLE
from rnnkit.compute.kernels.sample_choice import argmax, choose_id
from rnnkit.compute.kernels.stage_product import ONE, spare_numbers
from rnnkit.compute.kernels.stages import look_up, stages_runner, widest_row
from rnnkit.compute.kernels.team import PLACES, SPARE

TWO: Any = np.int64(2)


@cache
def sampler(cells: Callable[..., Any]) -> Callable[..., int]:
    """Return the sampler around the steps of some kinds of cells, to be compiled."""
    run_stages = stages_runner(cells)

    def sample(
        table: int,
        stages: int,
        states_now: int,
        units: int,
        scratch_memory: int,
        scratch_size: int,
        outputs: int,
        token: int,
        numbers_drawn: int,
        count: int,
        ids_wanted: int,
        temperature: float,
        top_k: int,
        top_p: float,
        shared_task: int,
    ) -> int:
        """Write the ids that follow `token`, one for each number drawn; return 0, or NO_MEMORY.

        Addresses: the table of so many stages, the states, which go on, scratch memory, the
        numbers drawn and the ids; the task of two threads, or 0. Ids are -1 from where the logits
        are not finite.
        """
        program = table_at(table, stages, COLUMNS_OF_TABLE)
        widest, spare = widest_row(program), spare_numbers(program, 1)
        of_x, of_ids = cache_lines(widest), cache_lines(2 * outputs)
        memory = address_of_new(2 * LINE + 4 * (2 * of_x + 2 * of_ids + spare))
        if memory == 0:
            return NO_MEMORY
        start_of_task = next_line(memory)
        start_of_chances = start_of_task + LINE
        start_of_x = start_of_chances + 8 * of_ids
        chances = doubles(start_of_chances, outputs)
        ids = integers(start_of_chances + 4 * of_ids, outputs)
        x, y = floats(start_of_x, widest), floats(start_of_x + 4 * of_x, widest)
        if shared_task == 0:
            integers(start_of_task, PLACES)[:] = 0
        task = integers(start_of_task if shared_task == 0 else shared_task, PLACES)
        task[SPARE] = start_of_x + 8 * of_x
        states, scratch = floats(states_now, 2 * units), floats(scratch_memory, scratch_size)
        drawn, found = doubles(numbers_drawn, count), integers(ids_wanted, count)
        for t in range(count):
            look_up(program, token, x)
            x, y = run_stages(program, stages, ONE, ONE, TWO, x, y, states, scratch, task)
            largest = argmax(x, outputs)
            if not math.isfinite(x[largest]):  # the first NaN, where there is one
                found[t:] = -1
                break
            token = choose_id(x, largest, temperature, top_k, top_p, drawn[t], chances, ids)
            found[t] = token
        free(memory)
        return 0

    return sample
