"""Softmax cross-entropy in NumPy: the reference of the kernels, and the way of distributions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from rnnkit.builtin.losses._rows import given_as_labels, row_weights, weighted_sum
from rnnkit.core.context import Context
from rnnkit.errors import DataError
from rnnkit.types import Array

TOLERANCE = 1e-3
"""How far the probabilities of a target may sum from 1."""
SHOWN = 4
"""Numbers of a target that an error shows."""


def by_numpy(
    ys: Array, targets: Array, weights: Array, smoothing: float, ctx: Context
) -> tuple[float, float, Callable[[], Array]]:
    """Return (total, weight, backward) for logits (T, B, V)."""
    width, dtype = ys.shape[-1], ys.dtype
    ws = row_weights(ys, targets, weights)
    wanted = _Wanted(ys, targets, ws, smoothing)
    scratch = ctx.empty(ys.shape, dtype)
    ps = scratch.reshape(-1, width)
    # An overflow to -inf has the right exp, 0; inf - inf is the NaN that a caller looks for.
    with np.errstate(over="ignore", invalid="ignore"):
        np.subtract(ys, ys.max(axis=-1, keepdims=True), out=scratch)
        logit = wanted.mean(ps)
        np.exp(ps, out=ps)
        sums = ps @ np.ones(width, dtype)  # faster than a sum along the rows
        losses = wanted.mass * np.log(sums) - logit

    @functools.cache
    def backward() -> Array:
        with np.errstate(invalid="ignore"):
            np.multiply(ps, (ws * wanted.mass / sums).astype(dtype)[:, None], out=ps)
            wanted.subtract_from(ps, ws)
        ps[ws == 0] = 0
        return scratch

    return weighted_sum(ws, losses), float(ws.sum()), backward


class _Wanted:
    """The target distributions q of all rows, labels never spelled out; `mass` is sum_v q_v."""

    def __init__(self, ys: Array, targets: Array, ws: Array, smoothing: float) -> None:
        self.labelled = given_as_labels(ys, targets)
        self.targets = targets.reshape(-1, *targets.shape[2:])
        if self.labelled:
            self.targets = np.where(ws == 0, 0, self.targets)  # what weighs nothing may be any id
        self.rows = np.arange(len(self.targets))
        self.smoothing, self.keep = smoothing, 1.0 - smoothing
        self.mass = np.ones(len(self.targets))
        if not self.labelled:
            self.mass = self.keep * self.targets.sum(axis=-1, dtype=np.float64) + smoothing

    def mean(self, zs: Array) -> Array:
        """Return sum_v q_v z_v (N,) in float64."""
        if self.labelled:
            found = self.keep * zs[self.rows, self.targets].astype(np.float64)
        else:
            found = self.keep * np.einsum("nv,nv->n", self.targets, zs, dtype=np.float64)
        if self.smoothing:
            found += self.smoothing * zs.mean(axis=-1, dtype=np.float64)
        return found

    def subtract_from(self, ps: Array, ws: Array) -> None:
        """Subtract w q from every row, in place."""
        kept = (self.keep * ws).astype(ps.dtype)
        if self.labelled:
            ps[self.rows, self.targets] -= kept
        else:
            ps -= kept[:, None] * self.targets.astype(ps.dtype, copy=False)
        if self.smoothing:
            ps -= (self.smoothing / ps.shape[-1] * ws).astype(ps.dtype)[:, None]


def check_distributions(wanted: Array) -> None:
    """Raise DataError for targets (N, V) that are no probabilities.

    The loss of numbers means nothing: of one column it is always 0, of negative ones below 0.
    """
    totals = wanted.sum(axis=-1, dtype=np.float64)
    wrong = ~((wanted >= 0).all(axis=-1) & (np.abs(totals - 1) <= TOLERANCE))
    if wrong.any():
        odd = ", ".join(f"{value:g}" for value in wanted[wrong][0][:SHOWN])
        more = ", ..." if wanted.shape[-1] > SHOWN else ""
        raise DataError.of(
            "DATA_TARGET",
            "softmax_cross_entropy needs a class, or probabilities that sum to 1, as a target, and "
            f"one is [{odd}{more}] (take mse, mae or huber for numbers)",
        )
