"""The sum over shards: one order of additions, whoever computes them and on how many threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from rnnkit.compute.ranks import Ranks
from rnnkit.compute.shard_tree import add_subtrees, even_ranges, split, subtrees, sums_at_once
from rnnkit.compute.workers import Workers
from rnnkit.core.context import Pool

SHARDS = [1, 2, 3, 4, 5, 6, 7, 8, 11]


def gradients(shards: int) -> np.ndarray:
    """Numbers of which the sum depends on the order of the additions."""
    random = np.random.default_rng(shards)
    sizes = 10.0 ** random.integers(-4, 5, (shards, 50))
    return (random.normal(size=(shards, 50)) * sizes).astype(np.float32)


def as_the_tree_says(rows: np.ndarray) -> np.ndarray:
    """The left child of each node has the largest power of two that leaves something."""
    if len(rows) == 1:
        return rows[0]
    left = 1
    while 2 * left < len(rows):
        left *= 2
    return as_the_tree_says(rows[:left]) + as_the_tree_says(rows[left:])


class Half(Ranks):
    """One of two ranks; what the other one would hold is added as it would send it."""

    size = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def sum(self, sums: Any, shards: int, out: np.ndarray) -> None:
        self.sums = {node: array.copy() for node, array in sums.items()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shards", SHARDS)
def test_every_shard_is_added_once_in_the_order_of_the_tree(shards: int, threads: int) -> None:
    rows, workers, total = gradients(shards), Workers(), np.full(50, 7, np.float32)

    def learn(shard: int, gradient: np.ndarray, pool: Pool) -> str:
        assert not gradient.any()
        gradient += rows[shard]
        return f"shard {shard}"

    with threadpool_limits(threads, user_api="blas"):
        for _ in range(2):  # the second time in the memory of the first
            found = workers.run(shards, learn, total, Pool())
            assert found == [f"shard {shard}" for shard in range(shards)]
            assert np.array_equal(total, as_the_tree_says(rows))


@pytest.mark.parametrize("shards", SHARDS[1:])
def test_what_two_ranks_hold_is_the_same_sum(shards: int) -> None:
    rows, sums, found = gradients(shards), {}, []
    for rank in (0, 1):
        workers = Workers(Half(rank))
        first, last = workers.own(shards)

        def learn(shard: int, gradient: np.ndarray, pool: Pool) -> int:
            gradient += rows[shard]
            return shard

        found += workers.run(shards, learn, np.empty(50, np.float32), Pool())
        assert found[-1] == last - 1 and first == len(found) - (last - first)
        sums |= workers.ranks.sums
    assert found == list(range(shards))
    assert np.array_equal(add_subtrees((0, shards), sums), as_the_tree_says(rows))


def test_shards_are_divided_evenly_and_the_earlier_parts_are_the_smaller() -> None:
    assert even_ranges(7, 3) == [(0, 2), (2, 4), (4, 7)]
    assert even_ranges(2, 3) == [(0, 0), (0, 1), (1, 2)]


def test_the_tree() -> None:
    assert split((0, 2)) == ((0, 1), (1, 2))
    assert split((0, 7)) == ((0, 4), (4, 7)) and split((0, 8)) == ((0, 4), (4, 8))
    assert subtrees((1, 7), (0, 8)) == [(1, 2), (2, 4), (4, 6), (6, 7)]
    assert subtrees((0, 8), (0, 8)) == [(0, 8)] and subtrees((8, 9), (0, 8)) == []
    assert subtrees((4, 8), (0, 8)) == [(4, 8)] and subtrees((0, 0), (0, 8)) == []
    # One leaf waits at each level while the right side is added up.
    assert [sums_at_once([(0, n)]) for n in (1, 2, 3, 4, 8)] == [1, 2, 2, 3, 4]
