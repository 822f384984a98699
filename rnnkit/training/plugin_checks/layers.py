"""The kit's checks of one window, on the first window of a run, for the layers of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import sees_future
from rnnkit.contracts.registry import Registry
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.visit import Visit
from rnnkit.testing.compare import SINGLE
from rnnkit.testing.declarations import gradient_form, sequence_form, state_form
from rnnkit.testing.purity import copies, in_place, named_outputs, own_memory, unchanged
from rnnkit.testing.sequences import unforeseen
from rnnkit.testing.window import Window, numbered, scan_window
from rnnkit.training.plugin_checks.blame import blamed, expect_name, insist
from rnnkit.types import Array, Params, State

KIT = ": rnnkit.testing.check_layer shows it"

FURTHER = 8
"""Steps that a layer runs again, to see what it keeps and whether it looks ahead."""


def try_layers(
    network: Network, registry: Registry, params: Mapping[str, Params], batch: Batch
) -> None:
    """Run each layer on a window; raises PluginError for one of a plugin that breaks the contract.

    `params` are finite. Names the plugin, what was expected, and what it gave.
    """
    last = [name for name, layer in network.named if registry.foreign(layer)][-1:]
    if not last:
        return
    ctx = Context(train=True, step=1, valid=batch.valid)
    states = network.initial_states(batch.inputs.shape[1], ctx.dtype)
    entering = network.entering()
    with np.errstate(all="ignore"):
        for visit in network.visits(params, batch, states, ctx):
            if plugin := registry.foreign(visit.layer):
                with blamed(plugin, f"layer {visit.name}", KIT):
                    for parameter in visit.params:
                        expect_name("params()", parameter)
                    visit.found = _tried(visit, entering[visit.name])
            if [visit.name] == last:
                return


def _tried(visit: Visit, entering: Signal) -> tuple[Array, State]:
    """Return outputs and state after a look at them, at a few more steps, and at the gradients."""
    shape, dtype = (*visit.xs.shape[:2], visit.layer.output(entering).known()), visit.ctx.dtype
    window = _window(visit, np.ones(shape, dtype))
    given = copies(window.arrays)
    ys, state, backward = scan_window(visit.layer, window)
    insist(sequence_form("the output", ys, shape, dtype, finite=True))
    shapes = [array.shape for array in visit.state]
    insist(state_form("the state", state, shapes, dtype, finite=True))
    insist(unchanged(given, window.arrays, "forward"))
    insist(own_memory(ys, state, window))
    outputs = named_outputs(ys, state)
    gave = copies(outputs)
    _go_on(visit, window, state, entering)
    insist(unchanged(gave, outputs, "another window"))
    grads = window.zero_grads()
    passed = dict(grads)
    dxs, dstate = backward(window["dys"], window.parts("dstate"), passed)
    insist(in_place(grads, passed))
    insist(unchanged(given, window.arrays, "backward"))
    insist(unchanged(gave, outputs, "backward"))
    insist(gradient_form(dxs, dstate, window))
    return ys, state


def _go_on(visit: Visit, window: Window, state: State, entering: Signal) -> None:
    """Run a few steps from the state that came out, as the next window will."""
    ctx = replace(visit.ctx, step=2, valid=visit.ctx.valid if visit.layer.reads_memory else None)
    window = replace(window.steps(0, FURTHER).having(numbered("state", state)), ctx=ctx)
    xs = window["xs"]
    further = window.having({"resets": np.zeros(xs.shape[:2], bool)})
    given = copies(further.arrays)
    ys, after, _ = scan_window(visit.layer, further)
    insist(unchanged(given, further.arrays, "forward"))
    insist(own_memory(ys, after, further))
    if len(xs) > 1 and not sees_future(visit.layer):
        others = (xs + 1) % entering.known() if entering.ids else xs + 1
        insist([unforeseen(visit.layer, further, len(xs) // 2, others, SINGLE)])


def _window(visit: Visit, dys: Array) -> Window:
    resets = np.zeros(dys.shape[:2], bool) if visit.resets is None else visit.resets
    arrays = {
        "xs": visit.xs,
        "resets": resets,
        "dys": dys,
        **{f"params.{name}": array for name, array in visit.params.items()},
        **numbered("state", visit.state),
        **numbered("dstate", [np.zeros_like(array) for array in visit.state]),
    }
    return Window(arrays, visit.ctx)
