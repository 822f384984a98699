"""What equations are written with: functions of a traced value, of an array, or of a number."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from rnnkit.compute.equations.graph import COMPARISONS, Value, ValueGraph
from rnnkit.compute.equations.refusals import EquationError
from rnnkit.types import Array

V = TypeVar("V", Value, Array)


class Matrix(NamedTuple):
    """A matrix of the cell, or one block of its columns, that `dot` multiplies with.

    `source` and `target` are the widths of what it takes and gives, `block` counts the parts of
    its columns.
    """

    name: str
    source: str
    target: str
    block: int


def sigmoid(z: V) -> V:
    """Return 1 / (1 + exp(-z)) without overflow, of an array or of a value of equations."""
    if isinstance(z, Value):
        return z.graph.of("sigmoid", z)
    return 0.5 * np.tanh(0.5 * z) + 0.5


def tanh(z: V) -> V:
    """Return the hyperbolic tangent."""
    return z.graph.of("tanh", z) if isinstance(z, Value) else np.tanh(z)


def relu(z: V) -> V:
    """Return the larger of z and 0; its slope at 0 is 0."""
    return z.graph.of("relu", z) if isinstance(z, Value) else np.maximum(z, 0)


def exp(z: V) -> V:
    """Return e to the power of z."""
    return z.graph.of("exp", z) if isinstance(z, Value) else np.exp(z)


def log(z: V) -> V:
    """Return the natural logarithm; that of a sigmoid is computed without overflow."""
    return z.graph.of("log", z) if isinstance(z, Value) else np.log(z)


def sqrt(z: V) -> V:
    """Return the square root."""
    return z.graph.of("sqrt", z) if isinstance(z, Value) else np.sqrt(z)


def softplus(z: V) -> V:
    """Return log(1 + exp(z)) without overflow."""
    if isinstance(z, Value):
        return z.graph.of("softplus", z)
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def maximum(a: Any, b: Any) -> Any:
    """Return the larger of two values; at a tie the gradient goes to the first."""
    graph = _graph(a, b)
    return graph.of("max", a, b) if graph else np.maximum(a, b)


def minimum(a: Any, b: Any) -> Any:
    """Return the smaller of two values; at a tie the gradient goes to the first."""
    graph = _graph(a, b)
    return graph.of("min", a, b) if graph else np.minimum(a, b)


def where(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return `then` where a comparison such as `a < b` holds, else `otherwise`."""
    if isinstance(condition, Value):
        if condition.op not in COMPARISONS and condition.op != "constant":
            raise EquationError("where: the condition is no comparison: write one such as a < 0")
        return condition.graph.of("where", condition, then, otherwise)
    if _graph(then, otherwise):
        raise EquationError("where: the condition reads no value: choose by Python's if")
    return np.where(condition, then, otherwise)


def dot(value: Any, matrix: Any) -> Any:
    """Return value @ matrix; of a matrix of several blocks `matrix.NAME` is one."""
    if not isinstance(value, Value) and not isinstance(matrix, Matrix):
        if isinstance(value, Matrix):
            raise EquationError("dot: the first is a matrix: write dot(value, p.NAME)")
        return value @ matrix
    if not isinstance(value, Value):
        raise EquationError(f"dot with {matrix.name}: expected a value, received {value!r}")
    if not isinstance(matrix, Matrix):
        raise EquationError(
            "dot: the second is no matrix: write p.NAME of one that `matrices` declares, or "
            "p.NAME.BLOCK where it has several blocks"
        )
    if value.op in COMPARISONS:
        raise EquationError(f"dot with {matrix.name}: a comparison is no number")
    if value.width != matrix.source:
        widths = {"units": "one number a unit", "inputs": "as many as x has", "": "one number"}
        raise EquationError(
            f"dot with {matrix.name}: it takes {widths[matrix.source]}, received "
            f"{widths[value.width]}"
        )
    return value.graph.node("dot", value, detail=matrix, width=matrix.target)


def _graph(*values: Any) -> ValueGraph | None:
    return next((value.graph for value in values if isinstance(value, Value)), None)
