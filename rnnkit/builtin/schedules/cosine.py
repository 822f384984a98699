"""A learning rate that rises in a line and falls along a cosine."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.types import JSON


class Cosine(Schedule):
    """Half a cosine (Loshchilov and Hutter 2017) after a linear warm-up, both in steps.

    t < warmup:  factor = (t + 1) / warmup
    otherwise:   factor = minimum + (1 - minimum) (1 + cos(pi u)) / 2,
                 u = min(1, (t - warmup) / (length - warmup))

    t counts the updates done, `length` is the whole run where it is left out, and `minimum` is a
    factor, not a rate. Without warm-up this is one period of PyTorch's `CosineAnnealingLR`.
    """

    type: Literal["cosine"] = "cosine"

    warmup: Annotated[int, Field(ge=0, le=10**12)] = 0
    minimum: Annotated[float, Field(ge=0, le=1)] = 0.0
    length: Annotated[int, Field(ge=1, le=10**12)] | None = None

    @model_validator(mode="after")
    def _falls(self) -> Cosine:
        if self.length is not None and self.warmup >= self.length:
            raise ValueError('"warmup" must be less than "length"')
        return self

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return the point on the line or on the cosine."""
        if moment.step < self.warmup:
            return (moment.step + 1) / self.warmup
        length = moment.steps if self.length is None else self.length
        done = (moment.step - self.warmup) / max(1, length - self.warmup)
        wave = (1 + math.cos(math.pi * min(1.0, done))) / 2
        return self.minimum + (1 - self.minimum) * wave
