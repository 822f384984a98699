"""The gated recurrent unit, with the reset gate after the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from rnnkit.compute.equations.functions import sigmoid
from rnnkit.compute.kernels.dispatch import cell_kernel
from rnnkit.compute.kernels.kernel import Kernel
from rnnkit.compute.kernels.sample_plan import Steps, cell
from rnnkit.contracts.cell import GatedCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Grads, MixBackward, Params, State


class GRU(GatedCell):
    """Gated recurrent unit in the form of cuDNN and PyTorch (after Cho et al. 2014).

    r, z = sigmoid(zx_r + zh_r), sigmoid(zx_z + zh_z);  n = tanh(zx_n + r (zh_n + bn))
    h' = (1 - z) n + z h

    Gates are packed r, z, n. The reset gate scales the product h Wh_n and its own bias `bn`; Cho's
    first form, which scales h itself, is `gru_reset_before`. Note that z keeps the old state.
    """

    type: Literal["gru"] = "gru"
    gates: ClassVar[int] = 3

    def extra(self, inputs: Signal) -> Declaration:
        """Declare the recurrent bias of the candidate."""
        return {"bn": ParamSpec((self.units,), Zeros(), decay=False)}

    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return the reset and the update gate."""
        z = xs @ params["Wx"] + params["b"] + state[0] @ params["Wh"]
        return dict(zip("rz", np.split(sigmoid(z[:, : 2 * self.units]), 2, axis=1), strict=True))

    def kernel(self) -> Kernel | None:
        """Return the compiled step."""
        return cell_kernel("gru")

    def compiled(self, params: Params) -> Steps:
        """Tell the compiled sampler."""
        return cell("gru", params)

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        """Return h' and its gradient."""
        (h,), H = state, self.units
        gates = sigmoid(zx[:, : 2 * H] + zh[:, : 2 * H])
        r, z = gates[:, :H], gates[:, H:]
        recurrent = zh[:, 2 * H :] + params["bn"]
        n = np.tanh(zx[:, 2 * H :] + r * recurrent)

        def backward(dstate: State, grads: Grads) -> tuple[Array, Array, State]:
            (dh,) = dstate
            dn = dh * (1 - z) * (1 - n * n)
            dzx = np.empty_like(zx)
            np.multiply(dn, recurrent, out=dzx[:, :H])
            np.multiply(dh, h - n, out=dzx[:, H : 2 * H])
            dzx[:, : 2 * H] *= gates * (1 - gates)
            dzx[:, 2 * H :] = dn
            dzh = dzx.copy()
            dzh[:, 2 * H :] *= r
            grads["bn"] += dzh[:, 2 * H :].sum(axis=0)
            return dzx, dzh, (dh * z,)

        return ((1 - z) * n + z * h,), backward
