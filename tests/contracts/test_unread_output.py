"""A cell whose steps do not read its output: it is state for those above alone."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from rnnkit.compute.equations import sigmoid, tanh
from rnnkit.contracts.cell import Cell, StepCell
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.testing import ConformanceError, check_layer
from rnnkit.types import Array, Grads, Params, State, StepBackward


class Pooled(EquationCell):
    type: Literal["pooled"] = "pooled"
    gates = ("f", "o", "z")
    states = ("h", "c")
    recurrent = False

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        f = sigmoid(x.f)
        c = f * s.c + (1 - f) * tanh(x.z)
        return sigmoid(x.o) * c, c


class PooledByHand(StepCell):
    """h' = c' / 2 with c' = c / 2 + x W."""

    type: Literal["pooled_by_hand"] = "pooled_by_hand"

    def params(self, inputs: Signal) -> Declaration:
        return {"W": ParamSpec((inputs.known(), self.units), Glorot())}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return self.units, self.units

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        c = 0.5 * state[1] + x @ params["W"]

        def backward(dy: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dc = 0.5 * (dy + dstate[0]) + dstate[1]
            grads["W"] += x.T @ dc
            return dc @ params["W"].T, (np.zeros_like(dc), 0.5 * dc)

        return 0.5 * c, (0.5 * c, c), backward


class UnreadState(PooledByHand):
    """The same, but c is never read either."""

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        return super().step(params, x, (state[0], np.zeros_like(state[1])), ctx)


@pytest.mark.parametrize("layer", [Pooled(units=3), PooledByHand(units=3)])
def test_its_own_output_need_not_be_read(layer: Cell) -> None:
    check_layer(layer)


def test_each_other_state_is_to_be_read() -> None:
    with pytest.raises(ConformanceError, match="the result depends on state.1: received False"):
        check_layer(UnreadState(units=3))
