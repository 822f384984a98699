"""Stages of a stack as a table of integers, and which parameters it reads; no array yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.compute.kernels.program import (
    ADD,
    AFFINE,
    ARRAYS,
    CELL,
    COLUMNS,
    INNER,
    KEEP,
    KIND,
    LOOKUP,
    NORM,
    ONE_HOT,
    OPTION,
    PART,
    SCALES,
    STATE,
    STRIDE,
    UNITS,
)
from rnnkit.compute.stack.stages import Stage, Stages, Weights
from rnnkit.types import Array, Shape

Shapes = Mapping[str, Mapping[str, Shape]]
"""Shapes of parameters by layer and name."""


class Read(NamedTuple):
    """What a row of the table reads of a layer: a matrix, of a shape, and what is added."""

    row: int
    layer: str
    matrix: Weights
    shape: Shape
    bias: str | None


class StackTable(NamedTuple):
    """The table of a stack whose addresses are still 0; see `rnnkit.compute.kernels.program`.

    `cells` are the sources of the kinds of cells from CELL on, `states` names layer and width of
    each array of the hidden state. `of_row` and `of_stream` are what stages take of scratch memory,
    and `work` counts the multiplications of a row.
    """

    program: Array
    reads: tuple[Read, ...]
    cells: tuple[str, ...]
    states: tuple[tuple[str, int], ...]
    of_row: int
    of_stream: int
    work: int
    inputs: int
    """How many ids there are, or values in a row."""
    outputs: int

    @property
    def reads_ids(self) -> bool:
        """Tell whether the first stage takes ids."""
        return bool(self.program[0, KIND] in (LOOKUP, ONE_HOT))

    @property
    def units(self) -> int:
        """The numbers of all states of a stream."""
        return sum(n for _, n in self.states)


def make_table(
    layers: Iterable[tuple[str, Stages]], shapes: Shapes, inputs: int
) -> StackTable | None:
    """Return the table of some layers; None where there is no stage."""
    stages = _looked_up([(name, stage) for name, found in layers for stage in found])
    if not stages:
        return None
    # In any order they are the same compiled code.
    cells = tuple(sorted({stage.cell.source for _, stage in stages if stage.cell}))
    program = np.zeros((len(stages), SCALES + 1), np.int64)
    reads: list[Read] = []
    states: list[tuple[str, int]] = []
    for row, (name, (kind, matrix, bias, cell, epsilon)) in zip(program, stages, strict=True):
        row[KIND] = kind
        if matrix:
            read = Read(len(reads), name, matrix, shapes[name][matrix.name], bias)
            _describe(row, read)
            reads.append(read)
        if cell:
            row[KIND] = CELL + cells.index(cell.source)
            row[INNER], row[COLUMNS], row[UNITS] = cell.inputs, cell.units, cell.units
            row[STATE], row[ARRAYS] = sum(n for _, n in states), cell.arrays
            states += [(name, cell.units)] * cell.arrays
        if kind == NORM:
            row[OPTION] = np.float64(epsilon).view(np.int64)
        if kind == ONE_HOT:
            row[INNER] = row[COLUMNS] = inputs
    kept, width = _place_sums(program, inputs)
    numbered = [stage.matrix is not None for _, stage in stages]
    rows = np.flatnonzero(numbered).tolist()
    return StackTable(
        program,
        tuple(read._replace(row=row) for read, row in zip(reads, rows, strict=True)),
        cells,
        tuple(states),
        kept + max((stage.cell.of_row for _, stage in stages if stage.cell), default=0),
        max((stage.cell.of_stream for _, stage in stages if stage.cell), default=0),
        sum(int(row[INNER] * row[COLUMNS]) for row in program if row[KIND] in (AFFINE, PART)),
        inputs,
        width,
    )


def _place_sums(program: Array, inputs: int) -> tuple[int, int]:
    """Write where rows are kept for sums; return the most numbers kept, and those given."""
    width, kept, most = inputs, 0, 0
    for row in program:
        if row[KIND] == ADD:
            kept -= width
        if row[KIND] in (KEEP, ADD):
            row[COLUMNS], row[OPTION] = width, kept
        if row[KIND] == KEEP:
            kept += width
        if row[KIND] != PART:
            width = int(row[COLUMNS])
        most = max(most, kept)
    return most, width


def _looked_up(stages: Sequence[tuple[str, Stage]]) -> list[tuple[str, Stage]]:
    """Return the stages with a row of the identity times a matrix as a row of the matrix."""
    if len(stages) < 2 or stages[0][1].kind != ONE_HOT or stages[1][1].kind != AFFINE:
        return list(stages)
    name, product = stages[1]
    if product.matrix is None or product.matrix.transposed:
        return list(stages)
    return [(name, product._replace(kind=LOOKUP)), *stages[2:]]


def _describe(row: Array, read: Read) -> None:
    """Write the form of a matrix, or of a vector, to a row of the table."""
    shape, matrix = read.shape, read.matrix
    rows, columns = shape if len(shape) == 2 else (1, *shape)
    row[STRIDE] = -columns if matrix.transposed else columns
    if matrix.transposed:
        rows, columns = columns, rows
    row[INNER] = rows
    row[COLUMNS] = columns if matrix.columns is None else matrix.columns
