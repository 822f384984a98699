"""One layer run by its own stages, in compiled code that keeps nothing for a way back."""

from __future__ import annotations

from functools import cache

import numpy as np

from rnnkit.compute.kernels.dispatch import kernels_compute
from rnnkit.compute.stack.parameters import bind, bind_once
from rnnkit.compute.stack.stages import Stages
from rnnkit.compute.stack.table import StackTable, make_table
from rnnkit.compute.stack.window import run_stack, run_step
from rnnkit.contracts.layer import Layer, may_ask, signal_of
from rnnkit.core.context import Context
from rnnkit.types import Array, Params, Shape, State


def run_stages(
    layer: Layer, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
) -> tuple[Array, State] | None:
    """Return (ys, state) for values (T, B, F); None for a layer without stages, or in training."""
    if (table := _table_of(layer, xs, ctx)) is None:
        return None

    def initial() -> State:
        return layer.initial_state(signal_of(xs), xs.shape[1], ctx.dtype)

    bound = bind_once(table, {layer.type: params}, xs)
    ys, after = run_stack(table, bound, xs, state, initial, resets, ctx.empty)
    return ys, tuple(after)


def step_stages(
    layer: Layer, params: Params, xs: Array, state: State, ctx: Context
) -> tuple[Array, tuple[Array, ...]] | None:
    """Return ys (T, B, F) and the arrays (T, B, n) of the state after each step; None as above."""
    if (table := _table_of(layer, xs, ctx)) is None:
        return None
    bound, now = bind(table, {layer.type: params}), list(state)
    outputs, states = list[Array](), list[list[Array]]()
    for step in range(len(xs)):
        ys, now = run_step(table, bound, xs[step : step + 1], now)
        outputs.append(ys)
        states.append(now)
    return np.concatenate(outputs), tuple(map(np.stack, zip(*states, strict=True)))


def _table_of(layer: Layer, xs: Array, ctx: Context) -> StackTable | None:
    """Return the table of a layer that reads values; None for one without, or in training."""
    compiled = kernels_compute() and ctx.dtype == np.float32 and not ctx.train
    if not compiled or xs.ndim != 3 or not may_ask(layer, "stages"):
        return None
    inputs = signal_of(xs)
    shapes = tuple((name, spec.shape) for name, spec in layer.params(inputs).items())
    return _table(layer.type, layer.stages(inputs) or (), shapes, inputs.known())


@cache
def _table(
    name: str, stages: Stages, shapes: tuple[tuple[str, Shape], ...], inputs: int
) -> StackTable | None:
    return make_table([(name, stages)], {name: dict(shapes)}, inputs)
