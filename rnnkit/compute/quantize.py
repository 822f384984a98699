"""Matrices in 8 bits: integers from -127 to 127, and a scale for each row.

The scales have 17 bits. So an integer times its scale is exact in float32, and what it gives has
the same integers and scales again: whoever holds the numbers can always find how they are stored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnkit.types import Array

LARGEST = 127
SCALE_BITS = 24 - 7


class Quantized(NamedTuple):
    """A matrix (rows, columns) of int8, and the scales (rows,) in float32."""

    integers: Array
    scales: Array

    def floats(self) -> Array:
        """Return the matrix that is meant."""
        return self.integers * self.scales[:, None]


def quantized(matrix: Array) -> Quantized:
    """Return the nearest matrix in 8 bits, no number of which is more than half a scale away.

    A row that is not finite has the scale NaN.
    """
    largest = np.abs(matrix).max(axis=1)
    bits, exponent = np.frexp(np.where(np.isfinite(largest), largest, np.nan) / np.float32(LARGEST))
    scales = np.ldexp(np.rint(np.ldexp(bits, SCALE_BITS)), exponent - SCALE_BITS)
    used = scales > 0  # no row of zeros, or of what is too small for a scale
    integers = np.zeros(matrix.shape, np.int8)
    integers[used] = np.rint(matrix[used] / scales[used, None])
    return Quantized(integers, scales)
