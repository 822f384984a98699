"""The contract of a schedule: a factor of the learning rate, its state a small JSON value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rnnkit.core.block import Block
from rnnkit.types import JSON


@dataclass(frozen=True)
class Moment:
    """Where training stands before an update: steps and epochs done, and how many there will be."""

    step: int
    epoch: float
    steps: int
    epochs: float

    def elapsed(self, per: Literal["step", "epoch"]) -> float:
        """Return what is done, in steps or in whole epochs."""
        return self.step if per == "step" else float(int(self.epoch))


class Schedule(Block):
    """Scales the learning rate over time, or when a metric stalls."""

    entry_group: ClassVar[str] = "rnnkit.schedules"

    @property
    def observes(self) -> bool:
        """Whether it needs evaluations: its class has an `observe` of its own."""
        return type(self).observe is not Schedule.observe

    def start(self) -> JSON:
        """Return the state before the first step."""
        return None

    def factor(self, moment: Moment, state: JSON) -> float:
        """Return what the learning rate of the next update is multiplied by."""
        raise NotImplementedError(f"{type(self).__name__}.factor")

    def observe(self, metric: float, state: JSON) -> JSON:
        """Return the state after an evaluation; `metric` is the validation loss."""
        return state
