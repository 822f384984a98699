"""The squared error of a regression."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.builtin.losses._regression import Regression
from rnnkit.types import Array


class MSE(Regression):
    """The squared error, averaged over the F features of a target.

    loss = 1/F sum_f (y_f - t_f)^2;  dy = 2/F (y - t)

    With `reduction` "mean" and equal weights this is PyTorch's `MSELoss`. Targets are values
    (T, B, F), or ids (T, B), which stand for one-hot rows as wide as the outputs; the id -1 weighs
    nothing.
    """

    type: Literal["mse"] = "mse"

    def sums(self, errors: Array) -> Array:
        """Return sum_f e_f^2 (N,)."""
        found: Array = np.einsum("nf,nf->n", errors, errors, dtype=np.float64)
        return found

    def differentiate(self, errors: Array) -> None:
        """Replace e by 2 e."""
        errors *= 2
