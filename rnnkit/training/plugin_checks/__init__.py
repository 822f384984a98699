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
from rnnkit.training.plugin_checks.layers import try_layers
from rnnkit.training.plugin_checks.parts import try_batch, try_loss, try_optimizer, try_schedule
from rnnkit.types import Params

__all__ = ["try_plugins"]


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
    try_batch(spec.data, network, registry, batch)
    try_layers(network, registry, params, batch)
    try_loss(network, registry, params, batch)
    try_optimizer(spec.train.optimizer, registry)
    if spec.train.schedule:
        try_schedule(spec.train.schedule, registry, windows, spec.train.epochs)
