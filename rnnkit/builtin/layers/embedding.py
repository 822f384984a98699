"""Token ids to vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.compute.products import scatter_add
from rnnkit.compute.stack.stages import Stages, Weights, lookup
from rnnkit.contracts.layer import Layer
from rnnkit.core.block import Size
from rnnkit.core.context import Context
from rnnkit.core.initializers import Uniform
from rnnkit.core.params import Declaration, ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, Grads, Params, State


class Embedding(Layer):
    """Row `id` of W (vocabulary, units) for each id."""

    type: Literal["embedding"] = "embedding"
    units: Size

    def output(self, inputs: Signal) -> Signal:
        """Give `units` values."""
        inputs.token_ids()
        return Signal(self.units)

    def params(self, inputs: Signal) -> Declaration:
        """Declare W (vocabulary, units)."""
        return {"W": ParamSpec((inputs.known(), self.units), Uniform(bound=0.1))}

    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference."""
        return lookup(Weights("W"))

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Gather the rows of ids (T, B)."""
        ys = ctx.empty((*xs.shape, self.units))
        # Ids are checked where they enter; "clip" only spares NumPy a copy of the output.
        np.take(params["W"], xs, axis=0, out=ys, mode="clip")

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[None, State]:
            scatter_add(grads["W"], xs.reshape(-1), dys.reshape(-1, self.units))
            return None, dstate

        return ys, state, backward
