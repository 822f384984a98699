"""One step of a cell as a graph: equal expressions are one node, and plain ones become simpler.

A node stands for one value of every unit of every stream. Nodes are numbered as they are made, so
arguments come before what reads them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

from rnnkit.compute.equations.refusals import EquationError, NoNumber

LEAVES = frozenset(("x", "input", "state", "parameter", "constant", "slope"))
"""What has no arguments: a gate's part of x Wx + b, x itself, a state before the step, a pointwise
parameter, a number, the gradient of a state after the step."""

TRANSCENDENTAL = frozenset(("tanh", "sigmoid", "exp", "log", "softplus", "sqrt", "/"))
"""What costs more to compute again than to keep."""

ARRAYS = frozenset(("state", "input"))
"""Leaves that are an array each: a product reads them where they lie."""

PRODUCTS = frozenset(("dot", "back"))
"""Products with a matrix, and the way back through one."""

ARITHMETIC = frozenset(("+", "-", "*", "/", "neg"))

COMPARISONS = frozenset(("<", "<="))

OF_NUMBERS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "neg": operator.neg,
    "tanh": math.tanh,
    "sigmoid": lambda a: 0.5 * math.tanh(0.5 * a) + 0.5,
    "exp": math.exp,
    "log": math.log,
    "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
    "sqrt": math.sqrt,
    "relu": lambda a: max(a, 0.0),
    "abs": abs,
    "max": max,
    "min": min,
    "<": operator.lt,
    "<=": operator.le,
    "where": lambda condition, then, otherwise: then if condition else otherwise,
}
"""What an operation makes of numbers alone: a node that is no number has a width."""

BY_NUMPY = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": "<",
    "greater_equal": "<=",
}
"""What NumPy calls the operators: a number of NumPy to the left of one asks by these names."""


class Value(NoNumber):
    """A value of every unit: an operation of other values, or a leaf.

    `detail` tells leaves and products apart: the gate, the state, the name, the number, the block
    of a matrix. `width` is "units", "inputs" (as wide as x), or "" for numbers, which fit all.
    """

    __slots__ = ("args", "detail", "graph", "index", "op", "width")

    def __init__(
        self, graph: ValueGraph, op: str, args: tuple[Value, ...], detail: Any, width: str
    ) -> None:
        self.graph, self.op, self.args, self.detail, self.width = graph, op, args, detail, width
        self.index = len(graph.nodes)

    @property
    def is_zero(self) -> bool:
        """Tell whether this is the number 0."""
        return self.op == "constant" and self.detail == 0.0

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

    def __eq__(self, other: object) -> bool:
        if self.graph.tracing:  # afterwards values are keys, and in tuples
            raise EquationError(
                "== and != compare no values, which are hardly ever equal: write "
                "where(a < b, then, otherwise)"
            )
        return self is other

    __hash__ = object.__hash__

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **_: Any) -> Value:
        op = BY_NUMPY.get(function.__name__)
        if op is None or method != "__call__":
            self.__array_function__(function)
        # A number of NumPy may come as an array without dimensions.
        args = [each.item() if getattr(each, "ndim", None) == 0 else each for each in inputs]
        swapped = function.__name__.startswith("greater")
        return self.graph.of(op, *(reversed(args) if swapped else args))


class ValueGraph:
    """The nodes of one step, in the order in which they were made.

    `tracing` is True while an author's equations run.
    """

    def __init__(self) -> None:
        self.nodes: list[Value] = []
        self.tracing = False
        self._known: dict[tuple[object, ...], Value] = {}

    def number(self, value: float) -> Value:
        """Return the node of a number."""
        return self.node("constant", detail=float(value))

    def lift(self, value: object) -> Value:
        """Return a node for what an author wrote; raises EquationError for what is no value."""
        if isinstance(value, Value):
            if value.graph is not self:
                raise EquationError("a value of another call of the equations: nothing is kept")
            return value
        if isinstance(value, Real) and math.isfinite(value):
            return self.number(float(value))
        given = value if isinstance(value, Real) else type(value).__name__
        raise EquationError(f"expected a value or a finite number, received {given}")

    def of(self, op: str, *values: object) -> Value:
        """Return the node of an operation, in its simplest form."""
        args = tuple(map(self.lift, values))
        simpler = self._simpler(op, args)
        return self.node(op, *args) if simpler is None else simpler

    def node(self, op: str, *args: Value, detail: Any = None, width: str | None = None) -> Value:
        """Return the node with these parts; an equal one where there is one."""
        if any(arg.op in COMPARISONS for arg in (args[1:] if op == "where" else args)):
            raise EquationError("a comparison is no number: write where(a < b, 1, 0)")
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
        if None not in numbers:
            return self.number(_of_numbers(op, numbers))
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
            case "/", [0.0, None]:
                return self.number(0.0)
            case "/", [None, 0.0]:
                raise EquationError("a division by 0")
            case "where", [float(holds), _, _]:
                return args[1] if holds else args[2]
        if op == "where" and args[1] is args[2]:
            return args[1]
        if op == "+" and args[0].op == args[1].op == "where" and args[0].args[0] is args[1].args[0]:
            # One choice: a sum of choices would hide from `rules` that nothing may flow.
            (condition, a, b), (_, c, d) = args[0].args, args[1].args
            return self.of("where", condition, a + c, b + d)
        inner = args[-1]
        if op in "+-" and inner.op == "neg":
            return self.of("-" if op == "+" else "+", args[0], inner.args[0])
        if op == "neg" and inner.op == "neg":
            return inner.args[0]
        if op == "log" and inner.op == "sigmoid":  # exact where sigmoid(a) is 0
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


def _of_numbers(op: str, numbers: Sequence[float]) -> float:
    """Return what an operation makes of numbers; raises EquationError where it is no number."""
    try:
        value = float(OF_NUMBERS[op](*numbers))
    except ArithmeticError:
        value = math.inf
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise EquationError(f"{op} of {', '.join(map(str, numbers))} is no finite number")


def _common_width(op: str, args: Sequence[Value]) -> str:
    widths = {arg.width for arg in args} - {""}
    if len(widths) > 1:
        raise EquationError(
            f"{op} of a value as wide as x and one of every unit: they are only equally wide by "
            "chance (make one of the other by dot with a matrix)"
        )
    return widths.pop() if widths else ""
