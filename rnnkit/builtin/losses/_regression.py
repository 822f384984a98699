"""What the losses of a regression share: errors of values or of one-hot rows, weighed by row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from rnnkit.builtin.losses._rows import given_as_labels, row_weights, weighted_sum
from rnnkit.contracts.loss import Loss
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array


class Regression(Loss):
    """A function l of each error e = y - t, averaged over the F features of a target.

    loss = 1/F sum_f l(e_f);  dy = l'(e) / F
    """

    estimates: ClassVar[bool] = True

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
        with np.errstate(over="ignore", invalid="ignore"):
            losses = self.sums(rows) / width

        @functools.cache
        def backward() -> Array:
            with np.errstate(over="ignore", invalid="ignore"):
                self.differentiate(rows)
                np.multiply(rows, (ws * (1 / width)).astype(ys.dtype)[:, None], out=rows)
            rows[ws == 0] = 0
            return errors

        return weighted_sum(ws, losses), float(ws.sum()), backward

    def sums(self, errors: Array) -> Array:
        """Return sum_f l(e_f) (N,) in float64 for errors (N, F)."""
        raise NotImplementedError(f"{type(self).__name__}.sums")

    def differentiate(self, errors: Array) -> None:
        """Replace errors (N, F) by l'(e)."""
        raise NotImplementedError(f"{type(self).__name__}.differentiate")

    def decisions(
        self, ys: Array, targets: Array, *window: Array | None
    ) -> tuple[Array, Array] | None:
        """Return (chosen, wanted) (T, B), the largest output, where the targets are ids."""
        return (ys.argmax(axis=-1), targets) if given_as_labels(ys, targets) else None


def _difference(ys: Array, targets: Array, out: Array) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        if given_as_labels(ys, targets):
            out[...] = ys
            rows = out.reshape(-1, ys.shape[-1])
            rows[np.arange(len(rows)), targets.reshape(-1)] -= 1
        else:
            np.subtract(ys, targets, out=out, casting="same_kind")
