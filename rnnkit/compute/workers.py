"""Work on shards: each on one thread, wherever it is computed, and summed in one order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from rnnkit.compute.parallel import run_undivided, threads
from rnnkit.compute.ranks import Ranks
from rnnkit.compute.shard_tree import Range, add_subtrees, even_ranges, split, subtrees
from rnnkit.core.context import Pool
from rnnkit.types import Array

R = TypeVar("R")

Learn = Callable[[int, Array, Pool], R]
"""`learn(shard, gradient, pool)` adds the gradient of a shard to zeros, in memory of its own."""


@dataclass
class Workers:
    """Who computes the shards, and the scratch memory of the threads that do.

    The ranks divide the shards among them, and the threads of a rank its own. Each shard is
    computed on one thread, so that neither number changes a bit of it.
    """

    ranks: Ranks = field(default_factory=Ranks)
    _spare: list[Array] = field(default_factory=list, repr=False)
    _pools: list[Pool] = field(default_factory=list, repr=False)

    def own(self, shards: int) -> Range:
        """Return which of so many shards this process computes."""
        return even_ranges(shards, self.ranks.size)[self.ranks.rank]

    def run(self, shards: int, learn: Learn[R], gradient: Array, pool: Pool) -> list[R]:
        """Write the sum over the gradients of all shards; return what own ones gave, in order.

        Scratch memory is that of `pool`, filled as it is, and given back after each shard.
        """
        found: dict[int, R] = {}

        def leaf(pool: Pool, shard: int) -> Array:
            buffer = gradient if shard == first else self._buffer(gradient)
            buffer[...] = 0
            found[shard] = learn(shard, buffer, pool)
            pool.recycle()
            return buffer

        first, last = self.own(shards)
        parts = even_ranges(last - first, min(threads(), last - first))
        self._pools += [pool.another() for _ in parts[len(self._pools) :]]

        def subtree_sums(thread: int) -> dict[Range, Array]:
            start, stop = parts[thread]
            nodes = subtrees((first + start, first + stop), (0, shards))
            return {node: self._sum(node, partial(leaf, self._pools[thread])) for node in nodes}

        held = self.ranks.together(lambda: run_undivided(len(parts), subtree_sums))
        parts_of = {node: total for part in held for node, total in part.items()}
        # Threads cut the shards of a rank further than the ranks do.
        sums = {n: add_subtrees(n, parts_of) for n in subtrees((first, last), (0, shards))}
        self.ranks.sum(sums, shards, gradient)
        self._spare += (total for total in parts_of.values() if total is not gradient)
        return [found[shard] for shard in range(first, last)]

    def _sum(self, node: Range, leaf: Callable[[int], Array]) -> Array:
        if node[1] - node[0] == 1:
            return leaf(node[0])
        left, right = (self._sum(child, leaf) for child in split(node))
        left += right
        self._spare.append(right)
        return left

    def _buffer(self, gradient: Array) -> Array:
        try:
            return self._spare.pop()
        except IndexError:
            return np.empty_like(gradient)
