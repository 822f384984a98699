"""The start of a forget gate, which several cells share."""

from typing import Annotated

from pydantic import Field

from rnnkit import Declaration, EquationCell, GateValues, ParamSpec, Signal


class ForgetBias(EquationCell):
    """A cell whose gate f starts with the bias `forget_bias` (Jozefowicz et al. 2015)."""

    forget_bias: Annotated[float, Field(ge=-100, le=100)] = 1.0

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters, the bias with `forget_bias` in the block of f."""
        start = GateValues(*(self.forget_bias if gate == "f" else 0.0 for gate in self.gates))
        gates = len(self.gates)
        b = ParamSpec((gates * self.units,), start, decay=False, gates=gates)
        return {**super().params(inputs), "b": b}
