"""The loss of a choice among tokens or classes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from rnnkit.block import Rate
from rnnkit.context import Context
from rnnkit.errors import ShapeError
from rnnkit.loss import Loss
from rnnkit.losses._rows import given_as_labels, row_weights, weighted_sum
from rnnkit.signal import Signal
from rnnkit.types import Array

LARGEST_EXPONENT = 709.0
"""exp of a little more is no finite number in float64, and infinity is no JSON."""


class SoftmaxCrossEntropy(Loss):
    """The negative log-probability of the target under a softmax, in nats.

    p = exp(y - max y) / sum exp(y - max y);  loss = -sum_v q_v log p_v;  dy = p sum q - q

    Targets are ids (T, B), where -1 weighs nothing whatever `weights` says, or distributions q
    (T, B, V), one-hot or soft. `label_smoothing` e (Szegedy et al. 2016) replaces q by
    (1 - e) q + e / V, as PyTorch does, but in training alone: an evaluation reports the loss of the
    true targets, from which the perplexity follows.
    """

    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"

    label_smoothing: Rate = 0.0

    def check(self, outputs: Signal, targets: Signal) -> None:
        """Raise ShapeError unless there is one logit for each target id or class."""
        outputs.values()
        if not outputs.fits(Signal(targets.width)):
            raise ShapeError(
                f"needs one logit for each of the {targets.width} target classes, but receives "
                f'{outputs} (set "units" of the last layer to {targets.width}, or leave "units" '
                "out of a last affine layer)"
            )

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return (total, weight, backward) for logits (T, B, V).

        `backward` returns the same array at every call. A logit that is not finite gives a total
        that is not finite, unless its target weighs nothing.
        """
        width, dtype = ys.shape[-1], ys.dtype
        ws = row_weights(ys, targets, weights)
        wanted = _Wanted(ys, targets, self.label_smoothing if ctx.train else 0.0)
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

    def counts(self, ys: Array, targets: Array, weights: Array) -> dict[str, float]:
        """Return the weighted number of targets that have the largest logit."""
        labels = targets if given_as_labels(ys, targets) else targets.argmax(axis=-1)
        correct = ys.argmax(axis=-1) == labels
        return {"accuracy": float(np.sum(weights, where=correct, dtype=np.float64))}

    def metrics(self, mean: float, unit: str) -> dict[str, float]:
        """Return loss, perplexity, and the bits of a character or byte.

        The perplexity exp(loss) stays at exp(709), about 8e307, for every loss above 709.
        """
        found = {"loss": mean, "perplexity": math.exp(min(mean, LARGEST_EXPONENT))}
        if unit in ("character", "byte"):
            found[f"bits_per_{unit}"] = mean / math.log(2)
        return found


class _Wanted:
    """The target distributions q of all rows, labels never spelled out; `mass` is sum_v q_v."""

    def __init__(self, ys: Array, targets: Array, smoothing: float) -> None:
        self.labelled = given_as_labels(ys, targets)
        self.targets = targets.reshape(-1, *targets.shape[2:])
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
