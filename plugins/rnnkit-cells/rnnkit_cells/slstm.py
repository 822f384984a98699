"""The scalar LSTM of xLSTM, with an exponential input gate."""

from typing import Any, Literal

from rnnkit.compute.equations import Names, exp, log, maximum, sigmoid, tanh, where
from rnnkit_cells._forget_bias import ForgetBias


class SLSTM(ForgetBias):
    """sLSTM (Beck et al. 2024, "xLSTM", eq. 8 to 17), one head: Wh couples all units.

    n sums the weights of what c sums, and m is the stabilizer: the logarithm by which both are
    scaled down. Before the first step n is 0 and m means nothing, so m starts with the first input
    gate. The forget gate is a sigmoid, or with `exponential_forget` the exponential function.
    """

    type: Literal["slstm"] = "slstm"
    gates = ("i", "f", "o", "z")
    states = ("h", "c", "n", "m")

    exponential_forget: bool = False

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h', c', n' and m'."""
        entering, keeping = x.i + r.i, x.f + r.f
        if not self.exponential_forget:
            keeping = log(sigmoid(keeping))
        kept = where(0 < s.n, keeping + s.m, entering)
        m = maximum(kept, entering)
        i, f = exp(entering - m), exp(kept - m)
        c = f * s.c + i * tanh(x.z + r.z)
        n = f * s.n + i
        return sigmoid(x.o + r.o) * c / n, c, n, m
