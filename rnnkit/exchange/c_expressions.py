"""Values of equations as expressions of C99, in the order of operations that their author wrote."""

from __future__ import annotations

from collections.abc import Callable

from rnnkit.compute.equations.graph import Value
from rnnkit.exchange.c_source import float_literal

FUNCTIONS = {
    "tanh": "tanhf",
    "sigmoid": "sigmoid",
    "exp": "expf",
    "log": "logf",
    "softplus": "softplus",
    "sqrt": "sqrtf",
    "relu": "relu",
    "abs": "fabsf",
    "max": "maximum",
    "min": "minimum",
}
"""The function of each operation, of libm or of `c_source`."""

BINDS = {"<": 1, "<=": 1, "+": 2, "-": 2, "*": 3, "/": 3}
"""How strongly an operator binds; a sign binds by 4, what needs no parentheses by 5."""


def expression(value: Value, known: Callable[[Value], str | None]) -> str:
    """Return the expression of a value; `known` tells what is called by a name."""
    return _bound(value, known)[0]


def _bound(value: Value, known: Callable[[Value], str | None]) -> tuple[str, int]:
    """Return an expression, and how strongly its outermost operator binds."""
    if name := known(value):
        return name, 5

    def inner(place: int, least: int) -> str:
        text, binds = _bound(value.args[place], known)
        return text if binds >= least else f"({text})"

    match value.op:
        case "constant":
            return float_literal(value.detail), 4
        case "neg":
            return f"-{inner(0, 5)}", 4
        case "where":
            return f"({inner(0, 1)} ? {inner(1, 1)} : {inner(2, 1)})", 5
        case op if op in FUNCTIONS:
            arguments = ", ".join(inner(place, 0) for place in range(len(value.args)))
            return f"{FUNCTIONS[op]}({arguments})", 5
    binds = BINDS[value.op]
    return f"{inner(0, binds)} {value.op} {inner(1, binds + 1)}", binds
