"""Adam with the weight decay outside the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from rnnkit.builtin.optimizers._blocks import by_kernel
from rnnkit.builtin.optimizers.adam import adam_step
from rnnkit.contracts.optimizer import Decay, Epsilon, Optimizer
from rnnkit.core.block import Rate
from rnnkit.types import Array


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    p -= lr weight_decay p
    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)

    `betas` is (b1, b2); t counts the updates from 1. The decay scales with the scheduled rate.
    """

    type: Literal["adamw"] = "adamw"
    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    betas: tuple[Rate, Rate] = (0.9, 0.999)
    epsilon: Epsilon = 1e-8
    weight_decay: Decay = 0.01

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
        buffers = (params, grads, slots["mean"], slots["square"])
        options = (lr, *self.betas, self.epsilon, step, True)
        if by_kernel("adam", buffers, self.weight_decay, decayed, *options):
            return
        params[decayed] *= 1 - lr * self.weight_decay
        adam_step(step, lr, self.betas, self.epsilon, params, grads, slots)
