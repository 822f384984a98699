"""Stochastic gradient descent, with or without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from rnnkit.builtin.optimizers._blocks import add_decay, buffer_blocks, by_kernel
from rnnkit.contracts.optimizer import Decay, Optimizer
from rnnkit.core.block import Rate
from rnnkit.types import Array


class SGD(Optimizer):
    """Gradient descent; momentum of Polyak (1964) or, looking ahead, Nesterov (1983).

    g += weight_decay p
    m = momentum m + g
    p -= lr (g + momentum m if nesterov else m)

    As in PyTorch, m holds no learning rate, so a changed rate acts at once. Without momentum
    nothing is kept between steps.
    """

    type: Literal["sgd"] = "sgd"
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: Rate = 0.0
    nesterov: bool = False
    weight_decay: Decay = 0.0

    @model_validator(mode="after")
    def _looks_ahead(self) -> SGD:
        if self.nesterov and not self.momentum:
            raise ValueError('"nesterov" needs a "momentum" above 0 (0.9 is usual)')
        return self

    def used_slots(self) -> tuple[str, ...]:
        """Return the momentum, if there is one."""
        return self.slots if self.momentum else ()

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
        options = (self.momentum, self.nesterov) if self.momentum else ()
        kernel = "momentum" if self.momentum else "sgd"
        if by_kernel(kernel, buffers, self.weight_decay, decayed, lr, *options):
            return
        add_decay(self.weight_decay, params, grads, decayed)
        if not self.momentum:
            for p, g in buffer_blocks(params, grads):
                g *= lr
                p -= g
            return
        for p, g, m in buffer_blocks(params, grads, slots["momentum"]):
            m *= self.momentum
            m += g
            if self.nesterov:
                g += self.momentum * m
                p -= lr * g
            else:
                p -= lr * m
