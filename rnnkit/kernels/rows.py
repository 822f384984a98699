"""Sums of rows by id."""

from __future__ import annotations

from typing import Any

from rnnkit.kernels.jit import jit


@jit
def add_rows(table: Any, ids: Any, rows: Any) -> None:
    """Add rows[k] to table[ids[k]] for every k, one after the other."""
    for k in range(len(ids)):
        if not 0 <= ids[k] < len(table):
            raise IndexError("an id is no row of the table")
        sums, row = table[ids[k]], rows[k]
        for j in range(len(row)):
            sums[j] += row[j]
