"""One layer run by its own stages, in compiled code that keeps nothing for a way back."""

from __future__ import annotations

from functools import cache

import numpy as np

from rnnkit.compute.kernels.dispatch import kernels_compute
from rnnkit.compute.stack.parameters import bind_once
from rnnkit.compute.stack.stages import Stages
from rnnkit.compute.stack.table import StackTable, make_table
from rnnkit.compute.stack.window import run_stack
from rnnkit.contracts.layer import Layer, may_ask, signal_of
from rnnkit.core.context import Context
from rnnkit.types import Array, Params, Shape, State


def run_stages(
    layer: Layer, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
) -> tuple[Array, State] | None:
    """Return (ys, state) for values (T, B, F); None for a layer without stages, or in training."""
    compiled = kernels_compute() and ctx.dtype == np.float32 and not ctx.train
    if not compiled or xs.ndim != 3 or not may_ask(layer, "stages"):
        return None
    inputs = signal_of(xs)
    shapes = tuple((name, spec.shape) for name, spec in layer.params(inputs).items())
    table = _table(layer.type, layer.stages(inputs) or (), shapes, inputs.known())
    if table is None:
        return None

    def initial() -> State:
        return layer.initial_state(inputs, xs.shape[1], ctx.dtype)

    bound = bind_once(table, {layer.type: params}, xs)
    ys, after = run_stack(table, bound, xs, state, initial, resets, ctx.empty)
    return ys, tuple(after)


@cache
def _table(
    name: str, stages: Stages, shapes: tuple[tuple[str, Shape], ...], inputs: int
) -> StackTable | None:
    return make_table([(name, stages)], {name: dict(shapes)}, inputs)
