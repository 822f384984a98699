"""The loss of answers that are yes or no, each on its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from rnnkit.builtin.losses._class_weights import Weight, Weights
from rnnkit.builtin.losses._rows import given_as_labels, row_weights, weighted_sum
from rnnkit.contracts.loss import Loss
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError, ShapeError
from rnnkit.types import Array


class BinaryCrossEntropy(Loss):
    """The negative log-probability of F answers, each a sigmoid of its logit, in nats.

    p = 1 / (1 + exp(-y));  loss = -1/F sum_f (t_f log p_f + (1 - t_f) log(1 - p_f));
    dy = (p - t) / F

    It is computed from the logit, max(y, 0) - y t + log(1 + exp(-|y|)), which no logit overflows.
    Targets are values (T, B, F) from 0 to 1, several of which may be 1 at once, or with a single
    output the ids 0 and 1 (T, B); the id -1 weighs nothing. `pos_weight` w, a number or a list with
    one for each answer, multiplies t_f log p_f, in training alone. With `reduction` "mean" and
    equal weights this is PyTorch's `BCEWithLogitsLoss`.
    """

    type: Literal["binary_cross_entropy"] = "binary_cross_entropy"

    pos_weight: Weight | Weights | None = None

    def check(self, outputs: Signal, targets: Signal) -> None:
        """Raise ShapeError unless there is one logit for each answer."""
        outputs.values()
        if targets.ids and targets.width not in (None, 2):
            raise ShapeError(
                f"decides between two labels, but the targets are {targets} "
                "(use softmax_cross_entropy)"
            )
        width = 1 if targets.ids else targets.width
        if not outputs.fits(Signal(width)):
            raise ShapeError(
                f"needs one logit for {'the labels 0 and 1' if targets.ids else 'each answer'}, "
                f'but receives {outputs} (set "units" of the last layer to {width})'
            )
        count = len(self.pos_weight) if isinstance(self.pos_weight, tuple) else width
        if width is not None and count != width:
            raise ShapeError(
                f"has {count} numbers as pos_weight for {width} "
                f"answer{'s' * (width > 1)} (give one for each, or one number)"
            )

    def check_values(self, targets: Array) -> None:
        """Raise DataError for a target that is no probability: there would be no least loss."""
        wrong = ~((targets >= 0) & (targets <= 1))
        if wrong.any():
            raise DataError.of(
                "DATA_TARGET",
                f"binary_cross_entropy needs targets from 0 to 1, and one is {targets[wrong][0]:g} "
                "(give 0 and 1, or take mse, mae or huber for numbers)",
            )

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return (total, weight, backward) for logits (T, B, F).

        `backward` returns the same array at every call. A logit that is not finite gives a total
        that is not finite, unless its target weighs nothing.
        """
        width = ys.shape[-1]
        ws = row_weights(ys, targets, weights)
        zs, wanted = ys.reshape(-1, width), _answers(ys, targets).reshape(-1, width)
        self.check_values(wanted[ws != 0])
        weighs = ctx.train and self.pos_weight is not None
        yes = np.array(self.pos_weight, ys.dtype) * wanted if weighs else wanted
        with np.errstate(invalid="ignore"):
            each = np.log1p(np.exp(-np.abs(zs)))
            if weighs:  # each side by itself: a sum of w - 1 and 1 would round a small w away
                each = yes * (np.maximum(-zs, 0) + each) + (1 - wanted) * (np.maximum(zs, 0) + each)
            else:
                each = np.maximum(zs, 0) - zs * wanted + each
        losses = each.sum(axis=-1, dtype=np.float64) / width

        @functools.cache
        def backward() -> Array:
            dys = ctx.empty(ys.shape, ys.dtype)
            rows = dys.reshape(-1, width)
            # p - t of a sure answer would keep no digit of a small slope.
            np.subtract((1 - wanted) * _sigmoid(zs), yes * _sigmoid(-zs), out=rows)
            rows *= (ws / width).astype(ys.dtype)[:, None]
            rows[ws == 0] = 0
            return dys

        return weighted_sum(ws, losses), float(ws.sum()), backward

    def decisions(self, ys: Array, targets: Array, *window: Array | None) -> tuple[Array, Array]:
        """Return (chosen, wanted), p >= 1/2 being a yes.

        They are ids (T, B) where the targets are, else answers (T, B, F).
        """
        if given_as_labels(ys, targets):
            return (ys[..., 0] >= 0).astype(targets.dtype), targets
        return ys >= 0, targets >= 0.5

    def probabilities(self, ys: Array) -> Array:
        """Return the sigmoid."""
        return _sigmoid(ys)


def _sigmoid(zs: Array) -> Array:
    """Return 1 / (1 + exp(-z)) to all digits, near 0 too."""
    tail = np.exp(-np.abs(zs))
    found: Array = np.where(zs < 0, tail, 1) / (1 + tail)
    return found


def _answers(ys: Array, targets: Array) -> Array:
    """Return the targets as values (T, B, F) of the type of the logits."""
    values = targets[..., None] if given_as_labels(ys, targets) else targets
    return values.astype(ys.dtype, copy=False)
