"""The independently recurrent cell: a unit reads no other unit's past."""

from typing import Any, Literal

import numpy as np

from rnnkit import Declaration, EquationCell, ParamSpec, Signal
from rnnkit.compute.equations import Names, relu, tanh
from rnnkit.types import Array, Shape


class IndRNN(EquationCell):
    """IndRNN (Li et al. 2018, eq. 2): h' = act(x Wx + b + u h), with act = relu or tanh.

    u starts uniform in 0 to 1, so that some units forget at once and some hardly at all. The
    paper's bound of |u| (section 3.1) is a rule of its training and not of the cell: train with
    `clip`.
    """

    type: Literal["ind_rnn"] = "ind_rnn"
    gates = ("h",)
    recurrent = False

    activation: Literal["relu", "tanh"] = "relu"

    def extra(self, inputs: Signal) -> Declaration:
        """Declare the recurrent weight of each unit."""
        return {"u": ParamSpec((self.units,), _from_0_to_1)}

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return h'."""
        act = relu if self.activation == "relu" else tanh
        return act(x.h + p.u * s.h)


def _from_0_to_1(shape: Shape, random: np.random.Generator) -> Array:
    return random.uniform(0, 1, shape)
