"""A step with the plugins of a spec before the first one counts: does each keep its contract?

A wrong shape may broadcast, a float64 may be cast, a gradient that is rebound is lost: training
would go on, and learn something else. What no checkpoint can hold would be found out at the first
save. The trial costs one step, and nothing where everything is rnnkit's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.registry import Registry
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec
from rnnkit.types import Params


def try_plugins(
    spec: Spec,
    network: Network,
    registry: Registry,
    params: Mapping[str, Params],
    windows: int,
    batch: Batch,
) -> None:
    """Try every plugin on the first window of an epoch of so many; `params` are finite.

    Raises PluginError for one that breaks its contract, with its name, what was expected, and what
    it gave.
    """
    train = spec.train
    layers = [layer for _, layer in network.named]
    blocks = [spec.data, *layers, network.loss, train.optimizer, train.schedule]
    if not any(block and registry.foreign(block) for block in blocks):
        return
    # The kit is loaded only where there is something to check.
    from rnnkit.training.plugin_checks import parts
    from rnnkit.training.plugin_checks.layers import try_layers

    parts.try_batch(registry.foreign(spec.data), network, batch)
    try_layers(network, registry, params, batch)
    parts.try_loss(registry.foreign(network.loss), network, params, batch)
    parts.try_optimizer(registry.foreign(train.optimizer), train.optimizer)
    if train.schedule:
        plugin, steps = registry.foreign(train.schedule), windows * train.epochs
        parts.try_schedule(plugin, train.schedule, steps, train.epochs)
