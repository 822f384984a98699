"""Flat buffers piece by piece: a piece stays in the cache through all operations of an update."""

from __future__ import annotations

from collections.abc import Iterator

from rnnkit.types import Array

BLOCK = 65536
"""Values in a piece: whole buffers took twice as long with Adam at 20 million parameters."""


def blocks(*buffers: Array) -> Iterator[tuple[Array, ...]]:
    """Yield equal pieces of buffers of one size, as views."""
    for start in range(0, buffers[0].size, BLOCK):
        yield tuple(buffer[start : start + BLOCK] for buffer in buffers)


def add_decay(rate: float, params: Array, grads: Array, decayed: slice) -> None:
    """Add the gradient of rate/2 |p|^2 to `grads[decayed]`, in place."""
    if rate:
        for p, g in blocks(params[decayed], grads[decayed]):
            g += rate * p
