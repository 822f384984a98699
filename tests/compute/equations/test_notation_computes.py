"""Equations in print compute what the equations compute, read as Python and as LaTeX."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from printed_cells import CELLS, notation

from rnnkit import EquationCell
from rnnkit.compute import equations
from rnnkit.compute.equations import dot, maximum, minimum, where
from rnnkit.compute.equations.notation import write_equations
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import Names
from rnnkit.core.signal import Signal
from rnnkit.types import Array


def python_of(line: str) -> str:
    """Return an equation as Python: a space between two is a product with a matrix."""
    return re.sub(r"(?<=[\w)]) (?=\w)", " @ ", line.replace("'", "_new"))


def python_of_latex(line: str) -> str:
    """Return an equation in LaTeX as Python."""
    line = re.sub(r"\\mathrm\{(\w+)\}", r"\1", line)
    cases = r"\\begin\{cases\} ((?:(?!\\begin).)*?) & \\text\{if \} ((?:(?!\\begin).)*?) \\\\ "
    cases += r"((?:(?!\\begin).)*?) & \\text\{otherwise\} \\end\{cases\}"
    while r"\begin" in line:
        line = re.sub(cases, r"where(\2, \1, \3)", line)
    line = line.replace(r"\lvert ", "abs(").replace(r" \rvert", ")")
    line = re.sub(r"10\^\{(-?\d+)\}", r"1e\1", line)
    line = line.replace(r"\frac{", "((").replace("}{", ") / (")
    line = re.sub(r"\\odot|\\cdot", "*", line).replace(r"\le ", "<= ").replace(r"\sigma", "sigmoid")
    line = re.sub(r"_\{(\w+)\}", r"_\1", line).replace("}", "))").replace("W^", "W")
    return python_of(line.replace("\\", ""))


FUNCTIONS = {
    **{name: getattr(equations, name) for name in equations.__all__},
    "max": np.maximum,
    "min": np.minimum,
}


def computed(lines: Iterator[str], names: dict[str, Any]) -> dict[str, Any]:
    """Return all names after equations in Python."""
    values = {**FUNCTIONS, **names}
    for line in lines:
        exec(line, values)
    return values


def arrays_of(symbols: Symbols) -> tuple[tuple[Names, ...], dict[str, Array]]:
    """Return what equations read, as arrays of three units and four inputs, and printed names."""
    rng, sizes = np.random.default_rng(5), {"units": 3, "inputs": 4}
    written: dict[str, Array] = {"x": rng.normal(size=(2, 4))}

    def parts(name: str, blocks: tuple[str, ...], *shape: int) -> dict[str, Array]:
        arrays = {block: rng.normal(size=shape) for block in blocks or ("",)}
        written.update({f"{name}_{k}" if len(arrays) > 1 else name: a for k, a in arrays.items()})
        return arrays

    states = {name: rng.normal(size=(2, 3)) for name in symbols.states}
    pointwise = {name: rng.normal(size=3) for name in symbols.pointwise}
    Wx, b = parts("Wx", symbols.gates, 4, 3), parts("b", symbols.gates, 3)
    matrices = {
        name: parts(name, blocks, sizes[source], sizes[target])
        for name, (source, target, blocks) in symbols.matrices.items()
    }
    inputs = {gate: written["x"] @ Wx[gate] + b[gate] for gate in symbols.gates}
    hidden = {gate: states["h"] @ matrices["Wh"][gate] for gate in symbols.recurrent}
    own = {name: each.get("", Names(name, each)) for name, each in matrices.items()}
    read = {**inputs, "input": written["x"]}, hidden, states, {**pointwise, **own}
    if "b_k" in pointwise:  # Product, whose names are taken
        written["b_k2"] = written["b_k"]
        pointwise = {"b_k": pointwise["b_k"], "h2": pointwise["h"]}
    return tuple(Names("", each) for each in read), {**written, **states, **pointwise}


@pytest.mark.parametrize("cls", CELLS)
def test_what_is_written_computes_the_equations(cls: type[EquationCell]) -> None:
    """Here the equations themselves read arrays: no graph is between them and the result."""
    cell = cls(units=3)
    read, written = arrays_of(cell.symbols(Signal(4)))
    found = cell.equations(*read)
    expected = found if isinstance(found, tuple) else (found,)
    for lines in map(python_of, notation(cell).text), map(python_of_latex, notation(cell).latex):
        values = computed(lines, written)
        for name, value in zip(cell.states, expected, strict=True):
            np.testing.assert_allclose(values[f"{name}_new"], value, rtol=1e-12)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": abs,
    "max": maximum,
    "min": minimum,
    "less": lambda a, b, c: where(a < b, b, c),
    "at least": lambda a, b, c: where(a >= b, c, a),
    "add number": lambda a: a + -3,
    "subtract number": lambda a: a - -2,
    "number less": lambda a: 3 - a,
    "scale": lambda a: a * -2,
    "scale left": lambda a: 3 * a,
    "square": lambda a: (a - 1) * (a - 1),
}


def random_equations(seed: int) -> Callable[[Names, Names, Names, Names], Any]:
    """Return equations of two states, a parameter and a matrix, drawn by chance."""

    def equations(x: Names, r: Names, s: Names, p: Names) -> Any:
        rng = random.Random(seed)

        def drawn(depth: int) -> Any:
            if depth == 0:
                return rng.choice([s.h, s.c, p.u])
            name = rng.choice([*OPERATIONS, "dot", "dot", "-", "/", "*"])
            if name == "dot":
                return dot(drawn(depth - 1), p.K)
            arguments = len(inspect.signature(OPERATIONS[name]).parameters)
            return OPERATIONS[name](*(drawn(rng.randrange(depth)) for _ in range(arguments)))

        return drawn(4) + drawn(3), dot(s.h * p.u, p.K) - s.c

    return equations


def fractions(seed: int, *shape: int) -> Array:
    """Return an array of exact numbers, of which no order of operations rounds anything."""
    rng = random.Random(seed)
    values = [
        Fraction(rng.randint(-9, 9) * 2 + 1, rng.randint(1, 5)) for _ in range(np.prod(shape))
    ]
    return np.array(values, dtype=object).reshape(shape)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_parentheses_of_random_equations(first: int) -> None:
    symbols = Symbols((), (), ("h", "c"), ("u",), {"K": ("units", "units", ())})
    compared = 0
    for seed in range(first, first + 50):
        equations = random_equations(seed)
        h, c, u, K = fractions(1, 2, 2), fractions(2, 2, 2), fractions(3, 2), fractions(4, 2, 2)
        named = [{}, {}, {"h": h, "c": c}, {"u": u, "K": K}]
        try:
            expected = equations(*(Names("", values) for values in named))
        except ZeroDivisionError:
            continue
        compared += 1
        found = write_equations(equations, symbols)
        for lines in map(python_of, found.text), map(python_of_latex, found.latex):
            values = computed(lines, {"h": h, "c": c, "u": u, "K": K})
            for name, value in zip(("h_new", "c_new"), expected, strict=True):
                assert np.array_equal(values[name], value), (seed, found.text)
    assert compared > 30
