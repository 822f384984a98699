"""A learning rate that falls when the validation loss no longer does."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.types import JSON


class Stall(Schedule):
    """Multiplies the rate by `multiply` after `patience` evaluations in a row that are no better.

    Better is a validation loss below the best so far by more than `threshold` nats; a loss that is
    not finite is no better. The defaults divide by 4 whenever an evaluation is no improvement, as
    PyTorch's word language model example does. PyTorch's `ReduceLROnPlateau` with
    `threshold_mode="abs"` is the same with a `patience` one less.

    The state is {"best": the best loss or null, "bad": evaluations since, "scale": the factor}.
    """

    type: Literal["stall"] = "stall"

    multiply: Annotated[float, Field(gt=0, lt=1)] = 0.25
    patience: Annotated[int, Field(ge=1, le=10**6)] = 1
    threshold: Annotated[float, Field(ge=0, le=1e6)] = 0.0

    def start(self) -> JSON:
        """Return the state before the first evaluation."""
        return {"best": None, "bad": 0, "scale": 1.0}

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return the scale that the evaluations so far left."""
        return float(state["scale"])

    def observe(self, metric: float, state: JSON) -> JSON:
        """Return the state after an evaluation."""
        best, bad, scale = state["best"], state["bad"], state["scale"]
        if math.isfinite(metric) and (best is None or metric < best - self.threshold):
            return {"best": metric, "bad": 0, "scale": scale}
        if bad + 1 < self.patience:
            return {"best": best, "bad": bad + 1, "scale": scale}
        return {"best": best, "bad": 0, "scale": scale * self.multiply}
