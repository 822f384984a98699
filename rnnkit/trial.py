"""One window through the layers of plugins before the first step: does each keep the contract?

A wrong shape may broadcast, a float64 may be cast, a gradient that is rebound is lost: training
would go on, and learn something else. The trial costs one step, and nothing where every layer is
rnnkit's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rnnkit.context import Context
from rnnkit.dataset import Batch
from rnnkit.errors import PluginError, printable
from rnnkit.installed import Plugin
from rnnkit.layer import Layer
from rnnkit.network import Network, Visit
from rnnkit.registry import Registry
from rnnkit.types import Array, Params, Shape, State


def try_plugins(
    network: Network, registry: Registry, params: Mapping[str, Params], batch: Batch
) -> None:
    """Run each layer on a window; raises PluginError for one of a plugin that breaks the contract.

    `params` are finite. Names the plugin, what was expected, and what it gave.
    """
    last = [name for name, layer in network.named if stranger(layer, registry)][-1:]
    if not last:
        return
    ctx = Context(train=True, step=1, valid=batch.valid)
    states = network.initial_states(batch.inputs.shape[1], ctx.dtype)
    entering = network.entering()
    with np.errstate(all="ignore"):
        for visit in network.visits(params, batch, states, ctx):
            layer, plugin = visit.layer, stranger(visit.layer, registry)
            if plugin:
                with _blamed(plugin, visit.name):
                    width = layer.output(entering[visit.name]).known()
                    visit.found = _Trial(visit).whole(width)
            if [visit.name] == last:
                return


def stranger(layer: Layer, registry: Registry) -> Plugin | None:
    """Return the plugin of a layer, or of one inside it, that is not rnnkit's own."""
    plugin = registry.plugin(layer.group, layer.type)
    if plugin.distribution != "rnnkit":
        return plugin
    inside = (stranger(inner, registry) for inner in layer.inner().values())
    return next((found for found in inside if found), None)


class _Broken(Exception):
    """What a layer did against the contract."""


@contextmanager
def _blamed(plugin: Plugin, name: str) -> Iterator[None]:
    """Name the plugin in whatever goes wrong inside."""
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error) if isinstance(error, _Broken) else f"{type(error).__name__}: {error}"
        raise PluginError.of(
            "PLUGIN_CONTRACT",
            f"layer {name}, {plugin}: {printable(text, 300)} "
            "(tell its author: rnnkit.testing.check_layer shows it)",
        ) from error


class _Trial:
    """One layer with what it is given."""

    def __init__(self, visit: Visit) -> None:
        self.layer, self.params, self.xs = visit.layer, visit.params, visit.xs
        self.state, self.resets, self.ctx = visit.state, visit.resets, visit.ctx

    def whole(self, width: int) -> tuple[Array, State]:
        """Return outputs and state after a look at them, the gradients and the inputs."""
        xs = self.xs
        given, dtype = xs.copy(), self.ctx.dtype
        ys, after, backward = self.layer.scan(self.params, xs, self.state, self.resets, self.ctx)
        _expect("the output", ys, (*xs.shape[:2], width), dtype)
        self._expect_state("the state", after)
        if not np.array_equal(xs, given):
            raise _Broken("forward changed its inputs")
        grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        passed, dys = dict(grads), np.ones_like(ys)
        dxs, before = backward(dys, tuple(np.zeros_like(a) for a in after), passed)
        if any(passed[name] is not grads[name] for name in grads):
            raise _Broken('backward replaced an entry of grads (write grads["W"] += ...)')
        if not (dys == 1).all():
            raise _Broken("backward changed dys")
        if xs.ndim == 3:
            _expect("the gradient of the inputs", dxs, xs.shape, dtype, finite=False)
        self._expect_state("the gradient of the state", before, finite=False)
        return ys, after

    def _expect_state(self, what: str, state: State, finite: bool = True) -> None:
        if len(state) != len(self.state):
            raise _Broken(f"{what}: expected {len(self.state)} arrays, received {len(state)}")
        for index, (array, own) in enumerate(zip(state, self.state, strict=True)):
            _expect(f"{what}[{index}]", array, own.shape, self.ctx.dtype, finite)


def _expect(
    what: str, array: object, shape: Shape, dtype: np.dtype[np.generic], finite: bool = True
) -> None:
    if not isinstance(array, np.ndarray):
        raise _Broken(f"{what}: expected an array, received {type(array).__name__}")
    if (array.shape, array.dtype) != (shape, dtype):
        raise _Broken(
            f"{what}: expected {dtype} of shape {shape}, received {array.dtype} of {array.shape}"
        )
    if finite and not np.isfinite(array).all():
        raise _Broken(f"{what} holds NaN or infinity, from inputs and parameters that do not")
