"""A window of many streams through a stack, by compiled code, with nothing kept for a way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from rnnkit.compute.equations.source import generated_module
from rnnkit.compute.equations.stream_step import stages_source
from rnnkit.compute.kernels.program import (
    ADD,
    AFFINE,
    CELL,
    COLUMNS,
    INNER,
    KEEP,
    KIND,
    NOBODY,
    PART,
)
from rnnkit.compute.parallel import WORTH, assisted, run, shares, threads
from rnnkit.compute.stack.parameters import Bound
from rnnkit.compute.stack.table import StackTable
from rnnkit.compute.window_arrays import expect_shape
from rnnkit.types import Array, Shape

ROWS = 512
"""Steps of streams that a thread takes through all layers at once: they stay in its own cache."""

HANDED_ON = 32
"""Steps of streams after which a thread hands on what it has, where two share the layers."""

NO_IDS = np.empty((0, 0), np.int32)
NO_VALUES = np.empty((0, 0, 0), np.float32)
NO_RESETS = np.empty((0, 0), bool)
NO_STATE = np.empty(0, np.float32)


class _Window(NamedTuple):
    """What compiled code reads and writes beside the program: `ids` or `values` is empty.

    States are flat and go on; `resets` is empty where no stream begins anew.
    """

    ids: Array
    values: Array
    states: Array
    initial: Array
    resets: Array


def run_stack(
    table: StackTable,
    bound: Bound,
    xs: Array,
    states: Sequence[Array],
    initial: Callable[[], Sequence[Array]],
    resets: Array | None,
    empty: Callable[[Shape], Array],
) -> tuple[Array, list[Array]]:
    """Return the outputs (T, B, F) of ids (T, B) or values (T, B, F), and the states after them.

    `states` are those of the table, (B, n) each; streams begin anew with `initial` before the steps
    where `resets` (T, B) is true. `empty` gives the memory of the outputs. Raises ValueError for
    what compiled code would read past its end.
    """
    (steps, streams), rows = xs.shape[:2], xs.shape[0] * xs.shape[1]
    expect_shape("xs", xs.shape, xs.shape[:2] if table.reads_ids else (*xs.shape[:2], table.inputs))
    if resets is not None:
        expect_shape("resets", resets.shape, (steps, streams))
    begins = resets is not None and resets.any()
    flat = _flat(table, states, streams)
    window = _Window(
        np.ascontiguousarray(xs, np.int32) if table.reads_ids else NO_IDS,
        NO_VALUES if table.reads_ids else np.ascontiguousarray(xs, np.float32),
        flat,
        _flat(table, initial(), streams) if begins else flat,
        np.ascontiguousarray(resets) if begins else NO_RESETS,
    )
    ys = empty((steps, streams, table.outputs))
    divided = shares(streams, rows * table.work)
    long = rows >= 4 * HANDED_ON and rows * table.work >= WORTH
    cut = halfway(bound.program) if len(divided) == 1 and long and threads() > 1 else 0
    if cut:
        _run_by_layers(table, bound.program, cut, window, ys)
    else:
        room = max(1, min(steps, ROWS // max(last - first for first, last in divided)))
        stack = partial(
            compiled_stack(table), bound.program, *window, _sizes(table, ys, room), _line(ys)
        )
        run([partial(stack, share, NOBODY, NOBODY, NOBODY) for share in divided])
    return ys, _parts(table, flat, streams)


def _run_by_layers(table: StackTable, program: Array, cut: int, window: _Window, ys: Array) -> None:
    """Run few streams on two threads: one takes the lower layers, the other reads what they gave.

    The lower ones run on this thread: they wait for nobody.
    """
    steps, streams, _ = ys.shape
    sizes, done = _sizes(table, ys, max(1, HANDED_ON // streams)), np.zeros(1, np.int64)
    before = program[:cut]
    width = before[before[:, KIND] != PART][-1, COLUMNS]
    between = np.empty((steps, streams, width), np.float32)
    upper, all_streams = window._replace(ids=NO_IDS, values=between), (0, streams)
    lower_task, upper_task = (
        partial(compiled_stack(table), part, *read, sizes, _line(out), all_streams, *hands, NOBODY)
        for part, read, out, hands in (
            (before, window, between, (NOBODY, done)),
            (program[cut:], upper, ys, (done, NOBODY)),
        )
    )

    def stop() -> None:
        done[0] = steps  # after Ctrl-C, or an error, nobody else would count any further

    assisted(lower_task, upper_task, stop)


def halfway(program: Array) -> int:
    """Return the row at which the work before and after is most alike; 0 where none divides it.

    A matrix of a step is read anew in every step, others once for many. What is kept for a sum is
    kept by one thread.
    """
    kinds, sizes = program[:, KIND], program[:, INNER] * program[:, COLUMNS]
    work = np.where(kinds == PART, 4 * sizes, np.where(kinds == AFFINE, sizes, 0)).cumsum()
    cells = np.flatnonzero(kinds >= CELL)
    inside = (kinds == KEEP).cumsum() - (kinds == KEEP) - (kinds == ADD).cumsum()
    begins = ((kinds == AFFINE) | (kinds == KEEP) | (kinds >= CELL)) & (inside == 0)
    rows = [row for row in np.flatnonzero(begins).tolist() if len(cells) and row > cells[0]]
    return min(rows, key=lambda row: abs(2 * work[row - 1] - work[-1]), default=0)


def run_step(
    table: StackTable, bound: Bound, xs: Array, states: Sequence[Array]
) -> tuple[Array, list[Array]]:
    """Do so for one step of ids (1, B) or values (1, B, F), on this thread, as fast as it can be.

    The parameters are where they were when the program was bound to them, whatever their values.
    """
    streams = xs.shape[1]
    flat = _flat(table, states, streams)
    ys = np.empty((1, streams, table.outputs), np.float32)
    # Numba compiles anew for an array of another order.
    given = np.ascontiguousarray(xs)
    ids, values = (given, NO_VALUES) if table.reads_ids else (NO_IDS, given)
    window, sizes = _Window(ids, values, flat, flat, NO_RESETS), _sizes(table, ys, 1)
    compiled_stack(table)(
        bound.program, *window, sizes, _line(ys), (0, streams), NOBODY, NOBODY, NOBODY
    )
    return ys, _parts(table, flat, streams)


def compiled_stack(table: StackTable) -> Any:
    """Return the compiled code of a window through stacks of such cells."""
    return _compiled(table.cells)


@cache
def _compiled(cells: tuple[str, ...]) -> Callable[..., Any]:
    from rnnkit.compute.kernels.stack import stack_runner

    return stack_runner(cell_steps(cells))


def _sizes(table: StackTable, ys: Array, room: int) -> tuple[int, ...]:
    return ys.shape[0], ys.shape[1], room, table.units, table.of_row, table.of_stream


def _line(array: Array) -> Array:
    return array.reshape(-1)


@cache
def cell_steps(cells: tuple[str, ...]) -> Callable[..., None]:
    """Return the compiled steps of some kinds of cells."""
    steps: Callable[..., None] = generated_module("a stack", stages_source(cells)).cells
    return steps


def _flat(table: StackTable, states: Sequence[Array], streams: int) -> Array:
    """Return the arrays of a state one after the other; ValueError for more or less of them."""
    parts = [NO_STATE, *(array.reshape(-1) for array in states)]
    flat = np.concatenate(parts, dtype=np.float32)
    expect_shape("the states together", flat.shape, (streams * table.units,))
    return flat


def _parts(table: StackTable, flat: Array, streams: int) -> list[Array]:
    found, start = list[Array](), 0
    for _, n in table.states:
        found.append(flat[start : start + streams * n].reshape(streams, n))
        start += streams * n
    return found
