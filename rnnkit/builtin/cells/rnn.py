"""The simple recurrent cell."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from rnnkit.compute.kernels.dispatch import cell_kernel
from rnnkit.compute.kernels.kernel import Kernel
from rnnkit.compute.kernels.sample_plan import Steps, cell
from rnnkit.contracts.cell import GatedCell
from rnnkit.core.context import Context
from rnnkit.types import Array, Grads, MixBackward, Params, State


class RNN(GatedCell):
    """h' = act(x Wx + b + h Wh), with act = tanh or relu (Elman 1990); the output is h'."""

    type: Literal["rnn"] = "rnn"
    gates: ClassVar[int] = 1

    activation: Literal["tanh", "relu"] = "tanh"

    def kernel(self) -> Kernel | None:
        """Return the compiled step."""
        return cell_kernel(f"rnn_{self.activation}")

    def compiled(self, params: Params) -> Steps:
        """Tell the compiled sampler."""
        return cell(f"rnn_{self.activation}", params)

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        """Return h' and its gradient."""
        z = zx + zh
        if self.activation == "tanh":
            h = np.tanh(z)
            slope = 1 - h * h
        else:
            h = np.maximum(z, 0)
            slope = (z > 0).astype(z.dtype)

        def backward(dstate: State, grads: Grads) -> tuple[Array, Array, State]:
            dz = dstate[0] * slope
            return dz, dz, (np.zeros_like(dz),)

        return (h,), backward
