"""Can the loss of a spec give the metrics that it asks for?"""

from __future__ import annotations

import json

from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft, Path

METRICS: Path = ("evaluate", "metrics")


def check_metrics(draft: Draft, registry: Registry) -> None:
    """Report on the draft what counts labels, where values are estimated."""
    asked, blocks = draft.get(METRICS), Blocks(draft, registry)
    if not asked or not isinstance(asked, list) or draft.broken(METRICS):
        return
    data, loss = blocks.find(("data",), Dataset), blocks.find(("model", "loss"), Loss)
    found = blocks.ask(("data",), data, lambda data: data.signals())
    if found and loss and loss.estimates and not found[1].ids:
        message = f"{json.dumps(asked[0])} needs a loss that decides among labels, but {loss.type} "
        draft.report((*METRICS, 0), "SPEC_INCONSISTENT", f"{message}estimates values (take it out)")
