"""Dropout: the numbers of one generator, however many threads draw them."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from rnnkit.builtin.layers.dropout import DRAW, Dropout
from rnnkit.compute.parallel import WORTH
from rnnkit.core.context import Context

LARGE = (35, 20, 67)


def factors(dropout: Dropout, ctx: Context, shape: tuple[int, int, int]) -> np.ndarray:
    ys, _, _ = dropout.forward({}, np.ones(shape, ctx.dtype), (), ctx)
    return ys


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("shape", [LARGE, (2, 3, 5), (1, 1, 1)])
def test_the_mask_is_that_of_one_generator_for_any_number_of_threads(
    shape: tuple[int, int, int], locked: bool, dtype: str
) -> None:
    assert np.prod(LARGE) * DRAW > WORTH, "the draw is not shared among threads"
    dropout = Dropout(rate=0.3, locked=locked)
    ctx = Context(train=True, dtype=np.dtype(dtype), seed=5, path="drop", step=7, time=3)
    drawn = ctx.random(locked=locked).random((1, *shape[1:]) if locked else shape, np.float32)
    wanted = np.broadcast_to(np.where(drawn < 0.3, 0, np.dtype(dtype).type(1 / 0.7)), shape)
    for count in (1, 2, 3):
        with threadpool_limits(count, user_api="blas"):
            found = factors(dropout, ctx, shape)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, wanted)


def test_the_gradient_goes_where_the_values_went() -> None:
    ctx = Context(train=True, seed=1)
    xs = np.arange(1, 1 + np.prod(LARGE), dtype=np.float32).reshape(LARGE)
    ys, _, backward = Dropout(rate=0.5).forward({}, xs, (), ctx)
    dxs, _ = backward(xs, (), {})
    np.testing.assert_array_equal(dxs, ys)
    assert 0.49 < np.mean(ys == 0) < 0.51
