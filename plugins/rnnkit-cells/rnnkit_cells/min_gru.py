"""The minimal GRU, whose gate reads the input alone."""

from typing import Any, Literal

from rnnkit import EquationCell
from rnnkit.compute.equations import Names, sigmoid


class MinGRU(EquationCell):
    """MinGRU (Feng et al. 2024, "Were RNNs all we needed?", section 3.1).

    The candidate has no tanh: all that is not linear in a step is the gate, and h may grow beyond
    ±1. Their form in logarithms (appendix B) keeps h positive and is not this one.
    """

    type: Literal["min_gru"] = "min_gru"
    gates = ("z", "n")
    recurrent = False

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        z = sigmoid(x.z)
        return (1 - z) * s.h + z * x.n
