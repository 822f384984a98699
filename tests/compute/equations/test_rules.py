"""The derivative of every operation is SymPy's; ties, overflow and infinite slopes have theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy
from equation_cases import OPERATIONS, derived

from rnnkit.compute.equations import functions as eq
from rnnkit.compute.equations.evaluate import OF_ARRAYS
from rnnkit.compute.equations.graph import Value, ValueGraph
from rnnkit.compute.equations.rules import RULES
from rnnkit.types import Array

POINTS = np.random.default_rng(5).uniform(0.2, 2.5, (3, 200))
SIGNED = POINTS * np.random.default_rng(6).choice([-1, 1], POINTS.shape)
POSITIVE = ("log", "sqrt")
EXTREMES = np.array([-1000.0, -100.0, 0.0, 100.0, 1000.0])


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_derivative_is_that_of_sympy(name: str) -> None:
    operation = OPERATIONS[name]
    points = list((POINTS if name in POSITIVE else SIGNED)[: operation.arity])
    value, slopes = derived(operation.written, points)
    symbols = sympy.symbols(f"a:{operation.arity}", real=True)
    formula = operation.formula(*symbols)
    wanted = [formula, *(sympy.diff(formula, symbol) for symbol in symbols)]
    for found, each in zip([value, *slopes], wanted, strict=True):
        expected = sympy.lambdify(symbols, each, "numpy")(*points)
        np.testing.assert_allclose(found, np.broadcast_to(expected, 200), rtol=1e-10, atol=1e-13)


def test_every_operation_has_a_rule_and_is_compared() -> None:
    assert set(RULES) == set(OF_ARRAYS)
    graph = ValueGraph()
    made = set()
    for operation in OPERATIONS.values():
        leaves = [graph.node("state", detail=k, width="units") for k in range(operation.arity)]
        operation.written(*leaves)
        made |= {node.op for node in graph.nodes}
    assert made - {"state", "constant"} == set(RULES)


class Tie(NamedTuple):
    """A function where its derivative jumps, the point, and the slopes there."""

    function: Callable[..., Any]
    at: tuple[float, ...]
    slopes: tuple[float, ...]


TIES = {
    "max": Tie(eq.maximum, (2.0, 2.0), (1, 0)),
    "max with a number": Tie(lambda a: eq.maximum(a, 0.5), (0.5,), (1,)),
    "a number's max": Tie(lambda a: eq.maximum(0.5, a), (0.5,), (0,)),
    "min": Tie(eq.minimum, (2.0, 2.0), (1, 0)),
    "a number's min": Tie(lambda a: eq.minimum(0.5, a), (0.5,), (0,)),
    "max of one": Tie(lambda a: eq.maximum(a, a), (2.0,), (1,)),
    "relu": Tie(eq.relu, (0.0,), (0,)),
    "relu of -0": Tie(eq.relu, (-0.0,), (0,)),
    "abs": Tie(abs, (0.0,), (0,)),
    "below": Tie(lambda a, b: eq.where(a < b, 3 * a, 5 * b), (1.0, 1.0), (0, 5)),
    "at most": Tie(lambda a, b: eq.where(a <= b, 3 * a, 5 * b), (1.0, 1.0), (3, 0)),
    "above": Tie(lambda a, b: eq.where(a > b, 3 * a, 5 * b), (1.0, 1.0), (0, 5)),
    "at least": Tie(lambda a, b: eq.where(a >= b, 3 * a, 5 * b), (1.0, 1.0), (3, 0)),
}


@pytest.mark.parametrize("name", TIES)
def test_a_tie_has_the_slope_of_one_side(name: str) -> None:
    function, at, slopes = TIES[name]
    _, found = derived(function, [np.array([each]) for each in at])
    assert [float(each[0]) for each in found] == list(slopes)


STABLE = {
    "sigmoid": (eq.sigmoid, [0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
    "tanh": (eq.tanh, [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
    "softplus": (eq.softplus, [0, 0, np.log(2), 100, 1000], [0, 0, 0.5, 1, 1]),
    "log(sigmoid)": (
        lambda a: eq.log(eq.sigmoid(a)),
        [-1000, -100, -np.log(2), 0, 0],
        [1, 1, 0.5, 0, 0],
    ),
    "log(1 - sigmoid)": (
        lambda a: eq.log(eq.sigmoid(-a)),
        [0, 0, -np.log(2), -100, -1000],
        [0, 0, -0.5, -1, -1],
    ),
    "exp": (eq.exp, [0, 0, 1, np.exp(100), np.inf], [0, 0, 1, np.exp(100), np.inf]),
}


@pytest.mark.parametrize("name", STABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_that_is_finite(name: str, dtype: type) -> None:
    function, values, slopes = STABLE[name]
    value, (slope,) = derived(function, [EXTREMES.astype(dtype)])
    assert value.dtype == slope.dtype == dtype
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(value, np.asarray(values, dtype), rtol=1e-6, atol=1e-30)
        np.testing.assert_allclose(slope, np.asarray(slopes, dtype), rtol=1e-6, atol=1e-30)


GUARDED: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "sqrt": (lambda a: eq.where(a > 0, eq.sqrt(a), 0), [-1, 0, 4], [0, 0, 0.25]),
    "log": (lambda a: eq.where(a <= 0, a, eq.log(a)), [-1, 0, 4], [1, 1, 0.25]),
    "quotient": (lambda a: eq.where(a <= 0, 0, 1 / a), [-1, 0, 4], [0, 0, -0.0625]),
    "exp": (lambda a: eq.where(a < 50, eq.exp(a), a), [0, 1000, 2000], [1, 1, 1]),
    "product": (lambda a: eq.where(a < 50, eq.exp(a) * a, a), [0, 1000, 2000], [1, 1, 1]),
    "relu": (lambda a: eq.relu(eq.sqrt(a)), [0, 4, 16], [0, 0.25, 0.125]),
    "chain": (
        lambda a: eq.where(a > 0, eq.tanh(-eq.sqrt(a) / 1e9) + eq.log(a), 0),
        [-1, 0, 1],
        [0, 0, 1 - 0.5e-9],
    ),
    "read twice": (
        lambda a: eq.where(a > 0, eq.sqrt(a), 0) + eq.where(a > 0, eq.sqrt(a) * a, 0),
        [-1, 0, 4],
        [0, 0, 3.25],
    ),
    "one in another": (
        lambda a: eq.where(a > 0, eq.where(a < 2, eq.sqrt(a), 1 / (a - 2)), 0),
        [0, 1, 2.5],
        [0, 0.5, -4],
    ),
}


@pytest.mark.parametrize("name", GUARDED)
def test_an_infinite_slope_does_not_leave_a_branch_that_is_not_taken(name: str) -> None:
    function, at, slopes = GUARDED[name]
    _, (found,) = derived(function, [np.array(at, float)])
    np.testing.assert_allclose(found, slopes, rtol=1e-12)


SIMPLER: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "0 + a": (lambda a, b: 0 + a, "a"),
    "a + 0": (lambda a, b: a + 0, "a"),
    "a - 0": (lambda a, b: a - 0, "a"),
    "0 - a": (lambda a, b: 0 - a, "neg"),
    "1 a": (lambda a, b: 1 * a, "a"),
    "a 1": (lambda a, b: a * 1, "a"),
    "a / 1": (lambda a, b: a / 1, "a"),
    "a + -b": (lambda a, b: a + -b, "-"),
    "a - -b": (lambda a, b: a - -b, "+"),
    "--a": (lambda a, b: --a, "a"),  # noqa: B002
    "0 a": (lambda a, b: 0 * a, "constant"),
    "a 0": (lambda a, b: a * 0, "constant"),
    "0 / a": (lambda a, b: 0 / a, "constant"),
    "of numbers": (lambda a, b: eq.tanh(0 * a + 0.5) + 2, "constant"),
    "sigmoid of a number": (lambda a, b: eq.sigmoid(0 * a + 0.5), "constant"),
    "softplus of a number": (lambda a, b: eq.softplus(0 * a - 0.5), "constant"),
    "where of numbers": (lambda a, b: eq.where(0 * a < 1, a, b), "a"),
    "where of equals": (lambda a, b: eq.where(a < b, b, b), "b"),
    "log(sigmoid)": (lambda a, b: eq.log(eq.sigmoid(a)), "neg"),
    "choices of one condition": (
        lambda a, b: eq.where(a < b, a, 2) + eq.where(a < b, b, 3 * a),
        "where",
    ),
}


@pytest.mark.parametrize("name", SIMPLER)
def test_what_is_simpler_has_the_same_value(name: str) -> None:
    function, op = SIMPLER[name]
    graph = ValueGraph()
    leaves = [graph.node("state", detail=k, width="units") for k in range(2)]
    node = function(*leaves)
    shown = {leaves[0]: "a", leaves[1]: "b"}
    assert shown.get(node, node.op) == op
    a, b = SIGNED[:2]
    value, _ = derived(lambda *leaves: function(*leaves) + leaves[0], [a, b])
    np.testing.assert_allclose(value, function(a, b) + a, rtol=1e-12, atol=1e-15)


def test_equal_expressions_are_one_node_and_numbers_are_told_by_their_digits() -> None:
    graph = ValueGraph()
    a, b = (graph.node("state", detail=k, width="units") for k in range(2))
    assert eq.tanh(a * b + 1) is eq.tanh(a * b + 1.0)
    assert graph.number(0.0) is not graph.number(-0.0)
    assert a - b is not b - a
    assert len({a, b, a + b, a + b}) == 3 and a == a and a != b


def points(*arrays: Array) -> list[Array]:
    return list(arrays)


def leaf_of(graph: ValueGraph) -> Value:
    return graph.node("state", detail=0, width="units")


def test_a_power_is_a_product() -> None:
    value, (slope,) = derived(lambda a: a**3, points(SIGNED[0]))
    np.testing.assert_allclose(value, SIGNED[0] ** 3, rtol=1e-12)
    np.testing.assert_allclose(slope, 3 * SIGNED[0] ** 2, rtol=1e-12)
    a = leaf_of(ValueGraph())
    assert a**1 is a
