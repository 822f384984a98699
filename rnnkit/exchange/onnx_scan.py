"""A cell by its equations as the ONNX operator Scan, whose body is the graph of one step.

What depends on the inputs alone is one product for all steps, before the operator: the body reads
the gates' parts of x Wx + b, and x itself where the equations do. Matrices stand outside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnkit.compute.equations.graph import Value, computed_from
from rnnkit.compute.equations.trace import StepGraph, StepProduct
from rnnkit.exchange.onnx_graph import BOOL, FLOAT, STREAMS, Graph, Wires
from rnnkit.exchange.pieces import Piece, matrix_of

OPERATORS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "neg": "Neg",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "exp": "Exp",
    "log": "Log",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "relu": "Relu",
    "abs": "Abs",
    "max": "Max",
    "min": "Min",
    "where": "Where",
    "<": "Less",
    "<=": "LessOrEqual",
}
"""The operator of each operation."""


def write_scan(piece: Piece, x: str, wires: Wires) -> str:
    """Add a cell by its equations that reads x (T, B, F); return the name of what it gives."""
    assert piece.step is not None, piece.type
    return _Scan(piece, piece.step, x, wires).written()


class _Scan:
    """One operator in the making: `outer` is the graph that it stands in, `body` that of a step."""

    def __init__(self, piece: Piece, step: StepGraph, x: str, wires: Wires) -> None:
        self.piece, self.step, self.x, self.wires = piece, step, x, wires
        self.outer, self.body = wires.graph, Graph(prefix=f"{piece.name}/step/")
        self.states = [
            self.body.reads(f"{self.body.prefix}before/{name}", FLOAT, [STREAMS, width])
            for name, width in piece.states.items()
        ]
        self.scanned: list[str] = []
        """What stands outside and of which a step reads its part."""
        self.found: dict[Value, str] = {}
        """The names of values in the body."""

    def written(self) -> str:
        """Add the operator; return the outputs of all steps."""
        self._gates()
        for product in self.step.products:
            if product.hoisted:
                columns = matrix_of(self.piece, self.step, product).shape[1]
                whole = self.outer.node("MatMul", [self.x, self._matrix(product)])
                self._blocks(product.dots, self._part(whole, columns))
        for node in self.step.nodes:
            if node not in self.found:
                self._add(node)
        after = self._after()
        for name, value, width in zip(self.piece.states, after, self._widths(), strict=True):
            self.body.gives(f"{self.body.prefix}after/{name}", value, [STREAMS, width])
        self.body.gives(f"{self.body.prefix}y", after[0], [STREAMS, self._widths()[0]])
        outputs = self.outer.several(
            "Scan",
            [*map(self._first, self.piece.states), *self.scanned],
            len(after) + 1,
            body=self.body.whole("step"),
            num_scan_inputs=len(self.scanned),
        )
        axis = self.outer.constant([0])
        for name, value in zip(self.piece.states, outputs, strict=False):
            self.wires.after[name] = self.outer.node("Unsqueeze", [value, axis])
        return outputs[-1]

    def _widths(self) -> list[int]:
        return list(self.piece.states.values())

    def _part(self, whole: str, width: int, kind: int = FLOAT) -> str:
        """Let the body read the part of each step of a value (T, B, n)."""
        self.scanned.append(whole)
        name = f"{self.body.prefix}part/{len(self.scanned)}"
        return self.body.reads(name, kind, [STREAMS, width])

    def _gates(self) -> None:
        """Form x Wx + b; without gates the operator reads x, so that it knows of the steps."""
        leaves = {(node.op, node.detail): node for node in self.step.nodes}
        gates = [leaves["x", at] for at in range(len(self.step.symbols.gates))]
        if gates:
            Wx, b = (self._parameter(key) for key in ("Wx", "b"))
            product = self.outer.node("MatMul", [self.x, Wx])
            whole = self.outer.node("Add", [product, b])
            self._blocks(gates, self._part(whole, self.piece.arrays["b"].size))
        inputs = leaves.get(("input", None))
        if inputs is not None or not gates:
            part = self._part(self.x, self.piece.reads.known())
            self.found.update({inputs: part} if inputs is not None else {})

    def _blocks(self, nodes: Sequence[Value], value: str) -> None:
        """Name the parts of a value that lie side by side."""
        parts = [value]
        if len(nodes) > 1:
            parts = self.body.several("Split", [value], len(nodes), axis=-1)
        self.found.update(zip(nodes, parts, strict=True))

    def _add(self, node: Value) -> None:
        """Add a value whose arguments are there."""
        match node.op:
            case "state":
                self.found[node] = self.states[node.detail]
            case "parameter":
                self.found[node] = self._parameter(node.detail)
            case "constant":
                self.found[node] = self.body.constant(node.detail, np.float32)
            case "dot":
                product = next(each for each in self.step.products if node in each.dots)
                factors = [self.found[product.value], self._matrix(product)]
                self._blocks(product.dots, self.body.node("MatMul", factors))
            case _:
                read = [self.found[arg] for arg in node.args]
                self.found[node] = self.body.node(OPERATORS[node.op], read)

    def _parameter(self, name: str) -> str:
        return self.outer.weight(self.piece.arrays[name], f"{self.piece.name}/params/{name}")

    def _matrix(self, product: StepProduct) -> str:
        """Add the columns that a product reads."""
        columns = matrix_of(self.piece, self.step, product)
        if columns.shape == self.piece.arrays[product.matrix].shape:
            return self._parameter(product.matrix)
        blocks = f"{product.first}-{product.first + len(product.dots) - 1}"
        name = f"{self.piece.name}/params/{product.matrix}/{blocks}"
        return self.outer.weight(columns, name)

    def _after(self) -> list[str]:
        """Return the new states; where a sequence is over its state stays as it was."""
        body, new = self.body, []
        for node, before in zip(self.step.new, self.states, strict=True):
            value = self.found[node]
            if not any(each.op in ("x", "input", "state") for each in computed_from([node])):
                value = body.node("Expand", [value, body.node("Shape", [before])])
            new.append(value)
        if not self.wires.lengths:
            return new
        outer, axis = self.outer, self.outer.constant([1])
        steps = outer.node("Unsqueeze", [outer.count(self.x), axis])
        there = outer.node("Less", [steps, self.wires.lengths])
        there = outer.node("Unsqueeze", [there, outer.constant([2])])
        here = self._part(there, 1, BOOL)
        return [
            body.node("Where", [here, value, before])
            for value, before in zip(new, self.states, strict=True)
        ]

    def _first(self, name: str) -> str:
        """Return the first state (B, n) by its name, zeros where none is given."""
        outer, given = self.outer, self.wires.before.get(name)
        if given:
            return outer.node("Squeeze", [given, outer.constant([0])])
        streams = outer.node("Shape", [self.x], start=1, end=2)
        width = outer.constant([self.piece.states[name]])
        return outer.node("ConstantOfShape", [outer.node("Concat", [streams, width], axis=0)])
