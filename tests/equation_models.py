"""Cells by their equations, as plugins offer them: known ones, and one for each part of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from rnnkit import EquationCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.equations import (
    dot,
    exp,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    softplus,
    sqrt,
    tanh,
    where,
)
from rnnkit.types import Array, Backward, Params, State

FUNCTIONS = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "neg": np.negative,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "exp": np.exp,
    "log": np.log,
    "softplus": softplus,
    "sqrt": np.sqrt,
    "relu": relu,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "where": np.where,
    "<": np.less,
    "<=": np.less_equal,
}


class Interpreted(EquationCell):
    """Runs the nodes of its graph one by one, from its first to its last step."""

    type: Any

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        start = self.initial_state(Signal(xs.shape[2]), xs.shape[1], state[0].dtype)
        ys = []
        for t, x in enumerate(xs):
            if resets is not None:
                rows = zip(state, start, strict=True)
                state = tuple(np.where(resets[t][:, None], new, old) for old, new in rows)
            state = self.next_state(params, x, state)
            ys.append(state[0])
        return np.stack(ys), state, lambda dys, dstate, grads: (None, dstate)

    def next_state(self, params: Params, x: Array, state: State) -> State:
        step, found = self.step_graph(), {}
        gates = np.split(x @ params["Wx"] + params["b"], len(self.gates), 1) if self.gates else []
        leaves = {"x": gates, "state": state, "parameter": params}
        with np.errstate(all="ignore"):
            for node in step.nodes:
                if node.op == "input":
                    found[node] = x
                elif node.op == "constant":
                    found[node] = np.float32(node.detail)
                elif node.op == "dot":
                    matrix, blocks = node.detail, step.symbols.matrices[node.detail.name][2]
                    parts = np.split(params[matrix.name], max(len(blocks), 1), axis=1)
                    found[node] = found[node.args[0]] @ parts[matrix.block]
                elif node.args:
                    found[node] = FUNCTIONS[node.op](*(found[arg] for arg in node.args))
                else:
                    found[node] = leaves[node.op][node.detail]
        whole = np.zeros_like(state[0])
        return tuple(whole + found[node] for node in step.new)


class ElmanEquations(Interpreted):
    type: Literal["eq_rnn"] = "eq_rnn"
    gates: ClassVar = ("h",)

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return tanh(x.h + r.h)


class ReluEquations(ElmanEquations):
    type: Literal["eq_relu"] = "eq_relu"

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return relu(x.h + r.h)


class LSTMEquations(Interpreted):
    type: Literal["eq_lstm"] = "eq_lstm"
    gates: ClassVar = ("i", "f", "o", "g")
    states: ClassVar = ("h", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c


class GRUEquations(Interpreted):
    type: Literal["eq_gru"] = "eq_gru"
    gates: ClassVar = ("r", "z", "n")

    def extra(self, inputs: Signal) -> Declaration:
        return {"bn": ParamSpec((self.units,), Glorot(), decay=False)}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + reset * (r.n + p.bn))
        return (1 - z) * n + z * s.h


class ResetBeforeEquations(Interpreted):
    """GRU whose reset scales the state, its last product a block of Wh that is no gate's own."""

    type: Literal["eq_gru_reset_before"] = "eq_gru_reset_before"
    gates: ClassVar = ("r", "z", "n")
    recurrent: ClassVar = False

    def matrices(self) -> Mapping[str, tuple[str, ...]]:
        return {"Wh": ("units", "units", "r", "z", "n")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = sigmoid(x.z + dot(s.h, p.Wh.z))
        n = tanh(x.n + dot(sigmoid(x.r + dot(s.h, p.Wh.r)) * s.h, p.Wh.n))
        return (1 - z) * n + z * s.h


class MinGRUEquations(Interpreted):
    """No product in the time loop (Feng et al. 2024)."""

    type: Literal["eq_min_gru"] = "eq_min_gru"
    gates: ClassVar = ("z", "n")
    recurrent: ClassVar = False

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = sigmoid(x.z)
        return (1 - z) * s.h + z * where(x.n < 0, sigmoid(x.n), x.n + 0.5)


class ExponentialEquations(Interpreted):
    """sLSTM (Beck et al. 2024), whose states are quotients and logarithms: few are reached."""

    type: Literal["eq_slstm"] = "eq_slstm"
    gates: ClassVar = ("i", "f", "o", "z")
    states: ClassVar = ("h", "c", "n", "m")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        i, f = x.i + r.i, log(sigmoid(x.f + r.f)) + s.m
        m = maximum(f, i)
        i, f = exp(i - m), exp(f - m)
        c, n = f * s.c + i * tanh(x.z + r.z), f * s.n + i
        return sigmoid(x.o + r.o) * (c / n), c, n, m


class MogrifierEquations(Interpreted):
    """Two rounds in which state and input gate each other (Melis et al. 2020): no x Wx + b."""

    type: Literal["eq_mogrifier"] = "eq_mogrifier"
    recurrent: ClassVar = False
    states: ClassVar = ("h", "c")

    def extra(self, inputs: Signal) -> Declaration:
        return {f"b{gate}": ParamSpec((self.units,), Glorot(), decay=False) for gate in "ifog"}

    def matrices(self) -> Mapping[str, tuple[str, ...]]:
        return {
            "Q": ("units", "inputs"),
            "R": ("inputs", "units"),
            "U": ("inputs", "units", *"ifog"),
            "V": ("units", "units", *"ifog"),
        }

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        given = 2 * sigmoid(dot(s.h, p.Q)) * x.input
        h = 2 * sigmoid(dot(given, p.R)) * s.h
        i, f, o = (
            sigmoid(dot(given, getattr(p.U, g)) + dot(h, getattr(p.V, g)) + getattr(p, f"b{g}"))
            for g in "ifo"
        )
        c = f * s.c + i * tanh(dot(given, p.U.g) + dot(h, p.V.g) + p.bg)
        return o * tanh(c), c


class EveryOperation(Interpreted):
    """Each operation at least once; gates apart, states exchanged, one that only the way leaves."""

    type: Literal["eq_every"] = "eq_every"
    gates: ClassVar = ("a", "b", "c")
    recurrent: ClassVar = ("c", "a")
    states: ClassVar = ("h", "x", "y", "λ")

    def extra(self, inputs: Signal) -> Declaration:
        names = ("h_in", "int", "β")
        return {name: ParamSpec((self.units,), Glorot(), decay=False) for name in names}

    def matrices(self) -> Mapping[str, tuple[str, ...]]:
        return {"W": ("units", "units"), "P": ("inputs", "units", "one", "two")}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        a = softplus(x.a + r.a) - minimum(abs(s.x), 0.5)
        b = a / sqrt(1 + x.b * x.b) + p.int * (s.y - (a - p.h_in)) - -1e-3 * a
        c = where(a <= dot(b, p.W), relu(-r.c), exp(-abs(x.c)) - dot(x.input, p.P.two))
        β = p.β
        d = tanh(c - (b - c) / (exp(x.a * 0) + 0.25 * β * β)) * where(s.h >= b, 0.5, c * a)
        return tanh(d) - dot(x.input, p.P.one), s.y, tanh(s.x + s.λ), p.h_in * β


class ClockEquations(Interpreted):
    """Reads no input: only the number of its steps matters."""

    type: Literal["eq_clock"] = "eq_clock"
    states: ClassVar = ("h", "phase")

    def extra(self, inputs: Signal) -> Declaration:
        return {"rate": ParamSpec((self.units,), Glorot(), decay=False)}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        phase = s.phase + p.rate
        return tanh(phase), phase


class LateStart(ElmanEquations):
    """Begins with ones."""

    type: Literal["eq_late"] = "eq_late"

    def initial_state(self, inputs: Signal, batch: int, dtype: Any) -> State:
        return (np.ones((batch, self.units), dtype),)


class OtherScan(ElmanEquations):
    """Does not compute its equations."""

    type: Literal["eq_other"] = "eq_other"

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, after, backward = super().scan(params, -xs, state, resets, ctx)
        return ys, after, backward


KNOWN = {
    "rnn": ElmanEquations,
    "lstm": LSTMEquations,
    "gru": GRUEquations,
    "gru_reset_before": ResetBeforeEquations,
}
"""By the type of rnnkit's own whose equations they have."""

CELLS = (
    *(ElmanEquations, ReluEquations, LSTMEquations, GRUEquations, ResetBeforeEquations),
    *(MinGRUEquations, ExponentialEquations, MogrifierEquations, EveryOperation),
    ClockEquations,
)


def offer_equation_cells(folder: Path) -> None:
    """Write the distribution that offers all of them, into a folder of sys.path."""
    facts = folder / "rnnkit_equation_cells-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: rnnkit-equation-cells\nVersion: 1.0\n"
    )
    lines = [
        f"{kind.model_fields['type'].default} = {__name__}:{kind.__name__}"
        for kind in (*CELLS, LateStart, OtherScan)
    ]
    (facts / "entry_points.txt").write_text("[rnnkit.layers]\n" + "\n".join(lines) + "\n")
