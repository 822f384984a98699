"""Scratch memory that is handed out again, bounded where windows differ; numbers that have keys."""

from __future__ import annotations

import numpy as np

from rnnkit.core.context import DRAWS, Context, Pool

FLOAT = np.dtype(np.float32)


def held(pool: Pool) -> int:
    return sum(array.nbytes for free in pool._free.values() for array in free)


def test_equal_windows_get_the_same_memory() -> None:
    pool = Pool()
    first = [pool.take((3, 4), FLOAT), pool.take((3, 4), FLOAT)]
    pool.recycle()
    again = [pool.take((3, 4), FLOAT), pool.take((3, 4), FLOAT)]
    assert {id(array) for array in first} == {id(array) for array in again}


def test_an_array_in_use_is_not_handed_out_twice() -> None:
    pool = Pool()
    first, second = pool.take((5,), FLOAT), pool.take((5,), FLOAT)
    assert not np.shares_memory(first, second)


def test_windows_of_many_lengths_hold_no_more_than_two_of_the_longest() -> None:
    pool = Pool()
    for length in [*range(1, 200), *range(200, 0, -7)]:
        for _ in range(3):
            pool.take((length, 8), FLOAT)
        pool.recycle()
        assert held(pool) <= 2 * 3 * 200 * 8 * FLOAT.itemsize
        assert held(pool) == pool._held


def test_fill_marks_what_was_not_written() -> None:
    pool = Pool(fill=np.nan)
    pool.take((2,), FLOAT)[...] = 1
    pool.recycle()
    assert np.isnan(pool.take((2,), FLOAT)).all()
    assert pool.take((2,), np.dtype(np.int32)).dtype == np.int32


def test_numbers_differ_by_every_key_and_by_time_unless_locked() -> None:
    ctx = Context(seed=1, path="a", step=2)
    changes = ({}, {"seed": 2}, {"path": "b"}, {"step": 3}, {"time": 1}, {"shard": 1})
    found = [ctx.but(**change) for change in changes]
    assert len({each.random().random() for each in found}) == len(changes)
    assert ctx.later(4).random(locked=True).random() == ctx.random(locked=True).random()
    whole = ctx.random().random(3 * DRAWS, np.float32)
    assert np.array_equal(ctx.random(past=2).random(DRAWS, np.float32), whole[2 * DRAWS :])
