"""How far the gradient flows back, and what a network reads in training: two keys of `train`."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rnnkit.core.block import Record, Size

LARGEST_EXPONENT = 700.0
"""exp of a little more is no finite number in float64."""


class Truncation(Record):
    """Where backpropagation through time stops.

    `window`: at the window's first step, so that the losses in a window of T steps flow back 1 to T
    steps. `true`: the loss at every step flows back exactly `steps` steps, its own among them, also
    over the window's edge; a step costs about so many times as much. r2rt, "Styles of truncated
    backpropagation" (2016).
    """

    style: Literal["window", "true"] = "window"
    steps: Size | None = None

    @model_validator(mode="after")
    def _counted(self) -> Truncation:
        if (self.style == "true") != (self.steps is not None):
            raise ValueError('"style": "true" and "steps" need each other')
        return self

    @property
    def before(self) -> int:
        """The steps before a window that it runs again."""
        return (self.steps or 1) - 1


class Ramp(Record):
    """How the probability of a guess grows with the updates i done (Bengio et al. 2015, 2.4).

    Of the full probability it is, with k = `steps`:

    linear               min(1, i / k)
    exponential          1 - exp(-i / k)
    inverse_sigmoid      1 - k / (k + exp(i / k)), half of it at i = k ln k
    """

    type: Literal["linear", "exponential", "inverse_sigmoid"]
    steps: Annotated[int, Field(ge=1, le=10**12)]

    def part(self, step: int) -> float:
        """Return what the full probability is multiplied by after so many updates."""
        k, u = self.steps, step / self.steps
        if self.type == "linear":
            return min(1.0, u)
        if self.type == "exponential":
            return -math.expm1(-u)
        return 1 - k / (k + math.exp(min(u, LARGEST_EXPONENT)))


class Feed(Record):
    """What a network that predicts its next input reads in training.

    `teacher`: the data. `greedy`: its own best guess at the step before. `sample`: a draw from its
    own softmax there (scheduled sampling, Bengio et al. 2015). `probability` is the chance that a
    step reads a guess and not the data, reached at once or along a `schedule`.
    """

    type: Literal["teacher", "greedy", "sample"] = "teacher"
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    schedule: Ramp | None = None

    @model_validator(mode="after")
    def _of_guesses(self) -> Feed:
        if self.type == "teacher" and (self.probability != 1 or self.schedule):
            raise ValueError(
                '"teacher" reads the data alone: leave "probability" and "schedule" out '
                '(or choose "greedy" or "sample")'
            )
        return self

    def chance(self, step: int) -> float:
        """Return the probability that a step reads a guess, after so many updates."""
        if self.type == "teacher":
            return 0.0
        return self.probability * (self.schedule.part(step) if self.schedule else 1.0)
