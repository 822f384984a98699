"""The gated recurrent unit, with the reset gate after the product."""

from __future__ import annotations

from typing import Any, Literal

from rnnkit.compute.equations import Names, sigmoid, tanh
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal


class GRU(EquationCell):
    """Gated recurrent unit in the form of cuDNN and PyTorch (after Cho et al. 2014).

    Gates are packed r, z, n. The reset gate scales the product h Wh_n and its own bias `bn`; Cho's
    first form, which scales h itself, is `gru_reset_before`. Note that z keeps the old state.
    """

    type: Literal["gru"] = "gru"
    gates = ("r", "z", "n")

    def extra(self, inputs: Signal) -> Declaration:
        """Declare the recurrent bias of the candidate."""
        return {"bn": ParamSpec((self.units,), Zeros(), decay=False)}

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + reset * (r.n + p.bn))
        return (1 - z) * n + z * s.h
