"""One step of a cell as a graph: equal expressions are one node, and plain ones become simpler.

A node stands for one value of every unit of every stream. Nodes are numbered as they are made, so
arguments come before what reads them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

LEAVES = frozenset(("x", "input", "state", "parameter", "constant", "slope"))
"""What has no arguments: a gate's part of x Wx + b, x itself, a state before the step, a pointwise
parameter, a number, the gradient of a state after the step."""

TRANSCENDENTAL = frozenset(("tanh", "sigmoid", "exp", "log", "softplus", "sqrt", "/"))
"""What costs more to compute again than to keep."""

PRODUCTS = frozenset(("dot", "back"))
"""Products with a matrix, and the way back through one."""

COMPARISONS = frozenset(("<", "<="))

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.nan,
}


class EquationError(Exception):
    """The equations of a cell say what no step can be made of; the message says what to write."""


class Value:
    """A value of every unit: an operation of other values, or a leaf.

    `detail` tells leaves and products apart: the gate, the state, the name, the number, the block
    of a matrix. `width` is "units", "inputs" (as wide as x), or "" for numbers, which fit all.
    """

    __slots__ = ("args", "detail", "graph", "index", "op", "width")
    __array_priority__ = 1000.0

    def __init__(
        self, graph: ValueGraph, op: str, args: tuple[Value, ...], detail: Any, width: str
    ) -> None:
        self.graph, self.op, self.args, self.detail, self.width = graph, op, args, detail, width
        self.index = len(graph.nodes)

    def __add__(self, other: Value | float) -> Value:
        return self.graph.of("+", self, other)

    def __radd__(self, other: float) -> Value:
        return self.graph.of("+", other, self)

    def __sub__(self, other: Value | float) -> Value:
        return self.graph.of("-", self, other)

    def __rsub__(self, other: float) -> Value:
        return self.graph.of("-", other, self)

    def __mul__(self, other: Value | float) -> Value:
        return self.graph.of("*", self, other)

    def __rmul__(self, other: float) -> Value:
        return self.graph.of("*", other, self)

    def __truediv__(self, other: Value | float) -> Value:
        return self.graph.of("/", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self.graph.of("/", other, self)

    def __neg__(self) -> Value:
        return self.graph.of("neg", self)

    def __abs__(self) -> Value:
        return self.graph.of("abs", self)

    def __lt__(self, other: Value | float) -> Value:
        return self.graph.of("<", self, other)

    def __le__(self, other: Value | float) -> Value:
        return self.graph.of("<=", self, other)

    def __gt__(self, other: Value | float) -> Value:
        return self.graph.of("<", other, self)

    def __ge__(self, other: Value | float) -> Value:
        return self.graph.of("<=", other, self)

    def __pow__(self, power: object) -> Value:
        if not isinstance(power, int) or power < 1:
            raise EquationError(f"** {power!r}: write exp(a * log(x)), or a whole power from 1")
        found = self
        for _ in range(power - 1):
            found = found * self
        return found

    def __bool__(self) -> NoReturn:
        raise EquationError(
            "Python's if, and, or, not, min and max look at one value, but equations are written "
            "once for all: write where(a < b, then, otherwise), maximum or minimum"
        )

    def __float__(self) -> NoReturn:
        raise EquationError(
            "a function of one number reads a value of every unit: write that of rnnkit.equations"
        )

    def __array_ufunc__(self, function: Any, *_: Any, **__: Any) -> NoReturn:
        raise EquationError(
            f"np.{function.__name__} reads arrays, but equations are written once for all: write "
            "the function of rnnkit.equations, and numbers in place of arrays"
        )

    def __iter__(self) -> NoReturn:
        raise EquationError("a value has no parts: write the equation of one unit")

    def __getitem__(self, _: object) -> NoReturn:
        raise EquationError("a value has no parts: write the equation of one unit")


class ValueGraph:
    """The nodes of one step, in the order in which they were made."""

    def __init__(self) -> None:
        self.nodes: list[Value] = []
        self._known: dict[tuple[object, ...], Value] = {}

    def number(self, value: float) -> Value:
        """Return the node of a number."""
        return self.node("constant", detail=float(value))

    def lift(self, value: object) -> Value:
        """Return a node for what an author wrote; raises EquationError for what is no value."""
        if isinstance(value, Value):
            return value
        if isinstance(value, int | float) and math.isfinite(value):
            return self.number(value)
        given = value if isinstance(value, int | float) else type(value).__name__
        raise EquationError(f"expected a value or a finite number, received {given}")

    def of(self, op: str, *values: object) -> Value:
        """Return the node of an operation, in its simplest form."""
        args = tuple(map(self.lift, values))
        simpler = self._simpler(op, args)
        return self.node(op, *args) if simpler is None else simpler

    def node(self, op: str, *args: Value, detail: Any = None, width: str | None = None) -> Value:
        """Return the node with these parts; an equal one where there is one."""
        width = _common_width(op, args) if width is None else width
        # A number is told by its digits: -0.0 == 0.0, and their quotients are not equal.
        key = op, tuple(arg.index for arg in args), repr(detail), width
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Value(self, op, args, detail, width)
            self.nodes.append(found)
        return found

    def _simpler(self, op: str, args: tuple[Value, ...]) -> Value | None:
        """Return what an operation with a number, or of an operation, is without it."""
        numbers: list[Any] = [arg.detail if arg.op == "constant" else None for arg in args]
        if op in ARITHMETIC and None not in numbers:
            value = ARITHMETIC[op](*numbers)
            return self.number(value) if math.isfinite(value) else None
        match op, numbers:
            case "+", [0.0, None]:
                return args[1]
            case (("+" | "-"), [None, 0.0]):
                return args[0]
            case "-", [0.0, None]:
                return self.of("neg", args[1])
            case "*", [1.0, None]:
                return args[1]
            case (("*" | "/"), [None, 1.0]):
                return args[0]
            case "*", ([0.0, None] | [None, 0.0]):
                return self.number(0.0)
            case "neg", [float(value)]:
                return self.number(-value)
        inner = args[-1]
        if op in "+-" and inner.op == "neg":
            return self.of("-" if op == "+" else "+", args[0], inner.args[0])
        if op == "neg" and inner.op == "neg":
            return inner.args[0]
        if op == "log" and inner.op == "sigmoid":  # exact where sigmoid(a) has computed_from 0
            return -self.of("softplus", -inner.args[0])
        return None


def computed_from(nodes: Iterable[Value]) -> set[Value]:
    """Return the nodes and all that they are computed from."""
    found: set[Value] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.args
    return found


def by_index(nodes: Iterable[Value]) -> list[Value]:
    """Return nodes with those first that others read."""
    return sorted(nodes, key=lambda node: node.index)


def total(nodes: Sequence[Value]) -> Value:
    """Return the sum of some nodes, from left to right."""
    found = nodes[0]
    for node in nodes[1:]:
        found = found + node
    return found


def _common_width(op: str, args: Sequence[Value]) -> str:
    widths = {arg.width for arg in args} - {""}
    if len(widths) > 1:
        raise EquationError(
            f"{op} of a value as wide as x and one of every unit: they are only equally wide by "
            "chance (make one of the other by dot with a matrix)"
        )
    return widths.pop() if widths else ""
