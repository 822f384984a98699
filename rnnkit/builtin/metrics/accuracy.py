"""The share of the targets that are chosen."""

from __future__ import annotations

import math

from rnnkit.contracts.loss import Loss, decided
from rnnkit.contracts.metric import Metric
from rnnkit.core.context import Tally
from rnnkit.types import Array


class Accuracy(Metric):
    """The weighted share of the targets whose label is chosen, or of the answers that are right.

    An id below 0 is no label and weighs nothing.
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._tally = Tally()

    def add(
        self,
        ys: Array,
        targets: Array,
        weights: Array,
        resets: Array,
        valid: Array | None = None,
    ) -> None:
        """Add up the weights, and what is right of each target."""
        found = decided(self._loss, ys, targets, weights, resets, valid)
        if found is not None:
            self._tally.add(*found, weights)

    def report(self) -> dict[str, float]:
        """Return the share; NaN where nothing weighs."""
        return {"accuracy": self._tally.right / (self._tally.weight or math.nan)}
