"""The product of one vector with a matrix as it lies in memory, large ones shared by two threads.

A token reads every weight once, so its time is that of the memory, and one core cannot ask for all
that the memory gives. The second thread waits in a busy loop while tokens are made: a token has few
products of some 0.1 ms each, and waking a thread takes as long. Each of the `PARTS` groups of
columns is taken by the thread that is free: one that the system holds up delays only its own group,
and the sums do not depend on who forms them.

Sums run in the order of the inner index, as those of many rows do in `product`: one row gives the
same bits alone and among others. Only a matrix that is used transposed is added up in parts.

Of a matrix in 8 bits the vector is multiplied by the scales of the rows first; the sums are those
of float32 numbers, in the same order.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import types

from rnnkit.compute.kernels.atomic import fetch_add, load, store
from rnnkit.compute.kernels.jit import intrinsic, jit
from rnnkit.compute.kernels.memory import bytes_at, floats
from rnnkit.compute.kernels.program import COLUMNS, INNER, INT8, MATRIX, SCALES, STRIDE
from rnnkit.compute.kernels.team import DONE, FOUND, GIVEN, LARGE, NEXT, PART, PARTS, SPARE, STOP

F = np.float32


def _add_product(typing: Any, total: Any, a: Any, b: Any) -> Any:
    """Return total + a b, rounded once where the processor can: in this order, whatever is near."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, a, b = arguments
        product = builder.fmul(a, b, flags=("contract", "nsz"))
        return builder.fadd(product, total, flags=("contract", "nsz"))

    return types.float32(types.float32, types.float32, types.float32), generate


add_product: Any = intrinsic(_add_product)


@partial(jit, copied=True)
def by_two_threads(inner: int, columns: int, task: Any) -> bool:
    """Tell whether two threads share a product."""
    return task[FOUND] != 0 and inner * columns >= LARGE


@partial(jit, copied=True)
def vector_product(program: Any, part: int, x: Any, y: Any, task: Any) -> None:
    """Write x W to y, for the matrix of a row of the program."""
    inner, columns = program[part, INNER], program[part, COLUMNS]
    if not by_two_threads(inner, columns, task):
        given = x
        if is_scaled(program, part):
            given = floats(task[SPARE], inner)
            give(program, part, x, given)
        sum_share(program, part, 0, columns, given, y)
        return
    given, found = floats(task[GIVEN], inner), floats(task[FOUND], columns)
    give(program, part, x, given)
    task[PART] = part
    store(task, DONE, 0)
    store(task, NEXT, 0)
    take(program, task)
    while load(task, DONE) < PARTS:
        pass
    for m in range(columns):
        y[m] = found[m]


@jit
def assist(program: Any, task: Any) -> None:
    """Take parts of products until the task says to stop."""
    while load(task, STOP) == 0:
        if load(task, NEXT) < PARTS:
            take(program, task)


@partial(jit, copied=True)
def take(program: Any, task: Any) -> None:
    """Form parts of the present product until none is left."""
    while True:
        share = fetch_add(task, NEXT, 1)
        if share >= PARTS:
            return
        # The task stays as it is until every part that was taken is done.
        part = task[PART]
        inner, columns = program[part, INNER], program[part, COLUMNS]
        lines = (columns + 15) // 16
        first, last = 16 * (share * lines // PARTS), 16 * ((share + 1) * lines // PARTS)
        given, found = floats(task[GIVEN], inner), floats(task[FOUND], columns)
        sum_share(program, part, first, min(last, columns), given, found)
        fetch_add(task, DONE, 1)


@partial(jit, copied=True)
def is_scaled(program: Any, part: int) -> bool:
    """Tell whether a number of the vector is to be multiplied by the scale of its row."""
    return bool(program[part, INT8] != 0 and program[part, STRIDE] > 0)


@partial(jit, copied=True)
def give(program: Any, part: int, x: Any, given: Any) -> None:
    """Write the vector by which the matrix as it is stored is multiplied."""
    inner = program[part, INNER]
    if is_scaled(program, part):
        scales = floats(program[part, SCALES], inner)
        for k in range(inner):
            given[k] = x[k] * scales[k]
    else:
        for k in range(inner):
            given[k] = x[k]


@partial(jit, copied=True)
def sum_share(program: Any, part: int, first: int, last: int, x: Any, y: Any) -> None:
    """Write the columns from `first` to `last` of x W."""
    inner, columns, stride = program[part, INNER], program[part, COLUMNS], program[part, STRIDE]
    if is_scaled(program, part):
        matrix = bytes_at(program[part, INT8], stride * inner)
        sum_columns(matrix, stride, inner, first, last, x, y)
    elif program[part, INT8] != 0:
        matrix = bytes_at(program[part, INT8], -stride * columns)
        sum_rows(matrix, -stride, inner, first, last, x, y)
        scales = floats(program[part, SCALES], columns)
        for m in range(first, last):
            y[m] *= scales[m]
    elif stride > 0:
        sum_columns(floats(program[part, MATRIX], stride * inner), stride, inner, first, last, x, y)
    else:
        rows = floats(program[part, MATRIX], -stride * columns)
        sum_rows(rows, -stride, inner, first, last, x, y)


@jit
def sum_columns(
    matrix: Any, stride: int, inner: int, first: int, last: int, x: Any, y: Any
) -> None:
    """Write the columns from `first` to `last`; y is read and written once for four rows."""
    out = y[first:last]
    for m in range(len(out)):
        out[m] = 0
    whole = inner - inner % 4
    for k in range(0, whole, 4):
        start = k * stride + first
        a, b, c, d = x[k], x[k + 1], x[k + 2], x[k + 3]
        A = matrix[start : start + len(out)]
        B = matrix[start + stride : start + stride + len(out)]
        C = matrix[start + 2 * stride : start + 2 * stride + len(out)]
        D = matrix[start + 3 * stride : start + 3 * stride + len(out)]
        for m in range(len(out)):
            total = add_product(add_product(out[m], a, F(A[m])), b, F(B[m]))
            out[m] = add_product(add_product(total, c, F(C[m])), d, F(D[m]))
    for k in range(whole, inner):
        start = k * stride + first
        A = matrix[start : start + len(out)]
        for m in range(len(out)):
            out[m] = add_product(out[m], x[k], F(A[m]))


@jit
def sum_rows(matrix: Any, stride: int, inner: int, first: int, last: int, x: Any, y: Any) -> None:
    """Write the sums along rows of a matrix, whose transpose is the one that is meant."""
    for m in range(first, last):
        row, total = matrix[m * stride : m * stride + inner], F(0)
        for k in range(inner):
            total += x[k] * F(row[k])
        y[m] = total
