"""Token ids to indicator vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.compute.stack.stages import Stages, one_hot
from rnnkit.contracts.layer import Layer
from rnnkit.core.block import Width
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array, Backward, Grads, Params, State


class OneHot(Layer):
    """A vector that is 1 at the id and 0 elsewhere; the data gives `units`, the vocabulary."""

    type: Literal["one_hot"] = "one_hot"
    units: Width | None = None

    def output(self, inputs: Signal) -> Signal:
        """Give one value for each token of the vocabulary."""
        return Signal(inputs.token_ids().width or self.units)

    def resolve(
        self, inputs: Signal, target: Signal | None = None, memory: Signal | None = None
    ) -> OneHot:
        """Take the size of the vocabulary; raises ShapeError for another one."""
        if not Signal(self.units).fits(Signal(inputs.width)):
            raise ShapeError(
                f"has {self.units} units for a vocabulary of {inputs.width} (leave units out)"
            )
        return self.model_copy(update={"units": inputs.width or self.units})

    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference."""
        return one_hot()

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Expand ids (T, B)."""
        width = Signal(self.units).known()
        ys = ctx.empty((*xs.shape, width))
        ys.fill(0)
        ys.reshape(-1, width)[np.arange(xs.size), xs.reshape(-1)] = 1

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[None, State]:
            return None, dstate

        return ys, state, backward
