"""The LSTM whose input and hidden state change each other first."""

from typing import Annotated, Any, Literal

from pydantic import Field

from rnnkit import Constant, Declaration, EquationCell, ParamSpec, Signal, Zeros
from rnnkit.compute.equations import Names, dot, sigmoid, tanh


class MogrifierLSTM(EquationCell):
    """Mogrifier LSTM (Melis et al. 2020, eq. 1 and 2), with full matrices.

    Before the step of an LSTM x and h scale each other in turn for `rounds`: M1 scales x by h, M2
    then h by x, and so on. The gates scale by 2 sigmoid, from 0 to 2, which does nothing at 0.
    """

    type: Literal["mogrifier_lstm"] = "mogrifier_lstm"
    states = ("h", "c")
    recurrent = False

    rounds: Annotated[int, Field(ge=1, le=20)] = 5
    forget_bias: Annotated[float, Field(ge=-100, le=100)] = 1.0

    def matrices(self) -> dict[str, tuple[str, ...]]:
        """Declare a matrix a round, and those of the LSTM."""
        ends = ("units", "inputs"), ("inputs", "units")
        rounds = {f"M{n + 1}": ends[n % 2] for n in range(self.rounds)}
        return rounds | {
            "Wx": ("inputs", "units", *"ifog"),
            "Wh": ("units", "units", *"ifog"),
        }

    def extra(self, inputs: Signal) -> Declaration:
        """Declare the bias of each gate."""
        starts = {gate: Zeros() for gate in "iog"} | {"f": Constant(value=self.forget_bias)}
        return {f"b{gate}": ParamSpec((self.units,), starts[gate], decay=False) for gate in "ifog"}

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h' and c'."""
        v, h = x.input, s.h
        for n in range(1, self.rounds + 1):
            if n % 2:
                v = 2 * sigmoid(dot(h, getattr(p, f"M{n}"))) * v
            else:
                h = 2 * sigmoid(dot(v, getattr(p, f"M{n}"))) * h
        i = sigmoid(dot(v, p.Wx.i) + dot(h, p.Wh.i) + p.bi)
        f = sigmoid(dot(v, p.Wx.f) + dot(h, p.Wh.f) + p.bf)
        o = sigmoid(dot(v, p.Wx.o) + dot(h, p.Wh.o) + p.bo)
        c = f * s.c + i * tanh(dot(v, p.Wx.g) + dot(h, p.Wh.g) + p.bg)
        return o * tanh(c), c
