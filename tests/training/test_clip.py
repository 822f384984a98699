"""Clipping by norm and by value: hand constants, and PyTorch's numbers over 50 gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnkit.spec.model import Clip
from rnnkit.training.clipping import BLOCK, clip, fixed_norm, global_norm


def clipped(gradient: np.ndarray, limits: Clip | None) -> np.ndarray:
    found = gradient.copy()
    clip(found, global_norm(found), limits)
    return found


def test_by_norm() -> None:
    gradient = np.array([3.0, -4.0])
    assert global_norm(gradient) == 5
    np.testing.assert_allclose(clipped(gradient, Clip(norm=1.0)), [0.6, -0.8], atol=1e-6)
    assert clipped(gradient, Clip(norm=5.0)).tolist() == [3, -4]


def test_by_value() -> None:
    assert clipped(np.array([3.0, -4.0, 0.5]), Clip(value=1.0)).tolist() == [1, -1, 0.5]


def test_not_at_all() -> None:
    assert clipped(np.array([3e9, -4.0]), None).tolist() == [3e9, -4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_to_pytorch(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    for _ in range(50):
        gradient = (random.standard_normal(40) * random.uniform(0.01, 3)).astype(dtype)
        twin = torch.nn.Parameter(torch.zeros(40, dtype=getattr(torch, dtype)))
        twin.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_([twin], 0.25)
        np.testing.assert_allclose(clipped(gradient, Clip(norm=0.25)), twin.grad, atol=1e-6)
        twin.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_value_([twin], 0.25)
        np.testing.assert_allclose(clipped(gradient, Clip(value=0.25)), twin.grad, atol=1e-6)
        assert clipped(gradient, Clip(norm=0.25)).dtype == gradient.dtype


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_the_norm_of_fixed_blocks_counts_every_number_once(size: int) -> None:
    assert fixed_norm(np.full(size, 0.5)) == math.sqrt(size / 4)
    assert global_norm(np.full(size, 0.5)) == pytest.approx(math.sqrt(size / 4))


@pytest.mark.parametrize(
    ("scale", "limits", "wanted"),
    [
        (1.0, None, [3.0, -4.0]),
        (0.5, None, [1.5, -2.0]),
        (0.5, Clip(norm=2.5), [1.5, -2.0]),
        (0.5, Clip(norm=1.25), [0.75, -1.0]),
        (0.5, Clip(value=1.75), [1.5, -1.75]),
    ],
)
def test_a_gradient_is_scaled_before_it_is_bounded(
    scale: float, limits: Clip | None, wanted: list[float]
) -> None:
    gradient = np.array([3.0, -4.0])
    clip(gradient, 5 * scale, limits, scale)
    np.testing.assert_allclose(gradient, wanted, atol=1e-5)
