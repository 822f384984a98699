"""Steps from running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from rnnkit.builtin.optimizers._blocks import add_decay, buffer_blocks, by_kernel
from rnnkit.contracts.optimizer import Decay, Epsilon, Optimizer
from rnnkit.core.block import Rate
from rnnkit.types import Array


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015); its `weight_decay` is part of the gradient (AdamW's is not).

    g += weight_decay p
    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)

    `betas` is (b1, b2); t counts the updates from 1.
    """

    type: Literal["adam"] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    decoupled: ClassVar[bool] = False

    betas: tuple[Rate, Rate] = (0.9, 0.999)
    epsilon: Epsilon = 1e-8
    weight_decay: Decay = 0.0

    def update(
        self,
        step: int,
        lr: float,
        params: Array,
        grads: Array,
        slots: Mapping[str, Array],
        decayed: slice,
    ) -> None:
        """Move `params` in place."""
        b1, b2 = self.betas
        buffers = (params, grads, slots["mean"], slots["square"])
        options = (lr, b1, b2, self.epsilon, step, self.decoupled)
        if by_kernel("adam", buffers, self.weight_decay, decayed, *options):
            return
        if self.decoupled:
            params[decayed] *= 1 - lr * self.weight_decay
        else:
            add_decay(self.weight_decay, params, grads, decayed)
        rate = lr / (1 - b1**step)
        correction = (1 - b2**step) ** 0.5
        for p, g, m, v in buffer_blocks(*buffers):
            m *= b1
            m += (1 - b1) * g
            v *= b2
            g *= g
            g *= 1 - b2
            v += g
            np.sqrt(v, out=g)
            g /= correction
            g += self.epsilon
            np.divide(m, g, out=g)
            g *= rate
            p -= g
