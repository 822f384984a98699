"""The pointwise part of a simple recurrent step, with tanh or relu."""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.functions import compiled_tanh
from rnnkit.compute.kernels.jit import jit


@jit
def tanh_forward(window: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Write h' = tanh(zx + zh)."""
    zxs, zhs, _, (hs,) = window
    units = hs.shape[2]
    for b in range(first, last):
        z, r, h_new = zxs[t, b], zhs[0, b], hs[new, b]
        for k in range(units):
            h_new[k] = compiled_tanh(z[k] + r[k])


@jit
def tanh_backward(
    window: Any, adjoint: Any, t: int, old: int, new: int, first: int, last: int
) -> None:
    """Write dzxs[t] from the gradient of h'."""
    zxs, _, _, (hs,) = window
    dys, product, _, dzxs, _, _ = adjoint
    units = product.shape[1]
    one = zxs.dtype.type(1)
    for b in range(first, last):
        d, dy, dh, h_new = dzxs[t, b], dys[t, b], product[b], hs[new, b]
        for k in range(units):
            d[k] = (dy[k] + dh[k]) * (one - h_new[k] * h_new[k])


@jit
def relu_forward(window: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Write h' = max(zx + zh, 0), NaN kept."""
    zxs, zhs, _, (hs,) = window
    units = hs.shape[2]
    zero = zxs.dtype.type(0)
    for b in range(first, last):
        z, r, h_new = zxs[t, b], zhs[0, b], hs[new, b]
        for k in range(units):
            value = z[k] + r[k]
            h_new[k] = zero if value < zero else value


@jit
def relu_backward(
    window: Any, adjoint: Any, t: int, old: int, new: int, first: int, last: int
) -> None:
    """Write dzxs[t] from the gradient of h'."""
    zxs, _, _, (hs,) = window
    dys, product, _, dzxs, _, _ = adjoint
    units = product.shape[1]
    zero = zxs.dtype.type(0)
    for b in range(first, last):
        d, dy, dh, h_new = dzxs[t, b], dys[t, b], product[b], hs[new, b]
        for k in range(units):
            d[k] = dy[k] + dh[k] if h_new[k] > zero else zero
