"""Columns of numbers brought to one scale, learned from the training part alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rnnkit.core.block import Record
from rnnkit.errors import DataError
from rnnkit.types import Array

Scaling = Literal["standard", "minmax", "none"]
Factor = Annotated[float, Field(gt=0)]


def moves(values: Array) -> Array:
    """Tell which columns of values (N, F) differ by more than the rounding of their numbers.

    The deviation of equal numbers is not 0 in floating point: 900 times 14.62 have one of 1e-13.
    """
    rounding = 8 * np.finfo(np.float64).eps * np.maximum(values.max(axis=0), -values.min(axis=0))
    found: Array = np.ptp(values, axis=0) > rounding
    return found


class Scaler(Record):
    """x' = (x - offset) / factor for each column, in the order of the columns."""

    offset: tuple[float, ...]
    factor: tuple[Factor, ...]

    @classmethod
    def fitted(cls, values: Array, kind: Scaling) -> Scaler:
        """Return the scaler of values (N, F): mean 0 and deviation 1, or from 0 to 1, or none.

        A column that never moves, but for the rounding of its numbers, keeps its unit.
        """
        width = values.shape[1]
        offset, factor = np.zeros(width), np.ones(width)
        if kind == "standard":
            offset, factor = values.mean(axis=0), values.std(axis=0)
        elif kind == "minmax":
            offset, factor = values.min(axis=0), np.ptp(values, axis=0)
        factor = np.where(moves(values), factor, 1.0)
        return cls(offset=tuple(offset.tolist()), factor=tuple(factor.tolist()))

    def as_lists(self) -> dict[str, list[float]]:
        """Return offset and factor for `Dataset.scales`."""
        return {"offset": list(self.offset), "factor": list(self.factor)}

    def of_width(self, width: int) -> bool:
        """Tell whether there is an offset and a factor for each of so many columns."""
        return len(self.offset) == len(self.factor) == width

    def scaled(self, values: Array) -> Array:
        """Return values (..., F) on the scale, in float32."""
        found: Array = (values - np.array(self.offset)) / np.array(self.factor)
        return found.astype(np.float32)

    def beyond(self, values: Array) -> Array:
        """Tell which values (N, F) no float32 holds once they are on the scale."""
        with np.errstate(over="ignore"):
            found = values - np.array(self.offset)
            found /= np.array(self.factor)
        wrong: Array = np.abs(found, out=found) > np.finfo(np.float32).max
        return wrong

    def check(self, values: Array, columns: Sequence[str]) -> None:
        """Raise DataError for the first of values (N, F) that is beyond."""
        found = np.argwhere(self.beyond(values))
        if len(found):
            row, column = found[0]
            message = f"{columns[column]}: {values[row, column]} is no finite number on the scale "
            message += "of the training part (take the row out, or fill in a number)"
            raise DataError.of("DATA_NAN", message)

    def unscaled(self, values: Array) -> Array:
        """Return values (..., F) in the units of the data."""
        found: Array = values * np.array(self.factor) + np.array(self.offset)
        return found
