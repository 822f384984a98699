"""A learning rate that falls by a fixed ratio."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.types import JSON


class Exponential(Schedule):
    """Keeps the rate for the first `after` steps or epochs, then multiplies it before each.

    factor = multiply ^ max(0, elapsed + 1 - after)

    With `after` 1 this is PyTorch's `ExponentialLR`. Zaremba et al. (2014), medium model: after 6,
    multiply 1/1.2; Karpathy's char-rnn: after 10, multiply 0.97.
    """

    type: Literal["exponential"] = "exponential"

    multiply: Annotated[float, Field(gt=0, le=1)]
    after: Annotated[int, Field(ge=1, le=10**12)] = 1
    per: Literal["step", "epoch"] = "epoch"

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return the power that the time calls for."""
        return math.pow(self.multiply, max(0.0, moment.elapsed(self.per) + 1 - self.after))
