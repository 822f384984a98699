"""The sequence of a gated cell whose pointwise part is compiled: no allocation inside the loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnkit.context import Context
from rnnkit.kernels.kernel import Adjoint, Kernel, Window
from rnnkit.types import Array, Backward, Grads, Params, State


def fused_scan(
    kernel: Kernel,
    pointwise: Sequence[str],
    params: Params,
    xs: Array,
    state: State,
    initial: State,
    resets: Array | None,
    ctx: Context,
) -> tuple[Array, State, Backward]:
    """Run all steps of `xs` (T, B, F); `pointwise` names the parameters that the kernel takes.

    The states of all steps lie in one array each. Where streams restart in the middle, a step has a
    place for what enters it beside the place for what it gives.
    """
    steps, batch, _ = xs.shape
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    gated = (steps, batch, Wh.shape[1])
    restarts: Array = np.zeros(steps, bool)
    if resets is not None:
        np.any(resets, axis=1, out=restarts)
    stride = 2 if restarts[1:].any() else 1
    zxs = ctx.empty(gated)
    np.matmul(flat(xs), Wx, out=flat(zxs))
    zxs += b
    length = steps * stride + (stride == 1)
    states = tuple(ctx.empty((length, *array.shape)) for array in state)
    zhs = ctx.empty(gated if kernel.split else (1, *gated[1:]))
    window = Window(zxs, zhs, tuple(params[name] for name in pointwise), states)
    for all_steps, array in zip(states, state, strict=True):
        all_steps[0] = array
    for t in range(steps):
        old = t * stride
        if t and stride == 2:
            for all_steps in states:
                all_steps[old] = all_steps[old - 1]
        if resets is not None and restarts[t]:
            for all_steps, start in zip(states, initial, strict=True):
                np.copyto(all_steps[old], start, where=resets[t, :, None])
        np.matmul(states[0][old], Wh, out=zhs[t if kernel.split else 0])
        kernel.forward(window, t, old, old + 1)

    def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array, State]:
        dys = np.ascontiguousarray(dys)
        dzxs = ctx.empty(gated)
        dzhs = ctx.empty(gated) if kernel.split else dzxs
        WhT = np.ascontiguousarray(Wh.T)
        product = dstate[0].copy()
        carry = (np.zeros_like(product), *(array.copy() for array in dstate[1:]))
        dparams = tuple(grads[name] for name in pointwise)
        adjoint = Adjoint(dys, product, carry, dzxs, dzhs, dparams)
        for t in range(steps - 1, -1, -1):
            old = t * stride
            kernel.backward(window, adjoint, t, old, old + 1)
            np.matmul(dzhs[t], WhT, out=product)
            if resets is not None and restarts[t]:
                for array in (product, *carry):
                    array[resets[t]] = 0
        hs = states[0][: steps * stride : stride]
        grads["Wx"] += flat(xs).T @ flat(dzxs)
        grads["b"] += flat(dzxs).sum(axis=0)
        grads["Wh"] += flat(hs).T @ flat(dzhs)
        return (flat(dzxs) @ Wx.T).reshape(xs.shape), (product + carry[0], *carry[1:])

    after = tuple(all_steps[-1] for all_steps in states)
    return np.ascontiguousarray(states[0][1::stride]), after, backward


def flat(sequence: Array) -> Array:
    """Return a (T, B, F) sequence as the (T B, F) matrix that one product takes."""
    return sequence.reshape(-1, sequence.shape[-1])
