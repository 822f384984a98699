"""The long short-term memory cell."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rnnkit.compute.equations import Names, sigmoid, tanh
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.initializers import GateValues
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal


class LSTM(EquationCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    Gates are packed i, f, o, g: the three sigmoids lie together. The state is (h, c), the output
    h'. `forget_bias` is written into the stored bias (Jozefowicz et al. 2015), not added at run
    time.
    """

    type: Literal["lstm"] = "lstm"
    gates = ("i", "f", "o", "g")
    states = ("h", "c")

    forget_bias: Annotated[float, Field(ge=-100, le=100)] = 1.0

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters, the bias with `forget_bias` in the block of f."""
        start = GateValues(0, self.forget_bias, 0, 0)
        b = ParamSpec((4 * self.units,), start, decay=False, gates=4)
        return {**super().params(inputs), "b": b}

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h' and c'."""
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c
