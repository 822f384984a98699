"""What tests of equations share: every operation beside its formula, and a step's gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy

from rnnkit.compute.equations import functions as eq
from rnnkit.compute.equations.adjoint import derive
from rnnkit.compute.equations.evaluate import StepArrays, evaluate_nodes
from rnnkit.compute.equations.graph import total
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import trace
from rnnkit.types import Array


class Operation(NamedTuple):
    """An operation as an author writes it, of values or arrays, and the same for SymPy."""

    arity: int
    written: Callable[..., Any]
    formula: Callable[..., Any]


def choice(holds: Any, then: Any, otherwise: Any) -> Any:
    return sympy.Piecewise((then, holds), (otherwise, True))


OPERATIONS = {
    "+": Operation(2, lambda a, b: a + b, lambda a, b: a + b),
    "-": Operation(2, lambda a, b: a - b, lambda a, b: a - b),
    "*": Operation(2, lambda a, b: a * b, lambda a, b: a * b),
    "/": Operation(2, lambda a, b: a / b, lambda a, b: a / b),
    "neg": Operation(1, lambda a: -a, lambda a: -a),
    "tanh": Operation(1, eq.tanh, sympy.tanh),
    "sigmoid": Operation(1, eq.sigmoid, lambda a: 1 / (1 + sympy.exp(-a))),
    "exp": Operation(1, eq.exp, sympy.exp),
    "log": Operation(1, eq.log, sympy.log),
    "softplus": Operation(1, eq.softplus, lambda a: sympy.log(1 + sympy.exp(a))),
    "sqrt": Operation(1, eq.sqrt, sympy.sqrt),
    "relu": Operation(1, eq.relu, lambda a: choice(a > 0, a, 0)),
    "abs": Operation(1, abs, sympy.Abs),
    "max": Operation(2, eq.maximum, lambda a, b: choice(a >= b, a, b)),
    "min": Operation(2, eq.minimum, lambda a, b: choice(a <= b, a, b)),
    "below": Operation(
        3,
        lambda a, b, c: eq.where(a < b, a * c, b + c),
        lambda a, b, c: choice(a < b, a * c, b + c),
    ),
    "at most": Operation(
        3,
        lambda a, b, c: eq.where(a <= b, c, a * b),
        lambda a, b, c: choice(a <= b, c, a * b),
    ),
}


def derived(function: Callable[..., Any], points: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return a function's values and its slopes along each argument, by its graph.

    The arguments stand as states of a step; the slopes are those of the sum of all values.
    """
    names = tuple(f"a{k}" for k in range(len(points)))
    symbols = Symbols((), (), names, (), {})

    def equations(x: Any, r: Any, s: Any, p: Any) -> tuple[Any, ...]:
        states = [getattr(s, name) for name in names]
        return function(*states), *states[1:]

    step = trace(equations, symbols)
    columns = tuple(np.asarray(each)[:, None] for each in points)
    ones, zeros = np.ones_like(columns[0]), np.zeros_like(columns[0])
    slopes = (ones, *(zeros for _ in names[1:]))
    arrays = StepArrays(zeros[:, :0], zeros, columns, {}, slopes)
    gradients = [total(terms) for terms in derive(step, {}).states if terms]
    values = evaluate_nodes(step, [*step.new, *gradients], arrays)
    return values[step.new[0]][:, 0], [values[each][:, 0] for each in gradients]
