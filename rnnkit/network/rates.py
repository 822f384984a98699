"""How much each layer learns, and how far down a gradient has to go.

Rates are factors of the learning rate, by layer; 0 freezes a layer, one that is not named has 1. A
parameter that two layers share has the rate of the layer that stores it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

from rnnkit.core.params import Declaration, ParamSpec, Shared
from rnnkit.types import Shape

Rates = Mapping[str, float]
"""The factor of the learning rate of a layer, by name."""


def at_rates(declared: Mapping[str, Declaration], rates: Rates) -> dict[str, Declaration]:
    """Return the parameters of all layers with their rates."""
    return {
        layer: _at_rate(declaration, rates.get(layer, 1.0))
        for layer, declaration in declared.items()
    }


def learning_layers(declared: Mapping[str, Declaration], rates: Rates) -> Iterator[str]:
    """Yield the layers with a parameter that learns, of their own or shared."""
    for layer, declaration in declared.items():
        if any(_rate(layer, spec, rates) for spec in declaration.values()):
            yield layer


def from_lowest(names: Sequence[str], learning: Container[str]) -> Sequence[str]:
    """Return the names from the first that learns on: those that a gradient reaches."""
    first = next((at for at, name in enumerate(names) if name in learning), len(names))
    return names[first:]


def frozen_parameters(
    declared: Mapping[str, Declaration], rates: Rates
) -> Iterator[tuple[str, str, Shape]]:
    """Yield (layer, name, shape) of what does not learn, shared parameters too."""
    for layer, declaration in declared.items():
        for name, spec in declaration.items():
            if not _rate(layer, spec, rates):
                yield layer, name, spec.shape


def _rate(layer: str, spec: ParamSpec | Shared, rates: Rates) -> float:
    return rates.get(spec.layer if isinstance(spec, Shared) else layer, 1.0)


def _at_rate(declaration: Declaration, rate: float) -> Declaration:
    if rate == 1:
        return declaration
    return {
        name: replace(spec, rate=rate) if isinstance(spec, ParamSpec) else spec
        for name, spec in declaration.items()
    }
