"""Softmax cross-entropy against labels (T, B) by compiled kernels, alone or with its affine map."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np

from rnnkit.builtin.losses._rows import check_rows
from rnnkit.compute.parallel import divided
from rnnkit.compute.products import Product, added, blocks, multiply, multiply_all
from rnnkit.compute.window_arrays import flat
from rnnkit.core.context import Context
from rnnkit.types import Array

COST = 30.0
"""Multiplications that take as long as the softmax of one logit."""


def by_kernels(
    kernels: ModuleType,
    ys: Array,
    targets: Array,
    weights: Array,
    smoothing: float,
    ctx: Context,
) -> tuple[float, float, Callable[[], Array]]:
    """Return (total, weight, backward) for logits (T, B, V); only backward needs room for more."""
    check_rows(ys.shape[:-1], targets, weights)
    ys = np.ascontiguousarray(ys)
    labels, each = targets.reshape(-1), weights.reshape(-1)

    def loss(i: int, j: int) -> tuple[float, float]:
        found: tuple[float, float] = kernels.loss(flat(ys)[i:j], labels[i:j], each[i:j], smoothing)
        return found

    totals, weighed = zip(*divided(len(labels), COST * ys.size, loss), strict=True)

    @cache
    def backward() -> Array:
        dys = ctx.empty(ys.shape, ys.dtype)
        np.copyto(dys, ys)
        none = np.zeros(ys.shape[-1], ys.dtype)
        kernels.gradient(
            flat(dys), none, labels, each, smoothing, none.copy(), np.empty_like(labels)
        )
        return dys

    return sum(totals), sum(weighed), backward


def with_linear(
    kernels: ModuleType,
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
    check_rows(xs.shape[:-1], targets, weights)
    rows, dxs = flat(xs), ctx.empty(xs.shape)
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
