"""The three bases of cells: the same cell on two of them, the smallest shapes, and resets."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest
from layer_examples import build
from pydantic import Field

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.layers.bidirectional import Bidirectional
from rnnkit.compute.equations.functions import sigmoid
from rnnkit.contracts.cell import GatedCell, StepCell
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.core.params import Declaration
from rnnkit.core.signal import Signal
from rnnkit.testing import check_layer
from rnnkit.testing.compare import close
from rnnkit.testing.sequences import in_pieces
from rnnkit.testing.subject import Subject
from rnnkit.testing.window import NamedArrays, forward_backward
from rnnkit.types import Array, DType, Grads, MixBackward, Params, State, StepBackward

FLOAT64: DType = np.dtype(np.float64)
CELLS = ["rnn", "lstm", "gru", "gru_reset_before"]


class StepLSTM(StepCell):
    """The LSTM, its products inside the step."""

    type: Literal["step_lstm"] = "step_lstm"

    def params(self, inputs: Signal) -> Declaration:
        return LSTM(units=self.units).params(inputs)

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return (self.units, self.units)

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        h, c = state
        Wx, Wh = params["Wx"], params["Wh"]
        zi, zf, zo, zg = np.split(x @ Wx + h @ Wh + params["b"], 4, axis=1)
        i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), np.tanh(zg)
        c_new = f * c + i * g
        squashed = np.tanh(c_new)
        h_new = o * squashed

        def backward(dy: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dh = dy + dstate[0]
            dc = dstate[1] + dh * o * (1 - squashed * squashed)
            parts = [
                dc * g * i * (1 - i),
                dc * c * f * (1 - f),
                dh * squashed * o * (1 - o),
                dc * i * (1 - g * g),
            ]
            dz = np.concatenate(parts, axis=1)
            grads["Wx"] += x.T @ dz
            grads["Wh"] += h.T @ dz
            grads["b"] += dz.sum(axis=0)
            return dz @ Wx.T, (dz @ Wh.T, dc * f)

        return h_new, (h_new, c_new), backward


class MGU(GatedCell):
    """Minimal gated unit (Zhou 2016), as a stranger would write it; gates f, n."""

    type: Literal["mgu"] = "mgu"
    gates: ClassVar[int] = 2

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        (h,), H = state, self.units
        f = sigmoid(zx[:, :H] + zh[:, :H])
        q = zh[:, H:]
        n = np.tanh(zx[:, H:] + f * q)

        def backward(dstate: State, grads: Grads) -> tuple[Array, Array, State]:
            (d,) = dstate
            dn = d * f * (1 - n * n)
            df = (d * (n - h) + dn * q) * f * (1 - f)
            dzx, dzh = np.concatenate([df, dn], axis=1), np.concatenate([df, dn * f], axis=1)
            return dzx, dzh, (d * (1 - f),)

        return ((1 - f) * h + f * n,), backward


class WarmLSTM(LSTM):
    """An LSTM whose streams do not start from zeros."""

    type: Literal["warm_lstm"] = "warm_lstm"  # type: ignore[assignment]
    warmth: Annotated[float, Field(ge=0)] = 0.5

    def initial_state(self, inputs: Signal, batch: int, dtype: DType) -> State:
        shape = (batch, self.units)
        return np.full(shape, self.warmth, dtype), np.full(shape, -self.warmth, dtype)


def _agree(found: NamedArrays, wanted: NamedArrays) -> None:
    assert [c.problem() for c in close(found, wanted) if c.problem()] == []


@pytest.mark.parametrize("resets", [False, True])
def test_a_gated_cell_and_a_step_cell_agree(resets: bool) -> None:
    window = Subject(LSTM(units=4), None, 0).window(resets=resets)
    _agree(forward_backward(StepLSTM(units=4), window), forward_backward(LSTM(units=4), window))


@pytest.mark.parametrize("cell", [StepLSTM(units=4), MGU(units=4), WarmLSTM(units=4)])
def test_cells_of_strangers_keep_the_contract(cell: Layer) -> None:
    assert set(check_layer(cell).skipped) - {"shortcuts", "run"} == {"random"}


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_the_smallest_shapes(name: str, units: int, steps: int, streams: int) -> None:
    subject = Subject(build({"type": name, "units": units}), Signal(1), 0)
    window = subject.window().streams(range(streams)).steps(0, steps)
    found = forward_backward(subject.layer, window)
    assert found["ys"].shape == (steps, streams, units)
    assert found["dxs"].shape == (steps, streams, 1)
    assert (found["ys"][-1] == found["state.0"]).all()
    _agree(found, in_pieces(subject.layer, subject.inputs, window))


@pytest.mark.parametrize("step", [0, -1])
@pytest.mark.parametrize("name", CELLS)
def test_a_reset_at_the_first_and_at_the_last_step(name: str, step: int) -> None:
    subject = Subject(build({"type": name, "units": 3}), None, 0)
    window = subject.window()
    window["resets"][step, 1] = True
    found = forward_backward(subject.layer, window)
    _agree(found, in_pieces(subject.layer, subject.inputs, window))
    crossed = (found["dstate.0"] != 0).any(axis=1)
    assert crossed.tolist() == [True, step != 0, True, True]


@pytest.mark.parametrize("layer", [WarmLSTM(units=3), Bidirectional(layer=WarmLSTM(units=3))])
def test_a_reset_restores_an_initial_state_that_is_not_zero(layer: Layer) -> None:
    subject = Subject(layer, None, 0)
    window = subject.window()
    window["resets"][-1, 0] = True
    fresh = layer.initial_state(subject.inputs, 1, FLOAT64)
    last = np.ascontiguousarray(window["xs"][-1:, :1])
    ys, state, _ = layer.forward(window.params(), last, fresh, window.ctx)
    found = forward_backward(layer, window)
    np.testing.assert_allclose(found["ys"][-1, 0], ys[0, 0], rtol=1e-12)
    np.testing.assert_allclose(found["state.1"][0], state[1][0], rtol=1e-12)


def test_a_bidirectional_layer_of_a_warm_cell_keeps_the_contract() -> None:
    check_layer(Bidirectional(layer=WarmLSTM(units=3)))


def test_a_cell_gives_its_units_and_reads_values() -> None:
    cell = build({"type": "gru", "units": 7})
    assert cell.output(Signal(None)) == Signal(7)
    with pytest.raises(ValueError, match="put an embedding or one_hot layer before it"):
        cell.output(Signal(5, ids=True))
