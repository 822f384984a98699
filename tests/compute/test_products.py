"""A product divided among threads is the product, whichever side is divided."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.compute import parallel, products
from rnnkit.compute.products import Product
from rnnkit.types import Array

SHAPES = [(400, 30, 50), (30, 400, 50), (30, 50, 400), (64, 64, 64)]


@pytest.fixture(params=[1, 2, 3, 5])
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    for module in (parallel, products):
        monkeypatch.setattr(module, "WORTH", 0.0)
        monkeypatch.setattr(module, "threads", lambda: request.param)
    return int(request.param)


def matrices(shape: tuple[int, int, int], transposed: bool) -> tuple[Array, Array]:
    n, k, m = shape
    random = np.random.default_rng(n)
    a = random.standard_normal((k, n)).T if transposed else random.standard_normal((n, k))
    b = random.standard_normal((m, k)).T if transposed else random.standard_normal((k, m))
    return a, b


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_one(shape: tuple[int, int, int], transposed: bool, count: int) -> None:
    a, b = matrices(shape, transposed)
    out = products.multiply(a, b, np.full((len(a), b.shape[1]), np.nan))
    np.testing.assert_allclose(out, a @ b, atol=1e-12)
    products.add_product(a, b, out, np.full_like(out, np.nan))
    np.testing.assert_allclose(out, 2 * (a @ b), atol=1e-12)


def test_many_threads_do_not_divide_the_inner_side_of_a_tie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (parallel, products):
        monkeypatch.setattr(module, "WORTH", 0.0)
        monkeypatch.setattr(module, "threads", lambda: 8)
    a = np.zeros((160, 160))
    parts, sums = products._divided(Product(a, a[:, :150], np.zeros((160, 150))))
    assert len(parts) == 8 and not sums


def test_several_at_once(count: int) -> None:
    pairs = [matrices(shape, False) for shape in SHAPES]
    outs = [np.ones((len(a), b.shape[1])) for a, b in pairs]
    products.multiply_all(
        *(
            Product(a, b, out, np.full_like(out, np.nan) if k % 2 else None)
            for k, ((a, b), out) in enumerate(zip(pairs, outs, strict=True))
        )
    )
    for k, ((a, b), out) in enumerate(zip(pairs, outs, strict=True)):
        np.testing.assert_allclose(out, a @ b + k % 2, atol=1e-12)


def test_small_ones_stay_on_this_thread_beside_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parallel, products):
        monkeypatch.setattr(module, "WORTH", 1e5)
        monkeypatch.setattr(module, "threads", lambda: 2)
    a, b = matrices((64, 64, 64), False)
    small, large = np.zeros((4, 4)), np.zeros((64, 64))
    products.multiply_all(Product(a[:4], b[:, :4], small), Product(a, b, large))
    np.testing.assert_allclose(large, a @ b, atol=1e-12)
    np.testing.assert_allclose(small, (a @ b)[:4, :4], atol=1e-12)


@pytest.mark.parametrize(
    ("threads", "shape", "parts", "sums"),
    [
        (2, (400, 30, 50), (200, 30, 50), 0),
        (2, (30, 400, 50), (30, 200, 50), 1),
        (2, (30, 50, 400), (30, 50, 200), 0),
        (8, (400, 30, 160), (50, 30, 160), 0),
        (8, (160, 30, 400), (160, 30, 50), 0),
    ],
)
def test_the_longest_side_is_divided(
    threads: int,
    shape: tuple[int, int, int],
    parts: tuple[int, int, int],
    sums: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (parallel, products):
        monkeypatch.setattr(module, "WORTH", 0.0)
        monkeypatch.setattr(module, "threads", lambda: threads)
    n, k, m = shape
    found, extra = products._divided(Product(np.ones((n, k)), np.ones((k, m)), np.zeros((n, m))))
    assert [(*part.a.shape, part.b.shape[1]) for part in found] == [parts] * threads
    assert len(extra) == sums
