"""The simple recurrent cell."""

from __future__ import annotations

from typing import Any, Literal

from rnnkit.compute.equations import Names, relu, tanh
from rnnkit.contracts.equation_cell import EquationCell


class RNN(EquationCell):
    """The simple recurrent cell (Elman 1990), with act = tanh or relu; the output is h'."""

    type: Literal["rnn"] = "rnn"
    gates = ("h",)

    activation: Literal["tanh", "relu"] = "tanh"

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        act = tanh if self.activation == "tanh" else relu
        return act(x.h + r.h)
