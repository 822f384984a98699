"""Normalization over the features of each row, one pass forward and one backward."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from rnnkit.compute.kernels.jit import jit


@partial(jit, copied=True)
def centre(x: Any, n: Any, epsilon: float) -> Any:
    """Write x - mean to n, which may be x; return 1 / sqrt(variance + epsilon)."""
    width, total = len(x), x.dtype.type(0)
    squares = total
    for k in range(width):
        total += x[k]
    mean = total / x.dtype.type(width)
    for k in range(width):
        n[k] = x[k] - mean
        squares += n[k] * n[k]
    return x.dtype.type(1 / math.sqrt(squares / width + epsilon))


@jit
def forward(
    xs: Any, gain: Any, bias: Any, epsilon: float, normal: Any, scales: Any, ys: Any
) -> None:
    """Write `normal` (N, F), 1 / sqrt(variance + epsilon) in `scales` (N,), and ys (N, F)."""
    width = xs.shape[1]
    for row in range(len(xs)):
        n, y = normal[row], ys[row]
        scale = centre(xs[row], n, epsilon)
        scales[row] = scale
        for k in range(width):
            n[k] = n[k] * scale
            y[k] = n[k] * gain[k] + bias[k]


@jit
def backward(
    dys: Any, gain: Any, normal: Any, scales: Any, dgain: Any, dbias: Any, dxs: Any
) -> None:
    """Write dxs (N, F) and add to dgain and dbias (F,)."""
    width = dys.shape[1]
    zero, size = dys.dtype.type(0), dys.dtype.type(dys.shape[1])
    for row in range(len(dys)):
        d, n, dx = dys[row], normal[row], dxs[row]
        total, along = zero, zero
        for k in range(width):
            slope = d[k] * gain[k]
            total += slope
            along += slope * n[k]
        mean, slant, scale = total / size, along / size, scales[row]
        for k in range(width):
            dx[k] = scale * (d[k] * gain[k] - mean - n[k] * slant)
        for k in range(width):
            dgain[k] += d[k] * n[k]
        for k in range(width):
            dbias[k] += d[k]
