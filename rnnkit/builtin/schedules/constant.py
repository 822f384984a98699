"""No schedule."""

from __future__ import annotations

from typing import Literal

from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.types import JSON


class ConstantRate(Schedule):
    """The learning rate of the optimizer, from the first update to the last."""

    type: Literal["constant"] = "constant"

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return 1."""
        return 1.0
