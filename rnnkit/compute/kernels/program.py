"""The table that compiled code runs a stack of layers by: kinds of stages, and its columns."""

from __future__ import annotations

LOOKUP, ONE_HOT, AFFINE, NORM, KEEP, ADD, PART, DONE, CELL = range(9)
"""Kinds of stages. NORM is of a layer norm, ADD adds what the last KEEP has kept. A PART belongs to
the cell before it, one that is DONE is part of the table of the lookup; kinds of cells are CELL and
above."""

KIND, INNER, COLUMNS, UNITS, STATE, ARRAYS, MATRIX, STRIDE, BIAS, PACKED, OPTION = range(11)
INT8, SCALES, COLUMNS_OF_TABLE = range(11, 14)
"""Columns: the kind, the rows and columns of a matrix (of a cell: of its inputs and outputs), the
units of a cell, the units of all states before its own, the number of its states; the address of a
matrix, the numbers between its rows (negative: it is used transposed), the addresses of what is
added and of the matrix arranged in panels (0: there is none); of NORM the bits of epsilon, of KEEP
and ADD the numbers of a row that are kept already; the addresses of the matrix in 8 bits, as it
lies, and of the scales of its rows (0: there are none); how many columns there are."""

PRODUCT = "rnnkit_product"
"""The symbol by which compiled code calls the product of a stage."""
