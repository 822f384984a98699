"""Correct layers in plain NumPy; tests/testing/test_kit.py plants one bug at a time in them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.compute.equations.functions import sigmoid
from rnnkit.compute.window_arrays import flat
from rnnkit.contracts.cell import Cell, StepCell
from rnnkit.contracts.layer import Layer, initial_rows, stopped_rows
from rnnkit.core.block import Rate
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot, Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State, StepBackward


class PlainLSTM(Cell):
    """An LSTM over the whole sequence, resets in one pass; gates i, f, o, g."""

    type: Literal["plain_lstm"] = "plain_lstm"

    def params(self, inputs: Signal) -> Declaration:
        width = 4 * self.units
        return {
            "Wx": ParamSpec((inputs.known(), width), Glorot()),
            "Wh": ParamSpec((self.units, width), Glorot()),
            "b": ParamSpec((width,), Zeros(), decay=False),
        }

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return (self.units, self.units)

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        T, B, _ = xs.shape
        H, Wx, Wh, b = self.units, params["Wx"], params["Wh"], params["b"]
        start = self.initial_state(Signal(xs.shape[2]), B, ctx.dtype)
        gates = ctx.empty((T, B, 4 * H))
        hs, cs, ys = ctx.empty((T, B, H)), ctx.empty((T, B, H)), ctx.empty((T, B, H))
        squashed = ctx.empty((T, B, H))
        z = xs @ Wx + b
        h, c = state
        for t in range(T):
            if resets is not None:
                h, c = initial_rows((h, c), start, resets[t])
            hs[t], cs[t] = h, c
            a = z[t] + h @ Wh
            a[:, : 3 * H] = sigmoid(a[:, : 3 * H])
            a[:, 3 * H :] = np.tanh(a[:, 3 * H :])
            gates[t] = a
            i, f, o, g = np.split(a, 4, axis=1)
            c = f * c + i * g
            np.tanh(c, out=squashed[t])
            h = o * squashed[t]
            ys[t] = h

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dh, dc = dstate
            dzs = np.zeros_like(gates)
            for t in range(T - 1, -1, -1):
                i, f, o, g = np.split(gates[t], 4, axis=1)
                dh = dh + dys[t]
                dc = dc + dh * o * (1 - squashed[t] ** 2)
                dzs[t, :, :H] = dc * g * i * (1 - i)
                dzs[t, :, H : 2 * H] = dc * cs[t] * f * (1 - f)
                dzs[t, :, 2 * H : 3 * H] = dh * squashed[t] * o * (1 - o)
                dzs[t, :, 3 * H :] = dc * i * (1 - g * g)
                dh, dc = dzs[t] @ Wh.T, dc * f
                if resets is not None:
                    dh, dc = stopped_rows((dh, dc), resets[t])
            grads["Wx"] += flat(xs).T @ flat(dzs)
            grads["Wh"] += flat(hs).T @ flat(dzs)
            grads["b"] += flat(dzs).sum(axis=0)
            return (flat(dzs) @ Wx.T).reshape(xs.shape), (dh, dc)

        return ys, (h, c), backward


class PlainDropout(Layer):
    """Random zeros while training."""

    type: Literal["plain_dropout"] = "plain_dropout"
    rate: Rate = 0.25

    def output(self, inputs: Signal) -> Signal:
        return inputs.values()

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        if not ctx.train:
            return xs, state, lambda dys, dstate, grads: (dys, dstate)
        drawn = ctx.random().random(xs.shape)
        mask = (drawn >= self.rate).astype(xs.dtype)
        return xs * mask, state, lambda dys, dstate, grads: (dys * mask, dstate)


class Delay(Layer):
    """ys[t] = xs[t - 1], with the default `scan`."""

    type: Literal["delay"] = "delay"

    def output(self, inputs: Signal) -> Signal:
        return inputs.values()

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return (inputs.known(),)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            return np.concatenate([dys[1:], dstate[0][None]]), (dys[0],)

        return np.concatenate([state[0][None], xs[:-1]]), (xs[-1].copy(),), backward


class Square(Layer):
    """ys = xs squared, whose derivative anybody can check."""

    type: Literal["square"] = "square"

    def output(self, inputs: Signal) -> Signal:
        return inputs.values()

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        return xs * xs, state, lambda dys, dstate, grads: (2 * xs * dys, dstate)


class Sum(StepCell):
    """A cell whose output no later step reads: c' = c / 2 + tanh(x W), h' = c'."""

    type: Literal["sum"] = "sum"

    def params(self, inputs: Signal) -> Declaration:
        return {"W": ParamSpec((inputs.known(), self.units), Glorot())}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return (self.units, self.units)

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        moved = np.tanh(x @ params["W"])
        c = state[1] / 2 + moved

        def backward(dy: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dc = dy + dstate[0] + dstate[1]
            dz = dc * (1 - moved * moved)
            grads["W"] += x.T @ dz
            return dz @ params["W"].T, (np.zeros_like(dc), dc / 2)

        return c, (c, c.copy()), backward
