"""The squared error of small errors, the absolute error of large ones."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rnnkit.builtin.losses._regression import Regression
from rnnkit.types import Array


class Huber(Regression):
    """Huber's loss (1964), averaged over the F features of a target.

    l(e) = e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2);  l'(e) = clip(e, -delta, delta)

    An outlier pulls no harder than an error of `delta`. With `reduction` "mean" and equal weights
    this is PyTorch's `HuberLoss`. Targets are values (T, B, F), or ids (T, B), which stand for
    one-hot rows as wide as the outputs; the id -1 weighs nothing.
    """

    type: Literal["huber"] = "huber"

    delta: Annotated[float, Field(gt=0, le=1e12)] = 1.0

    def sums(self, errors: Array) -> Array:
        """Return sum_f l(e_f) (N,)."""
        sizes = np.abs(errors)
        bounded = np.minimum(sizes, self.delta)
        found: Array = np.einsum("nf,nf->n", bounded, sizes - bounded / 2, dtype=np.float64)
        return found

    def differentiate(self, errors: Array) -> None:
        """Replace e by itself, bounded by delta."""
        np.clip(errors, -self.delta, self.delta, out=errors)
