"""A window of a cell by its equations: memory, the loops over it, the products of all steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from rnnkit.compute.equations.program import Factor, Program
from rnnkit.compute.parallel import run, shares
from rnnkit.compute.products import Product, multiply, multiply_all, packed, scatter_add
from rnnkit.compute.window_arrays import (
    check_gradients,
    expect_shape,
    flat,
    one_hot_ids,
    restarts,
)
from rnnkit.core.context import Context
from rnnkit.types import Array, Backward, Grads, Params, Shape, State

Sizes = Mapping[str, int]


class _Window(NamedTuple):
    """One window in memory: its parameters, what the loops fill, who computes which streams.

    The states of all steps lie in one array each. Where streams restart in the middle, a step has a
    place for what enters it beside the place for what it gives.
    """

    xs: Array
    inputs: Array
    ids: Array
    Wx: Array
    b: Array
    pointwise: tuple[Array, ...]
    matrices: tuple[Array, ...]
    zx: Array
    states: State
    outs: tuple[Array, ...]
    kept: tuple[Array, ...]
    resets: Array
    stride: int
    streams: list[tuple[int, int]]
    sizes: Sizes


class _Slopes(NamedTuple):
    """The gradients of one window: of the gates, the products, the states, and x itself."""

    dzx: Array
    dms: tuple[Array, ...]
    backs: tuple[Array, ...]
    carry: State
    terms: State
    dxs: Array


def run_window(
    program: Program,
    units: int,
    params: Params,
    xs: Array,
    state: State,
    initial: Callable[[], State],
    resets: Array | None,
    ctx: Context,
) -> tuple[Array, State, Backward]:
    """Run all steps of `xs` (T, B, F), as `Layer.scan` does.

    `initial` gives the state of a stream that starts anew; most windows do not ask.
    """
    sizes: Sizes = {"units": units, "inputs": xs.shape[2]}
    _check(program, params, sizes, state, resets, xs.shape, ctx)
    window = _window(program, params, sizes, xs, state, resets, ctx)
    _run_forward(program, window, initial, ctx)

    def backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        check_gradients(dys, dstate, xs, state)
        slopes = _slopes(program, window, dstate, ctx)
        _run_backward(program, window, np.ascontiguousarray(dys), slopes, grads, ctx)
        dxs = _form_products(program, window, slopes, grads, ctx)
        return dxs, _before(program, slopes)

    after = tuple(whole[-1] for whole in window.states)
    return np.ascontiguousarray(window.states[0][1 :: window.stride]), after, backward


def _window(
    program: Program,
    params: Params,
    sizes: Sizes,
    xs: Array,
    state: State,
    resets: Array | None,
    ctx: Context,
) -> _Window:
    """Return the memory of a window, with the products that are formed for all steps at once."""
    symbols, factors = program.symbols, program.factors
    steps, batch, width = xs.shape
    resets, stride = restarts(resets, batch)
    Wx = params["Wx"] if symbols.gates else np.empty((width, 0), ctx.dtype)
    b = params["b"] if symbols.gates else np.empty(0, ctx.dtype)
    matrices = tuple(_columns(params, factor, sizes) for factor in factors)
    zx, ids = ctx.empty((steps, batch, len(b))), np.empty(0, np.int32)
    if program.compiled and len(b) and not program.reads_inputs:
        ids = one_hot_ids(xs)
    if len(b) and not len(ids):
        multiply(flat(xs), Wx, flat(zx))
    if not program.compiled:
        zx += b
    length = steps * stride + (stride == 1)
    states = tuple(ctx.empty((length, *array.shape)) for array in state)
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
    streams = shares(batch, work) if program.compiled else [(0, batch)]
    pointwise = tuple(params[name] for name in symbols.pointwise)
    read = xs, inputs, ids, Wx, b, pointwise, matrices
    return _Window(*read, zx, states, outs, kept, resets, stride, streams, sizes)


def _run_forward(
    program: Program, window: _Window, initial: Callable[[], State], ctx: Context
) -> None:
    """Fill the memory of a window, step by step."""
    steps, inputs, zx, states = len(window.xs), window.inputs, window.zx, window.states
    matrices = tuple(map(_arranged(program), window.matrices))
    written = window.pointwise, matrices, window.outs, window.kept
    # Without a restart nobody reads it, but compiled loops want arrays of this form.
    first = tuple(whole[0] for whole in states)
    if len(window.resets):
        first = initial()
        _check_state("the initial state", program, first, states[0].shape[1:])
    read = *written, first, window.resets, window.stride
    loop = program.loops.forward
    if program.compiled:
        gates = window.ids, window.Wx, window.b, zx
        loop = partial(loop, steps, inputs, *gates, states, *read)
        run([partial(loop, *share) for share in window.streams])
    else:
        loop(steps, inputs, zx, states, *read, ctx.empty)


def _slopes(program: Program, window: _Window, dstate: State, ctx: Context) -> _Slopes:
    """Return memory for the gradients, those of the last states in it.

    The first of what a state's gradient is made of begins with it, the others with zero.
    """
    (steps, batch, _), dzx = window.xs.shape, ctx.empty(window.zx.shape)
    dms = tuple(
        dzx if factor.shared else ctx.empty((steps, batch, matrix.shape[1]))
        for factor, matrix in zip(program.factors, window.matrices, strict=True)
    )
    backs = tuple(ctx.empty((batch, window.sizes[each])) for each in program.backs)
    carry, terms = list(dstate), [dstate[state] for state in program.terms]
    for state, given in enumerate(dstate):
        places = program.waiting[state]
        for place in places[:1]:
            terms[place] = given.copy()
        for place in places[1:]:
            terms[place] = np.zeros(given.shape, given.dtype)
        if program.carried[state]:
            carry[state] = np.zeros(given.shape, given.dtype) if places else given.copy()
    dxs = ctx.empty(window.xs.shape) if program.inputs_direct else window.inputs
    return _Slopes(dzx, dms, backs, tuple(carry), tuple(terms), dxs)


def _run_backward(
    program: Program, window: _Window, dys: Array, slopes: _Slopes, grads: Grads, ctx: Context
) -> None:
    """Fill the gradients, step by step, and add those of the bias and the pointwise parameters."""
    dzx, dms, backs, carry, terms, dxs = slopes
    arranged = _arranged(program)
    turned = tuple(arranged(matrix.T) for matrix in window.matrices)
    read = window.zx, window.states, window.pointwise, window.outs, window.kept, turned, dys
    written = carry, terms, dzx, dms, backs, dxs
    # Threads may not add to one array: each has its own, added up in order.
    sums = [
        tuple(np.zeros(len(each), ctx.dtype) for each in (window.b, *window.pointwise))
        for _ in window.streams
    ]
    steps, loop = len(window.xs), program.loops.backward
    if program.compiled:
        loop = partial(loop, steps, window.inputs, window.b, *read, *written)
        run(
            [
                partial(loop, own, db, window.resets, window.stride, *share)
                for (db, *parts), share in zip(sums, window.streams, strict=True)
                for own in (tuple(parts),)
            ]
        )
    else:
        db, *parts = sums[0]
        streams = window.resets, window.stride, ctx.empty
        loop(steps, window.inputs, *read, *written, parts, *streams)
        db += dzx.sum(axis=(0, 1))
    for own in sums if ctx.learns else ():
        for name, gradient in zip(("b", *program.symbols.pointwise), own, strict=True):
            if len(gradient):
                grads[name] += gradient


def _form_products(
    program: Program, window: _Window, slopes: _Slopes, grads: Grads, ctx: Context
) -> Array | None:
    """Add the gradients of the matrices, and return that of the inputs where it is asked."""
    products = _learned(program, window, slopes, grads, ctx) if ctx.learns else []
    sums: list[Array] = []
    if ctx.learns_below:
        pairs = [(slopes.dzx, window.Wx)] if len(window.b) else []
        pairs += [(slopes.dms[number], window.matrices[number]) for number in program.inputs_back]
        for dm, matrix in pairs:
            sums.append(ctx.empty(window.xs.shape))
            products.append(Product(flat(dm), matrix.T, flat(sums[-1])))
    multiply_all(*products)
    if not ctx.learns_below:
        return None
    sums += [slopes.dxs] if program.inputs_direct else []
    for more in sums[1:]:
        sums[0] += more
    return sums[0] if sums else np.zeros(window.xs.shape, ctx.dtype)


def _learned(
    program: Program, window: _Window, slopes: _Slopes, grads: Grads, ctx: Context
) -> list[Product]:
    """Return the products that add the gradients of the matrices; those of rows are added."""
    entered = slice(None, len(window.xs) * window.stride, window.stride)
    products: list[Product] = []
    for factor, dm in zip(program.factors, slopes.dms, strict=True):
        kind, place = factor.value
        if kind == "state":
            value = window.states[place][entered]
        else:
            value = window.kept[place] if kind == "kept" else window.inputs
        into = _columns(grads, factor, window.sizes)
        formed = Product(flat(value).T, flat(dm), into, ctx.empty(into.shape))
        if factor.again:
            multiply_all(formed)  # it may add to what another adds to
        else:
            products.append(formed)
    if len(window.ids):
        scatter_add(grads["Wx"], window.ids, flat(slopes.dzx))
    elif len(window.b):
        into = grads["Wx"]
        products.append(Product(flat(window.xs).T, flat(slopes.dzx), into, ctx.empty(into.shape)))
    return products


def _before(program: Program, slopes: _Slopes) -> State:
    """Return the gradient of the state that entered the window."""
    found = []
    for state, (carried, places) in enumerate(zip(program.carried, program.waiting, strict=True)):
        parts = [slopes.carry[state]] if carried else []
        parts += [slopes.terms[place] for place in places]
        found.append(sum(parts[1:], parts[0]))
    return tuple(found)


def _arranged(program: Program) -> Callable[[Array], Array]:
    """Return how the loops of a program read a matrix."""
    return packed if program.compiled else np.ascontiguousarray


def _columns(arrays: Mapping[str, Array], factor: Factor, sizes: Sizes) -> Array:
    """Return the columns of a matrix, or of its gradient, that a product reads."""
    matrix, width = arrays[factor.matrix], sizes[factor.width]
    if factor.blocks * width == matrix.shape[1]:
        return matrix
    last = factor.first + factor.blocks
    return matrix[:, factor.first * width : last * width]


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
        wanted = (sizes[rows], width) if rows else (width,)
        if array.dtype != ctx.dtype:
            raise TypeError(
                f"the parameters are {array.dtype}, but the context computes in {ctx.dtype} "
                f"(Context(dtype=np.dtype(np.{array.dtype})), or parameters of its type)"
            )
        if array.shape != wanted:
            if rows == "inputs":
                expect_shape("xs", shape, (*shape[:2], len(array)))
            expect_shape(name, array.shape, wanted)
    _check_state("the state", program, state, (shape[1], sizes["units"]))
    if resets is not None:
        expect_shape("resets", resets.shape, shape[:2])


def _check_state(name: str, program: Program, state: State, shape: Shape) -> None:
    """Raise ValueError for other arrays than the loops write to."""
    if len(state) != (count := len(program.symbols.states)):
        raise ValueError(f"{name}: expected a tuple of {count}, received one of {len(state)}")
    for array in state:
        expect_shape(name, array.shape, shape)
