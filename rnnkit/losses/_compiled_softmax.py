"""Softmax cross-entropy against labels (T, B) by compiled kernels, alone or with its affine map."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType

import numpy as np

from rnnkit.context import Context
from rnnkit.types import Array


def by_kernels(
    kernels: ModuleType,
    ys: Array,
    targets: Array,
    weights: Array,
    smoothing: float,
    ctx: Context,
) -> tuple[float, float, Callable[[], Array]]:
    """Return (total, weight, backward) for logits (T, B, V); only backward needs room for more."""
    ys = np.ascontiguousarray(ys)
    wanted = (targets.reshape(-1), weights.reshape(-1), smoothing)
    total, weight = kernels.loss(_rows(ys), *wanted)

    @functools.cache
    def backward() -> Array:
        dys = ctx.empty(ys.shape, ys.dtype)
        np.copyto(dys, ys)
        none = np.zeros(ys.shape[-1], ys.dtype)
        kernels.gradient(_rows(dys), none, *wanted, none.copy())
        return dys

    return total, weight, backward


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
) -> tuple[float, float, Array]:
    """Return (total, weight, dxs) for logits xs W + b; add to dW and db.

    The logits of all rows stand in memory at once: blocks of rows never gained, and cost a pass
    over dW each.
    """
    rows = _rows(xs)
    logits = ctx.empty((len(rows), W.shape[1]))
    np.matmul(rows, W, out=logits)
    bias = np.zeros(W.shape[1], W.dtype) if b is None else b
    dbias = np.zeros_like(bias) if db is None else db
    total, weight = kernels.gradient(
        logits, bias, targets.reshape(-1), weights.reshape(-1), smoothing, dbias
    )
    # A tied table is given transposed; its product is formed in the layout of the sum.
    left, right, sums = (logits, rows, dW.T) if dW.flags.f_contiguous else (rows, logits, dW)
    sums += np.matmul(left.T, right, out=ctx.empty(sums.shape))
    dxs = ctx.empty(xs.shape)
    np.matmul(logits, W.T, out=_rows(dxs))
    return total, weight, dxs


def correct_by_kernels(kernels: ModuleType, ys: Array, targets: Array, weights: Array) -> float:
    """Return the summed weight of the targets that have the largest logit."""
    logits = _rows(np.ascontiguousarray(ys))
    found: float = kernels.correct(logits, targets.reshape(-1), weights.reshape(-1))
    return found


def _rows(sequence: Array) -> Array:
    return sequence.reshape(-1, sequence.shape[-1])
