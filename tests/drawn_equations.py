"""Cells whose equations Hypothesis draws, and windows of them, computed in several ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple
from unittest import mock

import numpy as np
from equation_cases import OPERATIONS
from hypothesis import strategies as st

from rnnkit.compute.equations import program
from rnnkit.compute.equations.adjoint import derive
from rnnkit.compute.equations.evaluate import StepArrays, block_of, evaluate_nodes
from rnnkit.compute.equations.functions import dot, tanh
from rnnkit.compute.equations.source import HEADER, WindowLoops
from rnnkit.compute.equations.window import run_window
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Params

Operator = tuple[str, int, int, int]
"""An operation and which values it takes, counted back from the last."""

PRODUCTS = ("dot", "block m", "block n", "input")
"""Operations with a matrix: a plain one, one of two blocks, one there and back to the inputs."""

POINTWISE = tuple(OPERATIONS)
LEAVES = ("x.a", "x.b", "x.c", "r.a", "r.b", "s.h", "s.c", "p.u")


def programs(size: int, ops: Sequence[str] = (*POINTWISE, *PRODUCTS)) -> st.SearchStrategy[Any]:
    """Return a strategy of up to `size` operations."""
    place = st.integers(0, 11)
    one = st.tuples(st.sampled_from(ops), place, place, place)
    return st.lists(one, min_size=1, max_size=size).map(tuple)


def apply(language: Mapping[str, Any], name: str, args: Sequence[Any]) -> Any:
    """Return a pointwise operation, kept away from where it is infinite, in one language."""
    if name in ("log", "sqrt"):
        args = [language["abs"](args[0]) + 0.3]
    elif name == "/":
        args = [args[0], language["abs"](args[1]) + 0.5]
    elif name == "exp":
        args = [language["min"](args[0], 2 * language["tanh"](args[0]))]
    return language[name](*args)


def run(program: Sequence[Operator], leaves: Sequence[Any], language: Mapping[str, Any]) -> Any:
    """Return the values that no operation takes, and the last value."""
    values, used = list(leaves), set(range(len(leaves)))
    for name, *places in program:
        arity = 1 if name in PRODUCTS else OPERATIONS[name].arity
        chosen = [len(values) - 1 - place % len(values) for place in places[:arity]]
        values.append(language[name](*(values[at] for at in chosen)))
        used.update(chosen)
    return [value for at, value in enumerate(values) if at not in used], values[-1]


def unread(program: Sequence[Operator]) -> list[int]:
    """Return the leaves that nothing of a program is computed from."""
    union = dict.fromkeys((*POINTWISE, *PRODUCTS), lambda *args: frozenset().union(*args))
    heads, _ = run(program, [frozenset((k,)) for k in range(len(LEAVES))], union)
    return [k for k in range(len(LEAVES)) if not any(k in head for head in heads)]


def language_of(p: Any, inputs: Any) -> dict[str, Any]:
    """Return the operations of equations, of values and of arrays."""
    plain = {name: operation.written for name, operation in OPERATIONS.items()}
    found: dict[str, Any] = {
        name: lambda *args, name=name: apply(plain, name, args) for name in POINTWISE
    }
    found["dot"] = lambda a: dot(a, p.W)
    found["block m"] = lambda a: dot(a, p.V.m)
    found["block n"] = lambda a: dot(a, p.V.n)
    found["input"] = lambda a: dot(plain["tanh"](dot(a, p.D)) * inputs, p.U)
    return found


class Drawn(EquationCell):
    """A cell of three gates, two of them recurrent, two states, a parameter, and any operations."""

    type: Literal["drawn"] = "drawn"
    gates = ("a", "b", "c")
    recurrent = ("a", "b")
    states = ("h", "c")

    program: tuple[Operator, ...] = ()

    def extra(self, inputs: Signal) -> Declaration:
        return {"u": ParamSpec((self.units,), Zeros())}

    def matrices(self) -> dict[str, tuple[str, ...]]:
        """Declare the matrices of the operations, of V both blocks or the one that is read."""
        ops = {name for name, *_ in self.program}
        found: dict[str, tuple[str, ...]] = {}
        if "dot" in ops:
            found["W"] = ("units", "units")
        if blocks := tuple(each for each in "mn" if f"block {each}" in ops):
            found["V"] = ("units", "units", *blocks)
        if "input" in ops:
            found |= {"D": ("units", "inputs"), "U": ("inputs", "units")}
        return found

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> tuple[Any, Any]:
        """Return the squashed sum of all that is not read elsewhere, and the last value."""
        leaves = [x.a, x.b, x.c, r.a, r.b, s.h, s.c, p.u]
        heads, last = run(self.program, leaves, language_of(p, x.input))
        found = sum((leaves[k] for k in unread(self.program)), heads[0])
        return tanh(sum(heads[1:], found)), last


class Drawing(NamedTuple):
    """A window of T steps of N streams, in one dtype, and the gradients of what it gives."""

    params: Params
    xs: Array
    state: tuple[Array, ...]
    dys: Array
    dstate: tuple[Array, ...]


def drawing(cell: EquationCell, seed: int, steps: int = 3, dtype: Any = np.float64) -> Drawing:
    """Return a window of random numbers."""
    random = np.random.default_rng(seed)
    signal, streams = Signal(2), 2

    def normal(*shape: int) -> Array:
        return random.normal(0, 0.7, shape).astype(dtype)

    def states() -> tuple[Array, ...]:
        return tuple(normal(streams, size) for size in cell.state_sizes(signal))

    params = {name: normal(*spec.shape) for name, spec in cell.declared(signal).items()}
    xs, dys = normal(steps, streams, 2), normal(steps, streams, cell.units)
    return Drawing(params, xs, states(), dys, states())


def by_graph(cell: EquationCell, window: Drawing) -> dict[str, Array]:
    """Return outputs, new states and all gradients, by the values of the graph."""
    step, params = cell.step_graph(), window.params
    N, n = window.xs.shape[1], cell.units
    arrays, states = list[StepArrays](), [window.state]
    for x in window.xs:
        zx = x @ params["Wx"] + params["b"] if cell.gates else x[:, :0]
        arrays.append(StepArrays(zx, x, states[-1], params))
        values = evaluate_nodes(step, step.new, arrays[-1])
        states.append(tuple(values[node] for node in step.new))
    gradients, dstate = derive(step, {}), window.dstate
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    dxs = np.zeros_like(window.xs)
    for t in reversed(range(len(window.xs))):
        slopes = (dstate[0] + window.dys[t], *dstate[1:])
        at = arrays[t]._replace(slopes=slopes)
        values = evaluate_nodes(step, [*gradients.roots, *step.nodes], at)

        if cell.gates:
            dz = np.hstack([np.broadcast_to(values[node], (N, n)) for node in gradients.gates])
            grads["Wx"] += at.xs.T @ dz
            grads["b"] += dz.sum(axis=0)
            dxs[t] = dz @ params["Wx"].T
        for node in gradients.inputs:
            dxs[t] += values[node]
        for name, node in gradients.pointwise.items():
            grads[name] += np.broadcast_to(values[node], (N, n)).sum(axis=0)
        for product, nodes in zip(step.products, gradients.products, strict=True):
            for dot_node, node in zip(product.dots, nodes, strict=True):
                into = block_of(step, dot_node.detail, grads)
                into += values[product.value].T @ (values[node] + 0 * values[dot_node])
        dstate = tuple(
            sum((values[node] for node in terms), np.zeros_like(slopes[0]))
            for terms in gradients.states
        )
    ys, names = np.array([state[0] for state in states[1:]]), cell.state_names()
    new = dict(zip(names, states[-1], strict=True))
    found = {f"d{name}": array for name, array in grads.items()}
    found |= {f"d{name}": slope for name, slope in zip(names, dstate, strict=True)}
    return {"ys": ys, **new, **found, "dxs": dxs}


class Way(NamedTuple):
    """A way to compute a window, and how many examples of it are drawn.

    `compute` gives ys, dxs, each state and d of it and of each parameter.
    """

    compute: Callable[[Any, Drawing], dict[str, Array]]
    examples: int


def computed(scan: Any, cell: EquationCell, window: Drawing) -> dict[str, Array]:
    """Return the same by a function such as `Layer.scan`."""
    names = cell.state_names()
    grads = {name: np.zeros_like(array) for name, array in window.params.items()}
    ctx = Context(dtype=window.xs.dtype)
    ys, state, backward = scan(window.params, window.xs, window.state, None, ctx)
    found = {"ys": ys, **dict(zip(names, state, strict=True))}
    dxs, dstate = backward(window.dys, window.dstate, grads)
    slopes = {f"d{name}": slope for name, slope in zip(names, dstate, strict=True)}
    return {**found, **{f"d{n}": d for n, d in grads.items()}, "dxs": dxs, **slopes}


def by_numpy(cell: EquationCell, window: Drawing) -> dict[str, Array]:
    """Return the same by the statements that are written from the graph."""
    return computed(cell.scan_by_numpy, cell, window)


def by_loops(cell: EquationCell, window: Drawing) -> dict[str, Array]:
    """Return the same by the source of the compiled loops, run by Python: no drawing compiles."""
    with mock.patch.object(program, "compiled_loops", interpreted):
        written = program.write_program("drawn", cell.step_graph(), compiled=True)

    def scan(params: Params, xs: Array, state: Any, resets: None, ctx: Context) -> Any:
        initial = tuple(map(np.zeros_like, state))
        return run_window(written, cell.units, params, xs, state, initial, resets, ctx)

    with np.errstate(all="ignore"):
        return computed(scan, cell, window)


def interpreted(name: str, source: str) -> WindowLoops:
    """Return the functions of generated source as Python has them."""
    scope: dict[str, Any] = {}
    exec(HEADER.format(of=name) + source, scope)
    return WindowLoops(scope["forward"], scope["backward"])


def by_compiler(cell: EquationCell, window: Drawing) -> dict[str, Array]:
    """Return the same by compiled loops: seconds a cell."""
    return computed(cell.scan, cell, window)


WAYS = {"graph": Way(by_graph, 150), "numpy": Way(by_numpy, 50)}
if kernels_available():
    WAYS |= {"loops": Way(by_loops, 50), "compiled": Way(by_compiler, 2)}


def by_arrays(cell: Drawn, window: Drawing) -> dict[str, Array]:
    """Return ys, h and c by the same equations, called with the arrays of each step."""
    params, units = window.params, cell.units

    def named(array: Array, names: Sequence[str]) -> SimpleNamespace:
        return SimpleNamespace(**dict(zip(names, np.split(array, len(names), axis=1), strict=True)))

    p = SimpleNamespace(**params)
    if blocks := cell.matrices().get("V", ())[2:]:
        p.V = named(params["V"], blocks)
    (h, c), ys = window.state, []
    for x in window.xs:
        gates = named(x @ params["Wx"] + params["b"], cell.gates)
        gates.input = x
        r = named(h @ params["Wh"], cell.recurrent)
        h, c = cell.equations(gates, r, SimpleNamespace(h=h, c=c), p)
        h, c = (np.broadcast_to(each, (len(x), units)) for each in (h, c))
        ys.append(h)
    return {"ys": np.array(ys), "h": h, "c": c}


def loss(cell: Drawn, window: Drawing) -> float:
    """Return the number whose gradients a window gives."""
    found = by_arrays(cell, window)
    sums = [(found["ys"] * window.dys).sum()]
    sums += [(found[n] * d).sum() for n, d in zip("hc", window.dstate, strict=True)]
    return float(sum(sums))
