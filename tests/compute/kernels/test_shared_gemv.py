"""A product shared by two threads is that of one, and nobody waits for a thread that is away."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest

from rnnkit.compute import parallel, sampler
from rnnkit.compute.kernels import sample_plan
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.sample_plan import Plan, make_plan

pytestmark = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)
ROWS, WIDTH = 700, 752


def matrix() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.standard_normal((ROWS + 1, WIDTH), np.float32), random.random(ROWS, np.float32)


def products(helped: bool, count: int) -> np.ndarray:
    from rnnkit.compute.kernels import shared_gemv as kernels

    weights, x = matrix()
    flat, room = weights.ravel(), kernels.team(ROWS, WIDTH)
    found = np.empty((count, WIDTH), np.float32)

    def multiply() -> None:
        for y in found:
            kernels.gemv(flat, 0, ROWS, WIDTH, x, y, room)

    def stop() -> None:
        room.task[kernels.STOP] = 1

    if helped:
        parallel.assisted(multiply, partial(kernels.assist, flat, room), stop)
    else:
        multiply()
    np.testing.assert_allclose(found[0], x @ weights[:-1] + weights[-1], rtol=1e-4, atol=1e-3)
    return found


def test_equal_with_and_without_help_every_time() -> None:
    alone, helped = products(False, 1), products(True, 500)
    assert (helped == alone).all()


def test_small_products_are_not_shared() -> None:
    from rnnkit.compute.kernels import shared_gemv as kernels

    weights, x = matrix()
    y, room = np.empty(16, np.float32), kernels.team(ROWS, WIDTH)
    kernels.gemv(weights.ravel(), 0, 20, 16, x, y, room)
    assert room.task[kernels.WIDTH] == 0
    wanted = x[:20] @ weights.ravel()[:320].reshape(20, 16) + weights.ravel()[320:336]
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


def test_the_helper_ends_when_the_task_fails() -> None:
    ended = threading.Event()
    stopped = threading.Event()

    def helper() -> None:
        stopped.wait(60)
        ended.set()

    def fails() -> None:
        raise FloatingPointError("overflow")

    with pytest.raises(FloatingPointError, match="overflow"):
        parallel.assisted(fails, helper, stopped.set)
    assert ended.is_set()


def plan() -> Plan:
    random = np.random.default_rng(1)
    table, W = (random.standard_normal(shape).astype(np.float32) for shape in ((9, 40), (40, 9)))
    steps = (*sample_plan.lookup(table), *sample_plan.affine(W, None))
    found = make_plan(steps, ())
    assert found
    return found


@pytest.mark.parametrize("count", [1, 2])
def test_the_ids_do_not_depend_on_threads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(2).random((50, 3))

    def ids(streams: int) -> list[list[int]]:
        plans = [plan() for _ in range(streams)]
        options = (1.0, 9, 1.0)
        found = sampler.tokens(plans, np.zeros(streams, int), drawn[:, :streams], options)
        return found.T.tolist()

    monkeypatch.setattr(parallel, "threads", lambda: 1)
    monkeypatch.setattr(sampler, "threads", lambda: 1)
    alone = ids(3)
    monkeypatch.setattr(sampler, "threads", lambda: count)
    monkeypatch.setattr("rnnkit.compute.kernels.sample_plan.LARGE", 1)
    assert ids(3) == alone
    assert ids(1) == alone[:1]
