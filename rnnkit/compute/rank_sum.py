"""The sum over the shards that several ranks hold, formed as the tree says.

Each rank adds up a part of every chunk of the gradient and gives it to the others. They send and
receive views, so that nothing is copied but what travels, and while a chunk is added up the next
one is on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnkit.compute.shard_tree import Range, add_subtrees, even_ranges, subtrees
from rnnkit.types import Array

CHUNK = 1 << 20
"""Values that are summed at a time: few messages, and little memory for what is received."""

PARTIAL, TOTAL = 0, 1
"""Tags: sums over subtrees, and the sum over all shards."""


def sum_over_ranks(comm: Any, sums: Mapping[Range, Array], shards: int, out: Array) -> None:
    """Write the sum over all shards to `out` (P,) on all ranks, each of which has some subtrees.

    `comm` is a communicator of mpi4py. The leftmost of `sums` is written over.
    """
    held = [subtrees(own, (0, shards)) for own in even_ranges(shards, comm.size)]
    travelling: deque[_Chunk] = deque()
    given: list[Any] = []
    for start in range(0, out.size, CHUNK):
        values = slice(start, start + CHUNK)
        own = {node: array[values] for node, array in sums.items()}
        travelling.append(_Chunk(comm, held, own, out[values]))
        if len(travelling) > 1:
            given += travelling.popleft().added(shards)
    while travelling:
        given += travelling.popleft().added(shards)
    _wait(given)


class _Chunk:
    """Some values of all subtrees: `own` on this rank, `held` by each one."""

    def __init__(
        self, comm: Any, held: list[list[Range]], own: dict[Range, Array], out: Array
    ) -> None:
        """Send each rank its part of what this one has, and receive the own part of the others'."""
        self._comm, self._out = comm, out
        self._parts = [slice(*part) for part in even_ranges(out.size, comm.size)]
        self._others = [rank for rank in range(comm.size) if rank != comm.rank]
        mine = self._parts[comm.rank]
        self._sums = {node: values[mine] for node, values in own.items()}
        self._requests = []
        for rank in self._others:
            for node in held[rank]:
                self._sums[node] = np.empty_like(out[mine])
                self._requests.append(comm.Irecv(self._sums[node], rank, PARTIAL))
            for node in held[comm.rank]:
                self._requests.append(comm.Isend(own[node][self._parts[rank]], rank, PARTIAL))

    def added(self, shards: int) -> list[Any]:
        """Add up the own part; return the requests that bring the parts of all ranks to all."""
        _wait(self._requests)
        own = self._out[self._parts[self._comm.rank]]
        own[...] = add_subtrees((0, shards), self._sums)
        requests = []
        for rank in self._others:
            requests.append(self._comm.Irecv(self._out[self._parts[rank]], rank, TOTAL))
            requests.append(self._comm.Isend(own, rank, TOTAL))
        return requests


def _wait(requests: list[Any]) -> None:
    for request in requests:
        request.Wait()
