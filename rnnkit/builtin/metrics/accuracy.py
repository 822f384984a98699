"""The share of the targets that are chosen."""

from __future__ import annotations

import numpy as np

from rnnkit.contracts.loss import Loss
from rnnkit.contracts.metric import Metric
from rnnkit.types import Array


class Accuracy(Metric):
    """The weighted share of the targets whose label is chosen, or of the answers that are right.

    An id below 0 is no label and weighs nothing.
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._right = self._weight = 0.0

    def add(self, ys: Array, targets: Array, weights: Array, resets: Array) -> None:
        """Add up the weights, and what is right of each target."""
        decided = self._loss.decisions(ys, targets)
        if decided is None:
            return
        chosen, wanted = decided
        live = weights != 0
        if chosen.ndim == 2:
            live &= wanted >= 0
        ws, right = weights[live].astype(np.float64), chosen[live] == wanted[live]
        self._right += float(ws @ right.reshape(len(ws), -1).mean(axis=1, dtype=np.float64))
        self._weight += float(ws.sum())

    def report(self) -> dict[str, float]:
        """Return the share."""
        return {"accuracy": self._right / (self._weight or 1.0)}
