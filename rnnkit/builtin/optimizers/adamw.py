"""Adam with the weight decay outside the gradient."""

from __future__ import annotations

from typing import ClassVar, Literal

from rnnkit.builtin.optimizers.adam import Adam
from rnnkit.contracts.optimizer import Decay


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    p -= lr weight_decay p
    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)

    `betas` is (b1, b2); t counts the updates from 1. The decay scales with the scheduled rate.
    """

    type: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    decoupled: ClassVar[bool] = True

    weight_decay: Decay = 0.01
