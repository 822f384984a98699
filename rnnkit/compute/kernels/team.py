"""What the thread that runs a stack, and one that helps it, know of the product at hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnkit.types import Array

LARGE = 2**18
"""Numbers of a matrix that two threads share: one core holds a smaller one in its own cache."""

PARTS = 4
NEXT, DONE, STOP, PART, GIVEN, FOUND, SPARE, PLACES = range(8)
"""Places in a task, and how many there are. GIVEN and FOUND hold the addresses of the vector given
and of the product found, 0 where a thread is alone; SPARE that of scratch memory for a product."""


class Team(NamedTuple):
    """What two threads see: the task in numbers, the vector given, and the product found."""

    task: Array
    given: Array
    found: Array


def team(rows: int, columns: int) -> Team:
    """Return the room for products of at most (rows) x (rows, columns)."""
    task = np.zeros(PLACES, np.int64)
    given, found = np.empty(rows, np.float32), np.empty(columns, np.float32)
    task[NEXT], task[GIVEN], task[FOUND] = PARTS, given.ctypes.data, found.ctypes.data
    return Team(task, given, found)
