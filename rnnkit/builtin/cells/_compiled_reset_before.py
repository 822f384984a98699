"""The window of a GRU with the reset gate before the product, by compiled loops."""

from __future__ import annotations

from functools import partial
from types import ModuleType

import numpy as np

from rnnkit.compute.compiled_scan import check_gradients, check_window, flat, restarts
from rnnkit.compute.parallel import run, shares
from rnnkit.compute.products import add_product, multiply, packed
from rnnkit.core.context import Context
from rnnkit.types import Array, Backward, Grads, Params, State


def scan(
    kernels: ModuleType,
    params: Params,
    xs: Array,
    state: State,
    initial: Array,
    resets: Array | None,
    ctx: Context,
) -> tuple[Array, State, Backward]:
    """Run all steps of `xs` (T, B, F) from `state`, (h,); the gates and the candidate lie apart."""
    (steps, batch, _), units = xs.shape, state[0].shape[1]
    gate, candidate = slice(0, 2 * units), slice(2 * units, None)
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    check_window(params, xs, state, resets, ctx)
    resets, stride = restarts(resets, batch)
    parts = []
    for block, width in ((gate, 2 * units), (candidate, units)):
        zs = ctx.empty((steps, batch, width))
        multiply(flat(xs), Wx[:, block], flat(zs))
        zs += b[block]
        parts.append(zs)
    gates, candidates = parts
    kept = ctx.empty((steps, batch, units))
    hs = ctx.empty((steps * stride + (stride == 1), batch, units))
    hs[0] = state[0]
    streams = shares(batch, steps * batch * Wh.size)
    products = ctx.empty((batch, 2 * units)), ctx.empty((batch, units))
    matrices = packed(Wh[:, gate]), packed(Wh[:, candidate])
    loop = partial(
        kernels.forward, gates, candidates, kept, hs, products, matrices, initial, resets, stride
    )
    run([partial(loop, *share) for share in streams])

    def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        check_gradients(dys, dstate, xs, state)
        dys, dh = np.ascontiguousarray(dys), dstate[0].copy()
        dgates, dcandidates = ctx.empty(gates.shape), ctx.empty(candidates.shape)
        products = ctx.empty((batch, units)), ctx.empty((batch, units))
        matrices = packed(Wh[:, gate].T), packed(Wh[:, candidate].T)
        loop = partial(kernels.backward, gates, candidates, hs, dys, dh, dgates, dcandidates)
        loop = partial(loop, products, matrices, resets, stride)
        run([partial(loop, *share) for share in streams])
        entered = hs[: steps * stride : stride]
        blocks = ((gate, dgates, entered), (candidate, dcandidates, kept)) if ctx.learns else ()
        for block, dzs, read in blocks:
            for name, inputs in (("Wx", xs), ("Wh", read)):
                into = grads[name][:, block]
                add_product(flat(inputs).T, flat(dzs), into, ctx.empty(into.shape))
            grads["b"][block] += flat(dzs).sum(axis=0)
        if not ctx.learns_below:
            return None, (dh,)
        dxs, more = ctx.empty(xs.shape), ctx.empty(xs.shape)
        multiply(flat(dgates), Wx[:, gate].T, flat(dxs))
        dxs += multiply(flat(dcandidates), Wx[:, candidate].T, flat(more)).reshape(xs.shape)
        return dxs, (dh,)

    return np.ascontiguousarray(hs[1::stride]), (hs[-1],), backward
