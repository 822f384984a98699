"""Products of matrices, shared among threads; with indicators of ids they are sums of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.parallel import MEMORY_BOUND, WORTH, divided, run, shares, threads
from rnnkit.types import Array

MOST_SUMS = 4
"""Threads up to which each may form a sum of its own."""
SUMMED = 512
"""Rows that are added up one after the other: 100,000 like numbers in float32 lose four digits."""


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

    Every thread takes its part of all of them in turn: threads that meet once wait once. What is
    small goes straight to its product.
    """
    tasks: list[list[Callable[[], object]]] = []
    last: list[Callable[[], object]] = []
    for product in products:
        if product.a.size * product.out.shape[1] < WORTH:
            _form(product)
            continue
        parts, sums = _divided(product)
        tasks += [[] for _ in parts[len(tasks) :]]
        for own, part in zip(tasks, parts, strict=False):
            own.append(partial(_form, part))
        last += [partial(np.add, product.out, own, out=product.out) for own in sums]
    if tasks:
        run([partial(_in_turn, own) for own in tasks])
        _in_turn(last)


def packed(matrix: Array) -> Array:
    """Return a matrix (k, m) as compiled loops read it.

    It is no scratch memory of the window: a window of one step would keep it for as long as all do.
    """
    kernels = kernel_module("product")
    assert kernels, "only compiled loops read packed matrices"
    from rnnkit.compute.kernels.registers import column_panels

    panels, columns = column_panels(matrix.shape[1], matrix.itemsize)
    into = np.empty(len(matrix) * columns, matrix.dtype)
    # Every value is read and written.
    divided(panels, 2 * MEMORY_BOUND * matrix.size, partial(kernels.pack, matrix, into))
    return into


def scatter_add(table: Array, ids: Array, rows: Array) -> None:
    """Add rows[k] to table[ids[k]] for every k, in an order that depends on the ids alone."""
    if kernels := kernel_module("rows"):
        add = partial(kernels.add_rows, table, ids, rows)
        divided(rows.shape[1], MEMORY_BOUND * rows.size, add)
        return
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    table[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)


def blocks(first: int, last: int) -> list[slice]:
    """Return the rows from `first` up to `last` in parts that are each added up by itself."""
    return [slice(at, min(at + SUMMED, last)) for at in range(first, last, SUMMED)]


def column_sums(rows: Array) -> Array:
    """Return the sums of the columns (m,) of rows (n, m), of which there are some."""
    return added([rows[block].sum(axis=0) for block in blocks(0, len(rows))])


def added(sums: Sequence[Array]) -> Array:
    """Return the sum of the sums of blocks, in their type."""
    found: Array = np.sum(sums, axis=0, dtype=np.float64).astype(sums[0].dtype)
    return found


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
    if longest not in (n, m):
        (i, j), *others = ranges
        sums = [np.empty_like(out) for _ in others]
        own = [
            Product(a[:, i:j], b[i:j], total) for (i, j), total in zip(others, sums, strict=True)
        ]
        return [Product(a[:, i:j], b[i:j], out, scratch), *own], sums
    parts = []
    for i, j in ranges:
        place = np.s_[i:j, :] if longest == n else np.s_[:, i:j]
        left, right = (a[i:j], b) if longest == n else (a, b[:, i:j])
        parts.append(Product(left, right, out[place], None if scratch is None else scratch[place]))
    return parts, []


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
