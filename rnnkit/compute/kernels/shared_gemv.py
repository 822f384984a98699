"""The product of one vector with a large matrix, shared with a second thread.

A token reads every weight once, so its time is that of the memory, and one core cannot ask for all
that the memory gives. The second thread waits in a busy loop while tokens are made: a token has few
products of some 0.1 ms each, and waking a thread takes as long. Each of the `PARTS` groups of
columns is taken by the thread that is free: one that the system holds up delays only its own group,
and the sums do not depend on who forms them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnkit.compute.kernels.atomic import fetch_add, load, store
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.sample_plan import LARGE
from rnnkit.types import Array

PARTS = 4
NEXT, DONE, STOP, PLACE, ROWS, WIDTH = range(6)


class Team(NamedTuple):
    """What two threads see: the task in numbers, the vector given, and the product found.

    A team whose `given` is empty is one thread alone.
    """

    task: Array
    given: Array
    found: Array


def team(rows: int, width: int) -> Team:
    """Return the room for products of at most (rows) x (rows, width); 0 for one thread alone."""
    task = np.zeros(6, np.int64)
    task[NEXT] = PARTS
    return Team(task, np.empty(rows, np.float32), np.empty(width, np.float32))


@jit
def gemv(weights: Any, place: int, rows: int, width: int, x: Any, y: Any, team: Any) -> None:
    """Write x W + bias to y; W (rows, width) lies at `place` of the weights, its bias after it."""
    task, given, found = team
    if len(given) == 0 or rows * width < LARGE:
        columns(weights, place, rows, width, 0, width, x, y)
        return
    for k in range(rows):
        given[k] = x[k]
    task[PLACE], task[ROWS], task[WIDTH] = place, rows, width
    store(task, DONE, 0)
    store(task, NEXT, 0)
    take(weights, team)
    while load(task, DONE) < PARTS:
        pass
    for m in range(width):
        y[m] = found[m]


@jit
def assist(weights: Any, team: Any) -> None:
    """Take parts of products until the task says to stop."""
    task = team[0]
    while load(task, STOP) == 0:
        if load(task, NEXT) < PARTS:
            take(weights, team)


@jit
def take(weights: Any, team: Any) -> None:
    """Form parts of the present product until none is left."""
    task, given, found = team
    while True:
        part = fetch_add(task, NEXT, 1)
        if part >= PARTS:
            return
        # The task stays as it is until every part that was taken is done.
        place, rows, width = task[PLACE], task[ROWS], task[WIDTH]
        lines = width // 16
        first, last = 16 * (part * lines // PARTS), 16 * ((part + 1) * lines // PARTS)
        columns(weights, place, rows, width, first, last, given, found)
        fetch_add(task, DONE, 1)


@jit
def columns(
    weights: Any, place: int, rows: int, width: int, first: int, last: int, x: Any, y: Any
) -> None:
    """Write the columns from `first` to `last`; y is read and written once for four rows of W."""
    out = y[first:last]
    bias = weights[place + rows * width + first : place + rows * width + last]
    for m in range(len(out)):
        out[m] = bias[m]
    whole = rows - rows % 4
    for k in range(0, whole, 4):
        start = place + k * width + first
        a, b, c, d = x[k], x[k + 1], x[k + 2], x[k + 3]
        A = weights[start : start + len(out)]
        B = weights[start + width : start + width + len(out)]
        C = weights[start + 2 * width : start + 2 * width + len(out)]
        D = weights[start + 3 * width : start + 3 * width + len(out)]
        for m in range(len(out)):
            out[m] += a * A[m] + b * B[m] + c * C[m] + d * D[m]
    for k in range(whole, rows):
        start = place + k * width + first
        A = weights[start : start + len(out)]
        for m in range(len(out)):
            out[m] += x[k] * A[m]
