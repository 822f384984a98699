"""What the losses share: the rows of a window, each with the weight of its target."""

from __future__ import annotations

import numpy as np

from rnnkit.types import Array, Shape


def row_weights(ys: Array, targets: Array, weights: Array) -> Array:
    """Return the weights (T B,) in float64; an ignored label, below 0, weighs nothing."""
    flat = weights.reshape(-1).astype(np.float64)
    if given_as_labels(ys, targets):
        flat[targets.reshape(-1) < 0] = 0
    return flat


def given_as_labels(ys: Array, targets: Array) -> bool:
    """Tell whether the targets are ids (T, B), or else values (T, B, F)."""
    return targets.ndim < ys.ndim


def check_labels(rows: Shape, classes: int, targets: Array, weights: Array) -> None:
    """Raise ValueError unless labels and weights have the shape (T, B) of the rows.

    And IndexError for a label that is not below the number of classes, and weighs something.
    """
    if not targets.shape == weights.shape == rows:
        raise ValueError(
            f"expected labels and weights of the shape {rows}, "
            f"received {targets.shape} and {weights.shape}"
        )
    outside = targets >= classes
    if outside.any() and weights[outside].any():
        raise IndexError(f"a target is not below the number of logits, {classes}")


def weighted_sum(weights: Array, losses: Array) -> float:
    """Return the sum over the rows that weigh something, even where another is not finite."""
    live = weights != 0
    return float(np.dot(weights[live], losses[live]))
