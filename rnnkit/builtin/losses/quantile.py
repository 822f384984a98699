"""The quantile error of a regression: the value that a part of the targets stays below."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rnnkit.builtin.losses._regression import Regression
from rnnkit.types import Array


class Quantile(Regression):
    """The pinball loss (Koenker and Bassett 1978), averaged over the F features of a target.

    l(e) = max((1 - level) e, -level e) for e = y - t;  l'(e) = 1 - level above 0, -level below, 0

    Its best constant answer is the quantile `level` of the targets: models of 0.1 and of 0.9 give
    an interval for four targets of five, and 0.5, half of `mae`, the median. Targets are values
    (T, B, F), or ids (T, B), which stand for one-hot rows as wide as the outputs; the id -1 weighs
    nothing.
    """

    type: Literal["quantile"] = "quantile"

    level: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def sums(self, errors: Array) -> Array:
        """Return sum_f l(e_f) (N,)."""
        losses = np.maximum((1 - self.level) * errors, -self.level * errors)
        found: Array = losses.sum(axis=-1, dtype=np.float64)
        return found

    def differentiate(self, errors: Array) -> None:
        """Replace e by 1 - level, -level or 0."""
        above, below = errors > 0, errors < 0
        errors[above] = 1 - self.level
        errors[below] = -self.level
