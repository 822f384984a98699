"""A stack of layers: what they are called, and what flows between them."""

from __future__ import annotations

from collections.abc import Sequence

from rnnkit.layer import Layer
from rnnkit.signal import Signal


def layer_names(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the name of each layer: its own, or its position and type, such as `1.lstm`."""
    return tuple(layer.name or f"{i}.{layer.type}" for i, layer in enumerate(layers))


def signals(layers: Sequence[Layer], inputs: Signal) -> tuple[Signal, ...]:
    """Return what enters each layer, and what the last one gives; raises ShapeError."""
    flow = [inputs]
    for layer in layers:
        flow.append(layer.output(flow[-1]))
    return tuple(flow)
