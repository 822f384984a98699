"""One step of each part of a spec, judged by rules of the kit on the first window of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import sees_future
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.optimizer import Optimizer, slot_names
from rnnkit.contracts.schedule import Moment, Schedule
from rnnkit.core.block import Block
from rnnkit.core.context import Context
from rnnkit.core.json_values import kept_by_json
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network, loss_context
from rnnkit.network.states import zero_state
from rnnkit.network.visit import Visit
from rnnkit.spec.model import Spec
from rnnkit.testing.compare import SINGLE, Comparison, Condition, expected, form
from rnnkit.testing.declarations import gradient_form, sequence_form, state_form
from rnnkit.testing.purity import in_place, named_outputs, own_memory, remembered, written_by
from rnnkit.testing.sequences import unforeseen
from rnnkit.testing.window import Window, numbered, scan_window
from rnnkit.types import STORED_NAME, Array, Params, State

Findings: TypeAlias = Iterator[Comparison]

FURTHER = 8
"""Steps that a layer runs again, to see what it keeps and whether it looks ahead."""

SUM = 2e-5
"""Relative difference between two orders of a sum in float32."""

SIZE = 64
"""Parameters that an optimizer is tried on; weight decay touches the first half."""


def trials(
    spec: Spec, network: Network, params: Mapping[str, Params], windows: int, batch: Batch
) -> Iterator[tuple[Block, str, Findings]]:
    """Yield each part with what it is called and what is found out about it, once that is asked.

    A layer that nobody asked about is run before the next part.
    """
    train = spec.train
    yield spec.data, "dataset", iter((_json("next_cursor", batch.next_cursor),))
    yield train.optimizer, "optimizer", of_optimizer(train.optimizer)
    if train.schedule:
        first = Moment(0, 0.0, windows * train.epochs, train.epochs)
        yield train.schedule, "schedule", of_schedule(train.schedule, first)
    ctx = Context(train=True, step=1, valid=batch.valid)
    states = network.initial_states(batch.inputs.shape[1], ctx.dtype)
    entering, ys = network.entering(), batch.inputs
    for visit in network.visits(params, batch, states, ctx):
        yield visit.layer, f"layer {visit.name}", of_layer(visit, entering[visit.name])
        ys, _ = visit.done()
    yield network.loss, "loss", of_loss(network.loss, ys, batch, ctx)


def of_optimizer(optimizer: Optimizer) -> Findings:
    """A few parameters are moved against a gradient, where they lie."""
    params = np.linspace(-1, 1, SIZE, dtype=np.float32)
    before, grads = params.copy(), np.full_like(params, 0.5)
    slots = {name: np.zeros_like(params) for name in slot_names(optimizer)}
    for name in slots:
        yield _storable("slots", name)
    optimizer.update(1, optimizer.lr, params, grads, slots, slice(0, SIZE // 2))
    yield from form("the parameters", params, before.shape, before.dtype, finite=True)
    moved = not np.array_equal(params, before)
    yield Condition(
        moved, "update left the parameters as they were (write into them: params -= ...)"
    )


def of_schedule(schedule: Schedule, first: Moment) -> Findings:
    """The first factor is one, and a checkpoint can hold the state before and after a metric."""
    state = schedule.start()
    yield _json("start()", state)
    yield _number("factor()", schedule.factor(first, state), least=0.0)
    yield _json("observe()", schedule.observe(1.0, state))


def of_layer(visit: Visit, entering: Signal) -> Findings:
    """Outputs, state, a few more steps, then gradients; the visit is done by that one run."""
    for name in visit.params:
        yield _storable("params()", name)
    shape, dtype = (*visit.xs.shape[:2], visit.layer.output(entering).known()), visit.ctx.dtype
    window = _window(visit, np.ones(shape, dtype))
    given = remembered(window.arrays)
    ys, state, backward = scan_window(visit.layer, window)
    visit.found = ys, state
    yield from sequence_form("the output", ys, shape, dtype, finite=True)
    shapes = [array.shape for array in visit.state]
    yield from state_form("the state", state, shapes, dtype, finite=True)
    yield from given(written_by(visit.layer))
    yield from own_memory(ys, state, window)
    gave = remembered(named_outputs(ys, state))
    yield from _further(visit, window, state, entering)
    yield from gave("another window")
    grads = window.zero_grads()
    passed = dict(grads)
    dxs, dstate = backward(window["dys"], window.parts("dstate"), passed)
    yield from in_place(grads, passed)
    yield from given("backward")
    yield from gave("backward")
    yield from gradient_form(dxs, dstate, window)


def _further(visit: Visit, window: Window, state: State, entering: Signal) -> Findings:
    """A few steps from the state that came out, as the next window will run them."""
    ctx = replace(visit.ctx, step=2, valid=visit.ctx.valid if visit.layer.reads_memory else None)
    window = replace(window.steps(0, FURTHER).having(numbered("state", state)), ctx=ctx)
    xs = window["xs"]
    further = window.having({"resets": np.zeros(xs.shape[:2], bool)})
    given = remembered(further.arrays)
    ys, after, _ = scan_window(visit.layer, further)
    yield from given(written_by(visit.layer))
    yield from own_memory(ys, after, further)
    gave = remembered(named_outputs(ys, after))
    others = (xs + 1) % entering.known() if entering.ids else xs + 1
    later = replace(further.having({"xs": others}), ctx=replace(ctx, train=False))
    given = remembered(later.arrays)
    scan_window(visit.layer, later)
    yield from given(f"{written_by(visit.layer)}, outside training,")
    yield from gave("another window")
    if len(xs) > 1 and not sees_future(visit.layer):
        yield unforeseen(visit.layer, further, len(xs) // 2, others, SINGLE)


def _window(visit: Visit, dys: Array) -> Window:
    arrays = {
        "xs": visit.xs,
        "resets": np.zeros(dys.shape[:2], bool) if visit.resets is None else visit.resets,
        "dys": dys,
        **{f"params.{name}": array for name, array in visit.params.items()},
        **numbered("state", visit.state),
        **numbered("dstate", zero_state(visit.state)),
    }
    return Window(arrays, visit.ctx)


def of_loss(loss: Loss, ys: Array, batch: Batch, ctx: Context) -> Findings:
    """Its sum, its weight and the gradient on a window, and that no step knows of another."""
    own = loss_context(ctx, batch)
    arrays = {"the outputs": ys, "the targets": batch.targets, "the weights": batch.weights}
    given = remembered(arrays)
    total, weight, backward = loss.forward(ys, batch.targets, batch.weights, own)
    yield from given(f"{type(loss).__name__}.forward")
    yield _number("the total", total)
    yield _number("the weight", weight, least=0.0)
    yield from form("the gradient of the outputs", backward(), ys.shape, ys.dtype, finite=True)
    yield from given("backward")
    if not loss.spans_time and len(ys) > 1:
        yield _sum(loss, ys, batch)


def _sum(loss: Loss, ys: Array, batch: Batch) -> Comparison:
    """The total of a window is that of its two halves, none of them in training."""

    def total(piece: slice) -> float:
        part = batch.steps(piece)
        ctx = loss_context(Context(), part)
        return float(loss.forward(ys[piece].copy(), part.targets, part.weights, ctx)[0])

    middle = len(ys) // 2
    whole, first, second = map(total, (slice(None), slice(middle), slice(middle, None)))
    return Condition(
        math.isclose(whole, first + second, rel_tol=SUM, abs_tol=SUM),
        f"the total of a window is {whole:.6g}, of its halves {first:.6g} and {second:.6g}: "
        "expected the sum over all targets (a loss of a step that depends on others says "
        "spans_time = True)",
    )


def _number(what: str, value: object, least: float = -math.inf) -> Comparison:
    number = isinstance(value, int | float | np.floating) and math.isfinite(value)
    bound = f" not below {least:g}" if least > -math.inf else ""
    fits = number and float(value) >= least  # type: ignore[arg-type]
    return expected(what, fits, f"a finite number{bound}", repr(value))


def _storable(what: str, name: object) -> Comparison:
    """A checkpoint can hold the name."""
    return Condition(
        isinstance(name, str) and STORED_NAME.fullmatch(name) is not None,
        f"{what} has the name {name!r}, which no checkpoint can hold (1 to 128 of the letters "
        "A to Z and a to z, digits, '_', '.' and '-')",
    )


def _json(what: str, value: object) -> Comparison:
    """A checkpoint can hold the value."""
    wanted = "what JSON can write and read back as it was (plain numbers, text, lists, objects)"
    return expected(what, kept_by_json(value), wanted, repr(value))
