"""A window of many streams through a stack, by compiled code, with nothing kept for a way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from rnnkit.compute.equations.source import generated_module
from rnnkit.compute.equations.stream_step import stages_source
from rnnkit.compute.parallel import run, shares
from rnnkit.compute.stack.parameters import MANY, Bound, arranged, bind, folded
from rnnkit.compute.stack.table import StackTable
from rnnkit.types import Array, Params, Shape

ROWS = 256
"""Steps of streams that a thread takes through all layers at once: they stay in its own cache."""

NO_IDS = np.empty((0, 0), np.int32)
NO_VALUES = np.empty((0, 0, 0), np.float32)
NO_RESETS = np.empty((0, 0), bool)


def run_stack(
    table: StackTable,
    params: Mapping[str, Params],
    xs: Array,
    states: Sequence[Array],
    initial: Callable[[], Sequence[Array]],
    resets: Array | None,
    empty: Callable[[Shape], Array],
) -> tuple[Array, list[Array]]:
    """Return the outputs (T, B, F) of ids (T, B) or values (T, B, F), and the states after them.

    `states` are those of the table, (B, n) each; streams begin anew with `initial` before the steps
    where `resets` (T, B) is true. `empty` gives the memory of the outputs.
    """
    from rnnkit.compute.kernels.vector_product import ALONE

    (steps, streams), rows = xs.shape[:2], xs.shape[0] * xs.shape[1]
    bound = bind(table, params)
    if rows >= MANY:
        bound = folded(table, params, bound, rows // 2)
        bound = arranged(table, params, bound)
    begins = resets is not None and resets.any()
    flat = _flat(states)
    first_states = _flat(initial()) if begins else flat
    ys = empty((steps, streams, table.outputs))
    divided = shares(streams, rows * table.work)
    room = max(1, min(steps, ROWS // max(last - first for first, last in divided)))
    window = partial(
        stack_of(table),
        bound.program,
        np.ascontiguousarray(xs, np.int32) if table.reads_ids else NO_IDS,
        NO_VALUES if table.reads_ids else np.ascontiguousarray(xs, np.float32),
        flat,
        first_states,
        np.ascontiguousarray(resets) if begins else NO_RESETS,
        (steps, streams, room, table.units, table.of_row, table.of_stream),
        ys.reshape(-1),
    )
    run([partial(window, share, ALONE) for share in divided])
    return ys, _parts(table, flat, streams)


def run_step(
    table: StackTable, bound: Bound, xs: Array, states: Sequence[Array]
) -> tuple[Array, list[Array]]:
    """Do so for one step of ids (1, B) or values (1, B, F), on this thread, as fast as it can be.

    The parameters are where they were when the program was bound to them, whatever their values.
    """
    from rnnkit.compute.kernels.vector_product import ALONE

    streams, flat = xs.shape[1], _flat(states)
    ys = np.empty((1, streams, table.outputs), np.float32)
    ids, values = (xs, NO_VALUES) if table.reads_ids else (NO_IDS, xs)
    sizes = 1, streams, 1, table.units, table.of_row, table.of_stream
    given = bound.program, ids, values, flat, flat, NO_RESETS, sizes, ys.reshape(-1)
    stack_of(table)(*given, (0, streams), ALONE)
    return ys, _parts(table, flat, streams)


def stack_of(table: StackTable) -> Callable[..., Any]:
    """Return the compiled code of a window through stacks of such cells."""
    return _stack(table.cells)


@cache
def _stack(cells: tuple[str, ...]) -> Callable[..., Any]:
    from rnnkit.compute.kernels.stack import stack_runner

    return stack_runner(cell_steps(cells))


@cache
def cell_steps(cells: tuple[str, ...]) -> Callable[..., None]:
    """Return the compiled steps of some kinds of cells."""
    steps: Callable[..., None] = generated_module("a stack", stages_source(cells)).cells
    return steps


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0, np.float32), *(array.reshape(-1) for array in arrays)])


def _parts(table: StackTable, flat: Array, streams: int) -> list[Array]:
    found, start = list[Array](), 0
    for _, n in table.states:
        found.append(flat[start : start + streams * n].reshape(streams, n))
        start += streams * n
    return found
