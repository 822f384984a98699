"""The minimal gated unit, a cell for rnnkit."""

from typing import ClassVar, Literal

import numpy as np

from rnnkit import Context, GatedCell, sigmoid
from rnnkit.types import Array, Grads, MixBackward, Params, State


class MGU(GatedCell):
    """Minimal gated unit (Zhou et al. 2016): one gate f, packed before the candidate n.

    f = sigmoid(zx_f + zh_f);  n = tanh(zx_n + f zh_n);  h' = (1 - f) h + f n
    """

    type: Literal["mgu"] = "mgu"
    gates: ClassVar[int] = 2

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        """Return h' and its gradient."""
        (h,), H = state, self.units
        f, q = sigmoid(zx[:, :H] + zh[:, :H]), zh[:, H:]
        n = np.tanh(zx[:, H:] + f * q)

        def backward(dstate: State, grads: Grads) -> tuple[Array, Array, State]:
            (dh,) = dstate
            dn = dh * f * (1 - n * n)
            df = (dh * (n - h) + dn * q) * f * (1 - f)
            return np.hstack([df, dn]), np.hstack([df, dn * f]), (dh * (1 - f),)

        return ((1 - f) * h + f * n,), backward
