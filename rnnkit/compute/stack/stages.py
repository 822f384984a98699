"""What layers do when nothing is learned: stages, which name the parameters that they read."""

from __future__ import annotations

from typing import NamedTuple

from rnnkit.compute.kernels.program import ADD, AFFINE, CELL, KEEP, LOOKUP, NORM, ONE_HOT, PART


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
    epsilon: float = 0.0


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


def layer_norm(gain: str, bias: str, epsilon: float) -> Stages:
    """Give the row with mean 0 and variance 1, scaled and moved."""
    return (Stage(NORM, Weights(gain), bias, epsilon=epsilon),)


def residual(inner: Stages) -> Stages:
    """Add the row to what the inner stages, which keep its width, give for it."""
    return (Stage(KEEP), *inner, Stage(ADD))


def within(prefix: str, stages: Stages) -> Stages:
    """Return the stages of an inner layer, whose parameters have a prefix."""
    return tuple(
        stage._replace(
            matrix=stage.matrix and stage.matrix._replace(name=f"{prefix}.{stage.matrix.name}"),
            bias=stage.bias and f"{prefix}.{stage.bias}",
        )
        for stage in stages
    )


def cell(step: CellStep, *parts: Stage) -> Stages:
    """Run the step of a cell, which reads what its parts name."""
    return (Stage(CELL, cell=step), *parts)


def part(matrix: Weights, bias: str | None = None) -> Stage:
    """Return a matrix, or a vector, that the step of the cell before it reads."""
    return Stage(PART, matrix, bias)
