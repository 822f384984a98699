"""The minimal LSTM, whose gates read the input alone."""

from typing import Any, Literal

from rnnkit import EquationCell
from rnnkit.compute.equations import Names, sigmoid, softplus


class MinLSTM(EquationCell):
    """MinLSTM (Feng et al. 2024, "Were RNNs all we needed?", section 3.2).

    What is kept, sigmoid(f) / (sigmoid(f) + sigmoid(i)), is computed from the difference of the two
    logarithms: the quotient is 0 / 0 where both gates are shut.
    """

    type: Literal["min_lstm"] = "min_lstm"
    gates = ("i", "f", "n")
    recurrent = False

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        keep = sigmoid(softplus(-x.i) - softplus(-x.f))
        return keep * s.h + (1 - keep) * x.n
