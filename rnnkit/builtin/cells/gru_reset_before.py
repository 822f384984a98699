"""The gated recurrent unit, with the reset gate before the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from rnnkit.builtin.cells import _compiled_reset_before
from rnnkit.compute.equations.functions import sigmoid
from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.contracts.cell import StepCell
from rnnkit.core.block import stands_for
from rnnkit.core.context import Context
from rnnkit.core.initializers import Glorot, Orthogonal, Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State, StepBackward


class GRUResetBefore(StepCell):
    """Gated recurrent unit as first published (Cho et al. 2014, eq. 5 to 8).

    r, z = sigmoid([x, h] W_rz + b_rz);  n = tanh(x Wx_n + (r h) Wh_n + b_n);  h' = (1 - z) n + z h

    Gates are packed r, z, n. The reset gate scales h before its product with Wh_n, so the product
    waits for r.
    """

    type: Literal["gru_reset_before"] = "gru_reset_before"

    def params(self, inputs: Signal) -> Declaration:
        """Declare Wx (inputs, 3 units), Wh (units, 3 units) and b (3 units)."""
        width = 3 * self.units
        return {
            "Wx": ParamSpec((inputs.known(), width), Glorot(), gates=3),
            "Wh": ParamSpec((self.units, width), Orthogonal(), gates=3),
            "b": ParamSpec((width,), Zeros(), decay=False, gates=3),
        }

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Run all steps, by compiled loops where there are any."""
        kernels = kernel_module("gru_reset_before") if stands_for(self, "scan", "step") else None
        if kernels:
            (initial,) = self.initial_state(Signal(xs.shape[2]), xs.shape[1], state[0].dtype)
            return _compiled_reset_before.scan(kernels, params, xs, state, initial, resets, ctx)
        return super().scan(params, xs, state, resets, ctx)

    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return the reset and the update gate."""
        columns = slice(0, 2 * self.units)
        z = xs @ params["Wx"][:, columns] + params["b"][columns]
        gates = sigmoid(z + state[0] @ params["Wh"][:, columns])
        return dict(zip("rz", np.split(gates, 2, axis=1), strict=True))

    def step(
        self, params: Params, x: Array, state: State, ctx: Context
    ) -> tuple[Array, State, StepBackward]:
        """Return (h', state, backward)."""
        (h,), H = state, self.units
        Wx, Wh = params["Wx"], params["Wh"]
        zx = x @ Wx + params["b"]
        gates = sigmoid(zx[:, : 2 * H] + h @ Wh[:, : 2 * H])
        r, z = gates[:, :H], gates[:, H:]
        kept = r * h
        n = np.tanh(zx[:, 2 * H :] + kept @ Wh[:, 2 * H :])
        h_new = (1 - z) * n + z * h

        def backward(dy: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            dh = dy + dstate[0]
            dz = np.empty_like(zx)
            dz[:, 2 * H :] = dh * (1 - z) * (1 - n * n)
            dkept = dz[:, 2 * H :] @ Wh[:, 2 * H :].T
            dz[:, :H] = dkept * h
            dz[:, H : 2 * H] = dh * (h - n)
            dz[:, : 2 * H] *= gates * (1 - gates)
            grads["Wx"] += x.T @ dz
            grads["b"] += dz.sum(axis=0)
            grads["Wh"][:, : 2 * H] += h.T @ dz[:, : 2 * H]
            grads["Wh"][:, 2 * H :] += kept.T @ dz[:, 2 * H :]
            dh_old = dh * z + dkept * r + dz[:, : 2 * H] @ Wh[:, : 2 * H].T
            return dz @ Wx.T, (dh_old,)

        return h_new, (h_new,), backward
