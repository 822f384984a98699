"""A product of rows is that of NumPy, and the same bits however many rows stand side by side."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import (
    AFFINE,
    BIAS,
    COLUMNS,
    INNER,
    KIND,
    MATRIX,
    PACKED,
    SCALES,
    STRIDE,
)
from rnnkit.compute.products import packed
from rnnkit.compute.stack.arranged import compiled_product
from rnnkit.types import Array

pytestmark = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)

GAP = 5
"""Numbers between two blocks of rows, which nobody writes."""


def product(W: Array, b: Array, x: Array, blocks: int, arranged: Array | None) -> Array:
    """Return x W + b, computed in so many blocks of rows."""
    from rnnkit.compute.kernels.team import PLACES, SPARE

    table = np.zeros((1, SCALES + 1), np.int64)
    (inner, columns), rows = W.shape, len(x) // blocks
    table[0, [KIND, INNER, COLUMNS, STRIDE]] = AFFINE, inner, columns, columns
    table[0, [MATRIX, BIAS]] = W.ctypes.data, b.ctypes.data
    table[0, PACKED] = 0 if arranged is None else arranged.ctypes.data
    y = np.full((blocks, rows * columns + GAP), np.nan, np.float32)
    apart = y.shape[1]
    task, spare = np.zeros(PLACES, np.int64), np.empty(W.size, np.float32)
    task[SPARE] = spare.ctypes.data
    given = np.ascontiguousarray(x)
    places = given.ctypes.data, y.ctypes.data, task.ctypes.data
    compiled_product()(table.ctypes.data, 0, blocks, rows, apart, *places)
    assert np.isnan(y[:, -GAP:]).all()
    return y[:, :-GAP].reshape(len(x), columns)


@pytest.mark.parametrize("arranged", [False, True])
@pytest.mark.parametrize("columns", [3, 8, 17, 20, 24, 33, 41, 64, 144, 150, 333, 640])
def test_rows_alone_have_the_bits_of_rows_among_others(columns: int, arranged: bool) -> None:
    """Up to 640 columns a row meets groups of panels, whole or cut short, and narrow ones."""
    random = np.random.default_rng(columns)
    W, b = (random.standard_normal(shape, np.float32) for shape in ((37, columns), columns))
    x = random.standard_normal((36, 37), np.float32)
    panels = packed(W) if arranged else None
    together = product(W, b, x, 1, panels)
    np.testing.assert_allclose(together, x @ W + b, rtol=0, atol=3e-5)
    np.testing.assert_array_equal(product(W, b, x, 9, panels), together)
    np.testing.assert_array_equal(product(W, b, x[:6], 3, panels), together[:6])
    for row in range(4):
        np.testing.assert_array_equal(product(W, b, x[row : row + 1], 1, panels)[0], together[row])
