"""The pooling of a quasi-recurrent network."""

from typing import Any, Literal

from rnnkit import EquationCell
from rnnkit.compute.equations import Names, sigmoid, tanh


class QRNN(EquationCell):
    """QRNN (Bradbury et al. 2016, eq. 1 and 4: fo-pooling).

    The convolution over the last k inputs is a layer `last_inputs` below it: all k times the width
    of x are then this cell's x, and Wx is the filter bank of z, f and o. By itself the cell has
    filters of width 1.
    """

    type: Literal["qrnn"] = "qrnn"
    gates = ("f", "o", "z")
    states = ("h", "c")
    recurrent = False

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h' and c'."""
        f, o = sigmoid(x.f), sigmoid(x.o)
        c = f * s.c + (1 - f) * tanh(x.z)
        return o * c, c
