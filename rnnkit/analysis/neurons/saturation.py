"""How much of the time each gate is shut or wide open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnkit.analysis.neurons.record import Activations
from rnnkit.types import Array

LEFT, RIGHT = 0.1, 0.9


@dataclass(frozen=True)
class Saturation:
    """The fraction of time (n,) that each unit's gate is below LEFT, and above RIGHT.

    Source: Karpathy, Johnson and Fei-Fei 2015, section 4.2 and figure 3. A forget gate that is
    right-saturated remembers for long; one that is left-saturated never does.
    """

    part: Activations
    left: Array
    right: Array


def saturations(parts: Iterable[Activations]) -> list[Saturation]:
    """Return the saturation of every gate."""
    return [
        Saturation(p, (p.values < LEFT).mean(axis=0), (p.values > RIGHT).mean(axis=0))
        for p in parts
        if p.gate
    ]
