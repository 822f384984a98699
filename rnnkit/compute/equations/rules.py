"""The derivative of every operation, as nodes of the same graph.

A gradient that must not flow is chosen away by `where`, last of all: 0 times an infinite slope, of
sqrt at 0 say, would be NaN. At a tie `max` and `min` give all of it to the first; relu and abs have
the slope 0 at 0.
"""

from __future__ import annotations

from collections.abc import Callable

from rnnkit.compute.equations.functions import sigmoid, where
from rnnkit.compute.equations.graph import Value

Rule = Callable[[Value, Value], tuple[Value | None, ...]]


def gradients(node: Value, slope: Value) -> tuple[Value | None, ...]:
    """Return the gradient of each argument from that of the value; None where there is none."""
    if slope.op == "where":
        condition, then, otherwise = slope.args
        if otherwise.is_zero:
            found = gradients(node, then)
            return tuple(each if each is None else where(condition, each, 0.0) for each in found)
        if then.is_zero:
            found = gradients(node, otherwise)
            return tuple(each if each is None else where(condition, 0.0, each) for each in found)
    return RULES[node.op](node, slope)


def _divided(node: Value, slope: Value) -> tuple[Value, Value]:
    _, divisor = node.args
    return slope / divisor, -(slope * node / divisor)


def _absolute(node: Value, slope: Value) -> tuple[Value]:
    (z,) = node.args
    return (where(0 < z, slope, where(z < 0, -slope, 0.0)),)


def _maximum(node: Value, slope: Value) -> tuple[Value, Value]:
    a, b = node.args
    return where(b <= a, slope, 0.0), where(b <= a, 0.0, slope)


def _minimum(node: Value, slope: Value) -> tuple[Value, Value]:
    a, b = node.args
    return where(a <= b, slope, 0.0), where(a <= b, 0.0, slope)


def _where(node: Value, slope: Value) -> tuple[None, Value, Value]:
    condition = node.args[0]
    return None, where(condition, slope, 0.0), where(condition, 0.0, slope)


RULES: dict[str, Rule] = {
    "+": lambda node, slope: (slope, slope),
    "-": lambda node, slope: (slope, -slope),
    "*": lambda node, slope: (slope * node.args[1], slope * node.args[0]),
    "/": _divided,
    "neg": lambda node, slope: (-slope,),
    "tanh": lambda node, slope: (slope * (1.0 - node * node),),
    "sigmoid": lambda node, slope: (slope * (node * (1.0 - node)),),
    "exp": lambda node, slope: (slope * node,),
    "log": lambda node, slope: (slope / node.args[0],),
    "sqrt": lambda node, slope: (slope * 0.5 / node,),
    "softplus": lambda node, slope: (slope * sigmoid(node.args[0]),),
    "relu": lambda node, slope: (where(0 < node, slope, 0.0),),
    "abs": _absolute,
    "max": _maximum,
    "min": _minimum,
    "where": _where,
    "<": lambda node, slope: (None, None),
    "<=": lambda node, slope: (None, None),
}
