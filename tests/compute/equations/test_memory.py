"""Cells whose values want the memory of one another: every way gives what their graphs give."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from drawn_equations import WAYS, Drawn, by_graph, drawing

from rnnkit.compute.equations import dot, exp, sigmoid, softplus, tanh, where
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.stack import sampler
from rnnkit.compute.stack.stages import Weights, lookup
from rnnkit.compute.stack.table import make_table
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal


class InnerState(EquationCell):
    """The sum of a gate is a state as well: the gate's value may not be computed over it."""

    type: Literal["inner_state"] = "inner_state"
    gates = ("a",)
    states = ("h", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = x.a + r.a
        return sigmoid(z) * s.c, z


class GateAsState(EquationCell):
    """A gate's part of x is a state."""

    type: Literal["gate_as_state"] = "gate_as_state"
    gates = ("a", "b")
    recurrent = ("b",)
    states = ("h", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return sigmoid(tanh(x.a) + x.b + r.b) * s.c, x.a


class Twice(EquationCell):
    """A gate reads its parts twice: its slope is not that of its plain sum."""

    type: Literal["twice"] = "twice"
    gates = ("a", "b", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        a, b = sigmoid(x.a + x.a + r.a), sigmoid(x.b + r.b + r.b)
        return a * s.h + b * tanh(x.c * x.c + r.c)


class Stepwise(EquationCell):
    """Gates whose operations cannot each be done in place."""

    type: Literal["stepwise"] = "stepwise"
    gates = ("a", "b", "c")
    recurrent = ("a",)

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        a = exp(-abs(r.a) + x.a)
        b = tanh(where(x.b < 0, 1.0, 2.0))
        return tanh(a * s.h + b * s.h + where(softplus(x.c) < s.h, a, b))


class Between(EquationCell):
    """A gate of another kind lies between two whose slopes are known from their values."""

    type: Literal["between"] = "between"
    gates = ("a", "b", "c", "d")
    recurrent = ("a", "b", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        a, b, c = sigmoid(x.a + r.a), softplus(x.b + r.b), sigmoid(x.c + r.c)
        return tanh(a * s.h + b * c + x.d)


class LateReader(EquationCell):
    """What a product multiplies reads a gate's sum again, a product after the gate's value."""

    type: Literal["late_reader"] = "late_reader"
    gates = ("a",)

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"U": ("units", "units"), "W": ("units", "units")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = x.a + r.a
        a = tanh(z)
        return tanh(dot(z + dot(a * s.h, p.U), p.W) + a)


class EqualSlopes(EquationCell):
    """A product has the gradient of a gate's value, not that of the gate's sum."""

    type: Literal["equal_slopes"] = "equal_slopes"
    gates = ("a",)
    recurrent = False

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"W": ("units", "units")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return sigmoid(x.a) + dot(s.h, p.W)


class PlainWayBack(EquationCell):
    """What comes back through a product is, as it is, a gradient of states, of x, of a product."""

    type: Literal["plain_way_back"] = "plain_way_back"
    gates = ("a",)
    recurrent = False

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"D": ("units", "inputs"), "U": ("inputs", "units"), "W": ("units", "units")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return tanh(dot(x.a + s.h, p.W) + dot(x.input + dot(s.h, p.D), p.U))


class Exchange(EquationCell):
    """Two states change places."""

    type: Literal["exchange"] = "exchange"
    states = ("h", "c", "d")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return tanh(s.h + s.c), s.d, s.c


class OnlyCompared(EquationCell):
    """No gradient reaches a parameter, a gate, a product."""

    type: Literal["only_compared"] = "only_compared"
    gates = ("a", "b")
    recurrent = ("b",)

    def extra(self, inputs: Signal) -> Declaration:
        return {"u": ParamSpec((self.units,), Zeros())}

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"D": ("units", "inputs"), "U": ("inputs", "units")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        found = where(p.u < s.h, x.a, where(x.b < r.b, s.h, -s.h))
        return where(dot(dot(s.h, p.D), p.U) < 0, found, tanh(found))


class Leaves(EquationCell):
    """Products of what is not computed: a gate's part of x, a parameter, a product."""

    type: Literal["leaves"] = "leaves"
    gates = ("a", "b")
    recurrent = ("b",)

    def extra(self, inputs: Signal) -> Declaration:
        return {"u": ParamSpec((self.units,), Zeros())}

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"V": ("units", "units", "m", "n")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = dot(x.a, p.V.m) + dot(p.u, p.V.n) + dot(dot(s.h, p.V.m), p.V.n)
        return tanh(z + sigmoid(x.b + r.b) * x.a)


PROGRAMS = (
    (("abs", 1, 8, 10), ("min", 11, 10, 2), ("-", 3, 3, 3), ("/", 9, 6, 6), ("*", 8, 3, 8)),
    (("below", 4, 4, 4), ("sigmoid", 6, 10, 0), ("input", 0, 8, 1), ("+", 10, 4, 2)),
    (("block n", 7, 5, 3),),
)
CELLS: list[EquationCell] = [
    *(Drawn(units=3, program=program) for program in PROGRAMS),
    InnerState(units=3),
    GateAsState(units=3),
    Twice(units=3),
    Stepwise(units=3),
    Between(units=3),
    LateReader(units=3),
    EqualSlopes(units=3),
    PlainWayBack(units=3),
    Exchange(units=3),
    OnlyCompared(units=3),
    Leaves(units=3),
]


def named(cell: EquationCell) -> str:
    return type(cell).__name__


@pytest.mark.parametrize("cell", CELLS, ids=named)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "graph"])
def test_nothing_is_overwritten_that_is_still_read(way: str, cell: EquationCell) -> None:
    if way == "compiled" and not isinstance(cell, Leaves):
        pytest.skip("compiling takes seconds: the others' loops are run by Python alone")
    window = drawing(cell, 1)
    found, wanted = WAYS[way].compute(cell, window), by_graph(cell, window)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_the_sampler_reads_each_product_from_its_own_memory() -> None:
    cell = Leaves(units=3)
    window = drawing(cell, 1, steps=12, dtype=np.float32)
    table, state = window.xs[:3, 0], tuple(array[:1] for array in window.state)
    stages = (*lookup(Weights("table")), *cell.stages(Signal(window.xs.shape[2])))
    params = {"0": {**window.params, "table": table}}
    shapes = {"0": {name: array.shape for name, array in params["0"].items()}}
    found = make_table([("0", stages)], shapes, 3)
    assert found
    plan = sampler.make_plan(found, params, state)
    drawn = np.random.default_rng(1).random((12, 1))
    ids = sampler.tokens([plan], np.array([2]), drawn, (1.0, 3, 1.0))[:, 0]
    read = table[np.array([2, *ids[:-1]])][:, None]
    dys = np.zeros((12, 1, 3), np.float32)
    wanted = by_graph(cell, window._replace(xs=read, state=state, dys=dys, dstate=state))
    for name, found in zip(cell.state_names(), plan.state, strict=True):
        np.testing.assert_allclose(found, wanted[name], rtol=0, atol=1e-5)
