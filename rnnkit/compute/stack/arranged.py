"""Matrices as a stack reads them fastest, and products of them, by compiled code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from rnnkit.compute.kernels.object_code import array_address, kernel_entry
from rnnkit.compute.parallel import MEMORY_BOUND, divided
from rnnkit.types import Array


def arranged_matrix(matrix: Array) -> Array:
    """Return a float32 matrix (inner, columns) in panels, one after the other.

    It is some columns of an array in one piece, or the transpose of one.
    """
    from rnnkit.compute.kernels.registers import column_panels

    (inner, columns), steps = matrix.shape, matrix.strides
    panels, wide = column_panels(columns, matrix.itemsize)
    into = np.empty(inner * wide, np.float32)
    transposed = steps[0] < steps[1]
    apart = max(steps[0] // matrix.itemsize, columns)
    given = matrix.ctypes.data, apart, inner, columns, int(transposed)
    arrange = partial(kernel_entry("entries", "arrange"), *given, array_address(into), into.size)
    # Every value is read and written.
    divided(panels, 2 * MEMORY_BOUND * matrix.size, arrange)
    return into


def compiled_product() -> Callable[..., None]:
    """Return the product of a stage, compiled; see `rnnkit.compute.kernels.stage_product`."""
    return kernel_entry("stage_product", "stage_product")
