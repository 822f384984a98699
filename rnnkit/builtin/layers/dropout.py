"""Random zeros while training."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.compute.parallel import divided
from rnnkit.compute.stack.stages import Stages
from rnnkit.contracts.layer import Layer
from rnnkit.core.block import Rate
from rnnkit.core.context import DRAWS, Context
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, DType, Grads, Params, Shape, State

DRAW = 400.0
"""Multiplications that take as long as drawing one number."""


class Dropout(Layer):
    """In training each value is 0 with probability `rate`, or else scaled by 1 / (1 - rate).

    Srivastava et al. 2014; between recurrent layers: Zaremba, Sutskever and Vinyals 2014. `locked`
    keeps one mask for all steps of the window (Gal and Ghahramani 2016). The mask follows from seed
    and step.
    """

    type: Literal["dropout"] = "dropout"
    rate: Rate
    locked: bool = False

    def output(self, inputs: Signal) -> Signal:
        """Keep the width."""
        return inputs.values()

    def stages(self, inputs: Signal) -> Stages:
        """Tell compiled inference: nothing is dropped there."""
        return ()

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        """Scale or drop each value of xs (T, B, F)."""
        if not ctx.train or self.rate == 0:
            return xs, state, lambda dys, dstate, grads: (dys, dstate)
        mask = self._mask((1, *xs.shape[1:]) if self.locked else xs.shape, xs.dtype, ctx)

        def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
            return dys * mask, dstate

        return xs * mask, state, backward

    def _mask(self, shape: Shape, dtype: DType, ctx: Context) -> Array:
        """Draw a factor for each value, the same ones on however many threads."""
        mask = ctx.empty(shape, dtype)
        factors = mask.reshape(-1)
        scale = dtype.type(1 / (1 - self.rate))

        def draw(first: int, last: int) -> None:
            part = factors[first * DRAWS : last * DRAWS]
            generator = ctx.random(locked=self.locked, past=first)
            drawn = generator.random(part.shape, dtype=np.float32)
            np.multiply(drawn >= self.rate, scale, out=part)

        divided(-(-mask.size // DRAWS), DRAW * mask.size, draw)
        return mask
