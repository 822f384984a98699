"""Equations drawn at random: every way to compute a window has its gradients, and SymPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from drawn_equations import (
    POINTWISE,
    PRODUCTS,
    WAYS,
    Drawing,
    Drawn,
    apply,
    by_arrays,
    by_graph,
    drawing,
    loss,
    programs,
    run,
)
from equation_cases import OPERATIONS, derived
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rnnkit.compute.equations.evaluate import StepArrays, evaluate_nodes
from rnnkit.types import Array

JUMPS = ("<", "<=", "max", "min", "relu", "abs")
seeds = st.integers(0, 2**32 - 1)
drawn = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def is_smooth(cell: Drawn, window: Drawing) -> bool:
    """Tell whether no value is large, or so near a tie that a difference would step over it."""
    step, params = cell.step_graph(), window.params
    state = window.state
    for x in window.xs:
        zx = x @ params["Wx"] + params["b"]
        values = evaluate_nodes(step, step.nodes, StepArrays(zx, x, state, params))
        for node in step.nodes:
            if node.op in JUMPS:
                a, *b = (values[arg] for arg in node.args)
                if np.abs(a - b[0] if b else a).min() < 1e-4:
                    return False
            if not np.abs(values[node]).max() < 30:
                return False
        state = tuple(values[node] for node in step.new)
    return True


def slope(cell: Drawn, window: Drawing, name: str, along: Array) -> float:
    """Return the slope of the loss along a direction of one array, by central differences."""

    def moved(by: float) -> Drawing:
        match name:
            case "dxs":
                return window._replace(xs=window.xs + by * along)
            case "dh" | "dc":
                place = ("dh", "dc").index(name)
                state = [each + by * along * (k == place) for k, each in enumerate(window.state)]
                return window._replace(state=tuple(state))
        array = window.params[name[1:]]
        return window._replace(params={**window.params, name[1:]: array + by * along})

    step = 1e-6
    return (loss(cell, moved(step)) - loss(cell, moved(-step))) / (2 * step)


@pytest.mark.parametrize("way", WAYS)
def test_a_window_has_the_gradients_of_its_equations(way: str) -> None:
    @settings(drawn, max_examples=WAYS[way].examples)
    @given(program=programs(10), seed=seeds)
    def check(program: Any, seed: int) -> None:
        cell = Drawn(units=3, program=program)
        window = drawing(cell, seed)
        assume(is_smooth(cell, window))
        found = WAYS[way].compute(cell, window)
        for name, wanted in by_arrays(cell, window).items():
            np.testing.assert_allclose(found[name], wanted, rtol=1e-10, atol=1e-12, err_msg=name)
        random = np.random.default_rng(seed)
        gradients = {"dxs", "dh", "dc", *(f"d{name}" for name in window.params)}
        assert set(found) == {"ys", "h", "c", *gradients}
        for name in sorted(gradients):
            along = random.normal(size=found[name].shape)
            wanted = slope(cell, window, name, along)
            size = 1 + np.abs(found[name]).max()
            assert abs((found[name] * along).sum() - wanted) < 1e-5 * size, (name, wanted)

    check()


@pytest.mark.parametrize("way", WAYS)
def test_a_window_in_float32_is_near_the_one_in_float64(way: str) -> None:
    @settings(drawn, max_examples=WAYS[way].examples)
    @given(program=programs(10), seed=seeds)
    def check(program: Any, seed: int) -> None:
        cell = Drawn(units=3, program=program)
        window = drawing(cell, seed)
        assume(is_smooth(cell, window))
        single, wanted = drawing(cell, seed, dtype=np.float32), by_graph(cell, window)
        for name, array in WAYS[way].compute(cell, single).items():
            assert array.dtype == np.float32
            size = 1 + np.abs(wanted[name]).max()
            np.testing.assert_allclose(array, wanted[name], rtol=0, atol=2e-3 * size, err_msg=name)

    check()


def of_sympy(name: str, *args: Any) -> Any:
    formulas = {name: operation.formula for name, operation in OPERATIONS.items()}
    return apply(formulas, name, args)


def of_values(name: str, *args: Any) -> Any:
    written = {name: operation.written for name, operation in OPERATIONS.items()}
    return apply(written, name, args)


@settings(drawn, max_examples=25)
@given(program=programs(4, POINTWISE), seed=seeds)
def test_a_derivative_of_many_operations_is_that_of_sympy(program: Any, seed: int) -> None:
    def whole(language: Any, leaves: Any) -> Any:
        table = {name: lambda *args, name=name: language(name, *args) for name in POINTWISE}
        heads, _ = run(program, leaves, table)
        return sum(leaves) + sum(heads)

    points = np.random.default_rng(seed).normal(0, 1, (3, 5))
    _, slopes = derived(lambda *leaves: whole(of_values, leaves), list(points))
    symbols = sympy.symbols("a:3", real=True)
    formula = whole(of_sympy, symbols)
    for found, symbol in zip(slopes, symbols, strict=True):
        expected = sympy.lambdify(symbols, sympy.diff(formula, symbol), "numpy")(*points)
        np.testing.assert_allclose(
            np.broadcast_to(found, 5), np.broadcast_to(expected, 5), rtol=1e-7, atol=1e-8
        )


def test_all_operations_are_drawn_from() -> None:
    """A graph of all operations at once, which no drawing of a few can leave out."""
    program = tuple((name, k % 5, 1 + k % 3, 2) for k, name in enumerate((*POINTWISE, *PRODUCTS)))
    cell = Drawn(units=3, program=program)
    step = cell.step_graph()
    assert {node.op for node in step.nodes} >= {"x", "input", "state", "parameter", "dot"}
    assert {product.matrix for product in step.products} == {"Wh", "W", "V", "D", "U"}
