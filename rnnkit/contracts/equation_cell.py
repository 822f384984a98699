"""A recurrent cell whose author writes its forward equations once; all else is made from them."""

from __future__ import annotations

import traceback
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, ClassVar

from rnnkit.compute.equations.cell_stages import cell_stages
from rnnkit.compute.equations.evaluate import StepArrays, evaluate_nodes
from rnnkit.compute.equations.gates import find_gates
from rnnkit.compute.equations.program import Program, write_program
from rnnkit.compute.equations.refusals import EquationError
from rnnkit.compute.equations.stream_step import StreamStep, stream_step
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import Names as Names
from rnnkit.compute.equations.trace import StepGraph, trace
from rnnkit.compute.equations.window import run_window
from rnnkit.compute.kernels.dispatch import kernels_compute
from rnnkit.compute.stack.stages import Stages
from rnnkit.contracts.cell import Cell
from rnnkit.contracts.layer import inherited
from rnnkit.contracts.returned import broken, shown
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot, Orthogonal, Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.errors import raised
from rnnkit.types import Array, Backward, Params, State

SHARED = frozenset(("name", "init"))
"""Fields on which no equation depends."""


class EquationCell(Cell):
    """A cell that is its equations.

    `gates` names the parts of x Wx + b, which `equations` reads as `x.NAME`, and of h Wh, read as
    `r.NAME`; `recurrent` names the gates that have a part of h Wh, where not all have. `states`
    names the arrays of the state; the first is the output.

    >>> from typing import Literal
    >>> from rnnkit.compute.equations import sigmoid, tanh
    >>> class Minimal(EquationCell):
    ...     type: Literal["minimal"] = "minimal"
    ...     gates = ("f", "n")
    ...     def equations(self, x, r, s, p):
    ...         f = sigmoid(x.f + r.f)
    ...         return (1 - f) * s.h + f * tanh(x.n + f * r.n)
    >>> Minimal(units=4).state_names()
    ('h',)
    """

    gates: ClassVar[tuple[str, ...]] = ()
    recurrent: ClassVar[bool | tuple[str, ...]] = True
    states: ClassVar[tuple[str, ...]] = ("h",)

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return the new state, a tuple where there are several, from values of one step.

        `x.g` is a gate's part of x Wx + b and `r.g` of h Wh, `s.h` a state before the step, `p.u` a
        parameter of `extra`; `x.input` is x itself, and `p.W` a matrix for `dot`. They are called
        once, with values that stand for those of all units: operators, and the functions of
        `rnnkit.compute.equations`.
        """
        raise NotImplementedError(f"{type(self).__name__}.equations")

    def extra(self, inputs: Signal) -> Declaration:
        """Declare further parameters, one number a unit."""
        return {}

    def matrices(self) -> Mapping[str, tuple[str, ...]]:
        """Declare further matrices for `dot`, by name: what it takes, what it gives, its blocks.

        Widths are "units" and "inputs": ("units", "inputs") is a matrix (units, inputs), and
        ("units", "units", "i", "f") one of two blocks, `p.NAME.i` and `p.NAME.f`.
        """
        return {}

    def params(self, inputs: Signal) -> Declaration:
        """Declare Wx (inputs, gates units), Wh (units, recurrent gates units), b, and more."""
        symbols, found = self.symbols(inputs), dict[str, Any]()
        count, width = len(self.gates), len(self.gates) * self.units
        if self.gates:
            found["Wx"] = ParamSpec((inputs.known(), width), Glorot(), gates=count)
        sizes = {"units": self.units, "inputs": inputs.known()}
        for name, (source, target, blocks) in symbols.matrices.items():
            parts = max(len(blocks), 1)
            init = Orthogonal() if name == "Wh" else Glorot()
            found[name] = ParamSpec((sizes[source], parts * sizes[target]), init, gates=parts)
        if self.gates:
            found["b"] = ParamSpec((width,), Zeros(), decay=False, gates=count)
        return {**found, **self.extra(inputs)}

    def output(self, inputs: Signal) -> Signal:
        """Give `units` values; raises PluginError for equations that make no step."""
        self.step_graph()
        return super().output(inputs)

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep each state, one number a unit."""
        return (self.units,) * len(self.states)

    def state_names(self) -> tuple[str, ...]:
        """Return `states`."""
        return self.states

    def recurrent_gates(self) -> tuple[str, ...]:
        """Return the gates that have a part of h Wh."""
        if isinstance(self.recurrent, bool):
            return self.gates if self.recurrent else ()
        return self.recurrent

    def symbols(self, inputs: Signal) -> Symbols:
        """Return what the equations may name."""
        _check_forms(self, inputs)
        gates = self.recurrent_gates()
        own = {"Wh": ("units", "units", gates)} if gates else {}
        more = {name: (of[0], of[1], of[2:]) for name, of in self.matrices().items()}
        pointwise = tuple(self.extra(inputs))
        return Symbols(self.gates, gates, self.states, pointwise, {**own, **more})

    @inherited
    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return each sigmoid of a sum that reads the part of x of one gate, by that gate's name.

        That is i, f and o of an LSTM, r and z of a GRU.
        """
        step = self.step_graph()
        zx = xs @ params["Wx"] + params["b"] if self.gates else xs[:, :0]
        gates = find_gates(step)
        values = evaluate_nodes(step, gates.values(), StepArrays(zx, xs, state, params))
        return {name: values[node] for name, node in gates.items()}

    def step_graph(self) -> StepGraph:
        """Return the graph of one step; raises PluginError for equations that make none."""
        return _step_graph(type(self), self._fields())

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run all steps, by compiled loops where Numba is installed."""
        return self._run(kernels_compute(), params, xs, state, resets, ctx)

    def scan_by_numpy(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Do what `scan` does without Numba."""
        return self._run(False, params, xs, state, resets, ctx)

    def _run(
        self,
        compiled: bool,
        params: Params,
        xs: Array,
        state: State,
        resets: Array | None,
        ctx: Context,
    ) -> tuple[Array, State, Backward]:
        def initial() -> State:
            return self.initial_state(Signal(xs.shape[2]), xs.shape[1], state[0].dtype)

        program = _program(type(self), self._fields(), compiled)
        return run_window(program, self.units, params, xs, state, initial, resets, ctx)

    @inherited
    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference."""
        step = _stream_step(type(self), self._fields())
        return cell_stages(step, inputs.known(), self.units)

    def _fields(self) -> tuple[tuple[str, Hashable], ...]:
        """Return the fields that the equations may read; a list is a tuple to them."""
        own, values = _read_fields(type(self)), self.__dict__
        return tuple((name, _frozen(values[name])) for name in own)


@cache
def _read_fields(kind: type[EquationCell]) -> tuple[str, ...]:
    return tuple(name for name in kind.model_fields if name not in SHARED)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def _program(
    kind: type[EquationCell], fields: tuple[tuple[str, Hashable], ...], compiled: bool
) -> Program:
    return write_program(kind.__name__, _step_graph(kind, fields), compiled=compiled)


@cache
def _stream_step(kind: type[EquationCell], fields: tuple[tuple[str, Hashable], ...]) -> StreamStep:
    return stream_step(_step_graph(kind, fields))


@cache
def _step_graph(kind: type[EquationCell], fields: tuple[tuple[str, Hashable], ...]) -> StepGraph:
    values: dict[str, Any] = dict(fields)
    cell = kind.model_construct(**values, init={}, name=None)
    try:
        return trace(cell.equations, cell.symbols(Signal(1)))
    except EquationError as error:
        raise broken(cell, "", f"{_place(cell, error)}: {error}") from None
    except Exception as error:
        message = f"{_place(cell, error)}: {raised(error)}"
        raise broken(cell, "", message) from error


def _check_forms(cell: EquationCell, inputs: Signal) -> None:
    """Raise EquationError for declarations of another form than the contract has."""
    extra: object = cell.extra(inputs)
    matrices: object = cell.matrices()
    if not isinstance(cell.recurrent, bool | tuple | str):  # a text has a sentence of its own
        raise EquationError(f"`recurrent` is {cell.recurrent!r}: write True, False or some gates")
    if not isinstance(extra, Mapping):
        raise EquationError(f"`extra` gave {shown(extra)}: return a dict, {{}} for nothing")
    for name, spec in extra.items():
        shape = spec.shape if isinstance(spec, ParamSpec) else shown(spec)
        if shape != (cell.units,):
            raise EquationError(
                f"`extra` gave {shape} for {name}: it is one number a unit, "
                "ParamSpec((self.units,), ...)"
            )
    if not isinstance(matrices, Mapping):
        raise EquationError(f"`matrices` gave {shown(matrices)}: return a dict, {{}} for nothing")
    for name, of in matrices.items():
        parts = of if isinstance(of, tuple | list) else ()
        if len(parts) < 2 or not all(isinstance(part, str) for part in parts):
            raise EquationError(
                f"`matrices` gave {of!r} for {name}: name what it takes, what it gives and its "
                "blocks, such as ('units', 'units') or ('inputs', 'units', 'i', 'f')"
            )


def _place(cell: EquationCell, error: Exception) -> str:
    """Return the class and the line of its equations that an error comes from."""
    code = type(cell).equations.__code__
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == code.co_filename
    ]
    line = lines[-1] if lines else code.co_firstlineno
    return f"{type(cell).__name__}.equations, line {line} of {code.co_filename}"
