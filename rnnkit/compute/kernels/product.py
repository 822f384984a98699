"""The product of a few rows with a matrix that many steps share.

A BLAS rearranges the matrix at every call, which costs as much as the product where the rows are
few: (50, 512) x (512, 2048) takes 1.03 ms on one core, and 0.74 ms where the matrix was arranged
once for the window. Sums run in the order of the inner index, whatever the number of rows, so a
result does not depend on how a batch is divided.
"""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.memory import floats
from rnnkit.compute.kernels.registers import ABREAST, BYTES, TALL, WIDE
from rnnkit.compute.kernels.tile import middle_tile, narrow_tile, wide_tile

AT_ONCE = 8
"""Rows that are arranged at once: so many streams of reads the processor follows ahead."""


@jit
def pack(matrix: Any, packed: Any, first: int, last: int) -> None:
    """Write panels `first` to `last` of `matrix` (inner, columns), one after the other.

    `packed` is flat and has room for all. A panel holds the rows of its columns.
    """
    if matrix.strides[0] < matrix.strides[1]:
        for panel in range(first, last):
            pack_columns(matrix.T, packed, panel)
        return
    inner = len(matrix)
    for top in range(0, inner, AT_ONCE):
        for panel in range(first, last):
            place, start, width = panel_place(matrix.shape, matrix.itemsize, panel)
            for k in range(top, min(top + AT_ONCE, inner)):
                row = matrix[k, start : start + width]
                into = packed[place + k * width : place + (k + 1) * width]
                for j in range(len(into)):
                    into[j] = row[j]


@jit
def pack_rows(
    matrix: Any, apart: int, inner: int, columns: int, packed: Any, first: int, last: int
) -> None:
    """Do so for a matrix that is flat, with its rows `apart` numbers apart."""
    for top in range(0, inner, AT_ONCE):
        for panel in range(first, last):
            place, start, width = panel_place((inner, columns), matrix.itemsize, panel)
            for k in range(top, min(top + AT_ONCE, inner)):
                row = matrix[k * apart + start : k * apart + start + width]
                into = packed[place + k * width : place + (k + 1) * width]
                for j in range(len(into)):
                    into[j] = row[j]


@jit
def pack_columns(matrix: Any, packed: Any, panel: int) -> None:
    """Write a panel of the transpose of `matrix`, whose rows lie in one piece each."""
    columns, inner = matrix.shape
    place, start, width = panel_place((inner, columns), matrix.itemsize, panel)
    whole = inner - inner % 4
    for k in range(0, whole, 4):
        for j in range(width):
            line, at = matrix[start + j, k : k + 4], place + k * width + j
            packed[at], packed[at + width] = line[0], line[1]
            packed[at + 2 * width], packed[at + 3 * width] = line[2], line[3]
    for k in range(whole, inner):
        for j in range(width):
            packed[place + k * width + j] = matrix[start + j, k]


@jit
def panel_place(shape: Any, itemsize: int, panel: int) -> Any:
    """Return where a panel of a matrix lies, its first column, and how many columns it has."""
    inner, columns = shape
    lanes = BYTES // itemsize
    whole = columns // (WIDE * lanes)
    column = min(panel, whole) * WIDE * lanes + max(panel - whole, 0) * (columns // lanes * lanes)
    width = panel_width(columns, column, lanes)
    return inner * column, min(column, columns - width), width


@jit
def multiply_rows(a: Any, packed: Any, c: Any, first: int, last: int) -> None:
    """Write c[first:last] = a[first:last] matrix; a (rows, inner), c (rows, columns)."""
    inner, columns = a.shape[1], c.shape[1]
    left, into = a.reshape(-1)[first * inner :], c.reshape(-1)[first * columns :]
    rows, lanes, column = last - first, BYTES // a.itemsize, 0
    while column < columns:
        start, width, count = panels_at(columns, column, lanes)
        place = inner * column
        multiply_panels(
            left, packed, place, 0, into, inner, columns, start, width, count, 1, rows, 0
        )
        column += count * width


@jit
def panels_at(columns: int, column: int, lanes: int) -> Any:
    """Return the first column, the width and the number of the panels from `column` on."""
    count = min((columns - column) // (WIDE * lanes), ABREAST)
    width = panel_width(columns, column, lanes)
    return min(column, columns - width), width, max(count, 1)


@jit
def panel_width(columns: int, column: int, lanes: int) -> int:
    """Return how many columns the panel has that begins at `column`."""
    if columns < lanes:
        return columns
    return min(WIDE, (columns - column + lanes - 1) // lanes, columns // lanes) * lanes


@jit
def multiply_panels(
    a: Any,
    packed: Any,
    offset: int,
    bias: int,
    c: Any,
    inner: int,
    columns: int,
    start: int,
    panel: int,
    count: int,
    blocks: int,
    rows: int,
    apart: int,
) -> None:
    """Write the products of `blocks` of `rows` rows each with `count` panels at `packed[offset]`.

    They have `panel` columns each, from `start` on. The rows of `a` lie one after the other; those
    of a block in `c` too, but from one block to the next it is `apart` numbers. At the address
    `bias`, unless that is 0, lies what is added to each row.
    """
    lanes = BYTES // a.itemsize
    if panel < lanes:
        _narrower_than_a_vector(a, packed, bias, c, inner, columns, blocks, rows, apart)
        return
    tiles, further = (rows + TALL - 1) // TALL, panel * a.itemsize if bias else 0
    for block in range(blocks):
        for tile in range(tiles):
            top = tile * rows // tiles
            height = (tile + 1) * rows // tiles - top
            left = (block * rows + top) * inner
            at = block * apart + top * columns + start
            if panel == lanes:
                narrow_tile(height, a, left, inner, packed, offset, inner, c, at, columns, bias)
            elif panel == 2 * lanes:
                middle_tile(height, a, left, inner, packed, offset, inner, c, at, columns, bias)
            else:
                # Rows stay in the cache for some panels, and those for all rows.
                for k in range(count):
                    place, into, added = (
                        offset + k * inner * panel,
                        at + k * panel,
                        bias + k * further,
                    )
                    wide_tile(height, a, left, inner, packed, place, inner, c, into, columns, added)


@jit
def _narrower_than_a_vector(
    a: Any,
    packed: Any,
    bias: int,
    c: Any,
    inner: int,
    columns: int,
    blocks: int,
    rows: int,
    apart: int,
) -> None:
    for block in range(blocks):
        for row in range(rows):
            left, corner = (block * rows + row) * inner, block * apart + row * columns
            for j in range(columns):
                c[corner + j] = 0
            for k in range(inner):
                for j in range(columns):
                    c[corner + j] += a[left + k] * packed[k * columns + j]
            if bias != 0:
                added = floats(bias, columns)
                for j in range(columns):
                    c[corner + j] += added[j]
