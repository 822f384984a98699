"""The window of a gated cell whose step is compiled: one call forward, one backward."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from rnnkit.compute.kernels.dispatch import kernel_module
from rnnkit.compute.kernels.kernel import Adjoint, Kernel, WindowArrays
from rnnkit.compute.parallel import run, shares
from rnnkit.compute.products import Product, multiply, multiply_all, packed, scatter_add
from rnnkit.core.context import Context
from rnnkit.types import Array, Backward, Grads, Params, Shape, State


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
    Wx, Wh = params["Wx"], params["Wh"]
    check_window(params, xs, state, resets, ctx)
    gated = (steps, batch, Wh.shape[1])
    resets, stride = restarts(resets, batch)
    loops = _loops(kernel)
    zxs, ids = ctx.empty(gated), _indicated(xs)
    if not len(ids):
        multiply(flat(xs), Wx, flat(zxs))
    length = steps * stride + (stride == 1)
    states = tuple(ctx.empty((length, *array.shape)) for array in state)
    for all_steps, array in zip(states, state, strict=True):
        all_steps[0] = array
    zhs = ctx.empty(gated if kernel.split else (1, *gated[1:]))
    window = WindowArrays(zxs, zhs, tuple(params[name] for name in pointwise), states)
    streams = shares(batch, zxs.size * Wh.shape[0])
    Whs = packed(Wh)
    forward = partial(loops.forward, window, Wx, ids, Whs, params["b"], initial, resets, stride)
    run([partial(forward, *share) for share in streams])

    def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        check_gradients(dys, dstate, xs, state)
        dys = np.ascontiguousarray(dys)
        dzxs = ctx.empty(gated)
        dzhs = ctx.empty(gated) if kernel.split else dzxs
        product = dstate[0].copy()
        carry = (np.zeros(product.shape, product.dtype), *(array.copy() for array in dstate[1:]))
        WhT = packed(Wh.T)
        # Threads may not add to one array: each has its own, added up in order.
        summed = ("b", *pointwise)
        dparams = [
            tuple(np.zeros(params[name].shape, Wh.dtype) for name in summed) for _ in streams
        ]
        run(
            [
                partial(
                    loops.backward,
                    window,
                    Adjoint(dys, product, carry, dzxs, dzhs, tuple(own)),
                    db,
                    WhT,
                    resets,
                    stride,
                    *share,
                )
                for (db, *own), share in zip(dparams, streams, strict=True)
            ]
        )
        for own in dparams:
            for name, gradient in zip(summed, own, strict=True):
                grads[name] += gradient
        hs = states[0][: steps * stride : stride]
        products = []
        if ctx.learns:
            products.append(Product(flat(hs).T, flat(dzhs), grads["Wh"], ctx.empty(Wh.shape)))
        dxs = ctx.empty(xs.shape) if ctx.learns_below else None
        if dxs is not None:
            products.append(Product(flat(dzxs), Wx.T, flat(dxs)))
        if ctx.learns and len(ids):
            scatter_add(grads["Wx"], ids, flat(dzxs))
        elif ctx.learns:
            products.append(Product(flat(xs).T, flat(dzxs), grads["Wx"], ctx.empty(Wx.shape)))
        multiply_all(*products)
        return dxs, (product + carry[0], *carry[1:])

    after = tuple(all_steps[-1] for all_steps in states)
    return np.ascontiguousarray(states[0][1::stride]), after, backward


def check_window(
    params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
) -> None:
    """Raise TypeError or ValueError for what compiled code would read past its end."""
    Wx, Wh = params["Wx"], params["Wh"]
    if Wh.dtype != ctx.dtype:
        raise TypeError(
            f"the parameters are {Wh.dtype}, but the context computes in {ctx.dtype} "
            f"(Context(dtype=np.dtype(np.{Wh.dtype})), or parameters of its type)"
        )
    _expect("xs", xs, (*xs.shape[:2], len(Wx)))
    _expect("h", state[0], (xs.shape[1], len(Wh)))
    for array in state:
        _expect("the state", array, (xs.shape[1], *array.shape[1:]))
    if resets is not None:
        _expect("resets", resets, xs.shape[:2])


def check_gradients(dys: Array, dstate: State, xs: Array, state: State) -> None:
    """Raise ValueError for gradients of other shapes than the outputs and the state."""
    _expect("dys", dys, (*xs.shape[:2], state[0].shape[1]))
    for given, array in zip(dstate, state, strict=True):
        _expect("dstate", given, array.shape)


def _expect(name: str, array: Array, shape: Shape) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: expected the shape {shape}, received {array.shape}")


def restarts(resets: Array | None, batch: int) -> tuple[Array, int]:
    """Return `resets` (T, B), (0, B) where none is true, and the places of a step's states.

    A step has two where streams restart in the middle: what enters it, and what it gives.
    """
    if resets is None or not resets.any():
        return np.zeros((0, batch), bool), 1
    return resets, 2 if resets[1:].any() else 1


def flat(sequence: Array) -> Array:
    """Return a (T, B, F) sequence as the (T B, F) matrix that one product takes."""
    return sequence.reshape(-1, sequence.shape[-1])


def _indicated(xs: Array) -> Array:
    """Return where the 1 of each row stands; () where not every row is 0 but for one 1.

    A product with such a row is a row of the matrix.
    """
    ids = np.empty(xs.shape[0] * xs.shape[1], np.int32)
    rows: Any = kernel_module("rows")
    return ids if rows.indicated(flat(xs), ids) else ids[:0]


def _loops(kernel: Kernel) -> Any:
    sequence = kernel_module("sequence")
    assert sequence, "a kernel is only given where kernels are on"
    return sequence.loops(kernel)
