"""What layers do when nothing is learned: stages, which name the parameters that they read."""

from __future__ import annotations

from typing import NamedTuple

from rnnkit.compute.kernels.program import AFFINE, CELL, LOOKUP, ONE_HOT, PART


class Weights(NamedTuple):
    """A parameter (rows, columns), or its columns from `first` on, or its transpose; or a vector.

    `columns` are so many, None for all.
    """

    name: str
    first: int = 0
    columns: int | None = None
    transposed: bool = False


class CellStep(NamedTuple):
    """The step of a cell: its source, sizes, and the numbers that it takes in scratch memory.

    That is `of_row` for each step of each stream, and `of_stream` beside it.
    """

    source: str
    inputs: int
    units: int
    arrays: int
    of_row: int
    of_stream: int


class Stage(NamedTuple):
    """What is done with a row of numbers: a kind, the matrix, what is added to the product."""

    kind: int
    matrix: Weights | None = None
    bias: str | None = None
    cell: CellStep | None = None


Stages = tuple[Stage, ...]
"""What a layer does with a row; () for nothing."""


def lookup(matrix: Weights) -> Stages:
    """Take row `id` of a matrix."""
    return (Stage(LOOKUP, matrix),)


def one_hot() -> Stages:
    """Take row `id` of the identity."""
    return (Stage(ONE_HOT),)


def affine(matrix: Weights, bias: str | None) -> Stages:
    """Give x W + bias."""
    return (Stage(AFFINE, matrix, bias),)


def cell(step: CellStep, *parts: Stage) -> Stages:
    """Run the step of a cell, which reads what its parts name."""
    return (Stage(CELL, cell=step), *parts)


def part(matrix: Weights, bias: str | None = None) -> Stage:
    """Return a matrix, or a vector, that the step of the cell before it reads."""
    return Stage(PART, matrix, bias)
