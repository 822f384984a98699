"""A stack of layers, or a part of one, as an ONNX graph whose states are inputs and outputs.

`inputs` (T, B) or (T, B, F) become `outputs` (T, B, V): logits, or what the model estimates on its
scale. Of layer `1.lstm` the states h and c are `1.lstm/h_in` (B, n) and `1.lstm/h_out`, and so on:
give zeros to start, and what came out to go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnkit.core.signal import Signal
from rnnkit.exchange.onnx_graph import FLOAT, INT64, STREAMS, Graph, Wires
from rnnkit.exchange.onnx_layers import write_layer
from rnnkit.exchange.pieces import Piece
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array


def stack_graph(pieces: Sequence[Piece], network: Network, ragged: bool) -> Graph:
    """Return the graph of a network; `ragged` adds the input `lengths` (B,).

    The sequences of a ragged batch begin together at step 0; what a length cuts off is not read.
    """
    graph = Graph()
    x = graph.reads("inputs", *shape_of(network.inputs, "steps"))
    lengths = graph.reads("lengths", INT64, [STREAMS]) if ragged else ""
    ended = []
    for piece in pieces:
        x, after = with_states(graph, piece, x, lengths=lengths)
        ended.append((piece, after))
    give_outputs(graph, ended, x, network.outputs.known())
    return graph


def shape_of(signal: Signal, steps: str) -> tuple[int, list[int | str]]:
    """Return the element type and the shape of ids or values."""
    return (INT64, [steps, STREAMS]) if signal.ids else (FLOAT, [steps, STREAMS, signal.known()])


def with_states(graph: Graph, piece: Piece, x: str, **read: str) -> tuple[str, dict[str, str]]:
    """Add a layer whose first states are inputs; return what it gives, and its last states."""
    before = {
        state: graph.node(
            "Unsqueeze",
            [
                graph.reads(f"{piece.name}/{state}_in", FLOAT, [STREAMS, width]),
                graph.constant([0]),
            ],
        )
        for state, width in piece.states.items()
    }
    after: dict[str, str] = {}
    return write_layer(piece, x, Wires(graph, before, after, **read)), after


def give_outputs(
    graph: Graph, ended: Iterable[tuple[Piece, Mapping[str, str]]], x: str, width: int
) -> None:
    """Make x the first output, and the last states (1, B, n) of the layers the others (B, n)."""
    graph.gives("outputs", x, ["steps", STREAMS, width])
    for piece, after in ended:
        for state, units in piece.states.items():
            value = graph.node("Squeeze", [after[state], graph.constant([0])])
            graph.gives(f"{piece.name}/{state}_out", value, [STREAMS, units])


def states_in(pieces: Iterable[Piece], states: States) -> dict[str, Array]:
    """Return states as the graph takes them, by the names of its inputs."""
    return {
        f"{piece.name}/{state}_in": array
        for piece in pieces
        for state, array in zip(piece.states, states.get(piece.name, ()), strict=True)
    }


def states_out(pieces: Iterable[Piece], found: Mapping[str, Any]) -> States:
    """Return the states among the outputs of a graph."""
    return {
        piece.name: tuple(found[f"{piece.name}/{state}_out"] for state in piece.states)
        for piece in pieces
        if piece.states
    }
