"""Outputs, targets and weights that losses are tried on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnkit.builtin.metrics.accuracy import Accuracy
from rnnkit.contracts.loss import Loss
from rnnkit.core.context import Context, Pool
from rnnkit.types import Array


def context(dtype: Any = np.float64, train: bool = True) -> Context:
    return Context(train=train, dtype=np.dtype(dtype), pool=Pool(fill=math.nan))


def random_case(kind: str, dtype: Any = np.float64) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(7)
    width, labels = (1, 2) if kind == "binary" else (6, 6)
    ys = (3 * random.standard_normal((5, 4, width))).astype(dtype)
    weights = random.uniform(0.1, 2, (5, 4)).astype(dtype)
    weights[2, 1] = 0
    if kind != "values":
        targets = random.integers(-1, labels, (5, 4)).astype(np.int32)
        assert (targets == -1).any()
        return ys, targets, weights
    targets = random.uniform(0, 1, (5, 4, 6)).astype(dtype)
    return ys, targets / targets.sum(axis=-1, keepdims=True), weights


def accuracy(loss: Loss, ys: Array, targets: Array, weights: Array) -> float:
    """Return the weighted share of the targets that are chosen."""
    metric = Accuracy(loss)
    metric.add(ys, targets, weights, np.zeros(weights.shape, bool))
    return metric.report()["accuracy"]
