"""One window through the layers of plugins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.registry import Registry
from rnnkit.core.context import Context
from rnnkit.network.network import Network, Visit
from rnnkit.training.plugin_checks.blame import Broken, blamed, expect, expect_name, foreign_plugin
from rnnkit.types import Array, Params, State

KIT = ": rnnkit.testing.check_layer shows it"


def try_layers(
    network: Network, registry: Registry, params: Mapping[str, Params], batch: Batch
) -> None:
    """Run each layer on a window; raises PluginError for one of a plugin that breaks the contract.

    `params` are finite. Names the plugin, what was expected, and what it gave.
    """
    last = [name for name, layer in network.named if foreign_plugin(layer, registry)][-1:]
    if not last:
        return
    ctx = Context(train=True, step=1, valid=batch.valid)
    states = network.initial_states(batch.inputs.shape[1], ctx.dtype)
    entering = network.entering()
    with np.errstate(all="ignore"):
        for visit in network.visits(params, batch, states, ctx):
            layer, plugin = visit.layer, foreign_plugin(visit.layer, registry)
            if plugin:
                with blamed(plugin, f"layer {visit.name}", KIT):
                    for parameter in visit.params:
                        expect_name("params()", parameter)
                    width = layer.output(entering[visit.name]).known()
                    visit.found = _Trial(visit).whole(width)
            if [visit.name] == last:
                return


class _Trial:
    """One layer with what it is given."""

    def __init__(self, visit: Visit) -> None:
        self.layer, self.params, self.xs = visit.layer, visit.params, visit.xs
        self.state, self.resets, self.ctx = visit.state, visit.resets, visit.ctx

    def whole(self, width: int) -> tuple[Array, State]:
        """Return outputs and state after a look at them, the gradients and the inputs."""
        xs, dtype = self.xs, self.ctx.dtype
        read = {"inputs": (xs,), "state": self.state, "parameters": tuple(self.params.values())}
        given = {name: [array.copy() for array in arrays] for name, arrays in read.items()}
        ys, after, backward = self.layer.scan(self.params, xs, self.state, self.resets, self.ctx)
        expect("the output", ys, (*xs.shape[:2], width), dtype)
        self._expect_state("the state", after)
        for name, arrays in read.items():
            if not all(map(np.array_equal, arrays, given[name])):
                raise Broken(f"forward changed its {name}")
        grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        passed, dys = dict(grads), np.ones_like(ys)
        dxs, before = backward(dys, tuple(np.zeros_like(a) for a in after), passed)
        if any(passed[name] is not grads[name] for name in grads):
            raise Broken('backward replaced an entry of grads (write grads["W"] += ...)')
        if not (dys == 1).all():
            raise Broken("backward changed dys")
        if xs.ndim == 3:
            expect("the gradient of the inputs", dxs, xs.shape, dtype, finite=False)
        self._expect_state("the gradient of the state", before, finite=False)
        return ys, after

    def _expect_state(self, what: str, state: State, finite: bool = True) -> None:
        if len(state) != len(self.state):
            raise Broken(f"{what}: expected {len(self.state)} arrays, received {len(state)}")
        for index, (array, own) in enumerate(zip(state, self.state, strict=True)):
            expect(f"{what}[{index}]", array, own.shape, self.ctx.dtype, finite)
