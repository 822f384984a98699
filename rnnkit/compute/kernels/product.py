"""The product of a few rows with a matrix that many steps share.

A BLAS rearranges the matrix at every call, which costs as much as the product where the rows are
few: (50, 512) x (512, 2048) takes 1.03 ms on one core, and 0.74 ms where the matrix was arranged
once for the window. Sums run in the order of the inner index, whatever the number of rows, so a
result does not depend on how a batch is divided.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.tile import BYTES, TALL, WIDE, narrow_tile, wide_tile

COLUMN = 128
"""Values of a column that are read in one go: what they become stays in the first cache."""


@cache
def column_panels(columns: int, itemsize: int) -> tuple[int, int]:
    """Return how many panels so many columns fill, and how many columns those have together.

    Columns that fill no wide panel form narrow ones; the last begins early enough to be full, and
    repeats columns. A matrix narrower than a vector is a panel of its own.
    """
    lanes = BYTES // itemsize
    if columns < lanes:
        return 1, columns
    wide = WIDE * lanes
    narrow = (columns % wide + lanes - 1) // lanes
    return columns // wide + narrow, columns // wide * wide + narrow * lanes


@jit
def pack(matrix: Any, packed: Any, first: int, last: int) -> None:
    """Write panels `first` to `last` of `matrix` (inner, columns), one after the other.

    `packed` is flat and has room for all. A panel holds the rows of its columns.
    """
    inner, columns = matrix.shape
    lanes = BYTES // matrix.itemsize
    whole, wide = columns // (WIDE * lanes), WIDE * lanes
    for panel in range(first, last):
        column = min(panel, whole) * wide + max(panel - whole, 0) * lanes
        width = wide if panel < whole else min(lanes, columns)
        start = min(column, columns - width)
        offset = inner * column
        if matrix.strides[0] >= matrix.strides[1]:
            for k in range(inner):
                for j in range(width):
                    packed[offset + k * width + j] = matrix[k, start + j]
            continue
        for top in range(0, inner, COLUMN):
            for j in range(width):
                for k in range(top, min(top + COLUMN, inner)):
                    packed[offset + k * width + j] = matrix[k, start + j]


@jit
def multiply_rows(a: Any, packed: Any, c: Any, first: int, last: int) -> None:
    """Write c[first:last] = a[first:last] matrix; a (rows, inner), c (rows, columns)."""
    inner, columns = a.shape[1], c.shape[1]
    rows, lanes = last - first, BYTES // a.itemsize
    if columns < lanes:
        _narrower_than_a_vector(a, packed, c, first, last)
        return
    wide = WIDE * lanes
    tiles = (rows + TALL - 1) // TALL
    column, offset = 0, 0
    while column < columns:
        panel = wide if column + wide <= columns else lanes
        start = min(column, columns - panel)
        for tile in range(tiles):
            top = first + tile * rows // tiles
            height = first + (tile + 1) * rows // tiles - top
            corner = top * columns + start
            if panel == wide:
                wide_tile(height, a, top * inner, inner, packed, offset, inner, c, corner, columns)
            else:
                narrow_tile(
                    height, a, top * inner, inner, packed, offset, inner, c, corner, columns
                )
        column += panel
        offset += inner * panel


@jit
def _narrower_than_a_vector(a: Any, packed: Any, c: Any, first: int, last: int) -> None:
    inner, columns = a.shape[1], c.shape[1]
    for row in range(first, last):
        for j in range(columns):
            c[row, j] = 0
        for k in range(inner):
            for j in range(columns):
                c[row, j] += a[row, k] * packed[k * columns + j]
