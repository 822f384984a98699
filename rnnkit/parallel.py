"""Work shared among threads: parts of a batch, rows of a product.

The threads of a BLAS wait for their next product in a busy loop, which takes a core from whatever
else runs there: the compiled loops of the other streams, or another program. So large products are
divided here, and the BLAS computes each part on the thread that asks for it. How many threads there
are follows the BLAS all the same: `--threads`, and whatever limits it in a script, holds for both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from rnnkit.types import Array

R = TypeVar("R")

WORTH = 1.5e7
"""Multiplications that take longer than waking a thread, some 0.1 ms."""

MEMORY_BOUND = 8.0
"""Multiplications that take as long as a pass over one value in memory."""

MOST_SUMS = 4
"""Threads up to which each may form a sum of its own."""

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
    """Run all, the first on this thread; return what they return once the last has ended."""
    if len(tasks) == 1:
        return [tasks[0]()]
    with ours():
        others = [_pool(len(tasks) - 1).submit(task) for task in tasks[1:]]
        return [tasks[0](), *(other.result() for other in others)]


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


class Product(NamedTuple):
    """out = a b, or out += a b where there is scratch; a (n, k), b (k, m), the others (n, m)."""

    a: Array
    b: Array
    out: Array
    scratch: Array | None = None


def multiply(a: Array, b: Array, out: Array) -> Array:
    """Write a b into `out` and return it; a (n, k), b (k, m), out (n, m)."""
    multiply_all(Product(a, b, out))
    return out


def add_product(a: Array, b: Array, out: Array, scratch: Array) -> None:
    """Add a b to `out`; a (n, k), b (k, m), out and scratch (n, m)."""
    multiply_all(Product(a, b, out, scratch))


def multiply_all(*products: Product) -> None:
    """Form products of which none reads what another writes.

    Every thread takes its part of all of them in turn: threads that meet once wait once.
    """
    tasks: list[list[Callable[[], object]]] = []
    last: list[Callable[[], object]] = []
    for product in products:
        parts, sums = _divided(product)
        tasks += [[] for _ in parts[len(tasks) :]]
        for own, part in zip(tasks, parts, strict=False):
            own.append(partial(_form, part))
        last += [partial(np.add, product.out, own, out=product.out) for own in sums]
    run([partial(_in_turn, own) for own in tasks])
    _in_turn(last)


def _divided(product: Product) -> tuple[list[Product], list[Array]]:
    """Return a part for each thread, and sums of their own that are to be added to `out`.

    The longest of n, k and m is divided: every thread then reads (for k: writes) the smallest of
    the three matrices whole, and its own part of the others. Many threads do not divide k, which
    takes room for a matrix each.
    """
    a, b, out, scratch = product
    (n, k), m = a.shape, b.shape[1]
    longest = max(n, k, m) if threads() <= MOST_SUMS else max(n, m)
    ranges = shares(longest, a.size * m, fewest=16)
    if len(ranges) == 1:
        return [product], []
    if longest == k:
        (i, j), *others = ranges
        sums = [np.empty_like(out) for _ in others]
        own = [
            Product(a[:, i:j], b[i:j], total) for (i, j), total in zip(others, sums, strict=True)
        ]
        return [Product(a[:, i:j], b[i:j], out, scratch), *own], sums
    if longest == n:
        rows = [slice(i, j) for i, j in ranges]
        return [Product(a[i], b, out[i], None if scratch is None else scratch[i]) for i in rows], []
    columns = [np.s_[:, i:j] for i, j in ranges]
    return [Product(a, b[i], out[i], None if scratch is None else scratch[i]) for i in columns], []


def _form(product: Product) -> None:
    a, b, out, scratch = product
    if scratch is None:
        np.matmul(a, b, out=out)
    else:
        np.matmul(a, b, out=scratch)
        np.add(out, scratch, out=out)


def _in_turn(tasks: Sequence[Callable[[], object]]) -> None:
    for task in tasks:
        task()


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
