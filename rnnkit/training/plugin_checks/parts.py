"""One step of the loss, the optimizer, the schedule and the dataset of a plugin."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.core.context import Context
from rnnkit.core.installed import Plugin
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network, loss_context
from rnnkit.testing.compare import Form
from rnnkit.training.plugin_checks.blame import Broken, blamed, expect_name, insist
from rnnkit.types import Array, Params

SUM = 2e-5
"""Relative difference between two orders of a sum in float32."""

SIZE = 64
"""Parameters that an optimizer is tried on; weight decay touches the first half."""


def try_loss(
    plugin: Plugin | None, network: Network, params: Mapping[str, Params], batch: Batch
) -> None:
    """Ask the loss for its sum, its weight and the gradient on a window."""
    if not plugin:
        return
    ctx = Context(train=True, step=1, valid=batch.valid)
    states = network.initial_states(batch.weights.shape[1], ctx.dtype)
    with np.errstate(all="ignore"):
        ys, _ = network.run(params, batch, states, ctx)
        shape, dtype = ys.shape, ys.dtype
        with blamed(plugin, "loss"):
            own = loss_context(ctx, batch)
            total, weight, backward = network.loss.forward(ys, batch.targets, batch.weights, own)
            _expect_number("the total", total)
            _expect_number("the weight", weight, least=0.0)
            insist([Form("the gradient of the outputs", backward(), shape, dtype, finite=True)])
            if not network.loss.spans_time:
                _expect_sum(network.loss, ys, batch)


def _expect_sum(loss: Loss, ys: Array, batch: Batch) -> None:
    """Compare the total of a window with that of its two halves, none of them in training."""

    def total(piece: slice) -> float:
        part = batch.steps(piece)
        ctx = loss_context(Context(), part)
        return float(loss.forward(ys[piece].copy(), part.targets, part.weights, ctx)[0])

    steps = len(ys)
    whole, *halves = map(total, (slice(0, steps), slice(0, steps // 2), slice(steps // 2, steps)))
    if steps > 1 and not math.isclose(whole, sum(halves), rel_tol=SUM, abs_tol=SUM):
        parts = " and ".join(f"{half:.6g}" for half in halves)
        raise Broken(
            f"the total of a window is {whole:.6g}, of its halves {parts}: expected the sum over "
            "all targets (a loss of a step that depends on others says spans_time = True)"
        )


def try_optimizer(plugin: Plugin | None, optimizer: Optimizer) -> None:
    """Move a few parameters against a gradient."""
    if not plugin:
        return
    params = np.linspace(-1, 1, SIZE, dtype=np.float32)
    before, grads = params.copy(), np.full_like(params, 0.5)
    with blamed(plugin, "optimizer"), np.errstate(all="ignore"):
        slots = {name: np.zeros_like(params) for name in optimizer.used_slots()}
        for name in slots:
            expect_name("slots", name)
        optimizer.update(1, optimizer.lr, params, grads, slots, slice(0, SIZE // 2))
        insist([Form("the parameters", params, before.shape, before.dtype, finite=True)])
        if np.array_equal(params, before):
            raise Broken("update left the parameters as they were (write into them: params -= ...)")


def try_schedule(plugin: Plugin | None, schedule: Schedule, steps: int, epochs: int) -> None:
    """Ask for the first factor, and for the state before and after an evaluation."""
    if not plugin:
        return
    with blamed(plugin, "schedule"):
        state = schedule.start()
        _expect_json("start()", state)
        factor = schedule.factor(Moment(0, 0.0, steps, epochs), state)
        _expect_number("factor()", factor, least=0.0)
        _expect_json("observe()", schedule.observe(1.0, state))


def try_batch(plugin: Plugin | None, network: Network, batch: Batch) -> None:
    """See that a window is what it was said to be, and that a checkpoint can hold its cursor."""
    if not plugin:
        return
    with blamed(plugin, "dataset"):
        _expect_signal("inputs", batch.inputs, network.inputs, least=0)
        _expect_signal("targets", batch.targets, network.targets, least=-1)
        _expect_json("next_cursor", batch.next_cursor)


def _expect_number(what: str, value: object, least: float = -math.inf) -> None:
    number = isinstance(value, int | float | np.floating) and math.isfinite(value)
    if not number or float(value) < least:  # type: ignore[arg-type]
        bound = f" not below {least:g}" if least > -math.inf else ""
        raise Broken(f"{what}: expected a finite number{bound}, received {value!r}")


def _expect_signal(what: str, array: Array, signal: Signal, least: int) -> None:
    width = signal.known()
    if not signal.ids:
        if array.ndim != 3 or array.shape[2] != width or array.dtype.kind != "f":
            wanted = f"floating-point numbers of shape (T, B, {width})"
            raise Broken(f"{what}: expected {wanted}, received {array.dtype} of {array.shape}")
    elif array.ndim != 2 or array.dtype.kind not in "iu":
        raise Broken(
            f"{what}: expected ids, integers of shape (T, B), received {array.dtype} of "
            f"{array.shape}"
        )
    elif not least <= array.min() <= array.max() < width:
        raise Broken(
            f"{what}: expected ids from {least} to {width - 1}, received {array.min()} to "
            f"{array.max()}"
        )


def _expect_json(what: str, value: object) -> None:
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        same = False
    if not same:
        raise Broken(
            f"{what}: expected what JSON can write and read back as it was (plain numbers, text, "
            f"lists, objects), received {value!r}"
        )
