"""The absolute error of a regression."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnkit.builtin.losses._regression import Regression
from rnnkit.types import Array


class MAE(Regression):
    """The absolute error, averaged over the F features of a target.

    loss = 1/F sum_f |y_f - t_f|;  dy = 1/F sign(y - t), 0 where the two are equal

    Its best constant answer is the median, so that outliers weigh no more than others. With
    `reduction` "mean" and equal weights this is PyTorch's `L1Loss`. Targets are values (T, B, F),
    or ids (T, B), which stand for one-hot rows as wide as the outputs; the id -1 weighs nothing.
    """

    type: Literal["mae"] = "mae"

    def sums(self, errors: Array) -> Array:
        """Return sum_f |e_f| (N,)."""
        found: Array = np.abs(errors).sum(axis=-1, dtype=np.float64)
        return found

    def differentiate(self, errors: Array) -> None:
        """Replace e by its sign."""
        np.sign(errors, out=errors)
