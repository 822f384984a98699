"""Who reads the streams of an evaluation: all at once, or shards, each on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from rnnkit.compute.parallel import run_undivided
from rnnkit.compute.shard_tree import even_ranges
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.loss import summed
from rnnkit.core.context import Context
from rnnkit.network.network import Network, loss_context
from rnnkit.network.states import States, copied
from rnnkit.types import Array, Params


class EvaluatedPiece(NamedTuple):
    """Outputs (T, B, F), the summed loss and its weight; `ys` is memory that is used again."""

    ys: Array
    total: float
    weight: float


@dataclass
class ShardReader:
    """Some streams: their state, and scratch memory of their own."""

    network: Network
    params: Mapping[str, Params]
    streams: slice
    states: States
    ctx: Context = field(default_factory=lambda: Context(dtype=np.dtype(np.float32)))

    def read(self, batch: Batch, start: int) -> EvaluatedPiece:
        """Run the streams of a batch, a piece of its window that begins at step `start`."""
        self.ctx.pool.recycle()
        ctx = replace(self.ctx.later(start), valid=batch.valid)
        ys, after = self.network.run(self.params, batch, self.states, ctx)
        self.states = copied(after)
        own = loss_context(self.ctx, batch)
        total, weight, _ = summed(self.network.loss, ys, batch.targets, batch.weights, own)
        return EvaluatedPiece(ys, total, weight)


class ShardReaders:
    """All streams, from the states before the first window on; one reader for each shard.

    Where there is one shard alone its products are divided among the threads. Of several, or as
    many as there are streams, each is read on one thread, so that the number of threads changes no
    bit.
    """

    def __init__(
        self, network: Network, params: Mapping[str, Params], streams: int, shards: int
    ) -> None:
        def reader(first: int, last: int) -> ShardReader:
            states = network.initial_states(last - first, np.dtype(np.float32))
            return ShardReader(network, params, slice(first, last), states)

        self._divided = shards == 1
        self._each = [reader(*rows) for rows in even_ranges(streams, min(shards, streams))]

    def read(self, batch: Batch, start: int) -> EvaluatedPiece:
        """Run a piece of a window; sums are formed in the order of the streams."""
        each = self._each
        if self._divided:
            return each[0].read(batch, start)

        def of_shard(number: int) -> EvaluatedPiece:
            return each[number].read(batch.streams(each[number].streams), start)

        found = run_undivided(len(each), of_shard)
        ys = np.concatenate([part.ys for part in found], axis=1)
        return EvaluatedPiece(
            ys, sum(part.total for part in found), sum(part.weight for part in found)
        )
