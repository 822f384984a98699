"""The LSTM whose gates look at the cell."""

from typing import Any, Literal

from rnnkit import Declaration, ParamSpec, Signal, Uniform
from rnnkit.compute.equations import Names, sigmoid, tanh
from rnnkit_cells._forget_bias import ForgetBias


class PeepholeLSTM(ForgetBias):
    """LSTM with peepholes (Gers and Schmidhuber 2000; Graves 2013, eq. 7 to 11).

    Each gate of a unit reads that unit's own c, by one weight; o reads the new one, which it then
    lets out.
    """

    type: Literal["peephole_lstm"] = "peephole_lstm"
    gates = ("i", "f", "o", "g")
    states = ("h", "c")

    def extra(self, inputs: Signal) -> Declaration:
        """Declare the peepholes of i, f and o."""
        return {f"p{gate}": ParamSpec((self.units,), Uniform(bound=0.1)) for gate in "ifo"}

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h' and c'."""
        i = sigmoid(x.i + r.i + p.pi * s.c)
        f = sigmoid(x.f + r.f + p.pf * s.c)
        c = f * s.c + i * tanh(x.g + r.g)
        return sigmoid(x.o + r.o + p.po * c) * tanh(c), c
