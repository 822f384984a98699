"""Matrices in 8 bits: how far they are from the numbers, and that they stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.compute.quantize import LARGEST, quantized
from rnnkit.types import Array


def matrix() -> Array:
    """Return rows of sizes that differ by orders of magnitude."""
    random = np.random.default_rng(3)
    sizes = 10.0 ** random.integers(-30, 30, (50, 1))
    return (sizes * random.standard_normal((50, 40))).astype(np.float32)


def test_no_number_is_more_than_half_a_scale_away() -> None:
    found = quantized(matrix())
    assert found.integers.dtype == np.int8
    assert found.scales.dtype == found.floats().dtype == np.float32
    assert (np.abs(found.integers).max(axis=1) == LARGEST).all()
    away = np.abs(found.floats().astype(np.float64) - matrix()).max(axis=1)
    assert (away <= found.scales / 2).all()
    largest = np.abs(matrix()).max(axis=1)
    np.testing.assert_allclose(found.scales, largest / LARGEST, rtol=2.0**-17)


def test_what_it_stands_for_is_exact_and_stored_the_same_way_again() -> None:
    found = quantized(matrix())
    exact = found.integers.astype(np.float64) * found.scales.astype(np.float64)[:, None]
    assert (found.floats() == exact).all()
    again = quantized(found.floats())
    assert (again.integers == found.integers).all()
    assert (again.scales == found.scales).all()


@pytest.mark.parametrize("tiny", [0.0, 1e-45, 1e-40])
def test_a_row_of_next_to_nothing(tiny: float) -> None:
    rows = np.array([[0, tiny, -tiny], [1, 2, 3]], np.float32)
    found = quantized(rows)
    np.testing.assert_allclose(found.floats()[0], rows[0], atol=1e-42)
    assert found.floats()[1].tolist() == pytest.approx([1, 2, 3], abs=0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_stays_none(bad: float) -> None:
    rows = np.array([[0.5, bad], [1, 2]], np.float32)
    found = quantized(rows).floats()
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
