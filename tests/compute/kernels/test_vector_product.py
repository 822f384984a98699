"""A product shared by two threads is that of one, and nobody waits for a thread that is away."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest

from rnnkit.compute import parallel
from rnnkit.compute.kernels import team as teams
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import (
    AFFINE,
    COLUMNS,
    INNER,
    INT8,
    KIND,
    MATRIX,
    SCALES,
    STRIDE,
)
from rnnkit.compute.quantize import Quantized, quantized
from rnnkit.compute.stack import sampler
from rnnkit.compute.stack.sampler import Plan, make_plan
from rnnkit.compute.stack.stages import Weights, affine, lookup
from rnnkit.compute.stack.table import make_table

pytestmark = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)
ROWS, COLUMNS_OF_W = 700, 751


def matrix(rows: int = ROWS, columns: int = COLUMNS_OF_W) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, columns), np.float32)


SPARE = np.empty(ROWS, np.float32)


def alone() -> np.ndarray:
    """Return the task of a thread that nobody helps."""
    task = np.zeros(teams.PLACES, np.int64)
    task[teams.SPARE] = SPARE.ctypes.data
    return task


def vector() -> np.ndarray:
    return np.random.default_rng(1).random(ROWS, np.float32)


def program(W: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """Return a table of one product."""
    found = np.zeros((1, SCALES + 1), np.int64)
    found[0, [KIND, MATRIX]] = AFFINE, W.ctypes.data
    found[0, [INNER, COLUMNS]] = W.T.shape if transposed else W.shape
    found[0, STRIDE] = -W.shape[1] if transposed else W.shape[1]
    return found


def in_8_bits(W: Quantized, *, transposed: bool = False) -> np.ndarray:
    """Return the same of a matrix that is there in 8 bits alone."""
    found = program(W.integers, transposed=transposed)
    found[0, [MATRIX, INT8, SCALES]] = 0, W.integers.ctypes.data, W.scales.ctypes.data
    return found


FORMS = ["float32", "int8", "transposed", "int8 transposed"]


def products(helped: bool, count: int, form: str) -> np.ndarray:
    from rnnkit.compute.kernels import vector_product as kernels

    W, x, room = matrix(), vector(), teams.team(ROWS, COLUMNS_OF_W)
    transposed = "transposed" in form
    held = quantized(np.ascontiguousarray(W.T) if transposed else W)
    floats = held.floats()
    if "int8" in form:
        table = in_8_bits(held, transposed=transposed)
    else:
        table = program(floats, transposed=transposed)
    found = np.empty((count, COLUMNS_OF_W), np.float32)

    def multiply() -> None:
        for y in found:
            kernels.vector_product(table, 0, x, y, room.task)

    def stop() -> None:
        room.task[teams.STOP] = 1

    if helped:
        parallel.assisted(multiply, partial(kernels.assist, table, room.task), stop)
    else:
        multiply()
    expected = x @ (floats.T if transposed else floats)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_equal_with_and_without_help_every_time(form: str) -> None:
    alone, helped = products(False, 1, form), products(True, 300, form)
    assert (helped == alone).all()


@pytest.mark.parametrize("transposed", [False, True])
def test_8_bits_of_one_row(transposed: bool) -> None:
    from rnnkit.compute.kernels import vector_product as kernels

    held, x, y = quantized(matrix(20, 17)), vector(), np.empty(20, np.float32)
    W = held.floats().T if transposed else held.floats()
    kernels.vector_product(in_8_bits(held, transposed=transposed), 0, x, y, alone())
    np.testing.assert_allclose(y[: W.shape[1]], x[: len(W)] @ W, rtol=1e-5, atol=1e-5)


def test_small_products_are_not_shared() -> None:
    from rnnkit.compute.kernels import vector_product as kernels

    W, x, y = matrix(20, 16), vector(), np.empty(16, np.float32)
    room = teams.team(ROWS, COLUMNS_OF_W)
    room.task[teams.PART] = 7
    kernels.vector_product(program(W), 0, x, y, room.task)
    assert room.task[teams.PART] == 7
    np.testing.assert_allclose(y, x[:20] @ W, rtol=1e-4, atol=1e-4)


def test_one_row_has_the_bits_that_it_has_among_many() -> None:
    from rnnkit.compute.kernels import vector_product as kernels
    from rnnkit.compute.kernels.product import multiply_rows
    from rnnkit.compute.products import packed

    W, rows = matrix(), np.random.default_rng(2).standard_normal((9, ROWS), np.float32)
    many, one = np.empty((2, 9, COLUMNS_OF_W), np.float32)
    multiply_rows(rows, packed(W), many, 0, 9)
    for x, y in zip(rows, one, strict=True):
        kernels.vector_product(program(W), 0, x, y, alone())
    assert (one == many).all()


def test_a_matrix_used_transposed() -> None:
    from rnnkit.compute.kernels import vector_product as kernels

    W, x, y = matrix(33, ROWS), vector(), np.empty(33, np.float32)
    kernels.vector_product(program(W, transposed=True), 0, x, y, alone())
    np.testing.assert_allclose(y, W @ x, rtol=1e-4, atol=1e-3)


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


def plan(int8: bool = False) -> Plan:
    random = np.random.default_rng(1)
    shapes = {"table": (9, 40), "W": (40, 9)}
    params = {"a": {n: random.standard_normal(s).astype(np.float32) for n, s in shapes.items()}}
    stages = (*lookup(Weights("table")), *affine(Weights("W"), None))
    table = make_table([("a", stages)], {"a": shapes}, 9)
    assert table
    return make_plan(table, params, (), int8)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_the_ids_do_not_depend_on_threads(
    count: int, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = np.random.default_rng(2).random((50, 3))
    monkeypatch.setattr("rnnkit.compute.stack.parameters.FOLDED", 1)

    def ids(streams: int) -> list[list[int]]:
        plans = [plan(int8) for _ in range(streams)]
        options = (1.0, 9, 1.0)
        found = sampler.tokens(plans, np.zeros(streams, int), drawn[:, :streams], options)
        return found.T.tolist()

    monkeypatch.setattr(parallel, "threads", lambda: 1)
    monkeypatch.setattr(sampler, "threads", lambda: 1)
    alone = ids(3)
    monkeypatch.setattr(sampler, "threads", lambda: count)
    monkeypatch.setattr(sampler, "LARGE", 1)
    assert ids(3) == alone
    assert ids(1) == alone[:1]
