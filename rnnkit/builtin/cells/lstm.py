"""The long short-term memory cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rnnkit.compute.equations.functions import sigmoid
from rnnkit.compute.kernels.dispatch import cell_kernel
from rnnkit.compute.kernels.kernel import Kernel
from rnnkit.compute.kernels.sample_plan import Steps, cell
from rnnkit.contracts.cell import GatedCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import GateValues
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Grads, MixBackward, Params, State


class LSTM(GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);  g = tanh(z_g);  z = x Wx + b + h Wh
    c' = f c + i g;  h' = o tanh(c')

    Gates are packed i, f, o, g: the three sigmoids lie together. The state is (h, c), the output
    h'. `forget_bias` is written into the stored bias (Jozefowicz et al. 2015), not added at run
    time.
    """

    type: Literal["lstm"] = "lstm"
    gates: ClassVar[int] = 4

    forget_bias: Annotated[float, Field(ge=-100, le=100)] = 1.0

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters, the bias with `forget_bias` in the block of f."""
        declared = dict(super().params(inputs))
        start = GateValues(0, self.forget_bias, 0, 0)
        return {**declared, "b": ParamSpec((4 * self.units,), start, decay=False, gates=4)}

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        """Keep h and c."""
        return (self.units, self.units)

    def state_names(self) -> tuple[str, ...]:
        """Return h and c."""
        return ("h", "c")

    def gate_values(self, params: Params, xs: Array, state: State) -> Mapping[str, Array]:
        """Return the input, the forget and the output gate."""
        z = xs @ params["Wx"] + params["b"] + state[0] @ params["Wh"]
        return dict(zip("ifo", np.split(sigmoid(z[:, : 3 * self.units]), 3, axis=1), strict=True))

    def kernel(self) -> Kernel | None:
        """Return the compiled step."""
        return cell_kernel("lstm")

    def compiled(self, params: Params) -> Steps:
        """Tell the compiled sampler."""
        return cell("lstm", params)

    def mix(
        self, params: Params, zx: Array, zh: Array, state: State, ctx: Context
    ) -> tuple[State, MixBackward]:
        """Return (h', c') and their gradient."""
        H, c = self.units, state[1]
        z = zx + zh
        gates = sigmoid(z[:, : 3 * H])
        i, f, o = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]
        g = np.tanh(z[:, 3 * H :])
        c_new = f * c + i * g
        squashed = np.tanh(c_new)

        def backward(dstate: State, grads: Grads) -> tuple[Array, Array, State]:
            dh, dc = dstate
            dc = dc + dh * o * (1 - squashed * squashed)
            dz = np.empty_like(z)
            np.multiply(dc, g, out=dz[:, :H])
            np.multiply(dc, c, out=dz[:, H : 2 * H])
            np.multiply(dh, squashed, out=dz[:, 2 * H : 3 * H])
            dz[:, : 3 * H] *= gates * (1 - gates)
            np.multiply(dc * i, 1 - g * g, out=dz[:, 3 * H :])
            return dz, dz, (np.zeros_like(dh), dc * f)

        return (o * squashed, c_new), backward
