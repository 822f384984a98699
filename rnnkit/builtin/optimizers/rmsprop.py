"""Steps divided by the recent size of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from rnnkit.builtin.optimizers._blocks import add_decay, buffer_blocks, by_kernel
from rnnkit.contracts.optimizer import Decay, Epsilon, Optimizer
from rnnkit.core.block import Rate
from rnnkit.types import Array


class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012, lecture 6.5), with momentum as in PyTorch.

    g += weight_decay p
    s = alpha s + (1 - alpha) g^2
    m = momentum m + g / (sqrt(s) + epsilon)
    p -= lr m
    """

    type: Literal["rmsprop"] = "rmsprop"
    slots: ClassVar[tuple[str, ...]] = ("square", "momentum")

    alpha: Rate = 0.99
    epsilon: Epsilon = 1e-8
    momentum: Rate = 0.0
    weight_decay: Decay = 0.0

    def used_slots(self) -> tuple[str, ...]:
        """Return the mean square, and the momentum if there is one."""
        return self.slots if self.momentum else self.slots[:1]

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
        buffers = (params, grads, *(slots[name] for name in self.used_slots()))
        kernel = "rmsprop_momentum" if self.momentum else "rmsprop"
        options = (lr, self.alpha, self.epsilon, *([self.momentum] if self.momentum else []))
        if by_kernel(kernel, buffers, self.weight_decay, decayed, *options):
            return
        add_decay(self.weight_decay, params, grads, decayed)
        for p, g, s in buffer_blocks(params, grads, slots["square"]):
            s *= self.alpha
            s += (1 - self.alpha) * g * g
            root = np.sqrt(s)
            root += self.epsilon
            g /= root
            if not self.momentum:
                p -= lr * g
        if self.momentum:
            for p, g, m in buffer_blocks(params, grads, slots["momentum"]):
                m *= self.momentum
                m += g
                p -= lr * m
