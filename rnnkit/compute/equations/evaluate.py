"""The values of a graph, node by node in NumPy: what its programs are compared with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.compute.equations.functions import Matrix, relu, sigmoid, softplus
from rnnkit.compute.equations.graph import Value, by_index, computed_from
from rnnkit.compute.equations.trace import StepGraph
from rnnkit.types import Array

OF_ARRAYS: Mapping[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "neg": np.negative,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "exp": np.exp,
    "log": np.log,
    "softplus": softplus,
    "sqrt": np.sqrt,
    "relu": relu,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "where": np.where,
    "<": np.less,
    "<=": np.less_equal,
}
"""What each operation computes."""


class StepArrays(NamedTuple):
    """What the leaves of a step stand for, in N streams, all of one dtype.

    `zx` (N, gates units) is x Wx + b, `xs` (N, inputs) is x, `state` the arrays (N, units) before
    the step; `params` holds the pointwise parameters and matrices. `slopes`, the gradients of the
    arrays of the new state, are only read by gradients.
    """

    zx: Array
    xs: Array
    state: tuple[Array, ...]
    params: Mapping[str, Array]
    slopes: tuple[Array, ...] = ()

    def leaf(self, step: StepGraph, node: Value) -> Array:
        """Return the array of a leaf."""
        match node.op:
            case "constant":
                return np.asarray(node.detail, self.xs.dtype)
            case "x":
                return _part(self.zx, len(step.symbols.gates), node.detail)
            case "input":
                return self.xs
            case "parameter":
                vector = self.params[node.detail]
                return np.broadcast_to(vector, (len(self.xs), len(vector)))
        return (self.state if node.op == "state" else self.slopes)[int(node.detail)]


def evaluate_nodes(
    step: StepGraph, nodes: Iterable[Value], arrays: StepArrays
) -> dict[Value, Array]:
    """Return the values of some nodes and of all that they are computed from, of one dtype.

    A number has the shape ().
    """
    found: dict[Value, Array] = {}
    # Both branches of `where` are computed: one that is not taken may overflow.
    with np.errstate(all="ignore"):
        for node in by_index(computed_from(nodes)):
            args = [found[arg] for arg in node.args]
            if node.op == "dot":
                found[node] = args[0] @ block_of(step, node.detail, arrays.params)
            elif node.op == "back":
                found[node] = _back(step, node, args, arrays.params)
            else:
                found[node] = OF_ARRAYS[node.op](*args) if args else arrays.leaf(step, node)
    return found


def _back(
    step: StepGraph, node: Value, args: Sequence[Array], params: Mapping[str, Array]
) -> Array:
    """Return what the gradients of a product's blocks give for its argument."""
    dots = step.products[node.detail].dots
    parts = [
        arg @ block_of(step, dot.detail, params).T
        for arg, dot in zip(args, dots, strict=True)
        if arg.ndim  # it is the number 0 where no gradient reaches the block
    ]
    return functools.reduce(np.add, parts)


def block_of(step: StepGraph, matrix: Matrix, arrays: Mapping[str, Array]) -> Array:
    """Return the view of one block's columns in a matrix, or in its gradient, by name."""
    blocks = step.symbols.matrices[matrix.name][2]
    return _part(arrays[matrix.name], max(len(blocks), 1), matrix.block)


def _part(array: Array, count: int, place: int) -> Array:
    """Return part `place` of `count` parts of equal width of the columns."""
    width = array.shape[1] // count
    return array[:, place * width : (place + 1) * width]
