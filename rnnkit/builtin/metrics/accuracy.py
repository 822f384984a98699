"""The share of the targets that are chosen."""

from __future__ import annotations

import math

from rnnkit.builtin.metrics._decisions import DecisionMetric
from rnnkit.contracts.loss import Loss
from rnnkit.core.context import Tally
from rnnkit.types import Array


class Accuracy(DecisionMetric):
    """The weighted share of the targets whose label is chosen, or of the answers that are right.

    An id below 0 is no label and weighs nothing.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss)
        self._tally = Tally()

    def count(self, chosen: Array, wanted: Array, weights: Array, resets: Array) -> None:
        """Add up the weights, and what is right of each target."""
        self._tally.add(chosen, wanted, weights)

    def report(self) -> dict[str, float]:
        """Return the share; NaN where nothing weighs."""
        return {"accuracy": self._tally.right / (self._tally.weight or math.nan)}
