"""A window of a cell by its equations: memory, the loops over it, the products of all steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from rnnkit.compute.equations.program import Factor, Program
from rnnkit.compute.parallel import run, shares
from rnnkit.compute.products import Product, multiply, multiply_all, packed, scatter_add
from rnnkit.compute.window_arrays import check_gradients, expect_shape, flat, one_hot_ids, restarts
from rnnkit.core.context import Context
from rnnkit.types import Array, Backward, Grads, Params, Shape, State

Sizes = Mapping[str, int]


def run_window(
    program: Program,
    units: int,
    params: Params,
    xs: Array,
    state: State,
    initial: State,
    resets: Array | None,
    ctx: Context,
) -> tuple[Array, State, Backward]:
    """Run all steps of `xs` (T, B, F), as `Layer.scan` does.

    The states of all steps lie in one array each. Where streams restart in the middle, a step has a
    place for what enters it beside the place for what it gives.
    """
    symbols, factors, compiled = program.symbols, program.factors, program.compiled
    steps, batch, width = xs.shape
    sizes: Sizes = {"units": units, "inputs": width}
    _check(program, params, sizes, state, resets, xs.shape, ctx)
    resets, stride = restarts(resets, batch)
    Wx = params["Wx"] if symbols.gates else np.empty((width, 0), ctx.dtype)
    b = params["b"] if symbols.gates else np.empty(0, ctx.dtype)
    pointwise = tuple(params[name] for name in symbols.pointwise)
    matrices = [_columns(params, factor, sizes) for factor in factors]
    arranged = packed if compiled else np.ascontiguousarray
    zx, ids = ctx.empty((steps, batch, len(b))), np.empty(0, np.int32)
    if compiled and len(b) and not program.reads_inputs:
        ids = one_hot_ids(xs)
    if len(b) and not len(ids):
        multiply(flat(xs), Wx, flat(zx))
    if not compiled:
        zx += b
    states = tuple(ctx.empty((steps * stride + (stride == 1), batch, units)) for _ in state)
    for whole, array in zip(states, state, strict=True):
        whole[0] = array
    outs = tuple(
        ctx.empty((steps if factor.whole else 1, batch, matrix.shape[1]))
        for factor, matrix in zip(factors, matrices, strict=True)
    )
    kept = tuple(ctx.empty((steps, batch, sizes[each])) for each in program.kept)
    inputs = np.ascontiguousarray(xs) if program.reads_inputs else zx
    for factor, matrix, out in zip(factors, matrices, outs, strict=True):
        if factor.value[0] == "input":
            multiply(flat(inputs), matrix, flat(out))
    work = steps * batch * sum(matrix.size for matrix in matrices)
    streams = shares(batch, work) if compiled else [(0, batch)]
    read = pointwise, tuple(map(arranged, matrices)), outs, kept, initial, resets, stride
    if compiled:
        loop = partial(program.loops.forward, steps, inputs, ids, Wx, b, zx, states, *read)
        run([partial(loop, *share) for share in streams])
    else:
        program.loops.forward(steps, inputs, zx, states, *read, ctx.empty)

    def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        check_gradients(dys, dstate, xs, state)
        dys, dzx = np.ascontiguousarray(dys), ctx.empty(zx.shape)
        dms = tuple(
            dzx if factor.shared else ctx.empty((steps, batch, matrix.shape[1]))
            for factor, matrix in zip(factors, matrices, strict=True)
        )
        backs = tuple(ctx.empty((batch, sizes[each])) for each in program.backs)
        carry, terms = _carried(program, dstate)
        dxs = ctx.empty(xs.shape) if program.inputs_direct else inputs
        turned = tuple(arranged(matrix.T) for matrix in matrices)
        read = zx, states, pointwise, outs, kept, turned, dys, carry, terms, dzx, dms, backs, dxs
        # Threads may not add to one array: each has its own, added up in order.
        own = [tuple(np.zeros(len(each), ctx.dtype) for each in (b, *pointwise)) for _ in streams]
        if compiled:
            loop = partial(program.loops.backward, steps, inputs, b, *read)
            sums = zip(own, streams, strict=True)
            run([partial(loop, ds[1:], ds[0], resets, stride, *share) for ds, share in sums])
        else:
            db, *dps = own[0]
            program.loops.backward(steps, inputs, *read, dps, resets, stride, ctx.empty)
            db += dzx.sum(axis=(0, 1))
        for gradients in own:
            for name, gradient in zip(("b", *symbols.pointwise), gradients, strict=True):
                if len(gradient):
                    grads[name] += gradient
        products = []
        entered = [array[: steps * stride : stride] for array in states]
        for factor, dm in zip(factors, dms, strict=True):
            kind, place = factor.value
            value = entered[place] if kind == "state" else kept[place] if kind == "kept" else inputs
            into = _columns(grads, factor, sizes)
            formed = Product(flat(value).T, flat(dm), into, ctx.empty(into.shape))
            if factor.again:
                multiply_all(formed)  # it may add to what another adds to
            else:
                products.append(formed)
        if len(ids):
            scatter_add(grads["Wx"], ids, flat(dzx))
        elif len(b):
            products.append(Product(flat(xs).T, flat(dzx), grads["Wx"], ctx.empty(Wx.shape)))
        parts = [(dzx, Wx)] if len(b) else []
        parts += [(dms[number], matrices[number]) for number in program.inputs_back]
        slopes = [ctx.empty(xs.shape) for _ in parts] if ctx.learns_below else []
        for (dm, matrix), slope in zip(parts, slopes, strict=False):
            products.append(Product(flat(dm), matrix.T, flat(slope)))
        multiply_all(*products)
        if not ctx.learns_below:
            return None, _before(program, carry, terms)
        slopes += [dxs] if program.inputs_direct else []
        for more in slopes[1:]:
            slopes[0] += more
        found = slopes[0] if slopes else np.zeros(xs.shape, ctx.dtype)
        return found, _before(program, carry, terms)

    after = tuple(whole[-1] for whole in states)
    return np.ascontiguousarray(states[0][1::stride]), after, backward


def _carried(program: Program, dstate: State) -> tuple[State, State]:
    """Return what is carried and the products that wait, with the gradient of the last state.

    The first of what a state's gradient is made of begins with it, the others with zero.
    """
    carry, terms = list(dstate), [dstate[state] for state in program.terms]
    for state, given in enumerate(dstate):
        places = program.waiting[state]
        for place in places[:1]:
            terms[place] = given.copy()
        for place in places[1:]:
            terms[place] = np.zeros(given.shape, given.dtype)
        if program.carried[state]:
            carry[state] = np.zeros(given.shape, given.dtype) if places else given.copy()
    return tuple(carry), tuple(terms)


def _before(program: Program, carry: State, terms: State) -> State:
    """Return the gradient of the state that entered the window."""
    found = list(carry)
    for state, places in enumerate(program.waiting):
        waited = [terms[place] for place in places]
        parts = [carry[state], *waited] if program.carried[state] else waited
        found[state] = sum(parts[1:], parts[0])
    return tuple(found)


def _columns(arrays: Mapping[str, Array], factor: Factor, sizes: Sizes) -> Array:
    """Return the columns of a matrix, or of its gradient, that a product reads."""
    width = sizes[factor.width]
    return arrays[factor.matrix][:, factor.first * width : (factor.first + factor.blocks) * width]


def _check(
    program: Program,
    params: Params,
    sizes: Sizes,
    state: State,
    resets: Array | None,
    shape: Shape,
    ctx: Context,
) -> None:
    """Raise TypeError or ValueError for what loops would read past its end."""
    for name, rows, columns, count in program.shapes:
        array, width = params[name], count * sizes[columns]
        if array.dtype != ctx.dtype:
            raise TypeError(
                f"the parameters are {array.dtype}, but the context computes in {ctx.dtype} "
                f"(Context(dtype=np.dtype(np.{array.dtype})), or parameters of its type)"
            )
        if array.shape != ((sizes[rows], width) if rows else (width,)):
            if rows == "inputs":
                expect_shape("xs", shape, (*shape[:2], len(array)))
            expect_shape(name, array.shape, (sizes[rows], width) if rows else (width,))
    for array in state:
        expect_shape("the state", array.shape, (shape[1], sizes["units"]))
    if resets is not None:
        expect_shape("resets", resets.shape, shape[:2])
