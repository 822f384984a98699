"""The packed product equals NumPy's for every shape, whatever rows are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.compute.kernels.jit import kernels_available

pytestmark = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)
COLUMNS = [
    1,
    3,
    7,
    8,
    9,
    15,
    16,
    17,
    20,
    23,
    24,
    25,
    31,
    33,
    41,
    47,
    48,
    49,
    64,
    80,
    96,
    100,
    131,
    650,
]


def pack(matrix: np.ndarray, parts: int = 1) -> np.ndarray:
    from rnnkit.compute.kernels import product
    from rnnkit.compute.kernels.registers import column_panels

    panels, columns = column_panels(matrix.shape[1], matrix.itemsize)
    packed = np.full(len(matrix) * columns, np.nan, matrix.dtype)
    for part in range(parts):
        product.pack(matrix, packed, panels * part // parts, panels * (part + 1) // parts)
    assert np.isnan(packed).sum() == np.isnan(matrix).sum(), "not every place was written"
    return packed


def both(rows: int, inner: int, columns: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    from rnnkit.compute.kernels.product import multiply_rows

    random = np.random.default_rng(columns)
    a = random.standard_normal((rows, inner)).astype(dtype)
    matrix = random.standard_normal((inner, columns)).astype(dtype)
    found = np.full((rows, columns), np.nan, dtype)
    multiply_rows(a, pack(matrix), found, 0, rows)
    transposed = np.full((rows, columns), np.nan, dtype)
    multiply_rows(a, pack(np.ascontiguousarray(matrix.T).T, 3), transposed, 0, rows)
    np.testing.assert_array_equal(found, transposed)
    return found, a @ matrix


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("columns", COLUMNS)
def test_equal_to_numpy(columns: int, dtype: str, tolerance: float) -> None:
    for rows in (1, 2, 7, 8, 9, 25):
        for inner in (1, 5, 64, 300):
            found, wanted = both(rows, inner, columns, dtype)
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=10 * tolerance)


def test_only_the_rows_asked_for_are_written_and_do_not_depend_on_the_range() -> None:
    from rnnkit.compute.kernels.product import multiply_rows

    random = np.random.default_rng(0)
    a, matrix = random.standard_normal((13, 40)), pack(random.standard_normal((40, 70)))
    whole, part = np.zeros((13, 70)), np.full((13, 70), 7.0)
    multiply_rows(a, matrix, whole, 0, 13)
    multiply_rows(a, matrix, part, 4, 9)
    np.testing.assert_array_equal(part[4:9], whole[4:9])
    assert (np.delete(part, range(4, 9), axis=0) == 7.0).all()


def test_nan_is_kept() -> None:
    from rnnkit.compute.kernels.product import multiply_rows

    a, matrix = np.ones((9, 20), np.float32), np.ones((20, 50), np.float32)
    a[3, 4], matrix[7, 11] = np.nan, np.nan
    found = np.zeros((9, 50), np.float32)
    multiply_rows(a, pack(matrix), found, 0, 9)
    assert np.isnan(found[3]).all() and np.isnan(found[:, 11]).all()
    assert np.isfinite(np.delete(np.delete(found, 3, axis=0), 11, axis=1)).all()
