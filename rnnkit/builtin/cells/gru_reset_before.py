"""The gated recurrent unit, with the reset gate before the product."""

from __future__ import annotations

from typing import Any, Literal

from rnnkit.compute.equations import Names, dot, sigmoid, tanh
from rnnkit.contracts.equation_cell import EquationCell


class GRUResetBefore(EquationCell):
    """Gated recurrent unit as first published (Cho et al. 2014, eq. 5 to 8).

    Gates are packed r, z, n. The reset gate scales h before its product with Wh_n, so the product
    waits for r.
    """

    type: Literal["gru_reset_before"] = "gru_reset_before"
    gates = ("r", "z", "n")

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        reset, z = sigmoid(x.r + r.r), sigmoid(x.z + r.z)
        n = tanh(x.n + dot(reset * s.h, p.Wh.n))
        return (1 - z) * n + z * s.h
