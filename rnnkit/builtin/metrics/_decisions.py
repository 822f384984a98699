"""What metrics of chosen labels share: a loss decides, and they count."""

from __future__ import annotations

from rnnkit.contracts.loss import Loss, decided
from rnnkit.contracts.metric import Metric
from rnnkit.types import Array


class DecisionMetric(Metric):
    """A metric of what a loss chooses in each window; a subclass has `count`."""

    def __init__(self, loss: Loss) -> None:
        self._loss = loss

    def add(
        self,
        ys: Array,
        targets: Array,
        weights: Array,
        resets: Array,
        valid: Array | None = None,
    ) -> None:
        """Count what the loss decides, if it decides anything."""
        found = decided(self._loss, ys, targets, weights, resets, valid)
        if found is not None:
            self.count(*found, weights, resets)

    def count(self, chosen: Array, wanted: Array, weights: Array, resets: Array) -> None:
        """Take in the decisions of a window: ids (T, B), or answers (T, B, F)."""
        raise NotImplementedError(f"{type(self).__name__}.count")
