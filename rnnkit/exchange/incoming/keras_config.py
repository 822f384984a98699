"""The config.json of a Keras model: its layers in order, and what rnnkit has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rnnkit.exchange.incoming.theirs import Direction

CELLS = ("LSTM", "GRU", "SimpleRNN")
WRAPPERS = ("Bidirectional", "TimeDistributed")
SILENT = ("InputLayer", "Dropout", "SpatialDropout1D")
"""Layers that change nothing once a model is trained."""

OVER_LAST = ("softmax", "sigmoid")
"""Activations that a loss of ours may have in it."""

KNOWN = (*CELLS, *WRAPPERS, *SILENT, "Dense", "Embedding", "LayerNormalization")


@dataclass(frozen=True)
class KerasLayer:
    """A layer: its class, its name, its settings, the one that it wraps, and its way back."""

    kind: str
    name: str
    config: Mapping[str, Any]
    inner: KerasLayer | None = None
    backward: KerasLayer | None = None

    def at(self, direction: Direction) -> KerasLayer:
        """Return the layer whose parameters stand there: it, or what it wraps."""
        return (self.backward if direction == "backward" else None) or self.inner or self

    @property
    def last(self) -> str:
        """The activation of a product; "" where there is none."""
        found = self.at("") if self.kind == "TimeDistributed" else self
        activation = found.config.get("activation", "linear") if found.kind == "Dense" else "linear"
        return "" if activation == "linear" else str(activation)


def layers_of(config: Mapping[str, Any]) -> list[KerasLayer]:
    """Return the layers of a model in the order in which they are run."""
    return [_layer(each) for each in config["config"]["layers"]]


def _layer(stored: Mapping[str, Any]) -> KerasLayer:
    config = stored["config"]
    inner, back = (
        _layer(each) if isinstance(each := config.get(key), dict) else None
        for key in ("layer", "backward_layer")
    )
    if back is not None:  # which runs backwards as it should
        back = replace(back, config={**back.config, "go_backwards": False})
    return KerasLayer(stored["class_name"], str(config.get("name", "")), config, inner, back)


def wrong_with(layer: KerasLayer) -> Iterator[str]:
    """Yield what of a layer cannot be expressed, by its name."""
    name, config = f"layer {layer.name} ({layer.kind})", layer.config
    if layer.kind not in KNOWN:
        yield f"{name}: rnnkit has no such layer"
    for each in (layer.inner, layer.backward):
        if each is not None:
            yield from wrong_with(each)
    if layer.kind == "Bidirectional":
        if config.get("merge_mode") != "concat":
            yield f"{name}: merge_mode {config.get('merge_mode')!r}, and ours is 'concat'"
        if layer.inner and not layer.inner.config.get("return_sequences"):
            yield f"{name}: return_sequences is off, so the directions end at different steps"
    if layer.kind in CELLS:
        yield from (f"{name}: {problem}" for problem in _wrong_cell(layer))
    if config.get("mask_zero"):
        yield f"{name}: mask_zero hides steps, which no layer here does"
    if layer.kind == "Dense" and layer.last not in ("", *OVER_LAST):
        yield f"{name}: the activation {layer.last!r}, which no layer here has"
    if layer.kind == "LayerNormalization":
        if not (config.get("center") and config.get("scale")) or config.get("rms_scaling"):
            yield f"{name}: it lacks gain or bias, or scales otherwise"


def _wrong_cell(layer: KerasLayer) -> Iterator[str]:
    config = layer.config
    allowed = ("tanh", "relu") if layer.kind == "SimpleRNN" else ("tanh",)
    if config.get("activation") not in allowed:
        yield f"the activation {config.get('activation')!r}, and ours has {' or '.join(allowed)}"
    if config.get("recurrent_activation", "sigmoid") != "sigmoid":
        yield f"the recurrent_activation {config['recurrent_activation']!r}, and ours is sigmoid"
    for key in ("go_backwards", "stateful", "recurrent_dropout"):
        if config.get(key):
            yield f"{key} {config[key]!r}, which no layer here has"
