"""Softmax cross-entropy against labels (T, B) by compiled kernels, alone or with its affine map."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType

import numpy as np

from rnnkit.builtin.losses._rows import check_labels
from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.kernels.object_code import array_address, kernel_entry
from rnnkit.compute.parallel import divided
from rnnkit.compute.products import Product, added, blocks, multiply, multiply_all
from rnnkit.compute.window_arrays import flat
from rnnkit.core.context import Context
from rnnkit.types import Array

COST = 30.0
"""Multiplications that take as long as the softmax of one logit."""


def by_kernels(
    ys: Array, targets: Array, weights: Array, smoothing: float, ctx: Context
) -> tuple[float, float, Callable[[], Array]]:
    """Return (total, weight, backward) for logits (T, B, V); only backward needs room for more."""
    check_labels(ys.shape[:-1], ys.shape[-1], targets, weights)
    ys = np.ascontiguousarray(ys)
    rows, labels, each = flat(ys), targets.reshape(-1), weights.reshape(-1)
    of_range = _of_float32 if ys.dtype == np.float32 else _of_float64
    loss = partial(of_range, rows, np.maximum(labels, -1), each, smoothing)
    totals, weighed = zip(*divided(len(labels), COST * ys.size, loss), strict=True)

    @cache
    def backward() -> Array:
        dys = ctx.empty(ys.shape, ys.dtype)
        np.copyto(dys, ys)
        none = np.zeros(ys.shape[-1], ys.dtype)
        gradient = _kernels().gradient
        gradient(flat(dys), none, labels, each, smoothing, none.copy(), np.empty_like(labels))
        return dys

    return sum(totals), sum(weighed), backward


def _of_float64(
    rows: Array, labels: Array, weights: Array, smoothing: float, first: int, last: int
) -> tuple[float, float]:
    """Return (total, weight) of some rows."""
    own = slice(first, last)
    found: tuple[float, float] = _kernels().loss(rows[own], labels[own], weights[own], smoothing)
    return found


def _of_float32(
    rows: Array, labels: Array, weights: Array, smoothing: float, first: int, last: int
) -> tuple[float, float]:
    """Do so without the compiler, which an evaluation needs for nothing else."""
    ids, each = labels[first:last].astype(np.int32), weights[first:last].astype(np.float64)
    found = np.empty(2)
    given = map(array_address, (rows[first:last], ids, each, found))
    kernel_entry("softmax", "loss_of_rows")(*given, *rows[first:last].shape, smoothing)
    total, weight = found.tolist()
    return total, weight


def _kernels() -> ModuleType:
    """Return the kernels of the softmax, for which the compiler is loaded."""
    kernels = kernel_module("softmax")
    assert kernels, "the caller has seen that kernels compute"
    return kernels


def with_linear(
    xs: Array,
    W: Array,
    b: Array | None,
    targets: Array,
    weights: Array,
    smoothing: float,
    dW: Array,
    db: Array | None,
    ctx: Context,
) -> tuple[float, float, Array, Array]:
    """Return (total, weight, dxs, chosen) for logits xs W + b; add to dW and db.

    `chosen` (T, B) are the labels where they are likeliest, else -1.

    The logits of all rows stand in memory at once: blocks of rows never gained, and cost a pass
    over dW each.
    """
    check_labels(xs.shape[:-1], W.shape[1], targets, weights)
    kernels, rows, dxs = _kernels(), flat(xs), ctx.empty(xs.shape)
    logits = multiply(rows, W, ctx.empty((len(rows), W.shape[1])))
    bias = np.zeros(W.shape[1], W.dtype) if b is None else b
    chosen = np.empty(targets.size, targets.dtype)

    def gradient(block: slice) -> tuple[float, float, Array]:
        wanted = (targets.reshape(-1)[block], weights.reshape(-1)[block], smoothing)
        own = np.zeros(bias.shape, bias.dtype)
        return (*kernels.gradient(logits[block], bias, *wanted, own, chosen[block]), own)

    def gradients(i: int, j: int) -> tuple[float, float, Array]:
        totals, weighed, dbias = zip(*map(gradient, blocks(i, j)), strict=True)
        return sum(totals), sum(weighed), added(dbias)

    found = divided(len(rows), COST * logits.size, gradients)
    totals, weighed, dbias = zip(*found, strict=True)
    if db is not None:
        db += added(dbias)
    # A tied table is given transposed; its product is formed in the layout of the sum.
    left, right, sums = (logits, rows, dW.T) if dW.flags.f_contiguous else (rows, logits, dW)
    multiply_all(
        Product(logits, W.T, flat(dxs)), Product(left.T, right, sums, ctx.empty(sums.shape))
    )
    return sum(totals), sum(weighed), dxs, chosen.reshape(targets.shape)
