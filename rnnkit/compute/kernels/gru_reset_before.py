"""The sequence of a GRU whose reset gate comes before the product: two products a step.

Gates r and z lie together in `gates` (T, B, 2H), the candidate in `candidates` (T, B, H).
"""

from __future__ import annotations

from typing import Any

from rnnkit.compute.kernels.functions import compiled_sigmoid, compiled_tanh
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.product import multiply_rows


@jit
def forward(
    gates: Any,
    candidates: Any,
    kept: Any,
    hs: Any,
    products: Any,
    packed: Any,
    initial: Any,
    resets: Any,
    stride: int,
    first: int,
    last: int,
) -> None:
    """Turn gates and candidates, the inputs' part with the bias, into their values; write hs.

    `kept` (T, B, H) becomes r h, `products` is scratch for (B, 2H) and (B, H), `packed` holds the
    recurrent matrices of the gates and of the candidate.
    """
    gate_products, candidate_products = products
    units = hs.shape[2]
    half, one = hs.dtype.type(0.5), hs.dtype.type(1)
    for t in range(len(gates)):
        old = t * stride
        for row in range(first, last):
            if t > 0 and stride == 2:
                hs[old, row] = hs[old - 1, row]
            if len(resets) > 0 and resets[t, row]:
                hs[old, row] = initial[row]
        multiply_rows(hs[old], packed[0], gate_products, first, last)
        for row in range(first, last):
            gate, recurrent, h, product = (
                gates[t, row],
                gate_products[row],
                hs[old, row],
                kept[t, row],
            )
            for k in range(2 * units):
                gate[k] = compiled_sigmoid(gate[k] + recurrent[k], half)
            for k in range(units):
                product[k] = gate[k] * h[k]
        multiply_rows(kept[t], packed[1], candidate_products, first, last)
        for row in range(first, last):
            n, recurrent, z = candidates[t, row], candidate_products[row], gates[t, row][units:]
            h, h_new = hs[old, row], hs[old + 1, row]
            for k in range(units):
                n[k] = compiled_tanh(n[k] + recurrent[k])
            for k in range(units):
                h_new[k] = (one - z[k]) * n[k] + z[k] * h[k]


@jit
def backward(
    gates: Any,
    candidates: Any,
    hs: Any,
    dys: Any,
    dh: Any,
    dgates: Any,
    dcandidates: Any,
    products: Any,
    packed: Any,
    resets: Any,
    stride: int,
    first: int,
    last: int,
) -> None:
    """Write dgates and dcandidates; dh (B, H) goes from the last state to the first.

    `products` is scratch for two (B, H), `packed` holds the transposed recurrent matrices.
    """
    dkept, dold = products
    units = hs.shape[2]
    one, zero = hs.dtype.type(1), hs.dtype.type(0)
    for t in range(len(gates) - 1, -1, -1):
        old = t * stride
        for row in range(first, last):
            z, n, h = gates[t, row][units:], candidates[t, row], hs[old, row]
            d, dy, dz, dn = dh[row], dys[t, row], dgates[t, row][units:], dcandidates[t, row]
            for k in range(units):
                whole = d[k] + dy[k]
                dn[k] = whole * (one - z[k]) * (one - n[k] * n[k])
                dz[k] = whole * (h[k] - n[k]) * z[k] * (one - z[k])
                d[k] = whole * z[k]
        multiply_rows(dcandidates[t], packed[1], dkept, first, last)
        for row in range(first, last):
            r, h, d, dk, dr = gates[t, row], hs[old, row], dh[row], dkept[row], dgates[t, row]
            for k in range(units):
                dr[k] = dk[k] * h[k] * r[k] * (one - r[k])
                d[k] += dk[k] * r[k]
        multiply_rows(dgates[t], packed[0], dold, first, last)
        for row in range(first, last):
            d, product = dh[row], dold[row]
            stops = len(resets) > 0 and resets[t, row]
            for k in range(units):
                d[k] = zero if stops else d[k] + product[k]
