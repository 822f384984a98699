"""The first tensor of a step that is not finite, in the order in which they are computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.loss import summed
from rnnkit.core.context import Context
from rnnkit.core.params import ParamStore
from rnnkit.errors import DivergedError
from rnnkit.network.network import Network, loss_context
from rnnkit.network.states import States, copied
from rnnkit.types import Params


def nonfinite_in_window(
    network: Network,
    values: Mapping[str, Params],
    batch: Batch,
    states: States,
    ctx: Context,
    blocks: Sequence[slice],
) -> str:
    """Return what overflows on the way forward through a window, in words; "" if nothing does.

    Runs the window again, in `blocks` of steps as it was learned.
    """
    for block in blocks:
        found, states = _in_block(network, values, batch, states, ctx, block)
        ctx.pool.recycle()
        if found:
            return found
    return ""


def nonfinite_gradient(network: Network, store: ParamStore) -> str:
    """Return the first gradient on the way back that is not finite, in words; "" if all are."""
    for name in reversed(network.names):
        for parameter, gradient in store.grads[name].items():
            if not np.isfinite(gradient).all():
                return f"the gradient of {parameter} of layer {name}"
    return ""


def all_finite(states: States) -> bool:
    """Tell whether every state is finite."""
    return all(np.isfinite(a).all() for state in states.values() for a in state)


def diverged(step: int, total: float, norm: float, what: str, who: str) -> DivergedError:
    """Return the error of a step that overflows: `what` did first, "" if not known, and `who`."""
    code = "GRAD" if math.isfinite(total) else "LOSS"
    code = "STATE" if math.isfinite(total) and math.isfinite(norm) else code
    what = what or ("the gradient norm" if math.isfinite(total) else "the loss")
    return DivergedError.of(
        f"NUM_NONFINITE_{code}",
        f"step {step}: {what}{who} is not finite "
        "(a lower learning rate or a lower clip norm usually helps)",
    )


def _in_block(
    network: Network,
    values: Mapping[str, Params],
    batch: Batch,
    states: States,
    ctx: Context,
    block: slice,
) -> tuple[str, States]:
    part = batch.steps(block)
    ctx = ctx.later(block.start).but(valid=part.valid)
    after: States = {}
    ys = part.inputs
    for visit in network.visits(values, part, states, ctx):
        name = visit.name
        for parameter, value in values[name].items():
            if not np.isfinite(value).all():
                return f"parameter {parameter} of layer {name}", {}
        ys, state = visit.done()
        if not np.isfinite(ys).all():
            return f"the output of layer {name}", {}
        if not all_finite({name: state}):
            return f"the state of layer {name}", {}
        if name in states:
            after[name] = state
    own = loss_context(ctx, part)
    total, _, slope = summed(network.loss, ys, part.targets, part.weights, own)
    if not math.isfinite(total):
        return f"the loss {network.loss.type}, of finite outputs,", {}
    if not np.isfinite(slope()).all():
        return f"the gradient of the loss {network.loss.type}, of finite outputs,", {}
    return "", copied(after)
