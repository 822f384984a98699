"""Where the parameters of a stack lie: their addresses, and copies that are read faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnnkit.compute.kernels.object_code import array_address
from rnnkit.compute.kernels.program import (
    AFFINE,
    BIAS,
    COLUMNS,
    DONE,
    INT8,
    KIND,
    LOOKUP,
    MATRIX,
    PACKED,
    PART,
    SCALES,
    STRIDE,
)
from rnnkit.compute.kernels.team import PLACES
from rnnkit.compute.quantize import Quantized, quantized
from rnnkit.compute.stack.arranged import arranged_matrix, compiled_product
from rnnkit.compute.stack.table import Read, StackTable
from rnnkit.compute.window_arrays import expect_shape
from rnnkit.types import Array, Params, Shape

LANES = 16
"""Rows of a copied matrix start at a cache line: no load crosses two, and no loop has a rest."""

FOLDED = 2**20
"""Numbers that a table may have in which every id is already multiplied with the next matrix."""

MANY = 16
"""Rows of a window, over all its steps, from which on it pays to arrange a matrix for it."""


class Bound(NamedTuple):
    """A program with addresses, and the arrays that have to live as long as it is used."""

    program: Array
    held: list[Array]


def bind(table: StackTable, params: Mapping[str, Params]) -> Bound:
    """Return the program over the parameters where they lie.

    Raises TypeError and ValueError for what compiled code would read wrongly.
    """
    program, held = table.program.copy(), list[Array]()
    for read in table.reads:
        own = params[read.layer]
        array = _checked(own[read.matrix.name], read.shape, read)
        program[read.row, MATRIX] = array.ctypes.data + 4 * read.matrix.first
        held.append(array)
        if read.bias is not None:
            bias = _checked(own[read.bias], (int(program[read.row, COLUMNS]),), read)
            program[read.row, BIAS] = bias.ctypes.data
            held.append(bias)
    return Bound(program, held)


def bind_once(table: StackTable, params: Mapping[str, Params], xs: Array) -> Bound:
    """Return the program for one window xs (T, B, ...), with what it pays to arrange for it."""
    bound, rows = bind(table, params), xs.shape[0] * xs.shape[1]
    if rows < MANY:
        return bound
    return arranged(table, params, folded(table, params, bound, rows // 2))


def bind_often(table: StackTable, params: Mapping[str, Params], rows: int) -> Bound:
    """Return the program for many windows of about so many rows, each matrix arranged for them."""
    bound = bind(table, params)
    return arranged(table, params, bound, every=True) if rows >= MANY else bound


def _checked(array: Array, shape: Shape, read: Read) -> Array:
    """Return a parameter with its numbers in one piece, as compiled code reads them."""
    if array.dtype != np.float32:
        raise TypeError(f"a parameter of {read.layer} is {array.dtype}, expected float32")
    expect_shape(f"a parameter of {read.layer}", array.shape, shape)
    return np.ascontiguousarray(array)


def folded(table: StackTable, params: Mapping[str, Params], bound: Bound, most: int) -> Bound:
    """Return the program with the first product made part of the table that it follows.

    That is so where the ids are at most `most`, for it costs a product of each.
    """
    program, size = bound.program, table.inputs
    begins = [program[row, KIND] for row in range(min(2, len(program)))]
    if begins != [LOOKUP, AFFINE] or size > most or size * program[1, COLUMNS] > FOLDED:
        return bound
    rows = _matrix(table.reads[0], params)
    if program[0, BIAS]:
        rows = rows + params[table.reads[0].layer][table.reads[0].bias or ""]
    arranged = _packed(table.reads[1], params)
    first = program[1:2].copy()
    first[0, PACKED] = arranged.ctypes.data
    found = np.empty((size, int(program[1, COLUMNS])), np.float32)
    given, task = np.ascontiguousarray(rows), np.zeros(PLACES, np.int64)
    table_at, *places = map(array_address, (first, given, found, task))
    compiled_product()(table_at, 0, 1, size, 0, *places)
    whole = program.copy()
    whole[1, KIND], whole[0, BIAS] = DONE, 0
    whole[0, COLUMNS] = whole[0, STRIDE] = found.shape[1]
    whole[0, MATRIX] = found.ctypes.data
    return Bound(whole, [*bound.held, found])


def in_8_bits(table: StackTable, params: Mapping[str, Params], bound: Bound) -> Bound:
    """Return the program with the matrices in 8 bits that a vector is multiplied with.

    The parameters hold such numbers already, so what is multiplied is the same.
    """
    program, held = bound.program.copy(), list(bound.held)
    made: dict[tuple[str, str], Quantized] = {}
    for read in table.reads:
        row, name = program[read.row], (read.layer, read.matrix.name)
        if row[KIND] in (AFFINE, PART) and len(read.shape) == 2:
            made[name] = made.get(name) or quantized(params[read.layer][read.matrix.name])
            row[INT8] = made[name].integers.ctypes.data + read.matrix.first
            row[SCALES] = made[name].scales.ctypes.data
            held += made[name]
    return Bound(program, held)


def arranged(
    table: StackTable, params: Mapping[str, Params], bound: Bound, *, every: bool = False
) -> Bound:
    """Return the program with the matrices arranged in panels that a step multiplies.

    So are those that are used transposed; others only where `every` one is asked, for a window
    arranges them panel by panel as it goes. What is there in 8 bits stays as it is.
    """
    program, held = bound.program.copy(), list(bound.held)
    for read in table.reads:
        kind = program[read.row, KIND]
        each = kind == PART or (kind == AFFINE and (every or read.matrix.transposed))
        if each and len(read.shape) == 2 and not program[read.row, INT8]:
            found = _packed(read, params)
            program[read.row, PACKED] = found.ctypes.data
            held.append(found)
    return Bound(program, held)


def _matrix(read: Read, params: Mapping[str, Params]) -> Array:
    (name, first, count, transposed), own = read.matrix, params[read.layer]
    array = own[name]
    if transposed:
        return array.T
    return array if count is None else array[:, first : first + count]


def _packed(read: Read, params: Mapping[str, Params]) -> Array:
    return arranged_matrix(_matrix(read, params))
