"""Which axes of a parameter follow the tokens, and which the labels: found by trying other sizes.

A layer does not say what its axes mean. A network whose data has one token more, or one label more,
says it by the shapes of its parameters, whatever the layers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnkit.contracts.dataset import Source
from rnnkit.core.params import named_parameters
from rnnkit.core.signal import Signal
from rnnkit.errors import SpecError
from rnnkit.network.builder import build_network
from rnnkit.spec.model import Spec
from rnnkit.types import Shape

RowNames: TypeAlias = Literal["tokens", "labels"]
"""What an axis may have a row for each of."""

Shapes: TypeAlias = Mapping[str, Shape]


@dataclass(frozen=True)
class Axes:
    """The axes by parameter ("layer/name"), each with what it has a row for each of."""

    found: Mapping[str, Mapping[int, RowNames]]

    def of(self, parameter: str) -> Mapping[int, RowNames]:
        """Return those of one parameter."""
        return self.found.get(parameter, {})


def axes_of(spec: Spec, source: Source) -> Axes:
    """Return the axes of the parameters of a spec, whose widths are still open, over its data."""
    inputs, targets = source.inputs, source.targets
    same = spec.data.predicts_next or spec.data.has_source
    sizes = _shapes(spec, inputs, targets)
    found: dict[str, dict[int, RowNames]] = {}
    if inputs.ids:
        more = _wider(inputs)
        _note(found, sizes, _shapes(spec, more, more if same else targets), inputs, "tokens")
    if targets.ids and not same:
        _note(found, sizes, _shapes(spec, inputs, _wider(targets)), targets, "labels")
    return Axes(found)


def _shapes(spec: Spec, inputs: Signal, targets: Signal) -> Shapes:
    """Return the shapes of all parameters; none where the spec fixes a width."""
    try:
        network = build_network(spec, inputs, targets)[1]
    except SpecError:
        return {}
    return {f"{layer}/{name}": p.shape for layer, name, p in named_parameters(network.declared())}


def _wider(signal: Signal) -> Signal:
    return Signal(signal.known() + 1, signal.ids)


def _note(
    found: dict[str, dict[int, RowNames]],
    sizes: Shapes,
    wider: Shapes,
    signal: Signal,
    what: RowNames,
) -> None:
    width = signal.known()
    for name, shape in wider.items():
        for axis, (before, after) in enumerate(zip(sizes.get(name, ()), shape, strict=False)):
            if (before, after) == (width, width + 1):
                found.setdefault(name, {})[axis] = what
