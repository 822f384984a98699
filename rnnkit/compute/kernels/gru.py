"""The pointwise part of a GRU step, reset after the product; gates packed r, z, n; state h."""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.functions import compiled_sigmoid, compiled_tanh
from rnnkit.compute.kernels.jit import jit


@jit
def forward(window: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Turn zxs[t] into the gates, add the recurrent bias to zhs[t], and write the new h."""
    zxs, zhs, (bias,), (hs,) = window
    units = hs.shape[2]
    half, one = zxs.dtype.type(0.5), zxs.dtype.type(1)
    for b in range(first, last):
        x, y, h, h_new = zxs[t, b], zhs[t, b], hs[old, b], hs[new, b]
        for k in range(2 * units):
            x[k] = compiled_sigmoid(x[k] + y[k], half)
        r, z, n, q = x[:units], x[units : 2 * units], x[2 * units :], y[2 * units :]
        for k in range(units):
            recurrent = q[k] + bias[k]
            q[k] = recurrent
            candidate = compiled_tanh(n[k] + r[k] * recurrent)
            n[k] = candidate
            h_new[k] = (one - z[k]) * candidate + z[k] * h[k]


@jit
def backward(window: Any, adjoint: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Write dzxs[t] and dzhs[t]; the part of dh that does not pass the product goes to carry."""
    zxs, zhs, _, (hs,) = window
    dys, product, (direct,), dzxs, dzhs, (dbias,) = adjoint
    units = product.shape[1]
    one = zxs.dtype.type(1)
    for b in range(first, last):
        x, y, h = zxs[t, b], zhs[t, b], hs[old, b]
        dx, dy, d, dp, dd = dzxs[t, b], dzhs[t, b], dys[t, b], product[b], direct[b]
        r, z, n, q = x[:units], x[units : 2 * units], x[2 * units :], y[2 * units :]
        dxr, dxz, dxn = dx[:units], dx[units : 2 * units], dx[2 * units :]
        dyr, dyz, dyn = dy[:units], dy[units : 2 * units], dy[2 * units :]
        for k in range(units):
            dh = d[k] + dp[k] + dd[k]
            dn = dh * (one - z[k]) * (one - n[k] * n[k])
            dr = dn * q[k] * r[k] * (one - r[k])
            dz = dh * (h[k] - n[k]) * z[k] * (one - z[k])
            dq = dn * r[k]
            dxr[k] = dr
            dxz[k] = dz
            dxn[k] = dn
            dyr[k] = dr
            dyz[k] = dz
            dyn[k] = dq
            dbias[k] += dq
            dd[k] = dh * z[k]
