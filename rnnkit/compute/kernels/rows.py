"""Rows of a table by id."""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.jit import jit


@jit
def add_rows(table: Any, ids: Any, rows: Any, first: int, last: int) -> None:
    """Add rows[k] to table[ids[k]] for every k, one after the other, in columns first to last."""
    for k in range(len(ids)):
        if not 0 <= ids[k] < len(table):
            raise IndexError("an id is no row of the table")
        sums, row = table[ids[k], first:last], rows[k, first:last]
        for j in range(len(row)):
            sums[j] += row[j]


@jit
def indicated(rows: Any, ids: Any) -> bool:
    """Tell whether every row is 0 but for one 1, and write where that stands to `ids`."""
    for n in range(len(rows)):
        row, found = rows[n], -1
        for j in range(len(row)):
            if row[j] != 0:
                if found >= 0 or row[j] != 1:
                    return False
                found = j
        if found < 0:
            return False
        ids[n] = found
    return True
