"""Three bases for recurrent cells: pointwise mathematics, one step, or the whole sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from rnnkit.compute.products import Product, multiply, multiply_all
from rnnkit.compute.window_arrays import flat
from rnnkit.contracts.layer import Layer, initial_rows, stopped_rows
from rnnkit.contracts.returned import check_array, check_arrays, parts_of
from rnnkit.core.block import Size
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot, Orthogonal, Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, MixBackward, Params, State, StepBackward


class Cell(Layer):
    """A layer with `units` whose `state[0]` (B, units) is its output."""

    units: Size

    def output(self, inputs: Signal) -> Signal:
        """Give `units` values."""
        inputs.values()
        return Signal(self.units)

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep the output alone."""
        return (self.units,)

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run the sequence without resets."""
        if type(self).scan is Layer.scan:
            raise NotImplementedError(f"{type(self).__name__}.scan")
        return self.scan(params, xs, state, None, ctx)


class GatedCell(Cell):
    """A cell whose author writes only pointwise mathematics.

    `zx = x Wx + b` and `zh = h Wh` hold `gates` blocks of `units` columns. The base multiplies the
    inputs of all steps in one product, the hidden state once a step, and forms each weight gradient
    in one product.
    """

    gates: ClassVar[int] = 1

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        """Return the new state and its gradient for `zx` and `zh` (B, gates * units).

        The slices are this step's own: the closure may keep them. `dzx` and `dzh` may be one array
        where the cell only uses their sum.
        """
        raise NotImplementedError(f"{type(self).__name__}.mix")

    def extra(self, inputs: Signal) -> Declaration:
        """Declare further parameters that `mix` uses pointwise."""
        return {}

    def params(self, inputs: Signal) -> Declaration:
        """Declare Wx (inputs, gates * units), Wh (units, gates * units) and b."""
        width = self.gates * self.units
        return {
            "Wx": ParamSpec((inputs.known(), width), Glorot(), gates=self.gates),
            "Wh": ParamSpec((self.units, width), Orthogonal(), gates=self.gates),
            "b": ParamSpec((width,), Zeros(), decay=False, gates=self.gates),
            **self.extra(inputs),
        }

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run all steps, restarting streams where `resets` is true."""
        Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
        steps, batch, _ = xs.shape
        gated = (steps, batch, Wh.shape[1])
        zxs, zhs = ctx.empty(gated), ctx.empty(gated)
        multiply(flat(xs), Wx, flat(zxs))
        zxs += b
        hs = ctx.empty((steps, batch, self.units))  # the hidden state that enters each step
        ys = ctx.empty((steps, batch, self.units))
        restart = _restart(self, xs, state, resets)
        backwards: list[MixBackward] = []
        for t in range(steps):
            state = restart(t, state)
            hs[t] = state[0]
            np.matmul(hs[t], Wh, out=zhs[t])
            found: object = self.mix(params, zxs[t], zhs[t], state, ctx.later(t))
            after, backward = parts_of(self, ctx.path, "mix", found, "state", "backward")
            check_arrays(self, ctx.path, "mix, the state", after, state)
            state = after
            backwards.append(backward)
            ys[t] = state[0]

        def backward_scan(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dzxs, dzhs = ctx.empty(gated), None
            WhT = np.ascontiguousarray(Wh.T)
            for t in range(steps - 1, -1, -1):
                slope = dstate[0] + dys[t], *dstate[1:]
                found: object = backwards[t](slope, grads)
                dzx, dzh, dstate = parts_of(
                    self, ctx.path, "backward of mix", found, "dzx", "dzh", "dstate"
                )
                check_array(self, ctx.path, "backward of mix, dzx", dzx, gated[1:], ctx.dtype)
                check_array(self, ctx.path, "backward of mix, dzh", dzh, gated[1:], ctx.dtype)
                check_arrays(self, ctx.path, "backward of mix, dstate", dstate, slope)
                dzxs[t] = dzx
                if dzh is not dzx:
                    dzhs = ctx.empty(gated) if dzhs is None else dzhs
                    dzhs[t] = dzh
                dstate = (dstate[0] + dzh @ WhT, *dstate[1:])
                if resets is not None and resets[t].any():
                    dstate = stopped_rows(dstate, resets[t])
            dzhs = dzxs if dzhs is None else dzhs
            dxs = ctx.empty(xs.shape)
            products = [Product(flat(dzxs), Wx.T, flat(dxs))]
            if ctx.learns:
                products += [
                    Product(flat(xs).T, flat(dzxs), grads["Wx"], ctx.empty(Wx.shape)),
                    Product(flat(hs).T, flat(dzhs), grads["Wh"], ctx.empty(Wh.shape)),
                ]
                grads["b"] += flat(dzxs).sum(axis=0)
            multiply_all(*products)
            return dxs, dstate

        return ys, state, backward_scan


class StepCell(Cell):
    """A cell whose author writes one step, products included; the base writes the time loop."""

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        """Return (y, state, backward) for one step `x` (B, inputs)."""
        raise NotImplementedError(f"{type(self).__name__}.step")

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run all steps, restarting streams where `resets` is true."""
        steps, batch = xs.shape[:2]
        ys: Array | None = None
        restart = _restart(self, xs, state, resets)
        backwards: list[StepBackward] = []
        for t in range(steps):
            before = restart(t, state)
            found: object = self.step(params, xs[t], before, ctx.later(t))
            y, state, backward = parts_of(self, ctx.path, "step", found, "y", "state", "backward")
            check_arrays(self, ctx.path, "step, the state", state, before)
            check_array(self, ctx.path, "step, the output", y, (batch, *np.shape(y)[1:]), ctx.dtype)
            ys = ctx.empty((steps, *y.shape)) if ys is None else ys
            ys[t] = y
            backwards.append(backward)
        assert ys is not None, "a window has at least one step"

        def backward_scan(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dxs = np.empty_like(xs)
            for t in range(steps - 1, -1, -1):
                slope: object = backwards[t](dys[t], dstate, grads)
                dx, before = parts_of(self, ctx.path, "backward of step", slope, "dx", "dstate")
                check_array(self, ctx.path, "backward of step, dx", dx, dxs[t].shape, ctx.dtype)
                check_arrays(self, ctx.path, "backward of step, dstate", before, dstate)
                dxs[t], dstate = dx, before
                if resets is not None and resets[t].any():
                    dstate = stopped_rows(dstate, resets[t])
            return dxs, dstate

        return ys, state, backward_scan


def _restart(
    cell: Cell, xs: Array, state: State, resets: Array | None
) -> Callable[[int, State], State]:
    if resets is None or not resets.any():
        return lambda t, state: state
    initial = cell.initial_state(Signal(xs.shape[2]), xs.shape[1], state[0].dtype)
    starts = resets

    def restart(t: int, state: State) -> State:
        return initial_rows(state, initial, starts[t]) if starts[t].any() else state

    return restart
