"""The layers of rnnkit as ONNX operators.

Gates are packed otherwise there (ONNX operator schemas, LSTM, GRU and RNN): LSTM i, o, f, c for
i, f, o, g of ours; GRU z, r, h for r, z, n, the recurrent bias of h our `bn`. A first axis counts
directions: W (1, gates H, F), R (1, gates H, H), B (1, 2 gates H), states (1, B, H).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from rnnkit.exchange.onnx_graph import INT32, Graph, Wires
from rnnkit.exchange.onnx_scan import write_scan
from rnnkit.exchange.pieces import Piece, in_order, second_bias
from rnnkit.types import Array

Writer: TypeAlias = Callable[[Piece, str, Wires], str]
"""`write(piece, x, wires)` adds a layer that reads x (T, B, F) or (T, B), and returns y's name."""


def write_layer(piece: Piece, x: str, wires: Wires) -> str:
    """Add a layer to the graph; return the name of what it gives."""
    return WRITERS.get(piece.type, write_scan)(piece, x, wires)


def _embedding(piece: Piece, x: str, wires: Wires) -> str:
    graph = wires.graph
    return graph.node("Gather", [graph.weight(piece.arrays["W"], f"{piece.name}/W"), x])


def _one_hot(piece: Piece, x: str, wires: Wires) -> str:
    graph = wires.graph
    values = graph.constant([0, 1], np.float32)
    return graph.node("OneHot", [x, graph.constant([piece.gives.known()]), values])


def _dropout(piece: Piece, x: str, wires: Wires) -> str:
    return x


def _affine(piece: Piece, x: str, wires: Wires) -> str:
    graph = wires.graph
    W = graph.weight(piece.arrays["W"], f"{piece.name}/W")
    if piece.settings["tie"]:
        W = graph.node("Transpose", [W], perm=[1, 0])
    y = graph.node("MatMul", [x, W])
    bias = piece.arrays.get("b")
    return y if bias is None else graph.node("Add", [y, graph.weight(bias, f"{piece.name}/b")])


def _layer_norm(piece: Piece, x: str, wires: Wires) -> str:
    graph = wires.graph
    scale, bias = (graph.weight(piece.arrays[k], f"{piece.name}/{k}") for k in ("gain", "bias"))
    epsilon = float(piece.settings["epsilon"])
    return graph.node("LayerNormalization", [x, scale, bias], axis=-1, epsilon=epsilon)


def _residual(piece: Piece, x: str, wires: Wires) -> str:
    return wires.graph.node("Add", [write_layer(piece.held["layer"], x, wires), x])


def _bidirectional(piece: Piece, x: str, wires: Wires) -> str:
    """Run the second direction on the reversed steps, from zeros; its last state is not kept."""
    ahead = write_layer(piece.held["forward"], x, wires)
    cold = replace(wires, before={}, after={})
    back = write_layer(piece.held["backward"], _reversed(x, wires), cold)
    return wires.graph.node("Concat", [ahead, _reversed(back, wires)], axis=2)


def _reversed(x: str, wires: Wires) -> str:
    graph = wires.graph
    if wires.lengths:
        return graph.node("ReverseSequence", [x, wires.lengths], batch_axis=1, time_axis=0)
    first, last = graph.constant([-1]), graph.constant([np.iinfo(np.int64).min])
    axis, step = graph.constant([0]), graph.constant([-1])
    return graph.node("Slice", [x, first, last, axis, step])


def _attention(piece: Piece, x: str, wires: Wires) -> str:
    """Look at the memory; what is beyond the length of a source has no weight."""
    graph = wires.graph
    asked = graph.node("Transpose", [x], perm=[1, 0, 2])
    memory = graph.node("Transpose", [wires.memory], perm=[1, 0, 2])
    scores = (_dot if piece.settings["score"] == "dot" else _additive)(piece, asked, memory, graph)
    places = graph.count(wires.memory)
    lengths = graph.node("Unsqueeze", [wires.memory_lengths, graph.constant([1, 2])])
    unseen = graph.constant(-1e30, np.float32)
    scores = graph.node("Where", [graph.node("Less", [places, lengths]), scores, unseen])
    context = graph.node("MatMul", [graph.node("Softmax", [scores], axis=2), memory])
    return graph.node("Concat", [graph.node("Transpose", [context], perm=[1, 0, 2]), x], axis=2)


def _dot(piece: Piece, asked: str, memory: str, graph: Graph) -> str:
    return graph.node("MatMul", [asked, graph.node("Transpose", [memory], perm=[0, 2, 1])])


def _additive(piece: Piece, asked: str, memory: str, graph: Graph) -> str:
    Wx, Wm, v = (graph.weight(piece.arrays[k], f"{piece.name}/{k}") for k in ("Wx", "Wm", "v"))
    x = graph.node("Unsqueeze", [graph.node("MatMul", [asked, Wx]), graph.constant([2])])
    m = graph.node("Unsqueeze", [graph.node("MatMul", [memory, Wm]), graph.constant([1])])
    inner = graph.node("Tanh", [graph.node("Add", [x, m])])
    return graph.node("Squeeze", [graph.node("MatMul", [inner, v]), graph.constant([3])])


def _rnn(piece: Piece, x: str, wires: Wires) -> str:
    activation = {"tanh": "Tanh", "relu": "Relu"}[piece.settings["activation"]]
    return _cell("RNN", piece, x, wires, (0,), activations=[activation])


def _lstm(piece: Piece, x: str, wires: Wires) -> str:
    return _cell("LSTM", piece, x, wires, (0, 2, 1, 3))


def _gru(piece: Piece, x: str, wires: Wires) -> str:
    return _cell("GRU", piece, x, wires, (1, 0, 2), linear_before_reset=1)


def _gru_reset_before(piece: Piece, x: str, wires: Wires) -> str:
    return _cell("GRU", piece, x, wires, (1, 0, 2), linear_before_reset=0)


def _cell(
    kind: str, piece: Piece, x: str, wires: Wires, order: tuple[int, ...], **settings: Any
) -> str:
    """Add a recurrent operator; `order` is that of its gates by the place of ours."""
    graph = wires.graph
    weights = [
        graph.tensor(array, f"{piece.name}/{key}")
        for key, array in zip("WRB", _packed(piece, order), strict=True)
    ]
    lengths = graph.node("Cast", [wires.lengths], to=INT32) if wires.lengths else ""
    states = [wires.before.get(name, "") for name in piece.states]
    outputs = graph.several(
        kind,
        [x, *weights, lengths, *states],
        1 + len(states),
        hidden_size=piece.settings["units"],
        **settings,
    )
    wires.after.update(zip(piece.states, outputs[1:], strict=True))
    return graph.node("Squeeze", [outputs[0], graph.constant([1])])


def _packed(piece: Piece, order: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Return W, R and B as ONNX packs them."""
    arrays = piece.arrays
    bias = np.concatenate([in_order(arrays["b"], order), second_bias(piece)])
    return in_order(arrays["Wx"], order).T[None], in_order(arrays["Wh"], order).T[None], bias[None]


WRITERS: dict[str, Writer] = {
    "affine": _affine,
    "attention": _attention,
    "bidirectional": _bidirectional,
    "dropout": _dropout,
    "embedding": _embedding,
    "gru": _gru,
    "gru_reset_before": _gru_reset_before,
    "layer_norm": _layer_norm,
    "lstm": _lstm,
    "one_hot": _one_hot,
    "residual": _residual,
    "rnn": _rnn,
}
"""What writes each type of layer; any other cell by its equations is an operator Scan."""
