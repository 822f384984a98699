"""The squared error of a regression."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from rnnkit.context import Context
from rnnkit.errors import ShapeError
from rnnkit.loss import Loss
from rnnkit.losses._rows import given_as_labels, row_weights, weighted_sum
from rnnkit.signal import Signal
from rnnkit.types import Array


class MSE(Loss):
    """The squared error, averaged over the F features of a target.

    loss = 1/F sum_f (y_f - t_f)^2;  dy = 2/F (y - t)

    With `reduction` "mean" and equal weights this is PyTorch's `MSELoss`. Targets are values
    (T, B, F), or ids (T, B), which stand for one-hot rows as wide as the outputs; the id -1 weighs
    nothing.
    """

    type: Literal["mse"] = "mse"

    def check(self, outputs: Signal, targets: Signal) -> None:
        """Raise ShapeError unless outputs and targets are equally wide."""
        outputs.values()
        if not outputs.fits(Signal(targets.width)):
            raise ShapeError(
                f"compares outputs with {targets}, but receives {outputs} (set "
                f'"units" of the last layer to {targets.width}, or leave "units" out of a last '
                "affine layer)"
            )

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return (total, weight, backward) for outputs (T, B, F).

        `backward` returns the same array at every call. A value that is not finite gives a total
        that is not finite, unless its target weighs nothing.
        """
        width = ys.shape[-1]
        ws = row_weights(ys, targets, weights)
        errors = ctx.empty(ys.shape, ys.dtype)
        _difference(ys, targets, errors)
        rows = errors.reshape(-1, width)
        losses = np.einsum("nf,nf->n", rows, rows, dtype=np.float64) / width

        @functools.cache
        def backward() -> Array:
            with np.errstate(invalid="ignore"):
                np.multiply(rows, (ws * (2 / width)).astype(ys.dtype)[:, None], out=rows)
            rows[ws == 0] = 0
            return errors

        return weighted_sum(ws, losses), float(ws.sum()), backward

    def counts(self, ys: Array, targets: Array, weights: Array) -> dict[str, float]:
        """Return the weighted sum of the absolute errors, averaged over the features."""
        errors = np.empty_like(ys)
        _difference(ys, targets, errors)
        means = np.abs(errors, out=errors).mean(axis=-1, dtype=np.float64)
        return {"mae": weighted_sum(row_weights(ys, targets, weights), means.reshape(-1))}

    def metrics(self, mean: float, unit: str) -> dict[str, float]:
        """Return the loss, also under the name mse."""
        return {"loss": mean, "mse": mean}


def _difference(ys: Array, targets: Array, out: Array) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        if given_as_labels(ys, targets):
            out[...] = ys
            rows = out.reshape(-1, ys.shape[-1])
            rows[np.arange(len(rows)), targets.reshape(-1)] -= 1
        else:
            np.subtract(ys, targets, out=out, casting="same_kind")
