"""A learning rate that falls in stairs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.types import JSON


class StepDecay(Schedule):
    """Multiplies the rate by `multiply` after every `every` steps or epochs.

    factor = multiply ^ floor(elapsed / every)

    PyTorch's `StepLR`, with `multiply` its gamma.
    """

    type: Literal["step"] = "step"

    multiply: Annotated[float, Field(gt=0, le=1)]
    every: Annotated[int, Field(ge=1, le=10**12)]
    per: Literal["step", "epoch"] = "epoch"

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return the height of the stair."""
        return math.pow(self.multiply, moment.elapsed(self.per) // self.every)
