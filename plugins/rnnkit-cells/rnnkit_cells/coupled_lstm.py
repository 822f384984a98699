"""The LSTM that writes what it forgets."""

from typing import Any, Literal

from rnnkit.compute.equations import Names, sigmoid, tanh
from rnnkit_cells._forget_bias import ForgetBias


class CoupledLSTM(ForgetBias):
    """LSTM with coupled gates (Greff et al. 2017, variant CIFG), i = 1 - f; without peepholes.

    The gate that is stored is f, so that `forget_bias` means what it does in `lstm`; it shuts the
    input as far as it opens the past.
    """

    type: Literal["coupled_lstm"] = "coupled_lstm"
    gates = ("f", "o", "g")
    states = ("h", "c")

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h' and c'."""
        f, o = sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + (1 - f) * tanh(x.g + r.g)
        return o * tanh(c), c
