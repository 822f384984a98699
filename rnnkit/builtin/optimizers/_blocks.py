"""Flat buffers in one pass: by a kernel, or piece by piece.

A piece stays in the cache through all operations that NumPy needs for an update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.parallel import MEMORY_BOUND, divided
from rnnkit.types import Array

BLOCK = 65536
"""Values in a piece: whole buffers took twice as long with Adam at 20 million parameters."""


def buffer_blocks(*buffers: Array) -> Iterator[tuple[Array, ...]]:
    """Yield equal pieces of buffers of one size, as views."""
    for start in range(0, buffers[0].size, BLOCK):
        yield tuple(buffer[start : start + BLOCK] for buffer in buffers)


def add_decay(rate: float, params: Array, grads: Array, decayed: slice) -> None:
    """Add the gradient of rate/2 |p|^2 to `grads[decayed]`, in place."""
    if rate:
        for p, g in buffer_blocks(params[decayed], grads[decayed]):
            g += rate * p


def by_kernel(
    name: str, buffers: Sequence[Array], decay: float, decayed: slice, *rest: float
) -> bool:
    """Run a kernel over the buffers, with `decay` over `buffers[decayed]` and 0 beside it.

    Returns False, with nothing done, where kernels are off.
    """
    kernels = kernel_module("optimizers")
    if kernels is None:
        return False
    kernel = getattr(kernels, name)
    for part, rate in _parts(decay, decayed):
        size = buffers[0][part].size
        divided(size, MEMORY_BOUND * size, partial(_share, kernel, buffers, part, rate, rest))
    return True


def _share(
    kernel: Callable[..., None],
    buffers: Sequence[Array],
    part: slice,
    rate: float,
    rest: Sequence[float],
    first: int,
    last: int,
) -> None:
    kernel(*(buffer[part][first:last] for buffer in buffers), rate, *rest)


def _parts(decay: float, decayed: slice) -> list[tuple[slice, float]]:
    if not decay:
        return [(slice(None), 0.0)]
    start, stop = decayed.start, decayed.stop
    return [(slice(0, start), 0.0), (decayed, decay), (slice(stop, None), 0.0)]
