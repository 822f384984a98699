"""Work shared among threads: parts of a batch, of a product (products.py), of a buffer.

The threads of a BLAS wait for their next product in a busy loop, which takes a core from whatever
else runs there: the compiled loops of the other streams, or another program. So large products are
divided here, and the BLAS computes each part on the thread that asks for it. How many threads there
are follows the BLAS all the same: `--threads`, and whatever limits it in a script, holds for both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock, local
from typing import TypeVar

from rnnkit.compute.numpy_blas import numpy_blas
from rnnkit.compute.shard_tree import Range, even_ranges

R = TypeVar("R")

WORTH = 1.5e7
"""Multiplications that take longer than waking a thread, some 0.1 ms."""

MEMORY_BOUND = 8.0
"""Multiplications that take as long as a pass over one value in memory."""


@dataclass
class _Claim:
    """The threads that the BLAS had before `ours`, and how many are in it; one for the process.

    So is the number that the BLAS has. Whoever comes first sets it, and gives it back: OpenBLAS
    does not heed another thread than the main one.
    """

    count: int = 0
    depth: int = 0
    lock: Lock = field(default_factory=Lock)


_claim = _Claim()
_thread = local()
_blas = cache(numpy_blas)


def threads() -> int:
    """Return how many threads may compute: as many as the BLAS uses, or did before `ours`.

    One on a thread of ours: it would wait for itself.
    """
    if getattr(_thread, "ours", False):
        return 1
    with _claim.lock:
        return _available()


def _available() -> int:
    blas = _blas()
    return _claim.count if _claim.depth else (blas.num_threads if blas else 1)


@contextmanager
def ours() -> Iterator[None]:
    """Let the BLAS compute on the thread that asks; what is divided here is so as before."""
    blas = _blas()
    with _claim.lock:
        first, count = not _claim.depth, _available()
        _claim.count = count
        _claim.depth += 1
        if blas and first and count > 1:
            blas.set_num_threads(1)
    try:
        yield
    finally:
        with _claim.lock:
            _claim.depth -= 1
            if blas and first and count > 1:
                blas.set_num_threads(count)


@contextmanager
def undivided() -> Iterator[None]:
    """Let this thread compute alone: what it does is not divided."""
    before = getattr(_thread, "ours", False)
    _thread.ours = True
    try:
        yield
    finally:
        _thread.ours = before


def shares(size: int, work: float, fewest: int = 4) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of `size` rows, one for each thread, at least `fewest` each.

    `work` counts the multiplications of all of it; what is small is not divided.
    """
    parts = max(1, min(threads(), size // fewest)) if work >= WORTH else 1
    return [(size * part // parts, size * (part + 1) // parts) for part in range(parts)]


def run(tasks: Sequence[Callable[[], R]]) -> list[R]:
    """Run all, the first on this thread; return what they return, or raise, once all have ended."""
    if len(tasks) == 1:
        return [tasks[0]()]
    with ours():
        others = [_pool(len(tasks) - 1).submit(task) for task in tasks[1:]]
        try:
            first = tasks[0]()
        finally:
            wait(others)
        return [first, *(other.result() for other in others)]


def divided(size: int, work: float, task: Callable[[int, int], R], fewest: int = 4) -> list[R]:
    """Return what task(first, last) returns for each share of `size` rows, in order."""
    if work < WORTH:
        return [task(0, size)]
    return run([partial(task, *share) for share in shares(size, work, fewest)])


def run_undivided(size: int, task: Callable[[int], R]) -> list[R]:
    """Return what `task` returns for each of `size` numbers, in order, each on one thread."""

    def some(numbers: Range) -> list[R]:
        with undivided():
            return [task(number) for number in range(*numbers)]

    with ours():
        ranges = even_ranges(size, min(threads(), size))
        # A thread does not inherit what NumPy was told to do about an overflow.
        found = run([partial(copy_context().run, some, numbers) for numbers in ranges])
    return [result for part in found for result in part]


def assisted(task: Callable[[], R], helper: Callable[[], None], stop: Callable[[], None]) -> R:
    """Return what `task` returns; `helper` runs on another thread until `stop` tells it to end."""
    other = _pool(1).submit(helper)
    try:
        return task()
    finally:
        stop()
        other.result()


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "rnnkit", partial(setattr, _thread, "ours", True))


def _forked() -> None:
    """A forked child has the pool but not its threads, and the lock as it was just then."""
    _pool.cache_clear()
    _claim.lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
