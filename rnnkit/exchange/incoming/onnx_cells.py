"""Recurrent operators of ONNX: W (D, gates H, F), R (D, gates H, H), B (D, 2 gates H)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnkit.exchange.incoming.gates import TheirCell
from rnnkit.exchange.incoming.theirs import Direction, TheirLayer
from rnnkit.types import Array

CELL_OPERATORS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}
USUAL = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"], "rnn": ["Tanh"]}
"""The activations where none are named."""


class FoundCells(NamedTuple):
    """The layers of an operator, and what of it cannot be expressed."""

    layers: list[TheirLayer]
    wrong: list[str]


def cell_layers(
    name: str, node: Any, settings: Mapping[str, Any], weights: Mapping[str, Array]
) -> FoundCells:
    """Return the layer of a recurrent operator, or both of one that runs in two directions."""
    kind, inputs = CELL_OPERATORS[node.op_type], [*node.input, *[""] * 8]
    wrong = [
        f"operator {node.op_type} ({name}): {problem}"
        for problem in _wrong(kind, inputs, settings, weights)
    ]
    if wrong:
        return FoundCells([], wrong)
    W, R = weights[inputs[1]], weights[inputs[2]]
    B = weights[inputs[3]] if inputs[3] else None
    ways: tuple[Direction, ...] = ("",) if len(W) == 1 else ("forward", "backward")
    names = {"Wx": inputs[1:2], "Wh": inputs[2:3], "b": inputs[3:4] if inputs[3] else []}
    activation = _activations(kind, settings, 1)[0].lower()
    layers = []
    for at, way in enumerate(ways):
        biases = [None, None] if B is None else np.split(B[at], 2)
        after = bool(settings.get("linear_before_reset"))
        cell = TheirCell("onnx", kind, W[at].T, R[at].T, biases, names, after, "transposed")
        ours, parameters = cell.parameters()
        told = {"activation": activation} if kind == "rnn" else {}
        whole = f"{name}.{way}" if way else name
        layers.append(TheirLayer(whole, {ours: parameters}, ours, way, told))
    return FoundCells(layers, [])


def _wrong(
    kind: str, inputs: list[str], settings: Mapping[str, Any], weights: Mapping[str, Array]
) -> Iterator[str]:
    if any(each and each not in weights for each in inputs[1:4]):
        yield "its weights are computed by the graph"
    if _text(settings.get("direction", "forward")) == "reverse":
        yield "direction 'reverse' alone, which no layer here has"
    for key in ("clip", "input_forget"):
        if settings.get(key):
            yield f"{key} {settings[key]!r}, which no layer here has"
    if inputs[7]:
        yield "peepholes, which no layer here has"
    for state in inputs[5:7]:
        if state in weights and weights[state].any():
            yield f"a first state that is not zero ({state})"
    count = 2 if _text(settings.get("direction", "forward")) == "bidirectional" else 1
    found = _activations(kind, settings, count)
    allowed = [USUAL[kind] * count] + ([["Relu"] * count] if kind == "rnn" else [])
    if found not in allowed:
        yield f"the activations {', '.join(found)}, and ours has {', '.join(USUAL[kind])}"


def _activations(kind: str, settings: Mapping[str, Any], count: int) -> list[str]:
    return [_text(each) for each in settings.get("activations", USUAL[kind] * count)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
