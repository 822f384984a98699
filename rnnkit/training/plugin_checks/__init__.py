"""A step with the plugins of a spec before the first one counts: does each keep its contract?

A wrong shape may broadcast, a float64 may be cast, a gradient that is rebound is lost: training
would go on, and learn something else. What no checkpoint can hold would be found out at the first
save. The trial costs one step, and nothing where everything is rnnkit's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.registry import Registry
from rnnkit.core.installed import Plugin
from rnnkit.errors import PluginError, printable, raised
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec
from rnnkit.types import Params

if TYPE_CHECKING:
    from rnnkit.testing.compare import Comparison


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
    blocks = [spec.data, train.optimizer, train.schedule, *network.layers, network.loss]
    left = sum(block is not None and registry.foreign(block) is not None for block in blocks)
    if not left:
        return
    # The kit is loaded only where there is something to check.
    from rnnkit.training.plugin_checks.trials import trials

    with np.errstate(all="ignore"):
        for block, what, found in trials(spec, network, params, windows, batch):
            if plugin := registry.foreign(block):
                _judge(plugin, what, found)
                left -= 1
            if not left:
                return


def _judge(plugin: Plugin, what: str, found: Iterable[Comparison]) -> None:
    """Raise PluginError, which names a plugin, at the first problem or whatever else goes wrong."""
    cause = None
    try:
        problem = next(filter(None, (each.problem() for each in found)), None)
    except (MemoryError, PluginError):
        raise
    except (Exception, SystemExit) as error:
        cause, problem = error, raised(error)
    if problem:
        shows = ": rnnkit.testing.check_layer shows it" if plugin.kind == "layer" else ""
        message = f"{what}, {plugin}: {printable(problem, 300)} (tell its author{shows})"
        raise PluginError.of("PLUGIN_CONTRACT", message) from cause
