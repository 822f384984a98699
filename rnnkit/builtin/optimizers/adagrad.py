"""Steps that shrink with the squares of all gradients so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from rnnkit.builtin.optimizers._blocks import add_decay, buffer_blocks, by_kernel
from rnnkit.contracts.optimizer import Decay, Epsilon, Optimizer
from rnnkit.types import Array


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

    g += weight_decay p
    s += g^2
    p -= lr g / (sqrt(s) + epsilon)
    """

    type: Literal["adagrad"] = "adagrad"
    slots: ClassVar[tuple[str, ...]] = ("square",)

    epsilon: Epsilon = 1e-10
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
        buffers = (params, grads, slots["square"])
        if by_kernel("adagrad", buffers, self.weight_decay, decayed, lr, self.epsilon):
            return
        add_decay(self.weight_decay, params, grads, decayed)
        for p, g, s in buffer_blocks(params, grads, slots["square"]):
            s += g * g
            g *= lr
            root = np.sqrt(s)
            root += self.epsilon
            g /= root
            p -= g
