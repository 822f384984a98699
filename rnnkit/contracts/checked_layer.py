"""A layer run over a window; what one of a plugin gives is looked at before it is used."""

from __future__ import annotations

import numpy as np

from rnnkit.contracts.compiled_layer import run_stages
from rnnkit.contracts.layer import Layer, signal_of
from rnnkit.contracts.returned import broken, check_array, check_arrays, is_own, parts_of
from rnnkit.core.block import stands_for
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.types import Array, Backward, DType, Grads, Params, State


def scanned(
    layer: Layer, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
) -> tuple[Array, State, Backward]:
    """Return `layer.scan`; raises PluginError for what has another form than the contract says."""
    found: object = layer.scan(params, xs, state, resets, ctx)
    if is_own(layer):
        return found  # type: ignore[return-value]
    ys, after, backward = parts_of(layer, ctx.path, "forward", found, "ys", "state", "backward")
    _check_output(layer, xs, ys, ctx)
    check_arrays(layer, ctx.path, "the state", after, state)

    def checked_backward(dys: Array, dstate: State, grads: Grads) -> tuple[Array | None, State]:
        found: object = backward(dys, dstate, grads)
        dxs, before = parts_of(layer, ctx.path, "backward", found, "dxs", "dstate")
        if dxs is not None or (xs.ndim == 3 and ctx.learns_below):
            what = "the gradient of the inputs"
            check_array(layer, ctx.path, what, dxs, xs.shape, ctx.dtype)
        check_arrays(layer, ctx.path, "the gradient of the state", before, state)
        return dxs, before

    return ys, after, checked_backward


def starting_state(layer: Layer, inputs: Signal, batch: int, dtype: DType, path: str) -> State:
    """Return `layer.initial_state`; raises PluginError for other arrays than it declares."""
    state = layer.initial_state(inputs, batch, dtype)
    declared = [np.empty((batch, n), dtype) for n in layer.state_sizes(inputs)]
    check_arrays(layer, path, "the initial state", state, declared)
    return state


def run_layer(
    layer: Layer, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
) -> tuple[Array, State]:
    """Return (ys, state) without a way back, by stages, `layer.run` or else `layer.scan`.

    Raises PluginError for what has another form than the contract says.
    """
    if (known := run_stages(layer, params, xs, state, resets, ctx)) is not None:
        return known
    if type(layer).run is Layer.run or not stands_for(layer, "run", "forward", "scan"):
        return scanned(layer, params, xs, state, resets, ctx)[:2]
    found: object = layer.run(params, xs, state, resets, ctx)
    if is_own(layer):
        return found  # type: ignore[return-value]
    ys, after = parts_of(layer, ctx.path, "run", found, "ys", "state")
    _check_output(layer, xs, ys, ctx)
    check_arrays(layer, ctx.path, "the state", after, state)
    return ys, after


def _check_output(layer: Layer, xs: Array, ys: object, ctx: Context) -> None:
    """Raise PluginError for outputs of another shape, type or order."""
    signal, dtype = layer.output(signal_of(xs)), ctx.dtype
    given = ys if isinstance(ys, np.ndarray) else np.empty(0)
    width = given.shape[-1:] if signal.width is None else (signal.width,)
    if signal.ids:
        width, dtype = (), given.dtype
    check_array(layer, ctx.path, "the output", ys, (*xs.shape[:2], *width), dtype)
    if not given.flags.c_contiguous:
        advice = "np.ascontiguousarray makes it so"
        raise broken(layer, ctx.path, f"the output is not C-contiguous ({advice})")
