"""A window of many streams through a stack, by compiled code, with nothing kept for a way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple, cast

import numpy as np

from rnnkit.compute.equations.stream_step import stages_source
from rnnkit.compute.kernels.object_code import array_address, entry
from rnnkit.compute.kernels.program import (
    ADD,
    AFFINE,
    CELL,
    COLUMNS,
    INNER,
    KEEP,
    KIND,
    PART,
    PRODUCT,
)
from rnnkit.compute.parallel import WORTH, assisted, run, shares, threads
from rnnkit.compute.stack.arranged import compiled_product
from rnnkit.compute.stack.parameters import Bound
from rnnkit.compute.stack.table import StackTable
from rnnkit.compute.window_arrays import expect_shape
from rnnkit.types import Array, Shape

ROWS = 512
"""Steps of streams that a thread takes through all layers at once: they stay in its own cache."""

HANDED_ON = 32
"""Steps of streams after which a thread hands on what it has, where two share the layers."""

NOTHING = 0
"""The address of what is not there."""

NO_STATE = np.empty(0, np.float32)


class _Window(NamedTuple):
    """What compiled code reads beside the program, in the order in which it takes it.

    Ids or values, and where streams begin anew, may be None. States are flat and go on.
    """

    ids: Array | None
    values: Array | None
    states: Array
    initial: Array
    resets: Array | None

    def addresses(self) -> tuple[int, ...]:
        """Return the addresses, with the width of the values after theirs."""
        ids, values, states, initial, resets = map(array_address, self)
        width = 0 if self.values is None else self.values.shape[-1]
        return ids, values, width, states, initial, resets


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
        np.ascontiguousarray(xs, np.int32) if table.reads_ids else None,
        None if table.reads_ids else np.ascontiguousarray(xs, np.float32),
        flat,
        _flat(table, initial(), streams) if begins else flat,
        np.ascontiguousarray(resets, bool) if begins else None,
    )
    ys = empty((steps, streams, table.outputs))
    divided = shares(streams, rows * table.work)
    long = rows >= 4 * HANDED_ON and rows * table.work >= WORTH
    cut = halfway(bound.program) if len(divided) == 1 and long and threads() > 1 else 0
    if cut:
        _run_by_layers(table, bound.program, cut, window, ys)
    else:
        room = max(1, min(steps, ROWS // max(last - first for first, last in divided)))
        stack = partial(compiled_stack(table), *_given(table, bound.program, window, room, ys))
        run([partial(stack, *share, NOTHING, NOTHING) for share in divided])
    return ys, _parts(table, flat, streams)


def _run_by_layers(table: StackTable, program: Array, cut: int, window: _Window, ys: Array) -> None:
    """Run few streams on two threads: one takes the lower layers, the other reads what they gave.

    The lower ones run on this thread: they wait for nobody.
    """
    steps, streams, _ = ys.shape
    room, done = max(1, HANDED_ON // streams), np.zeros(1, np.int64)
    before, counted = program[:cut], array_address(done)
    width = before[before[:, KIND] != PART][-1, COLUMNS]
    between = np.empty((steps, streams, width), np.float32)
    upper, stack = window._replace(ids=None, values=between), compiled_stack(table)
    lower_task = partial(
        stack, *_given(table, before, window, room, between), 0, streams, NOTHING, counted
    )
    upper_task = partial(
        stack, *_given(table, program[cut:], upper, room, ys), 0, streams, counted, NOTHING
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
    given = np.ascontiguousarray(xs)
    ids, values = (given, None) if table.reads_ids else (None, given)
    window = _Window(ids, values, flat, flat, None)
    given_to = _given(table, bound.program, window, 1, ys)
    compiled_stack(table)(*given_to, 0, streams, NOTHING, NOTHING)
    return ys, _parts(table, flat, streams)


def _given(
    table: StackTable, program: Array, window: _Window, room: int, ys: Array
) -> tuple[int, ...]:
    """Return what compiled code takes for all shares of a window; its arrays have to live on."""
    sizes = ys.shape[0], ys.shape[1], room, table.units, table.of_row, table.of_stream
    return array_address(program), len(program), *window.addresses(), *sizes, array_address(ys)


def compiled_stack(table: StackTable) -> Any:
    """Return the compiled code of a window through stacks of such cells."""
    return around_cells("stack", "stack_runner", table.cells)


@cache
def around_cells(module: str, maker: str, cells: tuple[str, ...]) -> Callable[..., None]:
    """Return what `maker` of a module of kernels makes around some kinds of cells, compiled."""

    def make() -> Callable[..., int]:
        from rnnkit.compute.equations.source import generated_module

        steps = generated_module("a stack", stages_source(cells)).cells
        made = getattr(import_module(f"rnnkit.compute.kernels.{module}"), maker)
        return cast("Callable[..., int]", made(steps))

    return entry(module, stages_source(cells), make, {PRODUCT: compiled_product()})


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
