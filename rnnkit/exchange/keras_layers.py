"""The layers of rnnkit as layers of Keras 3.

Gates are packed otherwise there (keras.layers.LSTM, GRU and SimpleRNN): LSTM i, f, c, o for i, f,
o, g of ours; GRU z, r, h for r, z, n. With `reset_after` a GRU has a second row of biases, whose
last part is our `bn`; without it it is our `gru_reset_before`. Sequences are (streams, steps).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from rnnkit.exchange.keras_graph import KerasGraph
from rnnkit.exchange.pieces import Piece, in_order, second_bias
from rnnkit.types import Array

CALLED = {
    "affine": "dense",
    "gru_reset_before": "gru",
    "layer_norm": "norm",
}
"""Types that go by another name there."""

KerasWriter: TypeAlias = Callable[[Piece, str, KerasGraph], str]
"""`write(piece, x, graph)` adds a layer that reads the value x, and returns what it gives."""


def write_keras(piece: Piece, x: str, graph: KerasGraph) -> str:
    """Add a layer to the graph; return the name of what it gives."""
    return KERAS_LAYERS[piece.type](piece, x, graph)


def not_in_keras(piece: Piece) -> str | None:
    """Return why a layer cannot be written, or None."""
    if piece.type not in KERAS_LAYERS:
        return f"there is no layer for the type {piece.type!r}"
    if piece.type == "bidirectional" and piece.held["forward"].type not in CELLS:
        inner = piece.held["forward"].type
        return f"Keras runs recurrent layers in both directions, but not {inner!r}"
    return None


def _embedding(piece: Piece, x: str, graph: KerasGraph) -> str:
    """Add a layer that can also be read backwards, for one that is tied to it."""
    W, name = piece.arrays["W"], graph.names[piece.name]
    sizes = {"input_dim": W.shape[0], "output_dim": W.shape[1]}
    if piece.name in graph.tied:
        return graph.layer("ReversibleEmbedding", name, x, [W], **sizes, tie_weights=True)
    return graph.layer("Embedding", name, x, [W], **sizes)


def _one_hot(piece: Piece, x: str, graph: KerasGraph) -> str:
    # CategoryEncoding takes a last axis of one, a window of one step too, for that of the ids.
    name = graph.names[piece.name]
    ids = graph.layer("Reshape", f"{name}_ids", x, target_shape=[-1, 1])
    config: dict[str, Any] = {"num_tokens": piece.gives.known(), "output_mode": "one_hot"}
    return graph.layer("CategoryEncoding", name, ids, **config)


def _dropout(piece: Piece, x: str, graph: KerasGraph) -> str:
    locked: dict[str, Any] = {"noise_shape": [None, 1, None]} if piece.settings["locked"] else {}
    name = graph.names[piece.name]
    return graph.layer("Dropout", name, x, rate=piece.settings["rate"], **locked)


def _affine(piece: Piece, x: str, graph: KerasGraph) -> str:
    name, units, tie = graph.names[piece.name], piece.gives.known(), piece.settings["tie"]
    bias = [piece.arrays["b"]] if "b" in piece.arrays else []
    if not tie:
        weights = [piece.arrays["W"], *bias]
        return graph.layer("Dense", name, x, weights, units=units, use_bias=bool(bias))
    y = graph.again(graph.names[tie], x, f"{name}/tied", reverse=True)
    if not bias:
        return y
    # Keras has no layer that only adds: this one multiplies by ones too.
    config: dict[str, Any] = {"equation": "abc,c->abc", "bias_axes": "c"}
    config["output_shape"] = [None, units]
    return graph.layer("EinsumDense", name, y, [np.ones_like(bias[0]), *bias], **config)


def _layer_norm(piece: Piece, x: str, graph: KerasGraph) -> str:
    weights, name = [piece.arrays["gain"], piece.arrays["bias"]], graph.names[piece.name]
    epsilon = piece.settings["epsilon"]
    return graph.layer("LayerNormalization", name, x, weights, epsilon=epsilon)


def _residual(piece: Piece, x: str, graph: KerasGraph) -> str:
    y = write_keras(piece.held["layer"], x, graph)
    return graph.layer("Add", f"{y.replace('/', '_')}_residual", [y, x])


def _cell(piece: Piece, x: str, graph: KerasGraph) -> str:
    kind, config, weights = cell_in_keras(piece)
    name = graph.names[piece.name]
    y = graph.layer(kind, name, x, weights, _states(piece, name, graph), **config)
    _give(piece, name, graph)
    return y


def _bidirectional(piece: Piece, x: str, graph: KerasGraph) -> str:
    """Start the second direction from zeros; its last state is not kept."""
    ahead, back = piece.held["forward"], piece.held["backward"]
    name = graph.names[ahead.name]
    states = _states(ahead, name, graph)
    zeros = graph.layer("Rescaling", f"{name}_zeros", states[0], scale=0.0, offset=0.0)
    kind, config, weights = cell_in_keras(ahead)
    _, _, weights_back = cell_in_keras(back)
    both = {
        key: {
            "module": "keras.layers",
            "class_name": kind,
            "config": {"name": f"{name}_{direction}", **config, "go_backwards": backwards},
        }
        for key, direction, backwards in (
            ("layer", "forward", False),
            ("backward_layer", "backward", True),
        )
    }
    before = [*states, *[zeros] * len(states)]
    y = graph.layer("Bidirectional", name, x, [*weights, *weights_back], before, **both)
    _give(ahead, name, graph)
    return y


def _states(piece: Piece, name: str, graph: KerasGraph) -> list[str]:
    return [graph.reads(f"{name}_{state}", [width]) for state, width in piece.states.items()]


def _give(piece: Piece, name: str, graph: KerasGraph) -> None:
    graph.outputs |= {f"{name}_{state}": f"{name}/{at}" for at, state in enumerate(piece.states)}


def cell_in_keras(piece: Piece) -> tuple[str, dict[str, Any], list[Array]]:
    """Return the class of a cell, its settings and its weights."""
    kind, order, config = CELLS[piece.type]
    arrays = piece.arrays
    bias = in_order(arrays["b"], order)
    if "bn" in arrays:
        bias = np.stack([bias, second_bias(piece)])
    config = {"units": piece.settings["units"], **config}
    if "activation" in piece.settings:
        config["activation"] = piece.settings["activation"]
    weights = [in_order(arrays["Wx"], order), in_order(arrays["Wh"], order), bias]
    return kind, {**config, "return_sequences": True, "return_state": True}, weights


CELLS: dict[str, tuple[str, tuple[int, ...], Mapping[str, Any]]] = {
    "gru": ("GRU", (1, 0, 2), {"reset_after": True}),
    "gru_reset_before": ("GRU", (1, 0, 2), {"reset_after": False}),
    "lstm": ("LSTM", (0, 1, 3, 2), {}),
    "rnn": ("SimpleRNN", (0,), {}),
}
"""The class of each cell, the order of its gates by the place of ours, and its form."""

KERAS_LAYERS: dict[str, KerasWriter] = {
    "affine": _affine,
    "bidirectional": _bidirectional,
    "dropout": _dropout,
    "embedding": _embedding,
    "gru": _cell,
    "gru_reset_before": _cell,
    "layer_norm": _layer_norm,
    "lstm": _cell,
    "one_hot": _one_hot,
    "residual": _residual,
    "rnn": _cell,
}
"""What writes each type of layer."""
