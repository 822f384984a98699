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
from contextvars import ContextVar
from functools import cache, partial
from typing import TypeVar

from threadpoolctl import LibController, ThreadpoolController

R = TypeVar("R")

WORTH = 1.5e7
"""Multiplications that take longer than waking a thread, some 0.1 ms."""

MEMORY_BOUND = 8.0
"""Multiplications that take as long as a pass over one value in memory."""

_claimed: ContextVar[int] = ContextVar("claimed", default=0)


def threads() -> int:
    """Return how many threads may compute: as many as the BLAS uses, or did before `ours`."""
    blas = _blas()
    return _claimed.get() or (blas.num_threads if blas else 1)


@contextmanager
def ours() -> Iterator[None]:
    """Let the BLAS compute on the thread that asks; what is divided here is so as before."""
    blas, count = _blas(), threads()
    if not blas or count == 1 or _claimed.get():
        yield
        return
    token, before = _claimed.set(count), blas.num_threads
    blas.set_num_threads(1)
    try:
        yield
    finally:
        blas.set_num_threads(before)
        _claimed.reset(token)


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


def assisted(task: Callable[[], R], helper: Callable[[], None], stop: Callable[[], None]) -> R:
    """Return what `task` returns; `helper` runs on another thread until `stop` tells it to end."""
    other = _pool(1).submit(helper)
    try:
        return task()
    finally:
        stop()
        other.result()


@cache
def _blas() -> LibController | None:
    found: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found[0] if found else None


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="rnnkit")


if hasattr(os, "register_at_fork"):
    # A forked child has the pool, but not its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
