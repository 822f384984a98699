"""The pointwise part of an LSTM step; gates packed i, f, o, g; states h, c."""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.functions import compiled_sigmoid, compiled_tanh
from rnnkit.compute.kernels.jit import jit


@jit
def forward(window: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Turn zxs[t] into the gates and write the new h and c."""
    zxs, zhs, _, (hs, cs) = window
    units = hs.shape[2]
    half = zxs.dtype.type(0.5)
    for b in range(first, last):
        z, r = zxs[t, b], zhs[0, b]
        c, c_new, h_new = cs[old, b], cs[new, b], hs[new, b]
        for k in range(3 * units):
            z[k] = compiled_sigmoid(z[k] + r[k], half)
        i, f, o, g = z[:units], z[units : 2 * units], z[2 * units : 3 * units], z[3 * units :]
        recurrent = r[3 * units :]  # a loop that starts at 3 * units would not be vectorized
        for k in range(units):
            g[k] = compiled_tanh(g[k] + recurrent[k])
        for k in range(units):
            value = f[k] * c[k] + i[k] * g[k]
            c_new[k] = value
            h_new[k] = o[k] * compiled_tanh(value)


@jit
def backward(window: Any, adjoint: Any, t: int, old: int, new: int, first: int, last: int) -> None:
    """Write dzxs[t] from the gradient of h', dys[t] + product; carry goes from c' to c."""
    zxs, _, _, (_, cs) = window
    dys, product, (_, dcs), dzxs, _, _ = adjoint
    units = product.shape[1]
    one = zxs.dtype.type(1)
    for b in range(first, last):
        z, d, dy, dh, dc = zxs[t, b], dzxs[t, b], dys[t, b], product[b], dcs[b]
        c, c_new = cs[old, b], cs[new, b]
        i, f, o, g = z[:units], z[units : 2 * units], z[2 * units : 3 * units], z[3 * units :]
        di, df, do, dg = d[:units], d[units : 2 * units], d[2 * units : 3 * units], d[3 * units :]
        for k in range(units):
            squashed = compiled_tanh(c_new[k])
            e = dy[k] + dh[k]
            q = dc[k] + e * o[k] * (one - squashed * squashed)
            di[k] = q * g[k] * i[k] * (one - i[k])
            df[k] = q * c[k] * f[k] * (one - f[k])
            do[k] = e * squashed * o[k] * (one - o[k])
            dg[k] = q * i[k] * (one - g[k] * g[k])
            dc[k] = q * f[k]
