"""What was found, as JSON can hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rnnkit.analysis.neurons.follow import Follower, Search
from rnnkit.analysis.neurons.saturation import Saturation


def search_object(search: Search) -> dict[str, Any]:
    """Return a property with the units that follow it."""
    return {
        "property": search.property.name,
        "mean": search.mean,
        "chance": search.chance,
        "units": [_follower_object(each) for each in search.units],
    }


def _follower_object(follower: Follower) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": follower.label, "r": follower.r}
    if follower.threshold is not None:
        # JSON has no infinity, which says that the better guess is always the same.
        threshold = follower.threshold if math.isfinite(follower.threshold) else None
        found |= {
            "auc": follower.auc,
            "accuracy": follower.accuracy,
            "threshold": threshold,
        }
    return found


def gates_object(gates: Sequence[Saturation]) -> list[dict[str, Any]]:
    """Return the fractions of time of every unit of every gate."""
    return [
        {"gate": each.part.label, "left": each.left.tolist(), "right": each.right.tolist()}
        for each in gates
    ]
