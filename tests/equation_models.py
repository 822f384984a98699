"""Cells by their equations, as plugins offer them: known ones, and one for each part of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from rnnkit import EquationCell
from rnnkit.compute.equations import (
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
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Params, State


class ElmanEquations(EquationCell):
    type: Literal["eq_rnn"] = "eq_rnn"
    gates: ClassVar = ("h",)

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return tanh(x.h + r.h)


class LSTMEquations(EquationCell):
    type: Literal["eq_lstm"] = "eq_lstm"
    gates: ClassVar = ("i", "f", "o", "g")
    states: ClassVar = ("h", "c")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c


class GRUEquations(EquationCell):
    type: Literal["eq_gru"] = "eq_gru"
    gates: ClassVar = ("r", "z", "n")

    def extra(self, inputs: Signal) -> Declaration:
        return {"bn": ParamSpec((self.units,), Glorot(), decay=False)}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + reset * (r.n + p.bn))
        return (1 - z) * n + z * s.h


class ResetBeforeEquations(EquationCell):
    type: Literal["eq_gru_reset_before"] = "eq_gru_reset_before"
    gates: ClassVar = ("r", "z", "n")

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + dot(reset * s.h, p.Wh.n))
        return (1 - z) * n + z * s.h


class MinGRUEquations(EquationCell):
    """No product in the time loop (Feng et al. 2024)."""

    type: Literal["eq_min_gru"] = "eq_min_gru"
    gates: ClassVar = ("z", "n")
    recurrent: ClassVar = False

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        z = sigmoid(x.z)
        return (1 - z) * s.h + z * where(x.n < 0, sigmoid(x.n), x.n + 0.5)


class ExponentialEquations(EquationCell):
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


class MogrifierEquations(EquationCell):
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


class EveryOperation(EquationCell):
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
        w = dot(b, p.W)
        c = where(a <= w, relu(-r.c), exp(-abs(x.c)) - dot(x.input, p.P.two)) + 0.25 * w
        β = p.β
        d = tanh(c - (b - c) / (exp(x.a * 0) + 0.25 * β * β)) * where(s.h >= b, 0.5, c * a)
        return tanh(d) - dot(x.input, p.P.one), s.y, tanh(s.x + s.λ), p.h_in * β


class ClockEquations(EquationCell):
    """Reads no input: only the number of its steps matters."""

    type: Literal["eq_clock"] = "eq_clock"
    states: ClassVar = ("h", "phase")

    def extra(self, inputs: Signal) -> Declaration:
        return {"rate": ParamSpec((self.units,), Glorot(), decay=False)}

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        phase = s.phase + p.rate
        return tanh(phase) - 0.5 * s.h, phase


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
    *(ElmanEquations, LSTMEquations, GRUEquations, ResetBeforeEquations),
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
